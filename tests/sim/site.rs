//! The far ends: a server, services, guests.
//!
//! Owns who is connected to whom. Does not decide what goes wrong: that is the plan. Always true: the trace holds
//! everything that the client did, in order. Worst case: what is under way.

use super::frps::settings::Settings;
use super::frps::{Conn, Frps, Out, User, Why};
use super::guest::{Guest, Verdict, Way, byte};
use super::issuer::{Issuer, issuer};
use super::plan::{Plan, Trouble};
use super::service::Visit;
use redial::net::sim::{Far, Link, Welcome, World};
use redial::proto::time::{Duration, Instant, millis, secs, sooner};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// The server's address.
pub(crate) fn server() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 7000))
}

/// Somebody who takes connections and closes each at its first bytes: a proxy with nothing behind it.
pub(crate) fn door() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 9], 7000))
}

/// How long a guest puts up with anything: a dead line without mux is noticed by nobody else.
const PATIENCE: Duration = secs(600);
/// The pace at which guests send.
const PACE: Duration = millis(7);

/// See the module.
pub(crate) struct Site {
    pub(crate) frps: Frps,
    settings: Settings,
    seed: u64,
    pub(crate) guests: Vec<Guest>,
    pub(crate) issuer: Issuer,
    pub(crate) visits: BTreeMap<Link, Visit>,
    /// Connections of the server that it has not given up, with what is on its way to the client.
    pub(crate) conns: BTreeMap<Link, usize>,
    /// Those that are not read.
    paused: BTreeSet<Link>,
    ports: BTreeMap<String, u16>,
    next_port: u16,
    /// Bytes of each guest that reached its service.
    pub(crate) delivered: BTreeMap<u32, usize>,
    start: Instant,
    next_tick: Option<Instant>,
    trouble: Trouble,
    trouble_at: Instant,
    pub(crate) struck: Option<Instant>,
    /// Logins until then; a server that was started anew counts anew.
    pub(crate) logins_before: u64,
    /// Until then nobody is at the server's address; whether the silence is total.
    away: Option<(Instant, bool)>,
    pub(crate) trace: u64,
}

impl Site {
    pub(crate) fn new(plan: &Plan, settings: Settings, start: Instant) -> Self {
        Self {
            frps: Frps::new(settings.clone(), plan.seed),
            settings,
            seed: plan.seed,
            guests: plan.guests.clone(),
            issuer: Issuer::default(),
            visits: BTreeMap::new(),
            conns: BTreeMap::new(),
            paused: BTreeSet::new(),
            ports: BTreeMap::new(),
            next_port: 20_000,
            delivered: BTreeMap::new(),
            start,
            next_tick: Some(start),
            trouble: plan.trouble,
            trouble_at: start + plan.trouble_at,
            struck: None,
            logins_before: 0,
            away: None,
            trace: 0xcbf2_9ce4_8422_2325,
        }
    }

    fn note(&mut self, now: Instant, what: &str, number: u64) {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let bytes = now.as_micros().to_be_bytes().into_iter().chain(what.bytes()).chain(number.to_be_bytes());
        self.trace = bytes.fold(self.trace, mix);
    }

    /// Whether nobody wants anything any more.
    pub(crate) fn is_done(&self) -> bool {
        self.guests.iter().all(|g| g.verdict != Verdict::Open)
            && (self.struck.is_some() || self.trouble == Trouble::None)
    }

    /// Lets a further guest in.
    pub(crate) fn invite(&mut self, way: Way, size: usize, now: Instant) -> usize {
        self.guests.push(Guest::new(way, size, now.since(self.start)));
        self.next_tick = Some(now);
        self.guests.len() - 1
    }

    /// Somebody else logs in under the names of all sessions, and goes.
    pub(crate) fn replace_all(&mut self, now: Instant) {
        self.frps.replace_all(now);
        self.next_tick = Some(now);
    }

