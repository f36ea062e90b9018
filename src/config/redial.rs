//! `[redial]`: what frpc does not know. A file without the table behaves as in frpc, but for the defaults of the
//! detection.
//!
//! Owns the names, defaults and checks of these keys. Does not act on them. Always true: a way to a server that can never
//! work (a name no interface can have, no server at all) is refused; one that does not work yet is not. Worst case: the
//! list of servers.

use super::finding::NO_ZONES;
use super::scope::{Found, Scope};
use crate::proto::time::{Duration, secs};
use std::net::IpAddr;

/// Bytes of an interface's name (IFNAMSIZ, without the end).
const MAX_INTERFACE: usize = 15;
/// Servers beside the first.
const MAX_SERVERS: usize = 16;

/// `[redial]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// `detect` or `probeInterval`: an idle link is asked after so long (1 s to 1 h; 5 s).
    pub probe: Duration,
    /// `spread`: the first tries after the server ended the session are spread over this (1 to 60 s; 2 s).
    pub spread: Duration,
    /// `failback`: how long to stay with another server before the first one is tried again (10 s to a day; 600 s).
    pub failback: Duration,
    /// `stateFile`: where the program keeps what outlives it.
    pub state_file: StateFile,
    /// `logMaxSize`: bytes of a log file before a new one is begun (64 KiB and more; 10 MiB); `None`: no limit.
    pub log_max_size: Option<u64>,
    /// `syslog`: log lines go to the system's log in place of `log.to`.
    pub syslog: bool,
    /// How the first server is reached.
    pub way: Way,
    /// `servers`: further ones, in the order in which they are tried.
    pub servers: Vec<Server>,
}

/// Where the state file is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StateFile {
    /// Not set: in the place that the system has for such files, under a name of the configuration's own.
    #[default]
    Automatic,
    /// `""`: there is none.
    Off,
    /// There; relative to the working directory.
    At(String),
}

/// A further server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `addr`: host name or address.
    pub host: String,
    /// `port`.
    pub port: u16,
    /// How it is reached.
    pub way: Way,
}

/// How a server is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// `interface`: through this one only (SO_BINDTODEVICE).
    pub interface: Option<String>,
    /// `mark`: the firewall's mark of our packets (SO_MARK).
    pub mark: Option<u32>,
    /// `sourceIP`; for the first server `transport.connectServerLocalIP`.
    pub source: Option<IpAddr>,
    /// `family`.
    pub family: Family,
}

/// Which addresses of a server are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// `any`: both, IPv6 first (RFC 8305).
    #[default]
    Any,
    /// `ipv4`.
    V4,
    /// `ipv6`.
    V6,
}

impl Family {
    /// Whether an address is one of the family.
    pub fn has(self, ip: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => ip.is_ipv4(),
            Self::V6 => ip.is_ipv6(),
        }
    }
}

/// Resolves the table; `port` is the first server's.
pub(super) fn resolve(mut t: Scope<'_>, port: u16) -> Extension {
    let detect = detect(&mut t);
    let probe = t.int_in("probeInterval", 1..=3600).and_then(|n| u64::try_from(n).ok()).map_or(detect, secs);
    let seconds = |n: Option<i64>, default: u64| secs(n.and_then(|n| u64::try_from(n).ok()).unwrap_or(default));
    let spread = seconds(t.int_in("spread", 1..=60), 2);
    let failback = seconds(t.int_in("failback", 10..=86_400), 600);
    let state_file = state_file(&mut t);
    let log_max_size = log_max_size(&mut t);
    let syslog = t.flag("syslog").unwrap_or(false);
    let way = way(&mut t);
    let servers = servers(&mut t, port);
    t.finish(&[]);
    Extension { probe, spread, failback, state_file, log_max_size, syslog, way, servers }
}

fn state_file(t: &mut Scope<'_>) -> StateFile {
    let there = t.line_of("stateFile").is_some();
    let Some(Found { value, line, key }) = t.text("stateFile") else {
        return if there { StateFile::Off } else { StateFile::Automatic };
    };
    if value.contains(char::is_control) {
        t.report().error(line, &key, "there is a control character in the path");
    } else if value.ends_with('/') {
        t.report().error(line, &key, format!("\"{value}\" is a directory: name a file in it"));
    }
    StateFile::At(value)
}

