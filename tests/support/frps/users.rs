//! Users and what they send and are sent.
//!
//! Owns each user's connection, from its arrival to the end of the work connection that carries it. Does not know how a
//! work connection is found. Always true: when one side ends, both end once everything received from that side is
//! delivered; what the other side still sends is lost, as in frps. Worst case: [`IN_FLIGHT`] handed to the driver, one
//! encoded read (100 KiB), and the window of the client (without mux 64 KiB).

use super::chunks::Chunks;
use super::faults::Stage;
use super::{Frps, Line, Out, Role, User};
use redial::proto::codec::{Codec, PREFIX};
use redial::proto::time::Instant;
use redial::wire::msg::StartWorkConn;
use std::net::SocketAddr;

/// Bytes for a user that may be with the driver.
const IN_FLIGHT: usize = 64 * 1024;
/// Bytes of a user that are taken at once.
const READ: usize = 32 * 1024;
/// Bytes that are decoded at once.
const PIECE: usize = 16 * 1024;

/// Why a user's connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The user has ended, and all it sent is on its way.
    UserEnded,
    /// The client has ended, or its connection is gone; all that came is delivered.
    ClientEnded,
    /// No work connection came in time.
    NoWork,
    /// The session ended while the user waited for a work connection.
    NoSession,
    /// There is no such proxy any more.
    NoProxy,
    /// What the client sent does not decompress.
    Broken,
}

enum State {
    /// For a work connection, until then.
    Waiting(Instant),
    Bridge(Box<Bridge>),
}

struct Bridge {
    /// `None` once it is gone.
    line: Option<Line>,
    codec: Codec,
    /// From the client, encoded.
    rx: Chunks,
    /// The client will send no more.
    client_ended: bool,
    /// For the client, encoded; waits for room.
    tx: Vec<u8>,
    /// Payload of the user has come.
    begun: bool,
}

/// A user's connection.
pub(super) struct Visit {
    run_id: String,
    proxy: String,
    from: SocketAddr,
    to: SocketAddr,
    state: State,
    /// Handed to the driver and not reported as sent.
    in_flight: usize,
    /// The user will send no more.
    ended: bool,
}

impl Visit {
    fn bridge(&self) -> Option<&Bridge> {
        match &self.state {
            State::Bridge(bridge) => Some(bridge),
            State::Waiting(_) => None,
        }
    }

    fn bridge_mut(&mut self) -> Option<&mut Bridge> {
        match &mut self.state {
            State::Bridge(bridge) => Some(bridge),
            State::Waiting(_) => None,
        }
    }

    pub(super) fn line(&self) -> Option<Line> {
        self.bridge().and_then(|b| b.line)
    }

    /// Bytes of the client that wait for the user.
    pub(super) fn received(&self) -> usize {
        self.bridge().map_or(0, |b| b.rx.len())
    }

    pub(super) fn until(&self) -> Option<Instant> {
        match self.state {
            State::Waiting(until) => Some(until),
            State::Bridge(_) => None,
        }
    }
}

impl Frps {
    /// A user connected, from there to here.
    pub(crate) fn user_connected(&mut self, user: User, from: SocketAddr, to: SocketAddr, now: Instant) {
        self.wires.now = now;
        let Some((proxy, entry)) = self.proxies.iter().find(|(_, p)| p.port == Some(to.port())) else {
            return self.wires.tell(Out::UserClose { user, why: Why::NoProxy });
        };
        let (proxy, run_id) = (proxy.clone(), entry.run_id.clone());
        let state = State::Waiting(now + self.settings.user_timeout);
        let visit = Visit { run_id: run_id.clone(), proxy, from, to, state, in_flight: 0, ended: false };
        self.users.insert(user, visit);
        self.enqueue(&run_id, user);
    }

