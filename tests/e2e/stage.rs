//! A whole set-up: a service, a real frps, the program under test with its proxies, and the names of the modes it runs in.
//!
//! [`Plan`] says what is wanted; [`Plan::play`] makes it, runs a test on it and adds the logs to a failure. A set-up that
//! fails because a port was taken meanwhile is made again with other ports.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use crate::peer::{Server, Settings, minor};
use crate::process::{Mark, Process};
use crate::service::Service;
use crate::site::{self, Scratch};
use crate::wait::{Context, Outcome, SOON};

pub(crate) const TOKEN: &str = "a token of the tests";
const TRIES: usize = 5;

/// How the program under test and frps are linked.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    pub(crate) version: &'static str,
    pub(crate) mux: bool,
    pub(crate) tls: bool,
}

/// Modes of a link: mux and TLS.
pub(crate) type Modes = &'static [(bool, bool)];
pub(crate) const DEFAULT_MODE: Modes = &[(true, true)];
pub(crate) const TLS_MODES: Modes = &[(true, true), (false, true)];
pub(crate) const ALL_MODES: Modes = &[(true, true), (true, false), (false, true), (false, false)];

impl Link {
    pub(crate) fn in_modes(version: &'static str, modes: Modes) -> impl Iterator<Item = Self> {
        modes.iter().map(move |&(mux, tls)| Self { version, mux, tls })
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mux, tls) = (if self.mux { "mux" } else { "nomux" }, if self.tls { "tls" } else { "clear" });
        write!(f, "{}-{mux}-{tls}", self.version)
    }
}

/// A test of a link: its name, the modes it runs in, and itself.
pub(crate) type LinkTest = (&'static str, Modes, fn(Link) -> Outcome);
/// A test that runs in every mode of the link and with every codec.
pub(crate) type CodecTest = (&'static str, fn(Link, Codec) -> Outcome);

/// What is done to the payload on the way.
#[derive(Clone, Copy, Default)]
pub(crate) struct Codec {
    pub(crate) encrypt: bool,
    pub(crate) compress: bool,
}

impl Codec {
    pub(crate) const ALL: [Self; 4] = [
        Self { encrypt: false, compress: false },
        Self { encrypt: true, compress: false },
        Self { encrypt: false, compress: true },
        Self { encrypt: true, compress: true },
    ];

    /// Nothing, or everything.
    pub(crate) fn extreme(self) -> bool {
        self.encrypt == self.compress
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.encrypt, self.compress) {
            (false, false) => "plain",
            (true, false) => "encrypted",
            (false, true) => "compressed",
            (true, true) => "encrypted-compressed",
        })
    }
}

/// What a test wants to run on.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) link: Link,
    pub(crate) codec: Codec,
    /// All of them tcp proxies to the one service, named `p0`, `p1`, ….
    pub(crate) proxies: usize,
    pub(crate) server_log: &'static str,
    /// Further lines of frps.toml.
    pub(crate) server_extra: String,
    /// Further lines of frpc.toml, before the proxies.
    pub(crate) client_extra: String,
    pub(crate) client_token: &'static str,
    /// Whether the client is meant to use the server's mux setting.
    pub(crate) same_mux: bool,
    /// Whether the test begins once all proxies are registered, or as soon as the client runs.
    pub(crate) registered: bool,
}

impl Plan {
    pub(crate) fn new(link: Link) -> Self {
        Self {
            link,
            codec: Codec::default(),
            proxies: 1,
            server_log: "info",
            server_extra: String::new(),
            client_extra: String::new(),
            client_token: TOKEN,
            same_mux: true,
            registered: true,
        }
    }

    /// For a client that is not expected to log in, or not at once.
    pub(crate) fn unregistered(link: Link) -> Self {
        Self { registered: false, ..Self::new(link) }
    }

    /// Makes the set-up and runs `test` on it.
    pub(crate) fn play(&self, test: impl FnOnce(&mut Stage) -> Outcome) -> Outcome {
        let mut stage = self.set_up()?;
        test(&mut stage).map_err(|error| format!("{error}\n{}", stage.logs()))
    }

    fn set_up(&self) -> Outcome<Stage> {
        let mut result = self.try_set_up();
        for _ in 1..TRIES {
            match &result {
                Err(error) if error.contains("already in use") || error.contains("port unavailable") => {}
                _ => break,
            }
            result = self.try_set_up();
        }
        result.context(format_args!("set-up of {}", self.link))
    }