/// In KiB; 0 is no limit. frpc has none, but the disks it runs on are larger.
fn log_max_size(t: &mut Scope<'_>) -> Option<u64> {
    let (line, key) = (t.line_of("logMaxSize").unwrap_or_else(|| t.line()), t.path("logMaxSize"));
    let there = t.int_in("logMaxSize", 0..=4 << 20);
    let kib = u64::try_from(there.unwrap_or(10 << 10)).unwrap_or_default();
    if (1..64).contains(&kib) {
        t.report().error(line, &key, "less than 64 (KiB) holds no log; 0 is no limit");
    }
    (kib > 0).then_some(kib << 10)
}

fn detect(t: &mut Scope<'_>) -> Duration {
    let Some(Found { value, line, key }) = t.text("detect") else { return secs(5) };
    match value.as_str() {
        "default" => secs(5),
        "fast" => secs(1),
        "metered" => secs(30),
        _ => {
            t.report().error(line, &key, "optional values are [default fast metered]");
            secs(5)
        }
    }
}

fn servers(t: &mut Scope<'_>, port: u16) -> Vec<Server> {
    let (mut out, key, listed) = (Vec::new(), t.path("servers"), t.line_of("servers"));
    let tables = t.tables("servers");
    if let Some(line) = listed.filter(|_| tables.is_empty()) {
        t.report().error(line, &key, "the list is empty: add a [[redial.servers]] table, or remove it");
    }
    for (index, (entries, line)) in tables.into_iter().enumerate() {
        let path = format!("redial.servers[{index}]");
        let mut s = Scope::new(entries, path, line, t.report());
        let key = s.path("addr");
        let found = s.text("addr");
        if let Some(f) = found.as_ref().filter(|f| f.value.contains('%')) {
            s.report().error(f.line, &f.key, NO_ZONES);
        }
        let host = found.map(|f| f.value);
        if host.is_none() {
            s.report().error(line, &key, "there is no address: name the server");
        }
        if index == MAX_SERVERS {
            s.report().error(line, &key, format!("more than {MAX_SERVERS} further servers"));
        }
        let own = match s.port("port") {
            0 => port,
            own => own,
        };
        let mut way = way(&mut s);
        way.source = source(&mut s);
        s.finish(&[]);
        let host = host.unwrap_or_default();
        out.push(Server { host: host.trim_start_matches('[').trim_end_matches(']').to_owned(), port: own, way });
    }
    out
}

fn source(s: &mut Scope<'_>) -> Option<IpAddr> {
    let Found { value, line, key } = s.text("sourceIP")?;
    let parsed = value.parse().ok();
    if parsed.is_none() {
        s.report().error(line, &key, format!("\"{value}\" is no IP address"));
    }
    parsed
}

fn way(t: &mut Scope<'_>) -> Way {
    let interface = t.text("interface");
    if let Some(f) = interface.as_ref().filter(|f| !is_interface(&f.value)) {
        let text =
            format!("no interface can be called \"{}\": 1 to {MAX_INTERFACE} characters, no '/', no space", f.value);
        t.report().error(f.line, &f.key, text);
    }
    let mark = t.int_in("mark", 1..=i64::from(u32::MAX)).and_then(|n| u32::try_from(n).ok());
    let family = match t.text("family") {
        None => Family::Any,
        Some(f) => match f.value.as_str() {
            "any" => Family::Any,
            "ipv4" => Family::V4,
            "ipv6" => Family::V6,
            _ => {
                t.report().error(f.line, &f.key, "optional values are [any ipv4 ipv6]");
                Family::Any
            }
        },
    };
    Way { interface: interface.map(|f| f.value), mark, source: None, family }
}

fn is_interface(name: &str) -> bool {
    let bad = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    (1..=MAX_INTERFACE).contains(&name.len()) && name != "." && name != ".." && !name.contains(bad)
}
