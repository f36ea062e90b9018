//! How the two halves of a relay end (protocol §5.4).
//!
//! Owns which half is open, ending or ended, and the deadline once one is not open. Does not know sockets, codecs or
//! bytes. Always true: a half ends only when what it carried is out; after `Done` nothing more is asked for. Worst case:
//! 40 bytes.
//!
//! Why is it so?
//! * *Why is the up half cut off when the server ends?* frps closes both sides of a user's connection as soon as either
//!   ends, in every version; what the local service still sends would never reach anybody. So our FIN goes out at once,
//!   and the rest is read and dropped: closing with unread bytes would make the kernel send RST, which can destroy bytes
//!   on their way to the service.
//! * *Why is that dropping bounded?* A user that leaves in the middle of a download would cost [`LINGER`] of full work.
//!   A service that has sent [`DROPPED`] after our FIN is not waiting for anything of ours: its receive buffer (6 MiB by
//!   default on Linux) would have been read and answered by then.

use super::time::{Duration, Instant, secs};

/// How long a relay that is ending may make no progress.
pub const STALLED: Duration = secs(60);
/// How long a local service that was told the end may keep the connection open.
pub const LINGER: Duration = secs(5);

/// How many bytes a local service may send after it was told the end, before it is cut off.
pub const DROPPED: usize = 8 << 20;

/// One direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Bytes may come.
    Open,
    /// No more will come; some may still be held.
    Ending,
    /// The other end has been told.
    Ended,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send FIN to the server.
    FinishServer,
    /// Send FIN to the local service.
    FinishLocal,
    /// Close both; nothing is held.
    Done,
}

/// Both directions of one work connection.
#[derive(Clone, Debug)]
pub struct Relay {
    up: Half,
    down: Half,
    /// The local service has sent its FIN, or failed.
    local_ended: bool,
    /// The server has sent its FIN, or the way to it is gone.
    server_ended: bool,
    deadline: Option<Instant>,
    /// Bytes of the local service that were dropped after it was told the end.
    dropped: usize,
}

impl Default for Relay {
    fn default() -> Self {
        Self { up: Half::Open, down: Half::Open, local_ended: false, server_ended: false, deadline: None, dropped: 0 }
    }
}

impl Relay {
    /// Whether what the local service sends is for the server (and not to be dropped).
    pub fn up_open(&self) -> bool {
        self.up == Half::Open
    }

    /// Whether what the server sends can be delivered (and is not to be dropped).
    pub fn down_open(&self) -> bool {
        self.down != Half::Ended
    }

    /// Whether the server may still send.
    pub fn server_open(&self) -> bool {
        !self.server_ended
    }

    /// Whether the local service may still send.
    pub fn local_open(&self) -> bool {
        !self.local_ended
    }

    /// The local service will send no more.
    pub fn local_eof(&mut self, now: Instant) {
        self.local_ended = true;
        self.end_up();
        self.deadline.get_or_insert(now + STALLED);
    }

    /// The local service is gone: nothing can be delivered to it. What the server still sends is dropped until it has
    /// seen our FIN.
    pub fn local_failed(&mut self, now: Instant) {
        self.local_ended = true;
        self.end_up();
        self.down = Half::Ended;
        self.deadline = Some(now + LINGER);
    }

    /// The server will send no more, and takes no more.
    pub fn server_eof(&mut self, now: Instant) {
        self.server_ended = true;
        self.end_up();
        if self.down == Half::Open {
            self.down = Half::Ending;
        }
        self.deadline.get_or_insert(now + STALLED);
    }

    /// The server takes no more: what the local service sends is dropped. What the server has sent is still delivered;
    /// its end comes with the last of it.
    pub fn up_failed(&mut self, now: Instant) {
        self.up = Half::Ended;
        self.deadline.get_or_insert(now + STALLED);
    }

    /// Bytes of the local service were dropped.
    pub fn dropped(&mut self, n: usize, now: Instant) {
        if self.down == Half::Ended {
            self.dropped = self.dropped.saturating_add(n);
            if self.dropped > DROPPED {
                self.deadline = Some(now);
            }
        }
    }

