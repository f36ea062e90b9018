mod auth;
mod frpc;
mod keys;

use super::*;
use crate::proto::time::secs;

/// Rules about what most texts here leave out.
fn is_beside(finding: &Finding) -> bool {
    ["W2", "S6"].contains(&finding.id)
}

fn good(text: &str) -> Loaded {
    let mut loaded = parse("frpc.toml", text).unwrap_or_else(|findings| panic!("refused: {findings:?}"));
    loaded.warnings.retain(|f| !is_beside(f));
    loaded
}

/// The findings about a text, as `line key: text`.
fn bad(text: &str) -> Vec<String> {
    let findings = parse("frpc.toml", text).expect_err("accepted");
    let told = findings.iter().filter(|f| !is_beside(f));
    told.map(|f| format!("{} {}: {}", f.line, f.key, f.text)).collect()
}

const PROXY: &str = "\n[[proxies]]\nname = \"a\"\ntype = \"tcp\"\nlocalPort = 80\n";

#[test]
fn the_sample_files_load() {
    for file in std::fs::read_dir("tests/configs").unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let mut loaded = load(path.to_str().unwrap()).unwrap_or_else(|e| panic!("{path:?}: {e:?}"));
        loaded.warnings.retain(|f| !is_beside(f));
        assert!(loaded.warnings.is_empty(), "{path:?}: {:?}", loaded.warnings);
    }
}

#[test]
fn every_key_arrives() {
    let Loaded { config: c, .. } = load("tests/configs/full.toml").unwrap();
    assert_eq!((c.server_host.as_str(), c.server_port, c.user.as_str()), ("frps.example.net", 7001, "site7"));
    assert_eq!((c.client_id.as_str(), c.login_fail_exit), ("edge-1", false));
    assert_eq!(c.dns_server, Some("192.0.2.53:53".parse().unwrap()));
    assert_eq!(c.metas.get("region").map(String::as_str), Some("eu-north"));
    assert_eq!((c.auth.token.as_str(), c.auth.sign_pings, c.auth.sign_work_conns), ("secret", true, true));
    let expected = Log { file: None, level: log::LevelFilter::Debug, max_days: Some(7), color: false };
    assert_eq!(c.log, expected);
    let t = c.transport;
    assert_eq!((t.dial_timeout, t.keepalive, t.pool_count), (secs(15), Some(secs(600)), 5));
    assert_eq!(t.local_ip, Some("192.0.2.1".parse().unwrap()));
    assert_eq!((t.tcp_mux, t.mux_keepalive), (true, secs(20)));
    assert_eq!((t.heartbeat_interval, t.heartbeat_timeout), (Some(secs(10)), Some(secs(30))));
    let tls = t.tls.unwrap();
    assert_eq!((tls.first_byte, tls.server_name.as_deref(), tls.trusted_ca), (true, Some("frps.example.org"), None));
    let names: Vec<&str> = c.proxies.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["web", "api-a"], "disabled and not started ones are left out");
    let web = &c.proxies[0];
    assert_eq!((web.local_host.as_str(), web.local_port), ("nas.lan", 8080));
    let a = web.announce.unpack();
    assert_eq!((web.wire_name.as_str(), a.proxy_type.as_str(), a.remote_port), ("site7.web", "tcp", 6080));
    assert!(a.use_encryption && a.use_compression);
    assert_eq!((a.bandwidth_limit.as_str(), a.bandwidth_limit_mode.as_str()), ("1.5MB", "server"));
    assert_eq!((a.metas.len(), a.annotations.len()), (1, 1));
    assert_eq!(
        (c.proxies[1].announce.unpack().group.as_str(), c.proxies[1].announce.unpack().group_key.as_str()),
        ("api", "g-77")
    );
}

