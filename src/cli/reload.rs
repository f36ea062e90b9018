//! A configuration that changes while the program runs.
//!
//! Owns the reload under way: its files, its trial, the way back. Does not touch a proxy: that is the client's. Always
//! true: one order at a time, and those that come meanwhile wait; a configuration with anything wrong in it changes
//! nothing; a trial that is not confirmed in time ends with what was there before. Worst case: the files of one
//! configuration, the proxies of two, and [`MAX_WAITING`] orders.
//!
//! ```text
//! idle ──order──▶ reading ──every file is there──▶ taken over           (without a trial)
//!                    ▲ │ more files are named   ├▶ trial ──all is well──▶ kept
//!                    └─┘                        │     └──the time is up──▶ as before
//!                                               └▶ writing the store ───▶ taken over
//! ```
//!
//! A text that might do as the file is looked into in the same way, and then given back.
//!
//! Why is it so?
//! * *Why is the file loaded again for each file it names?* Nobody knows what a configuration includes before it is
//!   read, and a file may not hold up the loop. Loading takes milliseconds, and there are at most [`ROUNDS`].
//! * *Why does a trial take everything over, and a plain reload the proxies alone?* The latter is frpc's contract. The
//!   trial is for who changes the server's address from afar: without a way back nobody would dare to.
//! * *Why is the store read for each change to it?* Its file may be changed by hand, and holds keys that nobody knows. To
//!   keep it in memory would cost more than to read it when somebody asks.

use super::logger;
use crate::client::{Client, Machine};
use crate::config::store::Change;
use crate::config::{Config, Files, Finding, Loaded, Loader, Proxy, Severity, Want};
use crate::net::{FileDone, FileJob, Net, Token};
use crate::proto::time::{Duration, Instant, secs};
use std::collections::VecDeque;

/// Port of our [`Token`]s.
pub(super) const PORT: u8 = 64;
/// How long the files may take.
const PATIENCE: Duration = secs(30);
/// Main file, folders, files in them, what those name; and some to spare.
const ROUNDS: u32 = 8;
/// Orders that wait for the one under way: as many as the admin server has connections.
const MAX_WAITING: usize = 16;
/// What may be done with the store's file: it holds secrets. As in frpc.
const STORE_MODE: u32 = 0o600;

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// How the file is to be read.
    pub(super) loader: Loader,
    /// See there.
    pub(super) task: Task,
    /// Who is to be told, by the asker's number.
    pub(super) asker: Option<u32>,
}

/// The kinds of an order.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "admin"), expect(dead_code, reason = "the others are the admin server's"))]
pub(super) enum Task {
    /// Load the file again, and go back unless all is well within that.
    Reload(Option<Duration>),
    /// See whether this would do as the file.
    Check(Vec<u8>),
    /// Change the store: it is written once it is known to be sound.
    Change(Change),
}

/// Why nothing was changed, or not for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The configuration is at fault.
    Config(String),
    /// It could not be carried out.
    Failed(String),
    /// The store does not allow it: the status of the answer, and what it says.
    Store(u16, String),
}

/// What came of an order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) asker: Option<u32>,
    pub(super) result: Result<(), Refusal>,
    /// The text that was looked into, and will do.
    pub(super) text: Option<Vec<u8>>,
}

enum State {
    Idle,
    Reading(Reading),
    Writing { order: Order, loaded: Box<Loaded>, job: u32, until: Instant },
    Trial { order: Order, back: Back, until: Instant },
}

struct Reading {
    order: Order,
    files: Files,
    /// Jobs under way, and what each is to bring.
    jobs: Vec<(u32, Vec<Want>)>,
    /// The store in the files is the changed one.
    changed: bool,
    rounds: u32,
    until: Instant,
}

/// The way back.
enum Back {
    /// These proxies, in the same client.
    Proxies(Vec<Proxy>),
    /// Another client.
    Config(Box<Config>),
}

/// See the module.
pub(super) struct Reloader {
    file: String,
    /// What the program runs, but for the proxies: those are the client's.
    config: Config,
    machine: Machine,
    state: State,
    waiting: VecDeque<Order>,
    jobs: u32,
}

impl Reloader {
    /// `config` is what the client was made from.
    pub(super) fn new(file: &str, config: Config, machine: Machine) -> Self {
        let config = Config { proxies: Vec::new(), ..config };
        Self { file: file.to_owned(), config, machine, state: State::Idle, waiting: VecDeque::new(), jobs: 0 }
    }

