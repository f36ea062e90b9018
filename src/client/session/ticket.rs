//! What the session does with tickets, and without ([`super::super::credential`]).
//!
//! Owns nothing beside [`Session`]. Does not fetch one. Always true: a login, a ping or a work connection that needs a
//! ticket waits for it or is given up, in frpc's words; a session that is up is never ended for want of one. Worst case:
//! the parent's.

use super::{Phase, Session, Up};
use crate::client::credential::Why;
use crate::client::cx::Cx;
use crate::client::failure::{Blame, Failure};

impl Session {
    /// A ticket has come.
    pub(in crate::client) fn on_ticket(&mut self, cx: &mut Cx<'_>) -> Result<(), Failure> {
        match &self.phase {
            Phase::Asking => self.set_out(cx),
            // Each turn looks whether one is there.
            Phase::Waiting { .. } | Phase::Dialing(_) | Phase::Up(_) => Ok(()),
        }
    }

    /// A ticket could not be had.
    pub(in crate::client) fn on_no_ticket(&mut self, why: &Why, cx: &Cx<'_>) -> Result<(), Failure> {
        match &mut self.phase {
            Phase::Asking => {
                let blame = if why.refused { Blame::IssuerRefused } else { Blame::Issuer };
                let text = format!("couldn't {} OIDC token for login: {}", cx.credential.verb(), why.text);
                return Err(Failure::new(blame, text));
            }
            Phase::Up(up) => up.go_without(Some(why), &self.prefix, cx),
            Phase::Waiting { .. } | Phase::Dialing(_) => {
                log::debug!("{}couldn't {} OIDC token: {}", self.prefix, cx.credential.verb(), why.text);
            }
        }
        Ok(())
    }
}

impl Up {
    /// Has tickets fetched for what waits for one.
    pub(super) fn get_tickets(&mut self, prefix: &str, cx: &mut Cx<'_>) {
        if self.control.ping_needs_ticket()
            && let Some(ticket) = cx.credential.take(cx.shared.now)
        {
            self.control.ticket(ticket, cx.shared.now);
        }
        let wanted = self.control.ping_needs_ticket() || (self.wanted > 0 && self.control.work_needs_ticket());
        if wanted && !cx.credential.want(false, cx.net) {
            // A fetch failed a moment ago: this would be the same.
            self.go_without(None, prefix, cx);
        }
    }

    /// What waited for a ticket is given up; said why once for each fetch.
    fn go_without(&mut self, why: Option<&Why>, prefix: &str, cx: &Cx<'_>) {
        let (now, verb) = (cx.shared.now, cx.credential.verb());
        let ping = self.control.ping_needs_ticket();
        let works = if self.control.work_needs_ticket() { core::mem::take(&mut self.wanted) } else { 0 };
        if ping {
            self.control.skip_ping(now);
        }
        let Some(Why { text, .. }) = why else { return };
        if ping {
            let end = "skip sending ping message";
            log::warn!("{prefix}error during ping authentication: couldn't {verb} OIDC token for ping: {text}, {end}");
        }
        if works > 0 {
            log::warn!("{prefix}error during NewWorkConn authentication: couldn't {verb} OIDC token: {text}");
        }
        if !ping && works == 0 {
            log::debug!("{prefix}couldn't {verb} OIDC token: {text}");
        }
    }
}
