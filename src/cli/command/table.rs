//! The commands and their flags.
//!
//! Owns every name, letter, default and help text. Does not know what they do. Always true: the rows of frpc come as frpc
//! 0.70.1 has them; those of redial alone are marked so. Worst case: nothing at run time.

use super::complete::Shell;
use super::flag::Kind::{self, Bandwidth, Bool, Choice, Dir, Duration, File, Int, List, Map, Text};
use super::{Act, Ask, Command, Flag};

const fn flag(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    key: Option<&'static str>,
    help: &'static str,
) -> Flag {
    Flag { name, short: None, kind, default, help, key }
}

const fn short(short: char, flag: Flag) -> Flag {
    Flag { short: Some(short), ..flag }
}

/// Of every command.
pub(in crate::cli) static HELP: Flag = short('h', flag("help", Bool, "", None, "show this help"));

static GLOBAL: [Flag; 5] = [
    flag("allow-unsafe", List, "", None, "allowed unsafe features, one or more of: TokenSourceExec"),
    short('c', flag("config", File, "./frpc.ini", None, "config file of frpc")),
    flag("config-dir", Dir, "", None, "config directory, run one frpc service for each file in config directory"),
    flag("strict-config", Bool, "true", None, "strict config parsing mode, unknown fields will cause an errors"),
    short('v', flag("version", Bool, "", None, "version of frpc that this program stands in for")),
];

const PROTOCOLS: Kind = Choice(&["tcp", "kcp", "quic", "websocket", "wss"]);
const LEVELS: Kind = Choice(&["trace", "debug", "info", "warn", "error"]);

static CLIENT: [Flag; 13] = [
    short('s', flag("server-addr", Text, "127.0.0.1", Some("serverAddr"), "frp server's address")),
    short('P', flag("server-port", Int, "7000", Some("serverPort"), "frp server's port")),
    short(
        'p',
        flag(
            "protocol",
            PROTOCOLS,
            "tcp",
            Some("transport.protocol"),
            "optional values are [tcp kcp quic websocket wss]",
        ),
    ),
    short('u', flag("user", Text, "", Some("user"), "user")),
    flag("client-id", Text, "", Some("clientID"), "unique identifier for this frpc instance"),
    short('t', flag("token", Text, "", Some("auth.token"), "auth token")),
    flag("log-level", LEVELS, "info", Some("log.level"), "log level"),
    flag("log-file", File, "console", Some("log.to"), "console or file path"),
    flag("log-max-days", Int, "3", Some("log.maxDays"), "days that log files are kept"),
    flag("disable-log-color", Bool, "", Some("log.disablePrintColor"), "disable log color in console"),
    flag("tls-enable", Bool, "true", Some("transport.tls.enable"), "enable frpc tls"),
    flag(
        "tls-server-name",
        Text,
        "",
        Some("transport.tls.serverName"),
        "specify the custom server name of tls certificate",
    ),
    flag("dns-server", Text, "", Some("dnsServer"), "specify dns server instead of using system default one"),
];

static PROXY: [Flag; 9] = [
    short('n', flag("proxy-name", Text, "", Some("proxies.name"), "proxy name")),
    short('i', flag("local-ip", Text, "127.0.0.1", Some("proxies.localIP"), "local ip")),
    short('l', flag("local-port", Int, "", Some("proxies.localPort"), "local port")),
    flag("ue", Bool, "", Some("proxies.transport.useEncryption"), "use encryption"),
    flag("uc", Bool, "", Some("proxies.transport.useCompression"), "use compression"),
    flag(
        "bandwidth-limit",
        Bandwidth,
        "",
        Some("proxies.transport.bandwidthLimit"),
        "bandwidth limit (e.g. 100KB or 1MB)",
    ),
    flag(
        "bandwidth-limit-mode",
        Choice(&["client", "server"]),
        "client",
        Some("proxies.transport.bandwidthLimitMode"),
        "bandwidth limit mode",
    ),
    flag("metadatas", Map, "", Some("proxies.metadatas"), "metadata key-value pairs (e.g., key1=value1,key2=value2)"),
    flag(
        "annotations",
        Map,
        "",
        Some("proxies.annotations"),
        "annotation key-value pairs (e.g., key1=value1,key2=value2)",
    ),
];

