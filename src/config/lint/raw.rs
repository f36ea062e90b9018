//! The tree as written, for the rules.
//!
//! Owns the way to a value by its path. Does not report. Always true: keys are compared as frpc does, without case, and
//! the last of several counts. Worst case: nothing of its own.

use super::super::source::Place;
use super::super::tree::{Entry, Value};

/// One table.
#[derive(Clone, Copy)]
pub(super) struct Raw<'t> {
    entries: &'t [Entry],
    line: Place,
}

/// One proxy or visitor.
pub(super) struct Item<'t> {
    pub(super) raw: Raw<'t>,
    /// `proxies[0]`.
    pub(super) path: String,
    pub(super) name: &'t str,
    pub(super) kind: &'t str,
}

impl<'t> Raw<'t> {
    pub(super) fn new(entries: &'t [Entry], line: Place) -> Self {
        Self { entries, line }
    }

    /// The entry at a path with dots.
    pub(super) fn entry(&self, path: &str) -> Option<&'t Entry> {
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let entry = self.entries.iter().rev().find(|e| e.key.eq_ignore_ascii_case(first))?;
        match (rest, &entry.node.value) {
            (None, _) => Some(entry),
            (Some(rest), Value::Table(entries)) => Self { entries, line: entry.line }.entry(rest),
            _ => None,
        }
    }

    fn value(&self, path: &str) -> Option<&'t Value> {
        self.entry(path).map(|e| &e.node.value)
    }

    /// Where a key is; where the table starts if it is not there.
    pub(super) fn line(&self, path: &str) -> Place {
        self.entry(path).map_or(self.line, |e| e.line)
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.entry(path).is_some_and(|e| e.node.value != Value::Null)
    }

    /// A whole number as written, zero too.
    pub(super) fn written(&self, path: &str) -> Option<i64> {
        match self.value(path)? {
            Value::Integer(n) | Value::Float(Some(n)) => Some(*n),
            _ => None,
        }
    }

    /// A whole number; zero counts as absent.
    pub(super) fn number(&self, path: &str) -> Option<i64> {
        self.written(path).filter(|n| *n != 0)
    }

    /// A text; empty counts as absent.
    pub(super) fn text(&self, path: &str) -> Option<&'t str> {
        match self.value(path)? {
            Value::Text(text) => Some(text.as_str()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    pub(super) fn flag(&self, path: &str) -> Option<bool> {
        match self.value(path)? {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The texts of a list.
    pub(super) fn texts(&self, path: &str) -> Vec<&'t str> {
        let Some(Value::List(list)) = self.value(path) else { return Vec::new() };
        let text = |value: &'t Value| if let Value::Text(text) = value { Some(text.as_str()) } else { None };
        list.iter().filter_map(|node| text(&node.value)).collect()
    }

    /// The keys of a table.
    pub(super) fn keys(&self, path: &str) -> impl Iterator<Item = &'t Entry> {
        let entries: &[Entry] = if let Some(Value::Table(entries)) = self.value(path) { entries } else { &[] };
        entries.iter()
    }

    /// The tables of a list.
    pub(super) fn items(&self, list: &'static str) -> impl Iterator<Item = Item<'t>> + use<'t> {
        let nodes = if let Some(Value::List(nodes)) = self.value(list) { nodes.as_slice() } else { &[] };
        nodes.iter().enumerate().filter_map(move |(index, node)| {
            let Value::Table(entries) = &node.value else { return None };
            let raw = Raw { entries, line: node.line };
            let text = |key| raw.text(key).unwrap_or_default();
            Some(Item { raw, path: format!("{list}[{index}]"), name: text("name"), kind: text("type") })
        })
    }
}

impl<'t> Item<'t> {
    /// Whether its kind is one of these.
    pub(super) fn is(&self, kinds: &[&str]) -> bool {
        kinds.contains(&self.kind)
    }

    pub(super) fn plugin(&self) -> Option<&'t str> {
        self.raw.text("plugin.type")
    }

    pub(super) fn group(&self) -> Option<&'t str> {
        self.raw.text("loadBalancer.group")
    }
}