    /// Bytes the machine takes from a user now. A user that waits for a work connection is not read.
    pub(crate) fn user_room(&self, user: User) -> usize {
        let Some(bridge) = self.users.get(&user).filter(|v| !v.ended).and_then(Visit::bridge) else { return 0 };
        let free = bridge.line.is_some_and(|line| self.wires.room(line) > 0);
        if free && bridge.tx.is_empty() { READ } else { 0 }
    }

    /// A user sent bytes, at most [`Frps::user_room`].
    pub(crate) fn user_received(&mut self, user: User, bytes: &[u8], now: Instant) {
        self.wires.now = now;
        let Some(bridge) = self.users.get_mut(&user).and_then(Visit::bridge_mut) else { return };
        if !core::mem::replace(&mut bridge.begun, true)
            && let Some(line) = bridge.line
            && self.struck(Stage::Payload, line)
        {
            return;
        }
        let Some(bridge) = self.users.get_mut(&user).and_then(Visit::bridge_mut) else { return };
        let mut encoded = vec![0; PREFIX];
        bridge.codec.pack(bytes, &mut self.workspace, &mut encoded);
        let from = bridge.codec.encrypt(&mut encoded, PREFIX);
        bridge.tx.extend_from_slice(&encoded[from..]);
        self.pump(user);
    }

    /// A user will send no more.
    pub(crate) fn user_ended(&mut self, user: User, now: Instant) {
        self.wires.now = now;
        if let Some(visit) = self.users.get_mut(&user) {
            visit.ended = true;
        }
        self.pump(user);
    }

    /// A user's connection broke. Its name is done with.
    pub(crate) fn user_failed(&mut self, user: User, now: Instant) {
        self.wires.now = now;
        self.remove_user(user);
    }

    /// Bytes of [`Out::UserSend`] have left.
    pub(crate) fn user_sent(&mut self, user: User, bytes: usize, now: Instant) {
        self.wires.now = now;
        if let Some(visit) = self.users.get_mut(&user) {
            visit.in_flight = visit.in_flight.checked_sub(bytes).expect("more bytes have left than were made");
        }
        self.pump(user);
    }

    /// The work connection `line` is for `user`.
    pub(super) fn begin(&mut self, user: User, line: Line) {
        if self.struck(Stage::Start, line) {
            return;
        }
        let (Some(visit), Some(held)) = (self.users.get_mut(&user), self.lines.get_mut(&line)) else { return };
        let Some(proxy) = self.proxies.get(&visit.proxy) else {
            self.close_line(line);
            return self.close_user(user, Why::NoProxy);
        };
        let start = StartWorkConn {
            proxy_name: visit.proxy.clone(),
            src_addr: visit.from.ip().to_string(),
            src_port: visit.from.port(),
            dst_addr: visit.to.ip().to_string(),
            dst_port: visit.to.port(),
            error: String::new(),
        };
        let key = proxy.encryption.then(|| (&self.key, self.random.iv()));
        let codec = Codec::new(key, proxy.compression);
        let (rx, client_ended) = (core::mem::take(&mut held.rx), held.ended);
        held.role = Role::Bridge(user);
        let bridge = Bridge { line: Some(line), codec, rx, client_ended, tx: Vec::new(), begun: false };
        visit.state = State::Bridge(Box::new(bridge));
        self.tally.served += 1;
        self.wires.send(line, &super::faults::message(start));
        self.pump(user);
    }

    /// A fault has silenced the user's work connection: the user waits in vain.
    pub(super) fn strand(&mut self, user: User) {
        let until = self.wires.now + self.settings.user_timeout;
        if let Some(visit) = self.users.get_mut(&user) {
            visit.state = State::Waiting(until);
        }
    }

    /// The client sent payload.
    pub(super) fn bridge_received(&mut self, user: User, bytes: &[u8]) {
        if let Some(bridge) = self.users.get_mut(&user).and_then(Visit::bridge_mut) {
            bridge.rx.push(bytes);
        }
        self.pump(user);
    }

