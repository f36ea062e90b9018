//! One look-up: the names to try one after the other, and when to tell what.
//!
//! Owns the present [`Race`], what it has found, and the look-up's two timers. Does not know who asked. Always true: it
//! ends within [`LIMIT`]; addresses are told once, and after addresses comes no error. Worst case: the race, 7 names of
//! 253 bytes and 32 addresses: 5 KiB.
//!
//! Why is it so?
//! * *Why may half a failure be cached?* If one family has addresses and the other got no answer at all (some boxes drop
//!   AAAA questions), every later look-up would wait for it again. So the absence is taken as such for
//!   [`MAX_NEGATIVE`]. Failures proper are not kept.
//! * *And why a cancelled one?* If IPv4 was told after its wait and that was enough, the next look-up would spend the
//!   wait again, and so would each connection to a local service. The cache keeps such an absence for 5 s.
//! * *Why does a timeout end it, and a refusal not?* As in glibc: servers that are silent about `nas.lan` will be silent
//!   about `nas`, but a server may refuse the one and know the other.

use super::cache::{Cache, MAX_NEGATIVE};
use super::family::{Family, PerFamily};
use super::race::{Outcome, Race};
use super::resolv_conf::Conf;
use super::{Cx, Link};
use crate::net::{Answer, ResolveError};
use crate::proto::time::{Duration, Instant, millis, secs, sooner};
use core::mem;
use std::collections::VecDeque;
use std::net::IpAddr;

/// The longest a look-up may take; frpc's whole dial has 10 s.
pub(super) const LIMIT: Duration = secs(5);
/// How long IPv4 addresses wait for IPv6 ones (RFC 8305 §3).
pub(super) const RESOLUTION_DELAY: Duration = millis(50);

/// What is known of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Asking,
    /// To be told.
    Ready(Vec<IpAddr>),
    /// Kept for those who join later.
    Told(Vec<IpAddr>),
    Nothing,
    Failed(ResolveError),
}

/// A look-up under way.
#[derive(Debug)]
pub(super) struct Lookup {
    /// Names not tried yet.
    names: VecDeque<Box<str>>,
    name: Box<str>,
    conf: Conf,
    /// Which server is the first.
    start: usize,
    race: Option<Race>,
    found: PerFamily<Found>,
    /// Until when IPv4 waits for IPv6.
    hold: Option<Instant>,
    limit: Instant,
    refused: bool,
}

impl Lookup {
    /// Starts with the first of `names`.
    pub(super) fn new(names: Vec<Box<str>>, conf: &Conf, start: usize, cache: &Cache, cx: &mut Cx<'_>) -> Self {
        let mut lookup = Self {
            names: names.into(),
            name: Box::default(),
            conf: conf.clone(),
            start,
            race: None,
            found: PerFamily::each(|_| Found::Nothing),
            hold: None,
            limit: cx.now + LIMIT,
            refused: false,
        };
        lookup.begin_next(cache, cx);
        lookup
    }

    /// The next thing to tell; drained to `None` after every input. The last one is an error or `done`.
    pub(super) fn poll(&mut self, cache: &mut Cache, cx: &mut Cx<'_>) -> Option<Result<Answer, ResolveError>> {
        loop {
            self.take_news(cache, cx.now);
            if self.found.iter().any(|f| *f == Found::Asking) {
                return self.early(cx.now).map(Ok);
            }
            if self.found.iter().any(Found::has_addrs) {
                self.half_failed(cache, cx.now);
                return Some(Ok(Answer { addrs: self.take_ready(), done: true }));
            }
            if let Some(why) = self.dead_end(cx.now) {
                return Some(Err(why));
            }
            self.begin_next(cache, cx);
        }
    }

    /// Addresses told so far, for one who joins.
    pub(super) fn told(&self) -> Vec<IpAddr> {
        let told = self.found.iter().filter_map(|found| match found {
            Found::Told(addrs) => Some(addrs),
            _ => None,
        });
        told.flatten().copied().collect()
    }

    /// When [`Lookup::expire`] is due.
    pub(super) fn deadline(&self) -> Instant {
        let race = self.race.as_ref().and_then(Race::deadline);
        let soonest = sooner(race, self.hold).unwrap_or(self.limit);
        soonest.min(self.limit)
    }

    /// Lets time pass.
    pub(super) fn expire(&mut self, cx: &mut Cx<'_>) {
        let Some(race) = &mut self.race else { return };
        if self.limit <= cx.now {
            race.give_up(cx);
        } else if race.deadline().is_some_and(|t| t <= cx.now) {
            race.expire(cx);
        }
    }

    /// Whether the socket is one of this look-up's.
    pub(super) fn owns(&self, link: Link) -> bool {
        self.race.as_ref().is_some_and(|race| race.owns(link))
    }

    /// Bytes of answers that have come in part.
    pub(super) fn partial(&self) -> usize {
        self.race.as_ref().map_or(0, Race::partial)
    }

