//! The keys above the proxies.
//!
//! Owns their names, defaults and checks. Does not know the keys of a proxy. Always true: a key of frpc that we cannot
//! act on is refused or warned about, never swallowed. Worst case: the configuration itself.

use super::auth;
use super::finding::NO_ZONES;
use super::finding::Severity::{Error, Warning};
use super::proxy;
use super::redial;
use super::scope::{Found, Scope};
use super::web;
use super::{Config, Log, Tls, Transport};
use crate::proto::time::{Duration, secs};
use std::net::{IpAddr, SocketAddr};

/// Keys that belong above the first `[[proxies]]`; found inside one they are misplaced.
const TOP: [&str; 15] = [
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
];

/// `transport.dialServerKeepalive` unless set, in seconds. frpc's 7200 keeps what died with the line for two hours.
const KEEPALIVE: i64 = 15;

/// The largest whole number of seconds that is taken: a year.
const YEAR: i64 = 366 * 86_400;

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
    let transport = transport(top.table("transport"));
    let extension = redial::resolve(top.table("redial"), server_port);
    unsupported(&mut top);
    let start: Vec<String> = top.texts("start").into_iter().map(|f| f.value).collect();
    let proxies = proxy::resolve_all(&mut top, &user, &start, &TOP);
    if proxies.is_empty() && !top.report().failed() {
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
        transport: transport?,
        extension,
        proxies,
    })
}

fn server(top: &mut Scope<'_>) -> (String, u16) {
    let found = top.text("serverAddr");
    let port = match top.port("serverPort") {
        0 => 7000,
        port => port,
    };
    let Some(Found { value, line, key }) = found else { return ("0.0.0.0".to_owned(), port) };
    let host = value.trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.contains('%') {
        top.report().error(line, &key, NO_ZONES);
    } else if host.contains(':') && host.parse::<IpAddr>().is_err() {
        let text = "serverAddr is a name or address without port; put the port into serverPort";
        top.report().add(Warning, line, &key, text);
    }
    (host, port)
}

