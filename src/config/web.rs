//! `webServer`: the admin server.
//!
//! Owns the names, defaults and checks of its keys. Does not listen. Always true: a [`WebServer`] has a port; without one
//! there is none, though its other keys are checked as frpc checks them. Worst case: its own texts.

use super::scope::Scope;

/// `webServer`.
#[derive(Clone, PartialEq, Eq)]
pub struct WebServer {
    /// `addr`: host name or address to listen at.
    pub addr: String,
    /// `port`; never 0.
    pub port: u16,
    /// `user`; with an empty `password`, too, nobody is asked.
    pub user: String,
    /// `password`.
    pub password: String,
    /// `assetsDir`: serves the pages from here; empty if unset.
    pub assets_dir: String,
    /// `pprofEnable`.
    pub pprof: bool,
    /// `tls`: HTTPS.
    pub tls: Option<WebTls>,
}

impl core::fmt::Debug for WebServer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "WebServer {{ {}:{}, tls: {} }}", self.addr, self.port, self.tls.is_some())
    }
}

/// `webServer.tls`; its files are not read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebTls {
    /// `certFile`.
    pub cert_file: String,
    /// `keyFile`.
    pub key_file: String,
}

/// Resolves the table.
pub(super) fn resolve(mut t: Scope<'_>) -> Option<WebServer> {
    let addr = t.text("addr").map_or_else(|| "127.0.0.1".to_owned(), |f| f.value);
    let port = t.port("port");
    let (user, password) = (t.text_or_empty("user"), t.text_or_empty("password"));
    let assets_dir = t.text_or_empty("assetsDir");
    let pprof = t.flag("pprofEnable").unwrap_or(false);
    let tls = t.table_if("tls", tls);
    t.finish(&[]);
    (port > 0).then_some(WebServer { addr, port, user, password, assets_dir, pprof, tls })
}

fn tls(mut t: Scope<'_>) -> WebTls {
    let mut file = |key, name: &str| {
        let (line, path) = (t.line(), t.path(key));
        let found = t.text(key);
        if found.is_none() {
            t.report().error(line, &path, format!("{name} must be specified when tls is enabled"));
        }
        found.map(|f| f.value).unwrap_or_default()
    };
    let (cert_file, key_file) = (file("certFile", "tls.certFile"), file("keyFile", "tls.keyFile"));
    // Known to frpc, of no use to a server.
    t.text("trustedCaFile");
    t.text("serverName");
    t.finish(&[]);
    WebTls { cert_file, key_file }
}
