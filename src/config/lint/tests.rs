use super::super::{Finding, Loaded, Loader, Purpose, Severity, Strictness};
use super::Report;
use crate::config::file::Files;
use crate::config::tree::{Entry, Node, Value};

/// A file without any finding but the notes S2 and W22.
const GOOD: &str = "serverAddr = \"frps.example.net\"\nauth.token = \"0123456789abcdef\"\n";

fn verify(text: &str) -> Vec<Finding> {
    let loader = Loader { purpose: Purpose::Verify, ..Loader::default() };
    match loader.parse("frpc.toml", text) {
        Ok(Loaded { warnings, .. }) => warnings,
        Err(findings) => findings,
    }
}

/// The ids of all rules that found something.
fn ids(text: &str) -> Vec<&'static str> {
    verify(text).iter().map(|f| f.id).filter(|id| !id.is_empty()).collect()
}

fn proxy(name: &str, kind: &str, keys: &str) -> String {
    format!("[[proxies]]\nname = \"{name}\"\ntype = \"{kind}\"\n{keys}\n")
}

fn visitor(name: &str, kind: &str, keys: &str) -> String {
    format!("[[visitors]]\nname = \"{name}\"\ntype = \"{kind}\"\nserverName = \"s\"\nsecretKey = \"k\"\n{keys}\n")
}

fn local(name: &str, kind: &str, keys: &str) -> String {
    proxy(name, kind, &format!("localPort = 80\n{keys}"))
}

