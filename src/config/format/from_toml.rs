//! TOML.
//!
//! Owns the way from TOML to the tree. Does not know any key. Always true: a date is a text, as frpc has it; entries of a
//! table are in the order of their bytes. Worst case: see [`super::MAX_VALUES`].

use super::Budget;
use crate::config::source::Source;
use crate::config::tree::{Entry, Node, SyntaxError, Value};
use toml::de::{DeTable, DeValue};

/// Parses TOML.
pub(super) fn parse(source: &Source, budget: &mut Budget) -> Result<Vec<Entry>, SyntaxError> {
    let table = DeTable::parse(&source.text).map_err(|e| {
        let line = source.at(e.span().map_or(0, |span| span.start));
        SyntaxError { line, text: format!("toml: {}", e.message().replace('\n', ", ")) }
    })?;
    Reader { source, budget }.entries(table.into_inner(), 0)
}

struct Reader<'s> {
    source: &'s Source,
    budget: &'s mut Budget,
}

impl Reader<'_> {
    fn entries(&mut self, table: DeTable<'_>, depth: usize) -> Result<Vec<Entry>, SyntaxError> {
        let mut out = Vec::new();
        for (key, value) in table {
            let line = self.source.at(key.span().start);
            let node = self.node(value, depth)?;
            out.push(Entry { key: key.into_inner().into_owned(), line, node });
        }
        Ok(out)
    }

    fn node(&mut self, value: toml::Spanned<DeValue<'_>>, depth: usize) -> Result<Node, SyntaxError> {
        let line = self.source.at(value.span().start);
        self.budget.take(line, depth)?;
        let value = match value.into_inner() {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Boolean(flag) => Value::Flag(flag),
            DeValue::Datetime(date) => Value::Text(date.to_string()),
            DeValue::Integer(n) => {
                let parsed = i64::from_str_radix(n.as_str(), n.radix());
                let large = |_| SyntaxError::new(line, format!("toml: {} is too large a number", n.as_str()));
                Value::Integer(parsed.map_err(large)?)
            }
            DeValue::Float(n) if n.as_str().ends_with(|c: char| c.is_ascii_alphabetic()) => {
                return Err(SyntaxError::new(line, format!("json: unsupported value: {}", n.as_str())));
            }
            DeValue::Float(n) => Value::Float(super::whole(n.as_str())),
            DeValue::Array(list) => {
                Value::List(list.into_iter().map(|item| self.node(item, depth + 1)).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => Value::Table(self.entries(table, depth + 1)?),
        };
        Ok(Node { value, line })
    }
}