    fn try_set_up(&self) -> Outcome<Stage> {
        let scratch = Scratch::new()?;
        let service = Service::start(site::free_port()?)?;
        let settings = Settings {
            version: self.link.version,
            port: site::free_port()?,
            mux: self.link.mux,
            token: TOKEN,
            log_level: self.server_log,
            extra: self.server_extra.clone(),
        };
        let server = Server::start(&scratch, settings)?;
        let ports = (0..self.proxies).map(|_| site::free_port()).collect::<Outcome<Vec<_>>>()?;
        let config = scratch.write("frpc.toml", &self.client_file(server.settings.port, service.port, &ports))?;
        let client = Process::start("the client", &site::program(), &config)?;
        let stage = Stage { client, config, server, service, ports, scratch };
        if self.registered {
            stage.expect_registered(Mark::START).map_err(|error| format!("{error}\n{}", stage.logs()))?;
        }
        Ok(stage)
    }

    /// The client's configuration.
    pub(crate) fn client_file(&self, server: u16, service: u16, remote: &[u16]) -> String {
        let (mux, tls) = (self.link.mux == self.same_mux, self.link.tls);
        let mut text = format!(
            "serverAddr = \"127.0.0.1\"\nserverPort = {server}\nauth.token = \"{}\"\ntransport.tcpMux = {mux}\n\
             transport.tls.enable = {tls}\nlog.disablePrintColor = true\n{}\n",
            self.client_token, self.client_extra
        );
        if tls && minor(self.link.version) < 38 {
            text += "transport.tls.disableCustomTLSFirstByte = false\n"; // it knows TLS by that byte alone
        }
        for (index, port) in remote.iter().enumerate() {
            text += &format!(
                "[[proxies]]\nname = \"p{index}\"\ntype = \"tcp\"\nlocalIP = \"127.0.0.1\"\nlocalPort = {service}\n\
                 remotePort = {port}\ntransport.useEncryption = {}\ntransport.useCompression = {}\n",
                self.codec.encrypt, self.codec.compress
            );
        }
        text
    }
}

/// A set-up that runs; all of it ends when it is dropped.
pub(crate) struct Stage {
    pub(crate) client: Process,
    pub(crate) config: PathBuf,
    pub(crate) server: Server,
    pub(crate) service: Service,
    /// Public ports of the proxies.
    pub(crate) ports: Vec<u16>,
    pub(crate) scratch: Scratch,
}

impl Stage {
    /// Public port of the first proxy.
    pub(crate) fn port(&self) -> u16 {
        self.ports[0]
    }

    /// Waits until the client has reported every proxy registered, after `from`.
    pub(crate) fn expect_registered(&self, from: Mark) -> Outcome {
        self.expect_registered_within(from, SOON)
    }

    /// The same, within another limit.
    pub(crate) fn expect_registered_within(&self, from: Mark, limit: Duration) -> Outcome {
        let successes = self.names(0..self.ports.len()).map(|name| format!("[{name}] start proxy success"));
        self.client.expect_all(successes.collect(), from, limit)
    }

    /// Names of the proxies.
    pub(crate) fn names(&self, range: Range<usize>) -> impl Iterator<Item = String> {
        range.map(|index| format!("p{index}"))
    }

    /// Ends the client by `signal` and waits until it has ended.
    pub(crate) fn end_client(&mut self, signal: Signal) -> Outcome {
        self.client.signal(signal)?;
        self.client.expect_exit(SOON).map(drop)
    }

    /// Starts the client again after [`Self::end_client`], with an empty log.
    pub(crate) fn start_client(&mut self) -> Outcome {
        self.client = Process::start("the client", &site::program(), &self.config)?;
        Ok(())
    }

    /// A second client with the same configuration.
    pub(crate) fn same_client(&self) -> Outcome<Process> {
        Process::start("the second client", &site::program(), &self.config)
    }

    /// A second client of the same server, with its own configuration.
    pub(crate) fn second_client(&self, text: &str) -> Outcome<Process> {
        let config = self.scratch.write("second.toml", text)?;
        Process::start("the second client", &site::program(), &config)
    }

    pub(crate) fn logs(&self) -> String {
        format!("{}{}", self.client.tail(), self.server.process.tail())
    }
}
