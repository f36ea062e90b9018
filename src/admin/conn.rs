//! One connection to the admin server.
//!
//! Owns its socket and its machine. Does not know what is asked. Always true: it reads only what the machine wants, so the
//! kernel's buffers hold up who asks too much; it ends by FIN, and what still comes is dropped for a moment, so that the
//! last answer is not lost. Worst case: the machine's, and 4 KiB of stack.

use super::reply::Asked;
use super::secure::Layer;
use crate::net::{Net, Sock};
use crate::proto::http::{Event, Http, Response};
use crate::proto::time::{Duration, Instant, secs};
use std::io::ErrorKind;

/// How long a request may take to come, an answer to go, and a connection to be idle: each as long as in frpc.
pub(super) const PATIENCE: Duration = secs(60);
/// How long, and for how many bytes, a peer that was told the end is listened to.
const LINGER: Duration = secs(2);
const MAX_LINGER: usize = 256 * 1024;
/// How requests start that came without TLS to where it is spoken, and what they are told, as by Go's server.
const PLAIN: [&[u8]; 5] = [b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO"];
const NOT_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
/// Bytes sealed ahead of the socket.
const SEALED: usize = 32 * 1024;
/// Bytes read at once.
const PIECE: usize = 4096;

/// What a connection waits for beside bytes.
pub(super) enum Wait {
    /// Nothing.
    Nothing,
    /// The body of this request.
    Body(Asked),
    /// Its refusal, until then.
    Denied(Instant),
    /// The program's answer.
    Program(Asked),
    /// A file.
    File(Asked),
}

/// What came of a step.
pub(super) enum Step {
    /// The peer asks.
    Asks(Event),
    /// Something has to come first.
    Wait,
    /// It is over.
    Gone,
}

/// See the module.
pub(super) struct Conn {
    pub(super) sock: Sock,
    layer: Layer,
    /// Sealed bytes that wait to be sent; unused without TLS.
    sealed: Vec<u8>,
    http: Http,
    pub(super) wait: Wait,
    /// Tells this connection from others that had its place.
    pub(super) serial: u32,
    pub(super) queued: bool,
    due: Instant,
    /// When it last asked something that not everybody may.
    rested: Instant,
    eof: bool,
    /// Bytes that may still come after the end.
    linger: Option<usize>,
}

impl Conn {
    pub(super) fn new(sock: Sock, layer: Layer, serial: u32, now: Instant) -> Self {
        let (http, wait, linger) = (Http::default(), Wait::Nothing, None);
        let (sealed, queued, due, rested, eof) = (Vec::new(), false, now + PATIENCE, now, false);
        Self { sock, layer, sealed, http, wait, serial, queued, due, rested, eof, linger }
    }

    /// Bytes held.
    pub(super) fn holds(&self) -> usize {
        self.http.holds() + self.sealed.len()
    }

    /// When to look at it though nothing came. The program answers in its own time: a trial may take minutes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.wait {
            Wait::Denied(until) => Some(until),
            Wait::Program(_) => None,
            _ => Some(self.due),
        }
    }

    /// Since when it has asked nothing of weight. Questions that are refused, or that anybody may ask, have none: who asks
    /// no others keeps its place no longer than who asks nothing.
    pub(super) fn rests(&self) -> Option<Instant> {
        let idle = matches!(self.wait, Wait::Nothing | Wait::Denied(_));
        idle.then_some(self.rested)
    }

    /// It has asked something that not everybody may.
    pub(super) fn earn(&mut self, now: Instant) {
        self.rested = now;
    }

    /// Takes the body of the request.
    pub(super) fn take_body(&mut self, limit: usize) {
        self.http.take_body(limit);
    }

    /// Answers the request.
    pub(super) fn respond(&mut self, response: &Response, unix_time: u64, now: Instant) {
        (self.wait, self.due) = (Wait::Nothing, now + PATIENCE);
        self.http.respond(response, unix_time);
    }

    /// Reads and writes until the peer asks something or nothing moves.
    pub(super) fn step(&mut self, net: &mut dyn Net) -> Step {
        let now = net.now();
        loop {
            match self.flush(net) {
                Ok(true) => {}
                Ok(false) => return Step::Wait,
                Err(()) => return Step::Gone,
            }
            if let Some(left) = self.linger {
                return self.drain(left, net);
            }
            if let Some(event) = self.http.poll() {
                if matches!(event, Event::Request(_)) {
                    self.due = now + PATIENCE;
                }
                return Step::Asks(event);
            }
            if !self.http.output().is_empty() {
                continue;
            }
            if self.http.closed() {
                self.finish(net);
            } else if !self.http.wants() {
                return Step::Wait;
            } else {
                match self.read(net) {
                    Ok(true) => {}
                    Ok(false) => return Step::Wait,
                    Err(()) => return Step::Gone,
                }
            }
        }
    }

    /// Reads a piece; false if there is none.
    fn read(&mut self, net: &mut dyn Net) -> Result<bool, ()> {
        let mut piece = [0; PIECE];
        let bytes = match net.read(self.sock, &mut piece) {
            Ok(n) => piece.get(..n).unwrap_or_default(),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(_) => return Err(()),
        };
        self.eof = bytes.is_empty();
        if self.layer.is_plain() {
            self.http.feed(bytes);
        } else {
            let mut plain = Vec::new();
            let opened = self.layer.open(bytes, &mut plain, &mut self.sealed);
            self.http.feed(&plain);
            match opened {
                Ok(open) => self.eof |= !open,
                Err(e) => {
                    log::debug!("admin server: {e}");
                    // What Go says, or the alert, if the peer still listens.
                    let plain = PLAIN.iter().any(|start| bytes.starts_with(start));
                    let _ =
                        if plain { net.write(self.sock, NOT_TLS).map(|_| ()).is_ok() } else { self.flush(net).is_ok() };
                    return Err(());
                }
            }
        }
        if self.eof {
            self.http.on_eof();
        }
        Ok(true)
    }

    /// Sends what waits; true if nothing is left.
    pub(super) fn flush(&mut self, net: &mut dyn Net) -> Result<bool, ()> {
        loop {
            let plain = self.http.output();
            let out = if self.layer.is_plain() {
                plain
            } else {
                while !plain.is_empty() && self.sealed.len() < SEALED {
                    let taken = self.layer.seal(plain, &mut self.sealed);
                    plain.drain(..taken.min(plain.len()));
                    if taken == 0 {
                        return Err(());
                    }
                }
                &mut self.sealed
            };
            if out.is_empty() {
                return Ok(true);
            }
            let mut sent = 0;
            let blocked = loop {
                match out.get(sent..).filter(|rest| !rest.is_empty()).map(|rest| net.write(self.sock, rest)) {
                    None => break false,
                    Some(Ok(n)) => sent += n,
                    Some(Err(e)) if e.kind() == ErrorKind::WouldBlock => break true,
                    Some(Err(_)) => return Err(()),
                }
            };
            out.drain(..sent);
            if blocked {
                return Ok(false);
            }
            *out = Vec::new();
            self.due = net.now() + PATIENCE;
        }
    }

    /// Says that no more will come, and listens on for a moment.
    fn finish(&mut self, net: &mut dyn Net) {
        self.layer.close(&mut self.sealed);
        let _ = self.flush(net);
        net.shutdown(self.sock);
        self.linger = Some(if self.eof { 0 } else { MAX_LINGER });
        self.due = net.now() + LINGER;
    }

    /// Drops what comes after the end.
    fn drain(&mut self, mut left: usize, net: &mut dyn Net) -> Step {
        let mut piece = [0; PIECE];
        loop {
            match net.read(self.sock, &mut piece) {
                Ok(n) if n > 0 && n <= left => left -= n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.linger = Some(left);
                    return Step::Wait;
                }
                _ => return Step::Gone,
            }
        }
    }
}
