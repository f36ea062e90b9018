//! The store as the admin API sees it: what is asked of it, and what is changed in it.
//!
//! Owns the definitions that come and go, their checks in frpc's order and words, and the text of the changed file. Does
//! not read or write a file. Always true: of entries that are not changed not a byte is; a definition that frpc or this
//! build would not run never gets into the file. Worst case: [`MAX_STORE`] thrice, while a change is made.

use super::super::format::Budget;
use super::super::format::json::{Members, parse};
use super::super::load::{Loader, Strictness};
use super::super::source::Source;
use super::super::tree::{Entry, Value};
use super::{Fault, List, Op, form};
use crate::config::Severity;
use crate::wire::json::{Json, indent};

/// Bytes that the file of a store may have if it is to be asked about or changed.
const MAX_STORE: usize = 1024 * 1024;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    list: List,
    op: Op,
    name: String,
    /// As it is to stand in the file.
    entry: String,
}

/// The members of the file, each with its text.
struct Book<'t> {
    lists: [(List, Vec<&'t str>); 2],
    /// What nobody knows.
    others: Vec<(String, &'t str)>,
}

fn internal(text: impl core::fmt::Display) -> Fault {
    (500, format!("store: {text}"))
}

impl<'t> Book<'t> {
    fn read(bytes: &'t [u8]) -> Result<Self, Fault> {
        if bytes.len() > MAX_STORE {
            return Err(internal(format_args!("its file is larger than {MAX_STORE} bytes")));
        }
        let text = core::str::from_utf8(bytes).map_err(|_| internal("its file is not UTF-8"))?;
        let mut book =
            Self { lists: [List::Proxies, List::Visitors].map(|list| (list, Vec::new())), others: Vec::new() };
        if text.trim().is_empty() {
            return Ok(book);
        }
        let Members(members) = Members::of(text).map_err(internal)?;
        for (key, raw) in members {
            match book.lists.iter_mut().find(|(list, _)| key.eq_ignore_ascii_case(list.key())) {
                Some((_, items)) if raw.get() == "null" => items.clear(),
                Some((_, items)) => {
                    let all = super::super::format::json::items(raw.get()).map_err(internal)?;
                    *items = all.into_iter().map(|raw| raw.get()).collect();
                }
                None => book.others.push((key, raw.get())),
            }
        }
        Ok(book)
    }

    fn items(&mut self, list: List) -> &mut Vec<&'t str> {
        let [proxies, visitors] = &mut self.lists;
        match list {
            List::Proxies => &mut proxies.1,
            List::Visitors => &mut visitors.1,
        }
    }

    /// As frpc writes it.
    fn write(&self) -> Vec<u8> {
        let mut out = String::new();
        let mut member = |key: &str, value: &str| {
            out.push_str(if out.is_empty() { "{\n  " } else { ",\n  " });
            let mut quoted = Json::default();
            quoted.text(key);
            out.push_str(&quoted.into_text());
            out.push_str(": ");
            out.push_str(value);
        };
        for (list, items) in self.lists.iter().filter(|(_, items)| !items.is_empty()) {
            member(list.key(), &format!("[\n    {}\n  ]", items.join(",\n    ")));
        }
        self.others.iter().for_each(|(key, raw)| member(key, raw));
        out.push_str(if out.is_empty() { "{}" } else { "\n}" });
        out.into_bytes()
    }
}

fn tree(text: &str) -> Result<Vec<Entry>, String> {
    parse(&Source::new(text.to_owned(), 0), Strictness::Lax, &mut Budget::new()).map_err(|e| e.text)
}

fn name_of(raw: &str) -> Option<String> {
    match form::find(&tree(raw).ok()?, "name")? {
        Value::Text(name) => Some(name.clone()),
        _ => None,
    }
}

/// The definition of an entry of the file, by its name.
fn definition(list: List, raw: &str) -> Result<(String, String), Fault> {
    let entries = tree(raw).map_err(internal)?;
    let text = |key| match form::find(&entries, key) {
        Some(Value::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let (name, kind) = (text("name"), text("type"));
    let flat = form::entry(list, &kind, &name, &entries).map_err(internal)?;
    let shown = shown(&name, &kind, &flat);
    Ok((name, shown))
}

fn shown(name: &str, kind: &str, flat: &str) -> String {
    let mut j = Json::default();
    j.object(|j| {
        j.key("name").text(name);
        j.key("type").text(kind);
        j.key(kind).raw(flat);
    });
    j.into_text()
}

fn body(text: String) -> Vec<u8> {
    (text + "\n").into_bytes()
}

/// The answer about one entry, or about a list; `None`: there is no such entry.
///
/// # Errors
/// The file is no good.
pub fn show(list: List, name: Option<&str>, file: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    let mut book = Book::read(file)?;
    let items = book.items(list);
    if let Some(name) = name {
        let found = items.iter().rfind(|raw| name_of(raw).as_deref() == Some(name));
        return found.map(|raw| definition(list, raw).map(|(_, shown)| body(shown))).transpose();
    }
    let mut all = items.iter().map(|raw| definition(list, raw)).collect::<Result<Vec<_>, _>>()?;
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let mut j = Json::default();
    j.object(|j| j.key(list.key()).array(|j| all.iter().for_each(|(_, shown)| j.raw(shown))));
    Ok(Some(j.into_body()))
}

/// What a request asks for, and the answer if it is done.
///
/// # Errors
/// The definition is no good.
pub fn change(list: List, op: Op, name: &str, request: &[u8]) -> Result<(Change, Vec<u8>), Fault> {
    if op == Op::Delete {
        return Ok((Change { list, op, name: name.to_owned(), entry: String::new() }, Vec::new()));
    }
    let broken = |text: String| (400, format!("parse JSON error: {text}"));
    let (given, kind, flat) = define(list, request).map_err(|fault| match fault {
        Wrong::Json(text) => broken(text),
        Wrong::Definition(text) => (400, text),
    })?;
    if op == Op::Update && name != given {
        return Err((400, format!("{} name in URL must match name in body", list.word())));
    }
    check(list, &flat).map_err(|text| (400, format!("invalid argument: validation error: {text}")))?;
    let answer = body(shown(&given, &kind, &flat));
    Ok((Change { list, op, name: given, entry: indent(&flat, 2) }, answer))
}

enum Wrong {
    Json(String),
    Definition(String),
}

/// Name, type and entry of a definition.
fn define(list: List, request: &[u8]) -> Result<(String, String, String), Wrong> {
    let word = list.word();
    let model = match list {
        List::Proxies => "ProxyDefinition",
        List::Visitors => "VisitorDefinition",
    };
    let text = core::str::from_utf8(request).map_err(|_| Wrong::Json("it is not UTF-8".to_owned()))?;
    let entries = if text.trim() == "null" { Ok(Vec::new()) } else { tree(text) };
    let entries = entries.map_err(|text| {
        let array = format!("json: cannot unmarshal array into Go value of type model.{model}");
        let ends = text.contains("EOF while parsing");
        Wrong::Json(match text.as_str() {
            _ if ends => "unexpected end of JSON input".to_owned(),
            "json: cannot unmarshal array into a table" => array,
            _ => text,
        })
    })?;
    let field = |key: &str| match form::find(&entries, key) {
        Some(Value::Text(text)) => Ok(text.clone()),
        None => Ok(String::new()),
        Some(value) => Err(Wrong::Json(form::wrong(value, &format!("{model}.{key}"), "string"))),
    };
    let (name, kind) = (field("name")?, field("type")?);
    let mut blocks = Vec::new();
    for own in form::kinds(list) {
        match form::find(&entries, own) {
            Some(Value::Table(block)) => blocks.push((own, block)),
            Some(value) => return Err(Wrong::Json(form::wrong(value, &format!("{model}.{own}"), "struct"))),
            None => {}
        }
    }
    let refuse = |text: String| Err(Wrong::Definition(text));
    if name.is_empty() {
        return refuse(format!("{word} name is required"));
    }
    if !form::kinds(list).any(|known| known == kind) {
        return refuse(format!("invalid {word} type: {kind}"));
    }
    let [(block, entries)] = blocks.as_slice() else {
        return refuse(format!("exactly one {word} type block is required"));
    };
    if *block != kind {
        return refuse(format!("{word} type block {block:?} does not match type {kind:?}"));
    }
    let flat = form::entry(list, &kind, &name, entries).map_err(Wrong::Json)?;
    Ok((name, kind, flat))
}

/// Whether an entry would run: also one that is not enabled, as in frpc.
fn check(list: List, flat: &str) -> Result<(), String> {
    let flat = flat.replacen("\"enabled\":false", "\"enabled\":true", 1);
    let text =
        format!("{{\"serverAddr\":\"x\",\"transport\":{{\"tls\":{{\"enable\":false}}}},\"{}\":[{flat}]}}", list.key());
    let loader = Loader { strictness: Strictness::Lax, ..Loader::default() };
    match loader.parse("store.json", &text) {
        Ok(_) => Ok(()),
        Err(findings) => {
            let first = findings.into_iter().find(|f| f.severity == Severity::Error);
            Err(first.map(|f| f.text).unwrap_or_default())
        }
    }
}

impl Change {
    /// What was done, to which list, and to which entry: for the log.
    pub fn said(&self) -> (&'static str, List, &str) {
        let done = match self.op {
            Op::Create => "created",
            Op::Update => "updated",
            Op::Delete => "deleted",
        };
        (done, self.list, &self.name)
    }

    /// The changed file.
    ///
    /// # Errors
    /// The file does not allow it, or is no good.
    pub fn apply(&self, file: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut book = Book::read(file)?;
        let Self { list, op, name, entry } = self;
        let (items, what) = (book.items(*list), format!("{} {name:?}", list.word()));
        let at = items.iter().rposition(|raw| name_of(raw).as_deref() == Some(name));
        match (op, at) {
            (Op::Create, None) => items.push(entry),
            (Op::Create, Some(_)) => return Err((409, format!("conflict: already exists: {what}"))),
            (_, None) => return Err((404, format!("not found: not found: {what}"))),
            (Op::Update, Some(at)) => drop(items.get_mut(at).map(|raw| *raw = entry)),
            (Op::Delete, Some(at)) => drop(items.remove(at)),
        }
        let text = book.write();
        if text.len() > MAX_STORE {
            return Err(internal(format_args!("its file would be larger than {MAX_STORE} bytes")));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests;
