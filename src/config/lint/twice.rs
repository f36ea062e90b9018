//! Entries that are in each other's way (W).
//!
//! Owns these rules. Does not know what other clients have. Always true: each entry is looked at once, however many there
//! are. Worst case: one key for each entry, for the length of the call.

use super::super::finding::Severity::Warning;
use super::{Facts, Item, Out, Rule};
use std::collections::BTreeMap;

pub(super) const RULES: &[Rule] = &[
    Rule { id: "W5", severity: Warning, check: remote_ports },
    Rule { id: "W6", severity: Warning, check: routes },
    Rule { id: "W7", severity: Warning, check: local_ports },
    Rule { id: "W8", severity: Warning, check: groups },
];

/// Domains, locations or addresses that are compared, at most, of one entry.
const MAX_NAMES: usize = 64;

fn remote_ports(facts: &Facts<'_>, out: &mut Out<'_>) {
    let mut seen: BTreeMap<(&str, i64), &Item<'_>> = BTreeMap::new();
    for item in facts.proxies.iter().filter(|item| item.is(&["tcp", "udp"])) {
        let Some(port) = item.raw.number("remotePort") else { continue };
        let Some(before) = seen.get(&(item.kind, port)) else {
            seen.insert((item.kind, port), item);
            continue;
        };
        let grouped = item.is(&["tcp"]) && item.group().is_some() && item.group() == before.group();
        if !grouped {
            let (a, b) = (before.name, item.name);
            let text =
                format!("\"{a}\" and \"{b}\" both ask for remote port {port}: the second gets \"port already used\"");
            out.say_of(item, "remotePort", text);
        }
    }
}

fn routes(facts: &Facts<'_>, out: &mut Out<'_>) {
    let mut seen: BTreeMap<(&str, String, &str, &str), &str> = BTreeMap::new();
    for item in facts.proxies.iter().filter(|item| item.is(&["http", "https", "tcpmux"]) && item.group().is_none()) {
        let mut locations = if item.is(&["http"]) { item.raw.texts("locations") } else { Vec::new() };
        if locations.is_empty() {
            locations.push("");
        }
        let user = if item.is(&["https"]) { None } else { item.raw.text("routeByHTTPUser") }.unwrap_or_default();
        let custom = item.raw.texts("customDomains").into_iter().map(str::to_ascii_lowercase);
        let sub = item.raw.text("subdomain").map(|name| format!("{}.", name.to_ascii_lowercase()));
        let mut other = None;
        for domain in custom.chain(sub).take(MAX_NAMES) {
            for location in locations.iter().take(MAX_NAMES) {
                let before = *seen.entry((item.kind, domain.clone(), location, user)).or_insert(item.name);
                other = other.or_else(|| Some(before).filter(|name| *name != item.name));
            }
        }
        if let Some(before) = other {
            let key = if item.raw.has("customDomains") { "customDomains" } else { "subdomain" };
            let text = format!(
                "\"{before}\" and \"{}\" claim the same route: the second gets \"router config conflict\"",
                item.name
            );
            out.say_of(item, key, text);
        }
    }
}

fn local_ports(facts: &Facts<'_>, out: &mut Out<'_>) {
    let mut seen: BTreeMap<(bool, i64), Vec<&str>> = BTreeMap::new();
    if let Some(port) = facts.top.number("webServer.port") {
        let addr = facts.top.text("webServer.addr").unwrap_or("127.0.0.1");
        seen.entry((false, port)).or_default().push(addr);
    }
    for item in &facts.visitors {
        let Some(port) = item.raw.number("bindPort").filter(|port| *port > 0) else { continue };
        let addr = item.raw.text("bindAddr").unwrap_or("127.0.0.1");
        let used = seen.entry((item.is(&["sudp"]), port)).or_default();
        let all = ["0.0.0.0", "::"];
        let clash = |other: &&str| *other == addr || all.contains(other) || all.contains(&addr);
        if used.iter().any(clash) {
            out.say_of(item, "bindPort", format!("port {port} is used twice on this device"));
        }
        if used.len() < MAX_NAMES && !used.contains(&addr) {
            used.push(addr);
        }
    }
}

fn groups(facts: &Facts<'_>, out: &mut Out<'_>) {
    let mut seen: BTreeMap<&str, (&str, i64, &str)> = BTreeMap::new();
    for item in facts.proxies.iter().filter(|item| item.is(&["tcp", "http", "https", "tcpmux"])) {
        let Some(group) = item.group() else { continue };
        let port = item.raw.number("remotePort").unwrap_or(0);
        let member = (item.kind, port, item.raw.text("loadBalancer.groupKey").unwrap_or_default());
        if *seen.entry(group).or_insert(member) != member {
            let text = format!("members of group \"{group}\" must share type, remotePort and groupKey");
            out.say_of(item, "loadBalancer", text);
        }
    }
}
