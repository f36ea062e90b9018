//! In place of the admin server where it is left out.
//!
//! Owns nothing. Does not do anything. Always true: the configuration refuses `webServer.port`. Worst case: no memory.

#![expect(clippy::needless_pass_by_ref_mut, reason = "it has the form of what it stands for")]

use super::reload::{Outcome, Reloader};
use crate::client::Client;
use crate::config::{Config, Loader};
use crate::net::{Event, Net};
use crate::proto::time::Instant;

pub(super) struct Desk;

impl Desk {
    pub(super) fn open(config: &Config, _: &str, _: &mut dyn Net) -> Result<Self, String> {
        match &config.web_server {
            Some(_) => Err("webServer.port: this redial is built without \"admin\"".to_owned()),
            None => Ok(Self),
        }
    }

    pub(super) fn take(&mut self, event: Event, _: &dyn Net) -> Option<Event> {
        Some(event)
    }

    pub(super) fn turn(&mut self, _: &mut Client, _: &mut Reloader, _: Loader, _: &mut dyn Net) -> bool {
        false
    }

    pub(super) fn answer(&mut self, _: Outcome, _: &mut dyn Net) {}

    pub(super) fn deadline(&self) -> Option<Instant> {
        None
    }
}
