//! The proxies: what each one is, and the keys that all kinds share.
//!
//! Owns these keys, their defaults and checks. Does not know the keys of one kind ([`kind`]) or of a plugin. Always true:
//! names are unique in what it returns; what is disabled or not started is decoded, so that a wrong type counts, but not
//! checked, as in frpc. Worst case: the proxies themselves.

mod annotations;
mod health;
mod kind;
pub(crate) mod limit;

pub use health::{HealthCheck, Probe};
pub use kind::Kind;
pub(super) use kind::headers;

use super::finding::NO_ZONES;
use super::plugin::{self, Plugin};
use super::scope::{Found, Scope};
use crate::wire::frame::{self, TooLong};
use crate::wire::msg::{Map, NewProxy};
use crate::wire::packed::{NamedProxy, PackedProxy};
use std::collections::BTreeMap;

/// One proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// `name`, as in logs.
    pub name: String,
    /// `type`.
    pub kind: Kind,
    /// Its name with the user's prefix: the server's for it.
    pub wire_name: String,
    /// What the server is told beside the name.
    pub announce: PackedProxy,
    /// `transport.useEncryption`, which the server is told, too.
    pub use_encryption: bool,
    /// `transport.useCompression`, which the server is told, too.
    pub use_compression: bool,
    /// `localIP`: host name or address.
    pub local_host: String,
    /// `localPort`; 0 if there is none.
    pub local_port: u16,
    /// `plugin`, in place of a local service.
    pub plugin: Option<Box<Plugin>>,
    /// `healthCheck`, if it is on.
    pub health_check: Option<Box<HealthCheck>>,
    /// `transport.bandwidthLimit` in bytes a second, if it is for the client to keep.
    pub limit: Option<u64>,
    /// `transport.proxyProtocolVersion`.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// xtcp: `natTraversal.disableAssistedAddrs`.
    pub disable_assisted_addrs: bool,
    /// It is from the store.
    pub stored: bool,
}

impl Proxy {
    /// Whether the server would be told the same of both.
    pub fn same_to_server(&self, other: &Self) -> bool {
        self.wire_name == other.wire_name && self.announce == other.announce
    }
}

/// How a local service is told who the user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// The line of text.
    V1,
    /// The binary header.
    V2,
}

/// Which of the entries are used, and what they are called on the wire.
pub(super) struct Use<'a> {
    /// `user`.
    pub(super) user: &'a str,
    /// `start`; empty: all of them.
    pub(super) start: &'a [String],
    /// Keys that belong above the first table.
    pub(super) above: &'a [&'a str],
}

impl Use<'_> {
    /// Whether an entry of this name is used.
    fn takes(&self, name: &str, enabled: bool) -> bool {
        enabled && (self.start.is_empty() || self.start.iter().any(|known| known == name))
    }
}