    /// The client will send no more payload.
    pub(super) fn bridge_ended(&mut self, user: User) {
        if let Some(bridge) = self.users.get_mut(&user).and_then(Visit::bridge_mut) {
            bridge.client_ended = true;
        }
        self.pump(user);
    }

    /// The user's work connection is gone.
    pub(super) fn bridge_gone(&mut self, user: User, reset: bool) {
        if let Some(bridge) = self.users.get_mut(&user).and_then(Visit::bridge_mut) {
            (bridge.line, bridge.client_ended) = (None, true);
            if reset {
                bridge.rx.clear();
            }
        }
        self.pump(user);
    }

    /// Moves what can be moved, in both directions, and ends what is to end.
    pub(super) fn pump(&mut self, user: User) {
        self.pump_up(user);
        let down = self.pump_down(user);
        let Some(visit) = self.users.get(&user) else { return };
        let Some(bridge) = visit.bridge() else { return };
        match down {
            Down::Broken => self.close_user(user, Why::Broken),
            Down::Empty if bridge.client_ended => self.close_user(user, Why::ClientEnded),
            _ if visit.ended && bridge.tx.is_empty() => self.close_user(user, Why::UserEnded),
            Down::Empty | Down::More => {}
        }
    }

    /// From the user to the client.
    fn pump_up(&mut self, user: User) {
        let Some(bridge) = self.users.get_mut(&user).and_then(Visit::bridge_mut) else { return };
        let Some(line) = bridge.line else { return bridge.tx.clear() };
        let fits = self.wires.room(line).min(bridge.tx.len());
        if fits > 0 {
            let rest = bridge.tx.split_off(fits);
            let part = core::mem::replace(&mut bridge.tx, rest);
            self.wires.send(line, &part);
        }
    }

    /// From the client to the user.
    fn pump_down(&mut self, user: User) -> Down {
        if self.settings.stall_users {
            return Down::More;
        }
        loop {
            let Some(visit) = self.users.get_mut(&user) else { return Down::More };
            let State::Bridge(bridge) = &mut visit.state else { return Down::More };
            if visit.in_flight >= IN_FLIGHT {
                return Down::More;
            }
            let mut piece = Vec::new();
            match bridge.codec.unpack(&mut self.workspace, &mut piece) {
                Ok(true) => {}
                Err(_) => return Down::Broken,
                Ok(false) => {
                    let Some(mut chunk) = bridge.rx.pop(PIECE) else { return Down::Empty };
                    let taken = chunk.len();
                    let plain = bridge.codec.decrypt(&mut chunk);
                    if bridge.codec.packs() {
                        bridge.codec.hold(plain);
                    } else {
                        piece = plain.to_vec();
                    }
                    if let Some(line) = bridge.line {
                        self.wires.consumed(line, taken);
                    }
                }
            }
            if !piece.is_empty() {
                visit.in_flight += piece.len();
                self.wires.tell(Out::UserSend { user, bytes: piece });
            }
        }
    }

    /// Ends a user's connection and its work connection.
    pub(super) fn close_user(&mut self, user: User, why: Why) {
        if self.remove_user(user) {
            self.wires.tell(Out::UserClose { user, why });
        }
    }

    fn remove_user(&mut self, user: User) -> bool {
        let Some(visit) = self.users.remove(&user) else { return false };
        if let Some(session) = self.sessions.get_mut(&visit.run_id) {
            session.forget_user(user);
        }
        if let Some(line) = visit.line() {
            self.lines.remove(&line);
            self.wires.finish(line);
        }
        true
    }

    /// Sends away those who have waited too long.
    pub(super) fn expire_users(&mut self, now: Instant) {
        let late = self.users.iter().filter(|(_, v)| v.until().is_some_and(|at| at <= now));
        for user in late.map(|(user, _)| *user).collect::<Vec<_>>() {
            self.close_user(user, Why::NoWork);
        }
    }
}

/// What a user has been handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Down {
    /// Everything that came.
    Empty,
    /// More is there, or may be.
    More,
    /// What comes is broken.
    Broken,
}
