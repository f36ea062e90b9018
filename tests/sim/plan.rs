//! What is going to happen in a world.
//!
//! Owns the choice, made from a seed. Does not carry it out. Always true: the same seed gives the same plan. Worst case:
//! a hundred bytes a guest.

use super::guest::{Guest, Way};
use redial::net::sim::{Rng, Weather};
use redial::proto::time::{Duration, micros, millis, secs};

/// What goes wrong with the line or the server, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// Bytes of every connection there is vanish, both ways; new ones work.
    Cut,
    /// As [`Trouble::Cut`], and for this long nobody answers.
    Away(Duration),
    /// The server resets everything.
    Reset,
    /// The server ends, and is back after this.
    Restart(Duration),
}

/// How the server's name is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// The configuration has an address.
    Address,
    /// After a while.
    Slow,
    /// IPv6 first, where nobody answers; then IPv4.
    DeadV6First,
    /// Two wrong addresses that refuse, then the right one.
    WrongFirst,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) weather: Weather,
    pub(crate) mux: bool,
    pub(crate) old_server: bool,
    pub(crate) encryption: bool,
    pub(crate) compression: bool,
    pub(crate) naming: Naming,
    pub(crate) trouble: Trouble,
    /// When it comes.
    pub(crate) trouble_at: Duration,
    pub(crate) guests: Vec<Guest>,
}

impl Plan {
    /// A quiet world with these guests.
    pub(crate) fn quiet(guests: Vec<Guest>) -> Self {
        Self {
            seed: 0,
            weather: Weather::default(),
            mux: true,
            old_server: false,
            encryption: false,
            compression: false,
            naming: Naming::Address,
            trouble: Trouble::None,
            trouble_at: secs(5),
            guests,
        }
    }

    /// A world by chance.
    pub(crate) fn random(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x5eed);
        let r = &mut rng;
        let guests = (0..1 + r.below(12)).map(|_| guest(r)).collect();
        Self {
            seed,
            weather: weather(r),
            mux: !r.one_in(3),
            old_server: r.one_in(3),
            encryption: r.one_in(3),
            compression: r.one_in(3),
            naming: match r.below(8) {
                0 => Naming::Slow,
                1 => Naming::DeadV6First,
                2 => Naming::WrongFirst,
                _ => Naming::Address,
            },
            trouble: match r.below(8) {
                0 => Trouble::Cut,
                1 => Trouble::Away(millis(r.below(60_000).into())),
                2 => Trouble::Reset,
                3 => Trouble::Restart(millis(r.below(60_000).into())),
                _ => Trouble::None,
            },
            trouble_at: millis(r.below(20_000).into()),
            guests,
        }
    }
}

fn weather(r: &mut Rng) -> Weather {
    // A dripping peer now and then: tiny pieces, and little time between them.
    let latency = if r.one_in(6) { 20 + r.below(60) } else { 100 + r.below(80_000) };
    let jitter = r.below(latency / 2 + 1);
    let micros_a_piece = u64::from(latency + jitter);
    let mut piece = |slowest: u32, fastest: u32| {
        let bandwidth = u64::from(slowest + r.below(fastest - slowest));
        usize::try_from(2 * bandwidth * micros_a_piece / 1_000_000).expect("small").max(2)
    };
    // Slower towards the server: then a pong must not wait behind bulk data.
    let (piece, up_piece) = (piece(400_000, 20_000_000), piece(40_000, 10_000_000));
    Weather {
        latency: micros(latency.into()),
        jitter: micros(jitter.into()),
        piece,
        up_piece,
        buffer: match r.below(8) {
            0 | 1 => 3000 + r.below(3000) as usize,
            // More than a turn's share.
            2 => 2_000_000,
            _ => 65_536 + r.below(200_000) as usize,
        },
        short: r.below(6),
        spurious: r.below(6),
        pipes: !r.one_in(3),
    }
}

fn guest(r: &mut Rng) -> Guest {
    let way = match r.below(11) {
        0 | 1 => Way::Leave,
        2 | 3 => Way::Listen,
        4 => Way::Stalled,
        5 => Way::Refused,
        6 => Way::Unanswered,
        7 => Way::Vanish,
        8 => Way::Rude,
        _ => Way::Echo,
    };
    let size = match r.below(16) {
        0..4 => r.below(20),
        4..8 => r.below(2000),
        8..12 => r.below(30_000),
        12 => r.below(2_000_000),
        _ => r.below(300_000),
    };
    Guest::new(way, size as usize, millis(r.below(25_000).into()))
}
