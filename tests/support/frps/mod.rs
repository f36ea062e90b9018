//! A small frps without sockets: tcp proxies, with or without mux, and faults on cue.
//!
//! Owns every connection's state from the first byte to the users' payload. Does not own a socket, a clock or
//! randomness: time comes with every call, random bytes are drawn from the seed it is given. Always true: nothing is
//! queued without bound, as long as the driver asks [`Frps::conn_room`] and [`Frps::user_room`] before it hands bytes
//! in and reports what has left by [`Frps::sent`] and [`Frps::user_sent`]. Worst case: 600 KiB a connection, and for
//! each user the client's window (6 MiB with mux, else 64 KiB) and 200 KiB.
//!
//! The grammar is that of redial's own machines: inputs, then [`Frps::poll`] until it says `None`; [`Frps::expire`] at
//! [`Frps::deadline`]. The driver names connections and users; a name is not used again.
//!
//! ```text
//! connected  received  ended  failed       a client's connection     Send  Close  Abort
//! user_connected  user_received  …_ended   a user's connection       UserSend  UserClose
//! listening                                a proxy's port            Listen  Unlisten
//! ```
//!
//! A mux stream, or a connection without mux, is a [`Line`]; its [`Role`] says what its bytes mean.
#![allow(dead_code, reason = "each target that includes this uses a part of it")]

pub(crate) mod chunks;
pub(crate) mod faults;
pub(crate) mod mux;
mod session;
pub(crate) mod settings;
mod users;
mod wires;

use chunks::Chunks;
use faults::{Act, Fault, Faults, Stage};
use mux::{End, Event};
use redial::proto::crypto::{BLOCK, Key, derive_key};
use redial::proto::snappy::Workspace;
use redial::proto::time::{Duration, Instant, secs, sooner};
use redial::wire::msg::NewProxyResp;
use session::{Proxy, Session};
use settings::Settings;
use std::collections::{BTreeMap, BTreeSet};
use users::Visit;
use wires::{FULL, READ, Wires};

pub(crate) use users::Why;
pub(crate) use wires::Line;

/// How long the first message of a line may take (frps: connReadTimeout).
const FIRST_MESSAGE: Duration = secs(10);

/// A client's connection, named by the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Conn(pub(crate) u32);

/// A user's connection, named by the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct User(pub(crate) u32);

/// Something the driver is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Out {
    /// Send to a client, then report it by [`Frps::sent`].
    Send { conn: Conn, bytes: Vec<u8> },
    /// Close after what was sent; what still comes is of no interest. The name is done with.
    Close { conn: Conn },
    /// Close with RST. The name is done with.
    Abort { conn: Conn },
    /// Listen on this port (0: any) for this proxy, then say so by [`Frps::listening`].
    Listen { port: u16, proxy: String },
    /// Stop listening on this port.
    Unlisten { port: u16 },
    /// Send to a user, then report it by [`Frps::user_sent`].
    UserSend { user: User, bytes: Vec<u8> },
    /// Close after what was sent. The name is done with.
    UserClose { user: User, why: Why },
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Logins that were answered with a run id.
    pub(crate) logins: u64,
    /// Of these, how many took a session over.
    pub(crate) takeovers: u64,
    /// Logins that were refused.
    pub(crate) refused: u64,
    /// Sessions that have ended.
    pub(crate) ended: u64,
    /// Heartbeats that came.
    pub(crate) pings: u64,
    /// Work connections that came.
    pub(crate) works: u64,
    /// Of these, how many were refused.
    pub(crate) works_refused: u64,
    /// Users whose payload was carried.
    pub(crate) served: u64,
    /// Connections that ended because their mux pings were not answered.
    pub(crate) silent: u64,
    /// What the client last did against the rules of the mux; must stay empty.
    pub(crate) violation: Option<&'static str>,
    /// Messages and first messages that were no frp.
    pub(crate) garbage: u64,
}

