//! An issuer of tickets in virtual time.
//!
//! Owns how it answers, and what it was asked. Does not know whether anybody waits. Always true: one answer a connection.
//! Worst case: the requests of one run.

use redial::net::sim::{Far, Link, Welcome};
use redial::proto::time::{Duration, Instant};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// Its address.
pub(crate) fn issuer() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 3], 80))
}

/// What becomes of a connection.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    /// The port is closed.
    Refuse,
    /// Nothing comes back at all.
    Ignore,
    /// It is accepted and not answered.
    Nothing,
    /// It is closed when it asks.
    Close,
    /// It is reset when it asks.
    Reset,
    /// These bytes, after a time.
    Answer(Duration, String),
    /// These bytes, one by one.
    Drip(Duration, String),
}

impl Say {
    /// A ticket that lasts so many seconds.
    pub(crate) fn ticket(after: Duration, lasts: u64) -> Self {
        Self::json(after, "200 OK", &format!("{{\"access_token\":\"ticket-1\",\"expires_in\":{lasts}}}"))
    }

    pub(crate) fn json(after: Duration, status: &str, body: &str) -> Self {
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        Self::Answer(after, format!("{head}\r\n{body}"))
    }
}

struct Conn {
    say: Say,
    request: Vec<u8>,
    /// What is still to be sent, and when.
    rest: VecDeque<u8>,
    at: Option<Instant>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Issuer {
    says: VecDeque<Say>,
    conns: BTreeMap<Link, Conn>,
    /// Every request, and when it was complete.
    pub(crate) asked: Vec<(Instant, String)>,
    /// Names that it was asked the way to.
    pub(crate) ways: Vec<String>,
    /// Connections, whatever became of them.
    pub(crate) knocks: usize,
}

impl Issuer {
    /// How the next connections go; the last of these is repeated.
    pub(crate) fn says(&mut self, says: impl IntoIterator<Item = Say>) {
        self.says = says.into_iter().collect();
    }

    pub(crate) fn has(&self, link: Link) -> bool {
        self.conns.contains_key(&link)
    }

    pub(crate) fn connect(&mut self, link: Link) -> Welcome {
        self.knocks += 1;
        let next = if self.says.len() > 1 { self.says.pop_front() } else { self.says.front().cloned() };
        match next {
            None | Some(Say::Refuse) => Welcome::Refuse,
            Some(Say::Ignore) => Welcome::Ignore,
            Some(say) => {
                self.conns.insert(link, Conn { say, request: Vec::new(), rest: VecDeque::new(), at: None });
                Welcome::Accept
            }
        }
    }

    pub(crate) fn received(&mut self, link: Link, bytes: &[u8], far: &mut Far<'_>) {
        let Some(conn) = self.conns.get_mut(&link) else { return };
        conn.request.extend_from_slice(bytes);
        // A proxy in SOCKS5 that leads here.
        match conn.request.as_slice() {
            [5, 1, 0] => {
                conn.request.clear();
                return far.send(link, &[5, 0]);
            }
            [5, 1, 0, 3, len, rest @ ..] if rest.len() == usize::from(*len) + 2 => {
                self.ways.push(String::from_utf8_lossy(&rest[..usize::from(*len)]).into_owned());
                conn.request.clear();
                return far.send(link, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
            }
            [5, ..] => return,
            _ => {}
        }
        let text = String::from_utf8_lossy(&conn.request).into_owned();
        // One who speaks TLS has asked with the first bytes.
        let complete = bytes.starts_with(&[22])
            || text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap_or("0");
                body.len() >= length.parse().expect("a number")
            });
        if !complete {
            return;
        }
        self.asked.push((far.now(), text));
        match &conn.say {
            Say::Refuse | Say::Ignore | Say::Nothing => {}
            Say::Close => far.finish(link),
            Say::Reset => far.reset(link),
            Say::Answer(after, text) | Say::Drip(after, text) => {
                conn.at = Some(far.now() + *after);
                conn.rest = text.bytes().collect();
            }
        }
    }

    pub(crate) fn ended(&mut self, link: Link) {
        self.conns.remove(&link);
    }

    pub(crate) fn expire(&mut self, far: &mut Far<'_>) {
        let now = far.now();
        for (link, conn) in self.conns.iter_mut().filter(|(_, conn)| conn.at.is_some_and(|at| at <= now)) {
            let (piece, pause) = match conn.say {
                Say::Drip(pause, _) => (1, pause),
                _ => (conn.rest.len(), Duration::ZERO),
            };
            let bytes: Vec<u8> = conn.rest.drain(..piece).collect();
            far.send(*link, &bytes);
            conn.at = (!conn.rest.is_empty()).then(|| now + pause);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.conns.values().filter_map(|conn| conn.at).min()
    }
}
