//! A chain that is measured: load, public port, server, client, local service.
//!
//! Owns its three processes, ports and files. Does not measure. Always true: once started, a byte has come back through
//! it. Worst case: its processes.

use std::path::PathBuf;
use std::time::Duration;

use crate::child::{Running, this_program};
use crate::clock;
use crate::kinds::{Kind, Mode, Who};
use crate::site::{self, Scratch};
use crate::sock;
use crate::wait::{Context, Outcome, SOON, ensure, poll_until};

/// A port may be taken by someone else between its choice and its use.
const TRIES: usize = 3;

pub(crate) struct Chain {
    pub(crate) kind: Kind,
    /// The public port.
    pub(crate) port: u16,
    /// Port of the local service.
    pub(crate) local: u16,
    pub(crate) client: Running,
    server: Running,
    service: Running,
    start: Start,
    scratch: Scratch,
}

/// How the client is started.
struct Start {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Start {
    fn new(program: PathBuf, arguments: &[&str]) -> Self {
        Self { program, arguments: arguments.iter().map(|&word| word.to_owned()).collect() }
    }

    fn run(&self, name: &str, scratch: &Scratch) -> Outcome<Running> {
        Running::start(name, scratch, &self.program, &self.arguments)
    }
}

impl Chain {
    /// Starts it; it works when this returns.
    pub(crate) fn start(kind: Kind) -> Outcome<Self> {
        for _ in 1..TRIES {
            match Self::try_start(kind)? {
                Ok(chain) => return Ok(chain),
                Err(error) => println!("bench: once more, for its ports may have been taken: {error}"),
            }
        }
        Self::try_start(kind)?
    }

    /// The outer failure is one that other ports would not mend: redial or frpc has ended.
    fn try_start(kind: Kind) -> Outcome<Outcome<Self>> {
        let mut chain = match Self::put_together(kind) {
            Ok(chain) => chain,
            Err(error) => return Ok(Err(format!("starting {kind}: {error}"))),
        };
        let usable = chain.wait_until_usable().context(format_args!("starting {kind}"));
        let ended = kind.mode.is_some() && chain.client.expect_alive().is_err();
        match usable {
            Err(error) if ended => Err(error),
            usable => Ok(usable.map(|()| chain)),
        }
    }

    fn put_together(kind: Kind) -> Outcome<Self> {
        let scratch = Scratch::new()?;
        let (port, control, local) = (site::free_port()?, site::free_port()?, site::free_port()?);
        let (server, start, server_port) = match kind.mode {
            Some(mode) => {
                let (server, client) = configs(mode, port, control, local);
                let server = scratch.write("server.toml", &server)?.display().to_string();
                let client = scratch.write("client.toml", &client)?.display().to_string();
                let frps = Start::new(site::frps(site::newest())?, &["-c", &server]);
                (frps, Start::new(program(kind.who)?, &["-c", &client]), control)
            }
            None => {
                let means = if kind.who == Who::Copy2 { "copy" } else { "splice" };
                let relay = |means, listen: u16, target: u16| {
                    let (listen, target) = (listen.to_string(), target.to_string());
                    this_program().map(|this| Start::new(this, &["relay", means, &listen, &target]))
                };
                (relay("copy", port, control)?, relay(means, control, local)?, port)
            }
        };
        let serve = Start::new(this_program()?, &["serve", &local.to_string()]);
        let mut service = serve.run("service", &scratch)?;
        let mut server = server.run("server", &scratch)?;
        listening(local, &mut service)?;
        listening(server_port, &mut server)?;
        let client = start.run("client", &scratch)?;
        Ok(Self { kind, port, local, client, server, service, start, scratch })
    }

    fn wait_until_usable(&mut self) -> Outcome {
        let (port, mut last) = (self.port, String::new());
        let usable = poll_until("a byte comes back through the tunnel", SOON, || {
            self.client.expect_alive()?;
            let echo = sock::ask_echo(port);
            last = echo.as_ref().err().cloned().unwrap_or_default();
            Ok(echo.is_ok())
        });
        usable.map_err(|error| format!("{error}; {last}\n{}", self.logs()))
    }

    /// Ends the client; the server has noticed when this returns.
    pub(crate) fn stop_client(&mut self) -> Outcome {
        self.client.kill();
        let port = self.port;
        poll_until("the public port is closed", SOON, || Ok(sock::dial_blocking(port).is_err()))
    }

    pub(crate) fn start_client(&mut self) -> Outcome {
        self.client = self.start.run("client", &self.scratch)?;
        Ok(())
    }

    /// CPU time that its processes have taken.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        [&self.service, &self.server, &self.client].map(|process| clock::cpu_of(process.pid())).into_iter().sum()
    }

    /// Fails if one of its processes has ended.
    pub(crate) fn expect_alive(&mut self) -> Outcome {
        let all = [&mut self.client, &mut self.server, &mut self.service];
        let alive = all.into_iter().try_for_each(Running::expect_alive);
        alive.map_err(|error| format!("{}: {error}\n{}", self.kind, self.logs()))
    }

    pub(crate) fn logs(&self) -> String {
        format!("{}{}{}", self.client.tail(), self.server.tail(), self.service.tail())
    }
}

/// The program in the client's place.
pub(crate) fn program(who: Who) -> Outcome<PathBuf> {
    match who {
        Who::Redial => Ok(site::program()),
        Who::Frpc => {
            let (peers, version) = (site::peers().ok_or("REDIAL_PEERS is not set")?, site::newest());
            let path = peers.join(format!("frpc-{version}"));
            ensure!(
                path.is_file(),
                "{} is missing; `tests/peers --frpc {version} {version}` builds it",
                path.display()
            );
            Ok(path)
        }
        Who::Copy2 | Who::Splice2 => this_program(),
    }
}

/// Waits until the port accepts.
fn listening(port: u16, process: &mut Running) -> Outcome {
    poll_until(&format!("port {port} accepts"), SOON, || {
        process.expect_alive()?;
        Ok(sock::dial_blocking(port).is_ok())
    })
}

/// Configurations of server and client; all that is not named is as each has it by default.
fn configs(mode: Mode, port: u16, control: u16, local: u16) -> (String, String) {
    let (mux, tls, encryption) = (mode.mux(), mode.tls(), mode.encryption());
    let both =
        format!("auth.token = \"t\"\ntransport.tcpMux = {mux}\nlog.level = \"warn\"\nlog.disablePrintColor = true\n");
    let server = format!("bindAddr = \"127.0.0.1\"\nbindPort = {control}\n{both}");
    let client = format!(
        "serverAddr = \"127.0.0.1\"\nserverPort = {control}\nloginFailExit = false\ntransport.tls.enable = {tls}\n{both}\
         [[proxies]]\nname = \"p\"\ntype = \"tcp\"\nlocalIP = \"127.0.0.1\"\nlocalPort = {local}\nremotePort = {port}\n\
         transport.useEncryption = {encryption}\n"
    );
    (server, client)
}
