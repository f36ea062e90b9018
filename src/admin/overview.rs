//! `/api/redial`: what the status page shows.
//!
//! Owns the names of its fields. Does not hold history: that is the client's. Always true: times are milliseconds, and ages
//! at the moment of the answer, so that nobody needs a right clock. Worst case: 400 bytes a proxy and 300 an outage.

use crate::client::FRP_VERSION;
use crate::client::report::{OutageReport, ProxyReport, Report};
use crate::proto::time::{Duration, Instant};
use crate::wire::json::Json;

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

/// Fills the object.
pub(super) fn write(report: &Report<'_>, j: &mut Json) {
    let age = |at: Instant| millis(report.now.since(at));
    j.key("version").text(env!("CARGO_PKG_VERSION"));
    j.key("frp_version").text(FRP_VERSION);
    j.key("uptime_ms").number(age(report.started));
    j.key("session").object(|j| session(report, j));
    j.key("link").object(|j| link(report, j));
    j.key("proxies").array(|j| report.proxies.iter().for_each(|p| proxy(p, j)));
    j.key("outages").array(|j| report.outages.iter().for_each(|o| outage(o, report.now, j)));
    j.key("memory").object(|j| {
        j.key("used_bytes").number(report.memory.0 as u64);
        j.key("limit_bytes").number(report.memory.1 as u64);
        j.key("work_connections").number(report.works as u64);
    });
}

fn session(report: &Report<'_>, j: &mut Json) {
    let session = &report.session;
    j.key("phase").text(session.phase);
    j.key("server").text(&session.server);
    j.key("server_version").text(session.version);
    j.key("up_ms").number_or_null(session.since.map(|at| millis(report.now.since(at))));
    j.key("next_try_ms").number_or_null(session.next_try.map(millis));
    j.key("logins").number(session.logins);
    j.key("failures").number(session.failures);
}

fn link(report: &Report<'_>, j: &mut Json) {
    let (session, age) = (&report.session, |at: Instant| millis(report.now.since(at)));
    j.key("peer").text(&session.peer.map(|peer| peer.to_string()).unwrap_or_default());
    j.key("rtt_us").number_or_null(session.path.rtt().map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)));
    j.key("answer_within_ms").number(millis(session.path.wait()));
    j.key("patience_ms").number(millis(session.path.patience()));
    j.key("heard_ms").number_or_null(session.heard.map(age));
    j.key("unacknowledged_bytes").number_or_null(session.unacknowledged.map(u64::from));
    j.key("racing").flag(session.racing);
    j.key("draining").number(report.draining as u64);
    if let Some((cause, since, proven)) = &session.doubt {
        j.key("doubt").object(|j| {
            j.key("cause").text(cause);
            j.key("since_ms").number(age(*since));
            j.key("proven").flag(*proven);
        });
    }
}

fn proxy(proxy: &ProxyReport<'_>, j: &mut Json) {
    j.object(|j| {
        j.key("name").text(proxy.name);
        j.key("type").text(proxy.kind);
        j.key("status").text(proxy.standing.word());
        j.key("error").text(proxy.error);
        j.key("local_addr").text(&proxy.local_addr);
        j.key("remote_addr").text(proxy.remote_addr);
        j.key("up_bytes").number(proxy.traffic.up);
        j.key("down_bytes").number(proxy.traffic.down);
        j.key("connections").number(proxy.traffic.connections);
        j.key("open").number(proxy.open as u64);
    });
}

fn outage(outage: &OutageReport<'_>, now: Instant, j: &mut Json) {
    j.object(|j| {
        j.key("kind").text(outage.kind);
        j.key("cause").text(outage.cause);
        j.key("began_ms").number(millis(now.since(outage.noticed)));
        j.key("unnoticed_ms").number(millis(outage.noticed.since(outage.heard)));
        j.key("lasted_ms").number_or_null(outage.back.map(|back| millis(back.since(outage.noticed))));
        j.key("kept").number(outage.kept as u64);
    });
}
