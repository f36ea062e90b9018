//! The control connection of a session (protocol §2, §3, §4, §6.9, §8).
//!
//! Owns the login, the encryption of the control stream, heartbeats, and the registration state of every proxy. Does
//! not own a socket or a mux stream: bytes go in and come out. Always true: every wait has a named deadline
//! ([`Timer`]); nothing is sent in clear after the login. Worst case: 10 KiB + 9 bytes of a partial message, the
//! output of one turn, 64 bytes a proxy, and the name of each that was taken away before the server had
//! answered for it.

use super::crypto::{Decrypt, Encrypt, auth_key};
use super::time::{Duration, Instant, millis, secs, sooner};
use crate::wire::frame::{self, FrameError};
use crate::wire::msg::{Answer, CloseProxy, Login, LoginResp, NewProxyResp, NewWorkConn, Ping, Pong, Say};
use crate::wire::packed::PackedProxy;
use std::collections::VecDeque;

/// How long the server may take to answer the login (frpc: 10 s).
const LOGIN_TIMEOUT: Duration = secs(10);
/// An unanswered NewProxy is sent again after this.
const REGISTER_TIMEOUT: Duration = secs(20);
/// A refused NewProxy is sent again after this.
const REFUSED_RETRY: Duration = secs(30);
/// A NewProxy refused because of our own old session is sent again after this.
const HELD_RETRY: Duration = secs(1);
/// The longest run id that is taken, in bytes: it comes back in our own messages, which have a limit. frps makes 16.
pub const MAX_RUN_ID: usize = 256;
/// NewProxy messages sent at once, and the pause until the next lot: frps queues 100.
const BURST: usize = 20;
const BURST_PAUSE: Duration = millis(50);

/// What the server is told of a proxy, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The owner's name for it.
    pub id: u32,
    /// The server's.
    name: String,
    frame: Box<[u8]>,
}

impl Announce {
    /// Under an id of the owner's. One that is longer than the protocol allows is logged and never told.
    pub fn new(id: u32, name: &str, proxy: &PackedProxy) -> Self {
        let mut frame = Vec::new();
        if let Err(e) = frame::encode_one(&proxy.named(name), &mut frame) {
            log::error!("{e}: not sent");
            frame.clear();
        }
        Self { id, name: name.to_owned(), frame: frame.into() }
    }
}

/// What the machine waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The answer to the login.
    LoginResp,
    /// The next heartbeat is due.
    Ping,
    /// A heartbeat must be answered.
    Pong,
    /// A proxy is to be registered (again).
    Register,
}

/// What a session needs to know of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `auth.token`.
    pub token: String,
    /// The stream key derived from it.
    pub key: [u8; 16],
    /// Proofs are not computed from the token, but given: in the login, and by [`Control::ticket`].
    pub by_ticket: bool,
    /// Sign pings (`auth.additionalScopes`).
    pub sign_pings: bool,
    /// Sign work connections.
    pub sign_work_conns: bool,
    /// Pause between heartbeats; `None`: none are sent.
    pub heartbeat_interval: Option<Duration>,
    /// Longest time without a Pong; `None`: not checked.
    pub heartbeat_timeout: Option<Duration>,
}

/// Why the session has to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlError {
    /// The server refused the login, with its own words.
    Refused(String),
    /// The server refused a heartbeat, with its own words.
    PingRefused(String),
    /// What came is not the frp protocol.
    Misbehaved(String),
    /// No answer in time.
    TimedOut(Timer),
}

impl core::fmt::Display for ControlError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Refused(text) => f.write_str(text),
            Self::PingRefused(text) => write!(f, "pong message contains error: {text}"),
            Self::Misbehaved(text) => write!(f, "the server broke the protocol: {text}"),
            Self::TimedOut(Timer::LoginResp) => f.write_str("no answer to the login: i/o deadline reached"),
            Self::TimedOut(_) => f.write_str("heartbeat timeout"),
        }
    }
}

