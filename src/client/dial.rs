//! Opening one TCP connection: look-up, race, deadline.
//!
//! Owns the sockets that are on their way. Does not know what the connection is for. Always true: it ends at its
//! deadline at the latest; when it has ended, no socket of it is left but the one it gave away. Worst case: 6 sockets,
//! 700 bytes.

use super::failure::DialError;
use crate::config::Family;
use crate::net::{Answer, Net, ResolveError, Sock, SockOpts, Token};
use crate::proto::race::Race;
use crate::proto::time::{Duration, Instant, secs};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// How long one try of a persistent dial may take; others have been started beside it by then.
const LIFE: Duration = secs(5);
/// A persistent dial that nobody answers for so long looks its name up afresh: who is meant may have moved.
const REFRESH: Duration = secs(1);

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: Host,
    pub(super) port: u16,
}

/// A name to look up, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    Ip(IpAddr),
}

impl Target {
    pub(super) fn new(host: &str, port: u16) -> Self {
        let host = host.parse().map_or_else(|_| Host::Name(host.to_owned()), Host::Ip);
        Self { host, port }
    }
}

impl core::fmt::Display for Host {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(ip) => write!(f, "{ip}"),
        }
    }
}

impl core::fmt::Display for Target {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::Ip(ip) => write!(f, "{}", SocketAddr::new(*ip, self.port)),
        }
    }
}

/// How far a dial is.
#[derive(Debug)]
pub(super) enum Progress {
    /// Nothing is decided.
    Pending,
    /// Connected; the socket belongs to the caller.
    Up(Sock),
    /// It failed, and everything is cleaned up.
    Failed(DialError),
}

/// One try.
#[derive(Debug)]
struct Try {
    sock: Sock,
    to: SocketAddr,
    start: Instant,
    /// Where it would have come from when it set out, by the routes; `None` if that was not to be known.
    from: Option<IpAddr>,
}

/// One connection under way.
#[derive(Debug)]
pub(super) struct Dial {
    target: Target,
    token: Token,
    opts: SockOpts,
    race: Race,
    live: Vec<Try>,
    /// The start of the first try of each address.
    firsts: Vec<(IpAddr, Instant)>,
    looking_up: bool,
    /// When to look the name up afresh, in a persistent dial.
    refresh_at: Option<Instant>,
    give_up: Instant,
    /// Of one try.
    life: Duration,
    error: Option<DialError>,
    family: Family,
}

impl Dial {
    /// Starts. Events for `token` are to be handed to [`Dial::on_dialed`] and [`Dial::on_resolved`]; call [`Dial::go`]
    /// next.
    pub(super) fn start(target: &Target, opts: &SockOpts, limit: Duration, token: Token, net: &mut dyn Net) -> Self {
        let mut race = Race::default();
        let looking_up = match &target.host {
            Host::Ip(ip) => {
                race.add(&[*ip], true);
                false
            }
            Host::Name(name) => {
                net.resolve(name, token);
                true
            }
        };
        let (target, opts, give_up) = (target.clone(), opts.clone(), net.now() + limit);
        Self {
            target,
            token,
            opts,
            race,
            live: Vec::new(),
            firsts: Vec::new(),
            looking_up,
            refresh_at: None,
            give_up,
            life: limit,
            error: None,
            family: Family::Any,
        }
    }

    /// Tries that are not answered are repeated, beside those under way: first after `expected`, when an answer should
    /// have come, later every second.
    pub(super) fn persistent(mut self, expected: Duration) -> Self {
        self.race.persist(expected);
        self.life = LIFE;
        self
    }

    /// Only addresses of this family. A literal of the other is tried all the same: there is nothing else.
    pub(super) fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    /// How long ago this address was tried first.
    pub(super) fn lasted(&self, ip: IpAddr, now: Instant) -> Duration {
        self.firsts.iter().find(|(first, _)| *first == ip).map_or(Duration::ZERO, |(_, at)| now.since(*at))
    }

    /// The network changed. Tries that would leave from another address now lead nowhere (a route that came before its
    /// address, say): others take their place. Call [`Dial::go`] next.
    pub(super) fn redirect(&mut self, net: &mut dyn Net) {
        let before = self.live.len();
        let (race, opts) = (&mut self.race, &self.opts);
        self.live.retain(|one| {
            let stays = net.source_for(one.to, opts).map_or(true, |now| one.from.is_none_or(|from| from == now));
            if !stays {
                net.abort(one.sock);
                race.expired();
            }
            stays
        });
        if self.live.len() < before {
            race.hurry();
        }
    }

