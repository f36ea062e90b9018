//! What the configuration means for the machines.
//!
//! Owns everything that stays the same over all sessions: where to connect, socket options, TLS, the login, the
//! settings of mux and control. Does not keep state. Always true: made once from a checked [`Config`]; a value can start
//! sessions. Worst case: the configuration once more.

use super::dial::Target;
use crate::config::{Config, Family, Finding, Severity, Transport, Way};
use crate::net::SockOpts;
use crate::net::opts::Keepalive;
use crate::proto::crypto::derive_key;
use crate::proto::health::RTO_MAX;
use crate::proto::time::{Duration, secs};
use crate::proto::{control, mux, tls};
use crate::wire::frame::{self, TooLong};
use crate::wire::msg::Login;

/// The version of frp whose client we are, as told to the server: some look at it (protocol §3.1).
pub const FRP_VERSION: &str = "0.70.1";

/// Keepalive of connections to other machines in the local network, as frpc's.
const LOCAL_KEEPALIVE: Keepalive = Keepalive { idle: secs(15), interval: secs(15), count: 9 };

/// How long the kernel keeps what the server does not acknowledge, on the link that carries the session: the backstop
/// behind our own detection.
const USER_TIMEOUT: Duration = secs(15);

/// Bounds of the memory that the server's behaviour may cost, in bytes.
pub const MIN_BUDGET: usize = 2 << 20;
/// See [`MIN_BUDGET`].
pub const MAX_BUDGET: usize = 64 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Setup {
    /// The first server, and those that are tried when it is gone.
    first: Server,
    others: Vec<Server>,
    pub(super) dial_timeout: Duration,
    pub(super) first_byte: bool,
    pub(super) mux: Option<mux::Settings>,
    pub(super) control: control::Settings,
    /// Without the fields that change.
    pub(super) login: Login,
    pub(super) login_fail_exit: bool,
    /// An idle link is asked after so long.
    pub(super) probe: Duration,
    /// How long the first tries after the end of the server's are spread.
    pub(super) spread: Duration,
    /// How long another server than the first is stayed with.
    pub(super) failback: Duration,
    pub(super) budget: usize,
}

/// A server, and how it is reached.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) target: Target,
    pub(super) opts: SockOpts,
    pub(super) family: Family,
    pub(super) tls: Option<tls::Settings>,
}

impl Server {
    /// Options of a work connection without mux: a user may leave its bytes unread for hours, which the kernel would
    /// take for a dead line, and probe every second.
    pub(super) fn work_opts(&self) -> SockOpts {
        SockOpts { user_timeout: None, rto_max: None, ..self.opts.clone() }
    }
}

/// What the program knows about the machine it runs on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Host name, for the server's dashboard.
    pub hostname: String,
    /// Bytes of memory that are free for use, if known.
    pub memory_available: Option<u64>,
}

impl Setup {
    pub(super) fn new(config: &Config, machine: &Machine) -> Result<Self, Finding> {
        let t = &config.transport;
        let login = login(config, machine);
        fits(&login)?;
        let budget = budget(machine.memory_available);
        let x = &config.extension;
        let first = server(t, &config.server_host, config.server_port, &Way { source: t.local_ip, ..x.way.clone() })?;
        let others = x.servers.iter().map(|other| server(t, &other.host, other.port, &other.way));
        Ok(Self {
            first,
            others: others.collect::<Result<_, _>>()?,
            dial_timeout: t.dial_timeout,
            first_byte: t.tls.as_ref().is_some_and(|f| f.first_byte),
            mux: t.tcp_mux.then(|| mux::Settings {
                keepalive: t.mux_keepalive,
                extra_window: u32::try_from(budget / 2).unwrap_or(u32::MAX),
            }),
            control: control::Settings {
                token: config.auth.token.clone(),
                key: derive_key(&config.auth.token),
                by_ticket: config.auth.oidc.is_some(),
                sign_pings: config.auth.sign_pings,
                sign_work_conns: config.auth.sign_work_conns,
                heartbeat_interval: t.heartbeat_interval,
                heartbeat_timeout: t.heartbeat_timeout,
            },
            login,
            login_fail_exit: config.login_fail_exit,
            probe: x.probe.min(t.mux_keepalive),
            spread: x.spread,
            failback: x.failback,
            budget,
        })
    }

    /// The token is known now: before the first login.
    pub(super) fn set_token(&mut self, token: String) {
        self.control.key = derive_key(&token);
        self.control.token = token;
    }

    /// A server by its place; the first one if there is no such place.
    pub(super) fn server(&self, index: usize) -> &Server {
        index.checked_sub(1).and_then(|index| self.others.get(index)).unwrap_or(&self.first)
    }

    /// How many there are.
    pub(super) fn servers(&self) -> usize {
        1 + self.others.len()
    }
}

