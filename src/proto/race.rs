//! Which address to try when: the race of RFC 8305 ("happy eyeballs").
//!
//! Owns the addresses that are still to be tried and the pace of the tries. Does not dial or resolve. Always true:
//! families alternate, IPv6 first where it has come in time; a try that fails lets the next one start at once; at most
//! [`MAX_LIVE`] tries run. Worst case: [`MAX_ADDRS`] addresses, 300 bytes.

use super::time::{Duration, Instant, millis};
use std::collections::VecDeque;
use std::net::IpAddr;

/// Connection Attempt Delay (RFC 8305 §5).
pub const ATTEMPT_DELAY: Duration = millis(250);
/// A persistent race tries all addresses again, at the latest after this: a SYN lost while the path was down costs a
/// second.
pub const REPEAT: Duration = millis(1000);
/// Addresses of one name that are considered.
pub const MAX_ADDRS: usize = 8;
/// Tries under way at once.
pub const MAX_LIVE: usize = 3;
/// The same in a persistent race.
const MAX_PERSISTENT: usize = 6;

/// One race.
#[derive(Debug, Default)]
pub struct Race {
    v6: VecDeque<IpAddr>,
    v4: VecDeque<IpAddr>,
    seen: Vec<IpAddr>,
    last_was_v6: bool,
    complete: bool,
    live: usize,
    next_at: Option<Instant>,
    /// In a persistent race: all addresses are tried again after this.
    repeat: Option<Duration>,
}

impl Race {
    /// Adds addresses, in the order in which to try them; those known already are dropped. `complete` says that no more
    /// will come.
    pub fn add(&mut self, addrs: &[IpAddr], complete: bool) {
        self.complete |= complete;
        for addr in addrs {
            if self.seen.len() < MAX_ADDRS && !self.seen.contains(addr) {
                self.seen.push(*addr);
                let family = if addr.is_ipv6() { &mut self.v6 } else { &mut self.v4 };
                family.push_back(*addr);
            }
        }
    }

    /// From now on further tries start while the earlier ones are not answered: the first repetition after `first`, when
    /// an answer should have come, then after twice as long, up to [`REPEAT`].
    pub fn persist(&mut self, first: Duration) {
        self.repeat = Some(first.clamp(ATTEMPT_DELAY, REPEAT));
    }

    /// Whether it is a persistent one.
    pub fn persists(&self) -> bool {
        self.repeat.is_some()
    }

    /// A try has lasted too long; it counts as silence, not as a failure.
    pub fn expired(&mut self) {
        self.live = self.live.saturating_sub(1);
    }

    fn max_live(&self) -> usize {
        if self.repeat.is_some() { MAX_PERSISTENT } else { MAX_LIVE }
    }

    /// Puts the addresses in line once more, if they are to be repeated and none is left.
    fn refill(&mut self, now: Instant) {
        if let Some(repeat) = self.repeat
            && self.v6.is_empty()
            && self.v4.is_empty()
            && self.next_at.is_some_and(|at| at + (repeat - ATTEMPT_DELAY) <= now)
        {
            self.repeat = Some((repeat * 2).min(REPEAT));
            let (v6, v4): (Vec<IpAddr>, Vec<IpAddr>) = self.seen.iter().partition(|ip| ip.is_ipv6());
            (self.v6, self.v4) = (v6.into(), v4.into());
        }
    }

    /// Something changed: in a persistent race all addresses are tried again at once.
    pub fn hurry(&mut self) {
        if self.repeat.is_some() && self.next_at.is_some() {
            self.next_at = Some(Instant::ZERO);
        }
    }

    /// A try has failed: the next address is tried at once. With none left those that are under way go on in peace.
    pub fn failed(&mut self) {
        self.live = self.live.saturating_sub(1);
        if self.live == 0 || !self.v6.is_empty() || !self.v4.is_empty() {
            self.next_at = None;
        }
    }

    /// The address to try now, if it is time for one; it counts as under way.
    pub fn poll(&mut self, now: Instant) -> Option<IpAddr> {
        self.refill(now);
        if self.live >= self.max_live() || self.next_at.is_some_and(|at| at > now) {
            return None;
        }
        let (first, second) =
            if self.last_was_v6 { (&mut self.v4, &mut self.v6) } else { (&mut self.v6, &mut self.v4) };
        let addr = first.pop_front().or_else(|| second.pop_front())?;
        self.last_was_v6 = addr.is_ipv6();
        self.live += 1;
        self.next_at = Some(now + ATTEMPT_DELAY);
        Some(addr)
    }

