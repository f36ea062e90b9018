//! What cannot work (W).
//!
//! Owns these rules, but for those about several entries. Does not connect to find out. Always true: what frpc refuses is
//! not said again. Worst case: nothing of its own.

use super::super::finding::Severity::{Note, Warning};
use super::{Facts, Out, Rule};
use std::net::{IpAddr, SocketAddr};

pub(super) const RULES: &[Rule] = &[
    Rule { id: "W1", severity: Warning, check: server_addr },
    Rule { id: "W2", severity: Warning, check: no_server_addr },
    Rule { id: "W3", severity: Warning, check: ports },
    Rule { id: "W4", severity: Warning, check: no_local_port },
    Rule { id: "W9", severity: Warning, check: group_ignored },
    Rule { id: "W10", severity: Warning, check: plugin_ignored },
    Rule { id: "W11", severity: Warning, check: check_off },
    Rule { id: "W12", severity: Warning, check: header_lost },
    Rule { id: "W13", severity: Warning, check: domains },
    Rule { id: "W14", severity: Warning, check: fallback },
    Rule { id: "W15", severity: Warning, check: sudp_port },
    Rule { id: "W16", severity: Warning, check: no_backend },
    Rule { id: "W17", severity: Warning, check: stun },
    Rule { id: "W18", severity: Warning, check: dns },
    Rule { id: "W19", severity: Warning, check: proxy_url },
    Rule { id: "W20", severity: Note, check: proxy_from_environment },
    Rule { id: "W21", severity: Warning, check: source },
    Rule { id: "W22", severity: Note, check: exits },
    Rule { id: "W23", severity: Note, check: wire },
    Rule { id: "W24", severity: Note, check: packet_size },
    Rule { id: "W26", severity: Note, check: verbose },
];

fn server_addr(facts: &Facts<'_>, out: &mut Out<'_>) {
    let Some(addr) = facts.top.text("serverAddr") else { return };
    let bare = addr.trim_start_matches('[').trim_end_matches(']');
    let zoned = bare.contains('%');
    if addr.contains("://") || addr.contains('/') || (bare.contains(':') && !zoned && bare.parse::<IpAddr>().is_err()) {
        out.say_top(facts, "serverAddr", "it is a host without scheme and port: put the port into serverPort");
    }
}

fn no_server_addr(facts: &Facts<'_>, out: &mut Out<'_>) {
    if facts.top.text("serverAddr").is_none() {
        out.say_top(facts, "serverAddr", "it is not set: the client connects to this machine");
    }
}

fn ports(facts: &Facts<'_>, out: &mut Out<'_>) {
    let odd = |n: &i64| u16::try_from(*n).is_err();
    let text = |key: &str, n: i64| format!("{key} = {n} is not a valid port");
    if let Some(n) = facts.top.number("serverPort").filter(odd).filter(|_| facts.verify) {
        out.say_top(facts, "serverPort", text("serverPort", n));
    }
    for item in facts.proxies.iter().filter(|item| item.is(&["tcp", "udp"])) {
        if let Some(n) = item.raw.number("remotePort").filter(odd) {
            out.say_of(item, "remotePort", text("remotePort", n));
        }
    }
    for item in &facts.visitors {
        if let Some(n) = item.raw.number("bindPort").filter(|n| *n > 0 && odd(n)) {
            out.say_of(item, "bindPort", text("bindPort", n));
        }
    }
}

fn no_local_port(facts: &Facts<'_>, out: &mut Out<'_>) {
    for item in facts.proxies.iter().filter(|item| !item.raw.has("plugin")) {
        if !item.raw.has("localPort") || item.raw.written("localPort") == Some(0) {
            let text = "no localPort and no plugin: every connection will fail. Say where the service listens";
            out.say_of(item, "localPort", text);
        }
    }
}

fn group_ignored(facts: &Facts<'_>, out: &mut Out<'_>) {
    for item in facts.proxies.iter().filter(|item| item.is(&["udp", "stcp", "sudp", "xtcp"]) && item.group().is_some())
    {
        out.say_of(item, "loadBalancer", format!("groups are not supported for {}: it is ignored", item.kind));
    }
}

fn plugin_ignored(facts: &Facts<'_>, out: &mut Out<'_>) {
    for item in facts.proxies.iter().filter(|item| item.is(&["udp", "sudp"]) && item.plugin().is_some()) {
        out.say_of(item, "plugin", format!("plugins are ignored for {} proxies", item.kind));
    }
}

fn check_off(facts: &Facts<'_>, out: &mut Out<'_>) {
    for item in facts.proxies.iter().filter(|item| item.plugin().is_some() && item.raw.number("localPort").is_none()) {
        if item.raw.text("healthCheck.type").is_some() {
            out.say_of(item, "healthCheck", "the check is off, because there is no localPort");
        }
    }
}

fn header_lost(facts: &Facts<'_>, out: &mut Out<'_>) {
    let key = "transport.proxyProtocolVersion";
    for item in facts.proxies.iter().filter(|item| item.raw.text(key).is_some()) {
        if let Some(plugin) = item.plugin().filter(|p| !["unix_domain_socket", "tls2raw"].contains(p)) {
            out.say_of(item, key, format!("{plugin} does not pass the PROXY header on"));
        }
    }
}

