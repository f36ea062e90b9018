//! Link health: from what is seen of a link to a verdict, with the reason.
//!
//! Owns the round trip estimate, the ping under way and the suspicion. Does not send, dial or switch: it asks for it
//! ([`Order`]). Always true: a link that answers is never condemned without proof; a suspicion that was wrong is
//! remembered and makes the machine slower to suspect. Worst case: 250 bytes.
//!
//! Three stages. *Asked*: a ping is out, because nothing came for a while, because what we sent has not been followed
//! by anything, or because something happened to the network. *Racing*: it was not answered in time; a second
//! connection is prepared while this one is asked again. *Condemned*: a proof came, or the link showed no life for a
//! while more: the second connection may take over.
//!
//! Why is it so?
//! * *Why is one ping not enough?* On a path with 2 % loss a first copy, its tail probe and a retransmission are lost
//!   together once in 10⁵ pings. A race costs a handshake, a needless switch costs users: so the first needs one
//!   unanswered ping, the second a silence of three more waits.
//! * *Why does silence count only after we spoke?* A quiet server is healthy. As in WireGuard, only what should have
//!   been answered and was not is evidence; bulk data we send is followed by window updates, and if it is not, by the
//!   answer to a ping.
//! * *Why do incoming bytes not end a race?* When only our direction is dead the server's last window of data still
//!   arrives. They put the verdict off; the answer to a ping ends the race.

use super::time::{Duration, Instant, millis, secs, sooner};
use std::collections::VecDeque;
use std::net::IpAddr;

/// Bounds of the wait for an answer.
const MIN_WAIT: Duration = millis(250);
const MAX_WAIT: Duration = secs(2);
/// The wait while no round trip is known.
const FIRST_WAIT: Duration = secs(1);
/// The least time between the first byte sent and the question why nothing came back.
const MIN_QUEUE_AGE: Duration = millis(700);
/// The least silence of a suspected link before it is condemned.
const MIN_SILENCE: Duration = millis(600);
/// A link silent for so long is condemned even if nothing else can be reached: the kernel's limit, and some.
pub const GIVE_UP: Duration = secs(20);
/// Two races without cause within the first make every wait twice as long for the second.
const FALSE_RACES: Duration = secs(60);
const WIDENED: Duration = secs(600);

/// Why a link is suspected or condemned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing came, for so long.
    Silence(Duration),
    /// Our own address on this link is not ours any more: a proof.
    AddressGone(IpAddr),
    /// The route to the server leaves from another address now.
    RouteChanged(IpAddr),
    /// Links, addresses or routes of this machine changed.
    NetworkChanged,
    /// The program did not run for so long (suspended, stopped, starved).
    Stalled(Duration),
    /// A signal asked for a look.
    Poked,
}

impl core::fmt::Display for Cause {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let seconds = |d: &Duration| d.as_secs_f32();
        match self {
            Self::Silence(long) => write!(f, "no answer for {:.1} s", seconds(long)),
            Self::AddressGone(ip) => write!(f, "our address {ip} is gone"),
            Self::RouteChanged(ip) => write!(f, "the route to the server now leaves from {ip}"),
            Self::NetworkChanged => f.write_str("the network changed"),
            Self::Stalled(long) => write!(f, "the program stood still for {:.1} s", seconds(long)),
            Self::Poked => f.write_str("a signal asked for it"),
        }
    }
}

/// What the owner is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Send a ping.
    Ping,
    /// Prepare a second connection: this one does not answer, or is proven dead.
    Prepare(Cause),
    /// The link is alive: give the second connection up.
    StandDown,
}

/// The suspicion.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    since: Instant,
    cause: Cause,
    /// A second connection is being prepared.
    racing: bool,
    /// Pings sent since the race began.
    asked: u32,
    /// The silence was long enough to condemn the link, and the owner knows.
    judged: bool,
}

