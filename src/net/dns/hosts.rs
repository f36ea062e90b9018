//! `/etc/hosts`.
//!
//! Owns the file's useful part, as text. Does not read files. Always true: each line kept is an address and at least
//! one name, in lower case, parted by single spaces. Worst case: the bytes given to [`Hosts::parse`] (at most
//! [`super::MAX_FILE`]), and 24 bytes for each of [`MAX_ADDRS`] addresses of one answer.
//!
//! Why is it so?
//! * *Why no map?* Advertisement lists of 10 000 lines are common on routers, a look-up is rare. Text costs less than
//!   half of what a map does, and scanning 256 KiB takes a millisecond on a slow MIPS.

use super::name;
use std::net::IpAddr;

/// Addresses taken for one name.
const MAX_ADDRS: usize = 16;

/// The table of names in the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    text: Box<str>,
}

impl Hosts {
    /// Keeps what is understood of a file; the rest is ignored, as every resolver does.
    pub fn parse(file: &[u8]) -> Self {
        let mut text = String::new();
        let lines = file.split(|b| *b == b'\n').filter_map(|line| line.split(|b| *b == b'#').next());
        for line in lines.filter_map(|line| core::str::from_utf8(line).ok()) {
            let mut words = line.split_ascii_whitespace();
            let Some(address) = words.next().filter(|word| name::literal(word).is_some()) else { continue };
            let names = words.map(|word| word.strip_suffix('.').unwrap_or(word)).filter(|word| name::valid(word));
            let start = text.len();
            text.push_str(address);
            let bare = text.len();
            names.for_each(|name| text.extend([" ", name]));
            match text.get_mut(start..).filter(|line| line.len() > bare - start) {
                Some(line) => line.make_ascii_lowercase(),
                None => text.truncate(start),
            }
            text.push_str(if text.len() > start { "\n" } else { "" });
        }
        Self { text: text.into_boxed_str() }
    }

    /// The addresses of a name in lower case without a closing dot, in the order of the file.
    pub(super) fn get(&self, name: &str) -> Vec<IpAddr> {
        let mut found = Vec::new();
        for line in self.text.lines() {
            let mut words = line.split(' ');
            let address = words.next().filter(|_| words.any(|word| word == name)).and_then(name::literal);
            if let Some(address) = address.filter(|a| !found.contains(a) && found.len() < MAX_ADDRS) {
                found.push(address);
            }
        }
        found
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Dice;
    use super::*;

    fn found(file: &str, name: &str) -> String {
        Hosts::parse(file.as_bytes()).get(name).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn names_and_aliases_of_every_line() {
        let file = "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost # and more\n\n#10.0.0.9 nas\n\
            192.168.1.2 NAS.Lan nas\r\n192.168.1.3   nas\n192.168.1.2 nas other.\nfe80::1%br-lan router";
        assert_eq!(found(file, "localhost"), "127.0.0.1 ::1");
        assert_eq!(found(file, "ip6-localhost"), "::1");
        assert_eq!(found(file, "nas"), "192.168.1.2 192.168.1.3");
        assert_eq!(found(file, "nas.lan"), "192.168.1.2");
        assert_eq!(found(file, "other"), "192.168.1.2");
        assert_eq!(found(file, "router"), "fe80::1");
        assert_eq!(found(file, "and") + &found(file, "192.168.1.2") + &found(file, ""), "");
    }

    #[test]
    fn junk_is_skipped() {
        let mut file = b"\xff\xfe nas\nnas 10.0.0.1\n10.0.0.1\n10.0.0.300 nas\n10.0.0.2 n\xc3\xa4s b@d nas\n".to_vec();
        file.extend(b"10.0.0.3\xff nas\n10.0.0.4 nas # caf\xe9");
        assert_eq!(Hosts::parse(&file).get("nas"), [IpAddr::from([10, 0, 0, 2]), IpAddr::from([10, 0, 0, 4])]);
        assert_eq!(Hosts::parse(b""), Hosts::default());
    }

    #[test]
    fn an_answer_is_bounded_and_the_text_no_longer_than_the_file() {
        let file: String = (0..2000).map(|i| format!("10.0.{}.{} many\n", i / 256, i % 256)).collect();
        let hosts = Hosts::parse(file.as_bytes());
        assert_eq!(hosts.get("many").len(), MAX_ADDRS);
        assert!(hosts.held() <= file.len());
    }

    #[test]
    fn arbitrary_bytes_do_no_harm() {
        let mut dice = Dice::new(11);
        let good = b"127.0.0.1 localhost\n::1 a b c #x\nfe80::1%e host.lan\n";
        for _ in 0..1000 {
            let file = dice.mangle(good);
            let hosts = Hosts::parse(&file);
            assert!(hosts.held() <= file.len() + 1);
            hosts.get("localhost");
        }
    }
}
