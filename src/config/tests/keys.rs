//! Each key of proxies, plugins and visitors: a good value, a bad value, and that it arrives.

use super::super::*;
use super::frpc::{agree, verify};
use crate::proto::time::{millis, secs};

fn proxy(keys: &str) -> String {
    format!("[[proxies]]\nname = \"a\"\n{keys}")
}

fn tcp(keys: &str) -> String {
    proxy(&format!("type = \"tcp\"\n{keys}"))
}

fn visitor(keys: &str) -> String {
    format!("[[visitors]]\nname = \"v\"\n{keys}")
}

/// What `redial verify` makes of a good file.
fn config(text: &str) -> Config {
    let loader = Loader { purpose: Purpose::Verify, ..Loader::default() };
    loader.parse("frpc.toml", text).unwrap_or_else(|findings| panic!("{text}\n{findings:?}")).config
}

#[test]
fn common_keys_are_checked_as_frpc_does() {
    let row = |text: &str, said: &'static str| (text.to_owned(), said);
    agree([
        row("", ""),
        row(
            "version = \"1\"\nserverPort = 99999\ndnsServer = \"one\"\nudpPacketSize = -1\nnatHoleStunServer = \"s\"",
            "",
        ),
        row("serverPort = 7000.0\nserverAddr = \"fe80::1%lo\"\nlog.maxDays = 99999999999\nlog.to = \"/x/y\"", ""),
        row("udpPacketSize = \"1500\"", "cannot unmarshal string into"),
        row("udpPacketSize = 1.5", "cannot unmarshal number"),
        row("log.level = \"INFO\"", "invalid log level, optional values are [trace debug info warn error]"),
        row(
            "webServer.port = -1",
            "webServer.port: port number -1 must be in the range 0..65535".trim_start_matches("webServer.port: "),
        ),
        row("webServer.tls = {}", "tls.certFile must be specified when tls is enabled"),
        row("webServer.tls.certFile = \"c\"", "tls.keyFile must be specified when tls is enabled"),
        row("store.path = \"/x\"\nstart = [\"x\"]\nclientID = \"c\"\nloginFailExit = false", ""),
        row("store.file = \"/x\"", "unknown field \"file\""),
        row("featureGates = { Odd = true, VirtualNet = false }", ""),
        row("featureGates.VirtualNet = 1", "cannot unmarshal number into"),
        row("virtualNet.address = \"\"", ""),
        row(
            "featureGates.VirtualNet = true\nvirtualNet.address = \"100.86.0.1/24\"",
            "VirtualNet feature is not enabled; enable it by setting the appropriate feature gate flag",
        ),
        row("metadatas = { a = 1 }", "cannot unmarshal number into"),
    ]);
}

#[test]
fn transport_is_checked_as_frpc_does() {
    let row = |text: &str, said: &'static str| (format!("[transport]\n{text}"), said);
    let heartbeat = "invalid transport.heartbeatTimeout, heartbeat timeout should not less than heartbeat interval";
    let protocol = "invalid transport.protocol, optional values are [tcp kcp quic websocket wss]";
    agree([
        row("protocol = \"kcp\"\nwireProtocol = \"v2\"\nproxyURL = \"socks5://h:1\"\npoolCount = -1", ""),
        row("protocol = \"TCP\"", protocol),
        row("wireProtocol = \"v3\"", "invalid transport.wireProtocol, optional values are [v1 v2]"),
        row("quic = { keepalivePeriod = -1, maxIdleTimeout = 0, maxIncomingStreams = 7 }", ""),
        row("quic.keepalive = 1", "unknown field \"keepalive\""),
        row("quic.maxIdleTimeout = \"1\"", "cannot unmarshal string into"),
        row("dialServerTimeout = -1\ndialServerKeepalive = 1\ntcpMuxKeepaliveInterval = -1", ""),
        row("connectServerLocalIP = \"nonsense\"", ""),
        row("heartbeatInterval = 10\nheartbeatTimeout = 9", heartbeat),
        row("heartbeatTimeout = 9", ""),
        row("tcpMux = false\nheartbeatTimeout = 9", heartbeat),
        row("tls = { certFile = \"/no\", keyFile = \"/no\", trustedCaFile = \"/no\", serverName = \"n\" }", ""),
        row("tls = { enable = false, certFile = \"/no\", trustedCaFile = \"/no\" }", ""),
        row("tls.enable = \"true\"", "cannot unmarshal string into"),
        row("tls = { enable = true, disableCustomTLSFirstByte = false, verify = true }", "unknown field \"verify\""),
    ]);
    let quic = config("transport.quic = { keepalivePeriod = 3, maxIncomingStreams = 7 }").transport.quic;
    assert_eq!((quic.keepalive, quic.idle, quic.streams), (secs(3), secs(30), 7));
    let t = config("transport = { protocol = \"wss\", wireProtocol = \"v2\", proxyURL = \"http://h:1\" }").transport;
    assert_eq!((t.protocol, t.wire_v2, t.proxy_url.as_str()), (Protocol::Wss, true, "http://h:1"));
}