/// What the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    /// Logged in.
    LoggedIn {
        /// Our name for the rest of the session and the next login.
        run_id: String,
        /// The server's version; empty if it did not say.
        version: String,
    },
    /// The server accepted a proxy.
    ProxyStarted {
        /// Its id.
        proxy: u32,
        /// Where users reach it, as the server words it.
        remote_addr: String,
    },
    /// The server refused a proxy; it is tried again in 30 s.
    ProxyRefused {
        /// Its id.
        proxy: u32,
        /// The server's words.
        error: String,
    },
    /// The server still has the proxy from a session of ours that it believes alive; it is tried again in a second.
    ProxyHeld {
        /// Its id.
        proxy: u32,
    },
    /// A heartbeat went out.
    PingSent,
    /// A heartbeat was answered.
    PongSeen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be registered once the time has come.
    Due(Instant),
    /// As [`State::Due`], but closed first: the server says that it has one of this name, and it may be an earlier one of
    /// this session.
    Clashed(Instant),
    /// NewProxy was sent.
    Asked(Instant),
    Running,
}

#[derive(Debug)]
struct Proxy {
    announce: Announce,
    state: State,
}

/// One session's control connection.
#[derive(Debug)]
pub struct Control {
    settings: Settings,
    proxies: Vec<Proxy>,
    /// Names of proxies that were taken away while the server had yet to answer: the next answer is about those.
    stale: Vec<String>,
    /// Bytes of a message that is not complete.
    rx: Vec<u8>,
    out: Vec<u8>,
    events: VecDeque<Out>,
    wanted: u32,
    seal: Option<Encrypt>,
    open: Option<Decrypt>,
    iv: [u8; 16],
    iv_sent: bool,
    unix_time: u64,
    login_due: Option<Instant>,
    ping_due: Option<Instant>,
    /// A ping waits for its ticket.
    ping_owed: bool,
    pong_due: Option<Instant>,
    register_due: Option<Instant>,
    patient_until: Option<Instant>,
}

impl Control {
    /// Starts with `login`, whose time is filled in here, and its proof unless that is a ticket. `iv` is random; `unix_time` in seconds.
    pub fn new(
        settings: Settings,
        mut login: Login,
        proxies: Vec<Announce>,
        iv: [u8; 16],
        unix_time: u64,
        now: Instant,
    ) -> Self {
        login.timestamp = i64::try_from(unix_time).unwrap_or_default();
        if !settings.by_ticket {
            login.privilege_key = auth_key(&settings.token, login.timestamp);
        }
        let state = State::Due(now);
        let proxies = proxies.into_iter().map(|announce| Proxy { announce, state }).collect();
        let mut control = Self {
            settings,
            proxies,
            stale: Vec::new(),
            rx: Vec::new(),
            out: Vec::new(),
            events: VecDeque::new(),
            wanted: 0,
            seal: None,
            open: None,
            iv,
            iv_sent: false,
            unix_time,
            login_due: Some(now + LOGIN_TIMEOUT),
            ping_due: None,
            ping_owed: false,
            pong_due: None,
            register_due: None,
            patient_until: None,
        };
        control.send(&login);
        control
    }

    /// Ends the machine: gives the proxies back for the next session.
    pub fn into_proxies(self) -> Vec<Announce> {
        self.proxies.into_iter().map(|p| p.announce).collect()
    }

    /// Takes proxies away and adds others. What the server has of those that go, or may have, is closed first: one that
    /// comes under the name of one that goes finds it free.
    pub fn change(&mut self, removed: &[u32], added: Vec<Announce>, now: Instant) {
        let all = core::mem::take(&mut self.proxies);
        let (gone, kept): (Vec<_>, _) = all.into_iter().partition(|p| removed.contains(&p.announce.id));
        self.proxies = kept;
        for Proxy { announce: Announce { name, .. }, state } in gone {
            match state {
                State::Due(_) | State::Clashed(_) => continue,
                State::Asked(_) => self.stale.push(name.clone()),
                State::Running => {}
            }
            self.send(&CloseProxy { proxy_name: name });
        }
        let new = added.into_iter().map(|announce| Proxy { announce, state: State::Due(now) });
        self.proxies.extend(new);
        if self.logged_in() {
            self.register_due = Some(now);
        }
    }

