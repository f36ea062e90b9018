//! The stub resolver, as a machine.
//!
//! Owns every look-up, the cache and the settings. Does not open sockets, read files, a clock or random numbers: sockets
//! are asked for by [`Out`], files come by [`Resolver::set_hosts`] and [`Resolver::set_conf`], time is an argument.
//! Always true: a look-up that was started ends within 5 s, by addresses, an error or [`Resolver::cancel`]; without
//! look-ups there is no socket and no deadline; after [`Resolver::expire`] every deadline lies ahead. Worst case: 768 KiB
//! for [`MAX_ACTIVE`] look-ups, as many waiting as [`MAX_LOOKUPS`] allows, [`MAX_TOKENS`] askers, [`MAX_PARTIAL`] of TCP
//! answers and a full cache, and [`MAX_FILE`] for the hosts; [`MAX_ACTIVE`] × 9 sockets. One look-up of one name at a
//! time, as it usually is: 3 KiB and two sockets.
//!
//! How a name is answered: an address at once; then `/etc/hosts`; then `localhost` by itself; then the cache; then the
//! servers, through `lookup` (names of the search list, one after the other), `race` (servers against each other),
//! `peer` (one server) and `message` (bytes). Who asks for a name that is asked for already shares its look-up.
//!
//! Why is it so?
//! * *Why are sockets never reused?* A fresh port for each look-up is half of what keeps a forged answer out.
//! * *Why does a change of servers empty the cache?* It means another network, with other answers.
//! * *Why no log?* The caller tells why a dial failed, with the name of the proxy.

mod cache;
mod family;
mod hosts;
mod lookup;
mod message;
mod name;
mod peer;
mod race;
mod resolv_conf;
#[cfg(test)]
pub(in crate::net) mod testing;
#[cfg(test)]
mod tests;

pub use hosts::Hosts;
pub use message::MAX_MESSAGE;
pub use resolv_conf::Conf;

use super::{Answer, ResolveError, Token};
use crate::proto::time::Instant;
use cache::Cache;
use family::Family;
use lookup::Lookup;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// Look-ups that ask servers at one time; further ones wait their turn.
pub const MAX_ACTIVE: usize = 64;
/// Look-ups of different names, with those that wait.
pub const MAX_LOOKUPS: usize = 256;
/// Askers of them all.
pub const MAX_TOKENS: usize = 1024;
/// Bytes held of TCP answers that have come in part.
pub const MAX_PARTIAL: usize = 64 * 1024;
/// What is to be read of a file, at most.
pub const MAX_FILE: usize = 256 * 1024;

/// A socket of the resolver: one server, one look-up. Numbers are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link(u32);

/// The kind of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
}

/// What the owner is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    /// Open a fresh socket on a random port, connected to `to`; if that fails, say so by [`Resolver::broken`].
    Open {
        /// Its name from now on.
        link: Link,
        /// The server.
        to: SocketAddr,
        /// Datagrams or a stream.
        via: Via,
    },
    /// Send these bytes as one datagram, or on the stream once it is connected.
    Send {
        /// The socket; if it is broken already, forget this.
        link: Link,
        /// What to send.
        bytes: Vec<u8>,
    },
    /// Close the socket. Not told for one that was reported as broken.
    Close(Link),
    /// Tell the asker.
    Resolved {
        /// As given to [`Resolver::resolve`].
        token: Token,
        /// As in [`super::Event::Resolved`].
        result: Result<Answer, ResolveError>,
    },
}

/// What a machine may reach while it handles one input.
struct Cx<'a> {
    now: Instant,
    outs: &'a mut VecDeque<Out>,
    links: &'a mut u32,
    random: &'a mut dyn FnMut() -> u16,
}

impl Cx<'_> {
    fn open(&mut self, to: SocketAddr, via: Via) -> Link {
        *self.links = self.links.wrapping_add(1);
        let link = Link(*self.links);
        self.outs.push_back(Out::Open { link, to, via });
        link
    }

    fn send(&mut self, link: Link, bytes: Vec<u8>) {
        self.outs.push_back(Out::Send { link, bytes });
    }

    fn close(&mut self, link: Link) {
        self.outs.push_back(Out::Close(link));
    }
}

/// What can be said without asking anybody, if anything can.
type Known = Option<Result<Vec<IpAddr>, ResolveError>>;

/// A name and who wants to know it.
struct Entry {
    /// As asked for, in lower case.
    name: Box<str>,
    tokens: Vec<Token>,
    /// `None` while it waits its turn.
    lookup: Option<Box<Lookup>>,
}

