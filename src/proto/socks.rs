//! SOCKS5 as a client speaks it (RFC 1928, RFC 1929): the way to one address.
//!
//! Owns the conversation until the way is open. Does not look names up: the proxy does. Always true: what follows the last
//! answer is not taken; after an error nothing is. Worst case: 600 bytes.

use std::net::IpAddr;

/// What Go's words for a refusal are, by its number.
const REFUSALS: [&str; 8] = [
    "general SOCKS server failure",
    "connection not allowed by ruleset",
    "network unreachable",
    "host unreachable",
    "connection refused",
    "TTL expired",
    "command not supported",
    "address type not supported",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits for the way to log in.
    Method,
    /// Waits for the answer to the login.
    Login,
    /// Waits for the answer to the request.
    Reply,
    Open,
}

/// See the module.
#[derive(Debug)]
pub struct Socks {
    state: State,
    rx: Vec<u8>,
    out: Vec<u8>,
    /// What follows the greeting: the login, and the request.
    login: Vec<u8>,
    request: Vec<u8>,
}

impl Socks {
    /// Asks for this address, as this user if there is one.
    ///
    /// # Errors
    /// A name is too long for the protocol.
    pub fn new(host: &str, port: u16, user: Option<(&str, &str)>) -> Result<Self, &'static str> {
        let mut request = vec![5, 1, 0];
        match host.parse() {
            Ok(IpAddr::V4(ip)) => {
                request.push(1);
                request.extend(ip.octets());
            }
            Ok(IpAddr::V6(ip)) => {
                request.push(4);
                request.extend(ip.octets());
            }
            Err(_) => {
                request.push(3);
                text(&mut request, host).ok_or("FQDN too long")?;
            }
        }
        request.extend(port.to_be_bytes());
        let (mut login, mut out) = (Vec::new(), vec![5, 1, 0]);
        if let Some((name, password)) = user {
            login.push(1);
            let fits = text(&mut login, name).and_then(|()| text(&mut login, password));
            fits.ok_or("invalid username/password")?;
            out = vec![5, 2, 0, 2];
        }
        Ok(Self { state: State::Method, rx: Vec::new(), out, login, request })
    }

    /// Bytes for the proxy. The caller takes them.
    pub fn output(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.out)
    }

    /// Bytes from the proxy; true once the way is open.
    ///
    /// # Errors
    /// The proxy refused, or is none.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<bool, String> {
        self.rx.extend_from_slice(bytes);
        loop {
            let used = match (self.state, self.rx.as_slice()) {
                (State::Method, [5, 0, ..]) => {
                    self.out.append(&mut self.request);
                    self.state = State::Reply;
                    2
                }
                (State::Method, [5, 2, ..]) if !self.login.is_empty() => {
                    self.out.append(&mut self.login);
                    self.state = State::Login;
                    2
                }
                (State::Method, [5, _, ..]) => return Err("no acceptable authentication methods".to_owned()),
                (State::Login, [1, 0, ..]) => {
                    self.out.append(&mut self.request);
                    self.state = State::Reply;
                    2
                }
                (State::Login, [1, _, ..]) => return Err("username/password authentication failed".to_owned()),
                (State::Reply, [5, 0, _, kind, first, ..]) => {
                    let address = match kind {
                        1 => 4,
                        4 => 16,
                        3 => 1 + usize::from(*first),
                        _ => return Err(format!("unknown address type {kind}")),
                    };
                    if self.rx.len() < 4 + address + 2 {
                        return Ok(false);
                    }
                    self.state = State::Open;
                    4 + address + 2
                }
                (State::Reply, [5, 0] | [5, 0, ..] | [5] | []) => return Ok(false),
                (State::Reply, [5, code, ..]) => {
                    let word = usize::from(*code).checked_sub(1).and_then(|at| REFUSALS.get(at));
                    return Err(
                        word.map_or_else(|| format!("unknown code: {code}"), |word| format!("unknown error {word}"))
                    );
                }
                (State::Open, _) => return Ok(true),
                (State::Method | State::Reply, [version, ..]) if *version != 5 => {
                    return Err(format!("unexpected protocol version {version}"));
                }
                (State::Login, [version, ..]) if *version != 1 => {
                    return Err("invalid username/password version".to_owned());
                }
                _ => return Ok(false),
            };
            self.rx.drain(..used.min(self.rx.len()));
        }
    }
}

