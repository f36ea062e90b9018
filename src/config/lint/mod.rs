//! What is odd in a configuration that frpc would take: the rules of `redial verify`.
//!
//! Owns the rules, one row each: an id that stays, how bad it is, and a function that finds it and says what would be
//! better. Does not refuse anything, and touches no file but to see who may read one. Always true: it looks at the tree as
//! written, before the keys are resolved, and takes a value of the wrong type for absent: that is reported elsewhere.
//! Notes are left out for who only wants to run. Worst case: a list of the entries, for the length of the call.

mod cannot;
mod names;
mod pool;
mod raw;
mod security;
mod time;
mod twice;

use super::finding::Severity;
use super::load::Purpose;
use super::scope::Report;
use super::source::Place;
use super::tree::Entry;
use raw::{Item, Raw};

/// One rule.
struct Rule {
    id: &'static str,
    severity: Severity,
    check: fn(&Facts<'_>, &mut Out<'_>),
}

/// What the rules look at.
struct Facts<'t> {
    top: Raw<'t>,
    /// Proxies that are used.
    proxies: Vec<Item<'t>>,
    /// Visitors that are used.
    visitors: Vec<Item<'t>>,
    /// How many entries `start` leaves out.
    left_out: usize,
    /// The names of all entries, used or not.
    names: Vec<&'t str>,
    /// The variable `http_proxy`.
    http_proxy: Option<String>,
    verify: bool,
    file: &'t str,
}

/// Where a rule puts what it found.
struct Out<'r> {
    report: &'r mut Report,
    id: &'static str,
    severity: Severity,
}

impl Out<'_> {
    fn say(&mut self, line: Place, key: &str, text: impl Into<String>) {
        self.report.lint(self.id, self.severity, line, key, text.into());
    }

    /// About a key of the table that `item` is.
    fn say_of(&mut self, item: &Item<'_>, key: &str, text: impl Into<String>) {
        self.say(item.raw.line(key), &format!("{}.{key}", item.path), text);
    }

    /// About a key above the proxies.
    fn say_top(&mut self, facts: &Facts<'_>, key: &str, text: impl Into<String>) {
        self.say(facts.top.line(key), key, text);
    }
}

/// Adds what the rules find.
pub(super) fn run(entries: &[Entry], report: &mut Report) {
    // Tests do not depend on where they run.
    let http_proxy = if cfg!(test) { None } else { std::env::var("http_proxy").ok() };
    check(entries, report, http_proxy);
}

fn check(entries: &[Entry], report: &mut Report, http_proxy: Option<String>) {
    let file = report.file.clone();
    let facts = Facts::new(entries, &file, report.loader.purpose == Purpose::Verify, http_proxy);
    let all = [time::RULES, pool::RULES, names::RULES, security::RULES, cannot::RULES, twice::RULES];
    for Rule { id, severity, check } in all.into_iter().flatten() {
        if facts.verify || *severity > Severity::Note {
            check(&facts, &mut Out { report, id, severity: *severity });
        }
    }
}

impl<'t> Facts<'t> {
    fn new(entries: &'t [Entry], file: &'t str, verify: bool, http_proxy: Option<String>) -> Self {
        let top = Raw::new(entries, 0);
        let start = top.texts("start");
        let (mut names, mut left_out) = (Vec::new(), 0);
        let mut used = |list| {
            let mut items: Vec<Item<'t>> = top.items(list).collect();
            names.extend(items.iter().map(|item| item.name));
            items.retain(|item| {
                let wanted = start.is_empty() || start.contains(&item.name);
                left_out += usize::from(!wanted);
                wanted && item.raw.flag("enabled") != Some(false)
            });
            items
        };
        let (proxies, visitors) = (used("proxies"), used("visitors"));
        Self { top, proxies, visitors, left_out, names, http_proxy, verify, file }
    }

    fn tcp_mux(&self) -> bool {
        self.top.flag("transport.tcpMux").unwrap_or(true)
    }

    fn protocol(&self) -> &'t str {
        self.top.text("transport.protocol").unwrap_or("tcp")
    }

    /// Whether the server is asked for TLS.
    fn tls(&self) -> bool {
        self.top.flag("transport.tls.enable").unwrap_or(true) || ["wss", "quic"].contains(&self.protocol())
    }

    /// `heartbeatInterval` and `heartbeatTimeout`, with defaults.
    fn heartbeats(&self) -> (i64, i64) {
        let (interval, timeout) = if self.tcp_mux() { (-1, -1) } else { (30, 90) };
        (
            self.top.number("transport.heartbeatInterval").unwrap_or(interval),
            self.top.number("transport.heartbeatTimeout").unwrap_or(timeout),
        )
    }
}

#[cfg(test)]
#[cfg(feature = "tls")]
mod tests;
