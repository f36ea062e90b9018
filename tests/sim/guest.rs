//! Users and what they want.
//!
//! Owns one user's state, from its arrival to the verdict. Does not own a connection. Always true: a guest's bytes are a
//! pattern of its number and their place, so any that is lost, doubled or in the wrong order is seen. Worst case: 100
//! bytes.

use redial::proto::time::{Duration, Instant};

/// What a guest does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Sends, gets the same back, leaves.
    Echo,
    /// Sends and leaves at once: the service must get all of it.
    Leave,
    /// Says who it is; the service sends and ends: the guest must get all of it.
    Listen,
    /// As [`Way::Echo`], with a service that does not read for a while.
    Stalled,
    /// The service refuses connections.
    Refused,
    /// The service never answers the connection.
    Unanswered,
    /// Sends a part and breaks off.
    Vanish,
    /// As [`Way::Leave`], with a service that never ends.
    Rude,
}

impl Way {
    /// The proxy it uses.
    pub(crate) const fn proxy(self) -> &'static str {
        match self {
            Self::Echo | Self::Leave | Self::Vanish => "echo",
            Self::Listen => "talk",
            Self::Stalled => "stall",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
            Self::Rude => "rude",
        }
    }
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is under way, or has not come.
    Open,
    /// All that was to come has come.
    Served,
    /// It was closed before.
    Failed,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) way: Way,
    /// Bytes of payload behind the 4 that say who it is.
    pub(crate) size: usize,
    pub(crate) comes: Duration,
    pub(crate) started: Option<Instant>,
    pub(crate) closed: Option<Instant>,
    pub(crate) sent: usize,
    pub(crate) got: usize,
    /// Its end was told to the server.
    pub(crate) left: bool,
    pub(crate) verdict: Verdict,
}

/// Bytes that say who it is.
pub(crate) const NAME: usize = 4;

/// Byte `at` of what guest `number` sends (its name first), or of what is sent to it.
pub(crate) fn byte(number: u32, at: usize) -> u8 {
    match number.to_be_bytes().get(at) {
        Some(byte) => *byte,
        None => (at as u32).wrapping_mul(31).wrapping_add(number * 7).wrapping_add((at >> 9) as u32) as u8,
    }
}

impl Guest {
    pub(crate) fn new(way: Way, size: usize, comes: Duration) -> Self {
        let (started, closed, verdict) = (None, None, Verdict::Open);
        Self { way, size, comes, started, closed, sent: 0, got: 0, left: false, verdict }
    }

    /// Bytes it sends in all.
    pub(crate) fn to_send(&self) -> usize {
        match self.way {
            Way::Listen => NAME,
            Way::Vanish => NAME + self.size / 2,
            _ => NAME + self.size,
        }
    }

    /// Bytes it is to get.
    pub(crate) fn to_get(&self) -> usize {
        match self.way {
            Way::Echo | Way::Stalled | Way::Listen => NAME + self.size,
            Way::Leave | Way::Rude | Way::Refused | Way::Unanswered | Way::Vanish => 0,
        }
    }

    /// Takes what came for it.
    pub(crate) fn receive(&mut self, number: u32, bytes: &[u8]) {
        for (i, got) in bytes.iter().enumerate() {
            assert_eq!(*got, byte(number, self.got + i), "guest {number} got a wrong byte at {}", self.got + i);
        }
        self.got += bytes.len();
        let careless = matches!(self.way, Way::Leave | Way::Rude | Way::Vanish);
        assert!(careless || self.got <= self.to_get(), "guest {number} got too much");
    }
}
