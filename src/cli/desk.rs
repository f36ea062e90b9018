//! The admin server's place in the loop.
//!
//! Owns the server, if there is one, and what its commands do to the client. Does not know HTTP. Always true: nothing it
//! is asked ends the client but `stop`; a file that does not load changes nothing. Worst case: the server's, and a file
//! while it is looked into.

use super::reload::{Order, Outcome, Refusal, Reloader, Task};
use crate::admin::{Admin, Command, Done, Ticket};
use crate::client::Client;
use crate::config::{Config, Loader, Strictness};
use crate::net::{Event, Net};
use crate::proto::time::{Instant, secs};

/// See the module.
pub(super) struct Desk {
    admin: Option<Admin>,
}

impl Desk {
    /// Listens, if the configuration says so.
    pub(super) fn open(config: &Config, file: &str, net: &mut dyn Net) -> Result<Self, String> {
        let store = config.store_path.as_deref();
        let admin = config.web_server.as_ref().map(|web| Admin::open(web, file, store, net)).transpose()?;
        Ok(Self { admin })
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

    /// Answers what was asked and does what is to be done; true if it is now under way that what runs is changed.
    pub(super) fn turn(
        &mut self,
        client: &mut Client,
        reloader: &mut Reloader,
        loader: Loader,
        net: &mut dyn Net,
    ) -> bool {
        let Some(admin) = &mut self.admin else { return false };
        admin.turn(client, net);
        let mut changes = false;
        while let Some(command) = self.admin.as_mut().and_then(Admin::poll) {
            let lax = Loader { strictness: Strictness::Lax, ..loader };
            let (ticket, loader, task) = match command {
                Command::Stop => {
                    client.stop();
                    continue;
                }
                Command::Reload { ticket, strict, confirm } => {
                    let loader = if strict { Loader { strictness: Strictness::Strict, ..loader } } else { lax };
                    (ticket, loader, Task::Reload(confirm.map(|seconds| secs(seconds.into()))))
                }
                Command::Check { ticket, text } => (ticket, loader, Task::Check(text)),
                Command::Change { ticket, change } => (ticket, lax, Task::Change(change)),
            };
            let check = matches!(task, Task::Check(_));
            match reloader.order(Order { loader, task, asker: Some(ticket.0) }, client, net) {
                Some(outcome) => self.answer(outcome, net),
                None => changes |= !check,
            }
        }
        changes
    }

    /// Tells who asked for it what came of a reload.
    pub(super) fn answer(&mut self, outcome: Outcome, net: &mut dyn Net) {
        let (Some(admin), Some(asker)) = (&mut self.admin, outcome.asker) else { return };
        let done = outcome.text.map_or(Done::Yes, Done::Write);
        let result = outcome.result.map(|()| done).map_err(|refusal| match refusal {
            Refusal::Config(text) => (400, format!("invalid argument: {text}")),
            Refusal::Failed(text) => (500, format!("apply config failed: {text}")),
            Refusal::Store(status, text) => (status, text),
        });
        admin.answer(Ticket(asker), result, net);
    }

    /// When [`Desk::turn`] is to be called though no event came.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.admin.as_ref().and_then(Admin::deadline)
    }
}
