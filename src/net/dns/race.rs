//! One name, asked of several servers at once.
//!
//! Owns the servers' parts in it ([`Peer`]) and the tries. Does not know search lists, caches or who wants to know.
//! Always true: a family is open until its one [`Outcome`] is told; sockets are open only while a family is, and while
//! one is, there is a deadline. Worst case: [`super::resolv_conf::MAX_SERVERS`] peers, the name, and the addresses of
//! two outcomes until they are taken: 2 KiB.
//!
//! How it goes: try 0 asks the first two servers, for both families at once. Every further try asks the next two in
//! turn; whoever has been asked is asked again, with the same id on the same socket, so that a late answer counts. A
//! server that fails is out, and one not asked yet takes its place at once. From the third try on EDNS is left out, for
//! boxes that drop what they do not know.
//!
//! Why is it so?
//! * *Why is "no such name" final from the first server only?* The order in `resolv.conf` has a meaning: the LAN's server
//!   stands first and a public one behind it, which knows no LAN names and may be the faster to say so. libc would not
//!   even have asked it. So a denial waits for the servers listed before, until the try ends; addresses never wait.
//!   Nor does the denial of one family by a server that gave addresses of the other: it knows the name.
//! * *Why does it hold for one family only?* Some servers answer NXDOMAIN to AAAA for names that do have an A record.
//! * *Why is a refusal final for its server?* It would say the same in a second; the owner's back-off knows better when
//!   to come back.

use super::family::{Family, PerFamily};
use super::peer::{Heard, Manner, Peer, State};
use super::resolv_conf::Conf;
use super::{Cx, Link, Via};
use crate::net::ResolveError;
use crate::proto::time::{Duration, Instant, sooner};
use core::mem;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// Servers asked at once.
const ABREAST: usize = 2;
/// From this try on without EDNS.
const PLAIN_FROM: u32 = 2;

/// What became of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// To be kept for `ttl` seconds.
    Addrs { addrs: Vec<IpAddr>, ttl: u32 },
    /// There are none; to be kept for `ttl` seconds, if the server said so.
    Nothing { ttl: Option<u32> },
    /// No server could tell.
    Failed(ResolveError),
}

/// The race.
#[derive(Debug)]
pub(super) struct Race {
    name: Box<str>,
    timeout: Duration,
    attempts: Option<u8>,
    via: Via,
    open: PerFamily<bool>,
    /// Whose turn it is stands in front.
    peers: VecDeque<Peer>,
    tries: u32,
    next_try: Instant,
    news: Vec<(Family, Outcome)>,
}

impl Race {
    /// Asks the first servers, counted from the one at `start`, for the families that are `open`.
    pub(super) fn new(name: &str, open: PerFamily<bool>, conf: &Conf, start: usize, cx: &mut Cx<'_>) -> Self {
        let mut servers: VecDeque<SocketAddr> = conf.servers.iter().copied().collect();
        servers.rotate_left(start.checked_rem(servers.len()).unwrap_or(0));
        let mut race = Self {
            name: name.into(),
            timeout: conf.timeout,
            attempts: conf.attempts,
            via: if conf.tcp { Via::Tcp } else { Via::Udp },
            open,
            peers: servers.into_iter().zip(0..).map(|(to, rank)| Peer::new(to, rank, cx)).collect(),
            tries: 0,
            next_try: cx.now + conf.timeout,
            news: Vec::new(),
        };
        for family in Family::BOTH.into_iter().filter(|family| !open.get(*family)) {
            race.peers.iter_mut().for_each(|peer| peer.drop_family(family, cx));
        }
        race.ask(ABREAST, |_| true, cx);
        race.settle(cx);
        race
    }

    /// Outcomes since the last call.
    pub(super) fn poll(&mut self) -> Vec<(Family, Outcome)> {
        mem::take(&mut self.news)
    }

