//! HTTP/1.1 as a client speaks it, for one request: the answer to it.
//!
//! Owns what has come of the answer. Does not know what was asked; the owner sends that, and keeps the deadline. Always
//! true: a length that is said twice is said once; bytes after the answer are not looked at; after an error nothing is.
//! Worst case: [`MAX_HEAD`], the limit of the body, and what is fed at once.

use super::body::{Body, BodyError};
use super::head::{end, length};

/// The longest heads that are read, those of interim answers together with the last one.
const MAX_HEAD: usize = 16 * 1024;
/// Header lines of an answer.
const MAX_HEADERS: usize = 96;

/// Why there is no answer. Its text has the words of Go's client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// The peer closed the connection without a word.
    Eof,
    /// The peer closed it in the middle of the answer.
    Cut,
    /// The answer is larger than that.
    TooLong(usize),
    /// It cannot be understood.
    Malformed(&'static str),
}

impl core::fmt::Display for ClientError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Eof => f.write_str("EOF"),
            Self::Cut => f.write_str("unexpected EOF"),
            Self::TooLong(most) => write!(f, "the answer is larger than {most} bytes"),
            Self::Malformed(what) => write!(f, "malformed HTTP response: {what}"),
        }
    }
}

/// The answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its number.
    pub status: u16,
    /// The number and the words after it.
    pub status_line: String,
    /// What it says about its body; empty if it does not.
    pub content_type: String,
    /// All of it: it may be a secret.
    pub body: Vec<u8>,
}

impl core::fmt::Debug for Answer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {} {} bytes", self.status_line, self.content_type, self.body.len())
    }
}

/// See the module.
pub struct Client {
    rx: Vec<u8>,
    /// Bytes of it that hold no end of a head.
    seen: usize,
    /// Bytes that heads may still have.
    heads: usize,
    /// The head, and what is to come of the body.
    answer: Option<(Answer, Body)>,
    /// The body goes on until the peer ends the connection.
    open_ended: bool,
    /// CONNECT was asked: after a yes nothing follows that is HTTP.
    connect: bool,
    limit: usize,
    eof: bool,
    /// What was wrong; it stays so.
    failed: Option<ClientError>,
}

impl Client {
    /// For an answer whose body has at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let (rx, seen, heads, answer, open_ended) = (Vec::new(), 0, MAX_HEAD, None, false);
        Self { rx, seen, heads, answer, open_ended, connect: false, limit, eof: false, failed: None }
    }

    /// For the answer to CONNECT; of a refusal only the head is wanted.
    pub fn connect() -> Self {
        Self { connect: true, ..Self::new(0) }
    }

    /// Bytes from the peer.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.rx.extend_from_slice(bytes);
        }
    }

    /// The peer will send no more.
    pub fn on_eof(&mut self) {
        self.eof = true;
    }

    /// The answer, once all of it is there.
    ///
    /// # Errors
    /// There will be none.
    pub fn poll(&mut self) -> Result<Option<Answer>, ClientError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.next().inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn next(&mut self) -> Result<Option<Answer>, ClientError> {
        while self.answer.is_none() {
            if !self.head()? {
                let nothing = self.rx.is_empty() && self.heads == MAX_HEAD;
                return match self.eof {
                    true => Err(if nothing { ClientError::Eof } else { ClientError::Cut }),
                    false => Ok(None),
                };
            }
        }
        self.body()
    }

    /// Reads a head; false if it is not complete.
    fn head(&mut self) -> Result<bool, ClientError> {
        let end = end(&self.rx, self.seen);
        self.seen = self.rx.len().saturating_sub(3);
        if end.unwrap_or(self.rx.len()) > self.heads {
            return Err(ClientError::Malformed("its head is too long"));
        }
        let Some(end) = end else { return Ok(false) };
        let head = parse(self.rx.get(..end).unwrap_or_default())?;
        self.heads -= end;
        self.seen = 0;
        self.rx.drain(..end);
        self.open_ended = head.open_ended;
        if self.connect && head.answer.status >= 200 {
            self.answer = Some((head.answer, Body::of(0)));
            return Ok(true);
        }
        if head.body.announced().is_some_and(|len| len > self.limit as u64) && !head.open_ended {
            return Err(ClientError::TooLong(self.limit));
        }
        // An interim answer: what was asked for comes later.
        if !(100..200).contains(&head.answer.status) {
            self.answer = Some((head.answer, head.body));
        }
        Ok(true)
    }

    fn body(&mut self) -> Result<Option<Answer>, ClientError> {
        let Some((answer, body)) = &mut self.answer else { return Ok(None) };
        let room = self.limit.saturating_sub(answer.body.len());
        let used = body.feed(&self.rx, room, Some(&mut answer.body)).map_err(|e| match e {
            BodyError::TooLong => ClientError::TooLong(self.limit),
            BodyError::Malformed => ClientError::Malformed("invalid chunked encoding"),
        })?;
        self.rx.drain(..used.min(self.rx.len()));
        if body.done() || (self.open_ended && self.eof) {
            return Ok(self.answer.take().map(|(answer, _)| answer));
        }
        if self.eof { Err(ClientError::Cut) } else { Ok(None) }
    }
}

