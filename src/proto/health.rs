//! Link health: from what is seen of a link to a verdict, with the reason.
//!
//! Owns the ping under way and the suspicion. Does not send, dial or switch: it asks for it ([`Order`]). Always true: a
//! link that answers is never condemned without proof; a suspicion that was wrong is remembered and makes the machine
//! slower to suspect. Worst case: 400 bytes.
//!
//! Three stages. *Asked*: a ping is out, because nothing came for a while, because what we sent has not been followed
//! by anything, or because something happened to the network. *Racing*: it was not answered in time; a second
//! connection is prepared while this one is asked again. *Condemned*: a proof came, or the link showed no life for a
//! while more: the second connection may take over. How long that is depends on what the path is like: a path that made
//! us wait for answers, or that was shut a moment ago, gets more time.
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
//! * *Why does a path that has just opened buy time?* After seconds in which nothing came through, a fresh SYN may be
//!   through first by chance; the old link's next retransmission is due within a second ([`RTO_MAX`]).
//! * *Why is an acknowledgement of everything no answer?* It may be a proxy's, or a frozen server's. But if it comes as
//!   late as in a race, the path was shut, and the server's kernel is in no hurry to send again what was lost.

use super::path::Path;
use super::time::{Duration, Instant, millis, secs, sooner};
use std::collections::VecDeque;
use std::net::IpAddr;