    /// When [`Race::expire`] is due; `None` once every family is settled.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let streams = self.peers.iter().filter_map(Peer::deadline).min();
        sooner(streams, Some(self.next_try)).filter(|_| self.is_open())
    }

    /// Whether the socket is one of this race's.
    pub(super) fn owns(&self, link: Link) -> bool {
        self.peers.iter().any(|peer| peer.owns(link))
    }

    /// Bytes of answers that have come in part.
    pub(super) fn partial(&self) -> usize {
        self.peers.iter().map(Peer::partial).sum()
    }

    /// Takes what came from a socket: a datagram, or a piece of a stream of which `room` bytes may be kept.
    pub(super) fn feed(&mut self, link: Link, bytes: &[u8], room: usize, cx: &mut Cx<'_>) {
        let Some(peer) = self.peers.iter_mut().find(|peer| peer.owns(link)) else { return };
        let heard = peer.feed(&self.name, link, bytes, room, cx);
        self.hear(heard, cx);
    }

    /// A socket could not be opened, failed, or was closed by the server. It is gone already.
    pub(super) fn broken(&mut self, link: Link, cx: &mut Cx<'_>) {
        let Some(peer) = self.peers.iter_mut().find(|peer| peer.owns(link)) else { return };
        let heard = peer.broken(link);
        self.hear(heard, cx);
    }

    /// Ends what is due: streams that took too long, and the present try.
    pub(super) fn expire(&mut self, cx: &mut Cx<'_>) {
        let heard: Vec<Heard> = self.peers.iter_mut().map(|peer| peer.expire(cx)).collect();
        heard.into_iter().for_each(|heard| self.hear(heard, cx));
        if !self.is_open() || cx.now < self.next_try {
            return;
        }
        self.conclude(None, cx);
        self.tries = self.tries.saturating_add(1);
        self.next_try = cx.now + self.timeout;
        if !self.ask(ABREAST, |_| true, cx) && !self.peers.iter().any(Peer::streaming) {
            self.give_up(cx);
        }
    }

    /// The time is over: what was denied is denied, the rest timed out.
    pub(super) fn give_up(&mut self, cx: &mut Cx<'_>) {
        self.conclude(Some(ResolveError::TimedOut), cx);
    }

    /// Nobody wants to know any more.
    pub(super) fn stop(&mut self, cx: &mut Cx<'_>) {
        self.open = PerFamily::default();
        self.peers.iter_mut().for_each(|peer| peer.hang_up(cx));
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let news = self.news.capacity() * size_of::<(Family, Outcome)>();
        self.name.len() + self.peers.capacity() * size_of::<Peer>() + self.partial() + news
    }

    fn is_open(&self) -> bool {
        self.open.iter().any(|open| *open)
    }

    fn hear(&mut self, heard: Heard, cx: &mut Cx<'_>) {
        match heard {
            Heard::Noise => return,
            Heard::Addrs { family, addrs, ttl } => self.close(family, Outcome::Addrs { addrs, ttl }, cx),
            Heard::Denied => {}
            Heard::Failed if self.is_open() => drop(self.ask(1, |peer| peer.asked() == 0, cx)),
            Heard::Failed => {}
        }
        self.settle(cx);
    }

    /// Asks up to `count` of the peers that are `fit`, in turn. Whether any was asked.
    fn ask(&mut self, count: usize, fit: impl Fn(&Peer) -> bool, cx: &mut Cx<'_>) -> bool {
        let manner = Manner { via: self.via, edns: self.tries < PLAIN_FROM };
        let mut left = count;
        for _ in 0..self.peers.len() {
            let Some(peer) = self.peers.front_mut().filter(|_| left > 0) else { break };
            let may = fit(peer) && self.attempts.is_none_or(|n| peer.asked() < n);
            left -= usize::from(may && peer.ask(&self.name, manner, cx));
            self.peers.rotate_left(1);
        }
        left < count
    }

    /// Closes the families about which there is nothing left to wait for.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        for family in Family::BOTH {
            if let Some(outcome) = self.verdict(family) {
                self.close(family, outcome, cx);
            }
        }
    }

    fn verdict(&self, family: Family) -> Option<Outcome> {
        let states = || self.peers.iter().map(|peer| (peer, peer.state(family)));
        let waits_before = |rank| states().any(|(peer, state)| state == State::Pending && peer.rank() < rank);
        let denial = states().find_map(|(peer, state)| match state {
            State::Denied { ttl } => {
                let knows = peer.state(family.other()) == State::Answered;
                (knows || !waits_before(peer.rank())).then_some(Outcome::Nothing { ttl })
            }
            _ => None,
        });
        let waiting = states().any(|(_, state)| matches!(state, State::Idle | State::Pending | State::Denied { .. }));
        let failure = states().filter_map(|(_, state)| match state {
            State::Failed(why) => Some(why),
            _ => None,
        });
        denial.or_else(|| if waiting { None } else { failure.max_by_key(severity).map(Outcome::Failed) })
    }

    /// Closes every open family that was denied, and the others as failed if there is a reason given.
    fn conclude(&mut self, why: Option<ResolveError>, cx: &mut Cx<'_>) {
        for family in Family::BOTH {
            let denied = self.peers.iter().find_map(|peer| match peer.state(family) {
                State::Denied { ttl } => Some(Outcome::Nothing { ttl }),
                _ => None,
            });
            if let Some(outcome) = denied.or_else(|| why.map(Outcome::Failed)) {
                self.close(family, outcome, cx);
            }
        }
    }

    fn close(&mut self, family: Family, outcome: Outcome, cx: &mut Cx<'_>) {
        if !mem::take(self.open.get_mut(family)) {
            return;
        }
        self.news.push((family, outcome));
        self.peers.iter_mut().for_each(|peer| peer.drop_family(family, cx));
        if !self.is_open() {
            self.stop(cx);
        }
    }
}

/// Which failure to tell when there are several: the one that came from furthest.
fn severity(why: &ResolveError) -> u8 {
    match why {
        ResolveError::Failed => 2,
        ResolveError::TimedOut => 1,
        _ => 0,
    }
}
