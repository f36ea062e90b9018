//! The second connection, prepared while the first is in doubt.
//!
//! Owns its dial and, until it is used, its link. Does not log in: the server learns nothing of a race that was called
//! off but a connection that came and went. Always true: it is ready only when the server has answered on it (a mux
//! ping; without mux the TLS handshake, or without that the kernel's). Worst case: one dial and one link.

use super::cx::Cx;
use super::dial::{Dial, Progress};
use super::failure::{Blame, Failure, LinkError};
use super::link::{Link, Owner};
use super::shared::TaskKey;
use super::{LINK, SESSION_DIAL};
use crate::net::{Answer, ResolveError, Sock, Token};
use crate::proto::mux::Mux;
use crate::proto::race::REPEAT;
use crate::proto::time::{Duration, Instant, secs};
use crate::proto::tls::Tls;
use std::net::SocketAddr;

/// Between two tries.
const PAUSE: Duration = secs(1);
/// How long the server may take to answer on a fresh connection.
const ANSWER: Duration = secs(10);

/// How far it is.
#[derive(Default)]
pub(super) enum Standby {
    /// Not wanted.
    #[default]
    Off,
    /// Until the next try, at the server at that place.
    Waiting { until: Instant, server: usize },
    Dialing {
        dial: Box<Dial>,
        server: usize,
        /// An answer should come within that.
        expected: Duration,
    },
    /// Connected; `answered`: it works.
    Linked {
        link: u32,
        server: usize,
        peer: SocketAddr,
        answered: bool,
        until: Instant,
        /// When it came through, if that was not at once.
        late: Option<Instant>,
    },
}

impl Standby {
    /// Whether it is under way.
    pub(super) fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }

    /// Whether it failed and is to be tried again.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self, Self::Waiting { .. })
    }

    /// Its link, while there is one.
    pub(super) fn link(&self) -> Option<u32> {
        match self {
            Self::Linked { link, .. } => Some(*link),
            _ => None,
        }
    }

    /// When it came through, if that was later than it should have been; once.
    pub(super) fn take_late(&mut self) -> Option<Instant> {
        match self {
            Self::Linked { late, .. } => late.take(),
            _ => None,
        }
    }

    /// Starts a try at a server, from which an answer is expected within a time.
    pub(super) fn start(&mut self, server: usize, expected: Duration, task: u32, cx: &mut Cx<'_>) {
        *self = Self::Dialing { dial: Box::new(dial_server(server, expected, task, cx)), server, expected };
        self.go(cx);
    }

    /// When [`Standby::expire`] wants to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Off | Self::Linked { answered: true, .. } => None,
            Self::Waiting { until: at, .. } | Self::Linked { until: at, .. } => Some(*at),
            Self::Dialing { dial, .. } => Some(dial.deadline()),
        }
    }

    /// Does what is due. `task` names a further dial.
    pub(super) fn expire(&mut self, task: u32, cx: &mut Cx<'_>) {
        if self.deadline().is_none_or(|at| at > cx.shared.now) {
            return;
        }
        match self {
            Self::Waiting { server, .. } => {
                let server = *server;
                self.start(server, REPEAT, task, cx);
            }
            Self::Dialing { .. } => self.go(cx),
            Self::Linked { .. } => self.failed("no answer on it", cx),
            Self::Off => {}
        }
    }

    /// The network changed.
    pub(super) fn redirect(&mut self, cx: &mut Cx<'_>) {
        if let Self::Dialing { dial, .. } = self {
            dial.redirect(cx.net);
            self.go(cx);
        }
    }

    fn go(&mut self, cx: &mut Cx<'_>) {
        if let Self::Dialing { dial, .. } = self {
            let progress = dial.go(cx.net);
            self.dialed(progress, cx);
        }
    }

    /// A try to connect ended.
    pub(super) fn on_dialed(&mut self, token: Token, sock: Sock, result: std::io::Result<()>, cx: &mut Cx<'_>) {
        if let Self::Dialing { dial, .. } = self
            && dial.token() == token
        {
            let progress = dial.on_dialed(sock, result, cx.net);
            self.dialed(progress, cx);
        }
    }

    /// The look-up of the server's name made progress.
    pub(super) fn on_resolved(&mut self, token: Token, result: Result<Answer, ResolveError>, cx: &mut Cx<'_>) {
        if let Self::Dialing { dial, .. } = self
            && dial.token() == token
        {
            let progress = dial.on_resolved(result, cx.net);
            self.dialed(progress, cx);
        }
    }

    fn dialed(&mut self, progress: Progress, cx: &mut Cx<'_>) {
        match progress {
            Progress::Pending => {}
            Progress::Failed(e) => self.failed(&e.to_string(), cx),
            Progress::Up(sock) => {
                let (server, now) = (self.server(), cx.shared.now);
                let late = match (&*self, cx.net.peer_addr(sock)) {
                    (Self::Dialing { dial, expected, .. }, Some(peer)) if dial.lasted(peer.ip(), now) > *expected => {
                        Some(now)
                    }
                    _ => None,
                };
                match raise(sock, server, cx) {
                    Ok((link, peer)) => {
                        let until = now + ANSWER;
                        *self = Self::Linked { link, server, peer, answered: false, until, late };
                        self.look(cx);
                    }
                    Err(e) => self.failed(&e.text, cx),
                }
            }
        }
    }

    /// Something came on the link, or it was made: does it work now?
    pub(super) fn look(&mut self, cx: &mut Cx<'_>) {
        let Self::Linked { link, answered, .. } = self else { return };
        let Some(link) = cx.links.get_mut(*link as usize) else { return };
        let up = link.ready();
        *answered |= link.mux.as_ref().map_or(up, |mux| mux.rtt().is_some());
    }

    /// The place of the server it is to reach.
    pub(super) fn server(&self) -> usize {
        match self {
            Self::Off => 0,
            Self::Waiting { server, .. } | Self::Dialing { server, .. } | Self::Linked { server, .. } => *server,
        }
    }

    /// It came to nothing: the next server in a while.
    pub(super) fn failed(&mut self, why: &str, cx: &mut Cx<'_>) {
        log::debug!("{}the second connection: {why}", cx.prefix);
        let again = cx.shared.now + PAUSE;
        let server = (self.server() + 1) % cx.setup.servers();
        self.call_off(cx);
        *self = Self::Waiting { until: again, server };
    }

    /// Gives it up.
    pub(super) fn call_off(&mut self, cx: &mut Cx<'_>) {
        match core::mem::take(self) {
            Self::Dialing { mut dial, .. } => dial.abandon(cx.net),
            Self::Linked { link, .. } => {
                if let Some(link) = cx.links.try_remove(link as usize) {
                    cx.net.close(link.sock);
                }
            }
            Self::Off | Self::Waiting { .. } => {}
        }
    }
}

