//! HTTP/1.1 as a server speaks it (RFC 9112): one connection, one request at a time.
//!
//! Owns a head that is not complete, the body of one request, and the answer that waits to be sent. Does not know what
//! a path means or who may ask. Always true: the next request is looked at when the answer to the last one has been
//! taken; a request that could be read in two ways is refused; after an error the answer to it is in the output and
//! nothing is taken any more. Worst case: [`MAX_HEAD`] and what is fed at once, the body that the owner allowed, and one
//! answer.

mod body;
#[cfg(feature = "oidc")]
pub mod client;
mod head;
mod response;

pub use head::{Method, Request};
pub use response::Response;

use body::{Body, BodyError};

/// The longest head that is read, in bytes.
pub const MAX_HEAD: usize = 8 * 1024;
/// Bytes of a body nobody wants that are read all the same, so that the connection can be used again.
const MAX_DROPPED: usize = 64 * 1024;

/// Base64 with padding, as it is in `Authorization`.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS.get((group >> shift & 63) as usize).filter(|_| at <= chunk.len());
            out.push(char::from(digit.copied().unwrap_or(b'=')));
        }
    }
    out
}

/// Replaces `%XX`, and `+` by a space, as in forms; `None` if one is broken.
pub fn unescape(text: &str) -> Option<String> {
    head::decode(&text.replace('+', " "))
}

/// What the peer asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request, without its body: take it by [`Http::take_body`], or answer at once.
    Request(Request),
    /// The whole body of the request, as it was allowed: answer.
    Body(Vec<u8>),
}

/// What the connection is at.
#[derive(Debug)]
enum State {
    /// Reads a head; so many bytes of it hold no end.
    Head(usize),
    /// The owner has the head.
    Asked,
    /// Reads a body, up to so many bytes.
    Body(Vec<u8>, usize),
    /// The owner has the body.
    Answering,
    /// Reads a body that nobody wants, up to so many bytes.
    Dropping(usize),
    /// Takes nothing any more.
    Closed,
}

/// What has to be remembered of a request until it is answered.
#[derive(Clone, Copy, Debug, Default)]
struct Terms {
    /// The connection can be used again.
    keep: bool,
    /// HTTP/1.0: has to be told that it can.
    old: bool,
    /// Wants no body in the answer.
    bare: bool,
    /// Waits for our word before it sends the body.
    waits: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Http {
    rx: Vec<u8>,
    state: State,
    body: Body,
    terms: Terms,
    out: Vec<u8>,
    /// The peer will send no more.
    eof: bool,
}

impl Default for Http {
    fn default() -> Self {
        let (body, terms) = (Body::default(), Terms::default());
        Self { rx: Vec::new(), state: State::Head(0), body, terms, out: Vec::new(), eof: false }
    }
}

impl Http {
    /// Whether bytes may be fed now. While they may not, the peer has to wait.
    pub fn wants(&self) -> bool {
        let reads = matches!(self.state, State::Head(_) | State::Body(..) | State::Dropping(_));
        reads && !self.eof && self.out.is_empty()
    }

    /// Whether nothing of a request has come since the last answer.
    pub fn idle(&self) -> bool {
        matches!(self.state, State::Head(_)) && self.rx.is_empty() && self.out.is_empty()
    }

    /// Whether the connection is of no more use once the output is sent.
    pub fn closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Bytes held.
    pub fn holds(&self) -> usize {
        let body = match &self.state {
            State::Body(bytes, _) => bytes.len(),
            _ => 0,
        };
        self.rx.len() + self.out.len() + body
    }

