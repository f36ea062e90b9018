//! JSON.
//!
//! Owns the way from JSON to the tree. Does not know any key. Always true: entries of a table are in the order of the
//! file; a number with a point or an exponent is never whole, as frpc has it. Worst case: see [`super::MAX_VALUES`]; the
//! text is read once for each level of nesting.
//!
//! The parser says of no key where it stood. So each level is read by itself, into pieces of the text that are left as
//! they are: where such a piece stands in the text is known.

use super::Budget;
use crate::config::Strictness;
use crate::config::source::{Place, Source};
use crate::config::tree::{Entry, Node, SyntaxError, Value};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Parses JSON. frpc does not look at what follows the value, unless it is lax.
pub(in crate::config) fn parse(
    source: &Source,
    strictness: Strictness,
    budget: &mut Budget,
) -> Result<Vec<Entry>, SyntaxError> {
    let mut parser = serde_json::Deserializer::from_str(&source.text);
    let raw = <&RawValue>::deserialize(&mut parser).and_then(|raw| match strictness {
        Strictness::Lax => parser.end().map(|()| raw),
        Strictness::Strict => Ok(raw),
    });
    let raw = raw.map_err(|e| wrong(source.at_line(e.line().saturating_sub(1)), &e))?;
    match (Reader { source, budget }).node(raw, 0)? {
        Node { value: Value::Table(entries), .. } => Ok(entries),
        Node { value, line } => {
            Err(SyntaxError::new(line, format!("json: cannot unmarshal {} into a table", value.kind())))
        }
    }
}

/// What the parser says, without its own idea of the place.
fn wrong(line: Place, e: &serde_json::Error) -> SyntaxError {
    let text = e.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    SyntaxError::new(line, format!("json: {text}"))
}

/// The members of an object, repeated ones and all.
pub(in crate::config) struct Members<'t>(pub(in crate::config) Vec<(String, &'t RawValue)>);

#[cfg(feature = "store")]
impl<'t> Members<'t> {
    /// Those of a text.
    pub(in crate::config) fn of(text: &'t str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }
}

/// The items of a list.
#[cfg(feature = "store")]
pub(in crate::config) fn items(text: &str) -> Result<Vec<&RawValue>, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

impl<'t> Deserialize<'t> for Members<'t> {
    fn deserialize<D: Deserializer<'t>>(parser: D) -> Result<Self, D::Error> {
        struct All;
        impl<'t> Visitor<'t> for All {
            type Value = Members<'t>;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Members<'t>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        parser.deserialize_map(All)
    }
}

struct Reader<'s> {
    source: &'s Source,
    budget: &'s mut Budget,
}

impl Reader<'_> {
    fn place(&self, raw: &RawValue) -> Place {
        let (text, piece) = (self.source.text.as_ptr().addr(), raw.get().as_ptr().addr());
        self.source.at(piece.saturating_sub(text))
    }

    fn node(&mut self, raw: &RawValue, depth: usize) -> Result<Node, SyntaxError> {
        let (text, line) = (raw.get(), self.place(raw));
        self.budget.take(line, depth)?;
        let failed = |e| wrong(line, &e);
        let value = match text.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = serde_json::from_str(text).map_err(failed)?;
                let entry = |(key, raw): (String, &RawValue)| {
                    let node = self.node(raw, depth + 1)?;
                    Ok(Entry { key, line: node.line, node })
                };
                Value::Table(members.into_iter().map(entry).collect::<Result<_, _>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(failed)?;
                Value::List(items.into_iter().map(|raw| self.node(raw, depth + 1)).collect::<Result<_, _>>()?)
            }
            Some(b'"') => Value::Text(serde_json::from_str(text).map_err(failed)?),
            Some(b't') => Value::Flag(true),
            Some(b'f') => Value::Flag(false),
            Some(b'n') => Value::Null,
            _ => text.parse().map_or(Value::Float(None), Value::Integer),
        };
        Ok(Node { value, line })
    }
}
