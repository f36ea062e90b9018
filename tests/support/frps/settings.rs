//! What a frps is told at its start.
//!
//! Owns the settings and their defaults, which are those of frps 0.70.1. Does not keep state. Always true: any
//! combination makes a server. Worst case: the strings.

use super::faults::Fault;
use super::mux;
use redial::proto::time::{Duration, secs};

/// How a login with the run id of a session that is still there is treated (protocol §8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takeover {
    /// frps ≤ 0.64 (closing a stream wakes its reader) and 0.70.1: the old session ends and the login is answered.
    AtOnce,
    /// frps 0.65 to 0.68, with mux: closing the old control stream does not wake its reader. The login is answered once
    /// the client's FIN came on the old stream, or the old connection is gone.
    WhenReaped,
    /// frps 0.69 to 0.70.0, with mux: as [`Takeover::WhenReaped`], and a login that was not answered before it was given
    /// up blocks its run id for ever.
    Stuck,
}

/// The settings of a frps.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `auth.token`.
    pub(crate) token: String,
    /// `auth.method = "oidc"`: proofs start like this.
    pub(crate) tickets: Option<&'static str>,
    /// `auth.additionalScopes` has `HeartBeats`: pings must carry a proof.
    pub(crate) check_pings: bool,
    /// `auth.additionalScopes` has `NewWorkConns`: work connections must carry a proof.
    pub(crate) check_work_conns: bool,
    /// `transport.tcpMux`, with its settings; `None`: one TCP connection for each logical connection.
    pub(crate) mux: Option<mux::Settings>,
    /// `transport.maxPoolCount`.
    pub(crate) max_pool: usize,
    /// `transport.heartbeatTimeout`; `None`: sessions may be silent.
    pub(crate) heartbeat_timeout: Option<Duration>,
    /// `userConnTimeout`.
    pub(crate) user_timeout: Duration,
    /// What LoginResp says the version is.
    pub(crate) version: String,
    /// What becomes of an old session with the same run id.
    pub(crate) takeover: Takeover,
    /// Work connections that are refused are told why by StartWorkConn (≥ 0.69); before, they are just closed.
    pub(crate) explain_refusals: bool,
    /// Everything sent to clients leaves this much later.
    pub(crate) delay: Duration,
    /// Users are given nothing: as if none of them ever read.
    pub(crate) stall_users: bool,
    /// What goes wrong.
    pub(crate) faults: Vec<Fault>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token: String::new(),
            tickets: None,
            check_pings: false,
            check_work_conns: false,
            mux: Some(mux::Settings::default()),
            max_pool: 5,
            heartbeat_timeout: None,
            user_timeout: secs(10),
            version: "0.70.1".to_owned(),
            takeover: Takeover::AtOnce,
            explain_refusals: true,
            delay: Duration::ZERO,
            stall_users: false,
            faults: Vec::new(),
        }
    }
}

impl Settings {
    /// With `transport.tcpMux = false`, and the heartbeat timeout that goes with it.
    pub(crate) fn without_mux() -> Self {
        Self { mux: None, heartbeat_timeout: Some(secs(90)), ..Self::default() }
    }

    /// As an old frps: 0.44, which knows 256 KiB windows only and wants heartbeats without mux.
    pub(crate) fn old() -> Self {
        let mux = mux::Settings { window: mux::INITIAL_WINDOW, keepalive: secs(60) };
        Self { mux: Some(mux), version: "0.44.0".to_owned(), explain_refusals: false, ..Self::default() }
    }
}