const NUMBER: &str = "cannot unmarshal number into";
const NAME: &str = "annotation key a b is invalid: name part must consist of alphanumeric characters, '-', '_' or '.', and \
                    must start and end with an alphanumeric character";

/// Keys of a tcp proxy, and what frpc says.
const ALL: [(&str, &str); 45] = [
    ("", ""),
    ("localPort = 65535", ""),
    ("localPort = 65536", "localPort: localPort: port number 65536 must be in the range 0..65535"),
    ("localPort = -1", "localPort: localPort: port number -1 must be in the range 0..65535"),
    ("localPort = -1\nplugin.type = \"virtual_net\"", ""),
    ("localPort = -1\nenabled = false", ""),
    ("localPort = \"22\"\nenabled = false", "cannot unmarshal string into"),
    ("enabled = 1", NUMBER),
    ("remotePort = 99999", ""),
    ("remotePort = -5", ""),
    ("annotations = { a = \"x\", \"Example.net/Some_Name.1\" = \"y\" }", ""),
    ("annotations = { \"a b\" = \"x\" }", NAME),
    ("annotations = { \"\" = \"x\" }", "is invalid: name part must be non-empty"),
    ("annotations = { \"/a\" = \"x\" }", "is invalid: prefix part must be non-empty"),
    ("annotations = { \"a/b/c\" = \"x\" }", "annotation key a/b/c is invalid: a qualified name must consist of"),
    ("annotations = { \"-a.b/c\" = \"x\" }", "is invalid: prefix part a lowercase RFC 1123 subdomain must consist"),
    ("annotations = { \"a..b/c\" = \"x\" }", "is invalid: prefix part a lowercase RFC 1123 subdomain must consist"),
    ("annotations = { a_ = \"x\" }", "name part must consist of"),
    ("annotations = { a = 1 }", NUMBER),
    ("metadatas = { \"a b\" = \"x\" }", ""),
    ("transport.bandwidthLimit = \" 1.5MB \"", ""),
    ("transport.bandwidthLimit = \"10m\"", "unit not support"),
    ("transport.bandwidthLimit = \"10m\"\nenabled = false", "unit not support"),
    ("transport.bandwidthLimit = \"x1MB\"", "strconv.ParseFloat: parsing \"x1\": invalid syntax"),
    ("transport.bandwidthLimit = \"1e999KB\"", "strconv.ParseFloat: parsing \"1e999\": value out of range"),
    ("transport.bandwidthLimit = 10", NUMBER),
    ("transport.bandwidthLimitMode = \"Server\"", "bandwidth limit mode should be client or server"),
    ("transport.bandwidthLimitMode = \"Server\"\nenabled = false", ""),
    ("transport.proxyProtocolVersion = \"v2\"", ""),
    ("transport.proxyProtocolVersion = \"v3\"", "not support proxy protocol version: v3"),
    ("transport = { useEncryption = true, useCompression = true }", ""),
    ("transport.poolCount = 1", "unknown field \"poolCount\""),
    ("loadBalancer = { group = \"g\", groupKey = \"k\" }", ""),
    ("loadBalancer.key = \"k\"", "unknown field \"key\""),
    ("healthCheck = { type = \"tcp\", timeoutSeconds = -1, maxFailed = 0, intervalSeconds = 1 }", ""),
    ("healthCheck.type = \"http\"", "health check path should not be empty"),
    ("healthCheck = { type = \"http\", path = \"x\", httpHeaders = [{ name = \"Host\", value = \"h\" }] }", ""),
    ("healthCheck.type = \"udp\"", "not support health check type: udp"),
    ("healthCheck.httpHeaders = [{ key = \"Host\" }]", "unknown field \"key\""),
    ("healthCheck.maxFailed = \"1\"", "cannot unmarshal string into"),
    ("plugin = {}", "plugin type is empty"),
    ("plugin.type = \"nope\"", "unknown plugin type: nope"),
    ("plugin.type = \"nope\"\nenabled = false", "unknown plugin type: nope"),
    ("customDomains = [\"a\"]", "unknown field \"customDomains\""),
    ("serverAddr = \"a\"", "unknown field \"serverAddr\""),
];