    fn end_up(&mut self) {
        if self.up == Half::Open {
            self.up = Half::Ending;
        }
    }

    /// Bytes have moved to where they belong.
    pub fn progress(&mut self, now: Instant) {
        if self.deadline.is_some() && self.down != Half::Ended {
            self.deadline = Some(now + STALLED);
        }
    }

    /// What to do next. `up_held` and `down_held` say whether bytes of a direction still wait to go out.
    pub fn step(&mut self, up_held: bool, down_held: bool, now: Instant) -> Option<Step> {
        if self.up == Half::Ending && !up_held {
            self.up = Half::Ended;
            return Some(Step::FinishServer);
        }
        if self.down == Half::Ending && !down_held {
            self.down = Half::Ended;
            self.deadline = Some(now + LINGER);
            return Some(Step::FinishLocal);
        }
        let ended = self.up == Half::Ended && self.down == Half::Ended;
        let done = ended && self.local_ended && self.server_ended;
        done.then_some(Step::Done)
    }

    /// When to give up.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::time::millis;

    const T: Instant = Instant::ZERO;

    fn steps(relay: &mut Relay, up_held: bool, down_held: bool) -> Vec<Step> {
        let mut all = Vec::new();
        while let Some(step) = relay.step(up_held, down_held, T) {
            all.push(step);
            if step == Step::Done {
                break;
            }
        }
        all
    }

    #[test]
    fn every_order_of_ends() {
        use Step::{Done, FinishLocal, FinishServer};
        type Script = (&'static str, fn(&mut Relay), bool, bool, &'static [Step]);
        let table: [Script; 9] = [
            ("nothing", |_| {}, false, false, &[]),
            ("local ends", |r| r.local_eof(T), false, false, &[FinishServer]),
            ("local ends, bytes held", |r| r.local_eof(T), true, false, &[]),
            ("server ends", |r| r.server_eof(T), false, false, &[FinishServer, FinishLocal]),
            ("server ends, bytes held", |r| r.server_eof(T), false, true, &[FinishServer]),
            ("both", |r| (r.local_eof(T), r.server_eof(T)).0, false, false, &[FinishServer, FinishLocal, Done]),
            ("both, bytes held", |r| (r.server_eof(T), r.local_eof(T)).0, false, true, &[FinishServer]),
            ("local fails", |r| r.local_failed(T), false, true, &[FinishServer]),
            ("local fails late", |r| (r.server_eof(T), r.local_failed(T)).0, false, true, &[FinishServer, Done]),
        ];
        for (name, script, up_held, down_held, expected) in table {
            let mut relay = Relay::default();
            script(&mut relay);
            assert_eq!(steps(&mut relay, up_held, down_held), expected, "{name}");
        }
    }

    #[test]
    fn a_service_that_sends_on_for_ever_is_cut_off() {
        let mut relay = Relay::default();
        relay.server_eof(T);
        relay.dropped(2 * DROPPED, T);
        assert_eq!(relay.deadline(), Some(T + STALLED), "the end is still on its way to it");
        steps(&mut relay, false, false);
        relay.dropped(DROPPED, T + secs(1));
        assert_eq!(relay.deadline(), Some(T + LINGER));
        relay.dropped(1, T + secs(1));
        assert_eq!(relay.deadline(), Some(T + secs(1)));
    }

    #[test]
    fn a_relay_that_ends_has_a_deadline() {
        let mut relay = Relay::default();
        assert_eq!(relay.deadline(), None);
        relay.local_eof(T);
        assert_eq!(relay.deadline(), Some(T + STALLED));
        relay.progress(T + secs(59));
        assert_eq!(relay.deadline(), Some(T + secs(59) + STALLED));
        relay.server_eof(T + secs(60));
        let mut relay = Relay::default();
        relay.server_eof(T);
        assert_eq!(relay.step(false, true, T), Some(Step::FinishServer));
        assert_eq!(relay.step(false, false, T + millis(1)), Some(Step::FinishLocal));
        assert_eq!(relay.deadline(), Some(T + millis(1) + LINGER));
        relay.progress(T + secs(4));
        assert_eq!(relay.deadline(), Some(T + millis(1) + LINGER), "dropped bytes are no progress");
    }
}
