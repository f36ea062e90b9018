//! `/api/status`, as frpc answers it.
//!
//! Owns nothing. Does not show more than frpc does: scripts read it. Always true: without a session it is empty; types and
//! names are in order. Worst case: 400 bytes a proxy.

use crate::client::report::{ProxyReport, Report};
use crate::wire::json::Json;

/// Types whose address the server gives as a port of its own.
const BY_PORT: [&str; 2] = ["tcp", "udp"];

/// Fills the object.
pub(super) fn write(report: &Report<'_>, j: &mut Json) {
    if report.session.since.is_none() {
        return;
    }
    let mut kinds: Vec<&str> = Vec::new();
    for proxy in &report.proxies {
        if !kinds.contains(&proxy.kind) {
            kinds.push(proxy.kind);
        }
    }
    kinds.sort_unstable();
    for kind in kinds {
        let mut proxies: Vec<_> = report.proxies.iter().filter(|proxy| proxy.kind == kind).collect();
        proxies.sort_by_key(|proxy| proxy.name);
        j.key(kind).array(|j| proxies.iter().for_each(|proxy| one(proxy, host(&report.session.server), j)));
    }
}

/// Without the port, and without the brackets of an address.
fn host(server: &str) -> &str {
    server.rsplit_once(':').map_or(server, |(host, _)| host.trim_start_matches('[').trim_end_matches(']'))
}

fn one(proxy: &ProxyReport<'_>, server: &str, j: &mut Json) {
    j.object(|j| {
        j.key("name").text(proxy.name);
        j.key("type").text(proxy.kind);
        j.key("status").text(proxy.standing.word());
        j.key("err").text(proxy.error);
        j.key("local_addr").text(&proxy.local_addr);
        j.key("plugin").text("");
        let remote = match proxy.error {
            "" if BY_PORT.contains(&proxy.kind) => format!("{server}{}", proxy.remote_addr),
            "" => proxy.remote_addr.to_owned(),
            _ => String::new(),
        };
        j.key("remote_addr").text(&remote);
        if proxy.stored {
            j.key("source").text("store");
        }
    });
}
