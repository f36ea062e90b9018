//! The user's file: as written, then resolved.
//!
//! Owns the keys of `frpc.toml` (frp 0.70.1), their defaults and checks. Does not act on any of them. Always true: a
//! [`Config`] is complete and consistent: nothing in it has still to be defaulted; only [`load()`] and [`parse`] make one.
//! Worst case: a file of [`MAX_FILE`] and a small multiple of it while it is read.
//!
//! The way of a file: [`load()`] reads the bytes, `tree` turns the text into tables with line numbers, `scope` takes keys
//! out of a table with their types and complains about the rest, `client` and `proxy` know the keys. A further format
//! (YAML, JSON, INI) is one more function that makes a tree; a further kind of proxy is one more row in `proxy`.

mod auth;
mod changes;
mod client;
mod file;
mod finding;
mod flags;
mod format;
mod include;
#[cfg(feature = "ini")]
mod legacy;
#[cfg_attr(not(feature = "lints"), path = "lint_off.rs")]
mod lint;
mod load;
#[cfg(any(feature = "templates", feature = "ini", feature = "yaml"))]
mod numbers;
mod plugin;
mod proxy;
mod redial;
mod scope;
mod source;
pub mod store;
#[cfg(feature = "templates")]
mod template;
mod transport;
mod tree;
mod trees;
mod unknown;
mod visitor;
mod web;

pub use auth::{Auth, Command, Oidc, Secret};
pub use file::{Files, MAX_FILE, Want};
pub use finding::{Finding, Severity};
pub use flags::{Flag, FlagValue};
pub use load::{Loaded, Loader, Purpose, Strictness, load, parse};
pub use plugin::{Backend, Login, Plugin};
pub(crate) use proxy::limit;
pub use proxy::{HealthCheck, Kind, Probe, Proxy, ProxyProtocol, wire_name};
pub use redial::{Extension, Family, Server, StateFile, Way};
pub use transport::{Protocol, Quic, Tls, Transport};
pub use visitor::{TunnelProtocol, Visitor, VisitorKind, VisitorPlugin, Xtcp};
pub use web::{WebServer, WebTls};

use crate::wire::msg::Map;
use std::net::SocketAddr;

/// Everything a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file all this came from, as the user named it; empty if it came from flags.
    pub file: String,
    /// `serverAddr`: host name or address, without brackets.
    pub server_host: String,
    /// `serverPort`.
    pub server_port: u16,
    /// `user`; empty if unset.
    pub user: String,
    /// `clientID`; empty if unset.
    pub client_id: String,
    /// `metadatas`.
    pub metas: Map,
    /// `loginFailExit`: end the program if the first login fails.
    pub login_fail_exit: bool,
    /// `dnsServer`, in place of the system's.
    pub dns_server: Option<SocketAddr>,
    /// `auth`.
    pub auth: Auth,
    /// `log`.
    pub log: Log,
    /// `webServer`; `None` without a port.
    pub web_server: Option<WebServer>,
    /// `store.path`, from the working directory.
    pub store_path: Option<String>,
    /// `transport`.
    pub transport: Transport,
    /// `redial`.
    pub extension: Extension,
    /// `natHoleStunServer`.
    pub stun_server: String,
    /// `udpPacketSize`.
    pub udp_packet_size: u32,
    /// The proxies that are enabled and started, in the order of the file.
    pub proxies: Vec<Proxy>,
    /// The visitors that are enabled and started.
    pub visitors: Vec<Visitor>,
}

/// `log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// `log.to`: a file, or `None` for standard output.
    pub file: Option<String>,
    /// `log.level`.
    pub level: log::LevelFilter,
    /// `log.maxDays`: days to keep rotated files; `None` keeps all.
    pub max_days: Option<u32>,
    /// Not `log.disablePrintColor`: colours on a terminal.
    pub color: bool,
}

#[cfg(test)]
#[cfg(feature = "tls")]
mod tests;
#[cfg(test)]
#[cfg(not(feature = "tls"))]
#[path = "tests/without_tls.rs"]
mod tests;
