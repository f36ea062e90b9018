//! Entries that are in each other's way (W).
//!
//! Owns these rules. Does not know what other clients have. Always true: each entry is looked at once, however many there
//! are. Worst case: one key for each entry, for the length of the call.

use super::super::finding::Severity::Warning;
use super::{Facts, Out, Rule};
use std::collections::BTreeMap;

pub(super) const RULES: &[Rule] = &[
    Rule { id: "W5", severity: Warning, check: remote_ports },
    Rule { id: "W6", severity: Warning, check: routes },
    Rule { id: "W7", severity: Warning, check: local_ports },
    Rule { id: "W8", severity: Warning, check: groups },
];

/// Domains, locations or addresses that are compared, at most, of one entry.
const MAX_NAMES: usize = 64;

/// Which one was the first to say a key.
#[derive(Default)]
struct First(BTreeMap<String, usize>);

impl First {
    fn of(&mut self, key: String, at: usize) -> usize {
        *self.0.entry(key).or_insert(at)
    }
}

fn remote_ports(facts: &Facts<'_>, out: &mut Out<'_>) {
    let mut first = First::default();
    for (at, item) in facts.proxies.iter().enumerate().filter(|(_, item)| item.is(&["tcp", "udp"])) {
        let Some(port) = item.raw.number("remotePort") else { continue };
        let before = first.of(format!("{} {port}", item.kind), at);
        let Some(before) = facts.proxies.get(before).filter(|_| before != at) else { continue };
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
    let mut first = First::default();
    for (at, item) in facts.proxies.iter().enumerate() {
        if !item.is(&["http", "https", "tcpmux"]) || item.group().is_some() {
            continue;
        }
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
                let before = first.of(format!("{}\n{domain}\n{location}\n{user}", item.kind), at);
                other = other.or_else(|| Some(before).filter(|before| *before != at));
            }
        }
        if let Some(before) = other.and_then(|before| facts.proxies.get(before)) {
            let key = if item.raw.has("customDomains") { "customDomains" } else { "subdomain" };
            let text = format!(
                "\"{}\" and \"{}\" claim the same route: the second gets \"router config conflict\"",
                before.name, item.name
            );
            out.say_of(item, key, text);
        }
    }
}

fn local_ports(facts: &Facts<'_>, out: &mut Out<'_>) {
    let (mut first, mut addrs) = (First::default(), Vec::<Vec<&str>>::new());
    let mut of_port = |port: i64, addr, udp: bool| {
        let at = first.of(format!("{port} {udp}"), addrs.len());
        if at == addrs.len() {
            addrs.push(Vec::new());
        }
        let Some(used) = addrs.get_mut(at) else { return false };
        let all = ["0.0.0.0", "::"];
        let clash = |other: &&str| *other == addr || all.contains(other) || all.contains(&addr);
        let clashes = used.iter().any(clash);
        if used.len() < MAX_NAMES && !used.contains(&addr) {
            used.push(addr);
        }
        clashes
    };
    if let Some(port) = facts.top.number("webServer.port") {
        of_port(port, facts.top.text("webServer.addr").unwrap_or("127.0.0.1"), false);
    }
    for item in &facts.visitors {
        let Some(port) = item.raw.number("bindPort").filter(|port| *port > 0) else { continue };
        if of_port(port, item.raw.text("bindAddr").unwrap_or("127.0.0.1"), item.is(&["sudp"])) {
            out.say_of(item, "bindPort", format!("port {port} is used twice on this device"));
        }
    }
}

fn groups(facts: &Facts<'_>, out: &mut Out<'_>) {
    let (mut first, mut all) = (First::default(), Vec::new());
    for item in facts.proxies.iter().filter(|item| item.is(&["tcp", "http", "https", "tcpmux"])) {
        let Some(group) = item.group() else { continue };
        let port = item.raw.number("remotePort").unwrap_or(0);
        let member = (item.kind, port, item.raw.text("loadBalancer.groupKey").unwrap_or_default());
        let before = first.of(group.to_owned(), all.len());
        all.push(member);
        if all.get(before) != Some(&member) {
            let text = format!("members of group \"{group}\" must share type, remotePort and groupKey");
            out.say_of(item, "loadBalancer", text);
        }
    }
}
