//! The client: decides what to open, route, retry and report.
//!
//! Owns the tasks (one [`session`], its links, the work connections) and the memory budget. Does not own a socket, parse
//! bytes or block. Always true: ownership is a tree; a task reaches others only through their keys, in this module; an
//! event whose socket is not the task's own is stale and dropped. Worst case: the budget (2 to 64 MiB, by free memory),
//! of which each work connection takes 1 KiB and what waits for its sockets; beside it, the buffers of [`shared`].
//!
//! The journey of a turn: [`Client::handle`] notes what happened, [`Client::turn`] runs every task that can go on, once,
//! then sends what the links have gathered. A task that has used up its share of a turn goes to the back of the queue.

mod credential;
mod cx;
mod dial;
mod ends;
mod failure;
mod link;
mod outage;
mod proxies;
mod reload;
pub mod report;
mod session;
mod setup;
mod shared;
mod splice;
mod standby;
mod traffic;
mod tunnel;
mod work;

pub use session::Memory;
pub use setup::{FRP_VERSION, MAX_BUDGET, MIN_BUDGET, Machine};
pub use traffic::{Standing, Traffic};

use crate::config::{Config, Finding};
use crate::net::{Event, Net, Signal, Sock, Token};
use crate::proto::mux;
use crate::proto::quiet::{Quiet, and_more};
use crate::proto::time::{Duration, Instant, micros, millis, sooner};
use credential::Credential;
use cx::Cx;
use dial::{Dial, Host, Target};
use ends::Draining;
#[cfg(feature = "admin")]
pub(crate) use failure::reason;
use failure::{Failure, LinkError};
use link::{Link, Owner};
use proxies::Proxies;
use session::{CONTROL, Session};
use setup::Setup;
use shared::{Shared, TaskKey};
use slab::Slab;
use std::net::IpAddr;
use tunnel::Fate;
use work::Work;

/// Ports of [`Token`]: a link (task: its key).
const LINK: u8 = 0;
/// A dial of the session's (task: its number).
const SESSION_DIAL: u8 = 1;
/// A work connection's dial to the server (task: its key).
const WORK_DIAL: u8 = 2;
/// A work connection's local socket (task: its key).
const LOCAL: u8 = 3;

/// See [`Client::pause`].
const BURST: usize = 32 * 1024;
/// See [`Client::pause`].
const PAUSE: Duration = micros(250);

/// Empty places for work connections that are kept, at least.
const SPARE: usize = 64;

/// A turn that comes so much later than it should is the machine's doing: the time is nobody's silence.
const LATE: Duration = millis(50);

/// Pieces of payload gathered before they are delivered.
const GATHER: usize = 64;

/// Why the client has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was told to.
    Terminated,
    /// The first login failed, and `loginFailExit` is on; says why.
    LoginFailed(String),
    /// It could not start; says why.
    Hopeless(String),
}

/// See the module.
pub struct Client {
    setup: Setup,
    credential: Credential,
    session: Session,
    links: Slab<Link>,
    works: Slab<Work>,
    proxies: Proxies,
    shared: Shared,
    /// Links that another one has taken the place of, with user connections that live on.
    draining: Vec<Draining>,
    exit: Option<Exit>,
    started: Instant,
    /// When the next turn should come at the latest, as last asked for.
    due: Option<Instant>,
    /// The line about connections that were cut off for memory.
    quiet: Quiet,
}

/// Payload of one stream, lent.
struct Piece<'a> {
    owner: u32,
    bytes: &'a mut [u8],
}

impl Client {
    /// A client that starts to connect in its first turn.
    ///
    /// # Errors
    /// TLS files or names that are of no use.
    pub fn new(config: &Config, machine: &Machine, now: Instant) -> Result<Self, Finding> {
        let setup = Setup::new(config, machine)?;
        if setup.server(0).tls.as_ref().is_some_and(|tls| !tls.verified()) {
            log::warn!("transport.tls.trustedCaFile is not set: the server is not verified (as in frpc)");
        }
        let proxies = Proxies::new(&config.proxies);
        Ok(Self {
            credential: Credential::new(&config.auth, now).map_err(setup::oidc_finding)?,
            session: Session::new(proxies.announces(), setup.spread, now),
            links: Slab::new(),
            works: Slab::new(),
            proxies,
            shared: Shared::new(setup.budget, now),
            setup,
            draining: Vec::new(),
            exit: None,
            started: now,
            due: None,
            quiet: Quiet::default(),
        })
    }

