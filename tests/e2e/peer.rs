//! A real frps: its settings in the format its release reads, its start and its restarts.

use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::process::Process;
use crate::site::{self, Scratch};
use crate::wait::{Context, Outcome, SOON};

/// Minor version of an frp release.
pub(crate) fn minor(version: &str) -> u32 {
    version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or_default()
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) version: &'static str,
    pub(crate) port: u16,
    pub(crate) mux: bool,
    pub(crate) token: &'static str,
    pub(crate) log_level: &'static str,
    /// Further lines; only for releases that read TOML.
    pub(crate) extra: String,
}

impl Settings {
    /// Name and content of the configuration file: INI before 0.52, TOML since.
    fn file(&self) -> (&'static str, String) {
        let Self { port, mux, token, log_level, extra, .. } = self;
        if minor(self.version) < 52 {
            let text = format!(
                "[common]\nbind_addr = 127.0.0.1\nbind_port = {port}\ntoken = {token}\ntcp_mux = {mux}\n\
                 log_level = {log_level}\ndisable_log_color = true\n"
            );
            return ("frps.ini", text);
        }
        let text = format!(
            "bindAddr = \"127.0.0.1\"\nbindPort = {port}\nauth.token = \"{token}\"\ntransport.tcpMux = {mux}\n\
             log.level = \"{log_level}\"\nlog.disablePrintColor = true\n{extra}\n"
        );
        ("frps.toml", text)
    }
}

pub(crate) struct Server {
    pub(crate) settings: Settings,
    pub(crate) process: Process,
    config: PathBuf,
}

impl Server {
    /// Starts it; it serves when this returns.
    pub(crate) fn start(scratch: &Scratch, settings: Settings) -> Outcome<Self> {
        let (name, text) = settings.file();
        let config = scratch.write(name, &text)?;
        let process = launch(&settings, &config)?;
        Ok(Self { settings, process, config })
    }

    /// Ends it by `signal` and waits until it has ended.
    pub(crate) fn end(&mut self, signal: Signal) -> Outcome {
        self.process.signal(signal)?;
        self.process.expect_exit(SOON).map(drop)
    }

    /// Starts it again after [`Self::end`], on the same port, perhaps with another token.
    pub(crate) fn start_again(&mut self, token: &'static str) -> Outcome {
        self.settings.token = token;
        std::fs::write(&self.config, self.settings.file().1).context(self.config.display())?;
        self.process = launch(&self.settings, &self.config)?;
        Ok(())
    }
}

/// What frps says when it serves: today, and in 0.33. That its port accepts is not enough: a connection that comes
/// before all its listeners are in place is reset.
const READY: &[&str] = &["frps started successfully", "start frps success"];

fn launch(settings: &Settings, config: &Path) -> Outcome<Process> {
    let process = Process::start(&format!("frps {}", settings.version), &site::frps(settings.version)?, config)?;
    process.expect_any(READY, SOON).map_err(|error| format!("{error}\n{}", process.tail()))?;
    Ok(process)
}