/// Reads the tables of a list; `read` makes an entry of one. Drops those that are not used once their keys are decoded.
pub(super) fn entries<T>(
    top: &mut Scope<'_>,
    list: &'static str,
    what: &str,
    using: &Use<'_>,
    mut read: impl FnMut(Scope<'_>, Found<String>) -> Option<T>,
) -> Vec<T> {
    let (mut names, tables) = (BTreeMap::new(), top.tables(list));
    let mut out = Vec::new();
    for (index, (entries, line)) in tables.into_iter().enumerate() {
        let mut t = Scope::new(entries, format!("{list}[{index}]"), line, top.report());
        let missing = Found { value: String::new(), line, key: t.path("name") };
        let name = t.text("name").unwrap_or(missing);
        if names.insert(name.value.clone(), index).is_some() {
            let text = format!("{what} name [{}] is duplicated: names must be unique", name.value);
            t.report().error(name.line, &name.key, text);
        }
        let enabled = t.flag("enabled").unwrap_or(true);
        let used = using.takes(&name.value, enabled);
        t.report().unused = !used;
        out.extend(read(t, name).filter(|_| used));
        top.report().unused = false;
    }
    out.shrink_to_fit();
    out
}

/// A name as the server has it.
pub fn wire_name(user: &str, name: &str) -> String {
    if user.is_empty() { name.to_owned() } else { format!("{user}.{name}") }
}

/// Reads all proxies.
pub(super) fn resolve_all(top: &mut Scope<'_>, using: &Use<'_>) -> Vec<Proxy> {
    entries(top, "proxies", "proxy", using, |t, name| resolve(t, name, using))
}

fn resolve(mut t: Scope<'_>, name: Found<String>, using: &Use<'_>) -> Option<Proxy> {
    let line = t.line();
    if name.value.is_empty() {
        t.report().invalid(name.line, &name.key, "name should not be empty");
    }
    let name = name.value;
    let row = kind::find(&mut t)?;
    let mut announce = NewProxy { proxy_type: row.name.to_owned(), ..NewProxy::default() };
    announce.metas = t.map("metadatas");
    announce.annotations = annotations::read(&mut t);
    let mut group = t.table("loadBalancer");
    announce.group = group.text_or_empty("group");
    announce.group_key = group.text_or_empty("groupKey");
    group.finish(&[]);
    let (limit, proxy_protocol) = transport(t.table("transport"), &mut announce);
    let (given, place) = (t.has_table("plugin"), t.line_of("plugin").unwrap_or(line));
    let plugin = plugin::resolve(t.table("plugin"), given).map(Box::new);
    if let Some(plugin) = &plugin {
        let key = t.path("plugin");
        let text = format!("the plugin {} is not in this build yet: serve it by a local port", plugin.name());
        t.report().lacks(place, &key, text);
    }
    let local_host = local_host(&mut t);
    let local_port = local_port(&mut t, given);
    let place = t.line_of("healthCheck").unwrap_or(line);
    let health_check = health::read(t.table("healthCheck")).filter(|_| local_port > 0);
    if health_check.is_some() {
        let key = t.path("healthCheck");
        t.report().lacks(place, &key, "health checks are not in this build yet: remove them");
    }
    (row.read)(&mut t, &mut announce);
    let disable_assisted_addrs = row.kind == Kind::Xtcp && nat_traversal(&mut t);
    let wire_name = wire_name(using.user, &name);
    let heavy = if length(&announce.metas) > length(&announce.annotations) { "metadatas" } else { "annotations" };
    let (use_encryption, use_compression) = (announce.use_encryption, announce.use_compression);
    let announce = PackedProxy::new(announce);
    fits(&mut t, &announce.named(&wire_name), heavy, &name);
    let stored = t.report().is_stored(line);
    t.finish(using.above);
    Some(Proxy {
        name,
        kind: row.kind,
        wire_name,
        announce,
        use_encryption,
        use_compression,
        local_host,
        local_port,
        plugin,
        health_check: health_check.map(Box::new),
        limit,
        proxy_protocol,
        disable_assisted_addrs,
        stored,
    })
}

/// `natTraversal.disableAssistedAddrs`, of proxies and visitors.
pub(super) fn nat_traversal(t: &mut Scope<'_>) -> bool {
    let mut t = t.table("natTraversal");
    let disabled = t.flag("disableAssistedAddrs").unwrap_or(false);
    t.finish(&[]);
    disabled
}

fn local_host(t: &mut Scope<'_>) -> String {
    let Some(Found { value, line, key }) = t.text("localIP") else { return "127.0.0.1".to_owned() };
    if value.contains('%') {
        t.report().lacks(line, &key, NO_ZONES);
    }
    value
}

/// `localPort`; only who has no plugin needs a valid one.
fn local_port(t: &mut Scope<'_>, plugin: bool) -> u16 {
    let Some(Found { value, line, key }) = t.int("localPort") else { return 0 };
    let port = u16::try_from(value);
    if port.is_err() && !plugin {
        let text = format!("localPort: localPort: port number {value} must be in the range 0..65535");
        t.report().invalid(line, &key, text);
    }
    port.unwrap_or(0)
}

fn length(map: &Map) -> usize {
    map.iter().map(|(k, v)| k.len() + v.len()).sum()
}

/// Refuses what the server would never take: the message that announces the proxy has a limit. `heavy` is the key that has
/// most of it.
fn fits(t: &mut Scope<'_>, announce: &NamedProxy<'_>, heavy: &str, name: &str) {
    let Err(TooLong { size, .. }) = frame::encode_one(announce, &mut Vec::new()) else {
        return;
    };
    let (line, key) = (t.line(), t.path(heavy));
    let limit = frame::MAX_BODY;
    let text = format!("proxy [{name}] takes {size} bytes to announce, the frp protocol allows {limit}: shorten this");
    t.report().lacks(line, &key, text);
}

fn transport(mut t: Scope<'_>, p: &mut NewProxy) -> (Option<u64>, Option<ProxyProtocol>) {
    p.use_encryption = t.flag("useEncryption").unwrap_or(false);
    p.use_compression = t.flag("useCompression").unwrap_or(false);
    let mode = t.text("bandwidthLimitMode");
    if let Some(f) = mode.as_ref().filter(|f| !["client", "server"].contains(&f.value.as_str())) {
        t.report().invalid(f.line, &f.key, "bandwidth limit mode should be client or server");
    }
    let mut limit = None;
    if let Some(f) = t.text("bandwidthLimit") {
        match limit::parse(f.value.trim()) {
            Ok(bytes) => limit = bytes,
            Err(text) => t.report().error(f.line, &f.key, format!("{text}: a number with KB or MB, such as \"1.5MB\"")),
        }
        let by_server = mode.is_some_and(|m| m.value == "server");
        limit = limit.filter(|_| !by_server);
        if limit.is_some() {
            let text = "limits on the client's side are not in this build yet: add bandwidthLimitMode = \"server\"";
            t.report().lacks(f.line, &f.key, text);
        }
        f.value.trim().clone_into(&mut p.bandwidth_limit);
        if by_server {
            p.bandwidth_limit_mode = "server".to_owned();
        }
    }
    let version = t.text("proxyProtocolVersion");
    let proxy_protocol = match version.as_ref().map(|f| f.value.as_str()) {
        None => None,
        Some("v1") => Some(ProxyProtocol::V1),
        Some("v2") => Some(ProxyProtocol::V2),
        Some(other) => {
            let (line, key) = version.as_ref().map(|f| (f.line, f.key.clone())).unwrap_or_default();
            t.report().invalid(line, &key, format!("not support proxy protocol version: {other}"));
            None
        }
    };
    if let Some(f) = version.filter(|_| proxy_protocol.is_some()) {
        t.report().lacks(f.line, &f.key, "the PROXY protocol is not in this build yet: remove it");
    }
    t.finish(&[]);
    (limit, proxy_protocol)
}
