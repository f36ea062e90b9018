//! In place of requests to an issuer where they are left out: what [`super::Credential`] will ask of them, and no
//! value of any of it.
//!
//! Owns nothing. Does not do anything: an [`Issuer`] cannot exist, so the compiler drops all code for it. Always true: the
//! configuration refuses `auth.oidc` without a `tokenSource` before anybody gets here. Worst case: no memory.

#![expect(clippy::needless_pass_by_ref_mut, reason = "the same signatures")]

use super::Why;
use crate::client::shared::Shared;
use crate::config::Oidc;
use crate::net::{Answer, FileDone, FileJob, Net, ResolveError, Sock, Token};
use crate::proto::time::{Duration, Instant};
use core::convert::Infallible;

/// There is none.
pub(super) struct Issuer(Infallible);

/// There is none.
pub(super) struct Exchange(Infallible);

/// Never given.
pub(super) struct Grant {
    pub(super) token: String,
    pub(super) lasts: Option<Duration>,
}

/// Never made.
pub(super) enum Progress {
    Pending,
    #[expect(dead_code, reason = "nothing can be asked")]
    Done(Result<Grant, Why>),
}

impl Issuer {
    pub(super) fn new(_: &Oidc) -> Result<Self, String> {
        Err("this redial is built without \"oidc\"".to_owned())
    }

    pub(super) fn name(&self) -> String {
        match self.0 {}
    }

    pub(super) fn prepared(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn files(&self) -> FileJob {
        match self.0 {}
    }

    pub(super) fn prepare(&mut self, _: Result<FileDone, String>) -> Result<(), String> {
        match self.0 {}
    }

    pub(super) fn ask(&self, _: Token, _: &mut dyn Net) -> Result<Exchange, Why> {
        match self.0 {}
    }

    pub(super) fn try_another_style(&mut self, _: &Why) -> bool {
        match self.0 {}
    }

    pub(super) fn granted(&mut self) {
        match self.0 {}
    }

    pub(super) fn hide(&self, _: &mut Why) {
        match self.0 {}
    }
}

impl Exchange {
    pub(super) fn on_resolved(&mut self, _: Result<Answer, ResolveError>, _: &mut dyn Net) {
        match self.0 {}
    }

    pub(super) fn on_dialed(&mut self, _: Sock, _: std::io::Result<()>, _: &mut dyn Net) {
        match self.0 {}
    }

    pub(super) fn on_ready(&mut self, _: Sock) {
        match self.0 {}
    }

    pub(super) fn deadline(&self) -> Instant {
        match self.0 {}
    }

    pub(super) fn go(&mut self, _: &mut dyn Net, _: &mut Shared) -> Progress {
        match self.0 {}
    }

    pub(super) fn abandon(&mut self, _: &mut dyn Net) {
        match self.0 {}
    }
}
