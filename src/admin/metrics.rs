//! `/metrics`, in the text form of Prometheus (0.0.4).
//!
//! Owns the names of the series; they are a promise to whoever has them in a dashboard. Does not compute: rates and sums
//! are for who reads it. Always true: the labels are those of the configuration and a fixed list of kinds, so their number
//! is bounded. Worst case: 700 bytes a proxy.

use crate::client::report::{KINDS, ProxyReport, Report};
use crate::client::{FRP_VERSION, Standing};
use crate::proto::time::Duration;
use core::fmt::{Display, Write};

/// The text under construction.
struct Text(String);

impl Text {
    /// Opens a family of series.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn series(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{}\"", if at == 0 { '{' } else { ',' }, escape(text));
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.series(name, &[], value);
    }

    /// The same for each proxy.
    fn of_proxies(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        proxies: &[ProxyReport<'_>],
        value: impl Fn(&ProxyReport<'_>) -> u64,
    ) {
        self.family(name, kind, help);
        for proxy in proxies {
            self.series(name, &[("proxy", proxy.name), ("type", proxy.kind)], value(proxy));
        }
    }
}

/// For a label's value.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(d: Duration) -> String {
    format!("{}.{:06}", d.as_secs(), d.subsec_micros())
}

/// The whole text.
pub(super) fn write(report: &Report<'_>) -> String {
    let mut t = Text(String::new());
    let session = &report.session;
    t.family("redial_build_info", "gauge", "The program; always 1.");
    t.series("redial_build_info", &[("version", env!("CARGO_PKG_VERSION")), ("frp", FRP_VERSION)], 1);
    let uptime = seconds(report.now.since(report.started));
    t.single("redial_uptime_seconds", "gauge", "Time since the start.", uptime);
    let up = u8::from(session.since.is_some());
    t.single("redial_up", "gauge", "Whether a session with the server runs.", up);
    let since = session.since.map_or_else(|| "0".to_owned(), |at| seconds(report.now.since(at)));
    t.single("redial_session_seconds", "gauge", "How long the session has run; 0 without one.", since);
    t.single("redial_logins_total", "counter", "Successful logins.", session.logins);
    t.single("redial_failures_total", "counter", "Tries that failed and sessions that were lost.", session.failures);
    t.family("redial_outages_total", "counter", "Losses of the session by what was noticed.");
    for (kind, count) in KINDS.iter().zip(report.outage_counts) {
        t.series("redial_outages_total", &[("cause", kind)], count);
    }
    if let Some(rtt) = session.path.rtt() {
        t.single("redial_rtt_seconds", "gauge", "Smoothed round trip to the server.", seconds(rtt));
    }
    if let Some(heard) = session.heard {
        let silent = seconds(report.now.since(heard));
        t.single("redial_silence_seconds", "gauge", "Time since the last sign of life.", silent);
    }
    let doubt = u8::from(session.doubt.is_some());
    t.single("redial_link_doubted", "gauge", "Whether something speaks against the link.", doubt);
    if let Some(queue) = session.unacknowledged {
        t.single("redial_link_queue_bytes", "gauge", "Bytes sent and not acknowledged.", queue);
    }
    t.single("redial_memory_bytes", "gauge", "Memory in use of the budget.", report.memory.0);
    t.single("redial_memory_limit_bytes", "gauge", "The budget.", report.memory.1);
    t.single("redial_work_connections", "gauge", "Work connections, used or waiting.", report.works);
    proxies(&mut t, &report.proxies);
    t.0
}

fn proxies(t: &mut Text, all: &[ProxyReport<'_>]) {
    let up = |p: &ProxyReport<'_>| u64::from(p.standing == Standing::Running);
    t.of_proxies("redial_proxy_up", "gauge", "Whether users can reach the proxy.", all, up);
    t.of_proxies("redial_proxy_open_connections", "gauge", "Connections of users, now.", all, |p| p.open as u64);
    let total = |p: &ProxyReport<'_>| p.traffic.connections;
    t.of_proxies("redial_proxy_connections_total", "counter", "Connections of users.", all, total);
    let (name, help) = ("redial_proxy_bytes_total", "Payload; up is from the local service.");
    t.family(name, "counter", help);
    for proxy in all {
        for (direction, bytes) in [("up", proxy.traffic.up), ("down", proxy.traffic.down)] {
            t.series(name, &[("proxy", proxy.name), ("type", proxy.kind), ("direction", direction)], bytes);
        }
    }
}