    /// Starts it, or lets it wait; what came of it, if that is known at once.
    pub(super) fn order(&mut self, order: Order, client: &mut Client, net: &mut dyn Net) -> Option<Outcome> {
        // Texts are large: one at a time may wait.
        let is_text = |order: &Order| matches!(order.task, Task::Check(_));
        let full = self.waiting.len() >= MAX_WAITING || is_text(&order) && self.waiting.iter().any(is_text);
        if self.is_busy() && !full {
            self.waiting.push_back(order);
            return None;
        }
        if !matches!(self.state, State::Idle) {
            return Some(refuse(order, Refusal::Failed("another reload is under way".to_owned())));
        }
        if self.file.is_empty() {
            let why = "there is no file: everything came from the command line";
            return Some(refuse(order, Refusal::Failed(why.to_owned())));
        }
        let until = net.now() + PATIENCE;
        let mut wants = vec![Want::File(self.file.clone())];
        let (mut order, mut files) = (order, Files::held());
        match &mut order.task {
            Task::Reload(_) => {}
            Task::Check(text) => {
                files.give_file(&self.file, Ok(core::mem::take(text)));
                wants.clear();
            }
            Task::Change(_) => wants.extend(self.config.store_path.clone().map(Want::File)),
        }
        self.state = State::Reading(Reading { order, files, jobs: Vec::new(), changed: false, rounds: 0, until });
        if wants.is_empty() {
            return self.look(client, net);
        }
        self.read(wants, net);
        None
    }

    /// Files are read or written.
    fn is_busy(&self) -> bool {
        matches!(self.state, State::Reading(_) | State::Writing { .. })
    }