    /// When [`Race::poll`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        if self.live >= self.max_live() {
            return None;
        }
        if self.v6.is_empty() && self.v4.is_empty() {
            return self.next_at.zip(self.repeat).map(|(at, repeat)| at + (repeat - ATTEMPT_DELAY));
        }
        Some(self.next_at.unwrap_or(Instant::ZERO))
    }

    /// Nothing runs and nothing is left to try.
    pub fn lost(&self) -> bool {
        // While the last word was silence a persistent race goes on.
        let goes_on = self.repeat.is_some() && self.next_at.is_some();
        self.complete && self.live == 0 && self.v6.is_empty() && self.v4.is_empty() && !goes_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|s| s.parse().unwrap()).collect()
    }

    const T: Instant = Instant::ZERO;

    #[test]
    fn families_alternate_every_250_ms() {
        let mut race = Race::default();
        race.add(&ips(&["1.0.0.1", "1.0.0.2", "::1", "::2", "::1"]), true);
        assert_eq!(race.poll(T), Some(ips(&["::1"])[0]));
        assert_eq!(race.poll(T + millis(249)), None);
        assert_eq!(race.deadline(), Some(T + millis(250)));
        assert_eq!(race.poll(T + millis(250)), Some(ips(&["1.0.0.1"])[0]));
        assert_eq!(race.poll(T + millis(500)), Some(ips(&["::2"])[0]));
        assert_eq!(race.poll(T + millis(750)), None, "three are under way");
        assert_eq!(race.deadline(), None);
        race.failed();
        assert_eq!(race.deadline(), Some(T), "at once");
        assert_eq!(race.poll(T + millis(751)), Some(ips(&["1.0.0.2"])[0]));
        assert_eq!((race.deadline(), race.lost()), (None, false));
        (0..3).for_each(|_| race.failed());
        assert!(race.lost());
    }

    #[test]
    fn a_failure_starts_the_next_at_once() {
        let mut race = Race::default();
        race.add(&ips(&["1.0.0.1", "1.0.0.2"]), false);
        assert!(race.poll(T).is_some());
        race.failed();
        assert!(race.poll(T + millis(1)).is_some());
        race.failed();
        assert!(!race.lost(), "more addresses may come");
        race.add(&ips(&["::9"]), true);
        assert_eq!(race.poll(T + millis(2)), Some(ips(&["::9"])[0]));
    }

    #[test]
    fn the_number_of_addresses_is_bounded() {
        let mut race = Race::default();
        let many: Vec<IpAddr> = (0..100).map(|i| IpAddr::from([10, 0, 0, i])).collect();
        race.add(&many, true);
        let mut tried = 0;
        while race.poll(T + secs_of(tried)).is_some() {
            race.failed();
            tried += 1;
        }
        assert_eq!(tried, MAX_ADDRS as u64);
    }

    #[test]
    fn a_persistent_race_repeats_what_is_not_answered() {
        let mut race = Race::default();
        race.persist(REPEAT);
        race.add(&ips(&["1.0.0.1"]), true);
        let tries: Vec<u64> = (0..50).map(|i| i * 100).filter(|ms| race.poll(T + millis(*ms)).is_some()).collect();
        assert_eq!(tries, [0, 1000, 2000, 3000, 4000]);
        assert!(race.poll(T + millis(5000)).is_some() && race.poll(T + millis(6000)).is_none(), "six are under way");
        assert_eq!(race.deadline(), None);
        race.expired();
        assert!(race.poll(T + millis(6000)).is_some());
        (0..6).for_each(|_| race.expired());
        assert!(!race.lost() && race.poll(T + millis(7000)).is_some(), "silence is no failure");
        race.failed();
        assert!(race.poll(T + millis(9000)).is_none() && race.deadline().is_none() && race.lost());
    }

    #[test]
    fn the_first_repetition_comes_when_an_answer_should_have_come() {
        for (first, expected) in [(10, [0, 250, 750, 1750]), (300, [0, 300, 900, 1900]), (9000, [0, 1000, 2000, 3000])]
        {
            let mut race = Race::default();
            race.persist(millis(first));
            race.add(&ips(&["1.0.0.1"]), true);
            let tries: Vec<u64> = (0..80).map(|i| i * 50).filter(|ms| race.poll(T + millis(*ms)).is_some()).collect();
            assert_eq!(tries[..4], expected, "first after {first} ms");
        }
    }

    #[test]
    fn a_late_failure_does_not_end_the_others_repetitions() {
        let mut race = Race::default();
        race.persist(REPEAT);
        race.add(&ips(&["::1", "1.0.0.1"]), true);
        assert!(race.poll(T).is_some() && race.poll(T + millis(250)).is_some());
        race.failed();
        assert!(race.poll(T + millis(300)).is_none() && race.poll(T + millis(1250)).is_some());
        race.expired();
        assert!(!race.lost());
    }

    #[test]
    fn a_change_makes_a_persistent_race_try_again_at_once() {
        let mut race = Race::default();
        race.persist(REPEAT);
        race.hurry();
        race.add(&ips(&["1.0.0.1", "::1"]), true);
        let now = T + secs_of(60);
        assert!(race.poll(now).is_some() && race.poll(now + ATTEMPT_DELAY).is_some());
        assert!(race.poll(now + millis(300)).is_none());
        race.hurry();
        assert!(race.deadline() <= Some(now));
        assert!(race.poll(now + millis(300)).is_some() && race.poll(now + millis(300)).is_none());
        let mut race = Race::default();
        race.add(&ips(&["1.0.0.1"]), true);
        assert!(race.poll(now).is_some());
        race.hurry();
        assert!(race.poll(now + millis(300)).is_none(), "one that is not tries each address once");
    }

    fn secs_of(n: u64) -> Duration {
        super::super::time::secs(n)
    }
}
