//! [`NewProxy`] as the text it is sent as.
//!
//! Owns this form: the message has room for the keys of all types of proxies, 500 bytes, of which one proxy uses few, and a
//! client may hold thousands. Does not hold the name, which the user's prefix is part of. Always true: equal messages are
//! equal texts. Worst case: the body of one message.

use super::msg::{NewProxy, Say};

/// A [`NewProxy`] without its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedProxy(Box<str>);

impl PackedProxy {
    /// Packs it; the name is left out.
    pub fn new(proxy: NewProxy) -> Self {
        let text = serde_json::to_string(&NewProxy { proxy_name: String::new(), ..proxy });
        debug_assert!(text.is_ok(), "strings, numbers and maps of strings always have a JSON form");
        Self(text.unwrap_or_default().into())
    }

    /// The message, without a name.
    pub fn unpack(&self) -> NewProxy {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// The message under this name, to be sent.
    pub fn named<'a>(&'a self, name: &'a str) -> NamedProxy<'a> {
        NamedProxy { name, rest: self.0.strip_prefix('{').unwrap_or_default() }
    }
}

/// A [`PackedProxy`] with its name.
#[derive(Clone, Copy, Debug)]
pub struct NamedProxy<'a> {
    name: &'a str,
    rest: &'a str,
}

impl Say for NamedProxy<'_> {
    fn name(&self) -> &'static str {
        NewProxy::default().name()
    }

    fn type_byte(&self) -> u8 {
        NewProxy::default().type_byte()
    }

    fn write_body(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        out.extend_from_slice(b"{\"proxy_name\":");
        serde_json::to_writer(&mut *out, self.name)?;
        if !self.rest.starts_with('}') {
            out.push(b',');
        }
        out.extend_from_slice(self.rest.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame;

    #[test]
    fn it_is_the_message() {
        let full = NewProxy {
            proxy_name: "u.\"a\" ü".to_owned(),
            proxy_type: "http".to_owned(),
            use_encryption: true,
            remote_port: -1,
            custom_domains: vec!["a".to_owned(), "b".to_owned()],
            metas: [("k".to_owned(), "v".to_owned())].into(),
            ..NewProxy::default()
        };
        for proxy in [full, NewProxy { proxy_name: "a".to_owned(), ..NewProxy::default() }] {
            let (mut plain, mut packed) = (Vec::new(), Vec::new());
            frame::encode_one(&proxy, &mut plain).unwrap();
            let form = PackedProxy::new(proxy.clone());
            frame::encode_one(&form.named(&proxy.proxy_name), &mut packed).unwrap();
            assert_eq!(plain, packed);
            assert_eq!(NewProxy { proxy_name: proxy.proxy_name.clone(), ..form.unpack() }, proxy);
        }
    }
}