/// A text with its length before it.
fn text(out: &mut Vec<u8>, text: &str) -> Option<()> {
    let len = u8::try_from(text.len()).ok().filter(|len| *len > 0)?;
    out.push(len);
    out.extend_from_slice(text.as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent when the proxy answers so, byte by byte, and what comes of it.
    fn talk(mut socks: Socks, answers: &[&[u8]]) -> (Vec<Vec<u8>>, Result<bool, String>) {
        let (mut sent, mut last) = (vec![socks.output()], Ok(false));
        for answer in answers {
            for byte in *answer {
                assert_eq!(last, Ok(false));
                last = socks.feed(&[*byte]);
            }
            sent.push(socks.output());
        }
        (sent, last)
    }

    #[test]
    fn the_way_is_asked_for_by_name_or_address() {
        let reply = b"\x05\0\0\x01\x01\x02\x03\x04\x05\x06".as_slice();
        let (sent, end) = talk(Socks::new("h.test", 443, None).unwrap(), &[b"\x05\0", reply]);
        assert_eq!(sent, [b"\x05\x01\0".to_vec(), b"\x05\x01\0\x03\x06h.test\x01\xbb".to_vec(), Vec::new()]);
        assert_eq!(end, Ok(true));
        for (host, asked) in [
            ("1.2.3.4", &b"\x05\x01\0\x01\x01\x02\x03\x04\0\x50"[..]),
            ("::1", b"\x05\x01\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x50"),
        ] {
            assert_eq!(talk(Socks::new(host, 80, None).unwrap(), &[b"\x05\0"]).0[1], asked);
        }
        for reply in [&b"\x05\0\0\x03\x01x\0\x50"[..], b"\x05\0\0\x04................\0\x50"] {
            assert_eq!(talk(Socks::new("h", 80, None).unwrap(), &[b"\x05\0", reply]).1, Ok(true));
        }
    }

    #[test]
    fn a_login_is_made_if_the_proxy_wants_one() {
        let user = || Socks::new("h", 80, Some(("u", "pw"))).unwrap();
        let (sent, _) = talk(user(), &[b"\x05\x02", b"\x01\0"]);
        assert_eq!(
            sent,
            [b"\x05\x02\0\x02".to_vec(), b"\x01\x01u\x02pw".to_vec(), b"\x05\x01\0\x03\x01h\0\x50".to_vec()]
        );
        assert_eq!(talk(user(), &[b"\x05\0"]).0[1], b"\x05\x01\0\x03\x01h\0\x50");
        let said = |socks, answers: &[&[u8]]| talk(socks, answers).1.unwrap_err();
        assert_eq!(said(user(), &[b"\x05\x02", b"\x01\x01"]), "username/password authentication failed");
        let nobody = || Socks::new("h", 80, None).unwrap();
        assert_eq!(said(nobody(), &[b"\x05\x02"]), "no acceptable authentication methods");
        assert_eq!(said(nobody(), &[b"\x05\xff"]), "no acceptable authentication methods");
    }

    #[test]
    fn refusals_and_others_are_told() {
        let said = |answers: &[&[u8]]| talk(Socks::new("h", 80, None).unwrap(), answers).1.unwrap_err();
        assert_eq!(said(&[b"\x05\0", b"\x05\x05"]), "unknown error connection refused");
        assert_eq!(said(&[b"\x05\0", b"\x05\x63"]), "unknown code: 99");
        assert_eq!(said(&[b"H"]), "unexpected protocol version 72");
        assert_eq!(said(&[b"\x05\0", b"\x04"]), "unexpected protocol version 4");
        assert_eq!(said(&[b"\x05\0", b"\x05\0\0\x09x"]), "unknown address type 9");
        assert!(Socks::new(&"x".repeat(256), 80, None).is_err() && Socks::new("h", 80, Some(("", "p"))).is_err());
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut state = 7u32;
        for _ in 0..2000 {
            let mut socks = Socks::new("h", 80, Some(("u", "p"))).unwrap();
            for _ in 0..40 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let byte =
                    if state & 0x100 == 0 { [5, 0, 1, 2][(state >> 16 & 3) as usize] } else { (state >> 24) as u8 };
                if socks.feed(&[byte]) != Ok(false) {
                    break;
                }
                assert!(socks.rx.len() < 300);
            }
        }
    }
}