    /// The proxies that the server has not accepted, by id.
    pub fn not_running(&self) -> impl Iterator<Item = u32> {
        self.proxies.iter().filter(|p| p.state != State::Running).map(|p| p.announce.id)
    }

    /// Whether the server has accepted the login.
    pub fn logged_in(&self) -> bool {
        self.login_due.is_none()
    }

    /// The first message of a work connection; without a ticket, if it [needs](Control::work_needs_ticket) one.
    pub fn new_work_conn(&self, run_id: &str) -> NewWorkConn {
        let mut work = NewWorkConn { run_id: run_id.to_owned(), ..NewWorkConn::default() };
        if self.settings.sign_work_conns && !self.settings.by_ticket {
            (work.privilege_key, work.timestamp) = self.proof();
        }
        work
    }

    /// Whether the first message of a work connection is to hold a ticket.
    pub fn work_needs_ticket(&self) -> bool {
        self.settings.sign_work_conns && self.settings.by_ticket
    }

    /// Whether a ping waits for [`Control::ticket`].
    pub fn ping_needs_ticket(&self) -> bool {
        self.ping_owed
    }

    /// The ping that waits goes out with this ticket.
    pub fn ticket(&mut self, ticket: String, now: Instant) {
        if core::mem::take(&mut self.ping_owed) {
            self.send_ping(Ping { privilege_key: ticket, ..Ping::default() }, now);
        }
    }

    /// There is no ticket: the next ping is for the next interval.
    pub fn skip_ping(&mut self, now: Instant) {
        self.ping_owed = false;
        self.ping_due = self.settings.heartbeat_interval.map(|pause| now + pause);
    }

    fn proof(&self) -> (String, i64) {
        let timestamp = i64::try_from(self.unix_time).unwrap_or_default();
        (auth_key(&self.settings.token, timestamp), timestamp)
    }

    /// Bytes for the server. The caller clears what it has sent.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Work connections the server asked for since the last call.
    pub fn take_wanted(&mut self) -> u32 {
        core::mem::take(&mut self.wanted)
    }

    /// The next thing the server said.
    pub fn poll(&mut self) -> Option<Out> {
        self.events.pop_front()
    }

    /// Bytes from the server; changed in place.
    ///
    /// # Errors
    /// The session is over.
    pub fn feed(&mut self, bytes: &mut [u8], now: Instant) -> Result<(), ControlError> {
        let plain = self.open.as_mut().map_or_else(|| None, |open| Some(open.feed(bytes).len()));
        let from = bytes.len() - plain.unwrap_or(bytes.len());
        self.rx.extend_from_slice(bytes.get(from..).unwrap_or_default());
        let mut at = 0;
        while let Some((message, used)) = self.decode(at)? {
            at += used;
            let was_clear = self.open.is_none();
            self.on_message(message, now)?;
            if was_clear && let Some(open) = &mut self.open {
                let mut rest = self.rx.split_off(at.min(self.rx.len()));
                self.rx = open.feed(&mut rest).to_vec();
                at = 0;
            }
        }
        self.rx.drain(..at.min(self.rx.len()));
        if self.rx.is_empty() {
            self.rx = Vec::new();
        }
        Ok(())
    }

    fn decode(&self, at: usize) -> Result<Option<(Answer, usize)>, ControlError> {
        let bytes = self.rx.get(at..).unwrap_or_default();
        frame::decode_answer(bytes).map_err(|e| ControlError::Misbehaved(self.explain(&e, bytes)))
    }

    fn explain(&self, error: &FrameError, bytes: &[u8]) -> String {
        if self.logged_in() {
            return format!("{error} on the control connection");
        }
        frame::guess(bytes).map_or_else(|| error.to_string(), |what| format!("{error}: {what}"))
    }

