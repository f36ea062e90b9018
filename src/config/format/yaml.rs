//! YAML, as frpc's reader has it: version 1.1 for the meaning of plain words, merge keys, the first document only.
//!
//! Owns the way from YAML to the tree. Does not know any key. Always true: what an alias stands for counts as if it were
//! written out; entries of a table are in the order of their bytes. Worst case: [`super::MAX_VALUES`] values, those that
//! an anchor keeps among them.

use super::{Budget, whole};
use crate::config::numbers::{integer, radix};
use crate::config::source::{Place, Source};
use crate::config::tree::{Entry, Node, SyntaxError, Value};
use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use std::collections::BTreeMap;

/// Parses the first document. Keys that start with a dot are a place for anchors: they are dropped.
pub(super) fn parse(source: &Source, budget: &mut Budget) -> Result<Vec<Entry>, SyntaxError> {
    let options =
        granit_parser::options! { bom_inside_document_as_content: true, block_scalar_eof_without_line_feed: true };
    let parser = Parser::new_from_str_with_options(&source.text, options);
    let mut reader = Reader { source, parser, budget, anchors: BTreeMap::new() };
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(Vec::new()),
            (Event::StreamStart | Event::DocumentStart(..), _) => {}
            (event, span) => {
                let node = reader.node(event, &span, 0)?;
                return match node.value {
                    Value::Table(entries) => Ok(entries.into_iter().filter(|e| !e.key.starts_with('.')).collect()),
                    Value::Null => Ok(Vec::new()),
                    value => Err(SyntaxError::new(
                        node.line,
                        format!("yaml: cannot unmarshal {} into a table", value.kind()),
                    )),
                };
            }
        }
    }
}

struct Reader<'s> {
    source: &'s Source,
    parser: Parser<'s, StrInput<'s>>,
    budget: &'s mut Budget,
    anchors: BTreeMap<usize, Node>,
}

impl<'s> Reader<'s> {
    fn next(&mut self) -> Result<(Event<'s>, Span), SyntaxError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(e)) => {
                let line = self.source.at_line(e.marker().line().saturating_sub(1));
                Err(SyntaxError::new(line, format!("yaml: {}", e.info().replace('\n', ", "))))
            }
            None => Ok((Event::StreamEnd, Span::empty(granit_parser::Marker::default()))),
        }
    }

    fn node(&mut self, event: Event<'s>, span: &Span, depth: usize) -> Result<Node, SyntaxError> {
        let line = self.source.at_line(span.start.line().saturating_sub(1));
        self.budget.take(line, depth)?;
        let (value, anchor) = match event {
            Event::Alias(id) => return self.alias(id, line, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let value = scalar(&text, plain, tag.as_deref()).map_err(|e| SyntaxError::new(line, e))?;
                (value, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => list.push(self.node(event, &span, depth + 1)?),
                    }
                }
                (Value::List(list), anchor)
            }
            Event::MappingStart(_, anchor, _) => (Value::Table(self.mapping(depth)?), anchor),
            _ => return Err(SyntaxError::new(line, "yaml: a value is missing here")),
        };
        let node = Node { value, line };
        if anchor != 0 {
            self.charge(&node, depth)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// What an alias stands for.
    fn alias(&mut self, id: usize, line: Place, depth: usize) -> Result<Node, SyntaxError> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            return Err(SyntaxError::new(line, "yaml: an anchor's value contains itself"));
        };
        self.charge(&node, depth)?;
        Ok(node)
    }

    /// Counts a copy.
    fn charge(&mut self, node: &Node, depth: usize) -> Result<(), SyntaxError> {
        self.budget.take(node.line, depth)?;
        match &node.value {
            Value::List(list) => list.iter().try_for_each(|node| self.charge(node, depth + 1)),
            Value::Table(entries) => entries.iter().try_for_each(|e| self.charge(&e.node, depth + 1)),
            _ => Ok(()),
        }
    }

    /// Entries up to the end of a mapping. Of equal keys the last one counts, merged ones among them.
    fn mapping(&mut self, depth: usize) -> Result<Vec<Entry>, SyntaxError> {
        let mut out = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            let merge = match &event {
                Event::MappingEnd => break,
                Event::Scalar(text, style, _, tag) => {
                    text == "<<"
                        && tag.as_ref().map_or(*style == ScalarStyle::Plain, |tag| suffix(tag) == Some("merge"))
                }
                _ => false,
            };
            let line = self.source.at_line(span.start.line().saturating_sub(1));
            let key = if merge { None } else { Some(self.node(event, &span, depth + 1)?) };
            let (event, span) = self.next()?;
            let node = self.node(event, &span, depth + 1)?;
            match key {
                Some(key) => {
                    let key = name(key)?;
                    out.insert(key.clone(), Entry { key, line, node });
                }
                None => merged(node, &mut out)?,
            }
        }
        Ok(out.into_values().collect())
    }
}

