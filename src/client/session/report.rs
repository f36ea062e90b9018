//! What the session tells about itself.
//!
//! Owns the counts of logins and failures. Does not decide anything. Always true: the counts only grow. Worst case: 16
//! bytes.

use super::{Phase, Session};
use crate::client::report::{KINDS, OutageReport, SessionReport};
use crate::client::setup::Setup;
use crate::proto::time::Instant;

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) logins: u64,
    pub(super) failures: u64,
}

impl Session {
    /// The session now. The state of its socket is for the owner of links to add.
    pub(in crate::client) fn report(&self, now: Instant, setup: &Setup) -> SessionReport<'_> {
        let (phase, next_try) = match &self.phase {
            Phase::Waiting { no_route: true, until, .. } => ("no route", Some(until.since(now))),
            Phase::Waiting { until, .. } => ("waiting", Some(until.since(now))),
            Phase::Asking => ("waiting for a token", None),
            Phase::Dialing(_) => ("connecting", None),
            Phase::Up(up) if up.control.logged_in() => ("running", None),
            Phase::Up(_) => ("logging in", None),
        };
        let up = match &self.phase {
            Phase::Up(up) => Some(up),
            _ => None,
        };
        let running = up.filter(|up| up.control.logged_in());
        SessionReport {
            phase,
            next_try,
            server: setup.server(self.server).target.to_string(),
            peer: up.map(|up| up.peer),
            version: &self.server_version,
            since: running.map(|_| self.logged_in_at),
            heard: running.map(|up| up.heard),
            path: up.map_or(self.path, |up| up.health.path()),
            doubt: running.and_then(|up| up.health.evidence()).map(|(cause, since, proven)| {
                let since = since.unwrap_or(now);
                (cause.to_string(), since, proven)
            }),
            racing: running.is_some_and(|up| up.health.racing()),
            unacknowledged: None,
            logins: self.tally.logins,
            failures: self.tally.failures,
        }
    }

    /// The last outages, the one that goes on among them, and how many there were of each kind.
    pub(in crate::client) fn outage_report(&self) -> (Vec<OutageReport<'_>>, [u64; KINDS.len()]) {
        (self.outages.all(), self.outages.counts())
    }
}