    /// What an earlier run of the program remembered; to be told before the first turn.
    pub fn recall(&mut self, memory: Memory) {
        self.session.recall(memory);
    }

    /// Since when the program runs.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Says that the program ran before this client did.
    pub fn set_started(&mut self, started: Instant) {
        self.started = started;
    }

    /// What the next run of the program should be told, if that has changed since the last call.
    pub fn take_memory(&mut self) -> Option<&Memory> {
        self.session.take_memory()
    }

    fn end(&mut self, exit: Exit) {
        self.session.close(&self.setup);
        self.exit = Some(exit);
    }

    /// Why the client has ended; `None` while it runs.
    pub fn exit(&self) -> Option<&Exit> {
        self.exit.as_ref()
    }

    /// When [`Client::turn`] is to be called though no event came.
    pub fn deadline(&mut self) -> Option<Instant> {
        self.due = None;
        if !self.shared.run.is_empty() || !self.shared.dirty.is_empty() {
            return Some(Instant::ZERO);
        }
        let own = self.own_links().filter_map(|key| self.links.get(key as usize).and_then(Link::deadline)).min();
        let drained = self.draining.iter().map(|d| d.until).min();
        let session = self.session.deadline().filter(|_| self.credential.prepared());
        let credential = self.credential.deadline();
        let at = [session, credential, self.shared.deadline(), own, drained].into_iter().fold(None, sooner);
        self.due = at.map(|at| at.max(self.shared.now));
        at
    }

    /// The links that carry sessions: the one in use, the second one, and those that are draining.
    fn own_links(&self) -> impl Iterator<Item = u32> {
        self.session.links().chain(self.draining.iter().map(|d| d.link))
    }

    fn each_mux(&mut self, mut act: impl FnMut(&mut mux::Mux)) {
        for key in self.own_links().collect::<Vec<_>>() {
            let mux = self.links.get_mut(key as usize).and_then(|link| link.mux.as_mut());
            mux.into_iter().for_each(&mut act);
        }
    }

    /// How long to let events gather before the next poll; `None`: do not wait.
    ///
    /// A server that sends as fast as it can wakes us for every frame. While a turn brings [`BURST`] or more (at the
    /// pace of [`PAUSE`], some 100 MB/s), a short pause lets more of them come, for a third less work a byte.
    pub fn pause(&self) -> Option<Duration> {
        (self.shared.brought >= BURST && self.shared.run.is_empty()).then_some(PAUSE)
    }

    /// Work connections, and bytes charged to the budget: for tests and reports.
    pub fn load(&self) -> (usize, usize) {
        (self.works.len(), self.shared.budget.used())
    }

