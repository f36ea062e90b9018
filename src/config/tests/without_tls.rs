//! What a program without TLS says to the keys for it.

use super::{Severity, parse};

const PROXY: &str = "[[proxies]]\nname = \"a\"\ntype = \"tcp\"\nlocalPort = 80\n";

#[test]
fn tls_is_on_unless_it_is_off_and_that_is_one_clear_error() {
    let said = |tls: &str| {
        let findings = parse("x.toml", &format!("serverAddr = \"s.example\"\n{tls}\n{PROXY}")).unwrap_err();
        findings.iter().filter(|f| f.severity == Severity::Error).map(ToString::to_string).collect::<Vec<_>>()
    };
    for tls in ["", "transport.tls.enable = true"] {
        let said = said(tls);
        assert!(
            said.len() == 1 && said[0].contains("transport.tls.enable: this redial is built without TLS"),
            "{said:?}"
        );
    }
}

#[test]
fn without_it_the_rest_works() {
    let text = format!("serverAddr = \"s.example\"\ntransport.tls.enable = false\n{PROXY}");
    let config = parse("x.toml", &text).unwrap().config;
    assert!(config.transport.tls.is_none());
    assert_eq!(config.proxies.len(), 1);
}
