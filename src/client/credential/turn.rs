//! What a turn of the client does for the credential.
//!
//! Owns nothing beside [`Client`]. Does not fetch or use one. Always true: what has become of a fetch is told once. Worst
//! case: no memory.

use super::News;
use crate::client::{Client, Exit};
use crate::net::Net;

impl Client {
    /// Looks after what proves who we are, and tells the session.
    pub(in crate::client) fn tend_credential(&mut self, net: &mut dyn Net) {
        match self.credential.tend(net, &mut self.shared) {
            Some(News::Token(token)) => self.setup.set_token(token),
            Some(News::Hopeless(why)) => self.end(Exit::Hopeless(why)),
            Some(News::Ticket) => {
                let (session, _, mut cx) = self.split(net);
                let result = session.on_ticket(&mut cx);
                self.session_did(result, net);
            }
            Some(News::Failed(why)) => {
                let (session, _, cx) = self.split(net);
                let result = session.on_no_ticket(&why, &cx);
                self.session_did(result, net);
            }
            None => {}
        }
    }
}