#[test]
fn defaults_are_frpcs() {
    let Loaded { config: c, warnings } = good(PROXY);
    assert!(warnings.is_empty());
    assert_eq!((c.server_host.as_str(), c.server_port, c.login_fail_exit), ("0.0.0.0", 7000, true));
    let t = c.transport;
    assert_eq!((t.dial_timeout, t.keepalive, t.pool_count), (secs(10), Some(secs(15)), 1));
    assert_eq!((t.tcp_mux, t.mux_keepalive, t.heartbeat_interval), (true, secs(30), None));
    let tls = t.tls.unwrap();
    assert_eq!((tls.first_byte, tls.server_name), (false, None));
    let no_mux = good(&format!("transport.tcpMux = false{PROXY}")).config.transport;
    assert_eq!((no_mux.heartbeat_interval, no_mux.heartbeat_timeout), (Some(secs(30)), Some(secs(90))));
    let half = good(&format!("transport.heartbeatInterval = 5{PROXY}")).config.transport;
    assert_eq!((half.heartbeat_interval, half.heartbeat_timeout), (Some(secs(5)), None));
    let other_half = good(&format!("transport.heartbeatTimeout = 5{PROXY}")).config.transport;
    assert_eq!((other_half.heartbeat_interval, other_half.heartbeat_timeout), (None, None));
    let zero = "serverPort = 0\ntransport.poolCount = 0\ntransport.heartbeatInterval = 0\nserverAddr = \"\"";
    let zero = good(&format!("{zero}{PROXY}")).config;
    assert_eq!((zero.server_port, zero.transport.pool_count, zero.server_host.as_str()), (7000, 1, "0.0.0.0"));
    let off = good(&format!("transport.dialServerKeepalive = -1{PROXY}")).config.transport;
    assert_eq!(off.keepalive, None);
}

#[test]
fn keys_ignore_case_and_addresses_take_brackets() {
    let text =
        "ServerAddr = \"[::1]\"\nSERVERPORT = 7.0e3\n[[Proxies]]\nName = \"a\"\nType = \"tcp\"\nLOCALPORT = 0x50";
    let c = good(text).config;
    assert_eq!((c.server_host.as_str(), c.server_port, c.proxies[0].local_port), ("::1", 7000, 80));
    let twice = good(&format!("user = \"small\"\nUSER = \"large\"{PROXY}")).config;
    assert_eq!(twice.user, "small", "the later one in byte order wins");
    let crlf = good(&PROXY.replace('\n', "\r\n"));
    assert_eq!(crlf.config.proxies.len(), 1);
}

#[test]
fn each_mistake_names_its_place() {
    let table = [
        ("serverAdr = \"x\"", "1 serverAdr: unknown field \"serverAdr\"; did you mean \"serverAddr\"?"),
        ("nonsense = 1", "1 nonsense: unknown field \"nonsense\"; remove it or correct its spelling"),
        (
            "\n\nserverPort = \"7000\"",
            "3 serverPort: cannot unmarshal string into a whole number: write it without quotes",
        ),
        ("serverPort = 70000", "1 serverPort: serverPort = 70000 is not a valid port"),
        ("serverPort = -1", "1 serverPort: serverPort = -1 is not a valid port"),
        ("serverPort = 1.5", "1 serverPort: cannot unmarshal number into a whole number: write it without quotes"),
        ("user = 1", "1 user: cannot unmarshal number into a string: put it in quotes"),
        ("loginFailExit = 1", "1 loginFailExit: cannot unmarshal number into a bool: write true or false"),
        ("auth = 1", "1 auth: cannot unmarshal number into a table"),
        ("metadatas.a = 1", "1 metadatas.a: cannot unmarshal number into a string: put it in quotes"),
        ("start = \"a\"", "1 start: cannot unmarshal string into a list: write [\"…\"]"),
        ("auth.method = \"magic\"", "1 auth.method: invalid auth method, optional values are [token oidc]"),
        ("log.level = \"INFO\"", "1 log.level: invalid log level, optional values are [trace debug info warn error]"),
        ("dnsServer = \"one\"", "1 dnsServer: \"one\" is no IP address (with or without port)"),
        (
            "transport.protocol = \"http\"",
            "1 transport.protocol: invalid transport.protocol, optional values are [tcp kcp quic websocket wss]",
        ),
        ("transport.protocol = \"kcp\"", "1 transport.protocol: kcp is not in this build yet: use \"tcp\""),
        ("includes = [\"/no/such/x\"]", "1 includes[0]: stat /no/such: no such file or directory"),
        ("includes = [\"/etc/passwd/x\"]", "1 includes[0]: open /etc/passwd: Not a directory (os error 20)"),
        (
            "transport.tls.trustedCaFile = \"/no/such\"",
            "1 transport.tls.trustedCaFile: open /no/such: no such file or directory",
        ),
        (
            "auth.tokenSource.type = \"file\"",
            "1 auth.tokenSource.type: invalid auth.tokenSource: file configuration is required when type is 'file'",
        ),
        (
            "auth.tokenSource = { type = \"file\", file.path = \"\" }",
            "1 auth.tokenSource.type: invalid auth.tokenSource: file path cannot be empty",
        ),
        (
            "auth.tokenSource.type = \"vault\"",
            "1 auth.tokenSource.type: invalid auth.tokenSource: unsupported value source type: vault \
             (only 'file' and 'exec' are supported)",
        ),
        (
            "auth.tokenSource.file.path = \"/x\"",
            "1 auth.tokenSource.type: invalid auth.tokenSource: unsupported value source type:  \
             (only 'file' and 'exec' are supported)",
        ),
        ("x = 99999999999999999999", "1 : toml: 99999999999999999999 is too large a number"),
    ];
    for (text, expected) in table {
        assert_eq!(bad(&format!("{text}{PROXY}")), [expected], "{text}");
    }
    assert!(bad(&format!("[auth.tokenSource]{PROXY}"))[0].contains("unsupported value source type"));
    let heartbeat = bad(&format!("[transport]\nheartbeatInterval = 60\nheartbeatTimeout = 20{PROXY}"));
    assert!(heartbeat[0].starts_with("3 transport.heartbeatTimeout: invalid"), "{heartbeat:?}");
}