static REMOTE: [Flag; 1] = [short('r', flag("remote-port", Int, "", Some("proxies.remotePort"), "remote port"))];

static DOMAIN: [Flag; 2] = [
    short('d', flag("custom-domain", List, "", Some("proxies.customDomains"), "custom domains")),
    flag("sd", Text, "", Some("proxies.subdomain"), "sub domain"),
];

static HTTP: [Flag; 2] = [
    flag("locations", List, "", Some("proxies.locations"), "locations"),
    flag("host-header-rewrite", Text, "", Some("proxies.hostHeaderRewrite"), "host header rewrite"),
];

static HTTP_AUTH: [Flag; 2] = [
    flag("http-user", Text, "", Some("proxies.httpUser"), "http auth user"),
    flag("http-pwd", Text, "", Some("proxies.httpPassword"), "http auth password"),
];

static MUX: [Flag; 1] = [flag("mux", Choice(&["httpconnect"]), "", Some("proxies.multiplexer"), "multiplexer")];

static SECRET: [Flag; 2] = [
    flag("sk", Text, "", Some("proxies.secretKey"), "secret key"),
    flag("allow-users", List, "", Some("proxies.allowUsers"), "allow visitor users"),
];

static VISITOR: [Flag; 8] = [
    short('n', flag("visitor-name", Text, "", Some("visitors.name"), "visitor name")),
    flag("server-name", Text, "", Some("visitors.serverName"), "server name"),
    flag("server-user", Text, "", Some("visitors.serverUser"), "server user"),
    flag("sk", Text, "", Some("visitors.secretKey"), "secret key"),
    flag("bind-addr", Text, "", Some("visitors.bindAddr"), "bind addr"),
    flag("bind-port", Int, "", Some("visitors.bindPort"), "bind port"),
    flag("ue", Bool, "", Some("visitors.transport.useEncryption"), "use encryption"),
    flag("uc", Bool, "", Some("visitors.transport.useCompression"), "use compression"),
];

static ADMIN: [Flag; 1] = [flag("api-timeout", Duration, "30s", None, "timeout for admin API calls")];

static CONFIRM: [Flag; 1] = [flag(
    "confirm",
    Int,
    "",
    None,
    "go back to the old configuration unless the new one logs in within so many seconds (redial only)",
)];

static JSON: [Flag; 1] = [flag("json", Bool, "", None, "print the findings as JSON, for programs (redial only)")];

static NAT_HOLE: [Flag; 2] = [
    flag("nat-hole-stun-server", Text, "", None, "STUN server address for nathole"),
    short('l', flag("nat-hole-local-addr", Text, "", None, "local address to connect STUN server")),
];

static NO_DESCRIPTIONS: [Flag; 1] =
    [flag("no-descriptions", Bool, "", None, "disable completion descriptions (accepted, without effect)")];

static SHELL_FLAGS: [&[Flag]; 1] = [&NO_DESCRIPTIONS];
static CLIENT_FLAGS: [&[Flag]; 1] = [&CLIENT];

/// A command without anything below it.
const fn leaf(name: &'static str, about: &'static str, act: Act, own: &'static [&'static [Flag]]) -> Command {
    Command { name, about, more: "", operands: "", own, inherited: &[], commands: &[], act, hidden: false }
}

const fn proxy(
    name: &'static str,
    about: &'static str,
    own: &'static [&'static [Flag]],
    commands: &'static [Command],
) -> Command {
    Command { inherited: &CLIENT_FLAGS, commands, ..leaf(name, about, Act::Proxy(name), own) }
}

static STCP: [Command; 1] = [leaf("visitor", "Run frpc with a single stcp visitor", Act::Visitor("stcp"), &[&VISITOR])];
static SUDP: [Command; 1] = [leaf("visitor", "Run frpc with a single sudp visitor", Act::Visitor("sudp"), &[&VISITOR])];
static XTCP: [Command; 1] = [leaf("visitor", "Run frpc with a single xtcp visitor", Act::Visitor("xtcp"), &[&VISITOR])];

static DISCOVER: [Command; 1] = [leaf("discover", "Discover nathole information from stun server", Act::NatHole, &[])];

const fn shell(name: &'static str, about: &'static str, shell: Shell, more: &'static str) -> Command {
    Command { more, ..leaf(name, about, Act::Completion(shell), &SHELL_FLAGS) }
}

