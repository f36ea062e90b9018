//! Mistakes that people make: the error names file, line and key, and says what to do.

use super::both;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// A proxy of four lines.
const PROXY: &str = "[[proxies]]\nname = \"a\"\ntype = \"tcp\"\nlocalPort = 22\n";

/// The text behind `@` is put behind a proxy; line and key of the error; what it says.
const MISTAKES: &[(&str, u64, &str, &str)] = &[
    ("serverAddr = frps.example.net\n", 1, "", "toml: "),
    ("serverPort = \"7000\"\n", 1, "serverPort", "without quotes"),
    ("server_addr = \"x\"\n", 1, "server_addr", "here it is \"serverAddr\""),
    ("serverAdr = \"x\"\n", 1, "serverAdr", "did you mean \"serverAddr\"?"),
    ("serverAddr \"x\"\n", 1, "", "expected `=`"),
    ("serverAddr = \"x\n", 1, "", "expected `\"`"),
    ("# c\nbindPort = 7000\n", 2, "bindPort", "it is a server (frps) setting"),
    ("token = \"x\"\n", 1, "token", "here it is auth.token"),
    ("auth.token = 12345\n", 1, "auth.token", "put it in quotes"),
    ("auth.method = \"jwt\"\n", 1, "auth.method", "[token oidc]"),
    (
        "auth.token = \"x\"\nauth.tokenSource.type = \"file\"\nauth.tokenSource.file.path = \"y\"\n",
        1,
        "auth.token",
        "cannot specify both auth.token and auth.tokenSource",
    ),
    ("log.level = \"warning\"\n", 1, "log.level", "[trace debug info warn error]"),
    ("log_level = \"info\"\n", 1, "log_level", "here it is log.level"),
    ("transport.protocol = \"http\"\n", 1, "transport.protocol", "[tcp kcp quic websocket wss]"),
    ("protocol = \"kcp\"\n", 1, "protocol", "here it is transport.protocol"),
    ("transport.tls.enable = \"true\"\n", 1, "transport.tls.enable", "write true or false"),
    ("tls_enable = true\n", 1, "tls_enable", "here it is transport.tls.enable"),
    ("transport.tcpMux = yes\n", 1, "", "toml: "),
    ("webServer.port = 70000\n", 1, "webServer.port", "0..65535"),
    ("webServer.tls.certFile = \"x\"\n", 1, "webServer.tls.keyFile", "must be specified"),
    ("admin_port = 7400\n", 1, "admin_port", "here it is webServer.port"),
    (
        "transport.heartbeatInterval = 60\ntransport.heartbeatTimeout = 30\n",
        2,
        "transport.heartbeatTimeout",
        "should not less than heartbeat interval",
    ),
    ("@[[proxies]]\nname = \"a\"\ntype = \"udp\"\n", 6, "proxies[1].name", "names must be unique"),
    ("[[proxies]]\nname = \"a\"\nlocalPort = 22\n", 1, "proxies[0].type", "write type = \"tcp\""),
    ("[[proxies]]\nname = \"a\"\ntype = \"tpc\"\n", 3, "proxies[0].type", "unknown proxy type: tpc"),
    ("[[proxies]]\ntype = \"tcp\"\n", 1, "proxies[0].name", "name should not be empty"),
    ("@remotePort = 6000-6010\n", 5, "", "toml: "),
    ("@remote_port = 6000\n", 5, "proxies[0].remote_port", "here it is \"remotePort\""),
    ("@remotePort = \"6000\"\n", 5, "proxies[0].remotePort", "without quotes"),
    ("@serverAddr = \"x\"\n", 5, "proxies[0].serverAddr", "it belongs above the first [[proxies]]"),
    ("@use_encryption = true\n", 5, "proxies[0].use_encryption", "here it is transport.useEncryption"),
    ("@useCompression = true\n", 5, "proxies[0].useCompression", "here it is transport.useCompression"),
    ("@bandwidthLimit = \"1MB\"\n", 5, "proxies[0].bandwidthLimit", "here it is transport.bandwidthLimit"),
    (
        "[[proxies]]\nname = \"w\"\ntype = \"http\"\nlocalPort = 80\n",
        1,
        "proxies[0]",
        "subdomain and custom domains should not be both empty",
    ),
    (
        "[[proxies]]\nname = \"w\"\ntype = \"http\"\ncustomDomains = \"x\"\n",
        4,
        "proxies[0].customDomains",
        "write [\"…\"]",
    ),
    ("[[proxy]]\nname = \"a\"\n", 1, "proxy", "here it is [[proxies]]"),
    ("[proxies]\nname = \"a\"\n", 1, "proxies", "write [[…]]"),
    ("@transport.bandwidthLimit = \"10Mb\"\n", 5, "proxies[0].transport.bandwidthLimit", "such as \"1.5MB\""),
    ("@plugin.type = \"sock5\"\n", 5, "proxies[0].plugin.type", "unknown plugin type: sock5"),
    ("@plugin.type = \"static_file\"\n", 5, "proxies[0].plugin.localPath", "localPath is required"),
    (
        "[[visitors]]\nname = \"v\"\ntype = \"stcp\"\nbindPort = 1\n",
        1,
        "visitors[0].serverName",
        "server name is required",
    ),
    (
        "[[visitors]]\nname = \"v\"\ntype = \"stcp\"\nserverName = \"x\"\nsk = \"y\"\nbindPort = 1\n",
        5,
        "visitors[0].sk",
        "here it is secretKey",
    ),
    ("includes = [\"/nowhere/*.toml\"]\n", 1, "includes[0]", "/nowhere"),
    ("serverPort = 7000\nserverPort = 7001\n", 2, "", "duplicate key"),
    ("user = \"{{ .Envs.USER }\"\n", 1, "", "template: "),
    ("user = \"{{ env `USER` }}\"\n", 1, "", "function \"env\" not defined"),
    ("\u{feff}serverPort = 1\n", 1, "", "save it as UTF-8 without one"),
];

#[test]
fn errors_name_line_key_and_a_way_out() {
    let dir = both::scratch();
    let path = dir.join("mistake.toml");
    for (text, line, key, says) in MISTAKES {
        let text = text.strip_prefix('@').map_or_else(|| (*text).to_owned(), |rest| format!("{PROXY}{rest}"));
        std::fs::write(&path, &text).unwrap();
        let mut command = Command::new(both::redial());
        let out = command.args(["verify", "--json", "-c"]).arg(&path).env_clear().output().unwrap();
        let all: Value = serde_json::from_slice(&out.stdout).unwrap();
        let errors = all["findings"].as_array().unwrap().iter().filter(|f| f["severity"] == "error");
        let told = errors.clone().any(|f| {
            f["line"] == *line
                && f["key"] == *key
                && f["file"].as_str().map(Path::new) == Some(&path)
                && f["text"].as_str().unwrap().contains(says)
        });
        assert!(told, "{text}\n{line} {key} {says}\n{:#?}", errors.collect::<Vec<_>>());
    }
    std::fs::remove_dir_all(dir).unwrap();
}