    fn on_message(&mut self, message: Answer, now: Instant) -> Result<(), ControlError> {
        match message {
            Answer::LoginResp(resp) if !self.logged_in() => self.on_login(resp, now),
            _ if !self.logged_in() => Err(ControlError::Misbehaved("it did not answer the login first".to_owned())),
            Answer::ReqWorkConn => {
                self.wanted = self.wanted.saturating_add(1);
                Ok(())
            }
            Answer::NewProxyResp(resp) => {
                self.on_proxy(resp, now);
                Ok(())
            }
            Answer::Pong(Pong { error }) if !error.is_empty() => Err(ControlError::PingRefused(error)),
            Answer::Pong(_) => {
                self.pong_due = self.settings.heartbeat_timeout.map(|limit| now + limit);
                self.events.push_back(Out::PongSeen);
                Ok(())
            }
            other => {
                log::debug!("the server sent {} on the control connection: ignored", other.name());
                Ok(())
            }
        }
    }

    fn on_login(&mut self, resp: LoginResp, now: Instant) -> Result<(), ControlError> {
        if !resp.error.is_empty() {
            return Err(ControlError::Refused(resp.error));
        }
        if resp.run_id.is_empty() {
            return Err(ControlError::Misbehaved("its answer to the login has no run id".to_owned()));
        }
        if resp.run_id.len() > MAX_RUN_ID {
            return Err(ControlError::Misbehaved(format!("a run id of {} bytes", resp.run_id.len())));
        }
        self.login_due = None;
        self.seal = Some(Encrypt::new(&self.settings.key, self.iv));
        self.open = Some(Decrypt::new(&self.settings.key));
        self.settings.heartbeat_interval = self.interval_for(&resp.version);
        self.ping_due = self.settings.heartbeat_interval.map(|_| now);
        self.pong_due = self.settings.heartbeat_interval.and(self.settings.heartbeat_timeout).map(|limit| now + limit);
        self.register_due = Some(now);
        self.events.push_back(Out::LoggedIn { run_id: resp.run_id, version: resp.version });
        Ok(())
    }

    /// Servers before 0.39 drop a client that is silent for 90 s, also with tcpMux (protocol §8.1).
    fn interval_for(&self, version: &str) -> Option<Duration> {
        let old = server_minor(version).is_some_and(|minor| minor < 39);
        self.settings.heartbeat_interval.or_else(|| old.then_some(secs(30)))
    }

    fn on_proxy(&mut self, resp: NewProxyResp, now: Instant) {
        if let Some(at) = self.stale.iter().position(|name| *name == resp.proxy_name) {
            self.stale.swap_remove(at);
            return;
        }
        let named = |p: &Proxy| p.announce.name == resp.proxy_name && matches!(p.state, State::Asked(_));
        let Some(entry) = self.proxies.iter_mut().find(|p| named(p)) else { return };
        let proxy = entry.announce.id;
        if resp.error.is_empty() {
            entry.state = State::Running;
            self.events.push_back(Out::ProxyStarted { proxy, remote_addr: resp.remote_addr });
            return;
        }
        let held = self.patient_until.is_some_and(|until| now < until) && is_taken(&resp.error);
        let pause = if held { HELD_RETRY + jitter(proxy) } else { REFUSED_RETRY };
        let clashed = resp.error.contains("already exist");
        entry.state = if clashed { State::Clashed(now + pause) } else { State::Due(now + pause) };
        self.register_due = sooner(self.register_due, Some(now + pause));
        self.events.push_back(if held {
            Out::ProxyHeld { proxy }
        } else {
            Out::ProxyRefused { proxy, error: resp.error }
        });
    }

    /// When [`Control::expire`] wants to be called, and why.
    pub fn deadline(&self) -> Option<(Instant, Timer)> {
        let timers = [
            (self.login_due, Timer::LoginResp),
            (self.pong_due, Timer::Pong),
            (self.ping_due, Timer::Ping),
            (self.register_due, Timer::Register),
        ];
        timers.into_iter().filter_map(|(at, timer)| Some((at?, timer))).min_by_key(|(at, _)| *at)
    }

    /// The program stood still for so long: answers get that much more time.
    pub fn on_stall(&mut self, stood: Duration) {
        for due in [&mut self.login_due, &mut self.pong_due] {
            *due = due.map(|at| at + stood);
        }
    }