    /// Bytes for the peer. The caller removes what it has sent.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Bytes from the peer.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Closed) {
            self.rx.extend_from_slice(bytes);
        }
    }

    /// The peer will send no more.
    pub fn on_eof(&mut self) {
        self.eof = true;
    }

    /// What the peer asks next.
    pub fn poll(&mut self) -> Option<Event> {
        loop {
            if !self.out.is_empty() {
                return None;
            }
            let event = match self.state {
                State::Head(seen) => self.head(seen),
                State::Body(..) => self.body(),
                State::Dropping(_) => {
                    if self.drop_body() {
                        continue;
                    }
                    None
                }
                State::Asked | State::Answering | State::Closed => None,
            };
            if event.is_none() && self.eof && self.wanted_more() {
                self.close();
            }
            return event;
        }
    }

    fn wanted_more(&self) -> bool {
        matches!(self.state, State::Head(_) | State::Body(..) | State::Dropping(_))
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.rx = Vec::new();
    }

    fn head(&mut self, seen: usize) -> Option<Event> {
        let Some(end) = head::end(&self.rx, seen) else {
            if self.rx.len() >= MAX_HEAD {
                self.refuse(431, "request header fields too large");
            } else {
                // The last three bytes may be the start of the end.
                self.state = State::Head(self.rx.len().saturating_sub(3));
            }
            return None;
        };
        let parsed = match self.rx.get(..end) {
            Some(bytes) if end <= MAX_HEAD => head::parse(bytes),
            _ => Err((431, "request header fields too large")),
        };
        match parsed {
            Ok(head) => {
                self.rx.drain(..end);
                if self.rx.is_empty() {
                    self.rx = Vec::new();
                }
                let bare = head.request.method == Method::Head;
                self.terms = Terms { keep: head.keep, old: head.old, bare, waits: head.waits };
                (self.body, self.state) = (head.body, State::Asked);
                Some(Event::Request(head.request))
            }
            Err((status, why)) => {
                self.refuse(status, why);
                None
            }
        }
    }

    /// Reads the body of the request, if it has at most `limit` bytes; [`Event::Body`] follows, or the machine refuses it
    /// and is done.
    pub fn take_body(&mut self, limit: usize) {
        if !matches!(self.state, State::Asked) {
            return;
        }
        if self.body.announced().is_some_and(|len| len > limit as u64) {
            return self.refuse(413, "request body too large");
        }
        self.state = State::Body(Vec::new(), limit);
        if core::mem::take(&mut self.terms.waits) && self.rx.is_empty() && !self.body.done() {
            self.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    fn body(&mut self) -> Option<Event> {
        let State::Body(bytes, limit) = &mut self.state else { return None };
        let fed = self.body.feed(&self.rx, *limit - bytes.len(), Some(bytes));
        match fed {
            Ok(used) => self.rx.drain(..used.min(self.rx.len())),
            Err(error) => {
                let (status, why) = match error {
                    BodyError::TooLong => (413, "request body too large"),
                    BodyError::Malformed => (400, "malformed body"),
                };
                self.refuse(status, why);
                return None;
            }
        };
        if !self.body.done() {
            return None;
        }
        match core::mem::replace(&mut self.state, State::Answering) {
            State::Body(bytes, _) => Some(Event::Body(bytes)),
            _ => None,
        }
    }

    /// Reads on in a body that nobody wants; true if it is over.
    fn drop_body(&mut self) -> bool {
        let State::Dropping(left) = &mut self.state else { return false };
        let had = self.rx.len();
        let Ok(used) = self.body.feed(&self.rx, *left, None) else {
            self.close();
            return false;
        };
        *left = left.saturating_sub(used);
        self.rx.drain(..used.min(had));
        if self.body.done() {
            self.state = State::Head(0);
        }
        self.body.done()
    }

    /// Answers the request. `unix_time`: by the wall clock, in seconds.
    pub fn respond(&mut self, response: &Response, unix_time: u64) {
        let unread = match self.state {
            State::Asked => !self.body.done(),
            State::Answering => false,
            _ => return,
        };
        // Whoever waits for our word may send the body now, or not: nobody can tell what comes next.
        let endless = self.body.announced().is_some_and(|len| len > MAX_DROPPED as u64);
        let keep = self.terms.keep && !self.eof && !(unread && (self.terms.waits || endless));
        let connection = match (keep, self.terms.old) {
            (true, true) => Some("keep-alive"),
            (true, false) => None,
            (false, _) => Some("close"),
        };
        response.write(&mut self.out, self.terms.bare, connection, unix_time);
        match (keep, unread) {
            (false, _) => self.close(),
            (true, true) => self.state = State::Dropping(MAX_DROPPED),
            (true, false) => self.state = State::Head(0),
        }
    }

    /// Ends the connection with this answer, as Go's server words it.
    fn refuse(&mut self, status: u16, why: &str) {
        let mut response = Response::text(status, "");
        response.body = format!("{status} {}: {why}", response::reason(status)).into_bytes().into();
        response.write(&mut self.out, self.terms.bare, Some("close"), 0);
        self.close();
    }
}

#[cfg(test)]
mod tests;
