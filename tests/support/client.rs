//! A redial in a thread of its own, and what it says.
//!
//! Owns the thread, the client and its log lines. Does not judge them. Always true: dropping it stops and joins the
//! thread; lines of other threads are not mixed in. Worst case: one thread, and the lines.

use log::{Level, LevelFilter, Log, Metadata, Record};
use redial::client::{Client, Exit, Machine};
use redial::config;
use redial::net::Net;
use redial::net::os::{self, Os};
use redial::proto::time::{Instant, millis, sooner};
use std::cell::Cell;
use std::sync::Once;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

/// How long [`Redial::line`] waits.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the client's thread looks for questions.
const TICK: Duration = Duration::from_millis(20);

thread_local! {
    /// Log lines of this thread that were not sent on.
    static LINES: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// A log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its level.
    pub(crate) level: Level,
    /// Its text.
    pub(crate) text: String,
}

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("redial")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let mut lines = LINES.take();
            lines.push(Line { level: record.level(), text: record.args().to_string() });
            LINES.set(lines);
        }
    }

    fn flush(&self) {}
}

/// How the client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vitals {
    /// Turns of its loop that had a reason: an event, or a deadline that passed.
    pub(crate) turns: u64,
    /// Work connections now.
    pub(crate) works: usize,
    /// The most there were at the end of a turn.
    pub(crate) peak_works: usize,
    /// The most bytes charged to its budget at the end of a turn.
    pub(crate) peak_bytes: usize,
}

enum News {
    Line(Line),
    Vitals(Vitals),
    Exit(Exit),
}

/// See the module.
pub(crate) struct Redial {
    questions: Option<Sender<()>>,
    news: Receiver<News>,
    thread: Option<JoinHandle<()>>,
    /// Every line so far.
    pub(crate) lines: Vec<Line>,
    /// Set once the client has ended by itself.
    pub(crate) exit: Option<Exit>,
}

impl Redial {
    /// Starts a client with this configuration (frpc.toml) on a machine with 1 GiB to spare.
    pub(crate) fn start(toml: &str) -> Self {
        Self::start_on(toml, 1 << 30)
    }

    /// As [`Redial::start`], with so many bytes to spare: a sixteenth is the client's budget.
    pub(crate) fn start_on(toml: &str, memory: u64) -> Self {
        static LOGGER: Once = Once::new();
        LOGGER.call_once(|| {
            log::set_logger(&Logger).expect("no other logger in tests");
            log::set_max_level(LevelFilter::Debug);
            let _ = os::raise_descriptor_limit();
        });
        let config = config::parse("test.toml", toml).unwrap_or_else(|f| panic!("{f:?}")).config;
        let (questions, asked) = channel();
        let (tell, news) = channel();
        let thread = Some(spawn(move || drive(&config, memory, &asked, &tell)));
        Self { questions: Some(questions), news, thread, lines: Vec::new(), exit: None }
    }

    /// Waits for one more piece of news.
    fn hear(&mut self, patience: Duration) -> Option<Vitals> {
        match self.news.recv_timeout(patience) {
            Ok(News::Line(line)) => self.lines.push(line),
            Ok(News::Exit(exit)) => self.exit = Some(exit),
            Ok(News::Vitals(vitals)) => return Some(vitals),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("redial has panicked; it said {:#?}", self.lines),
        }
        None
    }

    /// Waits for a line with this text in it that is not among the first `after`; returns its index.
    #[expect(clippy::disallowed_methods, reason = "a test's patience is real time")]
    pub(crate) fn line(&mut self, part: &str, after: usize) -> usize {
        let start = std::time::Instant::now();
        loop {
            if let Some(at) = self.lines.iter().skip(after).position(|line| line.text.contains(part)) {
                return after + at;
            }
            assert!(start.elapsed() < PATIENCE, "no line with \"{part}\" among {:#?}", &self.lines[after..]);
            self.hear(PATIENCE);
        }
    }

    /// How the client is now.
    pub(crate) fn vitals(&mut self) -> Vitals {
        self.questions.as_ref().and_then(|q| q.send(()).ok()).expect("the client's thread runs");
        loop {
            if let Some(vitals) = self.hear(PATIENCE) {
                return vitals;
            }
        }
    }

    /// The first line of a level that is not among the first `after`, if it was said already.
    pub(crate) fn said(&self, level: Level, after: usize) -> Option<&str> {
        self.lines.iter().skip(after).find(|line| line.level == level).map(|line| line.text.as_str())
    }

    /// Stops the client and waits for its end.
    pub(crate) fn stop(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        self.questions = None;
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking(), "redial has panicked");
        }
    }
}

impl Drop for Redial {
    fn drop(&mut self) {
        self.halt();
    }
}

fn drive(config: &config::Config, memory: u64, asked: &Receiver<()>, tell: &Sender<News>) {
    let machine = Machine { hostname: "test".to_owned(), memory_available: Some(memory) };
    let mut net = Os::new(config.dns_server).expect("a poll");
    let mut client = Client::new(config, &machine, net.now()).expect("no TLS files");
    let (mut events, mut vitals) = (Vec::new(), Vitals::default());
    let mut due = Some(Instant::ZERO);
    loop {
        let woken = !events.is_empty() || due.is_some_and(|at| at <= net.now());
        vitals.turns += u64::from(woken);
        events.drain(..).for_each(|event| client.handle(event, &mut net));
        client.turn(&mut net);
        let (works, bytes) = client.load();
        vitals.works = works;
        vitals.peak_works = vitals.peak_works.max(works);
        vitals.peak_bytes = vitals.peak_bytes.max(bytes);
        let lines = LINES.take().into_iter().map(News::Line);
        lines.for_each(|line| drop(tell.send(line)));
        if let Some(exit) = client.exit() {
            let _ = tell.send(News::Exit(exit.clone()));
            return asked.iter().for_each(|()| drop(tell.send(News::Vitals(vitals))));
        }
        match asked.try_recv() {
            Ok(()) => drop(tell.send(News::Vitals(vitals))),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return,
        }
        due = client.deadline();
        let tick = net.now() + millis(u64::try_from(TICK.as_millis()).unwrap_or(20));
        net.wait(sooner(due, Some(tick)), &mut events).expect("poll does not fail");
    }
}
