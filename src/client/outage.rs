//! What is told about outages: one line when one ends, and the last of them on request.
//!
//! Owns the outage under way and the records of earlier ones. Does not decide anything. Always true: every loss that was
//! noted ends in one line. Worst case: [`KEPT`] records of 200 bytes.

use super::failure::Blame;
use super::report::OutageReport;
use crate::proto::health::Cause;
use crate::proto::time::{Duration, Instant};
use std::collections::VecDeque;

/// Records kept.
pub(super) const KEPT: usize = 16;

/// Classes of outages, by what was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The way to the server failed.
    Network,
    /// Nothing came any more.
    Silence,
    /// The server did not know the connection.
    Reset,
    /// The server ended it.
    Server,
    /// The server refused what the session needs.
    Refused,
    /// The server broke the protocol.
    Misbehaved,
    /// Our address or the route changed.
    Moved,
    /// The program stood still.
    Stalled,
    /// It was asked for.
    Poked,
    /// None: the first server was there again.
    FailedBack,
}

/// All of them by their labels.
pub const KINDS: [&str; 10] =
    ["network", "silence", "reset", "server", "refused", "misbehaved", "moved", "stalled", "poked", "failed_back"];

impl Kind {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Silence => "silence",
            Self::Reset => "reset",
            Self::Server => "server",
            Self::Refused => "refused",
            Self::Misbehaved => "misbehaved",
            Self::Moved => "moved",
            Self::Stalled => "stalled",
            Self::Poked => "poked",
            Self::FailedBack => "failed_back",
        }
    }
}

impl From<Blame> for Kind {
    fn from(blame: Blame) -> Self {
        match blame {
            // The issuer's words end no session.
            Blame::Network | Blame::Issuer => Self::Network,
            Blame::Silence | Blame::Unanswered => Self::Silence,
            Blame::Reset => Self::Reset,
            Blame::Server => Self::Server,
            Blame::Refused | Blame::IssuerRefused => Self::Refused,
            Blame::Misbehaved => Self::Misbehaved,
        }
    }
}

impl From<Cause> for Kind {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Silence(_) => Self::Silence,
            Cause::AddressGone(_) | Cause::RouteChanged(_) | Cause::NetworkChanged => Self::Moved,
            Cause::Stalled(_) => Self::Stalled,
            Cause::Poked => Self::Poked,
        }
    }
}

/// One loss of the session.
#[derive(Clone, Debug)]
pub(super) struct Outage {
    pub(super) kind: Kind,
    pub(super) cause: String,
    /// The last sign of life.
    pub(super) heard: Instant,
    pub(super) noticed: Instant,
    /// User connections that stayed.
    pub(super) kept: usize,
}

/// One that is over.
#[derive(Clone, Debug)]
struct Record {
    outage: Outage,
    back: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outages {
    now: Option<Outage>,
    past: VecDeque<Record>,
    counts: [u64; KINDS.len()],
}

impl Outages {
    /// The session is lost. `heard`: the last sign of life. Only the first loss of an outage counts.
    pub(super) fn lost(&mut self, kind: Kind, cause: &str, heard: Instant, noticed: Instant, kept: usize) {
        if self.now.is_none() {
            self.now = Some(Outage { kind, cause: cause.to_owned(), heard, noticed, kept });
            self.counts.get_mut(kind.place()).into_iter().for_each(|n| *n += 1);
        }
    }

    /// All that are remembered, the latest last.
    pub(super) fn all(&self) -> Vec<OutageReport<'_>> {
        let past = self.past.iter().map(|record| OutageReport::new(&record.outage, Some(record.back)));
        past.chain(self.now.iter().map(|outage| OutageReport::new(outage, None))).collect()
    }

    /// How many there were, by kind.
    pub(super) fn counts(&self) -> [u64; KINDS.len()] {
        self.counts
    }

    /// The session is back: the line about it, if one was lost.
    pub(super) fn back(&mut self, now: Instant) -> Option<String> {
        let record = Record { outage: self.now.take()?, back: now };
        let line = record.line();
        if self.past.len() == KEPT {
            self.past.pop_front();
        }
        self.past.push_back(record);
        Some(line)
    }

    /// The last outages, the latest last.
    pub(super) fn report(&self, now: Instant) -> impl Iterator<Item = String> {
        self.past.iter().map(move |record| format!("{} s ago: {}", now.since(record.back).as_secs(), record.line()))
    }
}

impl Record {
    fn line(&self) -> String {
        let Outage { cause, heard, noticed, kept, .. } = &self.outage;
        let (unnoticed, away) = (seconds(noticed.since(*heard)), seconds(self.back.since(*noticed)));
        let kept = match kept {
            0 => String::new(),
            n => format!("; {n} user connections were kept"),
        };
        format!("the tunnel is back after {away} ({cause}; the last sign of life was {unnoticed} before that){kept}")
    }
}

/// For log lines.
pub(super) fn seconds(d: Duration) -> String {
    format!("{}.{:03} s", d.as_secs(), d.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::time::{millis, secs};

    #[test]
    fn an_outage_is_one_line_from_its_first_loss_to_its_end() {
        let (mut outages, t) = (Outages::default(), Instant::ZERO);
        assert_eq!(outages.back(t), None, "the first login ends no outage");
        outages.lost(Kind::Silence, "no answer for 1.0 s", t + secs(1), t + secs(3), 2);
        outages.lost(Kind::Silence, "EOF", t + secs(3), t + secs(4), 0);
        assert_eq!(
            outages.back(t + millis(3250)).as_deref(),
            Some(
                "the tunnel is back after 0.250 s (no answer for 1.0 s; the last sign of life was 2.000 s before \
                 that); 2 user connections were kept"
            )
        );
        assert_eq!(outages.back(t + secs(5)), None);
        for i in 0..40 {
            outages.lost(Kind::Silence, "EOF", t + secs(i), t + secs(i), 0);
            outages.back(t + secs(i));
        }
        let report: Vec<String> = outages.report(t + secs(100)).collect();
        assert_eq!(report.len(), KEPT);
        assert!(report[0].starts_with("76 s ago: the tunnel is back after 0.000 s (EOF;"), "{}", report[0]);
    }
}
