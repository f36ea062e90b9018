//! Who may ask: HTTP Basic, as in frpc.
//!
//! Owns the one name and password. Does not wait: the pause after a refusal is the connection's. Always true: the time of
//! a comparison does not tell how much was right. Worst case: the text of the header, once.

use crate::proto::http::base64;
use core::hint::black_box;

/// See the module.
pub(super) struct Access {
    /// What has to come after `Basic `; `None`: everybody may.
    expected: Option<String>,
}

impl Access {
    /// Nobody is asked if both are empty.
    pub(super) fn new(user: &str, password: &str) -> Self {
        let asks = !user.is_empty() || !password.is_empty();
        Self { expected: asks.then(|| base64(format!("{user}:{password}").as_bytes())) }
    }

    /// Whether this header opens the door.
    pub(super) fn allows(&self, authorization: Option<&str>) -> bool {
        let Some(expected) = &self.expected else { return true };
        let (scheme, given) = authorization.and_then(|text| text.split_once(' ')).unwrap_or_default();
        scheme.eq_ignore_ascii_case("basic") && same(expected.as_bytes(), given.trim_ascii().as_bytes())
    }

    /// Whether anybody may ask anything.
    pub(super) fn is_open(&self) -> bool {
        self.expected.is_none()
    }
}

/// Compares all bytes, whatever the first ones say. The length is no secret: it is that of what was sent.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differ = a.iter().zip(b).fold(0, |differ, (a, b)| black_box(differ | (a ^ b)));
    differ == 0 && a.len() == b.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("\u{ff}~", "w79+")]
        {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }

    #[test]
    fn only_the_right_words_open_the_door() {
        let access = Access::new("Aladdin", "open sesame");
        assert!(access.allows(Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")));
        assert!(access.allows(Some("bAsIc QWxhZGRpbjpvcGVuIHNlc2FtZQ==")));
        for wrong in [
            None,
            Some(""),
            Some("Basic"),
            Some("Basic "),
            Some("Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ"),
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==x"),
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZR=="),
        ] {
            assert!(!access.allows(wrong), "{wrong:?}");
        }
        assert!(Access::new("", "").allows(None));
        assert!(!Access::new("", "x").allows(None) && !Access::new("x", "").is_open());
    }
}