static SHELLS: [Command; 4] = [
    shell(
        "bash",
        "Generate the autocompletion script for bash",
        Shell::Bash,
        "For this shell: source <(PROGRAM completion bash); for all: write it to /etc/bash_completion.d/PROGRAM",
    ),
    shell(
        "fish",
        "Generate the autocompletion script for fish",
        Shell::Fish,
        "Write it to ~/.config/fish/completions/PROGRAM.fish",
    ),
    shell(
        "powershell",
        "Generate the autocompletion script for powershell",
        Shell::Power,
        "For this shell: PROGRAM completion powershell | Out-String | Invoke-Expression",
    ),
    shell(
        "zsh",
        "Generate the autocompletion script for zsh",
        Shell::Zsh,
        "Write it to a file _PROGRAM in a directory of $fpath",
    ),
];

/// By name.
static COMMANDS: [Command; 19] = [
    Command { hidden: true, ..leaf("__complete", "Answer a completion script", Act::Complete, &[]) },
    Command {
        commands: &SHELLS,
        more: "See each command's help for how to use the script.",
        ..leaf("completion", "Generate the autocompletion script for the specified shell", Act::Group, &[])
    },
    Command {
        operands: "[command]",
        more: "Type PROGRAM help [path to command] for full details.",
        ..leaf("help", "Help about any command", Act::Help, &[])
    },
    proxy("http", "Run frpc with a single http proxy", &[&PROXY, &DOMAIN, &HTTP, &HTTP_AUTH], &[]),
    proxy("https", "Run frpc with a single https proxy", &[&PROXY, &DOMAIN], &[]),
    Command {
        more: "PROGRAM man | man -l - shows it; write it to /usr/share/man/man1/PROGRAM.1 to keep it. (redial only)",
        ..leaf("man", "Print the manual page", Act::Man, &[])
    },
    Command {
        inherited: &[&NAT_HOLE],
        commands: &DISCOVER,
        ..leaf("nathole", "Actions about nathole", Act::Group, &[])
    },
    Command {
        more: "Asks the running client through its webServer, which the configuration file names.",
        ..leaf("reload", "Hot-Reload frpc configuration", Act::Admin(Ask::Reload), &[&ADMIN, &CONFIRM])
    },
    Command {
        more: "Prints what a bug report from this machine should say. (redial only)",
        ..leaf("selftest", "Try what redial needs of this machine", Act::SelfTest, &[])
    },
    Command {
        more: "Asks the running client through its webServer, which the configuration file names.",
        ..leaf("status", "Overview of all proxies status", Act::Admin(Ask::Status), &[&ADMIN])
    },
    proxy("stcp", "Run frpc with a single stcp proxy", &[&PROXY, &SECRET], &STCP),
    Command {
        more: "Asks the running client through its webServer, which the configuration file names.",
        ..leaf("stop", "Stop the running frpc", Act::Admin(Ask::Stop), &[&ADMIN])
    },
    proxy("sudp", "Run frpc with a single sudp proxy", &[&PROXY, &SECRET], &SUDP),
    proxy("tcp", "Run frpc with a single tcp proxy", &[&PROXY, &REMOTE], &[]),
    proxy("tcpmux", "Run frpc with a single tcpmux proxy", &[&PROXY, &DOMAIN, &HTTP_AUTH, &MUX], &[]),
    proxy("udp", "Run frpc with a single udp proxy", &[&PROXY, &REMOTE], &[]),
    leaf("verify", "Verify that the configures is valid", Act::Verify, &[&JSON]),
    Command {
        more: "The flag --version prints what scripts compare: the version of frpc. (redial only)",
        ..leaf("version", "Print name, version and features of this program", Act::Version, &[])
    },
    proxy("xtcp", "Run frpc with a single xtcp proxy", &[&PROXY, &SECRET], &XTCP),
];

/// The program itself.
pub(in crate::cli) static ROOT: Command = Command {
    name: "",
    about: "redial: an frp client for routers and other small machines, in place of frpc",
    more: "",
    operands: "",
    own: &[],
    inherited: &[&GLOBAL],
    commands: &COMMANDS,
    act: Act::Run,
    hidden: false,
};