    /// Whose events are ours.
    pub(super) fn token(&self) -> Token {
        self.token
    }

    /// A look-up made progress.
    pub(super) fn on_resolved(&mut self, result: Result<Answer, ResolveError>, net: &mut dyn Net) -> Progress {
        match result {
            Ok(Answer { mut addrs, done }) => {
                addrs.retain(|ip| self.family.has(*ip));
                self.looking_up = !done;
                self.race.add(&addrs, done);
            }
            Err(e) => {
                self.looking_up = false;
                self.race.add(&[], true);
                if !self.firsts.is_empty() {
                    // There are addresses to go on with.
                    return self.go(net);
                }
                self.error.get_or_insert_with(|| DialError::Resolve(self.target.host.to_string(), e));
            }
        }
        self.go(net)
    }

    /// A try ended.
    pub(super) fn on_dialed(&mut self, sock: Sock, result: io::Result<()>, net: &mut dyn Net) -> Progress {
        let Some(at) = self.live.iter().position(|one| one.sock == sock) else { return Progress::Pending };
        let addr = self.live.swap_remove(at).to;
        match result {
            Ok(()) => {
                self.abandon(net);
                Progress::Up(sock)
            }
            Err(e) => {
                self.race.failed();
                self.error = Some(DialError::Connect(addr, e));
                self.go(net)
            }
        }
    }

    /// Starts the tries that are due, and gives up when there is nothing left or the time is over.
    pub(super) fn go(&mut self, net: &mut dyn Net) -> Progress {
        let now = net.now();
        if self.give_up <= now {
            self.forget(net);
            self.abandon(net);
            return Progress::Failed(self.error.take().unwrap_or_else(|| DialError::TimedOut(self.target.to_string())));
        }
        while let Some(at) = self.live.iter().position(|one| one.start + self.life <= now) {
            net.abort(self.live.swap_remove(at).sock);
            self.race.expired();
        }
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.refresh(net);
        }
        while let Some(ip) = self.race.poll(now) {
            let to = SocketAddr::new(ip, self.target.port);
            if self.firsts.is_empty() {
                self.refresh_at = Some(now + REFRESH).filter(|_| self.race.persists());
            }
            if !self.firsts.iter().any(|(first, _)| *first == ip) {
                self.firsts.push((ip, now));
            }
            // Only dials of the session are redirected.
            let from = if self.race.persists() { net.source_for(to, &self.opts).ok() } else { None };
            match net.dial(to, &self.opts, self.token) {
                Ok(sock) => self.live.push(Try { sock, to, start: now, from }),
                Err(e) => {
                    self.race.failed();
                    self.error = Some(DialError::Connect(to, e));
                }
            }
        }
        if !self.race.lost() {
            return Progress::Pending;
        }
        self.forget(net);
        Progress::Failed(self.error.take().unwrap_or_else(|| DialError::TimedOut(self.target.to_string())))
    }

    /// Looks the name up afresh, beside the tries that go on.
    fn refresh(&mut self, net: &mut dyn Net) {
        self.refresh_at = None;
        if let Host::Name(name) = &self.target.host
            && !self.looking_up
        {
            net.forget_name(name);
            net.resolve(name, self.token);
            self.looking_up = true;
        }
    }

    /// The addresses led nowhere: they may be those of yesterday.
    fn forget(&self, net: &mut dyn Net) {
        if let Host::Name(name) = &self.target.host {
            net.forget_name(name);
        }
    }

    /// When [`Dial::go`] wants to be called.
    pub(super) fn deadline(&self) -> Instant {
        let oldest = self.live.iter().map(|one| one.start + self.life).min();
        [self.race.deadline(), oldest, self.refresh_at].into_iter().flatten().fold(self.give_up, Instant::min)
    }

    /// Closes everything.
    pub(super) fn abandon(&mut self, net: &mut dyn Net) {
        if core::mem::take(&mut self.looking_up) {
            net.cancel_resolve(self.token);
        }
        self.live.drain(..).for_each(|one| net.abort(one.sock));
    }
}
