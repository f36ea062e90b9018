//! Numbers that are too large (P).
//!
//! Owns these rules. Does not know what the server allows. Always true: the better value is named. Worst case: nothing of
//! its own.

use super::super::finding::Severity::{Note, Warning};
use super::{Facts, Out, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule { id: "P1", severity: Warning, check: negative },
    Rule { id: "P2", severity: Note, check: capped },
    Rule { id: "P3", severity: Warning, check: burst },
    Rule { id: "P4", severity: Warning, check: misplaced },
    Rule { id: "P5", severity: Note, check: many },
    Rule { id: "P6", severity: Note, check: many_checks },
];

const POOL: &str = "transport.poolCount";
/// More proxies than this are many.
const MANY: usize = 100;

fn negative(facts: &Facts<'_>, out: &mut Out<'_>) {
    if facts.top.number(POOL).is_some_and(|n| n < 0) {
        out.say_top(facts, POOL, "it must not be negative, which can take the server down: redial uses 1");
    }
}

fn capped(facts: &Facts<'_>, out: &mut Out<'_>) {
    if let Some(n) = facts.top.number(POOL).filter(|n| *n > 5) {
        let text = format!(
            "the server caps the pool at its transport.maxPoolCount (default 5): {n} has no effect unless the server was \
             changed. Use 1 to 5"
        );
        out.say_top(facts, POOL, text);
    }
}

fn burst(facts: &Facts<'_>, out: &mut Out<'_>) {
    let proxies = facts.proxies.len();
    if let Some(n) = facts.top.number(POOL).filter(|n| *n >= 20 && proxies >= MANY) {
        let all = usize::try_from(n).unwrap_or(usize::MAX).saturating_add(proxies);
        let text = format!(
            "one pool of {n} is shared by {proxies} proxies and made anew at every reconnect together with {proxies} \
             registrations: a burst of {all} messages, and many connections that nobody uses. A pool of 1 to 5 serves \
             bursts better"
        );
        out.say_top(facts, POOL, text);
    }
}

fn misplaced(facts: &Facts<'_>, out: &mut Out<'_>) {
    for item in &facts.proxies {
        for key in ["poolCount", "transport.poolCount"] {
            if item.raw.has(key) {
                out.say_of(item, key, "poolCount belongs to [transport] of the client, not to a proxy");
            }
        }
    }
}

fn many(facts: &Facts<'_>, out: &mut Out<'_>) {
    if facts.proxies.len() > MANY {
        let text = "the server may limit ports for each client (maxPortsPerClient): further proxies then fail with \"exceed \
                    the max_ports_per_client\"";
        out.say_top(facts, "proxies", text);
    }
}

fn many_checks(facts: &Facts<'_>, out: &mut Out<'_>) {
    let interval = |raw: &super::Raw<'_>| raw.number("healthCheck.intervalSeconds").filter(|n| (1..5).contains(n));
    let fast = facts.proxies.iter().filter(|p| p.raw.text("healthCheck.type") == Some("http"));
    let fast: Vec<i64> = fast.filter_map(|p| interval(&p.raw)).collect();
    if let Some(shortest) = fast.iter().min().filter(|_| fast.len() >= 10) {
        let text =
            format!("{} health checks run on this device, some every {shortest} s. Use 10 s or more", fast.len());
        out.say_top(facts, "proxies", text);
    }
}
