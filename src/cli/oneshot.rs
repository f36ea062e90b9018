//! One proxy or visitor from the command line (`redial tcp --local_port …`): flags in place of a file.
//!
//! Owns what the command itself implies. Does not check a value: the configuration does, as if it had come from a file.
//! Always true: which key a flag sets is said in the table of commands and nowhere else. Worst case: the flags' values.

use super::command::{Invocation, Value};
use crate::config::{Flag, FlagValue};

/// What the command says. `list` is where an entry of this kind stands in a file.
pub(super) fn flags(kind: &str, list: List, said: &Invocation) -> Vec<Flag> {
    let text = |name: &str, key, value: String| Flag { name: name.to_owned(), key, value: FlagValue::Text(value) };
    let kind_key = match list {
        List::Proxies => "proxies.type",
        List::Visitors => "visitors.type",
    };
    // The default of the flag is not that of the file.
    let mut flags =
        vec![text("--server-addr", "serverAddr", said.text("server-addr")), text(kind, kind_key, kind.to_owned())];
    flags.extend(said.said().filter_map(|(flag, value)| {
        let value = match value.clone() {
            Value::Bool(flag) => FlagValue::Flag(flag),
            Value::Int(n) => FlagValue::Number(n),
            Value::Text(text) => FlagValue::Text(text),
            Value::List(list) => FlagValue::List(list),
            Value::Map(map) => FlagValue::Map(map),
            // None of them sets a key.
            Value::Millis(_) => return None,
        };
        Some(Flag { name: format!("--{}", flag.name), key: flag.key?, value })
    }));
    flags
}

/// Where in a file an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Proxies,
    Visitors,
}

#[cfg(test)]
mod tests {
    use super::super::command::{Act, parse};
    use super::*;
    use crate::config::{Loader, Purpose};

    fn flags_of(line: &str) -> Vec<Flag> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let said = parse("redial", &words).unwrap();
        match said.act() {
            Act::Proxy(kind) => flags(kind, List::Proxies, &said),
            Act::Visitor(kind) => flags(kind, List::Visitors, &said),
            other => panic!("{other:?}"),
        }
    }

    /// Every flag of every command sets a key that the configuration knows, with a value of the right type: otherwise
    /// strict reading would complain about the key.
    #[test]
    fn every_flag_sets_a_key_there_is() {
        let loader = Loader { purpose: Purpose::Verify, ..Loader::default() };
        let common = "-s h -P 7001 -p tcp -u me --client-id c -t secret --log-level warn --log-file x.log --log-max-days 5 \
            --disable-log-color --tls-enable=false --tls-server-name n --dns-server 9.9.9.9";
        let proxy = "-n a -i 127.0.0.2 -l 80 --ue --uc --bandwidth-limit 1MB --bandwidth-limit-mode server \
            --metadatas a=b --annotations c/d=e";
        let visitor = "-n v --server-name s --server-user u --sk k --bind-addr 127.0.0.3 --bind-port 9000 --ue --uc";
        let domain = "-d a.example.com,b.example.com --sd sub";
        for line in [
            format!("tcp {common} {proxy} -r 6000"),
            format!("udp {common} {proxy} -r 6000"),
            format!(
                "http {common} {proxy} {domain} --locations /a,/b --host-header-rewrite h --http-user u --http-pwd p"
            ),
            format!("https {common} {proxy} {domain}"),
            format!("tcpmux {common} {proxy} {domain} --http-user u --http-pwd p --mux httpconnect"),
            format!("stcp {common} {proxy} --sk k --allow-users a,b"),
            format!("sudp {common} {proxy} --sk k --allow-users a,b"),
            format!("xtcp {common} {proxy} --sk k --allow-users a,b"),
            format!("stcp visitor {common} {visitor}"),
            format!("sudp visitor {common} {visitor}"),
            format!("xtcp visitor {common} {visitor}"),
        ] {
            let loaded = loader.resolve_flags(flags_of(&line));
            let config = loaded.unwrap_or_else(|findings| panic!("{line}: {findings:?}")).config;
            assert_eq!((config.server_host.as_str(), config.server_port, config.user.as_str()), ("h", 7001, "me"));
            assert_eq!((config.log.file.as_deref(), config.log.max_days), (Some("x.log"), Some(5)), "{line}");
            assert!(config.login_fail_exit && config.transport.tls.is_none(), "{line}");
        }
    }

    #[test]
    fn values_arrive() {
        let config = Loader::default()
            .resolve_flags(flags_of("tcp --tls-enable=false -n a -l 22 -r 6001 --ue --metadatas k=v"))
            .unwrap()
            .config;
        assert_eq!(config.server_host, "127.0.0.1", "not that of a file, which is 0.0.0.0");
        let [proxy] = config.proxies.as_slice() else { panic!("{:?}", config.proxies) };
        assert_eq!((proxy.name.as_str(), proxy.local_host.as_str(), proxy.local_port), ("a", "127.0.0.1", 22));
        assert!(proxy.use_encryption && !proxy.use_compression);
        assert_eq!(proxy.announce.unpack().remote_port, 6001);
        assert_eq!(proxy.announce.unpack().metas["k"], "v");
    }

    #[test]
    fn what_is_wrong_names_the_flag() {
        let wrong = |line: &str| {
            let flags = flags_of(&format!("{line} --tls-enable=false"));
            let findings = Loader::default().resolve_flags(flags).unwrap_err();
            findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert!(wrong("tcp -n a -l 70000").contains("--local-port: "), "{}", wrong("tcp -n a -l 70000"));
        assert!(wrong("tcp -n a -l 1 --log-level loud").starts_with("--log-level: invalid log level"));
        assert_eq!(wrong("tcp -l 1"), "name should not be empty");
    }
}
