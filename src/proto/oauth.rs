//! Client credentials of OAuth 2.0 (RFC 6749 §4.4): what a token endpoint is asked, and what its answer means.
//!
//! Owns frpc's ways with both. Does not send anything. Always true: no text that is made here holds a token. Worst case:
//! the request, and the answer once more.

use super::http::client::Answer;
use super::http::{base64, unescape};
use super::time::{Duration, secs};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// Bytes of an error's texts that are shown.
const SHOWN: usize = 200;

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    /// The secret.
    pub token: String,
    /// How long it lasts, if that was said.
    pub lasts: Option<Duration>,
}

impl core::fmt::Debug for Grant {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "a token of {} bytes for {:?}", self.token.len(), self.lasts)
    }
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In frpc's words.
    pub text: String,
    /// The same question will be answered in the same way.
    pub lasting: bool,
}

/// The form, with its fields in order.
pub fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, value) in fields {
        out += if out.is_empty() { "" } else { "&" };
        escape(name, &mut out);
        out.push('=');
        escape(value, &mut out);
    }
    out
}

/// What `Authorization` says for these credentials: they are escaped before they are coded (RFC 6749 §2.3.1).
pub fn basic(id: &str, secret: &str) -> String {
    let mut text = String::new();
    escape(id, &mut text);
    text.push(':');
    escape(secret, &mut text);
    format!("Basic {}", base64(text.as_bytes()))
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => *out += &format!("%{byte:02X}"),
        }
    }
}

/// What was answered, whatever the form. Empty is the same as missing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    access_token: Option<String>,
    expires_in: Seconds,
    error: Option<String>,
    error_description: Option<String>,
    error_uri: Option<String>,
}

/// A whole number, or one in quotes; 0 is the same as missing.
#[derive(Default)]
struct Seconds(i64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Seconds;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a number")
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<Seconds, E> {
                Ok(Seconds(i64::try_from(n).unwrap_or(i64::MAX)))
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<Seconds, E> {
                Ok(Seconds(n))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Seconds, E> {
                text.parse().map(Seconds).map_err(E::custom)
            }
            fn visit_unit<E: Error>(self) -> Result<Seconds, E> {
                Ok(Seconds(0))
            }
        }
        from.deserialize_any(Number)
    }
}

/// The token in an answer.
///
/// # Errors
/// There is none; says why.
pub fn read(answer: &Answer) -> Result<Grant, Refusal> {
    let failed = !(200..300).contains(&answer.status);
    let said = match parse(answer) {
        Err(_) if failed => Said::default(),
        Err(text) => return Err(Refusal { text, lasting: false }),
        Ok(said) => said,
    };
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    if let Some(code) = given(said.error) {
        let mut text = format!("oauth2: {:?}", shown(&code));
        for more in [said.error_description, said.error_uri].into_iter().filter_map(given) {
            text += &format!(" {:?}", shown(&more));
        }
        let passing =
            answer.status >= 500 || ["temporarily_unavailable", "server_error", "slow_down"].contains(&&*code);
        return Err(Refusal { text, lasting: !passing });
    }
    if failed {
        let body = String::from_utf8_lossy(&answer.body);
        // One line, and no token that an answer may hold all the same.
        let body = if body.contains("_token") { "".into() } else { shown(&body).escape_debug().to_string() };
        let text = format!("oauth2: cannot fetch token: {} Response: {body}", answer.status_line);
        let passing = answer.status < 400 || answer.status >= 500 || [404, 408, 425, 429].contains(&answer.status);
        return Err(Refusal { text, lasting: !passing });
    }
    match given(said.access_token) {
        Some(token) => {
            let seconds = said.expires_in.0.clamp(0, i32::MAX.into());
            let lasts = (said.expires_in.0 != 0).then(|| secs(seconds.unsigned_abs()));
            Ok(Grant { token, lasts })
        }
        None => Err(Refusal { text: "oauth2: server response missing access_token".to_owned(), lasting: false }),
    }
}

/// The start of a text.
fn shown(text: &str) -> &str {
    let end = text.char_indices().map(|(at, _)| at).find(|at| *at > SHOWN);
    end.and_then(|end| text.get(..end)).unwrap_or(text).trim_end()
}

fn parse(answer: &Answer) -> Result<Said, String> {
    let kind = answer.content_type.split(';').next().unwrap_or_default().trim();
    let is = |other: &&str| kind.eq_ignore_ascii_case(other);
    if ["application/x-www-form-urlencoded", "text/plain"].iter().any(is) {
        fields(&String::from_utf8_lossy(&answer.body))
            .ok_or_else(|| "oauth2: cannot parse response: invalid URL escape".to_owned())
    } else {
        serde_json::from_slice(&answer.body)
            .map_err(|e| format!("oauth2: cannot parse json: {}", words(&e, &answer.body)))
    }
}

fn fields(text: &str) -> Option<Said> {
    let mut said = Said::default();
    for pair in text.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = unescape(value)?;
        let place = match unescape(name)?.as_str() {
            "access_token" => &mut said.access_token,
            "error" => &mut said.error,
            "error_description" => &mut said.error_description,
            "error_uri" => &mut said.error_uri,
            "expires_in" => {
                said.expires_in = Seconds(value.parse().unwrap_or(0));
                continue;
            }
            _ => continue,
        };
        place.get_or_insert(value);
    }
    Some(said)
}