    fn split<'a>(&'a mut self, net: &'a mut dyn Net) -> (&'a mut Session, &'a mut Slab<Work>, Cx<'a>) {
        let Self { setup, credential, session, links, works, proxies, shared, .. } = self;
        (session, works, Cx { net, links, shared, proxies, setup, credential, prefix: "" })
    }

    /// Takes note of an event. Call [`Client::turn`] after the last one of a turn.
    pub fn handle(&mut self, event: Event, net: &mut dyn Net) {
        self.shared.now = net.now();
        let Some(event) = self.credential.handle(event, net) else { return };
        match event {
            Event::Ready { token, sock } => self.on_ready(token, sock),
            Event::JobDone { .. } | Event::FilesDone { .. } => {}
            Event::Dialed { token, sock, result } if token.port == SESSION_DIAL => {
                let (session, _, mut cx) = self.split(net);
                let result = session.on_dialed(token, sock, result, &mut cx);
                self.session_did(result, net);
            }
            Event::Resolved { token, result } if token.port == SESSION_DIAL => {
                let (session, _, mut cx) = self.split(net);
                let result = session.on_resolved(token, result, &mut cx);
                self.session_did(result, net);
            }
            Event::Dialed { token, sock, result } => {
                self.with_work(token.task, net, |work, cx| work.on_dialed(token, sock, result, cx));
            }
            Event::Resolved { token, result } => {
                self.with_work(token.task, net, |work, cx| work.on_resolved(result, cx));
            }
            Event::Signal(signal) => self.on_signal(signal),
            Event::NetworkChanged => self.session.on_change(self.shared.now),
            Event::Stalled(stood) => {
                let now = self.shared.now;
                self.due = None;
                self.credential.on_stall(stood);
                self.session.on_stall(stood, now);
                self.each_mux(|mux| mux.on_stall(now));
            }
        }
    }

    /// Where the session is, in a few words.
    pub fn doing(&self) -> &'static str {
        self.session.doing()
    }

    fn on_ready(&mut self, token: Token, sock: Sock) {
        if token.port == LINK {
            let Some(link) = self.links.get_mut(token.task as usize).filter(|link| link.sock == sock) else { return };
            match link.owner {
                Owner::Work(work) => self.queue_work(work),
                Owner::Session => {
                    if !core::mem::replace(&mut link.queued, true) {
                        self.shared.run.push_back(TaskKey::Link(token.task));
                    }
                }
            }
        } else if self.works.get(token.task as usize).is_some_and(|work| work.is_local(sock)) {
            self.queue_work(token.task);
        }
    }

    fn on_signal(&mut self, signal: Signal) {
        match signal {
            Signal::Terminate => self.end(Exit::Terminated),
            Signal::Report => {
                let (works, bytes) = self.load();
                for line in self.session.status(self.shared.now) {
                    log::info!("{}{line}", self.session.prefix());
                }
                log::info!("{}{works} work connections, {bytes} bytes", self.session.prefix());
            }
            // It takes files: the program's part.
            Signal::Reload => {}
            Signal::Poke => self.session.poke(self.shared.now),
        }
    }

    fn queue_work(&mut self, key: u32) {
        if let Some(work) = self.works.get_mut(key as usize)
            && !core::mem::replace(&mut work.queued, true)
        {
            self.shared.run.push_back(TaskKey::Work(key));
        }
    }

    /// Runs everything that can go on, once, and sends what was gathered.
    pub fn turn(&mut self, net: &mut dyn Net) {
        self.shared.now = net.now();
        self.shared.brought = 0;
        let late = self.due.take().map_or(Duration::ZERO, |at| self.shared.now.since(at));
        if late >= LATE {
            self.session.on_late(late);
            self.each_mux(|mux| mux.on_late(late));
        }
        for _ in 0..self.shared.run.len() {
            match self.shared.run.pop_front() {
                Some(TaskKey::Link(key)) => self.run_link(key, net),
                Some(TaskKey::Work(key)) => {
                    if let Some(work) = self.works.get_mut(key as usize) {
                        work.queued = false;
                    }
                    self.with_work(key, net, Work::pump);
                }
                None => break,
            }
        }
        self.tend_credential(net);
        // After what has come: it may have been there in time.
        self.expire(net);
        self.take_over(net);
        self.drain(net);
        self.step_session(net);
        self.relieve(net);
        self.flush(net);
        if self.works.capacity() > SPARE + 4 * self.works.len() {
            self.works.shrink_to_fit();
        }
        let works = &self.works;
        self.shared.sweep(works.len(), |work, at| works.get(work as usize).is_some_and(|w| w.armed_at(at)));
    }

    fn expire(&mut self, net: &mut dyn Net) {
        if self.credential.prepared() && self.exit.is_none() {
            let (session, _, mut cx) = self.split(net);
            let result = session.expire(&mut cx);
            self.session_did(result, net);
        }
        while let Some(key) = self.shared.due() {
            if let Some(work) = self.works.get_mut(key as usize) {
                work.on_timer();
                self.queue_work(key);
            }
        }
        let now = self.shared.now;
        for key in self.own_links().collect::<Vec<_>>() {
            if let Some(link) = self.links.get_mut(key as usize)
                && let Some(mux) = link.mux.as_mut().filter(|mux| mux.deadline().is_some_and(|at| at <= now))
            {
                let result = mux.expire(now).map_err(|e| LinkError::Mux(e).into());
                link.touch(key, &mut self.shared);
                self.link_did(key, result, net);
            }
        }
        self.shared.release();
    }

    /// Lets a work connection do something and sees to what becomes of it.
    fn with_work(&mut self, key: u32, net: &mut dyn Net, act: impl FnOnce(&mut Work, &mut Cx<'_>) -> Fate) {
        let Self { setup, credential, session, links, works, proxies, shared, .. } = self;
        let Some(work) = works.get_mut(key as usize) else { return };
        let mut cx = Cx { net, links, shared, proxies, setup, credential, prefix: session.prefix() };
        let fate = act(work, &mut cx);
        if fate == Fate::Gone {
            return works.remove(key as usize).close(&mut cx);
        }
        work.settle(&mut cx);
        if fate == Fate::Again {
            self.queue_work(key);
        }
    }

    /// Reads the session's link.
    fn run_link(&mut self, key: u32, net: &mut dyn Net) {
        let Some(link) = self.links.get_mut(key as usize) else { return };
        link.queued = false;
        link.touch(key, &mut self.shared);
        let mut scratch = self.shared.take_scratch();
        let (mut left, mut result) = (self.shared.large, Ok(()));
        while result.is_ok() {
            let Some(link) = self.links.get_mut(key as usize) else { break };
            link.held_back = link.mux.as_ref().is_some_and(mux::Mux::congested);
            if link.held_back {
                break;
            }
            if left == 0 {
                link.queued = true;
                self.shared.run.push_back(TaskKey::Link(key));
                break;
            }
            result = match link.read(&mut scratch, net) {
                Ok(None) => break,
                Ok(Some(got)) => {
                    self.shared.brought += got.to - got.from;
                    left = left.saturating_sub(got.to - got.from);
                    let fed = self.feed(key, scratch.get_mut(got.from..got.to).unwrap_or_default(), net);
                    let (session, _, mut cx) = self.split(net);
                    session.on_heard(key, &mut cx);
                    if got.full {
                        scratch = self.shared.exchange(scratch);
                    }
                    fed
                }
                Err(e) => Err(e.into()),
            };
        }
        self.shared.put_scratch(scratch);
        self.link_did(key, result, net);
    }

    /// Bytes of the session's link, all layers below the mux removed.
    fn feed(&mut self, key: u32, mut bytes: &mut [u8], net: &mut dyn Net) -> Result<(), Failure> {
        let in_use = self.session.link().is_some_and(|(link, _)| link == key);
        if self.links.get(key as usize).is_some_and(|link| link.mux.is_none()) {
            let (session, _, mut cx) = self.split(net);
            // On the second link the server has nothing to say yet.
            return if in_use { session.feed(bytes, &mut cx) } else { Ok(()) };
        }
        let now = self.shared.now;
        let mut gathered: Vec<Piece<'_>> = Vec::new();
        while let Some(mux) = self.links.get_mut(key as usize).and_then(|link| link.mux.as_mut()) {
            let Some(event) = mux.feed(&mut bytes, now).map_err(LinkError::Mux)? else { break };
            match event {
                mux::Event::Data { owner, bytes, .. } => {
                    if gathered.len() == GATHER {
                        self.deliver(&mut gathered, net)?;
                    }
                    gathered.push(Piece { owner, bytes });
                }
                mux::Event::Window { owner, .. } => self.queue_work(owner),
                mux::Event::Fin { owner, .. } | mux::Event::Reset { owner, .. } => {
                    self.deliver(&mut gathered, net)?;
                    match owner {
                        CONTROL if in_use => return Err(LinkError::Eof.into()),
                        CONTROL => {}
                        _ => self.with_work(owner, net, Work::server_eof),
                    }
                }
            }
        }
        self.deliver(&mut gathered, net)
    }

    /// Hands gathered payload to its owners, all pieces of one owner at once.
    fn deliver(&mut self, gathered: &mut Vec<Piece<'_>>, net: &mut dyn Net) -> Result<(), Failure> {
        while let Some(owner) = gathered.first().map(|piece| piece.owner) {
            let mut own = Vec::with_capacity(gathered.len());
            gathered.retain_mut(|piece| {
                let other = piece.owner != owner;
                if !other {
                    own.push(core::mem::take(&mut piece.bytes));
                }
                other
            });
            if owner == CONTROL {
                let (session, _, mut cx) = self.split(net);
                own.iter_mut().try_for_each(|bytes| session.feed(bytes, &mut cx))?;
            } else {
                self.with_work(owner, net, |work, cx| work.receive(&mut own, cx));
            }
        }
        Ok(())
    }

    /// Lets the session act, and opens the work connections it wants.
    fn step_session(&mut self, net: &mut dyn Net) {
        let (session, _, mut cx) = self.split(net);
        session.step(&mut cx);
        while let Some((hello, server)) = self.session.next_wanted(&mut self.credential, self.shared.now) {
            if !self.open_work(work::hello(&hello), server, net) {
                self.session.want_again();
                break;
            }
        }
    }

    /// Opens a work connection; false if that cannot be done now.
    fn open_work(&mut self, hello: Vec<u8>, server: IpAddr, net: &mut dyn Net) -> bool {
        let now = self.shared.now;
        let Some((link_key, _)) = self.session.link() else { return true };
        let place = self.session.server();
        let peer = self.setup.server(place);
        let tls = if self.setup.mux.is_none() && peer.tls.is_some() { link::TLS_COST } else { 0 };
        if self.shared.budget.is_full(tls) {
            if let Some(more) = self.shared.quiet.allow(now) {
                let (prefix, more) = (self.session.prefix(), and_more(more));
                log::warn!("{prefix}out of memory budget: a work connection is not opened{more}");
            }
            return true;
        }
        let entry = self.works.vacant_entry();
        let work = u32::try_from(entry.key()).unwrap_or(CONTROL);
        if self.setup.mux.is_none() {
            let target = Target { host: Host::Ip(server), port: peer.target.port };
            let token = Token { task: work, port: WORK_DIAL };
            let dial = Dial::start(&target, &peer.work_opts(), self.setup.dial_timeout, token, net);
            entry.insert(Work::on_dial(work, place, dial, hello));
        } else {
            let Some(link) = self.links.get_mut(link_key as usize) else { return true };
            let Some(stream) = link.mux.as_mut().and_then(|mux| mux.open(work, now)) else { return false };
            link.post(stream, &hello);
            link.touch(link_key, &mut self.shared);
            entry.insert(Work::on_stream(work, link_key, stream));
        }
        self.with_work(work, net, Work::pump);
        true
    }

    /// Sends what the links have gathered.
    fn flush(&mut self, net: &mut dyn Net) {
        let mut dirty = core::mem::take(&mut self.shared.dirty);
        for key in dirty.drain(..) {
            let Some(link) = self.links.get_mut(key as usize) else { continue };
            let (owner, waited) = (link.owner, link.pending());
            let flushed = link.flush(net, &mut self.shared);
            if owner == Owner::Session {
                self.session.on_sent(key, link.wrote, self.shared.now);
            }
            match (flushed, owner) {
                (Ok(()), Owner::Session) => {
                    let room = link.mux.as_ref().is_some_and(|mux| !mux.congested());
                    if room && core::mem::take(&mut link.held_back) && !core::mem::replace(&mut link.queued, true) {
                        self.shared.run.push_back(TaskKey::Link(key));
                    }
                }
                (Err(e), Owner::Session) => self.link_did(key, Err(e.into()), net),
                (Ok(()), Owner::Work(work)) if waited && !link.pending() => self.queue_work(work),
                (Ok(()), Owner::Work(_)) => {}
                (Err(e), Owner::Work(work)) => {
                    log::debug!("{}work connection: {e}", self.session.prefix());
                    self.with_work(work, net, Work::server_deaf);
                }
            }
        }
        if self.shared.dirty.is_empty() {
            self.shared.dirty = dirty;
        }
    }

    /// Ends the session if what it did failed.
    fn session_did(&mut self, result: Result<(), Failure>, net: &mut dyn Net) {
        let Err(failure) = result else { return };
        let (session, _, mut cx) = self.split(net);
        let ended = session.fail(&failure, &mut cx);
        if let Some(why) = ended.give_up {
            self.end(Exit::LoginFailed(why));
        }
        self.drop_pooled(net);
        if let Some(link) = ended.link {
            self.drop_link(link, failure.blame.is_silent(), net);
        }
        self.drop_stranded(net);
    }

    /// Ends what a link of the session's own was for, if what it did failed.
    fn link_did(&mut self, key: u32, result: Result<(), Failure>, net: &mut dyn Net) {
        let Err(failure) = result else { return };
        if self.session.link().is_some_and(|(link, _)| link == key) {
            return self.session_did(Err(failure), net);
        }
        if let Some(at) = self.draining.iter().position(|d| d.link == key) {
            log::debug!("{}the old link: {failure}", self.session.prefix());
            self.draining.swap_remove(at);
            return self.drop_link(key, failure.blame.is_silent(), net);
        }
        let (session, _, mut cx) = self.split(net);
        let result = session.standby_failed(key, &failure, &mut cx);
        self.session_did(result, net);
    }

    /// Cuts off the connections that hold most until the budget is kept.
    fn relieve(&mut self, net: &mut dyn Net) {
        while self.shared.budget.exceeded() {
            let Some((key, held)) = self.works.iter().map(|(key, w)| (key, w.charged())).max_by_key(|(_, held)| *held)
            else {
                return;
            };
            if let Some(more) = self.quiet.allow(self.shared.now) {
                let (prefix, more) = (self.session.prefix(), and_more(more));
                log::warn!("{prefix}out of memory budget: a connection that held {held} bytes is cut off{more}");
            }
            let work = self.works.remove(key);
            let (_, _, mut cx) = self.split(net);
            work.abort(&mut cx);
        }
    }
}
