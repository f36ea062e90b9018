//! Times that harm (T).
//!
//! Owns these rules. Does not change a value: what is put right is put right where the key is read. Always true: the
//! better value is named. Worst case: nothing of its own.

use super::super::finding::Severity::{Note, Warning};
use super::{Facts, Item, Out, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule { id: "T1", severity: Warning, check: negative_dial },
    Rule { id: "T2", severity: Warning, check: short_dial },
    Rule { id: "T3", severity: Warning, check: short_keepalive },
    Rule { id: "T4", severity: Note, check: no_keepalive },
    Rule { id: "T6", severity: Warning, check: no_lost_reply },
    Rule { id: "T7", severity: Warning, check: short_timeout },
    Rule { id: "T8", severity: Warning, check: long_interval },
    Rule { id: "T9", severity: Warning, check: no_heartbeats },
    Rule { id: "T10", severity: Warning, check: timeout_alone },
    Rule { id: "T11", severity: Note, check: interval_alone },
    Rule { id: "T12", severity: Warning, check: endless_pings },
    Rule { id: "T13", severity: Warning, check: quic_idles_out },
    Rule { id: "T14", severity: Warning, check: checks_overlap },
    Rule { id: "T15", severity: Warning, check: negative_retries },
    Rule { id: "T16", severity: Note, check: zeros },
];

const DIAL: &str = "transport.dialServerTimeout";
const KEEPALIVE: &str = "transport.dialServerKeepalive";
const INTERVAL: &str = "transport.heartbeatInterval";
const TIMEOUT: &str = "transport.heartbeatTimeout";
const MUX: &str = "transport.tcpMuxKeepaliveInterval";

fn negative_dial(facts: &Facts<'_>, out: &mut Out<'_>) {
    if facts.top.number(DIAL).is_some_and(|n| n < 0) {
        let text = "it is negative: with frpc every connection attempt times out at once; redial takes the default, 10 s. \
                    Remove it";
        out.say_top(facts, DIAL, text);
    }
}

fn short_dial(facts: &Facts<'_>, out: &mut Out<'_>) {
    if let Some(n) = facts.top.number(DIAL).filter(|n| (1..5).contains(n)) {
        let text = format!(
            "{n} s has to be enough for name look-up and TCP connection: on a slow or mobile link logins fail in a loop. \
             Use 10 or more"
        );
        out.say_top(facts, DIAL, text);
    }
}

fn short_keepalive(facts: &Facts<'_>, out: &mut Out<'_>) {
    if let Some(n) = facts.top.number(KEEPALIVE).filter(|n| (1..15).contains(n)) {
        let text = format!(
            "it is in seconds: the kernel probes each connection after {n} s of silence, which costs traffic on metered or \
             battery links and can end sessions in outages they would survive. Remove it: redial's default is 15 (frpc's \
             7200), and redial finds dead links by itself (redial.detect says how fast)"
        );
        out.say_top(facts, KEEPALIVE, text);
    }
}

fn no_keepalive(facts: &Facts<'_>, out: &mut Out<'_>) {
    let off = facts.top.number(KEEPALIVE).is_some_and(|n| n < 0);
    if off && !facts.tcp_mux() && facts.heartbeats().0 <= 0 {
        let text = "no keepalive of any kind is left: an idle user connection whose way to the server died is never \
                    noticed. Remove it";
        out.say_top(facts, KEEPALIVE, text);
    }
}

/// The key to name about both heartbeat values.
fn set_one<'k>(facts: &Facts<'_>, first: &'k str, second: &'k str) -> &'k str {
    if facts.top.has(first) { first } else { second }
}

fn no_lost_reply(facts: &Facts<'_>, out: &mut Out<'_>) {
    let (interval, timeout) = facts.heartbeats();
    if interval > 0 && timeout >= interval && timeout < interval.saturating_mul(2) {
        let text = format!(
            "heartbeatTimeout {timeout} allows no lost answer at interval {interval}: one late answer ends the session. \
             Use {} or more",
            interval.saturating_mul(3)
        );
        out.say_top(facts, set_one(facts, TIMEOUT, INTERVAL), text);
    }
}

fn short_timeout(facts: &Facts<'_>, out: &mut Out<'_>) {
    let (interval, timeout) = facts.heartbeats();
    if interval > 0 && timeout >= interval && timeout < 10 {
        let text = format!(
            "{timeout} s is shorter than ordinary stalls of a network: expect needless reconnects of all proxies. Use 30 or \
             more"
        );
        out.say_top(facts, set_one(facts, TIMEOUT, INTERVAL), text);
    }
}

fn long_interval(facts: &Facts<'_>, out: &mut Out<'_>) {
    let (interval, _) = facts.heartbeats();
    if !facts.tcp_mux() && interval >= 90 {
        let text = format!(
            "the server ends sessions that are silent for 90 s (its default): at interval {interval} this one is cut off \
             regularly. Use 30"
        );
        out.say_top(facts, INTERVAL, text);
    }
}

