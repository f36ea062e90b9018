//! Host names: which are addresses, which are valid, and which never leave the machine.
//!
//! Owns nothing. Does not look anything up. Always true: a name that leaves here is lower case, of 1 to [`MAX_NAME`]
//! letters, digits, hyphens, underscores and single dots, so it can be encoded. Worst case: [`MAX_NAME`] bytes a name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Characters of a name, without a closing dot (RFC 1035 §2.3.4).
pub(super) const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// The address that `text` is: IPv4, IPv6, and IPv6 in brackets or with a zone. The zone is dropped: the seam's
/// `IpAddr` has no place for it.
pub(super) fn literal(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    if inner.is_none()
        && let Ok(v4) = text.parse::<Ipv4Addr>()
    {
        return Some(v4.into());
    }
    let text = inner.unwrap_or(text);
    let address = text.split_once('%').map_or(text, |(address, zone)| if zone.is_empty() { "" } else { address });
    address.parse::<Ipv6Addr>().ok().map(IpAddr::from)
}

/// The name in lower case, if it is one that may be looked up. A closing dot (not subject to the search list) stays.
///
/// As in Go, a name of digits and dots alone is none: it would be a mistyped address.
pub(super) fn host(text: &str) -> Option<Box<str>> {
    let relative = text.strip_suffix('.').unwrap_or(text);
    let has_letter = relative.bytes().any(|b| !b.is_ascii_digit() && b != b'.');
    (has_letter && valid(relative)).then(|| text.to_ascii_lowercase().into_boxed_str())
}

/// Whether `text`, without a closing dot, keeps to the letters and lengths of a host name.
pub(super) fn valid(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text.len() <= MAX_NAME
        && text.split('.').all(|label| (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(good))
}

/// What a name that must never leave the machine stands for (RFC 6761 §6.3). `name` has no closing dot.
pub(super) fn loopback(name: &str) -> Option<[IpAddr; 2]> {
    let local = name == "localhost" || name.ends_with(".localhost");
    local.then_some([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_in_every_dress() {
        let v6 = |s: &str| Some(IpAddr::from(s.parse::<Ipv6Addr>().unwrap()));
        assert_eq!(literal("192.0.2.1"), Some(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(literal("::1"), v6("::1"));
        assert_eq!(literal("[2001:db8::1]"), v6("2001:db8::1"));
        assert_eq!(literal("fe80::1%eth0"), v6("fe80::1"));
        assert_eq!(literal("[fe80::1%3]"), v6("fe80::1"));
        for bad in ["", "[", "[]", "[192.0.2.1]", "192.0.2", "fe80::1%", "[::1", "::1]", "1.2.3.4%eth0", "host", "é"] {
            assert_eq!(literal(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_are_checked_at_their_limits() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(longest.len(), MAX_NAME);
        assert_eq!(host(&longest).as_deref(), Some(longest.as_str()));
        assert_eq!(host(&format!("{longest}.")).map(|n| n.len()), Some(MAX_NAME + 1));
        assert_eq!(host("Frps.Example.COM.").as_deref(), Some("frps.example.com."));
        assert!(host("_srv-1.x").is_some() && host("3com").is_some() && host("1.x").is_some());
        let long = [format!("{longest}a"), format!("{label}a.x"), format!("{longest}.a")];
        let odd = ["", ".", "..", "a..b", ".a", "a b", "a/b", "bücher.example", "a\0", "127.1", "1.2.3.4.5", "[::1"];
        for bad in odd.into_iter().chain(long.iter().map(String::as_str)) {
            assert_eq!(host(bad), None, "{bad}");
        }
    }

    #[test]
    fn localhost_never_leaves() {
        assert!(loopback("localhost").is_some() && loopback("db.localhost").is_some());
        assert!(loopback("notlocalhost").is_none() && loopback("localhost.example").is_none());
    }
}
