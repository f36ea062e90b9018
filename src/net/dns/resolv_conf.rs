//! `/etc/resolv.conf`.
//!
//! Owns the settings. Does not read files. Always true: there is at least one server and at most [`MAX_SERVERS`]. Worst
//! case: 100 bytes, 32 a server, and [`MAX_SEARCH`] domains of 253 bytes.
//!
//! Why is it so?
//! * *Why three servers?* glibc, musl and Go read no more, so nobody's fourth has ever been asked.
//! * *Why 127.0.0.1 when there is none?* That is what every libc does; a router's dnsmasq is there.
//! * *Why is there no domain from the host name?* glibc and Go derive one, musl (OpenWrt) does not, and a router's host
//!   name has no dot.

use super::name::{self, MAX_NAME};
use crate::proto::time::{Duration, secs};
use core::str::SplitAsciiWhitespace;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Servers used; further ones are ignored.
pub(super) const MAX_SERVERS: usize = 3;
/// Domains used of the search list; further ones are ignored.
pub(super) const MAX_SEARCH: usize = 6;
const PORT: u16 = 53;

/// How to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conf {
    /// Whom to ask, in order.
    pub servers: Vec<SocketAddr>,
    /// Domains to try behind a name, in lower case.
    pub search: Vec<Box<str>>,
    /// Dots from which on a name is tried as it is first (`ndots:`, at most 15).
    pub ndots: u8,
    /// How long a try lasts before the next servers are asked (`timeout:`, 1 to 5 s). libc's default is 5 s, ours 1 s:
    /// a late answer is still taken, so a short try costs a packet and nothing else.
    pub timeout: Duration,
    /// How often a server is asked (`attempts:`, 1 to 5). By default for as long as the look-up lasts.
    pub attempts: Option<u8>,
    /// Start each look-up with another server (`rotate`).
    pub rotate: bool,
    /// Ask over TCP alone (`use-vc`).
    pub tcp: bool,
}

impl Default for Conf {
    fn default() -> Self {
        Self {
            servers: vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT)],
            search: Vec::new(),
            ndots: 1,
            timeout: secs(1),
            attempts: None,
            rotate: false,
            tcp: false,
        }
    }
}

impl Conf {
    /// Reads a file; what is not understood is ignored. `zone` gives the index of an interface.
    pub fn parse(file: &[u8], zone: &dyn Fn(&str) -> Option<u32>) -> Self {
        let mut conf = Self { servers: Vec::new(), ..Self::default() };
        let lines = file.split(|b| *b == b'\n').filter_map(|line| line.split(|b| b"#;".contains(b)).next());
        for line in lines.filter_map(|line| core::str::from_utf8(line).ok()) {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => conf.add_server(words.next().and_then(|word| server(word, zone))),
                Some("domain" | "search") => conf.set_search(words),
                Some("options") => words.for_each(|word| conf.set_option(word)),
                _ => {}
            }
        }
        if conf.servers.is_empty() {
            conf.servers = Self::default().servers;
        }
        conf
    }

    /// The full names to ask for, in order: with a closing dot only the name itself, with `ndots` dots or more itself
    /// first, with fewer itself last (glibc, Go).
    pub(super) fn candidates(&self, name: &str) -> Vec<Box<str>> {
        if let Some(rooted) = name.strip_suffix('.') {
            return vec![rooted.into()];
        }
        let dots = name.bytes().filter(|b| *b == b'.').count();
        let searched = self.search.iter().map(|domain| format!("{name}.{domain}").into_boxed_str());
        let mut names: Vec<Box<str>> = searched.filter(|n| n.len() <= MAX_NAME).collect();
        let place = if dots >= usize::from(self.ndots) { 0 } else { names.len() };
        names.insert(place, name.into());
        names
    }

    fn add_server(&mut self, server: Option<SocketAddr>) {
        self.servers.extend(server.filter(|_| self.servers.len() < MAX_SERVERS));
    }

    /// The last line with `domain` or `search` counts.
    fn set_search(&mut self, domains: SplitAsciiWhitespace<'_>) {
        let domains = domains.map(|d| d.strip_suffix('.').unwrap_or(d)).filter(|d| name::valid(d));
        self.search = domains.take(MAX_SEARCH).map(|d| d.to_ascii_lowercase().into_boxed_str()).collect();
    }

    /// `edns0` is always on and other options do not concern a stub that asks for addresses only.
    fn set_option(&mut self, word: &str) {
        let (key, value) = word.split_once(':').unwrap_or((word, ""));
        match (key, value.parse::<u32>()) {
            ("ndots", Ok(n)) => self.ndots = small(n, 0, 15),
            ("timeout", Ok(n)) => self.timeout = secs(small(n, 1, 5).into()),
            ("attempts", Ok(n)) => self.attempts = Some(small(n, 1, 5)),
            ("rotate", _) => self.rotate = true,
            ("use-vc", _) => self.tcp = true,
            _ => {}
        }
    }
}

fn small(n: u32, low: u8, high: u8) -> u8 {
    u8::try_from(n).unwrap_or(high).clamp(low, high)
}

