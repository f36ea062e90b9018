//! Reads one table of the tree, key by key.
//!
//! Owns the typing of values, the case-insensitive look-up of keys (frpc's rule), and the report of keys nobody asked
//! for. Does not know which keys there are. Always true: every complaint carries line and full key path; a value of the
//! wrong type counts as absent after it was reported, so that one pass finds everything. Worst case: the keys asked for.

use super::file::Files;
use super::finding::{Finding, Severity};
use super::include::LISTS;
use super::load::{Loader, Purpose, Strictness};
use super::source::{Place, unpack};
use super::tree::{Entry, Node, Value};
use super::unknown::unknown;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Findings that are kept; a hostile file could have one for each of its bytes.
const MAX_FINDINGS: usize = 500;

/// Collects findings about a configuration.
#[derive(Debug)]
pub(super) struct Report {
    /// Path of the main file.
    pub(super) file: String,
    /// Paths of the files it includes.
    pub(super) included: Vec<String>,
    pub(super) findings: Vec<Finding>,
    /// Findings that are not kept.
    dropped: usize,
    /// One of those is an error.
    dropped_error: bool,
    /// What is read now is not used: see [`Report::lacks`].
    pub(super) unused: bool,
    /// Nothing is said but of unknown keys and wrong types: frpc decodes this, but does not look at it.
    pub(super) decoded_only: bool,
    /// How the file is read.
    pub(super) loader: Loader,
    /// Where files come from.
    pub(super) files: Files,
    /// The number of the store's file, where unknown keys are passed over.
    pub(super) store: Option<usize>,
}

impl Report {
    pub(super) fn new(file: &str, loader: Loader, files: Files) -> Self {
        Self {
            file: file.to_owned(),
            included: Vec::new(),
            findings: Vec::new(),
            dropped: 0,
            dropped_error: false,
            unused: false,
            decoded_only: false,
            loader,
            files,
            store: None,
        }
    }

    pub(super) fn add(&mut self, severity: Severity, line: Place, key: &str, text: impl Into<String>) {
        if !self.decoded_only {
            self.keep("", severity, line, key, text.into());
        }
    }

    /// What a rule of redial's own found.
    pub(super) fn lint(&mut self, id: &'static str, severity: Severity, line: Place, key: &str, text: String) {
        if !self.decoded_only {
            self.keep(id, severity, line, key, text);
        }
    }

    /// Notes are for who verifies.
    fn keep(&mut self, id: &'static str, severity: Severity, line: Place, key: &str, text: String) {
        if severity == Severity::Note && self.loader.purpose == Purpose::Run {
            return;
        }
        if self.is_full() {
            self.dropped += 1;
            self.dropped_error |= severity == Severity::Error;
            return;
        }
        let (file, line) = unpack(line);
        let file = file.checked_sub(1).and_then(|n| self.included.get(n)).unwrap_or(&self.file).clone();
        self.findings.push(Finding { severity, file, line, key: key.to_owned(), id, text });
    }

    fn is_full(&self) -> bool {
        self.findings.len() >= MAX_FINDINGS
    }

    /// Whether a place is in the store.
    pub(super) fn is_stored(&self, line: Place) -> bool {
        self.store == Some(unpack(line).0)
    }

    pub(super) fn error(&mut self, line: Place, key: &str, text: impl Into<String>) {
        self.add(Severity::Error, line, key, text);
    }

    /// What we lack, not what is wrong: an error for who wants to run it, nothing in a part that is not used.
    pub(super) fn lacks(&mut self, line: Place, key: &str, text: impl Into<String>) {
        let severity = match self.loader.purpose {
            Purpose::Run => Severity::Error,
            Purpose::Verify => Severity::Warning,
        };
        if !self.unused {
            self.add(severity, line, key, text);
        }
    }

    /// What frpc takes, but cannot run with either: an error for who wants to run it. Who verifies is told by a rule.
    pub(super) fn stops(&mut self, line: Place, key: &str, text: impl Into<String>) {
        if self.loader.purpose == Purpose::Run {
            self.error(line, key, text);
        }
    }