/// What the bytes of a line mean.
#[derive(Debug)]
enum Role {
    /// The first message is to come, at the latest then.
    Fresh { until: Instant },
    /// A login that waits for the end of the session with this run id.
    Login(String),
    /// The control connection of this session.
    Control(String),
    /// A work connection of this session that waits for a user.
    Pooled(String),
    /// A work connection in use.
    Bridge(User),
    /// A fault has silenced it: what comes is dropped.
    Mute,
}

/// A line's state.
#[derive(Debug)]
struct Held {
    role: Role,
    /// Received and not looked at. A bridge's bytes are with its user.
    rx: Chunks,
    /// The client will send no more.
    ended: bool,
}

/// The machine. See the module.
pub(crate) struct Frps {
    settings: Settings,
    faults: Faults,
    key: Key,
    random: Random,
    wires: Wires,
    lines: BTreeMap<Line, Held>,
    sessions: BTreeMap<String, Session>,
    /// Run ids that no login gets any more ([`settings::Takeover::Stuck`]).
    stuck: BTreeSet<String>,
    proxies: BTreeMap<String, Proxy>,
    /// Sessions and names of proxies that were closed before the driver said that it listens.
    orphans: Vec<(String, String)>,
    /// Refusals that wait for the answers before them.
    refusals: Vec<(String, NewProxyResp)>,
    users: BTreeMap<User, Visit>,
    workspace: Workspace,
    tally: Tally,
}

impl Frps {
    /// A server without clients. `seed` stands for all its random numbers.
    pub(crate) fn new(settings: Settings, seed: u64) -> Self {
        let mut faults = Faults::default();
        settings.faults.iter().cloned().for_each(|f| faults.add(f));
        let mut wires = Wires::default();
        wires.delay = settings.delay;
        Self {
            key: derive_key(&settings.token),
            settings,
            faults,
            random: Random(seed),
            wires,
            lines: BTreeMap::new(),
            sessions: BTreeMap::new(),
            stuck: BTreeSet::new(),
            proxies: BTreeMap::new(),
            orphans: Vec::new(),
            refusals: Vec::new(),
            users: BTreeMap::new(),
            workspace: Workspace::default(),
            tally: Tally::default(),
        }
    }