/// One server as the configuration has it. Its TLS name is its host unless one is set for all.
fn server(t: &Transport, host: &str, port: u16, way: &Way) -> Result<Server, Finding> {
    let keepalive = t.keepalive.map(|idle| Keepalive { idle, interval: secs(5), count: 6 });
    let tls = t.tls.as_ref().map(|f| {
        let (ca, cert, key) = (f.trusted_ca.as_deref(), f.cert.as_deref(), f.key.as_deref());
        tls::Settings::new(f.server_name.as_deref().unwrap_or(host), ca, cert, key)
    });
    Ok(Server {
        target: Target::new(host, port),
        opts: SockOpts {
            keepalive,
            user_timeout: Some(USER_TIMEOUT),
            rto_max: Some(RTO_MAX),
            notsent_lowat: Some(super::link::FIRST_UNSENT),
            bind: way.source,
            device: way.interface.clone(),
            mark: way.mark,
            ..SockOpts::default()
        },
        family: way.family,
        tls: tls.transpose().map_err(finding)?,
    })
}

/// Options of the connection to a local service.
pub(super) fn local_opts(target: &Target) -> SockOpts {
    let here = matches!(&target.host, super::dial::Host::Ip(ip) if ip.is_loopback());
    SockOpts { keepalive: (!here).then_some(LOCAL_KEEPALIVE), ..SockOpts::default() }
}

/// A sixteenth of the free memory, within bounds.
fn budget(available: Option<u64>) -> usize {
    let share = available.map_or(MIN_BUDGET, |bytes| usize::try_from(bytes / 16).unwrap_or(MAX_BUDGET));
    share.clamp(MIN_BUDGET, MAX_BUDGET)
}

fn login(config: &Config, machine: &Machine) -> Login {
    Login {
        version: FRP_VERSION.to_owned(),
        hostname: machine.hostname.clone(),
        os: std::env::consts::OS.to_owned(),
        arch: go_arch(std::env::consts::ARCH).to_owned(),
        user: config.user.clone(),
        client_id: config.client_id.clone(),
        metas: config.metas.clone(),
        pool_count: config.transport.pool_count.into(),
        ..Login::default()
    }
}

/// Refuses a login that the server would never take: the message has a limit. What changes is taken at its longest.
fn fits(login: &Login) -> Result<(), Finding> {
    let longest = Login {
        // Each of these characters takes six bytes.
        run_id: "\u{1}".repeat(control::MAX_RUN_ID),
        privilege_key: "0".repeat(32),
        timestamp: i64::MAX,
        ..login.clone()
    };
    let Err(TooLong { size, .. }) = frame::encode_one(&longest, &mut Vec::new()) else { return Ok(()) };
    let metas = login.metas.iter().map(|(k, v)| k.len() + v.len()).sum();
    let parts = [("user", login.user.len()), ("clientID", login.client_id.len()), ("metadatas", metas)];
    let key = parts.into_iter().max_by_key(|(_, len)| *len).map_or("", |(key, _)| key).to_owned();
    let text = format!("the login takes {size} bytes, the frp protocol allows {}: shorten this", frame::MAX_BODY);
    Err(Finding { severity: Severity::Error, file: String::new(), line: 0, key, id: "", text })
}

/// Go's name of an architecture.
fn go_arch(arch: &'static str) -> &'static str {
    match arch {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64",
        "mips" if cfg!(target_endian = "little") => "mipsle",
        other => other,
    }
}

fn finding(error: tls::SettingsError) -> Finding {
    let (key, text) = match error {
        tls::SettingsError::Authority(text) => ("transport.tls.trustedCaFile", text),
        tls::SettingsError::Certificate(text) => ("transport.tls.certFile", text),
        tls::SettingsError::Key(text) => ("transport.tls.keyFile", text),
        tls::SettingsError::Name(text) => ("transport.tls.serverName", text),
    };
    Finding { severity: Severity::Error, file: String::new(), line: 0, key: key.to_owned(), id: "", text }
}

/// What is wrong with `auth.oidc`.
pub(super) fn oidc_finding(text: String) -> Finding {
    Finding { severity: Severity::Error, file: String::new(), line: 0, key: "auth.oidc".to_owned(), id: "", text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(lines: &str) -> Option<(String, String)> {
        let proxy = "[[proxies]]\nname = \"a\"\ntype = \"tcp\"\nlocalPort = 80";
        let text = format!("transport.tls.enable = false\n{lines}\n{proxy}");
        let config = crate::config::parse("frpc.toml", &text).unwrap().config;
        let machine = Machine { hostname: "box".to_owned(), memory_available: None };
        Setup::new(&config, &machine).err().map(|f| (f.key, f.text))
    }

    #[test]
    fn a_login_that_is_too_long_is_refused_at_the_start() {
        let long = |len: usize| "x".repeat(len);
        assert_eq!(refusal(&format!("metadatas.a = \"{}\"", long(8000))), None);
        for key in ["metadatas", "user", "clientID"] {
            let dotted = if key == "metadatas" { "metadatas.a" } else { key };
            // The rest of the login, a long run id among it, takes the last bytes.
            let (named, text) = refusal(&format!("{dotted} = \"{}\"", long(9500))).unwrap();
            assert_eq!(named, key);
            assert!(text.contains("the frp protocol allows 10240"), "{text}");
        }
    }
}
