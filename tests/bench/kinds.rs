//! What is compared: who, in which mode, by which group of measurements.
//!
//! Owns the names, as on the command line and in the report. Does not measure. Always true: a name stands for one value.
//! Worst case: no memory.

use std::fmt;

/// Who is in the client's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Redial,
    Frpc,
    /// The floor that reads and writes.
    Copy2,
    /// The floor that splices.
    Splice2,
}

impl Who {
    pub(crate) const CLIENTS: [Self; 2] = [Self::Redial, Self::Frpc];
    pub(crate) const FLOORS: [Self; 2] = [Self::Copy2, Self::Splice2];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redial => "redial",
            Self::Frpc => "frpc",
            Self::Copy2 => "copy2",
            Self::Splice2 => "splice2",
        }
    }
}

/// How a client is linked to the server; the floors know no modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As frpc is unless told otherwise: mux and TLS.
    Default,
    /// Mux without TLS.
    Mux,
    /// Neither.
    Nomux,
    /// Mux without TLS, with `useEncryption`.
    MuxEnc,
}

impl Mode {
    pub(crate) const ALL: &[Self] = &[Self::Default, Self::Mux, Self::Nomux, Self::MuxEnc];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Mux => "mux",
            Self::Nomux => "nomux",
            Self::MuxEnc => "mux-enc",
        }
    }

    pub(crate) fn mux(self) -> bool {
        self != Self::Nomux
    }

    pub(crate) fn tls(self) -> bool {
        self == Self::Default
    }

    pub(crate) fn encryption(self) -> bool {
        self == Self::MuxEnc
    }
}

/// A client or a floor, as it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) who: Who,
    /// None for the floors.
    pub(crate) mode: Option<Mode>,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.who.name())?;
        self.mode.map_or(Ok(()), |mode| write!(f, "-{}", mode.name()))
    }
}

impl Kind {
    /// Both clients in each of the modes, side by side, and then perhaps the floors.
    pub(crate) fn all(modes: &[Mode], floors: bool) -> Vec<Self> {
        let clients = modes.iter().flat_map(|&mode| Who::CLIENTS.map(|who| Self { who, mode: Some(mode) }));
        let floors = Who::FLOORS.into_iter().filter(|_| floors).map(|who| Self { who, mode: None });
        clients.chain(floors).collect()
    }
}

/// A group of measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Bulk,
    Setup,
    Ping,
    Memory,
    Cold,
    Idle,
    Sizes,
}

impl Group {
    pub(crate) const ALL: &[Self] =
        &[Self::Bulk, Self::Setup, Self::Ping, Self::Memory, Self::Cold, Self::Idle, Self::Sizes];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::Setup => "setup",
            Self::Ping => "ping",
            Self::Memory => "memory",
            Self::Cold => "cold",
            Self::Idle => "idle",
            Self::Sizes => "sizes",
        }
    }

    /// The modes it is measured in unless they are named.
    pub(crate) fn modes(self, short: bool) -> &'static [Mode] {
        match self {
            Self::Bulk => Mode::ALL,
            Self::Sizes => &[],
            Self::Idle => &[Mode::Default],
            _ if short => &[Mode::Default],
            Self::Setup | Self::Ping => &[Mode::Default, Mode::Mux, Mode::Nomux],
            Self::Memory | Self::Cold => &[Mode::Default, Mode::Nomux],
        }
    }
}