    /// When [`Reloader::turn`] wants to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Idle | State::Trial { .. } if !self.waiting.is_empty() => Some(Instant::ZERO),
            State::Idle => None,
            State::Reading(Reading { until, .. }) | State::Writing { until, .. } | State::Trial { until, .. } => {
                Some(*until)
            }
        }
    }

    /// Asks for files: one job for all of them, and one for each folder.
    fn read(&mut self, wants: Vec<Want>, net: &mut dyn Net) {
        let State::Reading(reading) = &mut self.state else { return };
        let (files, folders): (Vec<_>, Vec<_>) = wants.into_iter().partition(|want| matches!(want, Want::File(_)));
        let folders = folders.into_iter().map(|folder| vec![folder]);
        for wants in Some(files).filter(|files| !files.is_empty()).into_iter().chain(folders) {
            let job = match wants.first() {
                Some(Want::Folder(path)) => FileJob::List { path: path.into() },
                _ => FileJob::Read { paths: wants.iter().map(|want| path(want).into()).collect() },
            };
            self.jobs = self.jobs.wrapping_add(1);
            net.files(job, Token { task: self.jobs, port: PORT });
            reading.jobs.push((self.jobs, wants));
        }
    }

    /// Files were read; what came of the reload, if that is decided now.
    pub(super) fn on_files(
        &mut self,
        token: Token,
        result: Result<FileDone, String>,
        client: &mut Client,
        net: &mut dyn Net,
    ) -> Option<Outcome> {
        if matches!(&self.state, State::Writing { job, .. } if *job == token.task) {
            return self.written(result, client, net);
        }
        let State::Reading(reading) = &mut self.state else { return None };
        let at = reading.jobs.iter().position(|(job, _)| *job == token.task)?;
        let (_, wants) = reading.jobs.swap_remove(at);
        reading.give(&wants, result);
        if !reading.jobs.is_empty() {
            return None;
        }
        self.look(client, net)
    }

    /// Loads what was read: there may be more to read.
    fn look(&mut self, client: &mut Client, net: &mut dyn Net) -> Option<Outcome> {
        let State::Reading(reading) = &mut self.state else { return None };
        let loaded = reading.order.loader.load_from(&self.file, &mut reading.files);
        let wanted = reading.files.wanted();
        if !wanted.is_empty() {
            reading.rounds += 1;
            if reading.rounds < ROUNDS {
                self.read(wanted, net);
                return None;
            }
            return self.give_up("its files name further files without end", net);
        }
        // What is wrong before the change may be what the change is for.
        if let (Task::Change(change), false, Some(path)) =
            (&reading.order.task, reading.changed, &self.config.store_path)
        {
            let old = reading.files.take_file(path).map_err(|text| (500, text));
            match old.and_then(|old| change.apply(&old)) {
                Ok(new) => reading.files.give_file(path, Ok(new)),
                Err((status, text)) => return self.refuse(Refusal::Store(status, text)),
            }
            reading.changed = true;
            return self.look(client, net);
        }
        let State::Reading(Reading { order, mut files, .. }) = core::mem::replace(&mut self.state, State::Idle) else {
            return None;
        };
        match loaded {
            Ok(loaded) => match order.task {
                Task::Reload(_) => self.take_over(loaded, order, client, net),
                Task::Check(_) => {
                    let text = files.take_file(&self.file).unwrap_or_default();
                    Some(Outcome { text: Some(text), ..done(&order) })
                }
                Task::Change(_) => self.write(loaded, order, &mut files, net),
            },
            Err(findings) => {
                let errors = findings.iter().filter(|f| f.severity == Severity::Error);
                let text = errors.map(ToString::to_string).collect::<Vec<_>>().join("\n");
                Some(refuse(order, Refusal::Config(text)))
            }
        }
    }

    fn refuse(&mut self, why: Refusal) -> Option<Outcome> {
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Reading(Reading { order, .. }) | State::Writing { order, .. } => Some(refuse(order, why)),
            State::Idle | State::Trial { .. } => None,
        }
    }

    fn give_up(&mut self, why: &str, net: &mut dyn Net) -> Option<Outcome> {
        let (order, jobs) = match core::mem::replace(&mut self.state, State::Idle) {
            State::Reading(Reading { order, jobs, .. }) => (order, jobs.into_iter().map(|(job, _)| job).collect()),
            State::Writing { order, job, .. } => (order, vec![job]),
            State::Idle | State::Trial { .. } => return None,
        };
        for task in jobs {
            net.cancel_files(Token { task, port: PORT });
        }
        Some(refuse(order, Refusal::Failed(format!("{}: {why}", self.file))))
    }

    /// The store is sound: writes it before it counts.
    fn write(&mut self, loaded: Loaded, order: Order, files: &mut Files, net: &mut dyn Net) -> Option<Outcome> {
        let same = self.config.store_path == loaded.config.store_path;
        let Some(path) = self.config.store_path.clone().filter(|_| same) else {
            let why = "the file names another store.path now: start redial again";
            return Some(refuse(order, Refusal::Failed(why.to_owned())));
        };
        let bytes = files.take_file(&path).unwrap_or_default();
        self.jobs = self.jobs.wrapping_add(1);
        let token = Token { task: self.jobs, port: PORT };
        net.files(FileJob::Write { path: path.into(), bytes, mode: Some(STORE_MODE) }, token);
        self.state = State::Writing { order, loaded: Box::new(loaded), job: token.task, until: net.now() + PATIENCE };
        None
    }

    fn written(&mut self, result: Result<FileDone, String>, client: &mut Client, net: &mut dyn Net) -> Option<Outcome> {
        let State::Writing { order, loaded, .. } = core::mem::replace(&mut self.state, State::Idle) else {
            return None;
        };
        match result {
            Ok(_) => self.take_over(*loaded, order, client, net),
            Err(text) => Some(refuse(order, Refusal::Store(500, format!("failed to persist: {text}")))),
        }
    }

    /// The configuration is sound: runs it.
    fn take_over(&mut self, loaded: Loaded, order: Order, client: &mut Client, net: &mut dyn Net) -> Option<Outcome> {
        let Loaded { mut config, warnings } = loaded;
        for warning in warnings.iter().filter(|w| w.severity == Severity::Warning) {
            log::warn!("{warning}");
        }
        let changed = self.config.differs(&config);
        logger::set_level(config.log.level);
        let Task::Reload(Some(within)) = order.task else {
            if !changed.is_empty() {
                log::warn!("reload: changed, but kept until redial starts again: {}", changed.join(", "));
            }
            self.config.log.level = config.log.level;
            self.adapt(&mut config);
            client.reload(&config.proxies);
            match &order.task {
                Task::Change(change) => {
                    let (done, list, name) = change.said();
                    log::info!("store: {done} {} {name:?}", list.word());
                }
                _ => log::info!("success reload conf"),
            }
            return Some(done(&order));
        };
        let back = if changed.is_empty() {
            let before = client.proxies();
            client.reload(&config.proxies);
            Back::Proxies(before)
        } else {
            // A first login that fails is what the trial is about.
            config.login_fail_exit = false;
            let new = match Client::new(&config, &self.machine, net.now()) {
                Ok(new) => new,
                Err(finding) => {
                    let text = Finding { file: self.file.clone(), ..finding }.to_string();
                    return Some(refuse(order, Refusal::Config(text)));
                }
            };
            let mut before = core::mem::replace(&mut self.config, Config { proxies: Vec::new(), ..config });
            before.proxies = client.proxies();
            Self::replace(new, client, net);
            Back::Config(Box::new(before))
        };
        let seconds = within.as_secs();
        log::warn!("reload: on trial: it is taken back unless the session and every proxy are up within {seconds} s");
        self.state = State::Trial { order, back, until: net.now() + within };
        None
    }

    /// What a plain reload does not change, but the proxies depend on.
    fn adapt(&self, config: &mut Config) {
        if config.user != self.config.user {
            for proxy in &mut config.proxies {
                proxy.wire_name = crate::config::wire_name(&self.config.user, &proxy.name);
            }
        }
    }

    fn replace(new: Client, client: &mut Client, net: &mut dyn Net) {
        let started = client.started();
        let memory = core::mem::replace(client, new).retire(net);
        client.set_started(started);
        // Of use only with the same server, which the client looks at.
        client.recall(memory);
    }

    /// Does what is due; what came of the reload, if that is decided now.
    pub(super) fn turn(&mut self, client: &mut Client, net: &mut dyn Net) -> Option<Outcome> {
        if !self.is_busy()
            && let Some(next) = self.waiting.pop_front()
        {
            return self.order(next, client, net);
        }
        let late = self.deadline()? <= net.now();
        match self.state {
            State::Reading(_) if late => return self.give_up("the files could not be read in time", net),
            State::Writing { .. } if late => return self.give_up("the store could not be written in time", net),
            State::Reading(_) | State::Writing { .. } => return None,
            State::Idle | State::Trial { .. } => {}
        }
        if !late && !client.is_settled() {
            return None;
        }
        let State::Trial { order, back, .. } = core::mem::replace(&mut self.state, State::Idle) else { return None };
        if client.is_settled() {
            log::info!("reload: everything is up: the new configuration stays");
            log::info!("success reload conf");
            return Some(done(&order));
        }
        let why = client.unsettled();
        match back {
            Back::Proxies(before) => {
                logger::set_level(self.config.log.level);
                client.reload(&before);
            }
            Back::Config(before) => match Client::new(&before, &self.machine, net.now()) {
                Ok(old) => {
                    logger::set_level(before.log.level);
                    self.config = Config { proxies: Vec::new(), ..*before };
                    Self::replace(old, client, net);
                }
                // It was a client before.
                Err(finding) => log::error!("reload: {finding}"),
            },
        }
        Some(refuse(order, Refusal::Failed(format!("not confirmed in time, the old configuration is back: {why}"))))
    }
}

