//! What others may see or do (S).
//!
//! Owns these rules. Does not know what the server does. Always true: no secret is in a sentence. Worst case: nothing of
//! its own.

use super::super::finding::Severity::{Note, Warning};
use super::{Facts, Item, Out, Rule};
use std::net::IpAddr;

pub(super) const RULES: &[Rule] = &[
    Rule { id: "S1", severity: Warning, check: plain },
    Rule { id: "S2", severity: Note, check: unverified },
    Rule { id: "S3", severity: Warning, check: half_certificate },
    Rule { id: "S5", severity: Note, check: always_tls },
    Rule { id: "S6", severity: Warning, check: no_token },
    Rule { id: "S7", severity: Note, check: short_token },
    Rule { id: "S8", severity: Warning, check: open_admin },
    Rule { id: "S9", severity: Warning, check: weak_admin },
    Rule { id: "S10", severity: Warning, check: pprof },
    Rule { id: "S11", severity: Warning, check: open_plugin },
    Rule { id: "S12", severity: Warning, check: plain_credentials },
    Rule { id: "S13", severity: Warning, check: no_secret },
    Rule { id: "S14", severity: Note, check: all_users },
    Rule { id: "S15", severity: Note, check: twice },
    Rule { id: "S16", severity: Warning, check: readable },
    Rule { id: "S17", severity: Warning, check: insecure_oidc },
];

const TLS: &str = "transport.tls.enable";

/// Whether a host is somewhere in the Internet, as far as its text tells.
fn is_public(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse() {
        Ok(IpAddr::V4(ip)) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()),
        Ok(IpAddr::V6(ip)) => {
            let first = ip.segments().first().copied().unwrap_or(0);
            !(ip.is_loopback() || ip.is_unspecified() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80)
        }
        Err(_) => !host.eq_ignore_ascii_case("localhost"),
    }
}

/// Whether a host is this machine alone.
fn is_loopback(host: &str) -> bool {
    let ip: Result<IpAddr, _> = host.trim_start_matches('[').trim_end_matches(']').parse();
    ip.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback())
}

fn public_server(facts: &Facts<'_>) -> bool {
    facts.top.text("serverAddr").is_some_and(is_public)
}

fn is_oidc(facts: &Facts<'_>) -> bool {
    facts.top.text("auth.method") == Some("oidc")
}

fn plain(facts: &Facts<'_>, out: &mut Out<'_>) {
    if facts.tls() || !public_server(facts) {
        return;
    }
    let text = if is_oidc(facts) {
        "the bearer token, the list of proxies and all traffic without useEncryption cross the network in clear. Set it to true"
    } else {
        "the login, the list of proxies and all traffic without useEncryption cross the network in clear; from a recorded \
         login the token can be guessed. Set it to true"
    };
    out.say_top(facts, TLS, text);
}

fn unverified(facts: &Facts<'_>, out: &mut Out<'_>) {
    if facts.tls() && !facts.top.has("transport.tls.trustedCaFile") {
        let text = "TLS encrypts, but does not verify the server. Set transport.tls.trustedCaFile so that nobody can pose as it";
        out.say_top(facts, "transport.tls.trustedCaFile", text);
    }
}

fn half_certificate(facts: &Facts<'_>, out: &mut Out<'_>) {
    let (cert, key) = ("transport.tls.certFile", "transport.tls.keyFile");
    let set = |key| facts.top.text(key).is_some();
    if facts.tls() && set(cert) != set(key) {
        let key = if set(cert) { cert } else { key };
        out.say_top(facts, key, "a client certificate needs both certFile and keyFile: it is ignored");
    }
}

fn always_tls(facts: &Facts<'_>, out: &mut Out<'_>) {
    if facts.top.flag(TLS) == Some(false) && facts.tls() {
        out.say_top(facts, TLS, format!("{} always uses TLS: this has no effect", facts.protocol()));
    }
}

fn no_token(facts: &Facts<'_>, out: &mut Out<'_>) {
    let none = facts.top.text("auth.token").is_none() && !facts.top.has("auth.tokenSource");
    if none && !is_oidc(facts) && public_server(facts) {
        let text =
            "it is empty: anyone who can reach the server's port can register proxies, if the server accepts that";
        out.say_top(facts, "auth.token", text);
    }
}

fn short_token(facts: &Facts<'_>, out: &mut Out<'_>) {
    if facts.top.text("auth.token").is_some_and(|token| token.len() < 16) {
        out.say_top(facts, "auth.token", "it is short, and the key of the encryption, too. Use 16 characters or more");
    }
}

/// The admin server's address, if it listens to others.
fn open_address<'t>(facts: &Facts<'t>) -> Option<&'t str> {
    facts.top.number("webServer.port")?;
    facts.top.text("webServer.addr").filter(|addr| !is_loopback(addr))
}

fn has_login(facts: &Facts<'_>) -> bool {
    facts.top.text("webServer.user").is_some() || facts.top.text("webServer.password").is_some()
}