#[test]
fn keys_of_all_proxies_are_checked_as_frpc_does() {
    agree(ALL.map(|(keys, said)| (tcp(keys), said)));
    let other = "\n[[proxies]]\nname = \"a\"\ntype = \"udp\"\nenabled = false";
    agree([
        (format!("{}{other}", tcp("")), "proxy name [a] is duplicated"),
        (format!("{}{}", tcp(""), other.replace("\"a\"", "\"A\"")), ""),
        (format!("start = [\"b\"]\n{}", tcp("localPort = -1")), ""),
        ("[[proxies]]\ntype = \"tcp\"".to_owned(), "name should not be empty"),
        ("[[proxies]]\ntype = \"tcp\"\nenabled = false".to_owned(), ""),
        (
            format!(
                "{}\n{}",
                visitor("type = \"stcp\"\nserverName = \"s\"\nbindPort = 1"),
                tcp("").replace("\"a\"", "\"v\"")
            ),
            "",
        ),
        (proxy(""), "unknown proxy type: "),
        (proxy("type = \"TCP\""), "unknown proxy type: TCP"),
        (proxy("type = \"tpc\"\nenabled = false"), "unknown proxy type: tpc"),
    ]);
    let long = "x".repeat(262_144);
    agree([(tcp(&format!("annotations.a = \"{long}\"")), "annotations size 262145 is larger than limit 262144")]);
}

#[test]
fn keys_of_each_kind_are_checked_as_frpc_does() {
    let domains = "subdomain and custom domains should not be both empty";
    let http = "locations = [\"/\"]\nhttpUser = \"u\"\nhttpPassword = \"p\"\nhostHeaderRewrite = \"h\"\n\
                requestHeaders.set.x = \"1\"\nresponseHeaders.set.y = \"2\"\nrouteByHTTPUser = \"r\"";
    let rows = [
        ("udp", "remotePort = 6000\nlocalPort = 53", ""),
        ("udp", "subdomain = \"x\"", "unknown field \"subdomain\""),
        ("http", "", domains),
        ("http", "customDomains = []\nsubdomain = \"\"", domains),
        ("http", "subdomain = \"x\"", ""),
        ("http", "customDomains = \"x\"", "cannot unmarshal string into"),
        ("http", "requestHeaders.x = \"1\"\nsubdomain = \"x\"", "unknown field \"x\""),
        ("https", "", domains),
        ("https", "customDomains = [\"x\"]", ""),
        ("https", "customDomains = [\"x\"]\nlocations = [\"/\"]", "unknown field \"locations\""),
        ("tcpmux", "subdomain = \"x\"", "not support multiplexer: "),
        ("tcpmux", "subdomain = \"x\"\nmultiplexer = \"tls\"", "not support multiplexer: tls"),
        ("tcpmux", "multiplexer = \"httpconnect\"", domains),
        ("tcpmux", "multiplexer = \"tls\"\nenabled = false", ""),
        ("stcp", "", ""),
        ("stcp", "secretKey = \"s\"\nallowUsers = [\"*\"]", ""),
        ("stcp", "natTraversal.disableAssistedAddrs = true", "unknown field \"natTraversal\""),
        ("sudp", "allowUsers = \"*\"", "cannot unmarshal string into"),
        ("sudp", "secretKey = \"s\"\nplugin.type = \"socks5\"", ""),
        ("xtcp", "natTraversal.disableAssistedAddrs = true\nsecretKey = \"s\"", ""),
        ("xtcp", "natTraversal = {}", ""),
        ("xtcp", "natTraversal.disableAssistedAddrs = 1", "cannot unmarshal number into"),
    ];
    agree(rows.map(|(kind, keys, said)| (proxy(&format!("type = \"{kind}\"\n{keys}")), said)));
    agree([(proxy(&format!("type = \"http\"\nsubdomain = \"x\"\n{http}")), "")]);
    agree([(
        proxy(
            "type = \"tcpmux\"\nmultiplexer = \"httpconnect\"\nsubdomain = \"x\"\nhttpUser = \"u\"\n\
                   httpPassword = \"p\"\nrouteByHTTPUser = \"r\"",
        ),
        "",
    )]);
}

