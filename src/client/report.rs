//! What the client tells about itself, for the admin server.
//!
//! Owns nothing beside [`Client`]. Does not decide anything, and costs nothing while nobody asks. Always true: secrets and
//! the run id, which is as good as one, are not in it. Worst case: 200 bytes a proxy while a report is held.

use super::Client;
use super::outage::{Kind, Outage};
use super::traffic::{Standing, Traffic};
use crate::proto::time::{Duration, Instant};
use std::net::SocketAddr;

pub use super::outage::KINDS;

/// All there is to tell.
pub struct Report<'a> {
    /// The time of the report.
    pub now: Instant,
    /// When the client was made.
    pub started: Instant,
    /// The session.
    pub session: SessionReport<'a>,
    /// The proxies, in the order of the configuration.
    pub proxies: Vec<ProxyReport<'a>>,
    /// The last outages, the latest last; one that goes on has no end.
    pub outages: Vec<OutageReport<'a>>,
    /// How many outages there were, for each of [`KINDS`].
    pub outage_counts: [u64; KINDS.len()],
    /// Work connections, in use or waiting.
    pub works: usize,
    /// Links that another has taken the place of, with users' connections on them.
    pub draining: usize,
    /// Bytes charged to the memory budget, and the budget.
    pub memory: (usize, usize),
}

/// The session.
pub struct SessionReport<'a> {
    /// `waiting`, `no route`, `connecting`, `logging in` or `running`.
    pub phase: &'static str,
    /// Until the next try.
    pub next_try: Option<Duration>,
    /// The server in use, `host:port` as in the configuration.
    pub server: String,
    /// Where it was reached.
    pub peer: Option<SocketAddr>,
    /// Its version, if it ever said.
    pub version: &'a str,
    /// Since when the session runs.
    pub since: Option<Instant>,
    /// The last sign of life.
    pub heard: Option<Instant>,
    /// What is known about the path.
    pub path: crate::proto::path::Path,
    /// Why the link is doubted, since when, and whether it is proven dead.
    pub doubt: Option<(String, Instant, bool)>,
    /// A second connection is being made, or is there.
    pub racing: bool,
    /// Bytes written to the link and not acknowledged, if the system tells.
    pub unacknowledged: Option<u32>,
    /// Successful logins since the start.
    pub logins: u64,
    /// Tries that failed, and sessions that were lost.
    pub failures: u64,
}

/// A proxy.
pub struct ProxyReport<'a> {
    /// As in the configuration.
    pub name: &'a str,
    /// Its type.
    pub kind: &'a str,
    /// It is from the store.
    pub stored: bool,
    /// How it stands.
    pub standing: Standing,
    /// Why it could not start, or nothing.
    pub error: &'a str,
    /// Where the local service is, `host:port`; empty without a port.
    pub local_addr: String,
    /// Where users reach it, as the server said.
    pub remote_addr: &'a str,
    /// What went through it.
    pub traffic: Traffic,
    /// Connections of users, now.
    pub open: usize,
}

/// An outage.
pub struct OutageReport<'a> {
    /// Its class.
    pub kind: &'static str,
    /// What was said about it.
    pub cause: &'a str,
    /// The last sign of life.
    pub heard: Instant,
    /// When it was noticed.
    pub noticed: Instant,
    /// When the next login was through.
    pub back: Option<Instant>,
    /// Users' connections that lived on.
    pub kept: usize,
}

impl<'a> OutageReport<'a> {
    pub(super) fn new(outage: &'a Outage, back: Option<Instant>) -> Self {
        let Outage { kind, cause, heard, noticed, kept } = outage;
        Self { kind: kind.label(), cause, heard: *heard, noticed: *noticed, back, kept: *kept }
    }
}

impl Kind {
    /// Its place in [`KINDS`].
    pub(super) fn place(self) -> usize {
        KINDS.iter().position(|kind| *kind == self.label()).unwrap_or(0)
    }
}

impl Client {
    /// What there is to tell now. `net` is asked about the link.
    pub fn report(&self, net: &dyn crate::net::Net) -> Report<'_> {
        let mut open: Vec<u32> = self.works.iter().filter_map(|(_, work)| work.proxy()).collect();
        open.sort_unstable();
        let open = |id: u32| open.partition_point(|other| *other <= id) - open.partition_point(|other| *other < id);
        let proxies = self.proxies.iter().map(|proxy| ProxyReport {
            name: &proxy.config.name,
            kind: proxy.config.kind.name(),
            stored: proxy.config.stored,
            standing: proxy.ledger.standing,
            error: &proxy.ledger.error,
            local_addr: if proxy.target.port == 0 { String::new() } else { proxy.target.to_string() },
            remote_addr: &proxy.ledger.remote_addr,
            traffic: proxy.ledger.traffic,
            open: open(proxy.id),
        });
        let now = self.shared.now;
        let (outages, outage_counts) = self.session.outage_report();
        let mut session = self.session.report(now, &self.setup);
        let link = self.session.link().and_then(|(key, _)| self.links.get(key as usize));
        session.unacknowledged = link.and_then(|link| net.unacknowledged(link.sock));
        Report {
            now,
            started: self.started,
            session,
            proxies: proxies.collect(),
            outages,
            outage_counts,
            works: self.works.len(),
            draining: self.draining.len(),
            memory: (self.shared.budget.used(), self.setup.budget),
        }
    }

    /// Ends the session and the client, as a signal does.
    pub fn stop(&mut self) {
        self.end(super::Exit::Terminated);
    }
}