    /// Carries out what the server wants.
    pub(crate) fn serve(&mut self, far: &mut Far<'_>) {
        let now = far.now();
        while let Some(out) = self.frps.poll() {
            match out {
                Out::Send { conn: Conn(link), bytes } => {
                    self.conns.entry(link).and_modify(|flying| *flying += bytes.len());
                    far.send(link, &bytes);
                }
                Out::Close { conn: Conn(link) } => {
                    self.conns.remove(&link);
                    far.finish(link);
                }
                Out::Abort { conn: Conn(link) } => {
                    self.conns.remove(&link);
                    far.reset(link);
                }
                Out::Listen { port, proxy } => {
                    self.next_port += 1;
                    let port = if port == 0 { self.next_port } else { port };
                    self.ports.insert(proxy.clone(), port);
                    self.frps.listening(&proxy, Ok(port), now);
                }
                Out::Unlisten { port } => self.ports.retain(|_, p| *p != port),
                Out::UserSend { user: User(number), bytes } => {
                    self.note(now, "user", bytes.len() as u64);
                    self.guests[number as usize].receive(number, &bytes);
                    self.frps.user_sent(User(number), bytes.len(), now);
                }
                Out::UserClose { user: User(number), why } => self.guest_closed(number, why, now),
            }
        }
        let frps = &self.frps;
        let read_again = |link: &Link| frps.conn_room(Conn(*link)) > 0;
        let free: Vec<Link> = self.paused.iter().copied().filter(read_again).collect();
        for link in free {
            self.paused.remove(&link);
            far.pause(link, false);
        }
    }

    /// Does not read a connection any more that the server has enough of.
    fn hold_back(&mut self, link: Link, far: &mut Far<'_>) {
        if self.conns.contains_key(&link) && self.frps.conn_room(Conn(link)) == 0 && self.paused.insert(link) {
            far.pause(link, true);
        }
    }

    fn guest_closed(&mut self, number: u32, why: Why, now: Instant) {
        let guest = &mut self.guests[number as usize];
        guest.closed = Some(now);
        let served = match guest.way {
            Way::Refused | Way::Unanswered => why == Why::ClientEnded,
            _ => {
                guest.got >= guest.to_get()
                    && guest.sent >= guest.to_send()
                    && why != Why::NoProxy
                    && why != Why::NoWork
            }
        };
        guest.verdict = if served { Verdict::Served } else { Verdict::Failed };
        self.note(now, if served { "served" } else { "failed" }, number.into());
    }

    /// Lets the guests come, send and leave.
    fn tick(&mut self, now: Instant) {
        let mut busy = false;
        for number in 0..u32::try_from(self.guests.len()).expect("few") {
            busy |= self.tick_guest(number, now);
        }
        let coming = self.guests.iter().filter(|g| g.started.is_none()).map(|g| self.start + g.comes).min();
        self.next_tick = if busy { Some(now + PACE) } else { coming };
    }

    /// True while it has something to do.
    fn tick_guest(&mut self, number: u32, now: Instant) -> bool {
        let comes = self.start + self.guests[number as usize].comes;
        let guest = &mut self.guests[number as usize];
        if guest.verdict != Verdict::Open || comes > now {
            return false;
        }
        if guest.started.is_none() {
            guest.started = Some(now);
            let port = self.ports.get(guest.way.proxy()).copied().unwrap_or(1);
            let from = SocketAddr::from(([192, 0, 2, 1], 5000));
            self.frps.user_connected(User(number), from, SocketAddr::from(([10, 0, 0, 2], port)), now);
            return true;
        }
        if guest.started.is_some_and(|at| at + PATIENCE < now) {
            (guest.verdict, guest.closed) = (Verdict::Failed, Some(now));
            self.frps.user_failed(User(number), now);
            return false;
        }
        let (sent, to_send, name) = (guest.sent, guest.to_send(), User(number));
        if sent < to_send {
            let n = self.frps.user_room(name).min(to_send - sent);
            let bytes: Vec<u8> = (sent..sent + n).map(|at| byte(number, at)).collect();
            self.guests[number as usize].sent += n;
            if n > 0 {
                self.frps.user_received(name, &bytes, now);
            }
            return true;
        }
        let leaves = match guest.way {
            Way::Leave | Way::Rude | Way::Vanish => true,
            _ => guest.got >= guest.to_get() && guest.way != Way::Listen && guest.to_get() > 0,
        };
        if leaves && !core::mem::replace(&mut guest.left, true) {
            match guest.way {
                Way::Vanish => {
                    guest.verdict = Verdict::Served;
                    self.frps.user_failed(name, now);
                }
                _ => self.frps.user_ended(name, now),
            }
        }
        true
    }

