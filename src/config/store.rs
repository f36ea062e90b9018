//! The proxy store: entries that the admin API made, in a JSON file of their own (config §5.5).
//!
//! Owns where that file is, and how its entries join those of the configuration: an entry of the store takes the place of
//! one of the same name. Does not write it; what is asked of it and changed in it is [`book`]'s. Always true: it is read
//! laxly, whatever the rest is; a file that is not there is an empty store; `verify` does not look at it, as in frpc. Worst
//! case: one more file.

#[cfg_attr(not(feature = "store"), path = "store/book_off.rs")]
mod book;
#[cfg(feature = "store")]
mod form;

pub use book::{Change, change, show};

use super::format::{self, Budget};
use super::include::LISTS;
use super::load::{Purpose, Strictness};
use super::scope::Report;
use super::source::{Source, place};
use super::tree::{Entry, Node, SyntaxError, Value};
use std::path::Path;

/// Why nothing is done: the status of the answer, and what it says.
pub type Fault = (u16, String);

/// One of its two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// `proxies`.
    Proxies,
    /// `visitors`.
    Visitors,
}

impl List {
    /// In the file, and in paths.
    pub fn key(self) -> &'static str {
        match self {
            Self::Proxies => "proxies",
            Self::Visitors => "visitors",
        }
    }

    /// One of them.
    pub fn word(self) -> &'static str {
        match self {
            Self::Proxies => "proxy",
            Self::Visitors => "visitor",
        }
    }
}

/// What is to be done to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// It is new.
    Create,
    /// It is another from now on.
    Update,
    /// It goes.
    Delete,
}

/// The path of the store: a relative one starts at the directory of the configuration.
pub(super) fn path(config: &str, path: &str) -> String {
    Path::new(config).parent().unwrap_or_else(|| Path::new("")).join(path).to_string_lossy().into_owned()
}

/// Adds the entries of the store, if there is one.
pub(super) fn join(entries: &mut Vec<Entry>, report: &mut Report, budget: &mut Budget) -> Result<(), SyntaxError> {
    let Some((named, line)) = named(entries).filter(|_| report.loader.purpose == Purpose::Run) else { return Ok(()) };
    let path = path(&report.file, &named);
    let bytes = match report.files.read(&path) {
        Ok(bytes) => bytes,
        Err(text) if text.ends_with(": no such file or directory") => return Ok(()),
        Err(text) => return Err(failed(line, &text)),
    };
    report.included.push(path);
    let file = report.included.len();
    report.store = Some(file);
    let text = String::from_utf8(bytes).map_err(|_| failed(place(file, 0), "it is not UTF-8"))?;
    if text.trim().is_empty() {
        return Ok(());
    }
    let source = Source::new(text, file);
    let tree = format::parse(&source, ".json", Strictness::Lax, budget).map_err(|e| failed(e.line, &e.text))?;
    for mut entry in tree {
        let list = LISTS.iter().find(|list| entry.key.eq_ignore_ascii_case(list));
        if let (Some(list), Value::List(items)) = (list, &mut entry.node.value) {
            put(entries, list, core::mem::take(items), &entry);
        }
    }
    Ok(())
}

fn failed(line: super::source::Place, text: &str) -> SyntaxError {
    SyntaxError::new(line, format!("failed to create store source: failed to load existing data: {text}"))
}

/// `store.path`, and where it stands.
fn named(entries: &[Entry]) -> Option<(String, super::source::Place)> {
    let find = |entries: &[Entry], key: &str| entries.iter().rfind(|e| e.key.eq_ignore_ascii_case(key)).cloned();
    let Value::Table(store) = find(entries, "store")?.node.value else { return None };
    let path = find(&store, "path")?;
    match path.node.value {
        Value::Text(text) if !text.is_empty() => Some((text, path.line)),
        _ => None,
    }
}

/// Puts the items of the store into a list, in the place of those that have their names.
fn put(entries: &mut Vec<Entry>, list: &str, items: Vec<Node>, from: &Entry) {
    let names: Vec<String> = items.iter().filter_map(|item| name(item).map(str::to_owned)).collect();
    match entries.iter_mut().rfind(|e| e.key.eq_ignore_ascii_case(list)).map(|e| &mut e.node.value) {
        Some(Value::List(there)) => {
            there.retain(|item| name(item).is_none_or(|name| !names.iter().any(|stored| stored == name)));
            there.extend(items);
        }
        Some(_) => {}
        None => {
            let node = Node { value: Value::List(items), line: from.line };
            entries.push(Entry { key: list.to_owned(), line: from.line, node });
        }
    }
}

fn name(item: &Node) -> Option<&str> {
    let Value::Table(keys) = &item.value else { return None };
    match &keys.iter().rfind(|e| e.key.eq_ignore_ascii_case("name"))?.node.value {
        Value::Text(name) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
#[cfg(feature = "json")]
mod tests {
    use crate::config::{Files, Loader, Severity, Strictness};

    fn load(store: &str) -> Result<Vec<(String, u16, bool)>, String> {
        let main = "serverAddr = \"s.example\"\ntransport.tls.enable = false\nstore.path = \"db/store.json\"\n\
                    [[proxies]]\nname = \"a\"\ntype = \"tcp\"\nlocalPort = 1\n\
                    [[proxies]]\nname = \"b\"\ntype = \"tcp\"\nlocalPort = 2\n";
        let mut files = Files::held();
        files.give_file("/etc/frp/frpc.toml", Ok(main.as_bytes().to_vec()));
        let given = if store.is_empty() {
            Err("open /etc/frp/db/store.json: no such file or directory".to_owned())
        } else {
            Ok(store.as_bytes().to_vec())
        };
        files.give_file("/etc/frp/db/store.json", given);
        let loader = Loader { strictness: Strictness::Strict, ..Loader::default() };
        let loaded = loader.load_from("/etc/frp/frpc.toml", &mut files);
        assert!(files.wanted().is_empty(), "the path starts at the configuration");
        let proxies = loaded
            .map_err(|findings| findings.iter().find(|f| f.severity == Severity::Error).unwrap().to_string())?
            .config
            .proxies;
        Ok(proxies.into_iter().map(|p| (p.name, p.local_port, p.stored)).collect())
    }

    #[test]
    fn entries_of_the_store_come_last_and_win() {
        let (a, b) = (("a".to_owned(), 1, false), ("b".to_owned(), 2, false));
        assert_eq!(load("").unwrap(), [a.clone(), b.clone()]);
        assert_eq!(load("{}").unwrap(), [a.clone(), b.clone()]);
        let store = r#"{"proxies": [
            {"name": "b", "type": "tcp", "localPort": 22, "nobody knows": [1]},
            {"name": "c", "type": "tcp", "localPort": 33}], "visitors": null}"#;
        let (b, c) = (("b".to_owned(), 22, true), ("c".to_owned(), 33, true));
        assert_eq!(load(store).unwrap(), [a, b, c]);
    }

    #[test]
    fn a_store_that_is_no_good_is_said_with_its_place() {
        let broken = load("{\"proxies\": [\n{]}").unwrap_err();
        assert!(broken.starts_with("/etc/frp/db/store.json:2: failed to create store source:"), "{broken}");
        let wrong =
            load("{\"proxies\": [\n\n{\"name\": \"x\", \"type\": \"tcp\", \"localPort\": \"80\"}]}").unwrap_err();
        assert!(wrong.starts_with("/etc/frp/db/store.json:3: proxies[2].localPort: "), "{wrong}");
    }
}