#[test]
fn mistakes_inside_proxies_name_the_proxy() {
    let p = |keys: &str| bad(&format!("[[proxies]]\nname = \"a\"\ntype = \"tcp\"\nlocalPort = 80\n{keys}"));
    assert_eq!(p("lokalIP = \"x\""), ["5 proxies[0].lokalIP: unknown field \"lokalIP\"; did you mean \"localIP\"?"]);
    let above = "5 proxies[0].serverAddr: unknown field \"serverAddr\" here: it belongs above the first [[proxies]]";
    assert_eq!(p("serverAddr = \"x\""), [above]);
    assert!(p("healthCheck.type = \"tcp\"")[0].contains("not in this build yet"));
    let twice = p("[[proxies]]\nname = \"a\"\ntype = \"tcp\"\nlocalPort = 81");
    assert_eq!(twice, ["6 proxies[1].name: proxy name [a] is duplicated: names must be unique"]);
    assert_eq!(
        bad("[[proxies]]\nname = \"a\"\ntype = \"tpc\"\nlocalPort = 1"),
        ["3 proxies[0].type: unknown proxy type: tpc"]
    );
    assert!(bad("[[proxies]]\nname = \"a\"\ntype = \"udp\"\nlocalPort = 1")[0].contains("not in this build yet"));
    let empty = bad("[[proxies]]");
    assert_eq!(empty.len(), 3, "name, type and port: {empty:?}");
    assert!(good("serverPort = 1").warnings[0].text.contains("there is no proxy to run"));
    assert!(good("store.path = \"s\"").warnings.iter().all(|w| !w.text.contains("there is no proxy")), "the store may");
    assert!(
        good("start = [\"b\"]\n[[proxies]]\nname = \"a\"\ntype = \"tcp\"\nlocalPort = 1").warnings[0]
            .text
            .contains("no proxy to run")
    );
}

#[test]
fn proxies_that_are_not_used_are_checked_too() {
    let with = |above: &str, keys: &str| {
        let text = format!("{above}{PROXY}[[proxies]]\nname = \"b\"\ntype = \"tcp\"\n\n{keys}");
        parse("frpc.toml", &text).map(|loaded| loaded.config.proxies.len())
    };
    let off = "enabled = false\n";
    for (above, off) in [("", off), ("start = [\"a\"]", "")] {
        let mut findings = with(above, &format!("{off}lokalIP = \"x\"")).unwrap_err();
        findings.retain(|f| !is_beside(f));
        assert!(findings.len() == 1 && findings[0].key == "proxies[1].lokalIP", "{findings:?}");
        assert!(with(above, &format!("{off}remotePort = \"7\"")).is_err());
        assert_eq!(with(above, &format!("{off}localPort = 70000")), Ok(1));
        for lacking in ["plugin.type = \"socks5\"", "healthCheck.type = \"tcp\"", "localIP = \"fe80::1%lo\""] {
            assert_eq!(with(above, &format!("{off}{lacking}")), Ok(1), "what we lack does no harm there");
        }
    }
    let udp = format!("{PROXY}[[proxies]]\nname = \"b\"\ntype = \"udp\"\nenabled = false");
    assert_eq!(good(&udp).config.proxies.len(), 1);
}

