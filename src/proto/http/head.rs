//! Heads of requests: what was asked, and how long the body is.
//!
//! Owns nothing. Does not keep what nobody asks for: of all headers, four are remembered. Always true: a head has one
//! meaning; two lengths, or a length and a coding, have none. Worst case: 2 KiB of stack.

use super::body::Body;

/// Header lines that are looked at.
const MAX_HEADERS: usize = 64;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD: as GET, and the answer has no body.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
    /// Any other.
    Other,
}

/// A request, as far as its head says.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// The path, decoded; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// What follows the question mark, as it came.
    pub query: String,
    /// `Authorization`, as it came: a secret.
    pub authorization: Option<String>,
    /// Whether a gzip coding of the answer is welcome.
    pub gzip: bool,
}

impl core::fmt::Debug for Request {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?} {:?} ?{:?}", self.method, self.path, self.query)
    }
}

/// All that a head says.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) request: Request,
    pub(super) body: Body,
    pub(super) keep: bool,
    pub(super) old: bool,
    pub(super) waits: bool,
}

/// Status and reason of a refusal.
pub(super) type Refusal = (u16, &'static str);

/// Where the head ends, with its empty line; `seen` bytes are known to hold no end.
pub(super) fn end(bytes: &[u8], seen: usize) -> Option<usize> {
    let mut at = seen;
    loop {
        let line = at + bytes.get(at..)?.iter().position(|b| *b == b'\n')? + 1;
        match bytes.get(line..)? {
            [b'\n', ..] => return Some(line + 1),
            [b'\r', b'\n', ..] => return Some(line + 2),
            _ => at = line,
        }
    }
}

/// Reads a complete head.
pub(super) fn parse(bytes: &[u8]) -> Result<Head, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(used)) if used == bytes.len() => {}
        Ok(_) => return Err((400, "malformed request")),
        Err(httparse::Error::TooManyHeaders) => return Err((431, "too many headers")),
        Err(httparse::Error::Version) => return Err((505, "unsupported protocol version")),
        Err(_) => return Err((400, "malformed request")),
    }
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Err((400, "malformed request"));
    };
    let fields = Fields::collect(parsed.headers)?;
    let old = version == 0;
    if !old && !fields.host {
        return Err((400, "missing required Host header"));
    }
    let body = match (fields.length, fields.chunked) {
        (Some(_), true) => return Err((400, "both a length and a coding")),
        (_, true) if old => return Err((400, "a coding in HTTP/1.0")),
        (None, true) => Body::chunked(),
        (length, false) => Body::of(length.unwrap_or(0)),
    };
    let (path, query) = target_of(target)?;
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        _ => Method::Other,
    };
    let request = Request { method, path, query, authorization: fields.authorization, gzip: fields.gzip };
    let keep = !fields.close && (!old || fields.keep_alive);
    Ok(Head { request, body, keep, old, waits: fields.waits && !old })
}

/// The headers that matter.
#[derive(Default)]
struct Fields {
    host: bool,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    waits: bool,
    gzip: bool,
    authorization: Option<String>,
}

impl Fields {
    fn collect(headers: &[httparse::Header<'_>]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for header in headers {
            fields.add(header.name, header.value)?;
        }
        Ok(fields)
    }

    fn add(&mut self, name: &str, value: &[u8]) -> Result<(), Refusal> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("host") {
            if core::mem::replace(&mut self.host, true) {
                return Err((400, "too many Host headers"));
            }
        } else if is("content-length") {
            if self.length.replace(length(value)?).is_some() {
                return Err((400, "more than one length"));
            }
        } else if is("transfer-encoding") {
            if core::mem::replace(&mut self.chunked, true) || !value.eq_ignore_ascii_case(b"chunked") {
                return Err((501, "unsupported transfer encoding"));
            }
        } else if is("connection") {
            self.close |= items(value).any(|item| item.eq_ignore_ascii_case(b"close"));
            self.keep_alive |= items(value).any(|item| item.eq_ignore_ascii_case(b"keep-alive"));
        } else if is("expect") {
            if !value.eq_ignore_ascii_case(b"100-continue") {
                return Err((417, "unknown expectation"));
            }
            self.waits = true;
        } else if is("accept-encoding") {
            // With a quality (`gzip;q=0` is a no) it is taken for a no: plain is always right.
            self.gzip |= items(value).any(|item| item.eq_ignore_ascii_case(b"gzip"));
        } else if is("authorization") && self.authorization.is_none() {
            self.authorization = core::str::from_utf8(value).ok().map(str::to_owned);
        }
        Ok(())
    }
}

/// Digits, and no sign.
pub(super) fn length(value: &[u8]) -> Result<u64, Refusal> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let number = core::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    number.ok_or((400, "bad Content-Length"))
}

/// The items of a list, without the space around them.
fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(|item| item.trim_ascii())
}

/// Path and query of a target.
fn target_of(target: &str) -> Result<(String, String), Refusal> {
    let malformed = (400, "malformed request target");
    let from_path = match target.split_once("://") {
        Some((scheme, rest)) if ["http", "https"].iter().any(|s| scheme.eq_ignore_ascii_case(s)) => {
            rest.find(['/', '?']).map_or("/", |at| rest.get(at..).unwrap_or("/"))
        }
        _ => target,
    };
    if !from_path.starts_with(['/', '?']) && from_path != "*" {
        return Err(malformed);
    }
    let (path, query) = from_path.split_once('?').unwrap_or((from_path, ""));
    let path = if path.is_empty() { "/" } else { path };
    Ok((decode(path).ok_or(malformed)?, query.to_owned()))
}

/// Replaces `%XX`; `None` if one is broken.
pub(super) fn decode(text: &str) -> Option<String> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, after @ ..] => {
                let (high, low) = (char::from(*high).to_digit(16)?, char::from(*low).to_digit(16)?);
                out.push(u8::try_from(high * 16 + low).ok()?);
                after
            }
            [b'%', ..] => return None,
            [byte, after @ ..] => {
                out.push(*byte);
                after
            }
        };
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}
