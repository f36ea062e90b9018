use super::*;
use std::collections::BTreeSet;

fn args(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn understood(line: &str) -> Invocation {
    parse("frpc", &args(line)).unwrap_or_else(|e| panic!("{line}: {e:?}"))
}

fn refused(line: &str) -> String {
    match parse("frpc", &args(line)) {
        Err(Refusal::Command(text) | Refusal::Flag(_, text)) => text,
        Ok(said) => panic!("{line}: {said:?}"),
    }
}

/// All commands with their paths.
fn everything() -> Vec<Path> {
    let mut out: Vec<Path> = vec![vec![&ROOT]];
    let mut at = 0;
    while let Some(path) = out.get(at).cloned() {
        out.extend(path[path.len() - 1].commands.iter().map(|below| [path.as_slice(), &[below]].concat()));
        at += 1;
    }
    out
}

#[test]
fn the_table_is_sound() {
    for path in everything() {
        let command = path[path.len() - 1];
        let names: Vec<_> = command.commands.iter().map(|below| below.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        let flags = all_flags(&path);
        let names: BTreeSet<_> = flags.iter().map(|flag| flag.name).collect();
        assert_eq!(names.len(), flags.len(), "{}: a flag twice", command.name);
        let letters: Vec<_> = flags.iter().filter_map(|flag| flag.short).collect();
        let distinct: BTreeSet<_> = letters.iter().collect();
        assert_eq!(distinct.len(), letters.len(), "{}: a letter twice", command.name);
        for flag in flags {
            assert!(flag.unsaid().is_some(), "{}: default \"{}\"", flag.name, flag.default);
            assert!(!flag.name.contains('_') && !flag.help.ends_with('.'), "{}", flag.name);
        }
    }
}

#[test]
fn a_value_is_said_in_many_ways() {
    for line in
        ["-c a.toml", "-ca.toml", "-c=a.toml", "--config a.toml", "--config=a.toml", "-c b -c a.toml", "-vca.toml"]
    {
        let said = understood(line);
        assert_eq!((said.text("config").as_str(), said.act()), ("a.toml", Act::Run), "{line}");
    }
    assert_eq!(understood("").text("config"), "./frpc.ini");
    assert_eq!(understood("").given("config"), None);
    assert_eq!(understood("--config=").given("config").as_deref(), Some(""));
    for line in ["tcp --server_addr h", "tcp --server-addr=h", "tcp -s h", "tcp -sh", "-s h tcp", "tcp x -s h y"] {
        assert_eq!(understood(line).text("server-addr"), "h", "{line}");
    }
    assert_eq!(understood("tcp").text("server-addr"), "127.0.0.1");
    let said =
        understood("tcp --local_port 0x50 -r=-1 --ue --uc=F --tls_enable=0 --metadatas a=1,b=2 --metadatas b=3,c=");
    assert_eq!((said.int("local-port"), said.int("remote-port"), said.int("server-port")), (80, -1, 7000));
    assert_eq!((said.flag("ue"), said.flag("uc"), said.flag("tls-enable")), (true, false, false));
}

#[test]
fn lists_and_maps_grow() {
    let said = understood("http -d a,b --custom_domain \"c,d\",e --metadatas a=1,b=2 --metadatas=b=3");
    assert_eq!(said.list("custom-domain"), ["a", "b", "c,d", "e"]);
    let metadatas = said.said().find(|(flag, _)| flag.name == "metadatas").map(|(_, value)| value.clone());
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(metadatas, Some(Value::Map(vec![pair("a", "1"), pair("b", "3")])));
    // With one "=" the commas belong to the value.
    let said = understood("tcp --annotations a=b,c");
    assert_eq!(said.said().next().map(|(_, value)| value.clone()), Some(Value::Map(vec![pair("a", "b,c")])));
    assert!(understood("tcp").list("allow-unsafe").is_empty());
}

#[test]
fn flags_may_stand_before_their_command() {
    let path = |line: &str| parse::names(&understood(line).path).join(" ");
    for (line, command) in [
        ("", ""),
        ("-c tcp", ""),
        ("-c tcp verify", "verify"),
        ("-c verify verify", "verify"),
        ("--strict_config verify", "verify"),
        ("-s 1.2.3.4 tcp", "tcp"),
        ("xtcp -n a visitor --sk k", "xtcp visitor"),
        ("xtcp extra visitor", "xtcp"),
        ("tcp visitor", "tcp"),
        ("nathole -l 127.0.0.1:0 discover", "nathole discover"),
        ("-- tcp", ""),
        ("completion bash", "completion bash"),
    ] {
        assert_eq!(path(line), command, "{line}");
    }
    assert_eq!(understood("-c verify verify").text("config"), "verify");
    assert_eq!(understood("reload a -- -b").operands, ["a", "-b"]);
}

#[test]
fn errors_have_frpcs_words() {
    for (line, text) in [
        ("--strict_config false", "unknown command \"false\" for \"frpc\"\nRun 'frpc --help' for usage."),
        (
            "statu --nope",
            "unknown command \"statu\" for \"frpc\"\n\nDid you mean this?\n\tstatus\n\nRun 'frpc --help' for usage.",
        ),
        ("--nonsense", "unknown flag: --nonsense"),
        ("tcp --proxy_nam=x", "unknown flag: --proxy_nam"),
        ("---x", "bad flag syntax: ---x"),
        ("--=x", "bad flag syntax: --=x"),
        ("-x", "unknown shorthand flag: 'x' in -x"),
        ("-vfalse", "unknown shorthand flag: 'f' in -false"),
        ("-c", "flag needs an argument: 'c' in -c"),
        ("--config", "flag needs an argument: --config"),
        (
            "--strict_config=maybe",
            "invalid argument \"maybe\" for \"--strict-config\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
        ),
        (
            "tcp --remote_port abc",
            "invalid argument \"abc\" for \"-r, --remote-port\" flag: strconv.ParseInt: parsing \"abc\": invalid syntax",
        ),
        (
            "udp -r 9223372036854775808",
            "invalid argument \"9223372036854775808\" for \"-r, --remote-port\" flag: strconv.ParseInt: parsing \
             \"9223372036854775808\": value out of range",
        ),
        ("tcp --metadatas a", "invalid argument \"a\" for \"--metadatas\" flag: a must be formatted as key=value"),
        ("tcp --bandwidth_limit 5XB", "invalid argument \"5XB\" for \"--bandwidth-limit\" flag: unit not support"),
        (
            "status --api-timeout 5",
            "invalid argument \"5\" for \"--api-timeout\" flag: time: missing unit in duration \"5\"",
        ),
        // Only of tcp and udp.
        ("http -r 1", "unknown shorthand flag: 'r' in -r"),
        ("stcp visitor --local_port 1", "unknown flag: --local_port"),
    ] {
        assert_eq!(refused(line), text, "{line}");
    }
}

#[test]
fn gos_numbers_and_durations() {
    let int = |text: &str| match understood(&format!("tcp -r={text}")).value("remote-port") {
        Value::Int(n) => n,
        other => panic!("{other:?}"),
    };
    for (text, n) in
        [("0", 0), ("010", 8), ("0o17", 15), ("0b11", 3), ("1_000", 1000), ("0x_f", 15), ("+5", 5), ("-0x10", -16)]
    {
        assert_eq!(int(text), n, "{text}");
    }
    for text in ["1__0", "_1", "1_", "0x", "08", "1.5", "-", "٣"] {
        assert!(refused(&format!("tcp -r={text}")).contains("invalid syntax"), "{text}");
    }
    for (text, ms) in
        [("30s", 30_000), ("1m30s", 90_000), ("1.5h", 5_400_000), ("0", 0), ("250ms", 250), (".5s", 500), ("-3s", 0)]
    {
        assert_eq!(understood(&format!("status --api-timeout={text}")).millis("api-timeout"), ms, "{text}");
    }
    assert_eq!(understood("stop").millis("api-timeout"), 30_000);
    for text in ["s", "1x", "1.2.3s", "-", ".s", "99999999h", "1 s"] {
        assert!(refused(&format!("status --api-timeout={}", text.replace(' ', "_"))).contains("time: "), "{text}");
    }
}

#[test]
fn help_names_everything() {
    for path in everything().into_iter().filter(|path| path.iter().all(|command| !command.hidden)) {
        let text = help::help("frpc", &path);
        for flag in all_flags(&path) {
            assert!(text.contains(&format!("--{}", flag.name)), "{}: {}", path[path.len() - 1].name, flag.name);
        }
        assert!(!text.contains("PROGRAM") && !text.contains("__complete"), "{text}");
    }
    let text = help::help("frpc", &understood("xtcp visitor").path);
    for line in [
        "Run frpc with a single xtcp visitor\n\nUsage:\n  frpc xtcp visitor [flags]\n\nFlags:\n",
        "\n      --bind-addr string      bind addr\n",
        "\n  -n, --visitor-name string   visitor name\n",
        "\n  -s, --server-addr string       frp server's address (default \"127.0.0.1\")\n",
        "\n      --tls-enable               enable frpc tls (default true)\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn completion_offers_what_fits() {
    let offered = |line: &str| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        complete::answer(&words).lines().map(|l| l.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(offered("st"), ["status", "stcp", "stop"]);
    assert_eq!(offered("stcp v"), ["visitor"]);
    assert_eq!(offered("help st"), ["status", "stcp", "stop"]);
    assert_eq!(offered("tcp --proxy_"), ["--proxy-name"]);
    assert_eq!(offered("tcp -p k"), ["kcp"]);
    assert_eq!(offered("tcp --protocol=w"), ["--protocol=websocket", "--protocol=wss"]);
    assert_eq!(offered("tcp --protocol = w"), ["websocket", "wss"], "as bash takes it apart");
    assert_eq!(offered("tcp --protocol ="), ["tcp", "kcp", "quic", "websocket", "wss"]);
    assert_eq!(offered("tcp --tls_enable=f"), ["--tls_enable=false"]);
    assert_eq!(offered("-c "), [":file"]);
    assert_eq!(offered("--config-dir=x"), [":dir"]);
    assert_eq!(offered("-c x ver"), ["verify", "version"]);
    assert_eq!(offered("tcp -n x --remote-port = 1 --ue"), ["--ue"]);
    assert!(offered("").contains(&"tcp".to_owned()) && !offered("").contains(&"__complete".to_owned()));
    assert_eq!(offered("\"\""), offered(""), "PowerShell");
}

#[test]
fn the_manual_names_everything() {
    let page = man::page("redial");
    for path in everything().into_iter().filter(|path| path.iter().all(|command| !command.hidden)) {
        let command = path[path.len() - 1];
        let line = parse::names(&path).join(" ");
        assert!(page.contains(&format!(".SS \"redial {line}\"")) || path.len() == 1, "{line}");
        for flag in command.local_flags() {
            assert!(page.contains(&format!("\\-\\-{}", flag.name.replace('-', "\\-"))), "{}", flag.name);
        }
    }
    assert!(!page.contains("PROGRAM"));
    // Every line that starts with a dot is a request we mean.
    let requests = [".TH ", ".SH ", ".SS ", ".TP", ".PP", ".B ", ".I ", ".br"];
    for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
        assert!(requests.iter().any(|request| line.starts_with(request)), "{line}");
    }
}
