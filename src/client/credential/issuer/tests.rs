use super::*;
use crate::config::Loader;
use crate::net::files::FileRead;

fn issuer(lines: &str) -> Issuer {
    let text = format!("auth.method = \"oidc\"\n[auth.oidc]\nclientID = \"c d\"\nclientSecret = \"s/t\"\n{lines}");
    let mut oidc = Loader::default().parse("f", &text).unwrap().config.auth.oidc.unwrap();
    oidc.system_ca_file.clear();
    Issuer::new(&oidc).unwrap()
}

fn request(issuer: &Issuer) -> (String, String) {
    let text = String::from_utf8(issuer.request()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn requests_are_those_of_frpc() {
    let mut issuer = issuer(
        "audience = \"a\"\nscope = \"x y\"\ntokenEndpointURL = \"http://u:p@h:8080/t?q=1\"\n\
         additionalEndpointParams = { zz = \"1&2\", grant_type = \"own\", client_id = \"other\" }",
    );
    let (head, body) = request(&issuer);
    assert!(head.starts_with("POST /t?q=1 HTTP/1.1\r\nHost: h:8080\r\n"), "{head}");
    assert!(head.contains("\r\nAuthorization: Basic YytkOnMlMkZ0\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    assert_eq!(body, "audience=a&client_id=other&grant_type=own&scope=x+y&zz=1%262");
    let said_no = Why { answered: true, ..Why::new("no") };
    assert!(!issuer.try_another_style(&Why::new("nobody there")));
    assert!(issuer.try_another_style(&said_no));
    let (head, body) = request(&issuer);
    assert!(!head.contains("Authorization"), "{head}");
    assert_eq!(body, "audience=a&client_id=c+d&client_secret=s%2Ft&grant_type=own&scope=x+y&zz=1%262");
    assert!(!issuer.try_another_style(&said_no));
    assert!(request(&issuer).0.contains("Authorization"), "from the start");
    assert!(issuer.try_another_style(&said_no));
    issuer.granted();
    assert!(!issuer.try_another_style(&said_no) && !request(&issuer).0.contains("Authorization"), "it is known");
}

/// Why `prepare` refuses `file`.
fn refusal(lines: &str, file: Result<&[u8], &str>) -> Option<String> {
    let mut issuer = issuer(lines);
    assert!(!issuer.prepared());
    let read = file.map(|bytes| FileRead { bytes: bytes.to_vec(), mode: 0o644 }).map_err(str::to_owned);
    let result = issuer.prepare(Ok(FileDone::Read(vec![read])));
    assert!(result.is_err() || issuer.prepared());
    result.err()
}

#[cfg(feature = "tls")]
#[test]
fn a_file_that_is_named_has_to_be_of_use() {
    let ca = include_bytes!("../../../../tests/golden/tls/ca.pem");
    for scheme in ["http", "https"] {
        let lines = format!("tokenEndpointURL = \"{scheme}://h/t\"\ntrustedCaFile = \"/a b\"");
        assert_eq!(refusal(&lines, Ok(ca)), None);
        let missing = "open /a b: no such file or directory";
        let words = format!("failed to read OIDC CA certificate file \"/a b\": {missing}");
        assert_eq!(refusal(&lines, Err(missing)), Some(words));
        let words = "failed to parse OIDC CA certificate from file \"/a b\"";
        assert_eq!(refusal(&lines, Ok(b"no certificate")).as_deref(), Some(words));
        assert!(issuer(&format!("{lines}\ninsecureSkipVerify = true")).prepared(), "it is not read");
    }
    assert!(issuer("tokenEndpointURL = \"http://h/t\"").prepared());
    assert!(issuer("tokenEndpointURL = \"https://h/t\"\ninsecureSkipVerify = true").prepared());
}