    /// Adds a fault.
    pub(crate) fn add_fault(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// Forgets all faults.
    pub(crate) fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// From now on everything sent to clients leaves so much later.
    pub(crate) fn set_delay(&mut self, delay: Duration) {
        self.wires.delay = delay;
    }

    /// Whether users are given nothing. Lifting it shows with the next input.
    pub(crate) fn stall_users(&mut self, stall: bool) {
        self.settings.stall_users = stall;
    }

    /// What has happened so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Run ids of the sessions that are there.
    pub(crate) fn sessions(&self) -> Vec<&str> {
        self.sessions.keys().map(String::as_str).collect()
    }

    /// The port users of a proxy connect to; `None` while it is not open.
    pub(crate) fn port_of(&self, proxy: &str) -> Option<u16> {
        self.proxies.get(proxy)?.port
    }

    /// Unused work connections of all sessions.
    pub(crate) fn pooled(&self) -> usize {
        self.sessions.values().map(Session::pooled).sum()
    }

    /// Asks each session for so many more work connections.
    pub(crate) fn demand(&mut self, more: u64, now: Instant) {
        self.wires.now = now;
        for run_id in self.sessions.keys().cloned().collect::<Vec<_>>() {
            self.ask(&run_id, more);
        }
    }

    /// Ends every session, as a login with its run id from elsewhere does.
    pub(crate) fn replace_all(&mut self, now: Instant) {
        self.wires.now = now;
        self.sessions.keys().cloned().collect::<Vec<_>>().iter().for_each(|run_id| self.end_session(run_id));
    }

    /// A client connected.
    pub(crate) fn connected(&mut self, conn: Conn, now: Instant) {
        self.wires.now = now;
        self.wires.open(conn, self.settings.mux);
        let line = Line { conn, stream: 0 };
        if self.settings.mux.is_none() {
            self.lines.insert(line, Held::fresh(now));
        }
        if self.struck(Stage::Accept, line) {
            self.wires.mute(conn);
        }
    }

    /// Bytes the machine takes from a connection now.
    pub(crate) fn conn_room(&self, conn: Conn) -> usize {
        if self.wires.is_mute(conn) {
            return READ;
        }
        if self.wires.backlog(conn) >= FULL {
            return 0;
        }
        let Some(held) = self.lines.get(&Line { conn, stream: 0 }) else { return READ };
        let waiting = match held.role {
            Role::Bridge(user) => self.users.get(&user).map_or(0, Visit::received),
            _ => held.rx.len(),
        };
        if waiting < READ { READ } else { 0 }
    }

    /// A client sent bytes, at most [`Frps::conn_room`].
    pub(crate) fn received(&mut self, conn: Conn, bytes: &[u8], now: Instant) {
        self.wires.now = now;
        if self.wires.is_mute(conn) {
            return;
        }
        if self.wires.mux(conn).is_some() {
            self.feed(conn, bytes);
        } else {
            self.on_bytes(Line { conn, stream: 0 }, bytes);
        }
    }

    /// A client will send no more.
    pub(crate) fn ended(&mut self, conn: Conn, now: Instant) {
        self.wires.now = now;
        if self.wires.mux(conn).is_some() || self.wires.is_mute(conn) {
            self.close_conn(conn);
        } else {
            self.on_fin(Line { conn, stream: 0 });
        }
    }

    /// A client's connection broke. Its name is done with.
    pub(crate) fn failed(&mut self, conn: Conn, now: Instant) {
        self.wires.now = now;
        self.wires.forget(conn);
        self.drop_lines(conn);
    }

    /// Bytes of [`Out::Send`] have left.
    pub(crate) fn sent(&mut self, conn: Conn, bytes: usize, now: Instant) {
        self.wires.now = now;
        if self.wires.sent(conn, bytes) {
            let range = Line { conn, stream: 0 }..=Line { conn, stream: u32::MAX };
            let lines: Vec<Line> = self.lines.range(range).map(|(line, _)| *line).collect();
            lines.into_iter().for_each(|line| self.resume(line));
        }
    }

    /// The next thing to do.
    pub(crate) fn poll(&mut self) -> Option<Out> {
        self.wires.poll()
    }

    /// When [`Frps::expire`] wants to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let first = self.lines.values().filter_map(Held::until).min();
        let limit = self.settings.heartbeat_timeout;
        let silence = limit.and_then(|limit| self.sessions.values().map(|s| s.heard() + limit).min());
        let users = self.users.values().filter_map(Visit::until).min();
        [first, silence, users].into_iter().fold(self.wires.deadline(), sooner)
    }