struct Head {
    answer: Answer,
    body: Body,
    open_ended: bool,
}

/// Reads a complete head.
fn parse(bytes: &[u8]) -> Result<Head, ClientError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(ClientError::Malformed("too many headers")),
        _ => return Err(ClientError::Malformed("not a head of HTTP/1.1")),
    }
    let status = parsed.code.unwrap_or_default();
    let status_line = format!("{status} {}", parsed.reason.unwrap_or_default());
    let (mut announced, mut chunked, mut content_type) = (None, false, String::new());
    for header in parsed.headers {
        let is = |other: &str| header.name.eq_ignore_ascii_case(other);
        if is("content-length") {
            let number = length(header.value).map_err(|(_, why)| ClientError::Malformed(why))?;
            if announced.replace(number).is_some_and(|other| other != number) {
                return Err(ClientError::Malformed("two lengths"));
            }
        } else if is("transfer-encoding") {
            if core::mem::replace(&mut chunked, true) || !header.value.eq_ignore_ascii_case(b"chunked") {
                return Err(ClientError::Malformed("unsupported transfer encoding"));
            }
        } else if is("content-type") {
            content_type = String::from_utf8_lossy(header.value).into_owned();
        }
    }
    let bare = status < 200 || [204, 304].contains(&status);
    let open_ended = !bare && !chunked && announced.is_none();
    let body = match announced {
        _ if bare => Body::of(0),
        _ if chunked => Body::chunked(),
        // More than anybody reads.
        length => Body::of(length.unwrap_or(u64::MAX)),
    };
    let answer = Answer { status, status_line, content_type, body: Vec::new() };
    Ok(Head { answer, body, open_ended })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outcome with the bytes fed in pieces of this size, then the end if `ended`.
    fn outcome(bytes: &[u8], piece: usize, ended: bool) -> Result<Option<Answer>, ClientError> {
        let mut client = Client::new(100);
        for bytes in bytes.chunks(piece) {
            client.feed(bytes);
            if let Some(answer) = client.poll()? {
                return Ok(Some(answer));
            }
        }
        if ended {
            client.on_eof();
        }
        client.poll()
    }

    /// The same for every size.
    fn all(bytes: &[u8], ended: bool) -> Result<Option<Answer>, ClientError> {
        let whole = outcome(bytes, bytes.len().max(1), ended);
        for piece in 1..bytes.len().min(80) {
            assert_eq!(outcome(bytes, piece, ended), whole, "in pieces of {piece}");
        }
        whole
    }

    fn answer(bytes: &[u8], ended: bool) -> (u16, String) {
        let answer = all(bytes, ended).unwrap().expect("an answer");
        (answer.status, String::from_utf8(answer.body).unwrap())
    }

    #[test]
    fn bodies_end_by_length_by_chunks_or_with_the_connection() {
        let body = |text: &str| (200, text.to_owned());
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", false), body("ab"));
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nContent-Length: 2\r\n\r\nab", false), body("ab"));
        let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: u\r\n\r\n";
        assert_eq!(answer(chunks, false), body("abc"));
        assert_eq!(answer(b"HTTP/1.0 200 OK\r\n\r\nto the end", true), body("to the end"));
        assert_eq!(all(b"HTTP/1.0 200 OK\r\n\r\nto the end", false), Ok(None));
        assert_eq!(answer(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false), (204, String::new()));
        assert_eq!(answer(b"HTTP/1.1 200\n\n", true), body(""));
    }

    #[test]
    fn what_is_asked_for_comes_after_interim_answers() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 401 Nope\r\nContent-Type: a/b; c\r\nContent-Length: 1\r\n\r\nx";
        let answer = all(bytes, false).unwrap().unwrap();
        assert_eq!((answer.status_line.as_str(), answer.content_type.as_str()), ("401 Nope", "a/b; c"));
        assert_eq!(all(b"HTTP/1.1 100 Continue\r\n\r\n", true), Err(ClientError::Cut));
    }

    #[test]
    fn connect_is_answered_by_a_head() {
        for bytes in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 407 Who?\r\nContent-Length: 99\r\n\r\nxx"] {
            let mut client = Client::connect();
            for byte in bytes.bytes() {
                client.feed(&[byte]);
                if let Some(answer) = client.poll().unwrap() {
                    assert!(bytes.contains(&answer.status_line) && answer.body.is_empty());
                    assert!(client.rx.is_empty());
                    break;
                }
            }
        }
    }

    #[test]
    fn an_answer_that_is_cut_short_is_none() {
        assert_eq!(all(b"", true), Err(ClientError::Eof));
        let whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
        let length = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
        for bytes in [&whole[..], length] {
            for len in 1..bytes.len() {
                assert_eq!(outcome(&bytes[..len], 9, true), Err(ClientError::Cut), "{len}");
                assert_eq!(outcome(&bytes[..len], 9, false), Ok(None), "{len}");
            }
        }
    }

    #[test]
    fn heads_that_make_no_sense_are_refused() {
        for bad in [
            "SSH-2.0-x\r\n\r\n",
            "<html>\r\n\r\n",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab",
        ] {
            assert!(matches!(all(bad.as_bytes(), false), Err(ClientError::Malformed(_))), "{bad:?}");
        }
    }

    #[test]
    fn nothing_grows_without_bound() {
        let mut client = Client::new(100);
        client.feed(b"HTTP/1.1 200 OK\r\n");
        let line = [&[b'a'; 60][..], b": b\r\n"].concat();
        let mut lines = 0;
        while client.poll() == Ok(None) {
            client.feed(&line);
            lines += 1;
            assert!(lines < 1000);
        }
        assert_eq!(client.poll(), Err(ClientError::Malformed("its head is too long")));
        let many = ["HTTP/1.1 200 OK\r\n", &"a: b\r\n".repeat(200), "\r\n"].concat();
        assert_eq!(outcome(many.as_bytes(), 9999, false), Err(ClientError::Malformed("too many headers")));
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
        assert!(matches!(outcome(interim.as_bytes(), 999, false), Err(ClientError::Malformed(_))));

        let megabyte = [b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n".to_vec(), vec![b'x'; 1 << 20]].concat();
        assert_eq!(outcome(&megabyte, 1000, false), Err(ClientError::TooLong(100)));
        let endless = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 1 << 20]].concat();
        let mut client = Client::new(100);
        for piece in endless.chunks(64) {
            client.feed(piece);
            if client.poll().is_err() {
                break;
            }
            assert!(client.rx.len() <= 64);
        }
        assert_eq!(client.poll(), Err(ClientError::TooLong(100)));
        let chunks = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), b"32\r\n".to_vec()].concat();
        let chunks = [chunks, vec![b'x'; 50], b"\r\nffffffff\r\n".to_vec(), vec![b'x'; 51]].concat();
        assert_eq!(outcome(&chunks, 9, false), Err(ClientError::TooLong(100)));
    }
}
