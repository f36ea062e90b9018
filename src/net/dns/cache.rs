//! What is known about names, and for how long.
//!
//! Owns the facts. Does not decide what a missing fact means. Always true: at most [`MAX_NAMES`] names; a fact ends at
//! its time to live, `now == until` included. Worst case: [`MAX_NAMES`] × (253 bytes of name + 16 addresses of 17 bytes
//! + 120) = 41 KiB.

use super::family::{Family, PerFamily};
use crate::proto::time::{Duration, Instant, secs};
use std::net::IpAddr;

/// Names remembered; the one that would end first makes room.
pub(super) const MAX_NAMES: usize = 64;
/// No answer is trusted for longer: dynamic DNS with a careless TTL must not hold a router for a day.
pub(super) const MAX_TTL: Duration = secs(3600);
/// "There is none" is trusted for no longer: the user may be setting the name up right now.
pub(super) const MAX_NEGATIVE: Duration = secs(30);
/// How long "there is none" is kept when the server gave no SOA to say so, as dnsmasq does for names of the LAN.
const NEGATIVE: Duration = secs(5);
const MIN_TTL: Duration = secs(1);

/// What is known of one family; no addresses: there are none.
#[derive(Debug)]
struct Fact {
    addrs: Box<[IpAddr]>,
    until: Instant,
}

#[derive(Debug)]
struct Entry {
    name: Box<str>,
    facts: PerFamily<Option<Fact>>,
}

/// The facts.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: Vec<Entry>,
}

impl Cache {
    /// The addresses of a name; none if it is known to have none, `None` if nothing is known.
    pub(super) fn get(&self, name: &str, family: Family, now: Instant) -> Option<&[IpAddr]> {
        let entry = self.entries.iter().find(|e| *e.name == *name)?;
        entry.facts.get(family).as_ref().filter(|fact| now < fact.until).map(|fact| &*fact.addrs)
    }

    /// Keeps addresses for `ttl` seconds, within bounds (0 is taken as 1: the caller's next tries come within it).
    pub(super) fn put(&mut self, name: &str, family: Family, addrs: &[IpAddr], ttl: u32, now: Instant) {
        let until = now + secs(ttl.into()).clamp(MIN_TTL, MAX_TTL);
        self.set(name, family, Fact { addrs: addrs.into(), until }, now);
    }

    /// Keeps that there is no address.
    pub(super) fn put_none(&mut self, name: &str, family: Family, ttl: Option<u32>, now: Instant) {
        let ttl = ttl.map_or(NEGATIVE, |s| secs(s.into()).clamp(MIN_TTL, MAX_NEGATIVE));
        self.set(name, family, Fact { addrs: Box::default(), until: now + ttl }, now);
    }

    /// Forgets a name.
    pub(super) fn forget(&mut self, name: &str) {
        self.entries.retain(|e| *e.name != *name);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.entries = Vec::new();
    }

    fn set(&mut self, name: &str, family: Family, fact: Fact, now: Instant) {
        if let Some(entry) = self.entries.iter_mut().find(|e| *e.name == *name) {
            *entry.facts.get_mut(family) = Some(fact);
            return;
        }
        self.make_room(now);
        let mut facts = PerFamily::default();
        *facts.get_mut(family) = Some(fact);
        self.entries.push(Entry { name: name.into(), facts });
    }

    fn make_room(&mut self, now: Instant) {
        if self.entries.len() < MAX_NAMES {
            return;
        }
        self.entries.retain(|e| e.until() > now);
        if self.entries.len() == MAX_NAMES
            && let Some((first, _)) = self.entries.iter().enumerate().min_by_key(|(_, e)| e.until())
        {
            self.entries.swap_remove(first);
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let facts = |e: &Entry| e.facts.iter().flatten().map(|f| size_of_val(&*f.addrs)).sum::<usize>();
        self.entries.capacity() * size_of::<Entry>()
            + self.entries.iter().map(|e| e.name.len() + facts(e)).sum::<usize>()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Entry {
    fn until(&self) -> Instant {
        self.facts.iter().flatten().map(|f| f.until).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::time::millis;

    const T: Instant = Instant::ZERO;
    const A: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1))];

    /// Milliseconds for which a fact lasts.
    fn life(put: impl Fn(&mut Cache)) -> u64 {
        let mut cache = Cache::default();
        put(&mut cache);
        let known = |ms: u64| cache.get("x", Family::V4, T + millis(ms)).is_some();
        let ends: Vec<u64> = (1..=3600u64).map(|s| s * 1000).filter(|ms| known(*ms - 1) && !known(*ms)).collect();
        assert_eq!(ends.len(), 1, "{ends:?}");
        ends[0]
    }

    #[test]
    fn lives_are_clamped() {
        for (ttl, ms) in
            [(0, 1000), (1, 1000), (60, 60_000), (3600, 3_600_000), (3601, 3_600_000), (u32::MAX, 3_600_000)]
        {
            assert_eq!(life(|c| c.put("x", Family::V4, &A, ttl, T)), ms, "{ttl}");
        }
        for (ttl, ms) in
            [(Some(0), 1000), (Some(29), 29_000), (Some(31), 30_000), (Some(u32::MAX), 30_000), (None, 5000)]
        {
            assert_eq!(life(|c| c.put_none("x", Family::V4, ttl, T)), ms, "{ttl:?}");
        }
    }

    #[test]
    fn families_are_apart_and_forgotten_together() {
        let mut cache = Cache::default();
        cache.put("x", Family::V4, &A, 60, T);
        assert_eq!(cache.get("x", Family::V4, T), Some(&A[..]));
        assert_eq!(cache.get("x", Family::V6, T), None);
        cache.put_none("x", Family::V6, None, T);
        assert_eq!(cache.get("x", Family::V6, T), Some(&[][..]));
        assert_eq!((cache.len(), cache.get("y", Family::V4, T)), (1, None));
        cache.forget("x");
        assert_eq!(cache.len(), 0);
    }

    #[test]
    fn the_fact_that_ends_first_makes_room() {
        let mut cache = Cache::default();
        for i in 0..MAX_NAMES as u32 {
            cache.put(&format!("n{i}"), Family::V4, &A, 100 + (i + 7) % 64, T);
        }
        cache.put("new", Family::V4, &A, 1, T);
        assert_eq!(cache.len(), MAX_NAMES);
        assert_eq!(cache.get("n57", Family::V4, T), None, "it had the shortest time left");
        cache.put("newer", Family::V4, &A, 50, T + secs(101));
        assert_eq!(cache.len(), MAX_NAMES - 1, "ended facts leave first: n58 and new went");
    }

    #[test]
    fn the_worst_case_is_as_stated() {
        let mut cache = Cache::default();
        let many: Vec<IpAddr> = (0..8).map(|i| IpAddr::from([10, 0, 0, i])).collect();
        for i in 0..1000 {
            let name = format!("{i:0>253}");
            Family::BOTH.into_iter().for_each(|family| cache.put(&name, family, &many, 60, T));
        }
        assert!(cache.held() <= MAX_NAMES * (253 + 16 * 17 + 120), "{}", cache.held());
        cache.clear();
        assert_eq!(cache.held(), 0);
    }
}
