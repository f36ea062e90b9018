//! `transport`: how the server is reached.
//!
//! Owns its keys, defaults and checks. Does not connect. Always true: times that would harm are put right, and the user is
//! told; the files of TLS are read only by who is going to run. Worst case: those files.

use super::finding::Severity::Warning;
use super::load::Purpose;
use super::scope::{Found, Scope};
use crate::proto::time::{Duration, secs};
use std::net::IpAddr;

/// `transport`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    /// `protocol`.
    pub protocol: Protocol,
    /// `wireProtocol` is `v2`.
    pub wire_v2: bool,
    /// `proxyURL`; empty if unset.
    pub proxy_url: String,
    /// `quic`.
    pub quic: Quic,
    /// `dialServerTimeout`: for look-up and TCP connection.
    pub dial_timeout: Duration,
    /// `dialServerKeepalive`: idle time before the first keepalive probe; `None`: no probes.
    pub keepalive: Option<Duration>,
    /// `connectServerLocalIP`.
    pub local_ip: Option<IpAddr>,
    /// `poolCount`; at least 1.
    pub pool_count: u32,
    /// `tcpMux`.
    pub tcp_mux: bool,
    /// `tcpMuxKeepaliveInterval`; at least 1 s.
    pub mux_keepalive: Duration,
    /// `heartbeatInterval`; `None`: no heartbeats.
    pub heartbeat_interval: Option<Duration>,
    /// `heartbeatTimeout`; `None`: answers are not awaited. Never without an interval.
    pub heartbeat_timeout: Option<Duration>,
    /// `tls`; `None`: plain.
    pub tls: Option<Tls>,
}

/// `transport.tls`, its files already read (not to verify).
#[derive(Clone, PartialEq, Eq)]
pub struct Tls {
    /// Not `disableCustomTLSFirstByte`: announce TLS by the byte 0x17.
    pub first_byte: bool,
    /// `serverName`; without it the server's host.
    pub server_name: Option<String>,
    /// Content of `trustedCaFile`; without it the server is not verified.
    pub trusted_ca: Option<Vec<u8>>,
    /// Content of `certFile`.
    pub cert: Option<Vec<u8>>,
    /// Content of `keyFile`.
    pub key: Option<Vec<u8>>,
}

impl core::fmt::Debug for Tls {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Tls {{ server_name: {:?}, verified: {} }}", self.server_name, self.trusted_ca.is_some())
    }
}

/// `transport.protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `tcp`.
    Tcp,
    /// `kcp`.
    Kcp,
    /// `quic`.
    Quic,
    /// `websocket`.
    Websocket,
    /// `wss`.
    Wss,
}

/// `transport.quic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quic {
    /// `keepalivePeriod`.
    pub keepalive: Duration,
    /// `maxIdleTimeout`.
    pub idle: Duration,
    /// `maxIncomingStreams`.
    pub streams: u32,
}

const PROTOCOLS: [(&str, Protocol); 5] = [
    ("tcp", Protocol::Tcp),
    ("kcp", Protocol::Kcp),
    ("quic", Protocol::Quic),
    ("websocket", Protocol::Websocket),
    ("wss", Protocol::Wss),
];

/// `transport.dialServerKeepalive` unless set, in seconds. frpc's 7200 keeps what died with the line for two hours.
const KEEPALIVE: i64 = 15;

/// The largest whole number of seconds that is taken: a year.
const YEAR: i64 = 366 * 86_400;

/// Resolves the table.
pub(super) fn resolve(mut t: Scope<'_>) -> Transport {
    let protocol = protocol(&mut t);
    let wire_v2 = wire_v2(&mut t);
    let proxy_url = t.text("proxyURL");
    if let Some(f) = &proxy_url {
        t.report().lacks(f.line, &f.key, "connecting through a proxy is not in this build yet: remove it");
    }
    let quic = quic(t.table("quic"));
    let dial_timeout = dial_timeout(&mut t);
    let keepalive = keepalive(&mut t);
    let local_ip = local_ip(&mut t);
    let pool_count = pool_count(&mut t);
    let tcp_mux = t.flag("tcpMux").unwrap_or(true);
    let mux_keepalive = mux_keepalive(&mut t);
    let (heartbeat_interval, heartbeat_timeout) = heartbeats(&mut t, tcp_mux);
    let tls = tls(t.table("tls"));
    t.finish(&[]);
    Transport {
        protocol,
        wire_v2,
        proxy_url: proxy_url.map(|f| f.value).unwrap_or_default(),
        quic,
        dial_timeout,
        keepalive,
        local_ip,
        pool_count,
        tcp_mux,
        mux_keepalive,
        heartbeat_interval,
        heartbeat_timeout,
        tls,
    }
}