/// Go's words where they are known. The library's would show values.
fn words(e: &serde_json::Error, body: &[u8]) -> String {
    let first = body.trim_ascii_start().first().copied();
    if e.is_eof() {
        "unexpected end of JSON input".to_owned()
    } else if let (true, Some(byte)) = (e.is_syntax() && e.line() == 1 && e.column() <= 1, first) {
        format!("invalid character {:?} looking for beginning of value", char::from(byte))
    } else if e.is_syntax() {
        format!("invalid character at line {}, column {}", e.line(), e.column())
    } else {
        "a value of the wrong type".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, kind: &str, body: &str) -> Answer {
        let status_line = format!("{status} Words");
        Answer { status, status_line, content_type: kind.to_owned(), body: body.as_bytes().to_vec() }
    }

    fn json(body: &str) -> Result<Grant, Refusal> {
        read(&answer(200, "application/json", body))
    }

    fn grant(token: &str, lasts: Option<u64>) -> Result<Grant, Refusal> {
        Ok(Grant { token: token.to_owned(), lasts: lasts.map(secs) })
    }

    #[test]
    fn forms_are_escaped_as_by_go() {
        let fields = [("audience", "a b"), ("scope", ""), ("z~", "1&2=é/")];
        assert_eq!(form(fields), "audience=a+b&scope=&z~=1%262%3D%C3%A9%2F");
        assert_eq!(basic("c", "s"), "Basic Yzpz");
        assert_eq!(basic("a:b", "ü "), format!("Basic {}", base64(b"a%3Ab:%C3%BC+")));
    }

    #[test]
    fn tokens_are_found_in_both_forms() {
        assert_eq!(
            json(r#"{"access_token":"t","token_type":"Bearer","expires_in":60,"more":[{}]}"#),
            grant("t", Some(60))
        );
        assert_eq!(json(r#" {"access_token":"t","expires_in":"60"}"#), grant("t", Some(60)));
        for none in ["0", "null", "\"0\""] {
            assert_eq!(json(&format!(r#"{{"access_token":"t","expires_in":{none}}}"#)), grant("t", None));
        }
        assert_eq!(json(r#"{"access_token":"t","expires_in":-5,"error":null}"#), grant("t", Some(0)));
        let long = json(r#"{"access_token":"t","expires_in":18446744073709551615}"#);
        assert_eq!(long, grant("t", Some(2_147_483_647)));
        let plain = |kind: &str, body: &str| read(&answer(200, kind, body));
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        assert_eq!(plain(form, "access_token=a%2Bb+c&expires_in=60&x"), grant("a+b c", Some(60)));
        assert_eq!(plain("Text/Plain", "access_token=t&expires_in=x"), grant("t", None));
        assert_eq!(plain("", r#"{"access_token":"t"}"#), grant("t", None));
    }

    #[test]
    fn refusals_have_gos_words() {
        let refused = |text: &str, lasting| Err(Refusal { text: format!("oauth2: {text}"), lasting });
        let invalid = r#"{"error":"invalid_scope","error_description":"bad scope","error_uri":"u"}"#;
        assert_eq!(read(&answer(400, "", invalid)), refused(r#""invalid_scope" "bad scope" "u""#, true));
        assert_eq!(json(invalid), refused(r#""invalid_scope" "bad scope" "u""#, true));
        assert_eq!(read(&answer(503, "", r#"{"error":"e"}"#)), refused("\"e\"", false));
        assert_eq!(json(r#"{"error":"temporarily_unavailable"}"#), refused("\"temporarily_unavailable\"", false));
        assert_eq!(read(&answer(200, "text/plain", "error=x&error_description=y%20z")), refused("\"x\" \"y z\"", true));
        assert_eq!(read(&answer(500, "", "oops\n")), refused("cannot fetch token: 500 Words Response: oops", false));
        assert_eq!(
            read(&answer(403, "", "{\"a\":")),
            refused("cannot fetch token: 403 Words Response: {\\\"a\\\":", true)
        );
        assert_eq!(read(&answer(429, "", "")), refused("cannot fetch token: 429 Words Response: ", false));
        assert_eq!(json("{}"), refused("server response missing access_token", false));
        assert_eq!(
            json("<html>"),
            refused("cannot parse json: invalid character '<' looking for beginning of value", false)
        );
        for short in ["", r#"{"access_token":"t""#] {
            assert_eq!(json(short), refused("cannot parse json: unexpected end of JSON input", false));
        }
        let form = read(&answer(200, "text/plain", "access_token=%zz"));
        assert_eq!(form, refused("cannot parse response: invalid URL escape", false));
    }

    #[test]
    fn no_text_holds_a_token() {
        for (status, kind, body) in [
            (200, "", r#"{"access_token":12345}"#),
            (200, "", r#"{"access_token":["12345"]}"#),
            (200, "", r#"{"access_token":"12345","expires_in":"12345x"}"#),
            (200, "", r#"{"access_token":"12345"} x"#),
            (200, "text/plain", "access_token=12345%z"),
            (500, "", r#"{"access_token":"12345"}"#),
            (500, "text/html", "id_token=12345"),
        ] {
            let refusal = read(&answer(status, kind, body)).expect_err(body);
            assert!(!refusal.text.contains("12345"), "{refusal:?}");
        }
        assert!(!format!("{:?}", grant("12345", None)).contains("12345"));
        let long = read(&answer(500, "", &"é".repeat(5000))).unwrap_err().text;
        assert!(long.len() < 300, "{long}");
    }
}
