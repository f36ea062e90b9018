//! What may be asked, and where: one table.
//!
//! Owns the table and frpc's rules of matching: a path that is not clean is redirected, a wrong method on a known path is
//! 405, everything else 404, all of that without asking who it is. Does not act. Always true: a row is all that a new
//! path needs. Worst case: no memory.

use super::pages;
use super::reply::{Call, Reply};
use crate::config::store::List::{Proxies, Visitors};
use crate::proto::http::{Method, Response};

/// A body that says what a proxy is like.
const SMALL: usize = 64 * 1024;
/// A whole file.
pub(super) const FILE: usize = crate::config::MAX_FILE as usize;

/// One row.
pub(super) struct Route {
    /// `None`: any.
    method: Option<Method>,
    /// `{name}` stands for one segment, `*` at the end for anything.
    path: &'static str,
    /// Nobody is asked who he is.
    pub(super) open: bool,
    /// Asked so often, or by anybody, that it is logged at debug level.
    pub(super) quiet: bool,
    /// Bytes of body that are taken.
    pub(super) body: usize,
    /// Only there with a store.
    store: bool,
    pub(super) act: fn(Call<'_>) -> Reply,
}

const fn get(path: &'static str, act: fn(Call<'_>) -> Reply) -> Route {
    Route { method: Some(Method::Get), path, open: false, quiet: false, body: 0, store: false, act }
}

/// A path of the store.
const fn store(method: Method, path: &'static str, act: fn(Call<'_>) -> Reply) -> Route {
    let body = if matches!(method, Method::Post | Method::Put) { SMALL } else { 0 };
    Route { method: Some(method), body, store: true, ..get(path, act) }
}

const PROXIES: &str = "/api/store/proxies";
const PROXY: &str = "/api/store/proxies/{name}";
const VISITORS: &str = "/api/store/visitors";
const VISITOR: &str = "/api/store/visitors/{name}";

const ROUTES: &[Route] = &[
    Route { method: None, open: true, quiet: true, ..get("/healthz", pages::healthz) },
    get("/api/status", pages::status),
    get("/api/reload", pages::reload),
    Route { method: Some(Method::Post), body: SMALL, ..get("/api/stop", pages::stop) },
    get("/api/config", pages::read_config),
    Route { method: Some(Method::Put), body: FILE, ..get("/api/config", pages::write_config) },
    get("/api/proxy/{name}/config", pages::proxy_config),
    get("/api/visitor/{name}/config", pages::visitor_config),
    store(Method::Get, PROXIES, |_| pages::stored(Proxies, None)),
    store(Method::Post, PROXIES, |call| pages::create(Proxies, call)),
    store(Method::Get, PROXY, |call| pages::stored(Proxies, Some(call.name))),
    store(Method::Put, PROXY, |call| pages::update(Proxies, call)),
    store(Method::Delete, PROXY, |call| pages::delete(Proxies, call)),
    store(Method::Get, VISITORS, |_| pages::stored(Visitors, None)),
    store(Method::Post, VISITORS, |call| pages::create(Visitors, call)),
    store(Method::Get, VISITOR, |call| pages::stored(Visitors, Some(call.name))),
    store(Method::Put, VISITOR, |call| pages::update(Visitors, call)),
    store(Method::Delete, VISITOR, |call| pages::delete(Visitors, call)),
    Route { quiet: true, ..get("/api/redial", pages::redial) },
    Route { quiet: true, ..get("/metrics", pages::metrics) },
    get("/", pages::page),
    get("/static/", pages::page),
    get("/static/*", pages::nothing),
    get("/favicon.ico", pages::nothing),
];

/// What a path leads to.
pub(super) enum Found<'a> {
    /// The row, and what stands for `{name}`.
    Route(&'static Route, Option<&'a str>),
    /// The router's own answer.
    Answer(Response),
}