    /// What frpc refuses in a part that is used; it does not look at others.
    pub(super) fn invalid(&mut self, line: Place, key: &str, text: impl Into<String>) {
        if !self.unused {
            self.error(line, key, text);
        }
    }

    pub(super) fn failed(&self) -> bool {
        self.dropped_error || self.findings.iter().any(|f| f.severity == Severity::Error)
    }

    /// All findings: those of the main file first, each file's in its order.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        let number = |file: &str| self.included.iter().position(|f| f == file).map_or(0, |n| n + 1);
        let mut findings = core::mem::take(&mut self.findings);
        findings.sort_by_cached_key(|f| (if f.file == self.file { 0 } else { number(&f.file) }, f.line));
        if self.dropped > 0 {
            let severity = if self.dropped_error { Severity::Error } else { Severity::Warning };
            let text = format!("{} further findings are left out", self.dropped);
            findings.push(Finding { severity, file: self.file, line: 0, key: String::new(), id: "", text });
        }
        findings
    }
}

/// A value with the place it came from, for checks that follow.
#[derive(Clone, Debug)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) line: Place,
    pub(super) key: String,
}

/// One table.
pub(super) struct Scope<'r> {
    entries: Vec<Entry>,
    path: String,
    line: Place,
    asked: Vec<&'static str>,
    report: &'r mut Report,
}

impl<'r> Scope<'r> {
    pub(super) fn new(entries: Vec<Entry>, path: String, line: Place, report: &'r mut Report) -> Self {
        Self { entries, path, line, asked: Vec::new(), report }
    }

    /// Where the table starts.
    pub(super) fn line(&self) -> Place {
        self.line
    }

    pub(super) fn report(&mut self) -> &mut Report {
        self.report
    }

