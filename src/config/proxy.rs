//! The keys of one proxy.
//!
//! Owns their names, defaults and checks, one row of [`KINDS`] for each type. Does not know other tables. Always true:
//! names are unique in what it returns. Worst case: the proxies themselves.

use super::Proxy;
use super::finding::NO_ZONES;
use super::finding::Severity::Error;
use super::scope::{Found, Scope};
use crate::wire::frame::{self, TooLong};
use crate::wire::msg::{Map, NewProxy};
use std::collections::BTreeSet;

/// A type of proxy: how the keys that only it has are read.
struct Kind {
    name: &'static str,
    read: fn(&mut Scope<'_>, &mut NewProxy),
}

const KINDS: &[Kind] = &[Kind { name: "tcp", read: |t, p| p.remote_port = t.port("remotePort").into() }];

/// Types of frpc that are not there yet.
const LATER: [&str; 7] = ["udp", "http", "https", "tcpmux", "stcp", "sudp", "xtcp"];

/// Reads all proxies; drops those that are disabled or not in `start`, if that is not empty, once their keys are checked.
/// Keys of `above` are told to belong above the proxies.
pub(super) fn resolve_all(top: &mut Scope<'_>, user: &str, start: &[String], above: &[&str]) -> Vec<Proxy> {
    let (mut names, mut out) = (BTreeSet::new(), Vec::new());
    for (index, (entries, line)) in top.tables("proxies").into_iter().enumerate() {
        let mut t = Scope::new(entries, format!("proxies[{index}]"), line, top.report());
        let name = t.text("name");
        if let Some(f) = name.as_ref().filter(|f| !names.insert(f.value.clone())) {
            t.report().error(f.line, &f.key, format!("proxy name [{}] is duplicated: names must be unique", f.value));
        }
        let enabled = t.flag("enabled").unwrap_or(true);
        let wanted = start.is_empty() || name.as_ref().is_some_and(|f| start.contains(&f.value));
        let used = enabled && wanted;
        t.report().unused = !used;
        out.extend(resolve(t, name, user, above).filter(|_| used));
        top.report().unused = false;
    }
    out
}

fn resolve(mut t: Scope<'_>, name: Option<Found<String>>, user: &str, above: &[&str]) -> Option<Proxy> {
    let (line, path) = (t.line(), t.path("name"));
    if name.is_none() {
        t.report().error(line, &path, "name should not be empty");
    }
    let name = name.map(|f| f.value).unwrap_or_default();
    let proxy_name = if user.is_empty() { name.clone() } else { format!("{user}.{name}") };
    let kind = kind(&mut t)?;
    let mut announce = NewProxy { proxy_name, proxy_type: kind.name.to_owned(), ..NewProxy::default() };
    common(&mut t, &mut announce);
    (kind.read)(&mut t, &mut announce);
    let local_host = local_host(&mut t);
    let local_port = t.port("localPort");
    if local_port == 0 {
        let key = t.path("localPort");
        t.report().lacks(line, &key, "there is no local port: say where the service listens");
    }
    fits(&mut t, &name, &announce);
    t.finish(above);
    Some(Proxy { name, announce, local_host, local_port })
}

fn local_host(t: &mut Scope<'_>) -> String {
    let Some(Found { value, line, key }) = t.text("localIP") else { return "127.0.0.1".to_owned() };
    if value.contains('%') {
        t.report().lacks(line, &key, NO_ZONES);
    }
    value
}

/// Refuses what the server would never take: the message that announces the proxy has a limit.
fn fits(t: &mut Scope<'_>, name: &str, announce: &NewProxy) {
    let Err(TooLong { size, .. }) = frame::encode_one(announce, &mut Vec::new()) else {
        return;
    };
    let length = |map: &Map| map.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
    let key = if length(&announce.metas) > length(&announce.annotations) { "metadatas" } else { "annotations" };
    let (line, key) = (t.line(), t.path(key));
    let limit = frame::MAX_BODY;
    let text = format!("proxy [{name}] takes {size} bytes to announce, the frp protocol allows {limit}: shorten this");
    t.report().lacks(line, &key, text);
}

fn kind(t: &mut Scope<'_>) -> Option<&'static Kind> {
    let (line, path) = (t.line(), t.path("type"));
    let Some(found) = t.text("type") else {
        t.report().error(line, &path, "unknown proxy type: there is none; write type = \"tcp\"");
        return None;
    };
    let kind = KINDS.iter().find(|k| k.name == found.value);
    if kind.is_none() {
        let Found { value, line, key } = found;
        if LATER.contains(&value.as_str()) {
            t.report().lacks(line, &key, format!("proxies of type {value} are not supported yet, only tcp"));
        } else {
            t.report().error(line, &key, format!("unknown proxy type: {value}"));
        }
    }
    kind
}

/// Keys that all types share.
fn common(t: &mut Scope<'_>, p: &mut NewProxy) {
    p.metas = t.map("metadatas");
    p.annotations = t.map("annotations");
    let mut group = t.table("loadBalancer");
    p.group = group.text_or_empty("group");
    p.group_key = group.text_or_empty("groupKey");
    group.finish(&[]);
    transport(t.table("transport"), p);
    t.later("plugin", Error, "plugins are not supported yet: serve it by a local port");
    t.later_by("healthCheck", "type", Error, "health checks are not supported yet: remove them");
}

/// Digits with at most one point, an exponent perhaps.
fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let digits = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa).replacen('.', "", 1);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && exponent.parse::<i32>().is_ok()
}

fn transport(mut t: Scope<'_>, p: &mut NewProxy) {
    p.use_encryption = t.flag("useEncryption").unwrap_or(false);
    p.use_compression = t.flag("useCompression").unwrap_or(false);
    let mode = t.text("bandwidthLimitMode");
    if let Some(f) = mode.as_ref().filter(|f| !["client", "server"].contains(&f.value.as_str())) {
        t.report().error(f.line, &f.key, "bandwidth limit mode should be client or server");
    }
    if let Some(f) = t.text("bandwidthLimit") {
        let number = f.value.strip_suffix("MB").or_else(|| f.value.strip_suffix("KB"));
        if !number.is_some_and(is_number) {
            t.report().error(f.line, &f.key, "unit not support: use KB or MB, e.g. \"1MB\"");
        } else if mode.is_none_or(|m| m.value != "server") {
            let text = "limits on the client's side are not supported yet: add bandwidthLimitMode = \"server\"";
            t.report().lacks(f.line, &f.key, text);
        } else {
            p.bandwidth_limit = f.value;
            p.bandwidth_limit_mode = "server".to_owned();
        }
    }
    t.later("proxyProtocolVersion", Error, "the PROXY protocol is not supported yet: remove it");
    t.finish(&[]);
}