#[test]
fn plugins_are_checked_as_frpc_does() {
    let login = "httpUser = \"u\"\nhttpPassword = \"p\"";
    let rewrite = "localAddr = \"h:1\"\nhostHeaderRewrite = \"x\"\nrequestHeaders.set.x = \"1\"";
    let certificate = "enableHTTP2 = false\ncrtPath = \"c\"\nkeyPath = \"k\"";
    let rows = [
        ("http_proxy", login.to_owned(), ""),
        ("http_proxy", "username = \"u\"".to_owned(), "unknown field \"username\""),
        ("socks5", "username = \"u\"\npassword = \"p\"".to_owned(), ""),
        ("socks5", "username = 1".to_owned(), "cannot unmarshal number into"),
        ("static_file", format!("localPath = \"/x\"\nstripPrefix = \"y\"\n{login}"), ""),
        ("static_file", String::new(), "plugin static_file: localPath is required"),
        ("unix_domain_socket", "unixPath = \"/x\"".to_owned(), ""),
        ("unix_domain_socket", String::new(), "plugin unix_domain_socket: unixPath is required"),
        ("http2https", rewrite.to_owned(), ""),
        ("http2https", String::new(), "plugin http2https: localAddr is required"),
        ("http2https", "crtPath = \"c\"\nlocalAddr = \"x\"".to_owned(), "unknown field \"crtPath\""),
        ("http2http", rewrite.to_owned(), ""),
        ("http2http", String::new(), ""),
        ("https2http", format!("{rewrite}\n{certificate}"), ""),
        ("https2http", String::new(), "plugin https2http: localAddr is required"),
        ("https2https", format!("{rewrite}\n{certificate}"), ""),
        ("https2https", String::new(), "plugin https2https: localAddr is required"),
        ("https2https", "enableHTTP2 = 1".to_owned(), "cannot unmarshal number into"),
        ("tls2raw", "localAddr = \"x\"\ncrtPath = \"c\"\nkeyPath = \"k\"".to_owned(), ""),
        ("tls2raw", String::new(), "plugin tls2raw: localAddr is required"),
        ("tls2raw", "localAddr = \"x\"\nenableHTTP2 = true".to_owned(), "unknown field \"enableHTTP2\""),
        ("virtual_net", String::new(), ""),
        ("virtual_net", "destinationIP = \"1\"".to_owned(), "unknown field \"destinationIP\""),
    ];
    agree(rows.map(|(kind, keys, said)| (tcp(&format!("[proxies.plugin]\ntype = \"{kind}\"\n{keys}")), said)));
}