/// Starts to connect to the server at that place, from which an answer is expected within a time. `task` tells its events
/// from another dial's.
pub(super) fn dial_server(server: usize, expected: Duration, task: u32, cx: &mut Cx<'_>) -> Dial {
    let (server, net) = (cx.setup.server(server), &mut *cx.net);
    let token = Token { task, port: SESSION_DIAL };
    let dial = Dial::start(&server.target, &server.opts, cx.setup.dial_timeout, token, net);
    dial.persistent(expected).family(server.family)
}

/// Builds the layers on a fresh connection: its key, and who is at the other end.
pub(super) fn raise(sock: Sock, server: usize, cx: &mut Cx<'_>) -> Result<(u32, SocketAddr), Failure> {
    let (setup, now) = (cx.setup, cx.shared.now);
    let tls = match setup.server(server).tls.as_ref().map(Tls::new).transpose() {
        Ok(tls) => tls,
        Err(e) => {
            cx.net.close(sock);
            return Err(LinkError::Tls(e).into());
        }
    };
    let Some(peer) = cx.net.peer_addr(sock) else {
        cx.net.close(sock);
        return Err(Failure::new(Blame::Network, "the connection was gone at once"));
    };
    let mux = setup.mux.map(|settings| Mux::new(settings, now));
    let mut link = Link::new(sock, Owner::Session, tls, setup.first_byte, mux);
    // What answers there may have spoken already.
    link.queued = true;
    let key = u32::try_from(cx.links.insert(link)).unwrap_or(u32::MAX);
    cx.shared.run.push_back(TaskKey::Link(key));
    cx.net.assign(sock, Token { task: key, port: LINK });
    Ok((key, peer))
}
