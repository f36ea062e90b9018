//! Names and keys (K).
//!
//! Owns these rules, and what is said of a key that nobody knows. Does not know the keys: who read the table says what it
//! asked for. Always true: an unknown key gets one hint, the most telling. Worst case: one comparison for each key that
//! was asked for.

use super::super::finding::Severity::Warning;
use super::super::source::Place;
use super::{Facts, Out, Rule};

pub(super) const RULES: &[Rule] =
    &[Rule { id: "K11", severity: Warning, check: start }, Rule { id: "K16", severity: Warning, check: gates }];

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

/// What is said of a key that nobody asked for: the id of the rule, and the hint behind `unknown field "…"`. `near` is the
/// nearest key that was asked for, `above` says whether it belongs above the proxies.
pub(in super::super) fn unknown(path: &str, key: &str, near: Option<&str>, above: bool) -> (&'static str, String) {
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
        _ if above => ("K5", " here: it belongs above the first [[proxies]]".to_owned()),
        Some(known) if key.contains('_') && !known.contains('_') => {
            ("K6", format!(": it is the INI spelling; here it is \"{known}\". Did you mean \"{known}\"?"))
        }
        Some(known) => ("K3", format!("; did you mean \"{known}\"?")),
        None => ("K3", "; remove it or correct its spelling".to_owned()),
    }
}

fn start(facts: &Facts<'_>, out: &mut Out<'_>) {
    let (all, left) = (facts.names.len(), facts.left_out);
    for (index, name) in facts.top.texts("start").into_iter().enumerate() {
        if !facts.names.contains(&name) {
            let text =
                format!("start names \"{name}\", which does not exist; {left} of {all} entries are disabled by start");
            let line: Place = facts.top.line("start");
            out.say(line, &format!("start[{index}]"), text);
        }
    }
}

fn gates(facts: &Facts<'_>, out: &mut Out<'_>) {
    for gate in facts.top.keys("featureGates").filter(|e| e.key != "VirtualNet" && facts.verify) {
        let text = format!("unknown feature gate \"{}\": frpc will refuse to start although verify passes", gate.key);
        out.say(gate.line, &format!("featureGates.{}", gate.key), text);
    }
}