    /// The full path of a key of this table.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Takes a key out; of several spellings the last one, as frpc does. `null` is as if it were not there.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Found<Value>> {
        self.asked.push(key);
        let mut found: Option<Entry> = None;
        while let Some(at) = self.entries.iter().position(|e| e.key.eq_ignore_ascii_case(key)) {
            let next = self.entries.remove(at);
            found = Some(match found {
                Some(before) => self.again(before, next, key),
                None => next,
            });
        }
        let Entry { key: seen, line, node } = found?;
        let path = self.path(key);
        if seen != key {
            let text = format!("\"{seen}\" is accepted because case is ignored; the documented spelling is \"{key}\"");
            self.report.lint("K1", Severity::Note, line, &path, text);
        }
        Some(Found { value: node.value, line, key: path }).filter(|f| f.value != Value::Null)
    }

    /// Of two entries for one key, the one that counts. frpc decodes one after the other into the same place: tables are
    /// joined.
    fn again(&mut self, before: Entry, next: Entry, key: &str) -> Entry {
        let text = format!("\"{}\" and \"{}\" are the same key; \"{1}\" wins", before.key, next.key);
        let path = self.path(key);
        self.report.lint("K2", Severity::Warning, next.line, &path, text);
        // So both need the key's type; lists are of texts or of tables, and those of proxies and visitors decoded late.
        let [a, b] = [&before, &next].map(|e| e.node.value.kind());
        let null = [&before, &next].iter().any(|e| e.node.value == Value::Null);
        let odd = |node: &Node| !matches!(node.value, Value::Null | Value::Text(_) | Value::Table(_));
        let odd = matches!(&before.node.value, Value::List(list) if !LISTS.contains(&key) && list.iter().any(odd));
        if (a != b && !null) || odd {
            let text = format!("cannot unmarshal both values of the same key ({a}, {b})");
            self.report.keep("", Severity::Error, before.line, &path, text);
        }
        match (before.node.value, next.node.value) {
            (value, Value::Null) => Entry { node: Node { value, ..before.node }, ..before },
            (Value::Table(mut all), Value::Table(more)) => {
                all.extend(more);
                Entry { node: Node { value: Value::Table(all), ..next.node }, ..next }
            }
            (_, value) => Entry { node: Node { value, ..next.node }, ..next },
        }
    }

    /// The value has a type that frpc cannot decode.
    fn wrong(&mut self, found: &Found<Value>, wanted: &str) {
        let text = format!("cannot unmarshal {} into {wanted}", found.value.kind());
        self.report.keep("", Severity::Error, found.line, &found.key, text);
    }

    /// A text; empty counts as absent.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Found<String>> {
        let found = self.take(key)?;
        match found.value {
            Value::Text(value) => {
                Some(Found { value, line: found.line, key: found.key }).filter(|f| !f.value.is_empty())
            }
            _ => {
                self.wrong(&found, "a string: put it in quotes");
                None
            }
        }
    }

    /// The text, or "".
    pub(super) fn text_or_empty(&mut self, key: &'static str) -> String {
        self.text(key).map(|f| f.value).unwrap_or_default()
    }

    /// A whole number; 0 counts as absent.
    pub(super) fn int(&mut self, key: &'static str) -> Option<Found<i64>> {
        let found = self.take(key)?;
        let (Value::Integer(value) | Value::Float(Some(value))) = found.value else {
            self.wrong(&found, "a whole number: write it without quotes");
            return None;
        };
        Some(Found { value, line: found.line, key: found.key }).filter(|f| f.value != 0)
    }

    /// A whole number within `range`, reported if it is not; 0 counts as absent.
    pub(super) fn int_in(&mut self, key: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let Found { value, line, key } = self.int(key)?;
        if range.contains(&value) {
            return Some(value);
        }
        let text = format!("{value} must be in the range {}..{}", range.start(), range.end());
        self.report.error(line, &key, text);
        None
    }

    /// A port; 0 where it is absent or wrong.
    pub(super) fn port(&mut self, key: &'static str) -> u16 {
        let Some(Found { value, line, key }) = self.int(key) else { return 0 };
        u16::try_from(value).unwrap_or_else(|_| {
            self.report.error(line, &key, format!("port number {value} must be in the range 0..65535"));
            0
        })
    }

    /// True, false, or absent.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let found = self.take(key)?;
        match found.value {
            Value::Flag(flag) => Some(flag),
            _ => {
                self.wrong(&found, "a bool: write true or false");
                None
            }
        }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<Found<String>> {
        let Some(found) = self.take(key) else { return Vec::new() };
        let Value::List(list) = found.value else {
            self.wrong(&found, "a list: write [\"…\"]");
            return Vec::new();
        };
        let mut out = Vec::new();
        for (i, Node { value, line }) in list.into_iter().enumerate() {
            let item = Found { value, line, key: format!("{}[{i}]", found.key) };
            match item.value {
                Value::Text(value) => out.push(Found { value, line, key: item.key }),
                Value::Null => out.push(Found { value: String::new(), line, key: item.key }),
                _ => self.wrong(&item, "a string: put it in quotes"),
            }
        }
        out
    }

    /// A table of texts under keys of the user's own; their case is kept.
    pub(super) fn map(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let Some(found) = self.take(key) else { return BTreeMap::new() };
        let Value::Table(entries) = found.value else {
            self.wrong(&found, "a table");
            return BTreeMap::new();
        };
        let mut out = BTreeMap::new();
        for Entry { key, line, node } in entries {
            let item = Found { value: node.value, line, key: format!("{}.{key}", found.key) };
            match item.value {
                Value::Text(value) => drop(out.insert(key, value)),
                Value::Null => drop(out.insert(key, String::new())),
                _ => self.wrong(&item, "a string: put it in quotes"),
            }
        }
        out
    }

    /// A table of flags under keys of the user's own.
    pub(super) fn flags(&mut self, key: &'static str) -> Vec<Found<(String, bool)>> {
        let Some(found) = self.take(key) else { return Vec::new() };
        let Value::Table(entries) = found.value else {
            self.wrong(&found, "a table");
            return Vec::new();
        };
        let mut out = Vec::new();
        for Entry { key, line, node } in entries {
            let item = Found { value: node.value, line, key: format!("{}.{key}", found.key) };
            match item.value {
                Value::Flag(flag) => out.push(Found { value: (key, flag), line, key: item.key }),
                Value::Null => out.push(Found { value: (key, false), line, key: item.key }),
                _ => self.wrong(&item, "a bool: write true or false"),
            }
        }
        out
    }

    /// A table within this one; empty if it is absent.
    pub(super) fn table(&mut self, key: &'static str) -> Scope<'_> {
        let path = self.path(key);
        match self.take(key) {
            None => Scope::new(Vec::new(), path, self.line, self.report),
            Some(Found { value: Value::Table(entries), line, .. }) => Scope::new(entries, path, line, self.report),
            Some(found) => {
                self.wrong(&found, "a table");
                Scope::new(Vec::new(), path, found.line, self.report)
            }
        }
    }

    /// The line of a key that is there.
    pub(super) fn line_of(&self, key: &str) -> Option<Place> {
        self.entries.iter().find(|e| e.key.eq_ignore_ascii_case(key)).map(|e| e.line)
    }

    /// Tables in a list.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<(Vec<Entry>, Place)> {
        let Some(found) = self.take(key) else { return Vec::new() };
        let Value::List(list) = found.value else {
            self.wrong(&found, "a list of tables: write [[…]]");
            return Vec::new();
        };
        let mut out = Vec::new();
        for (i, Node { value, line }) in list.into_iter().enumerate() {
            match value {
                Value::Table(entries) => out.push((entries, line)),
                Value::Null => out.push((Vec::new(), line)),
                value => self.wrong(&Found { value, line, key: format!("{}[{i}]", found.key) }, "a table"),
            }
        }
        out
    }

    /// Whether there is a table of this name, be it empty.
    pub(super) fn has_table(&self, key: &str) -> bool {
        let found = |e: &Entry| e.key.eq_ignore_ascii_case(key) && matches!(e.node.value, Value::Table(_));
        self.entries.iter().any(found)
    }

    /// A table, read only if it is there; what is there and no table is reported.
    pub(super) fn table_if<T>(&mut self, key: &'static str, read: impl FnOnce(Scope<'_>) -> T) -> Option<T> {
        let given = self.has_table(key);
        let table = self.table(key);
        given.then(|| read(table))
    }

    /// Reports what nobody asked for. `elsewhere` names keys that belong to the top of the file.
    pub(super) fn finish(self, elsewhere: &[&str]) {
        let lax = self.report.loader.strictness == Strictness::Lax;
        for Entry { key, line, .. } in self.entries.iter().filter(|e| !lax || e.key.contains('_')) {
            if self.report.is_stored(*line) {
                continue;
            }
            // Not for each of the keys of a hostile file.
            let asked = if self.report.is_full() { &[] } else { self.asked.as_slice() };
            let near = asked.iter().filter(|known| near(key, known));
            let near = near.min_by_key(|known| known.len().abs_diff(key.len())).copied();
            let path = self.path(key);
            let above = elsewhere.iter().any(|known| known.eq_ignore_ascii_case(key));
            let (id, hint) = unknown(&path, key, near, above);
            let text = format!("unknown field \"{key}\"{hint}");
            if !lax {
                self.report.keep(id, Severity::Error, *line, &path, text);
            } else if id == "K6" {
                self.report.lint(id, Severity::Warning, *line, &path, text);
            }
        }
    }
}

/// Whether two keys differ by a slip: at most two edits, or an underscore spelling.
fn near(seen: &str, known: &str) -> bool {
    let (a, b) = (seen.replace('_', "").to_lowercase(), known.to_lowercase());
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let best = (corner + usize::from(x != y)).min(left + 1).min(*cell + 1);
            corner = core::mem::replace(cell, best);
            left = best;
        }
    }
    row.last().is_some_and(|distance| *distance <= 2 && *distance < b.len().max(3) / 2 + 1)
}