fn domains(facts: &Facts<'_>, out: &mut Out<'_>) {
    let plain = |name: &str| {
        let name = name.strip_prefix("*.").unwrap_or(name);
        !name.contains(|c: char| c.is_whitespace() || ['/', ':', '*'].contains(&c))
    };
    for item in facts.proxies.iter().filter(|item| item.is(&["http", "https", "tcpmux"])) {
        if let Some(name) = item.raw.text("subdomain").filter(|name| name.contains('.') || !plain(name)) {
            let text =
                format!("\"{name}\" is not a plain host name: a subdomain is one label, without the server's domain");
            out.say_of(item, "subdomain", text);
        }
        for name in item.raw.texts("customDomains").into_iter().filter(|name| *name != "*" && !plain(name)) {
            let text = format!("\"{name}\" is not a plain host name: write it without scheme, port and path");
            out.say_of(item, "customDomains", text);
        }
    }
}

fn fallback(facts: &Facts<'_>, out: &mut Out<'_>) {
    let usable: Vec<&str> = facts.visitors.iter().filter(|v| !v.is(&["sudp"])).map(|v| v.name).collect();
    for item in facts.visitors.iter().filter(|item| item.is(&["xtcp"])) {
        let Some(to) = item.raw.text("fallbackTo") else { continue };
        if !usable.contains(&to) || to == item.name {
            out.say_of(item, "fallbackTo", format!("\"{to}\" is not a usable visitor in this file"));
        }
    }
}

fn sudp_port(facts: &Facts<'_>, out: &mut Out<'_>) {
    for item in facts.visitors.iter().filter(|item| item.is(&["sudp"])) {
        if item.raw.number("bindPort").is_some_and(|n| n < 0) {
            out.say_of(item, "bindPort", "sudp visitors need a real port");
        }
    }
}

fn no_backend(facts: &Facts<'_>, out: &mut Out<'_>) {
    for item in facts.proxies.iter().filter(|item| item.plugin() == Some("http2http")) {
        if item.raw.text("plugin.localAddr").is_none() {
            out.say_of(item, "plugin", "plugin http2http needs localAddr");
        }
    }
}

fn stun(facts: &Facts<'_>, out: &mut Out<'_>) {
    let key = "natHoleStunServer";
    let used = facts.proxies.iter().chain(&facts.visitors).any(|item| item.is(&["xtcp"]));
    let port = |addr: &str| addr.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if used && facts.top.text(key).is_some_and(|addr| !port(addr)) {
        out.say_top(facts, key, "the address of the STUN server needs a port, as in \"stun.example.net:3478\"");
    }
}

fn dns(facts: &Facts<'_>, out: &mut Out<'_>) {
    let Some(addr) = facts.top.text("dnsServer").filter(|_| facts.verify) else { return };
    let bare = addr.trim_start_matches('[').trim_end_matches(']');
    if addr.parse::<SocketAddr>().is_err() && bare.parse::<IpAddr>().is_err() {
        out.say_top(facts, "dnsServer", "it must be an IP address: a name cannot be resolved through itself");
    }
}

fn proxy_url(facts: &Facts<'_>, out: &mut Out<'_>) {
    let key = "transport.proxyURL";
    let own = facts.top.text(key);
    let Some(url) = own.or(facts.http_proxy.as_deref()) else { return };
    let known = url.split_once("://").is_some_and(|(scheme, _)| ["http", "https", "socks5", "ntlm"].contains(&scheme));
    if ["kcp", "quic"].contains(&facts.protocol()) {
        let text = format!("a proxy cannot carry {}. Remove one of them", facts.protocol());
        out.say_top(facts, key, text);
    } else if !known {
        out.say_top(facts, key, "it needs http://, https://, socks5:// or ntlm:// in front");
    }
}

fn proxy_from_environment(facts: &Facts<'_>, out: &mut Out<'_>) {
    if let Some(url) = facts.http_proxy.as_ref().filter(|_| facts.top.text("transport.proxyURL").is_none()) {
        let host = url.rsplit_once('@').map_or(url.as_str(), |(_, host)| host);
        let text = format!(
            "the environment variable http_proxy sends frpc's connection to the server through {host}; redial does not look \
             at it yet"
        );
        out.say_top(facts, "transport.proxyURL", text);
    }
}

fn source(facts: &Facts<'_>, out: &mut Out<'_>) {
    let key = "transport.connectServerLocalIP";
    if let Some(ip) = facts.top.text(key).filter(|ip| ip.parse::<IpAddr>().is_err()) {
        out.say_top(facts, key, format!("\"{ip}\" is no IP address: it is ignored"));
    }
}

fn exits(facts: &Facts<'_>, out: &mut Out<'_>) {
    if facts.top.flag("loginFailExit") != Some(false) {
        let text = "if the network is not up at boot, the client exits and is not restarted by itself. Set it to false on a \
                    device that nobody watches";
        out.say_top(facts, "loginFailExit", text);
    }
}

fn wire(facts: &Facts<'_>, out: &mut Out<'_>) {
    let key = "transport.wireProtocol";
    if facts.top.text(key) == Some("v2") {
        out.say_top(facts, key, "it needs frps 0.69 or later; there is no fallback");
    }
}

fn packet_size(facts: &Facts<'_>, out: &mut Out<'_>) {
    let key = "udpPacketSize";
    if facts.top.number(key).is_some_and(|n| n != 1500) {
        out.say_top(facts, key, "it must be the same as the server's");
    }
}

fn verbose(facts: &Facts<'_>, out: &mut Out<'_>) {
    let level = facts.top.text("log.level").is_some_and(|level| ["trace", "debug"].contains(&level));
    if level && facts.top.text("log.to").is_some_and(|to| to != "console") {
        out.say_top(facts, "log.level", "so many lines wear flash memory out and fill small disks. Use \"info\"");
    }
}