/// Looks a request up.
pub(super) fn find<'a>(method: Method, path: &'a str, query: &str, store: bool) -> Found<'a> {
    let clean = clean(path);
    if clean != path {
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        return Found::Answer(Response::empty(301).with("Location", encode(&clean) + &query));
    }
    let (mut known, mut found) = (false, None);
    for route in ROUTES.iter().filter(|route| store || !route.store) {
        if let Some(name) = matches(route.path, path) {
            known = true;
            if found.is_none() && route.method.is_none_or(|own| own == method) {
                found = Some((route, name));
            }
        }
    }
    match found {
        Some((route, name)) => Found::Route(route, name),
        None if known => Found::Answer(Response::empty(405)),
        None => Found::Answer(not_found()),
    }
}

/// As Go's server says it.
pub(super) fn not_found() -> Response {
    Response::text(404, "404 page not found\n").with("X-Content-Type-Options", "nosniff")
}

/// Whether the path fits the pattern, and what stands for `{name}`.
fn matches<'a>(pattern: &str, path: &'a str) -> Option<Option<&'a str>> {
    if let Some(prefix) = pattern.strip_suffix('*') {
        return path.starts_with(prefix).then_some(None);
    }
    let Some((before, after)) = pattern.split_once("{name}") else {
        return (pattern == path).then_some(None);
    };
    let name = path.strip_prefix(before)?.strip_suffix(after)?;
    (!name.is_empty() && !name.contains('/')).then_some(Some(name))
}

/// Without `.`, `..` and doubled slashes.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}

/// For a header: everything that is not plain is escaped.
fn encode(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gist(method: Method, path: &str) -> String {
        match find(method, path, "a=b", true) {
            Found::Route(route, name) => {
                format!("{}{}", route.path, name.map_or_else(String::new, |n| format!(" {n}")))
            }
            Found::Answer(answer) => {
                let at = answer.headers.iter().find(|(name, _)| *name == "Location");
                format!("{}{}", answer.status, at.map_or_else(String::new, |(_, to)| format!(" {to}")))
            }
        }
    }

    #[test]
    fn paths_lead_where_frpc_s_lead() {
        for (method, path, expected) in [
            (Method::Get, "/healthz", "/healthz"),
            (Method::Other, "/healthz", "/healthz"),
            (Method::Head, "/healthz", "/healthz"),
            (Method::Get, "/api/status", "/api/status"),
            (Method::Post, "/api/status", "405"),
            (Method::Head, "/api/status", "405"),
            (Method::Get, "/api/stop", "405"),
            (Method::Put, "/api/config", "/api/config"),
            (Method::Delete, "/api/config", "405"),
            (Method::Get, "/api/status/", "404"),
            (Method::Get, "/API/status", "404"),
            (Method::Get, "//api/status", "301 /api/status?a=b"),
            (Method::Get, "/api/../api/./status", "301 /api/status?a=b"),
            (Method::Get, "/../../etc/passwd", "301 /etc/passwd?a=b"),
            (Method::Get, "/api//", "301 /api/?a=b"),
            (Method::Get, "*", "301 /%2A?a=b"),
            (Method::Get, "/api/proxy/a b/config", "/api/proxy/{name}/config a b"),
            (Method::Get, "/api/proxy/a/b/config", "404"),
            (Method::Get, "/api/proxy//config", "301 /api/proxy/config?a=b"),
            (Method::Get, "/api/proxy/config", "404"),
            (Method::Get, "/api/store/proxies", "/api/store/proxies"),
            (Method::Put, "/api/store/proxies", "405"),
            (Method::Delete, "/api/store/visitors/a", "/api/store/visitors/{name} a"),
            (Method::Post, "/api/store/visitors/a", "405"),
            (Method::Get, "/static/x.js", "/static/*"),
            (Method::Get, "/debug/pprof/", "404"),
            (Method::Get, "/", "/"),
        ] {
            assert_eq!(gist(method, path), expected, "{method:?} {path}");
        }
    }

    #[test]
    fn without_a_store_its_paths_are_not_there() {
        for path in [PROXIES, VISITORS, "/api/store/proxies/a"] {
            let Found::Answer(answer) = find(Method::Post, path, "", false) else { panic!("{path}") };
            assert_eq!(answer.status, 404);
        }
    }
}