    /// Does what is due. `unix_time` in seconds.
    ///
    /// # Errors
    /// The session is over.
    pub fn expire(&mut self, now: Instant, unix_time: u64) -> Result<(), ControlError> {
        self.unix_time = unix_time;
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.login_due) {
            return Err(ControlError::TimedOut(Timer::LoginResp));
        }
        if due(self.pong_due) {
            return Err(ControlError::TimedOut(Timer::Pong));
        }
        if due(self.ping_due) {
            self.ping(now);
        }
        if due(self.register_due) {
            self.register(now);
        }
        Ok(())
    }

    /// Asks the server now, beside the heartbeats: [`Out::PongSeen`] answers. Does nothing before the login.
    pub fn probe(&mut self, now: Instant, unix_time: u64) {
        if self.logged_in() {
            self.unix_time = unix_time;
            self.ping(now);
        }
    }

    /// Until then a proxy that the server still has from an earlier session of ours is announced again every second or
    /// so, and not every 30 s (frps 0.65 to 0.70.0, protocol of a silent death).
    pub fn be_patient(&mut self, until: Instant) {
        self.patient_until = Some(until);
    }

    fn ping(&mut self, now: Instant) {
        let mut ping = Ping::default();
        if self.settings.sign_pings {
            if self.settings.by_ticket {
                (self.ping_owed, self.ping_due) = (true, None);
                return;
            }
            (ping.privilege_key, ping.timestamp) = self.proof();
        }
        self.send_ping(ping, now);
    }

    fn send_ping(&mut self, ping: Ping, now: Instant) {
        self.send(&ping);
        self.ping_due = self.settings.heartbeat_interval.map(|pause| now + pause);
        self.events.push_back(Out::PingSent);
    }

    /// Sends up to a burst of NewProxy and finds out when to look again.
    fn register(&mut self, now: Instant) {
        let due = |p: &Proxy| match p.state {
            State::Due(at) | State::Clashed(at) => Some(at),
            State::Asked(at) => Some(at + REGISTER_TIMEOUT),
            State::Running => None,
        };
        let ready = self.proxies.iter().enumerate().filter(|(_, p)| due(p).is_some_and(|at| at <= now));
        let ready: Vec<usize> = ready.map(|(i, _)| i).take(BURST).collect();
        for index in &ready {
            let Some(proxy) = self.proxies.get_mut(*index) else { continue };
            let clashed = matches!(core::mem::replace(&mut proxy.state, State::Asked(now)), State::Clashed(_));
            let close = clashed.then(|| CloseProxy { proxy_name: proxy.announce.name.clone() });
            let frame = proxy.announce.frame.clone();
            close.iter().for_each(|close| self.send(close));
            self.put(|out| out.extend_from_slice(&frame));
        }
        let next = self.proxies.iter().filter_map(due).min();
        self.register_due = if ready.len() == BURST { Some(now + BURST_PAUSE) } else { next };
    }

    fn send(&mut self, message: &impl Say) {
        self.put(|out| {
            let from = out.len();
            if let Err(e) = frame::encode_one(message, out) {
                log::error!("{e}: not sent");
                out.truncate(from);
            }
        });
    }

    /// Adds what `say` writes to the output, encrypted.
    fn put(&mut self, say: impl FnOnce(&mut Vec<u8>)) {
        let from = self.out.len();
        let fresh = self.seal.is_some() && !core::mem::replace(&mut self.iv_sent, true);
        if fresh {
            self.out.extend_from_slice(&self.iv);
        }
        let body = self.out.len();
        say(&mut self.out);
        if self.out.len() == body {
            self.out.truncate(from);
            self.iv_sent &= !fresh;
            return;
        }
        if let (Some(seal), Some(bytes)) = (&mut self.seal, self.out.get_mut(body..)) {
            seal.apply(bytes);
        }
    }
}

/// Whether a proxy was refused because another session has it.
fn is_taken(error: &str) -> bool {
    ["already exist", "already used", "already in use", "router config conflict"]
        .iter()
        .any(|part| error.contains(part))
}

/// Spreads retries over a quarter of a second.
fn jitter(proxy: u32) -> Duration {
    millis((u64::from(proxy) * 37) % 250)
}

/// The minor number of a 0.x server; `None` if the version is not of that form.
fn server_minor(version: &str) -> Option<u32> {
    version.trim_start_matches('v').strip_prefix("0.")?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests;
