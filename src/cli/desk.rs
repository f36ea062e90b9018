//! The admin server's place in the loop.
//!
//! Owns the server, if there is one, and what its commands do to the client. Does not know HTTP. Always true: nothing it
//! is asked ends the client but `stop`; a file that does not load changes nothing. Worst case: the server's, and a file
//! while it is looked into.

use super::reload::{Order, Outcome, Refusal, Reloader};
use crate::admin::{Admin, Command, Done, Ticket};
use crate::client::Client;
use crate::config::{Config, Files, Loader, Strictness};
use crate::net::{Event, Net};
use crate::proto::time::{Instant, secs};

/// See the module.
pub(super) struct Desk {
    admin: Option<Admin>,
    file: String,
}

impl Desk {
    /// Listens, if the configuration says so.
    pub(super) fn open(config: &Config, file: &str, net: &mut dyn Net) -> Result<Self, String> {
        let admin = config.web_server.as_ref().map(|web| Admin::open(web, file, net)).transpose()?;
        Ok(Self { admin, file: file.to_owned() })
    }

    /// Takes an event, or gives it back.
    pub(super) fn take(&mut self, event: Event, net: &dyn Net) -> Option<Event> {
        match &mut self.admin {
            Some(admin) if Admin::owns(&event) => {
                admin.handle(event, net);
                None
            }
            _ => Some(event),
        }
    }

    /// Answers what was asked and does what is to be done.
    pub(super) fn turn(&mut self, client: &mut Client, reloader: &mut Reloader, loader: Loader, net: &mut dyn Net) {
        let Some(admin) = &mut self.admin else { return };
        admin.turn(client, net);
        while let Some(command) = self.admin.as_mut().and_then(Admin::poll) {
            match command {
                Command::Stop => client.stop(),
                Command::Reload { ticket, strict, confirm } => {
                    let strictness = if strict { Strictness::Strict } else { Strictness::Lax };
                    let confirm = confirm.map(|seconds| secs(seconds.into()));
                    let order =
                        Order { loader: Loader { strictness, ..loader }, confirm, store: None, asker: Some(ticket.0) };
                    if let Some(outcome) = reloader.order(order, net) {
                        self.answer(outcome, net);
                    }
                }
                Command::Check { ticket, text } => {
                    let done = check(&self.file, loader, text);
                    if let Some(admin) = &mut self.admin {
                        admin.answer(ticket, done, net);
                    }
                }
            }
        }
    }

    /// Tells who asked for it what came of a reload.
    pub(super) fn answer(&mut self, outcome: Outcome, net: &mut dyn Net) {
        let (Some(admin), Some(asker)) = (&mut self.admin, outcome.asker) else { return };
        let result = outcome.result.map(|()| Done::Yes).map_err(|refusal| match refusal {
            Refusal::Config(text) => (400, format!("invalid argument: {text}")),
            Refusal::Failed(text) => (500, format!("apply config failed: {text}")),
        });
        admin.answer(Ticket(asker), result, net);
    }

    /// When [`Desk::turn`] is to be called though no event came.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.admin.as_ref().and_then(Admin::deadline)
    }
}

/// Whether a text would do as the file.
fn check(file: &str, loader: Loader, text: Vec<u8>) -> Result<Done, (u16, String)> {
    let checked = core::str::from_utf8(&text).map_err(|_| "the text is not UTF-8".to_owned());
    let loaded = checked.and_then(|checked| {
        let mut files = Files::held();
        files.give_file(file, Ok(text.clone()));
        let loaded = loader.load_from(file, &mut files);
        // Only a file that names others has them read here, as at start.
        let loaded = if files.wanted().is_empty() { loaded } else { loader.parse(file, checked) };
        loaded.map_err(|findings| super::lines(&findings))
    });
    match loaded {
        Ok(_) => Ok(Done::Write(text)),
        Err(why) => Err((400, format!("the file is not written: {why}"))),
    }
}