type Row = (&'static str, String, u32);

/// Each row: a rule, what is added to a good file, and the line that the rule names.
fn rows() -> Vec<Row> {
    [harmful(), security(), cannot()].concat()
}

fn harmful() -> Vec<Row> {
    let top = |id, text: &str, line: u32| (id, text.to_owned(), line);
    let transport = |id, text: &str, line| (id, format!("[transport]\n{text}"), line);
    let many: String =
        (0..101).map(|n| local(&format!("p{n}"), "tcp", &format!("remotePort = {}", 6000 + n))).collect();
    let checked = "healthCheck = { type = \"http\", path = \"/\", timeoutSeconds = 1, intervalSeconds = 2 }";
    let checks: String = (0..10).map(|n| local(&format!("p{n}"), "tcp", checked)).collect();
    vec![
        transport("T1", "dialServerTimeout = -1", 4),
        transport("T2", "dialServerTimeout = 4", 4),
        transport("T3", "dialServerKeepalive = 14", 4),
        transport("T4", "dialServerKeepalive = -1\ntcpMux = false\nheartbeatInterval = -1", 4),
        transport("T6", "heartbeatInterval = 20\nheartbeatTimeout = 39", 5),
        transport("T7", "heartbeatInterval = 1\nheartbeatTimeout = 9", 5),
        transport("T8", "tcpMux = false\nheartbeatInterval = 90\nheartbeatTimeout = 200", 5),
        transport("T9", "tcpMux = false\nheartbeatInterval = -1", 5),
        transport("T10", "heartbeatTimeout = 90", 4),
        transport("T11", "heartbeatInterval = 30", 4),
        transport("T12", "tcpMuxKeepaliveInterval = -1", 4),
        transport("T13", "quic.maxIdleTimeout = 10", 4),
        ("T14", local("a", "tcp", "healthCheck = { type = \"tcp\", intervalSeconds = 3 }"), 7),
        ("T15", visitor("v", "xtcp", "bindPort = 1\nminRetryInterval = -1"), 9),
        transport("T16", "dialServerKeepalive = 0", 4),
        ("T16", visitor("v", "xtcp", "bindPort = 1\nfallbackTimeoutMs = 0"), 9),
        transport("P1", "poolCount = -1", 4),
        transport("P2", "poolCount = 6", 4),
        ("P3", format!("transport.poolCount = 20\n{many}"), 3),
        ("P4", local("a", "tcp", "transport.poolCount = 1"), 7),
        ("P5", many.clone(), 3),
        ("P6", checks, 3),
        top("K1", "SERVERPORT = 7000", 3),
        top("K2", "user = \"a\"\nUSER = \"a\"", 3),
        top("K3", "nonsense = 1", 3),
        top("K4", "bindPort = 7000", 3),
        transport("K4", "tls.force = true", 4),
        ("K5", local("a", "tcp", "serverPort = 7000"), 7),
        top("K6", "server_port = 7000", 3),
        ("K11", format!("start = [\"a\", \"b\"]\n{}", local("a", "tcp", "")), 3),
        top("K16", "featureGates.Odd = true", 3),
    ]
}

fn security() -> Vec<Row> {
    let top = |id, text: &str, line: u32| (id, text.to_owned(), line);
    let transport = |id, text: &str, line| (id, format!("[transport]\n{text}"), line);
    let login = "plugin = { type = \"socks5\", username = \"u\" }";
    vec![
        transport("S1", "tls.enable = false", 4),
        top("S2", "", 0),
        transport("S3", "tls.certFile = \"/c\"", 4),
        transport("S4", "tls = { enable = false, certFile = \"/c\" }", 4),
        transport("S5", "protocol = \"wss\"\ntls.enable = false", 5),
        ("S8", "webServer = { port = 7400, addr = \"0.0.0.0\" }".to_owned(), 3),
        ("S9", "webServer = { port = 7400, user = \"a\", password = \"admin\" }".to_owned(), 3),
        ("S9", "webServer = { port = 7400, addr = \"192.0.2.1\", password = \"good one\" }".to_owned(), 3),
        ("S10", "webServer = { port = 7400, addr = \"::\", password = \"p\", pprofEnable = true }".to_owned(), 3),
        ("S11", proxy("a", "tcp", "plugin.type = \"http_proxy\""), 6),
        ("S12", proxy("a", "tcp", login), 6),
        ("S12", local("a", "http", "subdomain = \"a\"\nhttpUser = \"u\""), 8),
        ("S13", local("a", "stcp", ""), 3),
        ("S14", local("a", "stcp", "secretKey = \"k\"\nallowUsers = [\"*\"]"), 8),
        ("S15", local("a", "tcp", "transport.useEncryption = true"), 7),
        ("S17", "auth.oidc.insecureSkipVerify = true".to_owned(), 3),
    ]
}

fn cannot() -> Vec<Row> {
    let top = |id, text: &str, line: u32| (id, text.to_owned(), line);
    let transport = |id, text: &str, line| (id, format!("[transport]\n{text}"), line);
    let login = "plugin = { type = \"socks5\", username = \"u\" }";
    let group = "loadBalancer = { group = \"g\", groupKey = \"k\" }\nremotePort = 6000";
    vec![
        ("W3", "serverPort = 99999".to_owned(), 3),
        ("W3", local("a", "udp", "remotePort = -5"), 7),
        ("W3", visitor("v", "stcp", "bindPort = 65536"), 8),
        ("W4", proxy("a", "tcp", "localPort = 0"), 6),
        ("W4", proxy("a", "tcp", ""), 3),
        ("W5", local("a", "tcp", "remotePort = 1") + &local("b", "tcp", "remotePort = 1"), 12),
        ("W6", local("a", "http", "subdomain = \"x\"") + &local("b", "http", "subdomain = \"X\""), 12),
        ("W7", visitor("v", "stcp", "bindPort = 1") + &visitor("w", "xtcp", "bindAddr = \"::\"\nbindPort = 1"), 15),
        ("W7", format!("webServer = {{ port = 9 }}\n{}", visitor("v", "stcp", "bindPort = 9")), 9),
        ("W8", local("a", "tcp", group) + &local("b", "tcp", &group.replace("\"k\"", "\"l\"")), 13),
        ("W9", local("a", "udp", group), 7),
        ("W10", proxy("a", "udp", login), 6),
        ("W11", proxy("a", "tcp", &format!("{login}\nhealthCheck.type = \"tcp\"")), 7),
        ("W12", proxy("a", "tcp", &format!("{login}\ntransport.proxyProtocolVersion = \"v1\"")), 7),
        ("W13", local("a", "https", "subdomain = \"a.b\""), 7),
        ("W13", local("a", "https", "customDomains = [\"https://a\"]"), 7),
        ("W14", visitor("v", "xtcp", "bindPort = 1\nfallbackTo = \"v\""), 9),
        ("W14", visitor("v", "xtcp", "bindPort = 1\nfallbackTo = \"w\"") + &visitor("w", "sudp", "bindPort = 2"), 9),
        ("W15", visitor("v", "sudp", "bindPort = -1"), 8),
        ("W16", proxy("a", "tcp", "plugin.type = \"http2http\""), 6),
        ("W17", format!("natHoleStunServer = \"stun\"\n{}", visitor("v", "xtcp", "bindPort = 1")), 3),
        ("W18", "dnsServer = \"one.example.net\"".to_owned(), 3),
        transport("W19", "proxyURL = \"h:1\"", 4),
        transport("W19", "proxyURL = \"http://h:1\"\nprotocol = \"quic\"", 4),
        transport("W21", "connectServerLocalIP = \"eth0\"", 4),
        top("W22", "loginFailExit = true", 3),
        transport("W23", "wireProtocol = \"v2\"", 4),
        top("W24", "udpPacketSize = 1400", 3),
        ("W26", "log = { to = \"/var/log/frpc.log\", level = \"debug\" }".to_owned(), 3),
    ]
}

#[test]
fn each_rule_finds_what_it_is_for() {
    let mut missed = Vec::new();
    for (id, more, line) in rows() {
        let found = verify(&format!("{GOOD}{more}"));
        let lines: Vec<u32> = found.iter().filter(|f| f.id == id).map(|f| f.line).collect();
        if !lines.contains(&line) {
            missed.push((id, more, line, lines));
        }
    }
    assert_eq!(missed, []);
    for (id, text) in [
        ("S6", "serverAddr = \"frps.example.net\""),
        ("S7", "auth.token = \"short\""),
        ("W1", "serverAddr = \"frps.example.net:7000\""),
        ("W1", "serverAddr = \"https://frps.example.net\""),
        ("W2", "serverPort = 7000"),
    ] {
        assert!(ids(text).contains(&id), "{id}: {text}");
    }
}

#[test]
fn every_rule_has_a_row_and_its_own_id() {
    let all = [
        super::time::RULES,
        super::pool::RULES,
        super::names::RULES,
        super::security::RULES,
        super::cannot::RULES,
        super::twice::RULES,
    ];
    let ids: Vec<&str> = all.into_iter().flatten().map(|rule| rule.id).collect();
    let elsewhere = ["S6", "S7", "S16", "W1", "W2", "W20"];
    for id in &ids {
        assert!(rows().iter().any(|(row, ..)| row == id) || elsewhere.contains(id), "{id} has no row");
        assert_eq!(ids.iter().filter(|other| *other == id).count(), 1, "{id} twice");
    }
}

#[test]
fn good_files_are_silent() {
    let quiet = |more: &str| {
        let text = format!("{GOOD}loginFailExit = false\ntransport.tls.trustedCaFile = \"/ca\"\n{more}");
        assert_eq!(ids(&text), [] as [&str; 0], "{more}");
    };
    for (keys, more) in [
        ("", ""),
        ("dialServerTimeout = 5\ndialServerKeepalive = 15\ntcpMuxKeepaliveInterval = 5\npoolCount = 5", ""),
        ("dialServerKeepalive = 7200\nheartbeatInterval = 30\nheartbeatTimeout = 60", ""),
        ("tcpMux = false\nheartbeatInterval = 30\nheartbeatTimeout = 90", ""),
        ("quic = { keepalivePeriod = 10, maxIdleTimeout = 30 }", ""),
        ("proxyURL = \"socks5://u:p@h:1\"\nconnectServerLocalIP = \"192.0.2.1\"", ""),
        ("", "[webServer]\nport = 7400\n"),
        ("", "[webServer]\nport = 7400\naddr = \"localhost\"\nuser = \"u\"\npassword = \"p\"\npprofEnable = true\n"),
    ] {
        quiet(&format!("[transport]\n{keys}\n{more}"));
    }
    quiet("dnsServer = \"[::1]:53\"\nfeatureGates.VirtualNet = true\nnatHoleStunServer = \"stun\"");
    quiet(&format!("start = [\"a\"]\n{}{}", local("a", "tcp", ""), local("b", "tcp", "localIP = \"x\"")));
    let group = "remotePort = 1\nloadBalancer = { group = \"g\", groupKey = \"k\" }";
    quiet(&(local("a", "tcp", group) + &local("b", "tcp", group)));
    quiet(&(local("a", "tcp", "remotePort = 1") + &local("b", "udp", "remotePort = 1")));
    quiet(
        &(local("a", "http", "customDomains = [\"*.x\"]")
            + &local("b", "http", "customDomains = [\"*.x\"]\nlocations = [\"/b\"]")),
    );
    quiet(&(local("a", "https", "subdomain = \"x\"") + &local("b", "http", "subdomain = \"x\"")));
    quiet(&(local("a", "tcp", "remotePort = 1") + &local("b", "tcp", "remotePort = 1\nenabled = false")));
    quiet(&proxy("a", "tcp", "plugin = { type = \"unix_domain_socket\", unixPath = \"/s\" }"));
    quiet(&proxy("a", "stcp", "secretKey = \"k\"\nplugin.type = \"socks5\""));
    let fallback = visitor("v", "xtcp", "bindPort = 1\nfallbackTo = \"w\"\nminRetryInterval = 5");
    quiet(&(fallback + &visitor("w", "stcp", "bindPort = -1")));
    quiet(&(visitor("v", "stcp", "bindPort = 1") + &visitor("w", "sudp", "bindPort = 1")));
    for local_server in ["127.0.0.1", "::1", "[::1]", "localhost", "10.1.2.3", "192.168.1.1", "fd00::1", "fe80::1"] {
        let text = format!("serverAddr = \"{local_server}\"\nloginFailExit = false\ntransport.tls.enable = false");
        assert_eq!(ids(&text), [] as [&str; 0], "{text}");
    }
}

#[test]
fn notes_are_for_who_verifies() {
    let text = format!("{GOOD}udpPacketSize = 1400\ntransport.dialServerTimeout = 2\n{}", local("a", "tcp", ""));
    let run = Loader::default().parse("f", &text).unwrap().warnings;
    assert_eq!(run.iter().map(|f| (f.id, f.severity)).collect::<Vec<_>>(), [("T2", Severity::Warning)]);
    assert!(ids(&text).contains(&"W24"));
}

#[test]
fn lax_mode_still_tells_of_ini_spellings() {
    let loader = Loader { strictness: Strictness::Lax, purpose: Purpose::Verify, ..Loader::default() };
    let found = loader.parse("f", &format!("{GOOD}server_port = 7000\nnonsense = 1")).unwrap().warnings;
    let told: Vec<_> = found.iter().filter(|f| f.severity == Severity::Warning).map(|f| (f.id, f.line)).collect();
    assert_eq!(told, [("", 0), ("K6", 3)], "that there is no proxy, and the spelling");
    let server = verify("transport.tcpKeepalive = 1");
    assert!(server.iter().any(|f| f.id == "K4" && f.text.contains("dialServerKeepalive")), "{server:?}");
}

#[test]
fn the_environments_proxy_counts() {
    let loader = Loader { purpose: Purpose::Verify, ..Loader::default() };
    let entry = |key: &str, value: &str| Entry {
        key: key.to_owned(),
        line: 1,
        node: Node { value: Value::Text(value.to_owned()), line: 1 },
    };
    let found = |entries: &[Entry], url: &str| {
        let mut report = Report::new("f", loader, Files::direct());
        super::check(entries, &mut report, Some(url.to_owned()));
        report
            .finish()
            .into_iter()
            .filter(|f| ["W19", "W20"].contains(&f.id))
            .map(|f| (f.id, f.text))
            .collect::<Vec<_>>()
    };
    let one = found(&[], "http://u:secret@h:1");
    let [("W20", text)] = one.as_slice() else { panic!("{one:?}") };
    assert!(text.contains("h:1") && !text.contains("secret"));
    let table = |entry| Entry {
        key: "transport".to_owned(),
        line: 1,
        node: Node { value: Value::Table(vec![entry]), line: 1 },
    };
    assert!(found(&[table(entry("proxyURL", "socks5://x:1"))], "http://h:1").is_empty());
    let kcp = found(&[table(entry("protocol", "kcp"))], "http://h:1");
    assert!(kcp.iter().any(|(id, _)| *id == "W19"), "{kcp:?}");
}

#[test]
fn files_that_others_may_read_are_told_of() {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::temp_dir().join(format!("redial-lint-{}.toml", std::process::id()));
    std::fs::write(&path, GOOD).unwrap();
    let found = |mode, purpose| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let loaded = Loader { purpose, ..Loader::default() }.load(path.to_str().unwrap()).unwrap();
        loaded.warnings.iter().any(|f| f.id == "S16")
    };
    assert!(found(0o644, Purpose::Verify) && found(0o640, Purpose::Verify));
    assert!(!found(0o600, Purpose::Verify), "for the owner alone");
    assert!(!found(0o644, Purpose::Run), "who runs does not wait for the disk");
    std::fs::remove_file(&path).unwrap();
}