#[test]
fn ipv6_zones_are_refused_with_what_to_do() {
    for host in ["fe80::1%lo", "[fe80::1%3]"] {
        let findings = bad(&format!("serverAddr = \"{host}\"{PROXY}"));
        assert!(findings.len() == 1 && findings[0].starts_with("1 serverAddr: IPv6 zones"), "{findings:?}");
        let findings = bad(&format!("{PROXY}localIP = \"{host}\""));
        assert!(findings.len() == 1 && findings[0].contains("proxies[0].localIP: IPv6 zones"), "{findings:?}");
    }
}

#[test]
fn a_proxy_too_long_to_announce_is_refused() {
    for (key, len, refused) in
        [("annotations", 10_000, false), ("annotations", 10_240, true), ("metadatas", 11_000, true)]
    {
        let text = format!("{PROXY}{key}.a = \"{}\"", "x".repeat(len));
        if !refused {
            good(&text);
            continue;
        }
        let findings = bad(&text);
        let start = format!("2 proxies[0].{key}: proxy [a] takes ");
        assert!(findings.len() == 1 && findings[0].starts_with(&start), "{findings:?}");
        assert!(findings[0].contains("allows 10240"), "{findings:?}");
        good(&format!("{PROXY}[[proxies]]\nname = \"b\"{}\nenabled = false", &text[PROXY.find("\ntype").unwrap()..]));
    }
}

#[test]
fn what_is_switched_off_passes_silently() {
    let silent = |text: &str| {
        let mut warnings = good(text).warnings;
        warnings.retain(|f| f.severity > Severity::Note);
        assert_eq!(warnings, [], "{text}");
    };
    silent(&format!("webServer.port = 0\nwebServer.addr = \"127.0.0.1\"{PROXY}"));
    silent(&format!("{PROXY}healthCheck.type = \"\"\nhealthCheck.intervalSeconds = 5"));
    silent(&format!("{PROXY}[proxies.HealthCheck]\nmaxFailed = 3"));
}

#[test]
fn half_a_client_certificate_is_not_read() {
    for key in ["certFile", "keyFile"] {
        let loaded = good(&format!("transport.tls.{key} = \"/no/such\"{PROXY}"));
        let [warning] = loaded.warnings.as_slice() else { panic!("{:?}", loaded.warnings) };
        assert_eq!((warning.line, warning.key.as_str()), (1, format!("transport.tls.{key}").as_str()));
        assert!(warning.text.contains("needs both"), "{warning}");
        let tls = loaded.config.transport.tls.unwrap();
        assert_eq!((tls.cert, tls.key), (None, None));
    }
    let both = bad(&format!("[transport.tls]\ncertFile = \"/no/cert\"\nkeyFile = \"/no/key\"{PROXY}"));
    assert_eq!(both.len(), 2, "{both:?}");
}

#[test]
fn one_pass_finds_everything() {
    let findings = bad("serverPort = true\nfoo = 1\n[[proxies]]\nname = \"a\"\ntype = \"tcp\"\nlocalPort = \"22\"");
    let lines: Vec<&str> = findings.iter().map(|f| f.split(' ').next().unwrap()).collect();
    assert_eq!(lines, ["1", "2", "6"], "{findings:?}");
}

#[test]
fn syntax_errors_have_a_line() {
    let findings = bad("a = 1\nb = [\n\n[[proxies]]\n");
    assert!(findings.len() == 1 && findings[0].contains("toml: "), "{findings:?}");
    assert!(bad("a = 1\na = 2")[0].starts_with("2 : toml: duplicate key"));
}

#[test]
fn other_formats_are_recognised() {
    assert_eq!(bad("\n# {{ fine }}")[0], "2 : template: frp:2: function \"fine\" not defined");
}

#[test]
fn odd_values_are_warned_about_and_used() {
    let warned = |text: &str| {
        let loaded = good(&format!("{text}{PROXY}"));
        assert_eq!(loaded.warnings.len(), 1, "{text}: {:?}", loaded.warnings);
        (loaded.config, loaded.warnings[0].text.clone())
    };
    assert_eq!(warned("transport.poolCount = -3").0.transport.pool_count, 1);
    assert_eq!(warned("transport.tcpMuxKeepaliveInterval = -1").0.transport.mux_keepalive, secs(1));
    assert_eq!(warned("transport.dialServerTimeout = -1").0.transport.dial_timeout, secs(10));
    assert_eq!(warned("transport.dialServerTimeout = 2").0.transport.dial_timeout, secs(2));
    assert_eq!(warned("transport.connectServerLocalIP = \"eth0\"").0.transport.local_ip, None);
    assert!(warned("transport.dialServerKeepalive = 3").1.contains("seconds"));
    assert!(warned("serverAddr = \"1.2.3.4:7000\"").1.contains("serverPort"));
    assert!(warned("[transport]\ntcpMux = false\nheartbeatInterval = -1").1.contains("90 s"));
    assert!(warned("[transport.tls]\nenable = false\ncertFile = \"/x\"").1.contains("is invalid when"));
}

