//! The keys above the proxies.
//!
//! Owns their names, defaults and checks. Does not know the keys of a proxy. Always true: a key of frpc that we cannot
//! act on is refused or warned about, never swallowed. Worst case: the configuration itself.

use super::finding::NO_ZONES;
use super::finding::Severity::Warning;
use super::load::Purpose;
use super::proxy::{self, Use};
use super::scope::{Found, Scope};
use super::{Config, Log, auth, redial, store, transport, visitor, web};
use std::net::SocketAddr;

/// Keys that belong above the first `[[proxies]]`; found inside one they are misplaced.
const TOP: [&str; 16] = [
    "serverAddr",
    "serverPort",
    "user",
    "clientID",
    "loginFailExit",
    "dnsServer",
    "auth",
    "log",
    "webServer",
    "start",
    "includes",
    "udpPacketSize",
    "natHoleStunServer",
    "featureGates",
    "store",
    "virtualNet",
];

/// The largest number of days that is taken.
const MAX_DAYS: i64 = 366 * 1000;

/// `natHoleStunServer` unless set.
const STUN: &str = "stun.easyvoip.com:3478";

/// Resolves the whole file; `None` if it cannot be used, which the report explains.
pub(super) fn resolve(mut top: Scope<'_>) -> Option<Config> {
    let (server_host, server_port) = server(&mut top);
    let login_fail_exit = top.flag("loginFailExit").unwrap_or(true);
    let dns_server = dns(&mut top);
    let metas = top.map("metadatas");
    let (user, client_id) = (top.text_or_empty("user"), top.text_or_empty("clientID"));
    let auth = auth::resolve(top.table("auth"));
    let log = log(top.table("log"));
    let web_server = web_server(&mut top);
    let store_path = store_path(&mut top);
    let transport = transport::resolve(top.table("transport"));
    let extension = redial::resolve(top.table("redial"), server_port);
    let _ = top.text("version");
    // Read before: see `include`.
    let _ = top.texts("includes");
    let stun_server = top.text("natHoleStunServer").map_or_else(|| STUN.to_owned(), |f| f.value);
    let udp_packet_size = udp_packet_size(&mut top);
    virtual_net(&mut top);
    let start: Vec<String> = top.texts("start").into_iter().map(|f| f.value).collect();
    let using = Use { user: &user, start: &start, above: &TOP };
    let proxies = proxy::resolve_all(&mut top, &using);
    let visitors = visitor::resolve_all(&mut top, &using);
    // A store may bring some while it runs.
    if proxies.is_empty() && visitors.is_empty() && store_path.is_none() && !top.report().failed() {
        let text = "there is no proxy to run: add a [[proxies]] table (or correct \"start\")";
        top.report().add(Warning, 0, "proxies", text);
    }
    let file = top.report().file.clone();
    top.finish(&[]);
    Some(Config {
        file,
        server_host,
        server_port,
        user,
        client_id,
        metas,
        login_fail_exit,
        dns_server,
        auth,
        log,
        web_server,
        store_path,
        transport,
        extension,
        stun_server,
        udp_packet_size,
        proxies,
        visitors,
    })
}

fn server(top: &mut Scope<'_>) -> (String, u16) {
    let found = top.text("serverAddr");
    let port = top.int("serverPort");
    if let Some(f) = port.as_ref().filter(|f| u16::try_from(f.value).is_err()) {
        top.report().stops(f.line, &f.key, format!("serverPort = {} is not a valid port", f.value));
    }
    let port = port.and_then(|f| u16::try_from(f.value).ok()).unwrap_or(7000);
    let Some(Found { value, line, key }) = found else { return ("0.0.0.0".to_owned(), port) };
    if value.contains('%') {
        top.report().lacks(line, &key, NO_ZONES);
    }
    (value.trim_start_matches('[').trim_end_matches(']').to_owned(), port)
}

fn dns(top: &mut Scope<'_>) -> Option<SocketAddr> {
    let Found { value, line, key } = top.text("dnsServer")?;
    let bare = value.trim_start_matches('[').trim_end_matches(']');
    let parsed = value.parse().ok().or_else(|| Some(SocketAddr::new(bare.parse().ok()?, 53)));
    if parsed.is_none() {
        top.report().stops(line, &key, format!("\"{value}\" is no IP address (with or without port)"));
    }
    parsed
}

fn log(mut t: Scope<'_>) -> Log {
    let level = t.text("level");
    let parsed = match level.as_ref().map_or("info", |f| f.value.as_str()) {
        "trace" => log::LevelFilter::Trace,
        "debug" => log::LevelFilter::Debug,
        "info" => log::LevelFilter::Info,
        "warn" => log::LevelFilter::Warn,
        "error" => log::LevelFilter::Error,
        _ => {
            let (line, key) = level.map_or((0, String::new()), |f| (f.line, f.key));
            t.report().error(line, &key, "invalid log level, optional values are [trace debug info warn error]");
            log::LevelFilter::Info
        }
    };
    let file = t.text("to").map(|f| f.value).filter(|to| to != "console");
    let days = t.int("maxDays").map_or(3, |f| f.value.min(MAX_DAYS));
    let color = !t.flag("disablePrintColor").unwrap_or(false);
    t.finish(&[]);
    Log { file, level: parsed, max_days: u32::try_from(days).ok(), color }
}

fn web_server(top: &mut Scope<'_>) -> Option<web::WebServer> {
    let line = top.line_of("webServer").unwrap_or(0);
    let found = web::resolve(top.table("webServer"));
    if found.is_some() && !cfg!(feature = "admin") {
        top.report().lacks(line, "webServer.port", "this redial is built without \"admin\"");
    }
    found
}

fn store_path(top: &mut Scope<'_>) -> Option<String> {
    let mut t = top.table("store");
    let found = t.text("path");
    t.finish(&[]);
    let found = found?;
    if !cfg!(feature = "json") {
        top.report().error(
            found.line,
            &found.key,
            "this redial is built without JSON, which the store needs: remove it",
        );
    }
    Some(store::path(&top.report().file, &found.value))
}

/// `udpPacketSize`; what is no size counts as unset.
fn udp_packet_size(top: &mut Scope<'_>) -> u32 {
    let found = top.int("udpPacketSize").map_or(1500, |f| f.value);
    u32::try_from(found).unwrap_or(1500)
}

/// `featureGates` and `virtualNet`. frpc looks at the gates only when it runs: no file with a virtual network passes its
/// `verify`.
fn virtual_net(top: &mut Scope<'_>) {
    let mut open = false;
    for gate in top.flags("featureGates") {
        let (name, on) = gate.value;
        open |= name == "VirtualNet" && on;
        if name != "VirtualNet" {
            top.report().stops(gate.line, &gate.key, format!("unrecognized feature gate: {name}"));
        }
    }
    open &= top.report().loader.purpose == Purpose::Run;
    let mut t = top.table("virtualNet");
    if let Some(f) = t.text("address") {
        let text = if open {
            "virtual networks are not in this build yet: remove it"
        } else {
            "VirtualNet feature is not enabled; enable it by setting the appropriate feature gate flag"
        };
        t.report().error(f.line, &f.key, text);
    }
    t.finish(&[]);
}