    /// The trouble of the plan comes.
    fn strike(&mut self, far: &mut Far<'_>) {
        let now = far.now();
        self.struck = Some(now);
        self.logins_before = self.frps.tally().logins;
        let links: Vec<Link> = self.conns.keys().copied().collect();
        let settings = self.settings.clone();
        match self.trouble {
            Trouble::None => {}
            Trouble::Cut => links.iter().for_each(|link| far.cut(*link)),
            Trouble::Away(long) => {
                links.iter().for_each(|link| far.cut(*link));
                self.away = Some((now + long, true));
            }
            Trouble::Reset => {
                for link in links {
                    far.reset(link);
                    self.conns.remove(&link);
                    self.frps.failed(Conn(link), now);
                }
            }
            Trouble::Restart(long) => {
                links.iter().for_each(|link| far.finish(*link));
                self.conns.clear();
                self.away = Some((now + long, false));
                self.frps = Frps::new(settings, self.seed ^ 1);
                self.logins_before = 0;
                self.ports.clear();
                let there = |g: &&mut Guest| g.started.is_some() && g.verdict == Verdict::Open;
                for guest in self.guests.iter_mut().filter(there) {
                    (guest.verdict, guest.closed) = (Verdict::Failed, Some(now));
                }
            }
        }
    }
}

impl World for Site {
    fn connect(&mut self, link: Link, to: SocketAddr, far: &mut Far<'_>) -> Welcome {
        self.note(far.now(), "connect", to.port().into());
        let away = self.away.filter(|(until, _)| *until > far.now());
        match to {
            to if to == server() => match away {
                Some((_, true)) => Welcome::Ignore,
                Some((_, false)) => Welcome::Refuse,
                None => {
                    self.conns.insert(link, 0);
                    self.frps.connected(Conn(link), far.now());
                    self.serve(far);
                    Welcome::Accept
                }
            },
            to if to == door() => Welcome::Accept,
            to if to == issuer() => self.issuer.connect(link),
            to if to.ip().is_loopback() && to.port() < 9005 => {
                self.visits.insert(link, Visit::new(to, far, link));
                Welcome::Accept
            }
            to if to.is_ipv6() || to.port() == 9006 => Welcome::Ignore,
            _ => Welcome::Refuse,
        }
    }

    fn received(&mut self, link: Link, bytes: &[u8], far: &mut Far<'_>) {
        self.note(far.now(), "received", bytes.len() as u64);
        let guests = &self.guests;
        if let Some(visit) = self.visits.get_mut(&link) {
            visit.received(link, bytes, |guest| guests[guest as usize].size, far);
            if let Some(guest) = visit.guest() {
                self.delivered.insert(guest, visit.got);
            }
        } else if self.conns.contains_key(&link) {
            self.frps.received(Conn(link), bytes, far.now());
            self.serve(far);
            self.hold_back(link, far);
        } else if self.issuer.has(link) {
            self.issuer.received(link, bytes, far);
        } else {
            // The door.
            far.finish(link);
        }
    }

    fn ended(&mut self, link: Link, cleanly: bool, far: &mut Far<'_>) {
        self.note(far.now(), "ended", cleanly.into());
        self.issuer.ended(link);
        if !cleanly {
            self.visits.remove(&link);
        } else if let Some(visit) = self.visits.get_mut(&link) {
            visit.ended(link, far);
        }
        if self.conns.contains_key(&link) {
            if cleanly {
                self.frps.ended(Conn(link), far.now());
            } else {
                self.conns.remove(&link);
                self.frps.failed(Conn(link), far.now());
            }
            self.serve(far);
        }
    }

    fn drained(&mut self, link: Link, far: &mut Far<'_>) {
        if let Some(visit) = self.visits.get_mut(&link) {
            visit.answer(link, far);
        }
        if let Some(flying) = self.conns.get_mut(&link).filter(|flying| **flying > 0) {
            let n = core::mem::take(flying);
            self.frps.sent(Conn(link), n, far.now());
            self.serve(far);
        }
    }

    fn expire(&mut self, far: &mut Far<'_>) {
        let now = far.now();
        if self.struck.is_none() && self.trouble_at <= now && self.trouble != Trouble::None {
            self.strike(far);
        }
        for (link, visit) in self.visits.iter_mut().filter(|(_, v)| v.wakes.is_some_and(|at| at <= now)) {
            visit.wakes = None;
            far.pause(*link, false);
        }
        if self.frps.deadline().is_some_and(|at| at <= now) {
            self.frps.expire(now);
        }
        if self.next_tick.is_some_and(|at| at <= now) {
            self.tick(now);
        }
        self.issuer.expire(far);
        self.serve(far);
    }

    fn deadline(&self) -> Option<Instant> {
        let trouble = (self.struck.is_none() && self.trouble != Trouble::None).then_some(self.trouble_at);
        let wakes = self.visits.values().filter_map(|v| v.wakes).min();
        [trouble, wakes, self.next_tick, self.issuer.deadline()].into_iter().fold(self.frps.deadline(), sooner)
    }
}
