//! The address of a token endpoint or a proxy, taken apart.
//!
//! Owns its parts. Does not check more than is needed: the configuration has been checked. Always true: no part holds a
//! control character or a space. Worst case: the address three times.

use crate::proto::http::unescape;

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// As errors show it, without a password.
    pub(super) shown: String,
    pub(super) scheme: String,
    /// It is https.
    pub(super) secure: bool,
    /// What is before the `@`, escaped as it is.
    pub(super) user: String,
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as they were written.
    pub(super) authority: String,
    /// With the query.
    pub(super) path: String,
}

impl Url {
    /// The error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("missing protocol scheme")?;
        let scheme = scheme.to_ascii_lowercase();
        let secure = scheme == "https";
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, authority) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
            None => authority.split_once(':').unwrap_or((authority, "")),
        };
        let port = match port {
            "" if secure => 443,
            "" if scheme.starts_with("socks5") => 1080,
            "" => 80,
            port => port.parse().map_err(|_| format!("invalid port {port:?}"))?,
        };
        let shown = match user.split_once(':') {
            Some((name, _)) => format!("{scheme}://{name}:***@{authority}{path}"),
            None => text.to_owned(),
        };
        if [authority, user].iter().any(|part| part.contains(|c: char| c.is_ascii_control() || c == ' ')) {
            return Err("invalid character in host name".to_owned());
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = escape(&format!("{slash}{path}"));
        let (user, host, authority) = (user.to_owned(), host.to_owned(), authority.to_owned());
        Ok(Self { shown, scheme, secure, user, host, port, authority, path })
    }
}

impl Url {
    /// Name and password, if there are any.
    pub(super) fn login(&self) -> Option<(String, String)> {
        let (name, password) = self.user.split_once(':').unwrap_or((&self.user, ""));
        // A plus is a plus here.
        let plain = |text: &str| unescape(&text.replace('+', "%2B"));
        if self.user.is_empty() { None } else { Some((plain(name)?, plain(password)?)) }
    }
}

/// What may not stand in a request's first line.
fn escape(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'!'..=b'~' => out.push(char::from(byte)),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (text, secure, host, port, authority, path) in [
            ("https://h/t", true, "h", 443, "h", "/t"),
            ("http://h", false, "h", 80, "h", "/"),
            ("HTTP://h:8080?a=b c#d", false, "h", 8080, "h:8080", "/?a=b%20c"),
            ("https://u@[::1]:80/é%20", true, "::1", 80, "[::1]:80", "/%C3%A9%20"),
            ("http://[::1]", false, "::1", 80, "[::1]", "/"),
            ("http://:80", false, "", 80, ":80", "/"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.secure, url.host.as_str(), url.port), (secure, host, port), "{text}");
            assert_eq!((url.authority.as_str(), url.path.as_str()), (authority, path), "{text}");
        }
        assert_eq!(Url::parse("http://u:secret@h/t").unwrap().shown, "http://u:***@h/t");
        let proxy = Url::parse("SOCKS5h://u:p@h").unwrap();
        assert_eq!((proxy.scheme.as_str(), proxy.user.as_str(), proxy.port), ("socks5h", "u:p", 1080));
        for bad in ["h", "http://h:99999/", "https://h:x", "http://a b/", "http://h\r\n/"] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }
}
