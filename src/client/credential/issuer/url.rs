//! The address of a token endpoint, taken apart.
//!
//! Owns its parts. Does not check more than is needed: the configuration has been checked. Always true: no part holds a
//! control character or a space. Worst case: the address three times.

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// As errors show it, without a password.
    pub(super) shown: String,
    pub(super) secure: bool,
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as they were written.
    pub(super) authority: String,
    /// With the query.
    pub(super) path: String,
}

impl Url {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("auth.oidc.tokenEndpointURL: {text:?} is not an address of a token endpoint");
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let secure = scheme.eq_ignore_ascii_case("https");
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, authority) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
            None => authority.split_once(':').unwrap_or((authority, "")),
        };
        let port = match port {
            "" if secure => 443,
            "" => 80,
            port => port.parse().map_err(|_| format!("auth.oidc.tokenEndpointURL: invalid port {port:?}"))?,
        };
        let shown = match user.split_once(':') {
            Some((name, _)) => format!("{scheme}://{name}:***@{authority}{path}"),
            None => text.to_owned(),
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = escape(&format!("{slash}{path}"));
        Ok(Self { shown, secure, host: host.to_owned(), port, authority: authority.to_owned(), path })
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
        for bad in ["h", "http://h:99999/", "https://h:x"] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }
}
