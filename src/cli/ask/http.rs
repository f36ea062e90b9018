//! One HTTP/1.1 request to the admin server.
//!
//! Owns the connection and the reading of the answer. Does not know what is asked. Always true: everything is over by the
//! deadline; an answer is bounded; errors have the words of Go's client, which frpc's users know. Worst case: [`MOST`].
//!
//! Why is it so?
//! * *Why does this block?* It is a program of its own that asks another one, and has nothing else to do.
//! * *Why no proxy?* frpc honours `http_proxy`, but not for this machine, which is where an admin server is.

use crate::client::reason;
use crate::proto::http::base64;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Bytes of an answer.
const MOST: usize = 4 << 20;
/// Header lines of an answer.
const HEADERS: usize = 64;
const DEADLINE: &str = "context deadline exceeded";

/// Whom to ask, and as whom.
pub(super) struct Server<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    /// User and password; `None`: nobody.
    pub(super) login: Option<(&'a str, &'a str)>,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// What `Redial-Confirm` says; empty without it.
    pub(super) confirm: String,
    pub(super) body: Vec<u8>,
}

impl Server<'_> {
    fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Asks; the error is what to print.
    pub(super) fn ask(&self, method: &str, path: &str, limit: Duration) -> Result<Answer, String> {
        let verb = if method == "GET" { "Get" } else { "Post" };
        let until = Until::new(limit);
        self.asked(method, path, until).map_err(|why| format!("{verb} \"http://{}{path}\": {why}", self.authority()))
    }

    fn asked(&self, method: &str, path: &str, until: Until) -> Result<Answer, String> {
        let mut stream = self.connect(until)?;
        let host = self.authority();
        let agent = env!("CARGO_PKG_VERSION");
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: redial/{agent}\r\n");
        if let Some((user, password)) = self.login {
            request += &format!("Authorization: Basic {}\r\n", base64(format!("{user}:{password}").as_bytes()));
        }
        if method == "POST" {
            request += "Content-Length: 0\r\n";
        }
        request += "Connection: close\r\n\r\n";
        stream.set_write_timeout(Some(until.left()?)).map_err(|e| reason(&e))?;
        stream.write_all(request.as_bytes()).map_err(|e| worded(&e))?;
        read(&mut stream, until)
    }

    #[expect(clippy::disallowed_methods, reason = "a short-lived process without a loop")]
    fn connect(&self, until: Until) -> Result<TcpStream, String> {
        let host = self.host;
        let found = (host, self.port).to_socket_addrs();
        let addrs: Vec<SocketAddr> = found.map_err(|_| format!("dial tcp: lookup {host}: no such host"))?.collect();
        let mut error = format!("dial tcp: lookup {host}: no such host");
        for addr in addrs {
            match TcpStream::connect_timeout(&addr, until.left()?) {
                Ok(stream) => return Ok(stream),
                Err(e) if e.kind() == ErrorKind::TimedOut => error = format!("dial tcp {addr}: i/o timeout"),
                Err(e) => error = format!("dial tcp {addr}: connect: {}", reason(&e)),
            }
        }
        Err(error)
    }
}

/// The end of all waiting.
#[derive(Clone, Copy)]
struct Until(Option<Instant>);

#[expect(clippy::disallowed_methods, reason = "a short-lived process without a loop")]
impl Until {
    fn new(limit: Duration) -> Self {
        Self(Instant::now().checked_add(limit))
    }

    fn left(self) -> Result<Duration, String> {
        let left = self.0.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
        if left.is_zero() { Err(DEADLINE.to_owned()) } else { Ok(left) }
    }
}

fn worded(e: &io::Error) -> String {
    match e.kind() {
        // How a socket says that its time is over.
        ErrorKind::WouldBlock | ErrorKind::TimedOut => DEADLINE.to_owned(),
        _ => reason(e),
    }
}

/// Reads the answer to its end.
fn read(stream: &mut TcpStream, until: Until) -> Result<Answer, String> {
    let mut bytes = Vec::new();
    let mut buf = [0; 8192];
    loop {
        stream.set_read_timeout(Some(until.left()?)).map_err(|e| reason(&e))?;
        let n = match stream.read(&mut buf) {
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(worded(&e)),
        };
        bytes.extend_from_slice(buf.get(..n).unwrap_or_default());
        if let Some(answer) = parse(&bytes, n == 0)? {
            return Ok(answer);
        }
        if n == 0 {
            return Err(if bytes.is_empty() { "EOF" } else { "unexpected EOF" }.to_owned());
        }
        if bytes.len() > MOST {
            return Err(format!("the answer is larger than {MOST} bytes"));
        }
    }
}

/// The answer, if these are all its bytes. `ended`: no more will come.
fn parse(bytes: &[u8], ended: bool) -> Result<Option<Answer>, String> {
    let mut rest = bytes;
    loop {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let malformed = |e| format!("malformed HTTP response ({e})");
        let httparse::Status::Complete(len) = head.parse(rest).map_err(malformed)? else { return Ok(None) };
        let body = rest.get(len..).unwrap_or_default();
        let status = head.code.unwrap_or_default();
        // What was asked for comes later.
        if (100..200).contains(&status) {
            rest = body;
            continue;
        }
        let header = |name: &str| {
            let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
        };
        let body = if header("Transfer-Encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            chunks(body)?
        } else if let Some(length) = header("Content-Length") {
            let length: u64 = length.parse().map_err(|_| format!("bad Content-Length {length:?}"))?;
            let length = usize::try_from(length).ok().filter(|length| *length <= MOST);
            let length = length.ok_or_else(|| format!("the answer is larger than {MOST} bytes"))?;
            body.get(..length).map(<[u8]>::to_vec)
        } else if [204, 304].contains(&status) {
            Some(Vec::new())
        } else {
            ended.then(|| body.to_vec())
        };
        return Ok(body.map(|body| Answer { status, confirm: header("Redial-Confirm").unwrap_or_default(), body }));
    }
}

/// A body in chunks, once all are there.
fn chunks(mut rest: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    loop {
        let size = httparse::parse_chunk_size(rest).map_err(|_| "invalid byte in chunk length".to_owned())?;
        let httparse::Status::Complete((at, size)) = size else { return Ok(None) };
        if size == 0 {
            return Ok(Some(body));
        }
        let size = usize::try_from(size).ok().filter(|size| *size <= MOST);
        let size = size.ok_or_else(|| format!("the answer is larger than {MOST} bytes"))?;
        let Some(chunk) = rest.get(at..at + size) else { return Ok(None) };
        body.extend_from_slice(chunk);
        match rest.get(at + size..at + size + 2) {
            Some(b"\r\n") => rest = rest.get(at + size + 2..).unwrap_or_default(),
            Some(_) => return Err("malformed chunked encoding".to_owned()),
            None => return Ok(None),
        }
    }
}