#[test]
fn files_that_are_none() {
    let text = |path: &str| load(path).unwrap_err()[0].to_string();
    assert_eq!(text("/no/such/frpc.toml"), "/no/such/frpc.toml: open /no/such/frpc.toml: no such file or directory");
    assert_eq!(text("src"), "src: open src: it is a directory; name a file");
    let dir = std::env::temp_dir().join(format!("redial-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    assert!(
        text(&write("bom.toml", b"\xef\xbb\xbfa = 1"))
            .contains(".toml:1: toml: the file starts with a byte order mark")
    );
    assert!(text(&write("latin1", b"# ok\nuser = \"\xe9\"")).contains(":2: not UTF-8 from here on"));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn secrets_are_not_printed() {
    let config = good(&format!("auth.token = \"hush\"{PROXY}")).config;
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn random_edits_never_panic() {
    let text = include_str!("../../tests/configs/full.toml");
    let mut rng = crate::net::sim::Rng::new(1);
    for _ in 0..400 {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=rng.below(4) {
            let at = rng.below(u32::try_from(bytes.len()).unwrap()) as usize;
            match rng.below(3) {
                0 => bytes[at] = b"=[]\"#.\n1x{}"[rng.below(11) as usize],
                1 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        drop(parse("frpc.toml", &String::from_utf8_lossy(&bytes)));
    }
}

#[test]
fn the_extension_is_read_and_checked() {
    let text = format!(
        "[redial]\ndetect = \"fast\"\nspread = 20\nfailback = 60\ninterface = \"wan\"\nfamily = \"ipv4\"\n\
         [[redial.servers]]\naddr = \"[2001:db8::1]\"\nport = 7001\nmark = 16\nsourceIP = \"2001:db8::2\"\n\
         [[redial.servers]]\naddr = \"frps2.example\"\n{PROXY}"
    );
    let x = good(&text).config.extension;
    assert_eq!((x.probe, x.spread, x.failback), (secs(1), secs(20), secs(60)));
    assert_eq!((x.way.interface.as_deref(), x.way.family), (Some("wan"), Family::V4));
    let [first, second] = &x.servers[..] else { panic!("{:?}", x.servers) };
    assert_eq!((first.host.as_str(), first.port, first.way.mark), ("2001:db8::1", 7001, Some(16)));
    assert_eq!(first.way.source, Some("2001:db8::2".parse().unwrap()));
    assert_eq!((second.host.as_str(), second.port), ("frps2.example", 7000));
    let plain = good(PROXY).config.extension;
    assert_eq!((plain.probe, plain.spread, plain.servers.len()), (secs(5), secs(2), 0));
    assert_eq!(good(&format!("redial.probeInterval = 12{PROXY}")).config.extension.probe, secs(12));
    assert_eq!(plain.state_file, StateFile::Automatic);
    for (value, expected) in [
        ("", StateFile::Off),
        ("state", StateFile::At("state".to_owned())),
        ("/var/lib/redial/a b.state", StateFile::At("/var/lib/redial/a b.state".to_owned())),
    ] {
        assert_eq!(good(&format!("redial.statefile = \"{value}\"{PROXY}")).config.extension.state_file, expected);
    }
    for (line, expected) in [
        ("redial.detect = \"slow\"", "1 redial.detect: optional values are"),
        ("redial.probeInterval = -3", "1 redial.probeInterval: -3 must be in the range 1..3600"),
        ("redial.spread = 61", "1 redial.spread: 61 must be"),
        ("redial.interface = \"a/b\"", "1 redial.interface: no interface can be called"),
        ("redial.interface = \"a-very-long-name\"", "1 redial.interface: no interface"),
        ("redial.family = \"ipv5\"", "1 redial.family: optional values are"),
        ("redial.servers = []", "1 redial.servers: the list is empty"),
        ("redial.servers = [{ port = 7000 }]", "1 redial.servers[0].addr: there is no address"),
        ("redial.servers = [{ addr = \"x\", sourceIP = \"y\" }]", "1 redial.servers[0].sourceIP: \"y\" is no IP"),
        ("redial.stateFile = true", "1 redial.stateFile: cannot unmarshal"),
        ("redial.stateFile = \"a\\u0000b\"", "1 redial.stateFile: there is a control character"),
        ("redial.stateFile = \"/run/\"", "1 redial.stateFile: \"/run/\" is a directory"),
        ("redial.fast = true", "1 redial.fast: unknown field"),
    ] {
        let findings = bad(&format!("{line}{PROXY}"));
        assert!(findings.len() == 1 && findings[0].starts_with(expected), "{line}: {findings:?}");
    }
}

#[test]
fn the_admin_server_and_the_store_arrive() {
    let text = format!(
        "webServer = {{ port = 7400, user = \"u\", password = \"p\", assetsDir = \"/a\", pprofEnable = true, \
         tls = {{ certFile = \"c\", keyFile = \"k\", trustedCaFile = \"x\", serverName = \"y\" }} }}\n\
         store.path = \"s.json\"{PROXY}"
    );
    let c = good(&text).config;
    let web = c.web_server.unwrap();
    assert_eq!((web.addr.as_str(), web.port, web.user.as_str(), web.password.as_str()), ("127.0.0.1", 7400, "u", "p"));
    assert_eq!((web.assets_dir.as_str(), web.pprof), ("/a", true));
    assert_eq!(web.tls, Some(WebTls { cert_file: "c".to_owned(), key_file: "k".to_owned() }));
    assert_eq!((c.store_path.as_deref(), c.file.as_str()), (Some("s.json"), "frpc.toml"));
    assert_eq!(good(PROXY).config.web_server, None);
    assert_eq!(
        bad(&format!("\nwebServer.tls = {{}}\nwebServer.port = 65536{PROXY}")),
        [
            "2 webServer.tls.certFile: tls.certFile must be specified when tls is enabled",
            "2 webServer.tls.keyFile: tls.keyFile must be specified when tls is enabled",
            "3 webServer.port: port number 65536 must be in the range 0..65535",
        ]
    );
}

#[test]
fn held_files_give_what_the_disk_gives() {
    let dir = std::env::temp_dir().join(format!("redial-held-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("conf.d/folder.toml")).unwrap();
    let proxy = |name: &str| format!("[[proxies]]\nname = \"{name}\"\ntype = \"tcp\"\nlocalPort = 80\n");
    let at = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let main = format!(
        "includes = [\"{}\"]\nauth.tokenSource.type = \"file\"\nauth.tokenSource.file.path = \"{}\"\n{}",
        at("conf.d/*.toml"),
        at("token"),
        proxy("a")
    );
    for (name, text) in [
        ("main.toml", main),
        ("token", " s3cret\n".to_owned()),
        ("conf.d/b.toml", proxy("b")),
        ("conf.d/c.toml", proxy("c")),
    ] {
        std::fs::write(at(name), text).unwrap();
    }
    let direct = load(&at("main.toml")).unwrap();
    let (mut files, mut rounds) = (Files::held(), 0);
    let held = loop {
        let loaded = Loader::default().load_from(&at("main.toml"), &mut files);
        let wanted = files.wanted();
        if wanted.is_empty() {
            break loaded.unwrap();
        }
        rounds += 1;
        for want in wanted {
            match want {
                Want::File(path) => files.give_file(&path, std::fs::read(&path).map_err(|e| e.to_string())),
                Want::Folder(path) => files.give_folder(&path, Ok(vec!["c.toml".to_owned(), "b.toml".to_owned()])),
            }
        }
    };
    assert_eq!((held.config, held.warnings), (direct.config.clone(), direct.warnings));
    // The token is for the client to read.
    assert_eq!((direct.config.proxies.len(), direct.config.auth.token.as_str(), rounds), (3, "", 3));
    let mut files = Files::held();
    files.give_file("gone.toml", Err("open gone.toml: no such file or directory".to_owned()));
    let text = Loader::default().load_from("gone.toml", &mut files).unwrap_err()[0].to_string();
    assert_eq!(text, "gone.toml: open gone.toml: no such file or directory");
    std::fs::remove_dir_all(dir).unwrap();
}