#[test]
fn visitors_are_checked_as_frpc_does() {
    let (base, number) = ("serverName = \"s\"\nbindPort = 9000\n", "cannot unmarshal number into");
    let xtcp = "protocol = \"kcp\"\nkeepTunnelOpen = true\nmaxRetriesAnHour = 1\nminRetryInterval = 2\n\
                fallbackTo = \"x\"\nfallbackTimeoutMs = 3\nnatTraversal.disableAssistedAddrs = true";
    let rows = [
        ("stcp", base.to_owned(), ""),
        ("stcp", "bindPort = 1".to_owned(), "server name is required"),
        ("stcp", "serverName = \"s\"".to_owned(), "bind port is required"),
        ("stcp", "serverName = \"s\"\nbindPort = 0".to_owned(), "bind port is required"),
        ("stcp", "serverName = \"s\"\nbindPort = -1".to_owned(), ""),
        ("stcp", "serverName = \"s\"\nbindPort = 99999".to_owned(), ""),
        ("stcp", "enabled = false".to_owned(), ""),
        ("stcp", format!("{base}serverUser = \"u\"\nsecretKey = \"k\"\nbindAddr = \"::\""), ""),
        ("stcp", format!("{base}transport = {{ useEncryption = true, useCompression = true }}"), ""),
        ("stcp", format!("{base}transport.bandwidthLimit = \"1MB\""), "unknown field \"bandwidthLimit\""),
        ("stcp", format!("{base}protocol = \"kcp\""), "unknown field \"protocol\""),
        ("stcp", format!("{base}plugin = {{}}"), "visitor plugin type is empty"),
        ("stcp", format!("{base}plugin.type = \"x\""), "unknown visitor plugin type: x"),
        ("stcp", format!("{base}plugin = {{ type = \"virtual_net\", destinationIP = \"1\" }}"), ""),
        (
            "stcp",
            format!("{base}plugin = {{ type = \"virtual_net\", localAddr = \"1\" }}"),
            "unknown field \"localAddr\"",
        ),
        ("stcp", "bindPort = 1.5".to_owned(), "cannot unmarshal number"),
        ("sudp", "serverName = \"s\"\nbindPort = -1".to_owned(), ""),
        ("xtcp", format!("{base}{xtcp}"), ""),
        ("xtcp", format!("{base}protocol = \"tcp\""), "protocol should be kcp or quic"),
        ("xtcp", format!("{base}protocol = \"tcp\"\nenabled = false"), ""),
        ("xtcp", format!("{base}minRetryInterval = -1"), ""),
        ("xtcp", format!("{base}keepTunnelOpen = 1"), number),
        ("tcp", base.to_owned(), "unknown visitor type: tcp"),
    ];
    agree(rows.map(|(kind, keys, said)| (visitor(&format!("type = \"{kind}\"\n{keys}")), said)));
    let good = visitor(&format!("type = \"stcp\"\n{base}"));
    agree([
        (format!("{good}{good}"), "visitor name [v] is duplicated"),
        (good.replace("\"v\"", "\"\""), "name is required"),
        (format!("start = [\"w\"]\n{}", visitor("type = \"stcp\"")), ""),
        (visitor(base), "unknown visitor type: "),
    ]);
}

#[test]
fn proxies_arrive() {
    let text = "user = \"site\"\n[[proxies]]\nname = \"web\"\ntype = \"http\"\ncustomDomains = [\"d\"]\n\
                subdomain = \"s\"\nlocations = [\"/\", \"/x\"]\nhttpUser = \"u\"\nhttpPassword = \"p\"\n\
                hostHeaderRewrite = \"h\"\nrequestHeaders.set.Q = \"1\"\nresponseHeaders.set.R = \"2\"\n\
                routeByHTTPUser = \"r\"\nlocalPort = 80\ntransport.proxyProtocolVersion = \"v2\"\n\
                transport.bandwidthLimit = \" 64KB\"\n\
                healthCheck = { type = \"http\", path = \"up\", httpHeaders = [{ name = \"Host\", value = \"h\" }] }\n\
                [[proxies]]\nname = \"mux\"\ntype = \"tcpmux\"\nsubdomain = \"s\"\nmultiplexer = \"httpconnect\"\n\
                healthCheck.type = \"tcp\"\n[[proxies]]\nname = \"p2p\"\ntype = \"xtcp\"\nsecretKey = \"k\"\n\
                allowUsers = [\"*\"]\nnatTraversal.disableAssistedAddrs = true\n\
                [proxies.plugin]\ntype = \"https2http\"\nlocalAddr = \"h:1\"\ncrtPath = \"c\"\nenableHTTP2 = false";
    let proxies = config(text).proxies;
    let [web, mux, p2p] = proxies.as_slice() else { panic!("{proxies:?}") };
    let a = web.announce.unpack();
    assert_eq!((web.wire_name.as_str(), a.proxy_type.as_str(), web.kind), ("site.web", "http", Kind::Http));
    assert_eq!((a.custom_domains.as_slice(), a.subdomain.as_str()), (["d".to_owned()].as_slice(), "s"));
    assert_eq!((a.http_user.as_str(), a.http_pwd.as_str(), a.route_by_http_user.as_str()), ("u", "p", "r"));
    assert_eq!((a.locations.len(), a.host_header_rewrite.as_str()), (2, "h"));
    assert_eq!((a.headers["Q"].as_str(), a.response_headers["R"].as_str()), ("1", "2"), "case is kept");
    assert_eq!((a.bandwidth_limit.as_str(), a.bandwidth_limit_mode.as_str(), web.limit), ("64KB", "", Some(65536)));
    assert_eq!(web.proxy_protocol, Some(ProxyProtocol::V2));
    let headers = vec![("Host".to_owned(), "h".to_owned())];
    let check = HealthCheck {
        probe: Probe::Http { path: "/up".to_owned(), headers },
        timeout: secs(3),
        max_failed: 1,
        interval: secs(10),
    };
    assert_eq!(web.health_check.as_deref(), Some(&check));
    assert_eq!((mux.announce.unpack().multiplexer.as_str(), mux.kind.name()), ("httpconnect", "tcpmux"));
    assert_eq!(mux.health_check, None, "off without a local port");
    assert_eq!((p2p.announce.unpack().sk.as_str(), p2p.announce.unpack().allow_users.len()), ("k", 1));
    assert!(p2p.disable_assisted_addrs);
    let Some(Plugin::Https2Http(backend)) = p2p.plugin.as_deref() else { panic!("{p2p:?}") };
    assert_eq!((backend.addr.as_str(), backend.crt_path.as_str(), backend.http2), ("h:1", "c", false));
}