/// Adds what a merge key has: a table, or a list of them, of which the first ones win.
fn merged(node: Node, out: &mut BTreeMap<String, Entry>) -> Result<(), SyntaxError> {
    let tables = match node.value {
        Value::List(list) => list,
        value => vec![Node { value, ..node }],
    };
    for Node { value, line } in tables.into_iter().rev() {
        let Value::Table(entries) = value else {
            return Err(SyntaxError::new(line, "yaml: map merge requires map or sequence of maps as the value"));
        };
        out.extend(entries.into_iter().map(|e| (e.key.clone(), e)));
    }
    Ok(())
}

/// The name that a key is.
fn name(key: Node) -> Result<String, SyntaxError> {
    match key.value {
        Value::Text(text) => Ok(text),
        Value::Integer(n) | Value::Float(Some(n)) => Ok(n.to_string()),
        Value::Flag(flag) => Ok(flag.to_string()),
        value => Err(SyntaxError::new(key.line, format!("yaml: {} is no key", value.kind()))),
    }
}

/// The part of a tag after YAML's own prefix.
fn suffix(tag: &Tag) -> Option<&str> {
    (tag.handle() == "tag:yaml.org,2002:" || tag.handle() == "!!").then_some(tag.suffix())
}

fn scalar(text: &str, plain: bool, tag: Option<&Tag>) -> Result<Value, String> {
    let as_text = || Ok(Value::Text(text.to_owned()));
    let wanted = match tag {
        None if !plain => return as_text(),
        None => None,
        Some(tag) => match suffix(tag) {
            Some(wanted @ ("bool" | "int" | "float" | "null" | "timestamp")) => Some(wanted),
            Some("binary") => return Err("yaml: !!binary is not supported: write the text itself".to_owned()),
            _ => return as_text(),
        },
    };
    let value = resolve(text).ok_or_else(|| format!("json: unsupported value: {text}"))?;
    let fits = match wanted {
        None => true,
        Some("bool") => matches!(value, Value::Flag(_)),
        Some("int") => matches!(value, Value::Integer(_)),
        Some("float") => matches!(value, Value::Integer(_) | Value::Float(_)),
        Some("null") => value == Value::Null,
        Some(_) => matches!(value, Value::Text(_)),
    };
    match (fits, wanted) {
        (true, _) | (false, None) => Ok(value),
        (false, Some(wanted)) => Err(format!("yaml: cannot decode \"{text}\" as a !!{wanted}")),
    }
}

/// The meaning of a plain word in YAML 1.1; `None` if it is a number that frpc cannot pass on.
fn resolve(text: &str) -> Option<Value> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Flag(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Flag(false),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf"
        | "-.INF" => return None,
        _ if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) => number(text),
        _ => Value::Text(text.to_owned()),
    })
}

/// A number, or a text that starts like one.
fn number(text: &str) -> Value {
    let digits = if text.starts_with('.') { text.to_owned() } else { text.replace('_', "") };
    let (sign, rest) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits.strip_prefix('+').unwrap_or(&digits)),
    };
    let (radix, body) = radix(rest);
    if let Some(n) = integer(&digits) {
        return Value::Integer(n);
    }
    if sign.is_empty() && !digits.starts_with('+') && !body.starts_with('+') && u64::from_str_radix(body, radix).is_ok()
    {
        return Value::Float(None);
    }
    if is_decimal(rest) { Value::Float(whole(&digits)) } else { Value::Text(text.to_owned()) }
}

/// Digits with at most one point, and perhaps an exponent.
fn is_decimal(text: &str) -> bool {
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let some = !before.is_empty() || !after.is_empty();
    some && is_digits(before) && is_digits(after) && !exponent.is_empty() && is_digits(exponent)
}