fn protocol(t: &mut Scope<'_>) -> Protocol {
    let Some(Found { value, line, key }) = t.text("protocol") else { return Protocol::Tcp };
    let known = PROTOCOLS.iter().find(|(name, _)| *name == value).map(|(_, protocol)| *protocol);
    match known {
        None => {
            let text = "invalid transport.protocol, optional values are [tcp kcp quic websocket wss]";
            t.report().error(line, &key, text);
        }
        Some(Protocol::Tcp) => {}
        Some(_) => t.report().lacks(line, &key, format!("{value} is not in this build yet: use \"tcp\"")),
    }
    known.unwrap_or(Protocol::Tcp)
}

fn wire_v2(t: &mut Scope<'_>) -> bool {
    match t.text("wireProtocol") {
        Some(f) if f.value == "v2" => {
            t.report().lacks(f.line, &f.key, "v2 is not in this build yet: use \"v1\"");
            true
        }
        Some(f) if f.value != "v1" => {
            t.report().error(f.line, &f.key, "invalid transport.wireProtocol, optional values are [v1 v2]");
            false
        }
        _ => false,
    }
}

fn quic(mut t: Scope<'_>) -> Quic {
    let mut number = |key, default: u32| {
        let found = t.int(key).map(|f| f.value.clamp(1, YEAR));
        found.and_then(|n| u32::try_from(n).ok()).unwrap_or(default)
    };
    let keepalive = secs(number("keepalivePeriod", 10).into());
    let idle = secs(number("maxIdleTimeout", 30).into());
    let streams = number("maxIncomingStreams", 100_000);
    t.finish(&[]);
    Quic { keepalive, idle, streams }
}

fn dial_timeout(t: &mut Scope<'_>) -> Duration {
    let seconds = t.int("dialServerTimeout").and_then(|f| u64::try_from(f.value.min(YEAR)).ok());
    secs(seconds.unwrap_or(10))
}

fn keepalive(t: &mut Scope<'_>) -> Option<Duration> {
    let idle = t.int("dialServerKeepalive").map_or(KEEPALIVE, |f| f.value);
    u64::try_from(idle).ok().map(|idle| secs(idle.min(32_767)))
}

/// frpc ignores what is no address, too.
fn local_ip(t: &mut Scope<'_>) -> Option<IpAddr> {
    t.text("connectServerLocalIP")?.value.parse().ok()
}

/// Never below 1: a negative number can take the server down.
fn pool_count(t: &mut Scope<'_>) -> u32 {
    t.int("poolCount").and_then(|f| u32::try_from(f.value).ok()).unwrap_or(1)
}

fn mux_keepalive(t: &mut Scope<'_>) -> Duration {
    secs(t.int("tcpMuxKeepaliveInterval").map_or(30, |f| f.value).clamp(1, YEAR).unsigned_abs())
}

/// frpc's rule: off with tcpMux unless set, else 30 and 90 s; answers are awaited only when both are on.
fn heartbeats(t: &mut Scope<'_>, tcp_mux: bool) -> (Option<Duration>, Option<Duration>) {
    let (set_interval, set_timeout) = (t.int("heartbeatInterval"), t.int("heartbeatTimeout"));
    let interval = set_interval.as_ref().map_or(if tcp_mux { -1 } else { 30 }, |f| f.value);
    let timeout = set_timeout.as_ref().map_or(if tcp_mux { -1 } else { 90 }, |f| f.value);
    if let Some(f) = set_timeout.or(set_interval).filter(|_| interval > 0 && timeout > 0 && timeout < interval) {
        let text = "invalid transport.heartbeatTimeout, heartbeat timeout should not less than heartbeat interval";
        t.report().error(f.line, &f.key, text);
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
        t.report().lacks(line, "transport.tls.enable", "this redial is built without TLS: set it to false");
    }
    let run = t.report().loader.purpose == Purpose::Run;
    let mut read = |found: Option<Found<String>>| {
        let Found { value, line, key } = found?;
        if !enable {
            let text = format!("{key} is invalid when transport.tls.enable is false");
            t.report().lint("S4", Warning, line, &key, text);
            return None;
        }
        if !run {
            return None;
        }
        t.report().files.read(&value).map_err(|text| t.report().error(line, &key, text)).ok()
    };
    let trusted_ca = read(trusted);
    let (cert, key) = match (cert, key) {
        (Some(_), None) | (None, Some(_)) if enable => (None, None),
        (cert, key) => (read(cert), read(key)),
    };
    t.finish(&[]);
    enable.then_some(Tls { first_byte, server_name, trusted_ca, cert, key })
}
