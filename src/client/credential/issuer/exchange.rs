//! One request to an issuer, from the look-up of its name to the answer.
//!
//! Owns the connection. Does not know what is asked. Always true: it ends at its deadline at the latest, and then no socket
//! of it is left; errors have the words of Go's client. Worst case: that of a dial, or of a link and [`MOST`].

use super::super::Why;
use super::url::Url;
use crate::client::dial::{self, Dial, Target};
use crate::client::failure::{DialError, LinkError, reason};
use crate::client::link::{Link, Owner};
use crate::client::shared::Shared;
use crate::net::{Answer, Net, ResolveError, Sock, SockOpts, Token};
use crate::proto::http::client::{self, Client};
use crate::proto::oauth::{self, Grant};
use crate::proto::socks::Socks;
use crate::proto::time::{Duration, Instant};
use crate::proto::tls::{self, Tls, TlsError};
use std::io;

/// Bytes of an answer's body.
const MOST: usize = 128 * 1024;
/// Reads in a turn: the others want theirs, too.
const READS: usize = 8;

/// How far it is.
pub(in crate::client::credential) enum Progress {
    /// Nothing is decided.
    Pending,
    /// It is over.
    Done(Result<Grant, Why>),
}

/// How the connection becomes one to the issuer.
pub(super) enum Way {
    /// It is one, or to a proxy that takes the request itself.
    Straight,
    /// A proxy is asked for a way through, with these bytes.
    Connect(Vec<u8>),
    /// A proxy is asked in SOCKS5.
    Socks(Socks),
}

/// What an exchange is made of.
pub(super) struct Parts {
    /// The address, for errors.
    pub(super) shown: String,
    pub(super) way: Way,
    /// What is to be sent.
    pub(super) request: Vec<u8>,
    pub(super) tls: Option<tls::Settings>,
}

/// Whose answer is awaited.
enum Talk {
    /// The issuer's.
    Issuer(Client),
    /// The proxy's, to CONNECT.
    Connect(Client),
    /// The proxy's, in SOCKS5.
    Socks(Socks),
}

/// What has come of it.
enum Outcome {
    Pending,
    /// The proxy has opened the way.
    Through,
    Answer(client::Answer),
}

enum State {
    Dialing(Box<Dial>),
    /// Connected.
    Talking(Box<Link>, Talk),
    /// It came to nothing.
    Failed(String),
}

/// See the module.
pub(in crate::client::credential) struct Exchange {
    state: State,
    parts: Parts,
    /// There is a proxy, or was until it opened the way.
    proxied: bool,
    until: Instant,
    limit: Duration,
    /// Something may be read.
    ready: bool,
}

impl Exchange {
    /// Asks at this place: the issuer's, or the proxy's.
    pub(super) fn start(place: &Url, parts: Parts, limit: Duration, token: Token, net: &mut dyn Net) -> Self {
        let target = Target::new(&place.host, place.port);
        let dial = Dial::start(&target, &SockOpts::default(), limit, token, net);
        let (state, until, proxied) = (State::Dialing(Box::new(dial)), net.now() + limit, parts.shown != place.shown);
        Self { state, parts, proxied, until, limit, ready: false }
    }

    pub(in crate::client::credential) fn on_resolved(
        &mut self,
        result: Result<Answer, ResolveError>,
        net: &mut dyn Net,
    ) {
        if let State::Dialing(dial) = &mut self.state {
            let progress = dial.on_resolved(result, net);
            self.dialed(progress, net);
        }
    }

    pub(in crate::client::credential) fn on_dialed(&mut self, sock: Sock, result: io::Result<()>, net: &mut dyn Net) {
        match &mut self.state {
            State::Dialing(dial) => {
                let progress = dial.on_dialed(sock, result, net);
                self.dialed(progress, net);
            }
            // Another try of the same dial, which has been aborted.
            State::Talking(..) | State::Failed(_) => {}
        }
    }

    pub(in crate::client::credential) fn on_ready(&mut self, sock: Sock) {
        if let State::Talking(link, _) = &self.state {
            self.ready |= link.sock == sock;
        }
    }

