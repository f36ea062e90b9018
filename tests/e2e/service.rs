//! The local service behind the program under test: one listener whose connections do what their first bytes ask for.
//!
//! Each connection has a thread. How a request went is told on the service's [`Board`], not over the connection: the test
//! runs in the same process, and the ways a connection ends are themselves under test.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::pattern::{GIVE_UP, Pattern, STUCK};
use crate::wait::{Context, Outcome, ensure};

/// First byte of a connection that wants everything back, this byte included.
pub(crate) const ECHO: u8 = b'e';

/// What the service does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads `up` bytes and writes `down` bytes at the same time, then waits for the end.
    Trade,
    /// Writes `down` bytes and closes at once.
    Spill,
    /// Writes until it is stuck and little more, and closes at once.
    Flood,
    /// Reads until the end.
    Collect,
    /// Reads nothing until the test says [`Fact::Go`]; then as `Collect`.
    Hold,
}

/// The first bytes of a connection that is not an echo.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    pub(crate) kind: Kind,
    /// Whether the data is partly compressible.
    pub(crate) mixed: bool,
    /// Names the request on the board; unique in a test.
    pub(crate) seed: u64,
    pub(crate) up: u64,
    pub(crate) down: u64,
}

impl Request {
    const LEN: usize = 26;

    pub(crate) fn up_pattern(&self) -> Pattern {
        if self.mixed { Pattern::Mixed(self.seed) } else { Pattern::Random(self.seed) }
    }

    pub(crate) fn down_pattern(&self) -> Pattern {
        if self.mixed { Pattern::Mixed(!self.seed) } else { Pattern::Random(!self.seed) }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let kind = match self.kind {
            Kind::Trade => b't',
            Kind::Spill => b's',
            Kind::Flood => b'f',
            Kind::Collect => b'c',
            Kind::Hold => b'h',
        };
        let numbers = [self.seed, self.up, self.down];
        [kind, self.mixed.into()].into_iter().chain(numbers.into_iter().flat_map(u64::to_le_bytes)).collect()
    }

    fn decode(bytes: &[u8; Self::LEN]) -> Outcome<Self> {
        let kind = match bytes[0] {
            b't' => Kind::Trade,
            b's' => Kind::Spill,
            b'f' => Kind::Flood,
            b'c' => Kind::Collect,
            b'h' => Kind::Hold,
            other => return Err(format!("a request of unknown kind {other:#04x}")),
        };
        let number = |at: usize| bytes[at..at + 8].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        Ok(Self { kind, mixed: bytes[1] != 0, seed: number(2), up: number(10), down: number(18) })
    }
}

/// What can be known about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fact {
    /// A writer of it makes no progress.
    Stuck,
    /// A held connection may be read.
    Go,
    /// The service is done with it: how many bytes it sent or, if it only read, got.
    Done,
}

/// Facts about requests, by seed; to be waited for.
#[derive(Default)]
pub(crate) struct Board {
    facts: Mutex<HashMap<(u64, Fact), Outcome<u64>>>,
    news: Condvar,
}

impl Board {
    pub(crate) fn put(&self, seed: u64, fact: Fact, value: Outcome<u64>) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).insert((seed, fact), value);
        self.news.notify_all();
    }

    /// Waits until the fact is known; its value.
    pub(crate) fn wait(&self, seed: u64, fact: Fact, limit: Duration) -> Outcome<u64> {
        let deadline = Instant::now() + limit;
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(value) = facts.get(&(seed, fact)) {
                return value.clone().context(format_args!("{fact:?} of request {seed} at the service"));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "not within {limit:?}: {fact:?} of request {seed}");
            facts = self.news.wait_timeout(facts, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

pub(crate) struct Service {
    pub(crate) port: u16,
    pub(crate) board: Arc<Board>,
    stop: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Service {
    pub(crate) fn start(port: u16) -> Outcome<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).context(format_args!("the service's port {port}"))?;
        let (board, stop) = (Arc::new(Board::default()), Arc::new(AtomicBool::new(false)));
        let acceptor = {
            let (board, stop) = (Arc::clone(&board), Arc::clone(&stop));
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    if stop.load(Ordering::Acquire) {
                        break;
                    }
                    let board = Arc::clone(&board);
                    thread::spawn(move || serve(&stream, &board));
                }
            })
        };
        Ok(Self { port, board, stop, acceptor: Some(acceptor) })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect(("127.0.0.1", self.port)); // wakes the acceptor
        let _ = self.acceptor.take().map(JoinHandle::join);
    }
}

/// Time limits and no delay, for either end of a connection.
pub(crate) fn prepare(stream: &TcpStream) -> Outcome {
    stream.set_nodelay(true).context("nodelay")?;
    stream.set_read_timeout(Some(GIVE_UP)).context("read timeout")?;
    stream.set_write_timeout(Some(STUCK)).context("write timeout")
}

fn serve(mut stream: &TcpStream, board: &Board) {
    let mut first = [0; Request::LEN];
    if prepare(stream).is_err() || stream.read_exact(&mut first[..1]).is_err() {
        return; // closed unused, as probes are
    }
    if first[0] == ECHO {
        echo(stream);
        return;
    }
    if stream.read_exact(&mut first[1..]).is_ok()
        && let Ok(request) = Request::decode(&first)
    {
        let done = carry_out(&request, stream, board);
        board.put(request.seed, Fact::Done, done);
        if request.kind == Kind::Trade {
            let _ = stream.read(&mut first); // the user closes first
        }
    }
}

fn carry_out(request: &Request, stream: &TcpStream, board: &Board) -> Outcome<u64> {
    match request.kind {
        Kind::Trade => thread::scope(|scope| {
            let sending = scope.spawn(|| request.down_pattern().send(stream, request.down));
            request.up_pattern().verify(stream, request.up)?;
            sending.join().map_err(|_| "the service's sender panicked")??;
            Ok(request.up)
        }),
        Kind::Spill => request.down_pattern().send(stream, request.down).map(|()| request.down),
        Kind::Flood => request.down_pattern().flood(stream, || board.put(request.seed, Fact::Stuck, Ok(0))),
        Kind::Collect => request.up_pattern().verify_to_end(stream),
        Kind::Hold => {
            board.wait(request.seed, Fact::Go, GIVE_UP)?;
            request.up_pattern().verify_to_end(stream)
        }
    }
}

fn echo(mut stream: &TcpStream) {
    let mut chunk = vec![0; 16 * 1024];
    chunk[0] = ECHO;
    let mut len = 1;
    while len > 0 && stream.write_all(&chunk[..len]).is_ok() {
        len = loop {
            match stream.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read.unwrap_or(0),
            }
        };
    }
    let _ = stream.shutdown(Shutdown::Both);
}
