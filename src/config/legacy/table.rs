//! Which key of the INI format is which key of the newer ones.
//!
//! Owns the tables. Does not read values. Always true: the paths are keys that the rest of the configuration knows.
//! Worst case: constant.

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    /// A number that means the default unless it is above 0.
    Positive,
    Flag,
    List,
    /// A flag that adds this to a list of texts.
    Member(&'static str),
    /// All keys that start so: a table of texts under what follows, as they were written.
    Prefix,
    /// Known, and without a meaning here.
    Ignored,
}

/// A key, where it goes, what it is, and the types of proxy that have it (all if that is empty).
pub(super) type Row = (&'static str, &'static str, Kind, &'static str);

use Kind::{Flag, Ignored, Integer, List, Member, Positive, Prefix, Text};

/// Of `[common]`.
pub(super) const COMMON: &[Row] = &[
    ("server_addr", "serverAddr", Text, ""),
    ("server_port", "serverPort", Integer, ""),
    ("user", "user", Text, ""),
    ("dns_server", "dnsServer", Text, ""),
    ("start", "start", List, ""),
    ("includes", "", Ignored, ""),
    ("udp_packet_size", "udpPacketSize", Integer, ""),
    ("login_fail_exit", "loginFailExit", Flag, ""),
    ("nat_hole_stun_server", "natHoleStunServer", Text, ""),
    ("authentication_method", "auth.method", Text, ""),
    ("authenticate_heartbeats", "auth.additionalScopes", Member("HeartBeats"), ""),
    ("authenticate_new_work_conns", "auth.additionalScopes", Member("NewWorkConns"), ""),
    ("token", "auth.token", Text, ""),
    ("oidc_client_id", "auth.oidc.clientID", Text, ""),
    ("oidc_client_secret", "auth.oidc.clientSecret", Text, ""),
    ("oidc_audience", "auth.oidc.audience", Text, ""),
    ("oidc_scope", "auth.oidc.scope", Text, ""),
    ("oidc_token_endpoint_url", "auth.oidc.tokenEndpointURL", Text, ""),
    ("oidc_additional_", "auth.oidc.additionalEndpointParams", Prefix, ""),
    ("log_file", "log.to", Text, ""),
    ("log_way", "", Ignored, ""),
    ("log_level", "log.level", Text, ""),
    ("log_max_days", "log.maxDays", Integer, ""),
    ("disable_log_color", "log.disablePrintColor", Flag, ""),
    ("admin_addr", "webServer.addr", Text, ""),
    ("admin_port", "webServer.port", Integer, ""),
    ("admin_user", "webServer.user", Text, ""),
    ("admin_pwd", "webServer.password", Text, ""),
    ("assets_dir", "webServer.assetsDir", Text, ""),
    ("pprof_enable", "webServer.pprofEnable", Flag, ""),
    ("protocol", "transport.protocol", Text, ""),
    ("http_proxy", "transport.proxyURL", Text, ""),
    ("pool_count", "transport.poolCount", Integer, ""),
    ("connect_server_local_ip", "transport.connectServerLocalIP", Text, ""),
    ("dial_server_timeout", "transport.dialServerTimeout", Integer, ""),
    ("dial_server_keepalive", "transport.dialServerKeepalive", Integer, ""),
    ("tcp_mux", "transport.tcpMux", Flag, ""),
    ("tcp_mux_keepalive_interval", "transport.tcpMuxKeepaliveInterval", Integer, ""),
    ("heartbeat_interval", "transport.heartbeatInterval", Integer, ""),
    ("heartbeat_timeout", "transport.heartbeatTimeout", Integer, ""),
    ("quic_keepalive_period", "transport.quic.keepalivePeriod", Integer, ""),
    ("quic_max_idle_timeout", "transport.quic.maxIdleTimeout", Integer, ""),
    ("quic_max_incoming_streams", "transport.quic.maxIncomingStreams", Integer, ""),
    ("tls_enable", "transport.tls.enable", Flag, ""),
    ("tls_cert_file", "transport.tls.certFile", Text, ""),
    ("tls_key_file", "transport.tls.keyFile", Text, ""),
    ("tls_trusted_ca_file", "transport.tls.trustedCaFile", Text, ""),
    ("tls_server_name", "transport.tls.serverName", Text, ""),
    ("disable_custom_tls_first_byte", "transport.tls.disableCustomTLSFirstByte", Flag, ""),
    ("meta_", "metadatas", Prefix, ""),
];

/// Of a proxy.
pub(super) const PROXY: &[Row] = &[
    ("type", "", Ignored, ""),
    ("role", "", Ignored, ""),
    ("name", "", Ignored, ""),
    ("plugin", "", Ignored, ""),
    ("local_ip", "localIP", Text, ""),
    ("local_port", "localPort", Integer, ""),
    ("remote_port", "remotePort", Integer, "tcp udp"),
    ("use_encryption", "transport.useEncryption", Flag, ""),
    ("use_compression", "transport.useCompression", Flag, ""),
    ("bandwidth_limit", "transport.bandwidthLimit", Text, ""),
    ("bandwidth_limit_mode", "transport.bandwidthLimitMode", Text, ""),
    ("proxy_protocol_version", "transport.proxyProtocolVersion", Text, ""),
    ("group", "loadBalancer.group", Text, ""),
    ("group_key", "loadBalancer.groupKey", Text, ""),
    ("health_check_type", "healthCheck.type", Text, ""),
    ("health_check_timeout_s", "healthCheck.timeoutSeconds", Integer, ""),
    ("health_check_max_failed", "healthCheck.maxFailed", Integer, ""),
    ("health_check_interval_s", "healthCheck.intervalSeconds", Integer, ""),
    ("health_check_url", "healthCheck.path", Text, ""),
    ("meta_", "metadatas", Prefix, ""),
    ("custom_domains", "customDomains", List, "http https tcpmux"),
    ("subdomain", "subdomain", Text, "http https tcpmux"),
    ("locations", "locations", List, "http"),
    ("http_user", "httpUser", Text, "http tcpmux"),
    ("http_pwd", "httpPassword", Text, "http tcpmux"),
    ("host_header_rewrite", "hostHeaderRewrite", Text, "http"),
    ("route_by_http_user", "routeByHTTPUser", Text, "http tcpmux"),
    ("header_", "requestHeaders.set", Prefix, "http"),
    ("multiplexer", "multiplexer", Text, "tcpmux"),
    ("sk", "secretKey", Text, "stcp sudp xtcp"),
    ("allow_users", "allowUsers", List, "stcp sudp xtcp"),
];

/// Of a visitor.
pub(super) const VISITOR: &[Row] = &[
    ("type", "", Ignored, ""),
    ("role", "", Ignored, ""),
    ("name", "", Ignored, ""),
    ("server_name", "serverName", Text, ""),
    ("server_user", "serverUser", Text, ""),
    ("sk", "secretKey", Text, ""),
    ("bind_addr", "bindAddr", Text, ""),
    ("bind_port", "bindPort", Integer, ""),
    ("use_encryption", "transport.useEncryption", Flag, ""),
    ("use_compression", "transport.useCompression", Flag, ""),
    ("protocol", "protocol", Text, "xtcp"),
    ("keep_tunnel_open", "keepTunnelOpen", Flag, "xtcp"),
    ("max_retries_an_hour", "maxRetriesAnHour", Positive, "xtcp"),
    ("min_retry_interval", "minRetryInterval", Positive, "xtcp"),
    ("fallback_to", "fallbackTo", Text, "xtcp"),
    ("fallback_timeout_ms", "fallbackTimeoutMs", Positive, "xtcp"),
];

/// Of a proxy's plugin; here the last column names plugins. Values are taken as they were written.
pub(super) const PLUGIN: &[Row] = &[
    ("plugin_local_addr", "localAddr", Text, "http2https https2http https2https"),
    ("plugin_host_header_rewrite", "hostHeaderRewrite", Text, "http2https https2http https2https"),
    ("plugin_header_", "requestHeaders.set", Prefix, "http2https https2http https2https"),
    ("plugin_crt_path", "crtPath", Text, "https2http https2https"),
    ("plugin_key_path", "keyPath", Text, "https2http https2https"),
    ("plugin_http_user", "httpUser", Text, "http_proxy static_file"),
    ("plugin_http_passwd", "httpPassword", Text, "http_proxy static_file"),
    ("plugin_user", "username", Text, "socks5"),
    ("plugin_passwd", "password", Text, "socks5"),
    ("plugin_local_path", "localPath", Text, "static_file"),
    ("plugin_strip_prefix", "stripPrefix", Text, "static_file"),
    ("plugin_unix_path", "unixPath", Text, "unix_domain_socket"),
];

/// Plugins that the INI format has.
pub(super) const PLUGINS: [&str; 7] =
    ["http2https", "http_proxy", "https2http", "https2https", "socks5", "static_file", "unix_domain_socket"];

/// Types of proxies.
pub(super) const PROXIES: [&str; 8] = ["tcp", "udp", "tcpmux", "http", "https", "stcp", "xtcp", "sudp"];

/// Types of visitors.
pub(super) const VISITORS: [&str; 3] = ["stcp", "xtcp", "sudp"];