    /// When [`Exchange::go`] wants to be called.
    pub(in crate::client::credential) fn deadline(&self) -> Instant {
        match &self.state {
            State::Dialing(dial) => dial.deadline().min(self.until),
            State::Talking(..) if !self.ready => self.until,
            State::Talking(..) | State::Failed(_) => Instant::ZERO,
        }
    }

    /// Goes on.
    pub(in crate::client::credential) fn go(&mut self, net: &mut dyn Net, shared: &mut Shared) -> Progress {
        if let State::Dialing(dial) = &mut self.state {
            let progress = dial.go(net);
            self.dialed(progress, net);
        }
        let result = match self.advance(net, shared) {
            Ok(Outcome::Through) => {
                self.pass(net);
                self.advance(net, shared)
            }
            result => result,
        };
        let done = match result {
            Ok(Outcome::Pending | Outcome::Through) if self.until > shared.now => return Progress::Pending,
            Ok(Outcome::Pending | Outcome::Through) => Err(format!("no answer within {} s", self.limit.as_secs())),
            Ok(Outcome::Answer(answer)) => Ok(answer),
            Err(why) => Err(why),
        };
        let done = match done {
            Ok(answer) => oauth::read(&answer).map_err(|refusal| Why {
                text: refusal.text,
                refused: refusal.lasting,
                answered: true,
            }),
            Err(why) => Err(Why::new(format!("Post {:?}: {why}", self.parts.shown))),
        };
        self.abandon(net);
        Progress::Done(done)
    }

    /// Does what can be done.
    fn advance(&mut self, net: &mut dyn Net, shared: &mut Shared) -> Result<Outcome, String> {
        match &mut self.state {
            State::Talking(link, talk) => converse(link, talk, &mut self.ready, net, shared),
            // Its own deadline is no later than ours.
            State::Dialing(_) => Ok(Outcome::Pending),
            State::Failed(why) => Err(core::mem::take(why)),
        }
    }

    fn dialed(&mut self, progress: dial::Progress, net: &mut dyn Net) {
        let through = if self.proxied { "proxyconnect tcp: " } else { "" };
        match progress {
            dial::Progress::Pending => {}
            dial::Progress::Failed(error @ DialError::Resolve(..)) => {
                self.state = State::Failed(format!("{through}dial tcp: {error}"));
            }
            dial::Progress::Failed(error) => self.state = State::Failed(format!("{through}{error}")),
            dial::Progress::Up(sock) => match core::mem::replace(&mut self.parts.way, Way::Straight) {
                Way::Straight => self.speak(sock, net),
                Way::Connect(head) => self.ask_proxy(sock, &head, Talk::Connect(Client::connect())),
                Way::Socks(mut socks) => {
                    let greeting = socks.output();
                    self.ask_proxy(sock, &greeting, Talk::Socks(socks));
                }
            },
        }
    }

    fn ask_proxy(&mut self, sock: Sock, bytes: &[u8], talk: Talk) {
        let mut link = Link::new(sock, Owner::Session, None, false, None);
        link.post(0, bytes);
        (self.state, self.ready) = (State::Talking(Box::new(link), talk), true);
    }

    /// The proxy has opened the way: the same socket, and other layers.
    fn pass(&mut self, net: &mut dyn Net) {
        if let State::Talking(link, _) = &self.state {
            self.speak(link.sock, net);
        }
    }

    /// Sends the request to the issuer.
    fn speak(&mut self, sock: Sock, net: &mut dyn Net) {
        match self.parts.tls.as_ref().map(Tls::new).transpose() {
            Ok(tls) => {
                let mut link = Link::new(sock, Owner::Session, tls, false, None);
                link.post(0, &self.parts.request);
                // Whatever is there already, nobody will tell again.
                (self.state, self.ready) = (State::Talking(Box::new(link), Talk::Issuer(Client::new(MOST))), true);
            }
            Err(error) => {
                net.close(sock);
                self.state = State::Failed(error.to_string());
            }
        }
    }