/// The least time between the first byte sent and the question why nothing came back.
const MIN_QUEUE_AGE: Duration = millis(700);
/// The least silence of a suspected link before it is condemned.
const MIN_SILENCE: Duration = millis(600);
/// The longest time between two retransmissions of ours, where the system can bound it.
pub const RTO_MAX: Duration = secs(1);
/// A path that was shut for less gets [`RTO_MAX`] more when it opens. After longer silence the old link is not waited for:
/// where its retransmissions are not bounded, the next one is far away.
const SHUT: Duration = secs(5);
/// The most, whatever speaks for the link. By then a retransmission is so far away that a new connection is the cure.
const MAX_SILENCE: Duration = secs(5);
/// A link silent for so long is condemned even if nothing else can be reached. (With mux its own keepalive is sooner, and
/// with bytes under way the kernel's limit.)
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
        let seconds = |d: &Duration| {
            let tenths = d.as_millis().saturating_add(50) / 100;
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        match self {
            Self::Silence(long) => write!(f, "no answer for {} s", seconds(long)),
            Self::AddressGone(ip) => write!(f, "our address {ip} is gone"),
            Self::RouteChanged(ip) => write!(f, "the route to the server now leaves from {ip}"),
            Self::NetworkChanged => f.write_str("the network changed"),
            Self::Stalled(long) => write!(f, "the program stood still for {} s", seconds(long)),
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
    /// No verdict before, since the path was shut for a while.
    not_before: Option<Instant>,
    /// The silence was long enough to condemn the link, and the owner knows.
    judged: bool,
}

/// The health of one link.
#[derive(Debug)]
pub struct Health {
    probe: Duration,
    path: Path,
    heard: Instant,
    /// First bytes sent since then.
    spoke: Option<Instant>,
    /// When the first unanswered ping was sent, and how many were since.
    ping: Option<(Instant, u32)>,
    /// The far end's kernel has everything, the ping too.
    arrived: bool,
    /// It had it before the race began: the path was never shut.
    prompt: bool,
    /// A second connection had to wait for the path.
    opened_late: bool,
    /// What is read now may have been there for a while: its times mean nothing.
    starved: bool,
    doubt: Option<Doubt>,
    proof: Option<Cause>,
    false_race: Option<Instant>,
    widened: Option<Instant>,
    orders: VecDeque<Order>,
}

impl Health {
    /// A fresh link over a path. `probe`: an idle link is asked after so long.
    pub fn new(probe: Duration, path: Path, now: Instant) -> Self {
        Self {
            probe,
            path,
            heard: now,
            spoke: None,
            ping: None,
            arrived: false,
            prompt: false,
            opened_late: false,
            starved: false,
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

    /// What the link has shown about its path, for the next link.
    pub fn path(&self) -> Path {
        if self.opened_late { self.path.opened_late() } else { self.path }
    }

    /// Whether a second connection is wanted.
    pub fn racing(&self) -> bool {
        self.proof.is_some() || self.doubt.is_some_and(|doubt| doubt.racing)
    }

    /// What speaks against the link, since when if it is a doubt, and whether it is a proof.
    pub fn evidence(&self) -> Option<(Cause, Option<Instant>, bool)> {
        let since = self.doubt.map(|doubt| doubt.since);
        let doubt = self.doubt.map(|doubt| (doubt.cause, since, false));
        self.proof.map(|cause| (cause, since, true)).or(doubt)
    }

    /// How long an answer may take.
    pub fn wait(&self) -> Duration {
        self.path.wait() * if self.widened.is_some() { 2 } else { 1 }
    }

    fn queue_age(&self) -> Duration {
        (self.wait() * 3).max(MIN_QUEUE_AGE)
    }

    fn silence(&self) -> Duration {
        let usual = (self.wait() * 3).max(MIN_SILENCE) + self.path.patience();
        if self.arrived { MAX_SILENCE } else { usual.min(MAX_SILENCE) }
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

    /// The far end's kernel has acknowledged bytes since this was last looked at, `all`: everything. Not an answer, but
    /// the path is there: a verdict is put off, as long as there is more to come; once, if there is not.
    pub fn on_acknowledged(&mut self, all: bool, now: Instant) {
        let racing = self.racing();
        if self.orders.contains(&Order::Ping) {
            // It is older than the question.
        } else if !all {
            self.heard = now;
        } else if !racing {
            self.prompt = self.ping.is_some();
        } else if core::mem::replace(&mut self.arrived, !self.prompt) {
            return;
        }
        self.doubt = self.doubt.map(|doubt| Doubt { judged: false, ..doubt });
    }

    /// A second connection came through, but only now: until then nobody could.
    pub fn on_opened(&mut self, now: Instant) {
        self.opened_late = true;
        let shut = self.ping.map_or(Duration::ZERO, |(sent, _)| now.since(sent));
        // The pauses between retransmissions double: the next one is no farther away than the first was.
        let not_before = (shut < SHUT).then(|| now + shut.min(RTO_MAX) + self.wait());
        self.doubt = self.doubt.map(|doubt| Doubt { not_before, judged: false, ..doubt });
    }

    /// A ping was answered. `rtt`: how long that took, if the one who sends pings has measured it.
    pub fn on_pong(&mut self, rtt: Option<Duration>, now: Instant) {
        if self.orders.contains(&Order::Ping) {
            // The answer to an older question.
            rtt.into_iter().for_each(|rtt| self.path.sample(rtt, now));
            return self.on_heard(now);
        }
        match (self.ping, rtt) {
            _ if self.starved => {}
            (Some((sent, 1)), rtt) => self.path.sample(rtt.unwrap_or_else(|| now.since(sent)), now),
            (None, Some(rtt)) => self.path.sample(rtt, now),
            // Which of several was answered is not known (Karn).
            (Some(_), _) => self.path.late(),
            (None, None) => {}
        }
        (self.ping, self.arrived) = (None, false);
        self.on_heard(now);
        if self.doubt.take().is_some_and(|doubt| doubt.racing) && self.proof.is_none() {
            self.orders.push_back(Order::StandDown);
            let before = self.false_race.replace(now);
            if before.is_some_and(|at| now.since(at) < FALSE_RACES) {
                self.widened = Some(now + WIDENED);
            }
        }
    }

    /// Something happened that may have killed the link: asks it.
    pub fn suspect(&mut self, cause: Cause, now: Instant) {
        if self.doubt.is_none() && self.proof.is_none() {
            self.doubt = Some(Doubt { since: now, cause, racing: false, asked: 0, not_before: None, judged: false });
            self.ask(now);
        }
    }

    /// The program stood still: what was not heard meanwhile says nothing. Asks afresh.
    pub fn on_stall(&mut self, stood: Duration, now: Instant) {
        self.heard = now;
        self.spoke = None;
        (self.ping, self.arrived) = (None, false);
        self.doubt = None;
        self.suspect(Cause::Stalled(stood), now);
    }

    /// The program was kept from running for so long, and what came meanwhile lies unread: that time does not count.
    pub fn on_late(&mut self, late: Duration) {
        self.starved = true;
        self.heard += late;
        self.spoke = self.spoke.map(|at| at + late);
        self.ping = self.ping.map(|(at, pings)| (at + late, pings));
        self.doubt = self.doubt.map(|doubt| Doubt { since: doubt.since + late, ..doubt });
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
            self.prompt = false;
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
        let silent = doubt.since.max(self.heard) + self.silence();
        Some(doubt.not_before.map_or(silent, |at| silent.max(at)))
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
        if !self.orders.is_empty() {
            return Some(Instant::ZERO);
        }
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
        self.starved = false;
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
                self.doubt = Some(Doubt { since: now, cause, racing: true, asked: 0, not_before: None, judged: false });
                self.orders.push_back(Order::Prepare(cause));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