impl Reading {
    fn give(&mut self, wants: &[Want], result: Result<FileDone, String>) {
        let files = &mut self.files;
        match result {
            Ok(FileDone::Read(all)) => {
                for (want, read) in wants.iter().zip(all) {
                    files.give_file(path(want), read.map(|read| read.bytes));
                }
            }
            Ok(FileDone::Listed(names)) => {
                let names = names.into_iter().filter_map(|name| name.into_os_string().into_string().ok()).collect();
                if let Some(want) = wants.first() {
                    files.give_folder(path(want), Ok(names));
                }
            }
            Ok(FileDone::Written) => {}
            Err(text) => {
                for want in wants {
                    match want {
                        Want::File(path) => files.give_file(path, Err(text.clone())),
                        Want::Folder(path) => files.give_folder(path, Err(text.clone())),
                    }
                }
            }
        }
    }
}

fn path(want: &Want) -> &str {
    match want {
        Want::File(path) | Want::Folder(path) => path,
    }
}

/// Says that it came to nothing.
fn refuse(order: Order, refusal: Refusal) -> Outcome {
    let (Refusal::Config(text) | Refusal::Failed(text) | Refusal::Store(_, text)) = &refusal;
    // Of the others the admin server says so.
    if matches!(order.task, Task::Reload(_)) {
        log::warn!("reload frpc proxy config error: {text}");
    }
    Outcome { result: Err(refusal), ..done(&order) }
}

fn done(order: &Order) -> Outcome {
    Outcome { asker: order.asker, result: Ok(()), text: None }
}

#[cfg(test)]
mod tests;