    /// Closes everything.
    pub(in crate::client::credential) fn abandon(&mut self, net: &mut dyn Net) {
        match core::mem::replace(&mut self.state, State::Failed(String::new())) {
            State::Dialing(mut dial) => dial.abandon(net),
            State::Talking(mut link, _) => {
                link.finish(0, net);
                net.close(link.sock);
            }
            State::Failed(_) => {}
        }
    }
}

/// Sends and reads what can be, and says what has come of it.
fn converse(
    link: &mut Link,
    talk: &mut Talk,
    ready: &mut bool,
    net: &mut dyn Net,
    shared: &mut Shared,
) -> Result<Outcome, String> {
    let ends = [net.local_addr(link.sock), net.peer_addr(link.sock)];
    link.flush(net, shared).map_err(|e| worded(&e, "write", ends))?;
    let mut scratch = shared.take_scratch();
    let mut result = Ok(Outcome::Pending);
    for _ in 0..READS {
        if !*ready || !matches!(result, Ok(Outcome::Pending)) {
            break;
        }
        result = match link.read(&mut scratch, net) {
            Ok(None) => {
                *ready = false;
                Ok(Outcome::Pending)
            }
            Ok(Some(got)) => {
                let result = talk.feed(scratch.get(got.from..got.to).unwrap_or_default(), link);
                if got.full {
                    scratch = shared.exchange(scratch);
                }
                // With TLS: the handshake's next message, and the request once that is over.
                link.flush(net, shared).map_err(|e| worded(&e, "write", ends)).and(result)
            }
            Err(LinkError::Eof) => talk.on_eof(),
            Err(e) => Err(worded(&e, "read", ends)),
        };
    }
    shared.put_scratch(scratch);
    result
}

impl Talk {
    /// Bytes came.
    fn feed(&mut self, bytes: &[u8], link: &mut Link) -> Result<Outcome, String> {
        match self {
            Self::Issuer(client) | Self::Connect(client) => client.feed(bytes),
            Self::Socks(socks) => {
                let open = socks.feed(bytes).map_err(|why| format!("socks connect: {why}"))?;
                link.post(0, &socks.output());
                return Ok(if open { Outcome::Through } else { Outcome::Pending });
            }
        }
        self.poll()
    }

    fn on_eof(&mut self) -> Result<Outcome, String> {
        match self {
            Self::Issuer(client) | Self::Connect(client) => client.on_eof(),
            Self::Socks(_) => return Err("socks connect: EOF".to_owned()),
        }
        self.poll()
    }

    fn poll(&mut self) -> Result<Outcome, String> {
        let (client, connects) = match self {
            Self::Issuer(client) => (client, false),
            Self::Connect(client) => (client, true),
            Self::Socks(_) => return Ok(Outcome::Pending),
        };
        match client.poll().map_err(|e| e.to_string())? {
            None => Ok(Outcome::Pending),
            Some(answer) if !connects => Ok(Outcome::Answer(answer)),
            Some(answer) if answer.status == 200 => Ok(Outcome::Through),
            // All that Go says about it.
            Some(answer) => Err(answer.status_line.split_once(' ').unwrap_or_default().1.to_owned()),
        }
    }
}

fn worded(error: &LinkError, verb: &str, ends: [Option<std::net::SocketAddr>; 2]) -> String {
    match error {
        LinkError::Io(e) => match ends {
            [Some(own), Some(peer)] => format!("{verb} tcp {own}->{peer}: {verb}: {}", reason(e)),
            _ => format!("{verb} tcp: {}", reason(e)),
        },
        LinkError::Tls(TlsError::BadCertificate(why, _)) => {
            format!("tls: failed to verify certificate: x509: {why}")
        }
        LinkError::Tls(TlsError::NotTls(Some(what))) if what.contains("web server") => {
            "http: server gave HTTP response to HTTPS client".to_owned()
        }
        LinkError::Tls(TlsError::NotTls(_)) => "tls: first record does not look like a TLS handshake".to_owned(),
        LinkError::Tls(TlsError::Refused(alert)) => {
            // What follows the alert's name is about frps.
            format!("remote error: tls: {}", alert.split(':').next().unwrap_or_default())
        }
        LinkError::Eof | LinkError::Mux(_) | LinkError::Tls(TlsError::Failed(_)) => error.to_string(),
    }
}