fn no_heartbeats(facts: &Facts<'_>, out: &mut Out<'_>) {
    if !facts.tcp_mux() && facts.top.number(INTERVAL).is_some_and(|n| n < 0) {
        let text = "heartbeats are off while tcpMux is off: the server's time-out (90 s by default) ends the session again \
                    and again. Remove it";
        out.say_top(facts, INTERVAL, text);
    }
}

fn timeout_alone(facts: &Facts<'_>, out: &mut Out<'_>) {
    let (interval, timeout) = facts.heartbeats();
    if facts.tcp_mux() && timeout > 0 && interval <= 0 {
        let text = "it has no effect: with tcpMux heartbeats are off by default, and answers are awaited only if both values \
                    are positive. Remove it: the mux has its own keepalive";
        out.say_top(facts, TIMEOUT, text);
    }
}

fn interval_alone(facts: &Facts<'_>, out: &mut Out<'_>) {
    let (interval, timeout) = facts.heartbeats();
    if facts.tcp_mux() && interval > 0 && timeout <= 0 {
        let text = "heartbeats are sent, but their answers are not awaited. Set heartbeatTimeout, too, or remove it: the \
                    mux has its own keepalive";
        out.say_top(facts, INTERVAL, text);
    }
}

fn endless_pings(facts: &Facts<'_>, out: &mut Out<'_>) {
    if facts.top.number(MUX).is_some_and(|n| n < 0) {
        let text = "it is negative: frpc sends pings without pause; redial sends one a second. Remove it (default 30)";
        out.say_top(facts, MUX, text);
    }
}

fn quic_idles_out(facts: &Facts<'_>, out: &mut Out<'_>) {
    let (idle, keepalive) = ("transport.quic.maxIdleTimeout", "transport.quic.keepalivePeriod");
    let value = |key, default| facts.top.number(key).unwrap_or(default);
    if value(idle, 30) <= value(keepalive, 10) {
        let text = "the session idles out before its next keepalive: make maxIdleTimeout three times keepalivePeriod";
        out.say_top(facts, set_one(facts, idle, keepalive), text);
    }
}

fn checks_overlap(facts: &Facts<'_>, out: &mut Out<'_>) {
    for item in facts.proxies.iter().filter(|item| item.raw.text("healthCheck.type").is_some()) {
        let value = |key, default| item.raw.number(key).filter(|n| *n > 0).unwrap_or(default);
        let timeout = value("healthCheck.timeoutSeconds", 3);
        let interval = value("healthCheck.intervalSeconds", 10);
        if timeout >= interval {
            let text = format!(
                "health checks overlap: make intervalSeconds ({interval}) longer than timeoutSeconds ({timeout})"
            );
            out.say_of(item, "healthCheck", text);
        }
    }
}

/// Keys of xtcp visitors in which zero means the default.
const RETRIES: [(&str, &str); 3] =
    [("maxRetriesAnHour", "8"), ("minRetryInterval", "90"), ("fallbackTimeoutMs", "1000")];

fn negative_retries(facts: &Facts<'_>, out: &mut Out<'_>) {
    for item in facts.visitors.iter().filter(|item| item.is(&["xtcp"])) {
        for (key, default) in RETRIES {
            if item.raw.number(key).is_some_and(|n| n < 0) {
                out.say_of(item, key, format!("it must be positive. Remove it (default {default})"));
            }
        }
    }
}

fn zeros(facts: &Facts<'_>, out: &mut Out<'_>) {
    let off = "off, with tcpMux";
    let (interval, timeout) = if facts.tcp_mux() { (off, off) } else { ("30", "90") };
    let keys = [
        ("serverPort", "7000"),
        ("udpPacketSize", "1500"),
        ("log.maxDays", "3"),
        (DIAL, "10"),
        (KEEPALIVE, "15"),
        ("transport.poolCount", "1"),
        (MUX, "30"),
        (INTERVAL, interval),
        (TIMEOUT, timeout),
        ("transport.quic.keepalivePeriod", "10"),
        ("transport.quic.maxIdleTimeout", "30"),
        ("transport.quic.maxIncomingStreams", "100000"),
    ];
    let text = |default: &str| format!("0 means the default ({default}), not zero");
    for (key, default) in keys {
        if facts.top.written(key) == Some(0) {
            out.say_top(facts, key, text(default));
        }
    }
    let mut of = |item: &Item<'_>, key: &str, default: &str| {
        if item.raw.written(key) == Some(0) {
            out.say_of(item, key, text(default));
        }
    };
    for item in &facts.proxies {
        for (key, default) in [("timeoutSeconds", "3"), ("maxFailed", "1"), ("intervalSeconds", "10")] {
            of(item, &format!("healthCheck.{key}"), default);
        }
    }
    for item in &facts.visitors {
        for (key, default) in RETRIES {
            of(item, key, default);
        }
    }
}
