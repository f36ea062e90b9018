//! A configuration from the command line (`redial tcp --local_port …`): flags take the place of a file.
//!
//! Owns the way from flags to the tree that the keys are read from, so that they are checked as those of a file are. Does
//! not know flags or keys. Always true: what is wrong names the flag, and no file. Worst case: the flags' values.

use super::file::Files;
use super::finding::Finding;
use super::load::{Loaded, Loader};
use super::scope::{Report, Scope};
use super::source::{Place, place, unpack};
use super::tree::{Entry, Node, Value};
use super::{client, lint, load};

/// One flag that was given, or that a command implies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// What it is called in messages: `--local-port`.
    pub name: String,
    /// The key that it sets, with dots: `transport.tls.enable`. Below `proxies` and `visitors` it is a key of the one that
    /// there is: `proxies.localPort`.
    pub key: &'static str,
    /// To what.
    pub value: FlagValue,
}

/// What a flag sets its key to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagValue {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Flag(bool),
    /// A list of texts.
    List(Vec<String>),
    /// A table of texts.
    Map(Vec<(String, String)>),
}

impl Loader {
    /// Checks what the flags say. Of several that set one key the last counts.
    ///
    /// # Errors
    /// As [`Loader::load`]; findings name flags.
    pub fn resolve_flags(&self, flags: Vec<Flag>) -> Result<Loaded, Vec<Finding>> {
        let mut report = Report::new("", *self, Files::direct());
        let (mut top, mut names) = (Vec::new(), Vec::new());
        for (index, Flag { name, key, value }) in flags.into_iter().enumerate() {
            set(&mut top, key, node(value, place(0, index + 1)));
            names.push(name);
        }
        lint::run(&top, &mut report);
        let config = client::resolve(Scope::new(top, String::new(), 0, &mut report));
        for finding in &mut report.findings {
            let (_, number) = unpack(finding.line);
            let name = usize::try_from(number).ok().and_then(|n| names.get(n.checked_sub(1)?));
            finding.key = name.cloned().unwrap_or_default();
            finding.line = 0;
        }
        load::finish(config, report)
    }
}

fn node(value: FlagValue, line: Place) -> Node {
    let text = |text| Node { value: Value::Text(text), line };
    let value = match value {
        FlagValue::Text(text) => Value::Text(text),
        FlagValue::Number(n) => Value::Integer(n),
        FlagValue::Flag(flag) => Value::Flag(flag),
        FlagValue::List(list) => Value::List(list.into_iter().map(text).collect()),
        FlagValue::Map(map) => {
            Value::Table(map.into_iter().map(|(key, value)| Entry { key, line, node: text(value) }).collect())
        }
    };
    Node { value, line }
}

/// Puts a value where its key says.
fn set(table: &mut Vec<Entry>, key: &str, node: Node) {
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    let at = table.iter().position(|e| e.key == first).unwrap_or(table.len());
    let Some(rest) = rest else {
        let entry = Entry { key: first.to_owned(), line: node.line, node };
        match table.get_mut(at) {
            Some(before) => *before = entry,
            None => table.push(entry),
        }
        return;
    };
    if at == table.len() {
        let listed = ["proxies", "visitors"].contains(&first);
        let only = Node { value: Value::Table(Vec::new()), line: 0 };
        let value = if listed { Value::List(vec![only]) } else { only.value };
        table.push(Entry { key: first.to_owned(), line: 0, node: Node { value, line: 0 } });
    }
    match table.get_mut(at).map(|e| &mut e.node.value) {
        Some(Value::Table(entries)) => set(entries, rest, node),
        Some(Value::List(list)) => {
            if let Some(Value::Table(entries)) = list.first_mut().map(|n| &mut n.value) {
                set(entries, rest, node);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(key: &'static str, value: FlagValue) -> Flag {
        Flag { name: format!("--{key}"), key, value }
    }

    fn text(key: &'static str, value: &str) -> Flag {
        flag(key, FlagValue::Text(value.to_owned()))
    }

    #[test]
    fn flags_make_a_configuration() {
        let flags = vec![
            text("serverAddr", "h"),
            flag("transport.tls.enable", FlagValue::Flag(false)),
            text("proxies.type", "tcp"),
            text("proxies.name", "a"),
            flag("proxies.localPort", FlagValue::Number(21)),
            flag("proxies.localPort", FlagValue::Number(22)),
            flag("proxies.transport.useEncryption", FlagValue::Flag(true)),
            flag("proxies.metadatas", FlagValue::Map(vec![("k".to_owned(), "v".to_owned())])),
            flag("start", FlagValue::List(Vec::new())),
        ];
        let Loaded { config, .. } = Loader::default().resolve_flags(flags).unwrap();
        assert_eq!((config.file.as_str(), config.server_host.as_str()), ("", "h"));
        assert!(config.transport.tls.is_none());
        let [proxy] = config.proxies.as_slice() else { panic!("{:?}", config.proxies) };
        assert_eq!((proxy.name.as_str(), proxy.local_port), ("a", 22));
        assert!(proxy.use_encryption);
        assert_eq!(proxy.announce.unpack().metas["k"], "v");
    }

    #[test]
    fn what_is_wrong_names_the_flag() {
        let flags = vec![
            text("log.level", "loud"),
            text("proxies.type", "tcp"),
            flag("proxies.localPort", FlagValue::Number(70_000)),
        ];
        let findings = Loader::default().resolve_flags(flags).unwrap_err();
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        for expected in [
            "--log.level: invalid log level, optional values are [trace debug info warn error]",
            "--proxies.localPort: localPort: localPort: port number 70000 must be in the range 0..65535",
            "name should not be empty",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{lines:?}");
        }
    }
}
