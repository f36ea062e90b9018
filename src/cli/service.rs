//! The client as a service: set-up, the loop, the end.
//!
//! Owns the client, the reload under way, the state file, what systemd is told, and which of them an event is for. Does not
//! decide anything about connections. Always true: a turn of the loop waits in one place only. Worst case: its parts, and
//! the events of a turn.

use super::desk::Desk;
use super::notify::Notify;
use super::reload::{self, Order, Outcome, Reloader, Task};
use super::state::State;
use super::{lines, logger, print};
use crate::client::{Client, Exit, Machine};
use crate::config::{Finding, Flag, Loaded, Loader, Severity};
use crate::net::os::{self, Os};
use crate::net::{Event, Net, Signal};
use crate::proto::time::sooner;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

/// Runs the client with a file to its end; the error is what to print.
pub(super) fn run(file: &str, loader: Loader) -> Result<(), String> {
    serve(file, loader, loader.load(file))
}

/// The same with flags in place of the file.
pub(super) fn run_flags(flags: Vec<Flag>, loader: Loader) -> Result<(), String> {
    serve("", loader, loader.resolve_flags(flags))
}

/// `file` is empty if there is none.
fn serve(file: &str, loader: Loader, loaded: Result<Loaded, Vec<Finding>>) -> Result<(), String> {
    let Loaded { config, warnings } = loaded.map_err(|findings| lines(&findings))?;
    for warning in warnings.iter().filter(|f| f.severity > Severity::Note) {
        print(&format!("WARNING: {warning}"));
    }
    logger::start(&config.log, &config.extension)?;
    if std::env::var_os("http_proxy").is_some_and(|url| !url.is_empty()) {
        log::warn!("http_proxy is set: frpc would connect through it, redial connects directly");
    }
    if !file.is_empty() {
        log::info!("start frpc service for config file [{file}] with aggregated configuration");
    }
    let fatal = |e: io::Error| format!("cannot start the event loop: {e}");
    let mut net = Os::new(config.dns_server).map_err(fatal)?;
    net.watch_signals().map_err(fatal)?;
    net.use_helper(PathBuf::from("/proc/self/exe"));
    os::raise_descriptor_limit();
    let machine = Machine { hostname: os::hostname(), memory_available: os::memory_available() };
    let client = Client::new(&config, &machine, net.now());
    let mut client = client.map_err(|finding| Finding { file: file.to_owned(), ..finding }.to_string())?;
    let (state, memory) = State::open(&config.extension.state_file, file);
    if let Some(memory) = memory {
        client.recall(memory);
    }
    let desk = Desk::open(&config, file, &mut net)?;
    let reloader = Reloader::new(file, config, machine);
    let (notify, terminal) = (Notify::new(), io::stdin().is_terminal());
    let exit = Service { client, reloader, desk, state, loader, notify, terminal }.run(&mut net);
    if exit.is_ok() && !file.is_empty() {
        log::info!("frpc service for config file [{file}] stopped");
    }
    // What is held back is written before anything else is said.
    log::logger().flush();
    match exit? {
        Exit::Terminated => Ok(()),
        Exit::Hopeless(why) => Err(why),
        Exit::LoginFailed(why) => Err(format!(
            "login to the server failed: {why}. With loginFailExit enabled, no additional retries will be attempted"
        )),
    }
}

/// See the module.
pub(super) struct Service {
    pub(super) client: Client,
    pub(super) reloader: Reloader,
    pub(super) desk: Desk,
    pub(super) state: State,
    pub(super) loader: Loader,
    pub(super) notify: Notify,
    /// Standard input was a terminal at start.
    pub(super) terminal: bool,
}

impl Service {
    /// The loop.
    pub(super) fn run(&mut self, net: &mut Os) -> Result<Exit, String> {
        let result = self.turns(net);
        self.notify.stopping();
        result
    }

    fn turns(&mut self, net: &mut Os) -> Result<Exit, String> {
        let mut events = Vec::new();
        self.notify.ready();
        loop {
            self.client.turn(net);
            self.state.keep(&mut self.client);
            let outcome = self.reloader.turn(&mut self.client, net);
            self.answer(outcome, net);
            if self.desk.turn(&mut self.client, &mut self.reloader, self.loader, net) {
                self.notify.reloading();
            }
            if let Some(exit) = self.client.exit() {
                return Ok(exit.clone());
            }
            if let Some(pause) = self.client.pause() {
                net.gather(pause);
            }
            self.notify.status(self.client.doing());
            self.notify.turn(net.now());
            let log = logger::turn(net.now());
            let deadlines =
                [self.client.deadline(), self.reloader.deadline(), self.desk.deadline(), self.notify.deadline(), log];
            let deadline = deadlines.into_iter().fold(None, sooner);
            net.wait(deadline, &mut events).map_err(|e| format!("the event loop failed: {e}"))?;
            for event in events.drain(..) {
                self.handle(event, net);
            }
            // No further turn then: a new try would start in it.
            if let Some(exit) = self.client.exit().cloned() {
                self.state.keep(&mut self.client);
                return Ok(exit);
            }
        }
    }

    fn handle(&mut self, event: Event, net: &mut Os) {
        let Some(event) = self.desk.take(event, net) else { return };
        let outcome = match event {
            Event::Signal(Signal::Reload) if self.is_hung_up() => {
                self.client.handle(Event::Signal(Signal::Terminate), net);
                None
            }
            Event::Signal(Signal::Reload) => {
                logger::reopen();
                self.notify.reloading();
                let order = Order { loader: self.loader, task: Task::Reload(None), asker: None };
                self.reloader.order(order, &mut self.client, net)
            }
            Event::FilesDone { token, result } if token.port == reload::PORT => {
                self.reloader.on_files(token, result, &mut self.client, net)
            }
            event => {
                self.client.handle(event, net);
                None
            }
        };
        self.answer(outcome, net);
    }

    /// Whether SIGHUP has its first meaning: the terminal we were started from is gone.
    fn is_hung_up(&self) -> bool {
        self.terminal && !io::stdin().is_terminal()
    }

    /// Tells who asked what came of a reload; the log has it already.
    fn answer(&mut self, outcome: Option<Outcome>, net: &mut Os) {
        if let Some(outcome) = outcome {
            self.notify.ready();
            self.desk.answer(outcome, net);
        }
    }
}

#[cfg(test)]
mod tests;
