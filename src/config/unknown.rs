//! Keys that nobody asked for (K).
//!
//! Owns what is said of one. Does not know the keys: who read the table says what it asked for. Always true: an unknown key
//! gets one hint, the most telling. Worst case: nothing of its own.

/// Keys of frps; those in tables with their path.
const SERVER: [&str; 26] = [
    "bindAddr",
    "bindPort",
    "kcpBindPort",
    "quicBindPort",
    "proxyBindAddr",
    "vhostHTTPPort",
    "vhostHTTPSPort",
    "vhostHTTPTimeout",
    "tcpmuxHTTPConnectPort",
    "tcpmuxPassthrough",
    "subDomainHost",
    "custom404Page",
    "sshTunnelGateway",
    "enablePrometheus",
    "detailedErrorsToClient",
    "maxPortsPerClient",
    "userConnTimeout",
    "natholeAnalysisDataReserveHours",
    "allowPorts",
    "httpPlugins",
    "transport.tcpKeepalive",
    "transport.maxPoolCount",
    "transport.tls.force",
    "auth.oidc.issuer",
    "auth.oidc.skipExpiryCheck",
    "auth.oidc.skipIssuerCheck",
];

/// Where keys are that people look for at the top of the file, underscores aside: words of the INI format, and of tables.
const FROM_TOP: [(&str, &str); 14] = [
    ("token", "auth.token"),
    ("logLevel", "log.level"),
    ("logFile", "log.to"),
    ("protocol", "transport.protocol"),
    ("poolCount", "transport.poolCount"),
    ("tcpMux", "transport.tcpMux"),
    ("heartbeatInterval", "transport.heartbeatInterval"),
    ("heartbeatTimeout", "transport.heartbeatTimeout"),
    ("tlsEnable", "transport.tls.enable"),
    ("adminAddr", "webServer.addr"),
    ("adminPort", "webServer.port"),
    ("httpProxy", "transport.proxyURL"),
    ("proxy", "[[proxies]]"),
    ("visitor", "[[visitors]]"),
];

/// The same for proxies and visitors.
const FROM_ENTRY: [(&str, &str); 6] = [
    ("useEncryption", "transport.useEncryption"),
    ("useCompression", "transport.useCompression"),
    ("bandwidthLimit", "transport.bandwidthLimit"),
    ("proxyProtocolVersion", "transport.proxyProtocolVersion"),
    ("group", "loadBalancer.group"),
    ("sk", "secretKey"),
];

/// Where a key has its place.
fn moved(path: &str, key: &str) -> Option<&'static str> {
    let table = path.strip_suffix(key)?;
    let (top, entry) = (table.is_empty(), table.ends_with("]."));
    let rows: &[(&str, &str)] = if top { &FROM_TOP } else { &FROM_ENTRY };
    let bare = key.replace('_', "");
    let row = rows.iter().filter(|_| top || entry).find(|(known, _)| known.eq_ignore_ascii_case(&bare));
    row.map(|(_, place)| *place)
}

/// What is said of a key that nobody asked for: the id of the rule, and the hint behind `unknown field "…"`. `near` is the
/// nearest key that was asked for, `above` says whether it belongs above the proxies.
pub(super) fn unknown(path: &str, key: &str, near: Option<&str>, above: bool) -> (&'static str, String) {
    if SERVER.iter().any(|known| known.eq_ignore_ascii_case(path)) {
        let more = match path.eq_ignore_ascii_case("transport.tcpKeepalive") {
            true => ". The client's key is transport.dialServerKeepalive",
            false => "",
        };
        return (
            "K4",
            format!(": it is a server (frps) setting and does nothing in a client file. Is this the right file?{more}"),
        );
    }
    match near {
        None if !above && let Some(place) = moved(path, key) => ("K3", format!(": here it is {place}")),
        _ if above => ("K5", " here: it belongs above the first [[proxies]]".to_owned()),
        Some(known) if key.contains('_') && !known.contains('_') => {
            ("K6", format!(": it is the INI spelling; here it is \"{known}\". Did you mean \"{known}\"?"))
        }
        Some(known) => ("K3", format!("; did you mean \"{known}\"?")),
        None => ("K3", "; remove it or correct its spelling".to_owned()),
    }
}
