//! Plugins: what answers in place of a local service; one row each.
//!
//! Owns their names, keys, defaults and checks. Does not run one. Always true: what a plugin cannot do without is there.
//! Worst case: its own texts.

use super::proxy::headers;
use super::scope::{Found, Scope};
use crate::wire::msg::Map;

/// `plugin` of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plugin {
    /// `http_proxy`: a forward proxy.
    HttpProxy(Login),
    /// `socks5`: a SOCKS server.
    Socks5(Login),
    /// `static_file`: files of a directory.
    StaticFile {
        /// `localPath`.
        path: String,
        /// `stripPrefix`.
        strip_prefix: String,
        /// `httpUser` and `httpPassword`.
        login: Login,
    },
    /// `unix_domain_socket`: its `unixPath`.
    UnixDomainSocket(String),
    /// `http2https`: HTTP requests, passed on by HTTPS.
    Http2Https(Backend),
    /// `http2http`: HTTP requests, passed on with other headers.
    Http2Http(Backend),
    /// `https2http`: ends TLS, passes requests on by HTTP.
    Https2Http(Backend),
    /// `https2https`: ends TLS, passes requests on by HTTPS.
    Https2Https(Backend),
    /// `tls2raw`: ends TLS, passes bytes on.
    Tls2Raw(Backend),
    /// `virtual_net`: the virtual network.
    VirtualNet,
}

/// Who may use a plugin; anybody if both are empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// `httpUser` or `username`.
    pub user: String,
    /// `httpPassword` or `password`.
    pub password: String,
}

impl core::fmt::Debug for Login {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Login { .. }")
    }
}

/// What a plugin passes things on to, and how; keys that it has not are as if unset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// `localAddr`.
    pub addr: String,
    /// `hostHeaderRewrite`.
    pub host_header_rewrite: String,
    /// `requestHeaders.set`.
    pub headers: Map,
    /// `enableHTTP2`.
    pub http2: bool,
    /// `crtPath`; empty: a certificate of its own making.
    pub crt_path: String,
    /// `keyPath`.
    pub key_path: String,
}

type Read = fn(&mut Scope<'_>) -> Plugin;

const ROWS: [(&str, Read); 10] = [
    ("http_proxy", |t| Plugin::HttpProxy(login(t, "httpUser", "httpPassword"))),
    ("socks5", |t| Plugin::Socks5(login(t, "username", "password"))),
    ("static_file", static_file),
    ("unix_domain_socket", |t| Plugin::UnixDomainSocket(required(t, "unix_domain_socket", "unixPath"))),
    ("http2https", |t| Plugin::Http2Https(http(t, "http2https"))),
    ("http2http", |t| Plugin::Http2Http(http(t, ""))),
    ("https2http", |t| Plugin::Https2Http(https(t, "https2http"))),
    ("https2https", |t| Plugin::Https2Https(https(t, "https2https"))),
    ("tls2raw", |t| Plugin::Tls2Raw(tls(t, "tls2raw"))),
    ("virtual_net", |_| Plugin::VirtualNet),
];

impl Plugin {
    /// Its `type`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::HttpProxy(_) => "http_proxy",
            Self::Socks5(_) => "socks5",
            Self::StaticFile { .. } => "static_file",
            Self::UnixDomainSocket(_) => "unix_domain_socket",
            Self::Http2Https(_) => "http2https",
            Self::Http2Http(_) => "http2http",
            Self::Https2Http(_) => "https2http",
            Self::Https2Https(_) => "https2https",
            Self::Tls2Raw(_) => "tls2raw",
            Self::VirtualNet => "virtual_net",
        }
    }
}

/// Reads a proxy's plugin, if one is `given`.
pub(super) fn resolve(mut t: Scope<'_>, given: bool) -> Option<Plugin> {
    if !given {
        return None;
    }
    let (line, path) = (t.line(), t.path("type"));
    let Some(Found { value, line, key }) = t.text("type") else {
        t.report().error(line, &path, "plugin type is empty: name one, or remove the table");
        return None;
    };
    let Some((_, read)) = ROWS.iter().find(|(name, _)| *name == value) else {
        t.report().error(line, &key, format!("unknown plugin type: {value}"));
        return None;
    };
    let plugin = read(&mut t);
    t.finish(&[]);
    Some(plugin)
}

fn login(t: &mut Scope<'_>, user: &'static str, password: &'static str) -> Login {
    Login { user: t.text_or_empty(user), password: t.text_or_empty(password) }
}

/// A key that the plugin cannot do without.
fn required(t: &mut Scope<'_>, plugin: &str, key: &'static str) -> String {
    let (line, path) = (t.line(), t.path(key));
    t.text(key).map(|f| f.value).unwrap_or_else(|| {
        t.report().invalid(line, &path, format!("plugin {plugin}: {key} is required"));
        String::new()
    })
}

fn static_file(t: &mut Scope<'_>) -> Plugin {
    let path = required(t, "static_file", "localPath");
    let strip_prefix = t.text_or_empty("stripPrefix");
    Plugin::StaticFile { path, strip_prefix, login: login(t, "httpUser", "httpPassword") }
}

/// A backend of a plugin that needs one; with an empty name it does not.
fn backend(t: &mut Scope<'_>, plugin: &str) -> Backend {
    let addr = if plugin.is_empty() { t.text_or_empty("localAddr") } else { required(t, plugin, "localAddr") };
    let (crt_path, key_path) = (String::new(), String::new());
    Backend { addr, host_header_rewrite: String::new(), headers: Map::new(), http2: true, crt_path, key_path }
}

fn http(t: &mut Scope<'_>, plugin: &str) -> Backend {
    let host_header_rewrite = t.text_or_empty("hostHeaderRewrite");
    let headers = headers(t, "requestHeaders");
    Backend { host_header_rewrite, headers, ..backend(t, plugin) }
}

fn tls(t: &mut Scope<'_>, plugin: &str) -> Backend {
    let (crt_path, key_path) = (t.text_or_empty("crtPath"), t.text_or_empty("keyPath"));
    Backend { crt_path, key_path, ..backend(t, plugin) }
}

fn https(t: &mut Scope<'_>, plugin: &str) -> Backend {
    let (crt_path, key_path) = (t.text_or_empty("crtPath"), t.text_or_empty("keyPath"));
    let http2 = t.flag("enableHTTP2").unwrap_or(true);
    Backend { crt_path, key_path, http2, ..http(t, plugin) }
}
