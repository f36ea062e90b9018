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

enum State {
    Dialing(Box<Dial>),
    /// Connected.
    Talking(Box<Link>, Client),
    /// It came to nothing.
    Failed(String),
}

/// See the module.
pub(in crate::client::credential) struct Exchange {
    state: State,
    /// The address, for errors.
    shown: String,
    /// What is to be sent.
    request: Vec<u8>,
    tls: Option<tls::Settings>,
    until: Instant,
    limit: Duration,
    /// Something may be read.
    ready: bool,
}

impl Exchange {
    pub(super) fn start(
        url: &Url,
        request: Vec<u8>,
        tls: Option<tls::Settings>,
        limit: Duration,
        token: Token,
        net: &mut dyn Net,
    ) -> Self {
        let target = Target::new(&url.host, url.port);
        let dial = Dial::start(&target, &SockOpts::default(), limit, token, net);
        let (state, until) = (State::Dialing(Box::new(dial)), net.now() + limit);
        Self { state, shown: url.shown.clone(), request, tls, until, limit, ready: false }
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
        let result = match &mut self.state {
            State::Talking(link, client) => match talk(link, client, &mut self.ready, net, shared) {
                Ok(None) if self.until <= shared.now => Err(format!("no answer within {} s", self.limit.as_secs())),
                Ok(answer) => Ok(answer),
                Err(why) => Err(why),
            },
            State::Dialing(_) => Ok(None),
            State::Failed(why) => Err(core::mem::take(why)),
        };
        let done = match result {
            Ok(None) => return Progress::Pending,
            Ok(Some(answer)) => oauth::read(&answer).map_err(|refusal| Why {
                text: refusal.text,
                refused: refusal.lasting,
                answered: true,
            }),
            Err(why) => Err(Why::new(format!("Post {:?}: {why}", self.shown))),
        };
        self.abandon(net);
        Progress::Done(done)
    }

    fn dialed(&mut self, progress: dial::Progress, net: &mut dyn Net) {
        match progress {
            dial::Progress::Pending => {}
            dial::Progress::Failed(error @ DialError::Resolve(..)) => {
                self.state = State::Failed(format!("dial tcp: {error}"));
            }
            dial::Progress::Failed(error) => self.state = State::Failed(error.to_string()),
            dial::Progress::Up(sock) => match self.tls.as_ref().map(Tls::new).transpose() {
                Ok(tls) => {
                    let mut link = Link::new(sock, Owner::Session, tls, false, None);
                    link.post(0, &self.request);
                    // Whatever is there already, nobody will tell again.
                    (self.state, self.ready) = (State::Talking(Box::new(link), Client::new(MOST)), true);
                }
                Err(error) => {
                    net.close(sock);
                    self.state = State::Failed(error.to_string());
                }
            },
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
fn talk(
    link: &mut Link,
    client: &mut Client,
    ready: &mut bool,
    net: &mut dyn Net,
    shared: &mut Shared,
) -> Result<Option<client::Answer>, String> {
    let ends = [net.local_addr(link.sock), net.peer_addr(link.sock)];
    link.flush(net, shared).map_err(|e| worded(&e, "write", ends))?;
    let mut scratch = shared.take_scratch();
    let mut result = Ok(None);
    for _ in 0..READS {
        if !*ready || !matches!(result, Ok(None)) {
            break;
        }
        match link.read(&mut scratch, net) {
            Ok(None) => *ready = false,
            Ok(Some(got)) => {
                client.feed(scratch.get(got.from..got.to).unwrap_or_default());
                if got.full {
                    scratch = shared.exchange(scratch);
                }
                // With TLS: the handshake's next message, and the request once that is over.
                result = match link.flush(net, shared) {
                    Ok(()) => client.poll().map_err(|e| e.to_string()),
                    Err(e) => Err(worded(&e, "write", ends)),
                };
            }
            Err(LinkError::Eof) => {
                client.on_eof();
                result = client.poll().map_err(|e| e.to_string());
            }
            Err(e) => result = Err(worded(&e, "read", ends)),
        }
    }
    shared.put_scratch(scratch);
    result
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
