//! What a task may reach while it runs.
//!
//! Owns nothing: it lends disjoint parts of the client for one call. Does not decide anything. Always true: a task sees
//! the links, never another task. Worst case: no memory.

use super::credential::Credential;
use super::link::Link;
use super::proxies::Proxies;
use super::setup::Setup;
use super::shared::Shared;
use crate::net::{Net, Sock};
use slab::Slab;

/// See the module.
pub(super) struct Cx<'a> {
    pub(super) net: &'a mut dyn Net,
    pub(super) links: &'a mut Slab<Link>,
    pub(super) shared: &'a mut Shared,
    pub(super) proxies: &'a mut Proxies,
    pub(super) setup: &'a Setup,
    pub(super) credential: &'a mut Credential,
    /// Starts every log line of a session: `[run id] `, or nothing before the first login.
    pub(super) prefix: &'a str,
}

impl Cx<'_> {
    /// A task's way to the server, while there is one.
    pub(super) fn link(&mut self, at: At) -> Option<&mut Link> {
        self.links.get_mut(at.link? as usize)
    }

    /// Our address and the peer's, for a log line.
    pub(super) fn ends(&self, sock: Option<Sock>) -> [String; 2] {
        let text = |addr: Option<std::net::SocketAddr>| addr.map_or_else(|| "-".to_owned(), |addr| addr.to_string());
        [sock.and_then(|sock| self.net.local_addr(sock)), sock.and_then(|sock| self.net.peer_addr(sock))].map(text)
    }

    /// The socket to the server.
    pub(super) fn server_sock(&self, at: At) -> Option<Sock> {
        self.links.get(at.link? as usize).map(|link| link.sock)
    }

    /// Has the task's link flushed at the end of the turn, if it has something to send.
    pub(super) fn touch(&mut self, at: At) {
        if let Some(key) = at.link
            && let Some(link) = self.links.get_mut(key as usize)
        {
            link.touch(key, self.shared);
        }
    }
}

/// Which task, and where its way to the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    /// Key of the work connection.
    pub(super) work: u32,
    /// Key of the link; `None` once that is gone.
    pub(super) link: Option<u32>,
    /// The stream on it; 0 without mux.
    pub(super) stream: u32,
}
