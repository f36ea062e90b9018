//! The kinds of proxies: one row each.
//!
//! Owns the keys that only some kinds have, and their checks. Does not know what all share. Always true: a kind of frpc has
//! a row. Worst case: static.

use super::super::scope::Scope;
use crate::wire::msg::{Map, NewProxy};

/// `type` of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A port of the server.
    Tcp,
    /// A UDP port of the server.
    Udp,
    /// A host name at the server's HTTP port.
    Http,
    /// A host name at the server's HTTPS port.
    Https,
    /// A host name behind the server's CONNECT port.
    Tcpmux,
    /// For visitors that know the secret.
    Stcp,
    /// For visitors that know the secret, over UDP.
    Sudp,
    /// For visitors that know the secret, past the server.
    Xtcp,
}

/// A kind: its name, and how the keys that only it has are read.
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) read: fn(&mut Scope<'_>, &mut NewProxy),
}

const ROWS: [Row; 8] = [
    Row { kind: Kind::Tcp, name: "tcp", read: port },
    Row { kind: Kind::Udp, name: "udp", read: port },
    Row { kind: Kind::Http, name: "http", read: http },
    Row { kind: Kind::Https, name: "https", read: domains },
    Row { kind: Kind::Tcpmux, name: "tcpmux", read: tcpmux },
    Row { kind: Kind::Stcp, name: "stcp", read: secret },
    Row { kind: Kind::Sudp, name: "sudp", read: secret },
    Row { kind: Kind::Xtcp, name: "xtcp", read: secret },
];

/// Kinds that this build can run.
const RUN: [Kind; 1] = [Kind::Tcp];

impl Kind {
    /// Its name in files and on the wire.
    pub fn name(self) -> &'static str {
        ROWS.iter().find(|row| row.kind == self).map_or("", |row| row.name)
    }
}

/// The row of a proxy's type.
pub(super) fn find(t: &mut Scope<'_>) -> Option<&'static Row> {
    let (line, path) = (t.line(), t.path("type"));
    let found = t.text("type");
    let (line, key, name) = found.map_or((line, path, String::new()), |f| (f.line, f.key, f.value));
    let row = ROWS.iter().find(|row| row.name == name);
    match row {
        None if name.is_empty() => {
            t.report().error(line, &key, "unknown proxy type: there is none; write type = \"tcp\"");
        }
        None => t.report().error(line, &key, format!("unknown proxy type: {name}")),
        Some(row) if !RUN.contains(&row.kind) => {
            let text = format!("proxies of type {name} are not in this build yet: keep frpc for them, or disable them");
            t.report().lacks(line, &key, text);
        }
        Some(_) => {}
    }
    row
}

fn port(t: &mut Scope<'_>, p: &mut NewProxy) {
    // Any number: the server refuses what is no port, and only this proxy fails.
    p.remote_port = t.int("remotePort").map_or(0, |f| f.value);
}

fn domains(t: &mut Scope<'_>, p: &mut NewProxy) {
    p.custom_domains = t.texts("customDomains").into_iter().map(|f| f.value).collect();
    p.subdomain = t.text_or_empty("subdomain");
    if p.custom_domains.is_empty() && p.subdomain.is_empty() {
        let (line, key) = (t.line(), t.path(""));
        let text = "subdomain and custom domains should not be both empty";
        t.report().invalid(line, key.trim_end_matches('.'), text);
    }
}

fn http(t: &mut Scope<'_>, p: &mut NewProxy) {
    domains(t, p);
    user(t, p);
    p.locations = t.texts("locations").into_iter().map(|f| f.value).collect();
    p.host_header_rewrite = t.text_or_empty("hostHeaderRewrite");
    p.headers = headers(t, "requestHeaders");
    p.response_headers = headers(t, "responseHeaders");
}

/// `requestHeaders.set` and its like.
pub(in crate::config) fn headers(t: &mut Scope<'_>, key: &'static str) -> Map {
    let mut t = t.table(key);
    let set = t.map("set");
    t.finish(&[]);
    set
}

fn user(t: &mut Scope<'_>, p: &mut NewProxy) {
    p.http_user = t.text_or_empty("httpUser");
    p.http_pwd = t.text_or_empty("httpPassword");
    p.route_by_http_user = t.text_or_empty("routeByHTTPUser");
}

fn tcpmux(t: &mut Scope<'_>, p: &mut NewProxy) {
    domains(t, p);
    user(t, p);
    let (line, path) = (t.line(), t.path("multiplexer"));
    let found = t.text("multiplexer");
    let (line, key, name) = found.map_or((line, path, String::new()), |f| (f.line, f.key, f.value));
    if name != "httpconnect" {
        t.report().invalid(line, &key, format!("not support multiplexer: {name}"));
    }
    p.multiplexer = name;
}

fn secret(t: &mut Scope<'_>, p: &mut NewProxy) {
    p.sk = t.text_or_empty("secretKey");
    p.allow_users = t.texts("allowUsers").into_iter().map(|f| f.value).collect();
}