/// `192.0.2.1`, `fe80::1%eth0`, and with a port as OpenBSD writes it: `[192.0.2.1]:5353`.
fn server(word: &str, zone: &dyn Fn(&str) -> Option<u32>) -> Option<SocketAddr> {
    let (host, port) = match word.strip_prefix('[') {
        Some(rest) => rest.split_once("]:").and_then(|(host, port)| Some((host, port.parse().ok()?)))?,
        None => (word, PORT),
    };
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, port));
    }
    let (ip, scope) = host.split_once('%')?;
    let ip = ip.parse::<Ipv6Addr>().ok()?;
    let scope = scope.parse().ok().or_else(|| zone(scope))?;
    Some(SocketAddrV6::new(ip, port, 0, scope).into())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Dice;
    use super::*;

    fn zone(name: &str) -> Option<u32> {
        (name == "br-lan").then_some(7)
    }

    fn parse(file: &str) -> Conf {
        Conf::parse(file.as_bytes(), &zone)
    }

    fn servers(file: &str) -> String {
        parse(file).servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn servers_of_every_kind() {
        assert_eq!(servers("nameserver 192.0.2.1\n  nameserver\t2001:db8::1 x\r\n"), "192.0.2.1:53 [2001:db8::1]:53");
        assert_eq!(servers("nameserver fe80::1%3"), "[fe80::1%3]:53");
        assert_eq!(servers("nameserver fe80::1%br-lan\nnameserver fe80::1%nope"), "[fe80::1%7]:53");
        assert_eq!(servers("nameserver [192.0.2.1]:5353\nnameserver [::1%br-lan]:9"), "192.0.2.1:5353 [::1%7]:9");
    }

    #[test]
    fn only_three_servers_count() {
        let file: String = (1..=5).map(|i| format!("nameserver 192.0.2.{i}\n")).collect();
        assert_eq!(servers(&file), "192.0.2.1:53 192.0.2.2:53 192.0.2.3:53");
    }

    #[test]
    fn without_a_usable_server_it_is_this_machine() {
        for file in ["", "nameserver", "nameserver x", "#nameserver 192.0.2.1", ";nameserver 192.0.2.1", "\u{1}"] {
            assert_eq!(servers(file), "127.0.0.1:53", "{file}");
        }
        for bad in ["[192.0.2.1]", "[192.0.2.1]:", "[192.0.2.1]:99999", "192.0.2.1:53", "%", "fe80::1%", "1%1"] {
            assert_eq!(servers(&format!("nameserver {bad}")), "127.0.0.1:53", "{bad}");
        }
    }

    #[test]
    fn the_last_search_list_counts() {
        let search = |file: &str| parse(file).search.join(" ");
        assert_eq!(search("search a.example b.example"), "a.example b.example");
        assert_eq!(search("search a b\ndomain LAN. # home"), "lan");
        assert_eq!(search("domain lan\nsearch ."), "");
        assert_eq!(search("search a b c d e f g h"), "a b c d e f");
        assert_eq!(search("search b@d ok ..."), "ok");
    }

    #[test]
    fn options_are_clamped() {
        let conf = parse("options timeout:3 attempts:2 ndots:4 rotate use-vc edns0 trust-ad inet6");
        assert_eq!((conf.timeout, conf.attempts, conf.ndots), (secs(3), Some(2), 4));
        assert!(conf.rotate && conf.tcp);
        let conf = parse("options timeout:0 attempts:0 ndots:99\noptions\noptions timeout: attempts:x ndots:-1");
        assert_eq!((conf.timeout, conf.attempts, conf.ndots), (secs(1), Some(1), 15));
        let conf = parse("options timeout:4294967295 attempts:99999999999999999999 ndots:0");
        assert_eq!((conf.timeout, conf.attempts, conf.ndots), (secs(5), None, 0));
    }

    #[test]
    fn arbitrary_bytes_do_no_harm() {
        let mut dice = Dice::new(12);
        let good = b"nameserver 192.0.2.1\nsearch lan x.y\noptions ndots:2 timeout:1\nnameserver fe80::1%br-lan\n";
        for _ in 0..1000 {
            let conf = Conf::parse(&dice.mangle(good), &zone);
            assert!((1..=MAX_SERVERS).contains(&conf.servers.len()) && conf.search.len() <= MAX_SEARCH);
        }
    }

    #[test]
    fn the_search_list_follows_ndots() {
        let mut conf = Conf { search: vec!["lan".into(), "corp.example".into()], ..Conf::default() };
        let list = |name: &str, conf: &Conf| conf.candidates(name).join(" ");
        assert_eq!(list("nas", &conf), "nas.lan nas.corp.example nas");
        assert_eq!(list("a.b", &conf), "a.b a.b.lan a.b.corp.example");
        assert_eq!(list("nas.", &conf), "nas");
        conf.ndots = 2;
        assert_eq!(list("a.b", &conf), "a.b.lan a.b.corp.example a.b");
        assert_eq!(list("a.b.c", &conf), "a.b.c a.b.c.lan a.b.c.corp.example");
        conf.ndots = 0;
        assert_eq!(list("nas", &conf), "nas nas.lan nas.corp.example");
        let long = format!("{}.{}", "a".repeat(63), ["b".repeat(61), "c".repeat(61), "d".repeat(61)].join("."));
        assert_eq!(conf.candidates(&long).len(), 2, "a name that would grow too long is skipped");
    }
}