    /// Does what is due.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.wires.now = now;
        for conn in self.wires.conns() {
            let Some(mux) = self.wires.mux(conn) else { continue };
            let result = mux.expire(now);
            self.wires.flush(conn);
            result.unwrap_or_else(|end| self.session_over(conn, end));
        }
        let late = self.lines.iter().filter(|(_, held)| held.until().is_some_and(|at| at <= now));
        for line in late.map(|(line, _)| *line).collect::<Vec<_>>() {
            self.close_line(line);
        }
        if let Some(limit) = self.settings.heartbeat_timeout {
            let silent = self.sessions.iter().filter(|(_, s)| s.heard() + limit <= now);
            for run_id in silent.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
                self.end_session(&run_id);
            }
        }
        self.expire_users(now);
        debug_assert!(self.deadline().is_none_or(|at| at > now), "still due: {:?}", self.deadline());
        debug_assert!(self.consistent(), "the tables do not fit together");
    }

    /// Every key that is held somewhere leads to what it says.
    pub(crate) fn consistent(&self) -> bool {
        let line_ok = |(line, held): (&Line, &Held)| {
            self.wires.has(line.conn)
                && match &held.role {
                    Role::Control(id) => self.sessions.get(id).is_some_and(|s| s.line() == *line),
                    Role::Pooled(id) => self.sessions.contains_key(id),
                    Role::Bridge(user) => self.users.get(user).is_some_and(|v| v.line() == Some(*line)),
                    Role::Fresh { .. } | Role::Login(_) | Role::Mute => true,
                }
        };
        let session_ok = |s: &Session| s.lines().all(|line| self.lines.contains_key(&line));
        let proxy_ok = |p: &Proxy| self.sessions.contains_key(&p.run_id);
        let user_ok = |v: &Visit| v.line().is_none_or(|line| self.lines.contains_key(&line));
        self.lines.iter().all(line_ok)
            && self.sessions.values().all(session_ok)
            && self.proxies.values().all(proxy_ok)
            && self.users.values().all(user_ok)
    }

    fn feed(&mut self, conn: Conn, mut input: &[u8]) {
        let now = self.wires.now;
        while let Some(mux) = self.wires.mux(conn) {
            match mux.feed(&mut input, now) {
                Ok(Some(event)) => self.on_event(conn, event),
                Ok(None) => break,
                Err(end) => return self.session_over(conn, end),
            }
            if self.wires.is_mute(conn) {
                break;
            }
        }
        self.wires.flush(conn);
    }

    /// A mux session is over: the connection is closed, after the go away if there is one.
    fn session_over(&mut self, conn: Conn, end: End) {
        match end {
            End::Misbehaved(what) => self.tally.violation = Some(what),
            End::PingTimeout => self.tally.silent += 1,
            End::GoAway(_) => {}
        }
        self.close_conn(conn);
    }

    fn on_event(&mut self, conn: Conn, event: Event<'_>) {
        let line = |stream| Line { conn, stream };
        match event {
            Event::Opened(id) => {
                self.lines.insert(line(id), Held::fresh(self.wires.now));
                if !self.struck(Stage::Stream, line(id))
                    && let Some(mux) = self.wires.mux(conn)
                {
                    mux.accept(id);
                }
            }
            Event::Data(id, bytes) => self.on_bytes(line(id), bytes),
            Event::Fin(id) => self.on_fin(line(id)),
            Event::Reset(id) => self.line_gone(line(id), true),
            Event::Window(id) => self.resume(line(id)),
            Event::Ping(ping) => {
                if !self.struck(Stage::MuxPing, line(0))
                    && let Some(mux) = self.wires.mux(conn)
                {
                    mux.pong(ping);
                }
            }
        }
    }

    fn on_bytes(&mut self, line: Line, bytes: &[u8]) {
        // Nobody reads a line that we have closed: no credit either, as in frps.
        let Some(held) = self.lines.get_mut(&line) else { return };
        match held.role {
            Role::Bridge(user) => self.bridge_received(user, bytes),
            Role::Mute => {}
            _ => {
                held.rx.push(bytes);
                self.step(line);
            }
        }
    }

    fn on_fin(&mut self, line: Line) {
        let Some(held) = self.lines.get_mut(&line) else { return };
        held.ended = true;
        match held.role {
            Role::Bridge(user) => self.bridge_ended(user),
            // As in frps: only who takes it from the pool finds out.
            Role::Pooled(_) => {}
            Role::Fresh { .. } | Role::Login(_) | Role::Mute | Role::Control(_) => {
                self.step(line);
                self.close_line(line);
            }
        }
    }

    /// Looks at what a line has received.
    fn step(&mut self, line: Line) {
        match self.lines.get(&line).map(|held| &held.role) {
            Some(Role::Fresh { .. }) => self.first_message(line),
            Some(Role::Control(run_id)) => self.read_control(&run_id.clone()),
            _ => {}
        }
    }

    /// A line takes bytes again.
    fn resume(&mut self, line: Line) {
        match self.lines.get(&line).map(|held| &held.role) {
            Some(Role::Control(run_id)) => self.write_control(&run_id.clone()),
            Some(Role::Bridge(user)) => self.pump(*user),
            _ => {}
        }
    }

    /// Takes all bytes of a line and credits them.
    fn take(&mut self, line: Line) -> Vec<u8> {
        let Some(held) = self.lines.get_mut(&line) else { return Vec::new() };
        let bytes = held.rx.take();
        self.wires.consumed(line, bytes.len());
        bytes
    }

    /// Ends a line from our side.
    fn close_line(&mut self, line: Line) {
        self.wires.finish(line);
        self.line_gone(line, false);
    }

    fn close_conn(&mut self, conn: Conn) {
        self.wires.close(conn);
        self.drop_lines(conn);
    }

    fn drop_lines(&mut self, conn: Conn) {
        let range = Line { conn, stream: 0 }..=Line { conn, stream: u32::MAX };
        let lines: Vec<Line> = self.lines.range(range).map(|(line, _)| *line).collect();
        lines.into_iter().for_each(|line| self.line_gone(line, false));
    }

    /// A line is no more. After a reset, what it has received is dropped.
    fn line_gone(&mut self, line: Line, reset: bool) {
        match self.lines.remove(&line).map(|held| held.role) {
            Some(Role::Login(run_id)) => self.login_gone(&run_id, line),
            Some(Role::Control(run_id)) => self.end_session(&run_id),
            Some(Role::Pooled(run_id)) => {
                self.sessions.entry(run_id).and_modify(|s| s.forget(line));
            }
            Some(Role::Bridge(user)) => self.bridge_gone(user, reset),
            Some(Role::Fresh { .. } | Role::Mute) | None => {}
        }
    }

    /// Whether a fault strikes here; then it has been carried out, and the usual answer must not follow.
    fn struck(&mut self, stage: Stage, line: Line) -> bool {
        match self.faults.next(stage) {
            Some(act) => self.perform(act, line),
            None => false,
        }
    }

    fn perform(&mut self, act: Act, line: Line) -> bool {
        match act {
            Act::Mux(fault) => {
                self.wires.misbehave(line, fault);
                return false;
            }
            Act::Demand(more) => {
                if let Some(run_id) = self.session_of(line) {
                    self.ask(&run_id, more);
                }
                return false;
            }
            Act::Silence => {}
            Act::Close => self.close_conn(line.conn),
            Act::Reset => {
                self.wires.abort(line.conn);
                self.drop_lines(line.conn);
            }
            Act::CloseStream => self.close_line(line),
            Act::ResetStream => {
                self.wires.reset(line);
                self.line_gone(line, false);
            }
            Act::Send(bytes) => self.say(line, &bytes),
            Act::SendThenClose(bytes) => {
                self.say(line, &bytes);
                self.close_conn(line.conn);
            }
            Act::Raw(bytes) => self.wires.send_raw(line.conn, &bytes),
        }
        self.silence(line);
        true
    }

    /// Sends bytes in place of a message; below the mux where there is no stream.
    fn say(&mut self, line: Line, bytes: &[u8]) {
        match self.lines.get(&line).map(|held| &held.role) {
            Some(Role::Control(run_id)) => self.write_sealed(&run_id.clone(), bytes),
            Some(_) => self.wires.send(line, bytes.get(..self.wires.room(line)).unwrap_or(bytes)),
            None => self.wires.send_raw(line.conn, bytes),
        }
    }

    /// A line is never answered again, unless it is a control connection.
    fn silence(&mut self, line: Line) {
        let Some(held) = self.lines.get_mut(&line) else { return };
        match &held.role {
            Role::Control(_) | Role::Login(_) => {}
            Role::Pooled(run_id) => {
                self.sessions.entry(run_id.clone()).and_modify(|s| s.forget(line));
                held.role = Role::Mute;
            }
            Role::Bridge(user) => {
                let user = *user;
                held.role = Role::Mute;
                self.strand(user);
            }
            Role::Fresh { .. } | Role::Mute => held.role = Role::Mute,
        }
    }
}

impl Held {
    fn fresh(now: Instant) -> Self {
        let role = Role::Fresh { until: now + FIRST_MESSAGE };
        Self { role, rx: Chunks::default(), ended: false }
    }

    fn until(&self) -> Option<Instant> {
        match self.role {
            Role::Fresh { until } => Some(until),
            _ => None,
        }
    }
}

/// Numbers that look random, from a seed (splitmix64).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn iv(&mut self) -> [u8; BLOCK] {
        let mut iv = [0; BLOCK];
        iv.chunks_mut(8).for_each(|part| part.copy_from_slice(&self.next().to_be_bytes()));
        iv
    }

    fn run_id(&mut self) -> String {
        format!("{:016x}", self.next())
    }
}