/// The resolver.
pub struct Resolver {
    /// Replaces the servers of [`Conf`].
    server: Option<SocketAddr>,
    conf: Conf,
    hosts: Hosts,
    cache: Cache,
    /// In the order in which they came.
    entries: Vec<Entry>,
    outs: VecDeque<Out>,
    links: u32,
    /// Look-ups started so far, for `rotate`.
    started: usize,
    random: Box<dyn FnMut() -> u16>,
}

impl Resolver {
    /// A resolver that asks `server` alone, or the servers of [`Conf`] (until one is set: this machine). `random` must
    /// be hard to guess.
    pub fn new(server: Option<SocketAddr>, random: Box<dyn FnMut() -> u16>) -> Self {
        let mut resolver = Self {
            server,
            conf: Conf::default(),
            hosts: Hosts::default(),
            cache: Cache::default(),
            entries: Vec::new(),
            outs: VecDeque::new(),
            links: 0,
            started: 0,
            random,
        };
        resolver.set_conf(Conf::default());
        resolver
    }

    /// Takes the content of `/etc/hosts`.
    pub fn set_hosts(&mut self, hosts: Hosts) {
        self.hosts = hosts;
    }

    /// Takes the content of `/etc/resolv.conf`, for look-ups from now on.
    pub fn set_conf(&mut self, mut conf: Conf) {
        if let Some(server) = self.server {
            conf.servers = vec![server];
        }
        if conf != self.conf {
            self.cache.clear();
            self.conf = conf;
        }
    }

    /// Starts a look-up. What is known at once is told at once, by [`Resolver::poll`].
    pub fn resolve(&mut self, token: Token, name: &str, now: Instant) {
        let result = match (name::literal(name), name::host(name)) {
            (Some(address), _) => Some(Ok(vec![address])),
            (None, None) => Some(Err(ResolveError::BadName)),
            (None, Some(host)) => self.known(&host, now).or_else(|| self.look_up(token, host, now)),
        };
        if let Some(result) = result {
            let result = result.map(|addrs| Answer { addrs, done: true });
            self.outs.push_back(Out::Resolved { token, result });
        }
        self.check(None);
    }

    /// Takes what came from a socket: a datagram, or some bytes of a stream.
    pub fn feed(&mut self, link: Link, bytes: &[u8], now: Instant) {
        let room = MAX_PARTIAL.saturating_sub(self.entries.iter().filter_map(Entry::lookup).map(Lookup::partial).sum());
        self.on_link(link, now, |lookup, cx| lookup.feed(link, bytes, room, cx));
    }

    /// A socket could not be opened, failed, or was closed by the server. It counts as closed.
    pub fn broken(&mut self, link: Link, now: Instant) {
        self.on_link(link, now, |lookup, cx| lookup.broken(link, cx));
    }

    /// Forgets a look-up: nothing more is told of it.
    pub fn cancel(&mut self, token: Token, now: Instant) {
        self.outs.retain(|out| !matches!(out, Out::Resolved { token: t, .. } if *t == token));
        for entry in &mut self.entries {
            entry.tokens.retain(|t| *t != token);
        }
        for mut entry in self.entries.extract_if(.., |entry| entry.tokens.is_empty()) {
            let mut cx = Cx { now, outs: &mut self.outs, links: &mut self.links, random: &mut *self.random };
            entry.lookup.iter_mut().for_each(|lookup| lookup.stop(&mut self.cache, &mut cx));
        }
        self.start_waiting(now);
        self.check(None);
    }

    /// What is known of this name was no good: the next look-up asks afresh. The hosts file still comes first.
    pub fn forget(&mut self, name: &str) {
        for name in name::host(name).iter().flat_map(|host| self.conf.candidates(host)) {
            self.cache.forget(&name);
        }
    }

    /// What to do next; drained to `None` after every input.
    pub fn poll(&mut self) -> Option<Out> {
        let out = self.outs.pop_front();
        if out.is_none() {
            self.outs = VecDeque::new();
        }
        out
    }