fn open_admin(facts: &Facts<'_>, out: &mut Out<'_>) {
    if open_address(facts).is_some() && !has_login(facts) {
        let text = "the admin API is open to the network: it can read the configuration with its secrets, rewrite it and \
                    stop the client. Set user and password, or addr = \"127.0.0.1\"";
        out.say_top(facts, "webServer.addr", text);
    }
}

fn weak_admin(facts: &Facts<'_>, out: &mut Out<'_>) {
    let password = "webServer.password";
    if facts.top.number("webServer.port").is_some() && facts.top.text(password) == Some("admin") {
        out.say_top(facts, password, "everybody's first guess. Use another");
    } else if open_address(facts).is_some() && has_login(facts) && !facts.top.has("webServer.tls") {
        out.say_top(facts, password, "it crosses the network in clear. Set webServer.tls, or addr = \"127.0.0.1\"");
    }
}

fn pprof(facts: &Facts<'_>, out: &mut Out<'_>) {
    let key = "webServer.pprofEnable";
    if facts.top.flag(key) == Some(true) && open_address(facts).is_some() {
        out.say_top(facts, key, "the handlers of pprof are not covered by the admin password. Remove it");
    }
}

/// Whether a plugin with logins has one.
fn plugin_login(item: &Item<'_>) -> Option<bool> {
    let keys = match item.plugin()? {
        "http_proxy" | "static_file" => ["plugin.httpUser", "plugin.httpPassword"],
        "socks5" => ["plugin.username", "plugin.password"],
        _ => return None,
    };
    Some(keys.iter().any(|key| item.raw.text(key).is_some()))
}

fn open_plugin(facts: &Facts<'_>, out: &mut Out<'_>) {
    for item in facts.proxies.iter().filter(|item| item.is(&["tcp"]) && plugin_login(item) == Some(false)) {
        let what = if item.plugin() == Some("static_file") { "directory" } else { "proxy" };
        let port = item.raw.number("remotePort").map_or_else(|| "that it chooses".to_owned(), |port| port.to_string());
        let text = format!("this publishes an open {what} on the server's port {port}. Set user and password");
        out.say_of(item, "plugin", text);
    }
}

fn plain_credentials(facts: &Facts<'_>, out: &mut Out<'_>) {
    let text = "these credentials travel unencrypted between the user and the server's public port (TLS and useEncryption \
                protect only the way from client to server). Prefer stcp or https";
    for item in &facts.proxies {
        if item.is(&["tcp"]) && plugin_login(item) == Some(true) {
            out.say_of(item, "plugin", text);
        }
        let set = |key| item.raw.text(key).is_some();
        if item.is(&["http"]) && (set("httpUser") || set("httpPassword")) {
            out.say_of(item, if set("httpPassword") { "httpPassword" } else { "httpUser" }, text);
        }
    }
}

fn no_secret(facts: &Facts<'_>, out: &mut Out<'_>) {
    for item in facts.proxies.iter().filter(|item| item.is(&["stcp", "sudp", "xtcp"])) {
        if item.raw.text("secretKey").is_none() {
            let text = "it is empty: any client of the allowed users may connect. Set it";
            out.say_of(item, "secretKey", text);
        }
    }
}

fn all_users(facts: &Facts<'_>, out: &mut Out<'_>) {
    for item in facts.proxies.iter().filter(|item| item.raw.texts("allowUsers").contains(&"*")) {
        let text = "all users of the server may connect: secretKey is the only protection";
        out.say_of(item, "allowUsers", text);
    }
}

fn twice(facts: &Facts<'_>, out: &mut Out<'_>) {
    let key = "transport.useEncryption";
    for item in facts.proxies.iter().filter(|item| facts.tls() && item.raw.flag(key) == Some(true)) {
        out.say_of(item, key, "with TLS everything is encrypted already: this costs CPU and gains nothing. Remove it");
    }
}

/// Only who verifies waits for the disk.
fn readable(facts: &Facts<'_>, out: &mut Out<'_>) {
    if !facts.verify {
        return;
    }
    let own = ["auth.token", "auth.oidc.clientSecret", "webServer.password"];
    let keyed = |item: &Item<'_>| item.raw.text("secretKey").is_some();
    let secret = own.iter().any(|key| facts.top.text(key).is_some())
        || facts.proxies.iter().any(keyed)
        || facts.visitors.iter().any(keyed);
    if secret && is_readable(facts.file) {
        let text = format!("{} contains a secret and is readable by group or others: chmod 600", facts.file);
        out.say(0, "", text);
    }
    let source = "auth.tokenSource.file.path";
    if let Some(path) = facts.top.text(source).filter(|path| is_readable(path)) {
        out.say_top(facts, source, format!("{path} contains a secret and is readable by group or others: chmod 600"));
    }
}

fn is_readable(path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o044 != 0)
}

fn insecure_oidc(facts: &Facts<'_>, out: &mut Out<'_>) {
    let key = "auth.oidc.insecureSkipVerify";
    if facts.top.flag(key) == Some(true) {
        out.say_top(facts, key, "the token endpoint's certificate is not checked. Set trustedCaFile instead");
    }
}