fn dns(top: &mut Scope<'_>) -> Option<SocketAddr> {
    let Found { value, line, key } = top.text("dnsServer")?;
    let bare = value.trim_start_matches('[').trim_end_matches(']');
    let parsed = value.parse().ok().or_else(|| Some(SocketAddr::new(bare.parse().ok()?, 53)));
    if parsed.is_none() {
        top.report().error(line, &key, format!("\"{value}\" is no IP address (with or without port)"));
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
    let days = t.int_in("maxDays", -YEAR..=YEAR).unwrap_or(3);
    let color = !t.flag("disablePrintColor").unwrap_or(false);
    t.finish(&[]);
    Log { file, level: parsed, max_days: u32::try_from(days).ok(), color }
}

fn transport(mut t: Scope<'_>) -> Option<Transport> {
    for (key, wanted, valid) in [("protocol", "tcp", "[tcp kcp quic websocket wss]"), ("wireProtocol", "v1", "[v1 v2]")]
    {
        if let Some(f) = t.text(key).filter(|f| f.value != wanted) {
            let known = valid.trim_matches(['[', ']']).split(' ').any(|v| v == f.value);
            let text = if known {
                format!("{} is not supported yet: use \"{wanted}\"", f.value)
            } else {
                format!("invalid transport.{key}, optional values are {valid}")
            };
            t.report().error(f.line, &f.key, text);
        }
    }
    t.later("proxyURL", Error, "connecting through a proxy is not supported yet: remove it");
    t.ignore("quic");
    let dial_timeout = dial_timeout(&mut t);
    let keepalive = keepalive(&mut t);
    let local_ip = local_ip(&mut t);
    let pool_count = pool_count(&mut t);
    let tcp_mux = t.flag("tcpMux").unwrap_or(true);
    let mux_keepalive = mux_keepalive(&mut t);
    let (heartbeat_interval, heartbeat_timeout) = heartbeats(&mut t, tcp_mux);
    let tls = tls(t.table("tls"));
    t.finish(&[]);
    Some(Transport {
        dial_timeout,
        keepalive,
        local_ip,
        pool_count,
        tcp_mux,
        mux_keepalive,
        heartbeat_interval,
        heartbeat_timeout,
        tls,
    })
}

fn web_server(top: &mut Scope<'_>) -> Option<web::WebServer> {
    let line = top.line_of("webServer").unwrap_or(0);
    let found = web::resolve(top.table("webServer"));
    if found.is_some() {
        top.report().add(Warning, line, "webServer", "the admin server is not supported yet: none is started");
    }
    found
}

fn store_path(top: &mut Scope<'_>) -> Option<String> {
    let mut t = top.table("store");
    let found = t.text("path");
    if let Some(f) = &found {
        t.report().add(Warning, f.line, &f.key, "the proxy store is not supported yet: it is not read");
    }
    t.finish(&[]);
    found.map(|f| f.value)
}

/// Warns about a number and goes on.
fn warn(t: &mut Scope<'_>, found: &Found<i64>, text: &str) {
    t.report().add(Warning, found.line, &found.key, text);
}

fn dial_timeout(t: &mut Scope<'_>) -> Duration {
    match t.int("dialServerTimeout") {
        Some(f) if f.value < 0 => {
            warn(t, &f, "a negative limit would end every connection attempt at once: using the default, 10 s");
            secs(10)
        }
        Some(f) => {
            if f.value < 5 {
                warn(
                    t,
                    &f,
                    "it covers name look-up and TCP connection; on a slow link logins may fail in a loop: use 10",
                );
            }
            secs(f.value.min(YEAR).unsigned_abs())
        }
        None => secs(10),
    }
}

fn keepalive(t: &mut Scope<'_>) -> Option<Duration> {
    let found = t.int("dialServerKeepalive");
    if let Some(f) = found.as_ref().filter(|f| (1..5).contains(&f.value)) {
        let text = "it is in seconds: so short a time makes the kernel probe the link all the time; the default is 15";
        warn(t, f, text);
    }
    let idle = found.map_or(KEEPALIVE, |f| f.value);
    u64::try_from(idle).ok().map(|idle| secs(idle.min(32_767)))
}

fn local_ip(t: &mut Scope<'_>) -> Option<IpAddr> {
    let Found { value, line, key } = t.text("connectServerLocalIP")?;
    let parsed = value.parse().ok();
    if parsed.is_none() {
        t.report().add(Warning, line, &key, format!("\"{value}\" is no IP address: it is ignored"));
    }
    parsed
}

fn pool_count(t: &mut Scope<'_>) -> u32 {
    let Some(f) = t.int("poolCount") else { return 1 };
    if f.value < 0 {
        warn(t, &f, "it must not be negative, which can take the server down: using 1");
    }
    u32::try_from(f.value).unwrap_or(1)
}

fn mux_keepalive(t: &mut Scope<'_>) -> Duration {
    let Some(f) = t.int("tcpMuxKeepaliveInterval") else { return secs(30) };
    if f.value < 0 {
        warn(t, &f, "a negative interval would send pings without pause: using 1 s");
    }
    secs(f.value.clamp(1, YEAR).unsigned_abs())
}

/// frpc's rule: off with tcpMux unless set, else 30 and 90 s; answers are awaited only when both are on.
fn heartbeats(t: &mut Scope<'_>, tcp_mux: bool) -> (Option<Duration>, Option<Duration>) {
    let (set_interval, set_timeout) = (t.int("heartbeatInterval"), t.int("heartbeatTimeout"));
    let interval = set_interval.as_ref().map_or(if tcp_mux { -1 } else { 30 }, |f| f.value);
    let timeout = set_timeout.as_ref().map_or(if tcp_mux { -1 } else { 90 }, |f| f.value);
    let set = set_timeout.or_else(|| set_interval.clone());
    if let Some(f) = set.filter(|_| interval > 0 && timeout > 0 && timeout < interval) {
        let text = "invalid transport.heartbeatTimeout, heartbeat timeout should not less than heartbeat interval";
        t.report().error(f.line, &f.key, text);
    }
    if let Some(f) = set_interval.filter(|f| f.value < 0 && !tcp_mux) {
        warn(t, &f, "with tcpMux off the server ends sessions without heartbeats after 90 s: remove it");
    }
    let seconds = |n: i64| u64::try_from(n).ok().filter(|n| *n > 0).map(|n| secs(n.min(YEAR.unsigned_abs())));
    let interval = seconds(interval);
    (interval, interval.and_then(|_| seconds(timeout)))
}

fn tls(mut t: Scope<'_>) -> Option<Tls> {
    let enable = t.flag("enable").unwrap_or(true);
    let first_byte = !t.flag("disableCustomTLSFirstByte").unwrap_or(true);
    let server_name = t.text("serverName").map(|f| f.value);
    let (cert, key, trusted) = (t.text("certFile"), t.text("keyFile"), t.text("trustedCaFile"));
    if enable && !cfg!(feature = "tls") {
        let line = t.line();
        t.report().error(line, "transport.tls.enable", "this redial is built without TLS: set it to false");
    }
    let mut read = |found: Option<Found<String>>| {
        let Found { value, line, key } = found?;
        if !enable {
            let text = format!("{key} is invalid when transport.tls.enable is false");
            t.report().add(Warning, line, &key, text);
            return None;
        }
        t.report().files.read(&value).map_err(|text| t.report().error(line, &key, text)).ok()
    };
    let trusted_ca = read(trusted);
    let (cert, key) = match (cert, key) {
        (Some(alone), None) | (None, Some(alone)) if enable => {
            let text = "a client certificate needs both certFile and keyFile: it is ignored";
            t.report().add(Warning, alone.line, &alone.key, text);
            (None, None)
        }
        (cert, key) => (read(cert), read(key)),
    };
    t.finish(&[]);
    enable.then_some(Tls { first_byte, server_name, trusted_ca, cert, key })
}

/// Keys of frpc for parts that are not there yet.
fn unsupported(top: &mut Scope<'_>) {
    top.ignore("version");
    top.ignore("natHoleStunServer");
    top.ignore("udpPacketSize");
    // Read before: see `include`.
    let _ = top.texts("includes");
    top.later("featureGates", Warning, "feature gates are not supported yet: none is opened");
    top.later("virtualNet", Error, "virtual networks are not supported yet: remove it");
    top.later("visitors", Error, "visitors are not supported yet: remove them, or keep frpc for them");
}
