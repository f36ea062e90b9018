//! A real frps for tests and the demo, in a thread of its own.
//!
//! Owns the thread. Does not know the protocol ([`super::frps`]) or the sockets ([`world`]). Always true: dropping it
//! stops and joins the thread. Worst case: one thread, and what [`world`] holds.

mod peer;
mod world;

use super::frps::settings::Settings;
use super::frps::{Frps, Tally};
use redial::proto::time::Instant;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, spawn};

pub(crate) use peer::Drip;
pub(crate) use world::{Stats, World};

/// What to start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// For the machine.
    pub(crate) settings: Settings,
    /// For its random numbers.
    pub(crate) seed: u64,
    /// How clients are sent to.
    pub(crate) drip: Option<Drip>,
    /// Bytes the kernel may hold of each connection, in each direction; the kernel takes it as a hint.
    pub(crate) buffers: Option<usize>,
}

impl From<Settings> for Options {
    fn from(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }
}

type Command = Box<dyn FnOnce(&mut World) + Send>;

/// See the module.
pub(crate) struct Server {
    addr: SocketAddr,
    commands: Sender<Command>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server on 127.0.0.1, on a port of the system's choice.
    pub(crate) fn start(options: impl Into<Options>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (ours, theirs) = UnixStream::pair()?;
        let (commands, inbox) = channel();
        let addr = listener.local_addr()?;
        let world = World::new(options.into(), listener, theirs)?;
        let thread = Some(spawn(move || run(world, &inbox)));
        Ok(Self { addr, commands, wake: ours, thread })
    }

    /// Where clients connect to.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Runs something in the server's thread, between two turns.
    pub(crate) fn ask<T: Send + 'static>(&self, what: impl FnOnce(&mut World) -> T + Send + 'static) -> T {
        let (reply, answer) = channel();
        let command: Command = Box::new(move |world| drop(reply.send(what(world))));
        self.commands.send(command).expect("the server's thread runs");
        (&self.wake).write_all(&[0]).expect("the server's thread runs");
        answer.recv().expect("the server's thread runs")
    }

    /// Runs something on the machine.
    pub(crate) fn with<T: Send + 'static>(&self, what: impl FnOnce(&mut Frps, Instant) -> T + Send + 'static) -> T {
        self.ask(|world| {
            let (machine, now) = world.machine();
            what(machine, now)
        })
    }

    /// The port users of a proxy connect to.
    pub(crate) fn port_of(&self, proxy: &str) -> Option<u16> {
        let proxy = proxy.to_owned();
        self.with(move |frps, _| frps.port_of(&proxy))
    }

    /// What the machine has counted.
    pub(crate) fn tally(&self) -> Tally {
        self.with(|frps, _| frps.tally())
    }

    /// What the loop has counted.
    pub(crate) fn stats(&self) -> Stats {
        self.ask(|world| world.stats())
    }

    /// The line to the clients dies silently: their connections stay open and nothing moves on them, for ever; no new
    /// ones are accepted until [`Server::heal`]. Users are not concerned.
    pub(crate) fn cut(&self) {
        self.ask(World::cut);
    }

    /// New connections get through again.
    pub(crate) fn heal(&self) {
        self.ask(World::heal);
    }

    /// Ends every connection and forgets everything, as a new process on the same port.
    pub(crate) fn restart(&self) {
        self.ask(World::restart).expect("the port was ours a moment ago");
    }

    /// Stops the thread and waits for its end.
    pub(crate) fn stop(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let stop: Command = Box::new(World::stop);
        // It may have found the command, and be gone, before it is woken.
        let _ = (self.commands.send(stop), (&self.wake).write_all(&[0]));
        assert!(thread.join().is_ok() || std::thread::panicking(), "the server's thread has panicked");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.halt();
    }
}

fn run(mut world: World, inbox: &Receiver<Command>) {
    while !world.stopped() {
        world.turn().expect("poll does not fail");
        while let Ok(command) = inbox.try_recv() {
            command(&mut world);
        }
        world.settle();
    }
}