    /// When [`Resolver::expire`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.entries.iter().filter_map(Entry::lookup).map(Lookup::deadline).min()
    }

    /// Lets time pass.
    pub fn expire(&mut self, now: Instant) {
        while let Some(at) = self.entries.iter().position(|e| e.lookup().is_some_and(|l| l.deadline() <= now)) {
            self.advance(at, now, Lookup::expire);
        }
        self.start_waiting(now);
        self.check(Some(now));
    }

    /// What needs no server: the hosts file, `localhost`, and what the cache knows of both families.
    fn known(&self, host: &str, now: Instant) -> Known {
        let bare = host.strip_suffix('.').unwrap_or(host);
        let listed = Some(self.hosts.get(bare)).filter(|addrs| !addrs.is_empty());
        if let Some(addrs) = listed.or_else(|| name::loopback(bare).map(Vec::from)) {
            return Some(Ok(addrs));
        }
        for name in self.conf.candidates(host) {
            let [v6, v4] = Family::BOTH.map(|family| self.cache.get(&name, family, now));
            let addrs = [v6?, v4?].concat();
            if !addrs.is_empty() {
                return Some(Ok(addrs));
            }
        }
        Some(Err(ResolveError::NoSuchHost))
    }

    /// Joins the look-up of this name or begins one; an error if there are too many.
    fn look_up(&mut self, token: Token, name: Box<str>, now: Instant) -> Known {
        if self.entries.iter().map(|e| e.tokens.len()).sum::<usize>() >= MAX_TOKENS {
            return Some(Err(ResolveError::Busy));
        }
        if let Some(entry) = self.entries.iter_mut().find(|e| e.name == name) {
            entry.tokens.push(token);
            let addrs = entry.lookup().map(Lookup::told).filter(|addrs| !addrs.is_empty());
            let told = addrs.map(|addrs| Out::Resolved { token, result: Ok(Answer { addrs, done: false }) });
            self.outs.extend(told);
            return None;
        }
        if self.entries.len() >= MAX_LOOKUPS {
            return Some(Err(ResolveError::Busy));
        }
        self.entries.push(Entry { name, tokens: vec![token], lookup: None });
        self.start_waiting(now);
        None
    }

    /// Starts those whose turn it is.
    fn start_waiting(&mut self, now: Instant) {
        while self.entries.iter().filter(|e| e.lookup.is_some()).count() < MAX_ACTIVE
            && let Some(at) = self.entries.iter().position(|e| e.lookup.is_none())
        {
            self.advance(at, now, |_, _| {});
        }
    }

    fn on_link(&mut self, link: Link, now: Instant, handle: impl FnOnce(&mut Lookup, &mut Cx<'_>)) {
        if let Some(at) = self.entries.iter().position(|e| e.lookup().is_some_and(|l| l.owns(link))) {
            self.advance(at, now, handle);
            self.start_waiting(now);
        }
        self.check(None);
    }

    /// Hands an input to a look-up, which is started if it was not, and tells what comes of it.
    fn advance(&mut self, at: usize, now: Instant, handle: impl FnOnce(&mut Lookup, &mut Cx<'_>)) {
        let Some(entry) = self.entries.get_mut(at) else { return };
        let mut cx = Cx { now, outs: &mut self.outs, links: &mut self.links, random: &mut *self.random };
        let lookup = entry.lookup.get_or_insert_with(|| {
            let start = if self.conf.rotate { self.started } else { 0 };
            self.started = self.started.wrapping_add(1);
            let names = self.conf.candidates(&entry.name);
            Box::new(Lookup::new(names, &self.conf, start, &self.cache, &mut cx))
        });
        handle(lookup, &mut cx);
        let mut ended = false;
        while !ended && let Some(result) = lookup.poll(&mut self.cache, &mut cx) {
            ended = !matches!(result, Ok(Answer { done: false, .. }));
            let tell = |token: &Token| Out::Resolved { token: *token, result: result.clone() };
            cx.outs.extend(entry.tokens.iter().map(tell));
        }
        if ended {
            self.entries.remove(at);
        }
    }

    /// What holds between calls.
    fn check(&self, expired: Option<Instant>) {
        let active = self.entries.iter().filter(|e| e.lookup.is_some()).count();
        debug_assert!(active <= MAX_ACTIVE && self.entries.len() <= MAX_LOOKUPS);
        debug_assert!(active == MAX_ACTIVE || active == self.entries.len(), "a look-up waits although there is room");
        debug_assert!(self.entries.iter().all(|e| !e.tokens.is_empty()), "a look-up for nobody");
        debug_assert!(expired.is_none_or(|now| self.deadline().is_none_or(|t| t > now)), "a deadline has passed");
    }
}

impl Entry {
    fn lookup(&self) -> Option<&Lookup> {
        self.lookup.as_deref()
    }
}