/// The health of one link.
#[derive(Debug)]
pub struct Health {
    probe: Duration,
    srtt: Option<Duration>,
    var: Duration,
    heard: Instant,
    /// First bytes sent since then.
    spoke: Option<Instant>,
    /// When the first unanswered ping was sent, and how many were since.
    ping: Option<(Instant, u32)>,
    doubt: Option<Doubt>,
    proof: Option<Cause>,
    false_race: Option<Instant>,
    widened: Option<Instant>,
    orders: VecDeque<Order>,
}

impl Health {
    /// A fresh link. `probe`: an idle link is asked after so long.
    pub fn new(probe: Duration, now: Instant) -> Self {
        Self {
            probe,
            srtt: None,
            var: Duration::ZERO,
            heard: now,
            spoke: None,
            ping: None,
            doubt: None,
            proof: None,
            false_race: None,
            widened: None,
            orders: VecDeque::new(),
        }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// The smoothed round trip.
    pub fn rtt(&self) -> Option<Duration> {
        self.srtt
    }

    /// Whether a second connection is wanted.
    pub fn racing(&self) -> bool {
        self.proof.is_some() || self.doubt.is_some_and(|doubt| doubt.racing)
    }

    /// How long an answer may take (RFC 6298 with a floor for schedulers and a ceiling for impatience).
    pub fn wait(&self) -> Duration {
        let wait = self.srtt.map_or(FIRST_WAIT, |srtt| (srtt + self.var * 4 + millis(50)).clamp(MIN_WAIT, MAX_WAIT));
        if self.widened.is_some() { wait * 2 } else { wait }
    }

    fn queue_age(&self) -> Duration {
        (self.wait() * 3).max(MIN_QUEUE_AGE)
    }

    fn silence(&self) -> Duration {
        (self.wait() * 3).max(MIN_SILENCE)
    }

    /// Bytes were handed to the kernel.
    pub fn on_sent(&mut self, now: Instant) {
        self.spoke.get_or_insert(now);
    }

    /// Bytes came.
    pub fn on_heard(&mut self, now: Instant) {
        self.heard = now;
        self.spoke = None;
        // What an event made doubtful is cleared by any life; a verdict is put off.
        self.doubt = self.doubt.filter(|doubt| doubt.racing).map(|doubt| Doubt { judged: false, ..doubt });
    }

    /// The far end's kernel has acknowledged bytes since this was last looked at. Not an answer, but the path is there:
    /// a verdict is put off.
    pub fn on_acknowledged(&mut self, now: Instant) {
        self.heard = now;
        self.doubt = self.doubt.map(|doubt| Doubt { judged: false, ..doubt });
    }

    /// A ping was answered. `rtt`: how long that took, for a ping that was not asked for here.
    pub fn on_pong(&mut self, rtt: Option<Duration>, now: Instant) {
        match (self.ping, rtt) {
            (Some((sent, 1)), _) => self.sample(now.since(sent)),
            (None, Some(rtt)) => self.sample(rtt),
            // Which of several was answered is not known (Karn).
            _ => {}
        }
        self.ping = None;
        self.on_heard(now);
        if self.doubt.take().is_some_and(|doubt| doubt.racing) && self.proof.is_none() {
            self.orders.push_back(Order::StandDown);
            let before = self.false_race.replace(now);
            if before.is_some_and(|at| now.since(at) < FALSE_RACES) {
                self.widened = Some(now + WIDENED);
            }
        }
    }

    fn sample(&mut self, rtt: Duration) {
        match self.srtt {
            None => (self.srtt, self.var) = (Some(rtt), rtt / 2),
            Some(srtt) => {
                self.var = self.var * 3 / 4 + srtt.abs_diff(rtt) / 4;
                self.srtt = Some(srtt * 7 / 8 + rtt / 8);
            }
        }
    }

    /// Something happened that may have killed the link: asks it.
    pub fn suspect(&mut self, cause: Cause, now: Instant) {
        if self.doubt.is_none() && self.proof.is_none() {
            self.doubt = Some(Doubt { since: now, cause, racing: false, asked: 0, judged: false });
            self.ask(now);
        }
    }

    /// The program stood still: what was not heard meanwhile says nothing. Asks afresh.
    pub fn on_stall(&mut self, stood: Duration, now: Instant) {
        self.heard = now;
        self.spoke = None;
        self.ping = None;
        self.doubt = None;
        self.suspect(Cause::Stalled(stood), now);
    }

    /// The link is dead beyond doubt.
    pub fn prove(&mut self, cause: Cause) {
        if self.proof.is_none() {
            self.proof = Some(cause);
            self.orders.push_back(Order::Prepare(cause));
        }
    }

    /// Why it is dead beyond doubt, if it is.
    pub fn proof(&self) -> Option<Cause> {
        self.proof
    }

    /// Sends a ping unless one is under way.
    fn ask(&mut self, now: Instant) {
        if self.ping.is_none() {
            self.ping = Some((now, 1));
            self.orders.push_back(Order::Ping);
        }
    }

    /// Why a second connection may take over now, if it may.
    pub fn condemned(&self, now: Instant) -> Option<Cause> {
        self.proof.or_else(|| self.verdict_at().filter(|at| *at <= now).map(|_| self.silence_until(now)))
    }

    /// When the link is condemned if nothing comes.
    fn verdict_at(&self) -> Option<Instant> {
        let doubt = self.doubt.filter(|doubt| doubt.racing)?;
        Some(doubt.since.max(self.heard) + self.silence())
    }

    /// Whether it is dead even without a second connection.
    pub fn lost(&self, now: Instant) -> Option<Cause> {
        let racing = self.doubt.is_some_and(|doubt| doubt.racing);
        (racing && self.heard + GIVE_UP <= now).then(|| self.silence_until(now))
    }

    /// The silence since the first unanswered ping.
    fn silence_until(&self, now: Instant) -> Cause {
        Cause::Silence(now.since(self.ping.map_or(self.heard, |(sent, _)| sent)))
    }

    /// When [`Health::expire`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        if self.proof.is_some() {
            return None;
        }
        let ask = match (self.ping, self.doubt.filter(|doubt| doubt.racing)) {
            (None, _) => sooner(Some(self.heard + self.probe), self.spoke.map(|at| at + self.queue_age())),
            (Some((sent, _)), None) => Some(sent.max(self.heard) + self.wait()),
            (Some(_), Some(doubt)) if doubt.asked < 2 => Some(doubt.since + self.wait() * (doubt.asked + 1)),
            (Some(_), Some(_)) => Some(self.heard + GIVE_UP),
        };
        sooner(ask, self.verdict_at().filter(|_| self.doubt.is_some_and(|doubt| !doubt.judged)))
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Instant) {
        self.widened = self.widened.filter(|until| now < *until);
        if self.proof.is_some() {
            return;
        }
        let Some((sent, pings)) = self.ping else {
            let idle = self.heard + self.probe <= now;
            if idle || self.spoke.is_some_and(|at| at + self.queue_age() <= now) {
                self.ask(now);
            }
            return;
        };
        let wait = self.wait();
        match self.doubt {
            Some(doubt) if doubt.racing => {
                let again = doubt.asked < 2 && doubt.since + wait * (doubt.asked + 1) <= now;
                if again {
                    self.ping = Some((sent, pings + 1));
                    self.orders.push_back(Order::Ping);
                }
                let judged = self.verdict_at().is_some_and(|at| at <= now);
                self.doubt = Some(Doubt { asked: doubt.asked + u32::from(again), judged, ..doubt });
            }
            doubt if sent.max(self.heard) + wait <= now => {
                let cause = doubt.map_or_else(|| Cause::Silence(now.since(sent)), |doubt| doubt.cause);
                self.doubt = Some(Doubt { since: now, cause, racing: true, asked: 0, judged: false });
                self.orders.push_back(Order::Prepare(cause));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