#[test]
fn visitors_arrive() {
    let text = "user = \"own\"\n[[visitors]]\nname = \"a\"\ntype = \"stcp\"\nserverName = \"s\"\nbindPort = -1\n\
                [[visitors]]\nname = \"b\"\ntype = \"xtcp\"\nserverName = \"s\"\nserverUser = \"other\"\n\
                bindPort = 9\nprotocol = \"kcp\"\nkeepTunnelOpen = true\nminRetryInterval = -9\nfallbackTo = \"a\"\n\
                fallbackTimeoutMs = 200\nsecretKey = \"k\"\ntransport.useCompression = true";
    let visitors = config(text).visitors;
    let [a, b] = visitors.as_slice() else { panic!("{visitors:?}") };
    assert_eq!((a.target.as_str(), a.bind_addr.as_str(), a.bind_port), ("own.s", "127.0.0.1", None));
    assert_eq!((b.target.as_str(), b.bind_port, b.secret_key.as_str()), ("other.s", Some(9), "k"));
    assert!(b.use_compression && !b.use_encryption && a.xtcp.is_none());
    let x = b.xtcp.as_deref().unwrap();
    assert_eq!((x.protocol, x.keep_tunnel_open, x.fallback_to.as_str()), (TunnelProtocol::Kcp, true, "a"));
    assert_eq!((x.max_retries_an_hour, x.min_retry_interval, x.fallback_timeout), (8, secs(1), millis(200)));
    assert!(!format!("{b:?}").contains("secret"));
}

#[test]
fn what_this_build_lacks_is_an_error_to_run_and_a_warning_to_verify() {
    let with = |keys: &str| tcp(&format!("localPort = 80\n{keys}"));
    for text in [
        "transport.protocol = \"quic\"".to_owned(),
        "transport.wireProtocol = \"v2\"".to_owned(),
        "transport.proxyURL = \"http://h:1\"".to_owned(),
        #[cfg(feature = "oidc")]
        "auth = { method = \"oidc\", oidc = { clientID = \"c\", tokenEndpointURL = \"http://h\", proxyURL = \"https://p\" } }".to_owned(),
        with("healthCheck.type = \"tcp\""),
        with("plugin.type = \"socks5\""),
        with("transport.bandwidthLimit = \"1MB\""),
        with("transport.proxyProtocolVersion = \"v1\""),
        proxy("type = \"stcp\"\nlocalPort = 1"),
        visitor("type = \"sudp\"\nserverName = \"s\"\nbindPort = 1"),
    ] {
        let (good, findings) = verify(&text);
        let lacking = |f: &&Finding| f.text.contains("not in this build yet");
        assert!(good && findings.iter().filter(lacking).count() == 1, "{text}: {findings:?}");
        let findings = parse("frpc.toml", &text).expect_err(&text);
        assert_eq!(findings.iter().find(lacking).map(|f| f.severity), Some(Severity::Error), "{text}");
    }
}
