//! The visitors: local ports that lead to another client's secret proxies.
//!
//! Owns their keys, defaults and checks. Does not listen. Always true: names are unique in what it returns, and only xtcp
//! has [`Xtcp`]. Worst case: the visitors themselves.

use super::proxy::{Use, entries, nat_traversal, wire_name};
use super::scope::{Found, Scope};
use crate::proto::time::{Duration, millis, secs};

/// One visitor.
#[derive(Clone, PartialEq, Eq)]
pub struct Visitor {
    /// `name`.
    pub name: String,
    /// `type`.
    pub kind: VisitorKind,
    /// `serverName` and `serverUser`, as the server knows the proxy.
    pub target: String,
    /// `secretKey`.
    pub secret_key: String,
    /// `bindAddr`.
    pub bind_addr: String,
    /// `bindPort`; `None`: no listener, only for what other visitors hand over.
    pub bind_port: Option<u16>,
    /// `transport.useEncryption`.
    pub use_encryption: bool,
    /// `transport.useCompression`.
    pub use_compression: bool,
    /// `plugin`.
    pub plugin: Option<VisitorPlugin>,
    /// What only xtcp has.
    pub xtcp: Option<Box<Xtcp>>,
}

impl core::fmt::Debug for Visitor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Visitor {{ {}, {} to {} }}", self.name, self.kind.name(), self.target)
    }
}

/// `type` of a visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VisitorKind {
    /// By the server.
    Stcp,
    /// By the server, over UDP.
    Sudp,
    /// Past the server.
    Xtcp,
}

/// `plugin` of a visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VisitorPlugin {
    /// `virtual_net`: its `destinationIP`, which is not checked here.
    VirtualNet(String),
}

/// Keys of xtcp visitors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xtcp {
    /// `protocol`.
    pub protocol: TunnelProtocol,
    /// `keepTunnelOpen`.
    pub keep_tunnel_open: bool,
    /// `maxRetriesAnHour`; at least 1.
    pub max_retries_an_hour: u32,
    /// `minRetryInterval`; at least 1 s.
    pub min_retry_interval: Duration,
    /// `fallbackTo`: another visitor's name; empty if unset.
    pub fallback_to: String,
    /// `fallbackTimeoutMs`.
    pub fallback_timeout: Duration,
    /// `natTraversal.disableAssistedAddrs`.
    pub disable_assisted_addrs: bool,
}

/// What an xtcp tunnel is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelProtocol {
    /// `quic`.
    Quic,
    /// `kcp`.
    Kcp,
}

const KINDS: [(&str, VisitorKind); 3] =
    [("stcp", VisitorKind::Stcp), ("sudp", VisitorKind::Sudp), ("xtcp", VisitorKind::Xtcp)];

impl VisitorKind {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// Reads all visitors.
pub(super) fn resolve_all(top: &mut Scope<'_>, using: &Use<'_>) -> Vec<Visitor> {
    entries(top, "visitors", "visitor", using, |t, name| resolve(t, name, using))
}

fn resolve(mut t: Scope<'_>, name: Found<String>, using: &Use<'_>) -> Option<Visitor> {
    let line = t.line();
    if name.value.is_empty() {
        t.report().invalid(name.line, &name.key, "name is required");
    }
    let kind = kind(&mut t)?;
    let server_name = required(&mut t, "serverName", "server name is required");
    let server_user = t.text("serverUser").map(|f| f.value);
    let target = wire_name(server_user.as_deref().unwrap_or(using.user), &server_name);
    let secret_key = t.text_or_empty("secretKey");
    let bind_addr = t.text("bindAddr").map_or_else(|| "127.0.0.1".to_owned(), |f| f.value);
    let bind_port = t.int("bindPort");
    if bind_port.is_none() {
        let key = t.path("bindPort");
        t.report().invalid(line, &key, "bind port is required");
    }
    let bind_port = bind_port.and_then(|f| u16::try_from(f.value).ok());
    let mut transport = t.table("transport");
    let use_encryption = transport.flag("useEncryption").unwrap_or(false);
    let use_compression = transport.flag("useCompression").unwrap_or(false);
    transport.finish(&[]);
    let given = t.has_table("plugin");
    let plugin = plugin(t.table("plugin"), given);
    let xtcp = (kind == VisitorKind::Xtcp).then(|| Box::new(xtcp(&mut t)));
    let key = t.path("type");
    t.report().lacks(line, &key, "visitors are not in this build yet: keep frpc for them, or disable them");
    t.finish(using.above);
    Some(Visitor {
        name: name.value,
        kind,
        target,
        secret_key,
        bind_addr,
        bind_port,
        use_encryption,
        use_compression,
        plugin,
        xtcp,
    })
}

fn kind(t: &mut Scope<'_>) -> Option<VisitorKind> {
    let (line, path) = (t.line(), t.path("type"));
    let found = t.text("type");
    let (line, key, name) = found.map_or((line, path, String::new()), |f| (f.line, f.key, f.value));
    let kind = KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    match kind {
        None if name.is_empty() => {
            t.report().error(line, &key, "unknown visitor type: there is none; write type = \"stcp\"");
        }
        None => t.report().error(line, &key, format!("unknown visitor type: {name}")),
        Some(_) => {}
    }
    kind
}

fn required(t: &mut Scope<'_>, key: &'static str, text: &str) -> String {
    let (line, path) = (t.line(), t.path(key));
    t.text(key).map(|f| f.value).unwrap_or_else(|| {
        t.report().invalid(line, &path, text);
        String::new()
    })
}

fn plugin(mut t: Scope<'_>, given: bool) -> Option<VisitorPlugin> {
    if !given {
        return None;
    }
    let (line, path) = (t.line(), t.path("type"));
    let plugin = match t.text("type") {
        None => {
            t.report().error(line, &path, "visitor plugin type is empty: name one, or remove the table");
            return None;
        }
        Some(f) if f.value == "virtual_net" => VisitorPlugin::VirtualNet(t.text_or_empty("destinationIP")),
        Some(f) => {
            t.report().error(f.line, &f.key, format!("unknown visitor plugin type: {}", f.value));
            return None;
        }
    };
    t.finish(&[]);
    Some(plugin)
}

fn xtcp(t: &mut Scope<'_>) -> Xtcp {
    let protocol = t.text("protocol");
    let parsed = match protocol.as_ref().map_or("quic", |f| f.value.as_str()) {
        "quic" => TunnelProtocol::Quic,
        "kcp" => TunnelProtocol::Kcp,
        _ => {
            let (line, key) = protocol.map(|f| (f.line, f.key)).unwrap_or_default();
            t.report().invalid(line, &key, "protocol should be kcp or quic");
            TunnelProtocol::Quic
        }
    };
    let mut number = |key, default: u32| {
        let found = t.int(key).map(|f| u32::try_from(f.value.max(1)).unwrap_or(u32::MAX));
        found.unwrap_or(default)
    };
    let max_retries_an_hour = number("maxRetriesAnHour", 8);
    let min_retry_interval = secs(number("minRetryInterval", 90).into());
    let fallback_timeout = millis(number("fallbackTimeoutMs", 1000).into());
    Xtcp {
        protocol: parsed,
        keep_tunnel_open: t.flag("keepTunnelOpen").unwrap_or(false),
        max_retries_an_hour,
        min_retry_interval,
        fallback_to: t.text_or_empty("fallbackTo"),
        fallback_timeout,
        disable_assisted_addrs: nat_traversal(t),
    }
}