    /// As [`Race::feed`].
    pub(super) fn feed(&mut self, link: Link, bytes: &[u8], room: usize, cx: &mut Cx<'_>) {
        if let Some(race) = &mut self.race {
            race.feed(link, bytes, room, cx);
        }
    }

    /// As [`Race::broken`].
    pub(super) fn broken(&mut self, link: Link, cx: &mut Cx<'_>) {
        if let Some(race) = &mut self.race {
            race.broken(link, cx);
        }
    }

    /// Nobody wants to know any more: usually because the first addresses were good enough.
    pub(super) fn stop(&mut self, cache: &mut Cache, cx: &mut Cx<'_>) {
        if let Some(race) = &mut self.race {
            race.stop(cx);
        }
        let in_vain = *self.found.get(Family::V6) == Found::Asking && self.found.get(Family::V4).is_told();
        if in_vain {
            cache.put_none(&self.name, Family::V6, None, cx.now);
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let names = self.names.iter().map(|name| name.len()).sum::<usize>() + self.name.len();
        let conf = self.conf.servers.len() * size_of::<std::net::SocketAddr>();
        let search = self.conf.search.iter().map(|domain| domain.len() + size_of_val(domain)).sum::<usize>();
        let addrs = self.found.iter().map(|found| match found {
            Found::Ready(addrs) | Found::Told(addrs) => addrs.capacity() * size_of::<IpAddr>(),
            _ => 0,
        });
        let names = names + self.names.capacity() * size_of::<Box<str>>();
        size_of::<Self>() + names + conf + search + addrs.sum::<usize>() + self.race.as_ref().map_or(0, Race::held)
    }

    /// Turns to the next name, if there is one: asks for what the cache does not know.
    fn begin_next(&mut self, cache: &Cache, cx: &mut Cx<'_>) {
        let Some(name) = self.names.pop_front() else { return };
        self.name = name;
        self.hold = None;
        self.found = PerFamily::each(|family| match cache.get(&self.name, family, cx.now) {
            None => Found::Asking,
            Some([]) => Found::Nothing,
            Some(addrs) => Found::Ready(addrs.to_vec()),
        });
        let open = PerFamily::each(|family| *self.found.get(family) == Found::Asking);
        let needed = open.iter().any(|open| *open);
        self.race = needed.then(|| Race::new(&self.name, open, &self.conf, self.start, cx));
    }

    fn take_news(&mut self, cache: &mut Cache, now: Instant) {
        for (family, outcome) in self.race.as_mut().map(Race::poll).unwrap_or_default() {
            *self.found.get_mut(family) = match outcome {
                Outcome::Addrs { addrs, ttl } => {
                    cache.put(&self.name, family, &addrs, ttl, now);
                    Found::Ready(addrs)
                }
                Outcome::Nothing { ttl } => {
                    cache.put_none(&self.name, family, ttl, now);
                    Found::Nothing
                }
                Outcome::Failed(why) => Found::Failed(why),
            };
        }
    }

    /// What may be told while a family is still asked for: IPv6 at once, IPv4 when it has waited.
    fn early(&mut self, now: Instant) -> Option<Answer> {
        let ready = |family| matches!(self.found.get(family), Found::Ready(_));
        if ready(Family::V4) {
            let hold = *self.hold.get_or_insert(now + RESOLUTION_DELAY);
            if now < hold {
                return None;
            }
        } else if !ready(Family::V6) {
            return None;
        }
        Some(Answer { addrs: self.take_ready(), done: false })
    }

    fn take_ready(&mut self) -> Vec<IpAddr> {
        self.hold = None;
        let mut addrs = Vec::new();
        for found in self.found.iter_mut() {
            if let Found::Ready(new) = found {
                addrs.extend_from_slice(new);
                *found = Found::Told(mem::take(new));
            }
        }
        addrs
    }

    /// One family has addresses: remember that the other gave no answer.
    fn half_failed(&self, cache: &mut Cache, now: Instant) {
        let seconds = u32::try_from(MAX_NEGATIVE.as_secs()).ok();
        for family in Family::BOTH {
            if matches!(self.found.get(family), Found::Failed(_)) {
                cache.put_none(&self.name, family, seconds, now);
            }
        }
    }

    /// No address under this name: why the look-up ends, unless the next name is to be tried.
    fn dead_end(&mut self, now: Instant) -> Option<ResolveError> {
        for found in self.found.iter() {
            match found {
                Found::Failed(ResolveError::Failed) => self.refused = true,
                Found::Failed(why) => return Some(*why),
                _ => {}
            }
        }
        if self.names.is_empty() {
            return Some(if self.refused { ResolveError::Failed } else { ResolveError::NoSuchHost });
        }
        (self.limit <= now).then_some(ResolveError::TimedOut)
    }
}

impl Found {
    fn has_addrs(&self) -> bool {
        matches!(self, Self::Ready(_) | Self::Told(_))
    }

    fn is_told(&self) -> bool {
        matches!(self, Self::Told(_))
    }
}
