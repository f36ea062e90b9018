//! A parsed file, whatever its format: tables, lists and values, each with its line.
//!
//! Owns the neutral form and the way from TOML to it. Does not know any key. Always true: the tree remembers where each
//! key stood. Worst case: a small multiple of the file's size, which [`super::MAX_FILE`] bounds.

use toml::de::{DeTable, DeValue};

/// A value and its line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) line: u32,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    /// A number with a point or an exponent: its value where that is whole.
    Float(Option<i64>),
    Flag(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// A kind of value that no key takes.
    Date,
}

impl Value {
    /// frpc's rule: a zero is the same as an absent key.
    pub(super) fn is_unset(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Integer(n) => *n == 0,
            Self::Float(n) => *n == Some(0),
            Self::Flag(flag) => !flag,
            Self::List(list) => list.is_empty(),
            Self::Table(entries) => entries.is_empty(),
            Self::Date => false,
        }
    }

    /// Whether `switch` is set in this table; what is no table counts as it does elsewhere.
    pub(super) fn is_on(&self, switch: &str) -> bool {
        match self {
            Self::Table(entries) => {
                entries.iter().any(|e| e.key.eq_ignore_ascii_case(switch) && !e.node.value.is_unset())
            }
            other => !other.is_unset(),
        }
    }

    /// Go's name of the type, as frpc's messages have it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Integer(_) | Self::Float(_) => "number",
            Self::Flag(_) => "bool",
            Self::List(_) => "array",
            Self::Table(_) => "object",
            Self::Date => "date",
        }
    }
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: u32,
    pub(super) node: Node,
}

/// Why a text could not be parsed, and the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: u32,
    pub(super) text: String,
}

/// Finds the line of a byte offset.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at).collect())
    }

    fn of(&self, offset: usize) -> u32 {
        u32::try_from(self.0.partition_point(|newline| *newline < offset) + 1).unwrap_or(u32::MAX)
    }
}

/// Parses TOML.
pub(super) fn parse_toml(text: &str) -> Result<Vec<Entry>, SyntaxError> {
    let lines = Lines::new(text);
    let table = DeTable::parse(text).map_err(|e| SyntaxError {
        line: lines.of(e.span().map_or(0, |span| span.start)),
        text: e.message().replace('\n', ", "),
    })?;
    entries(table.get_ref(), &lines)
}

fn entries(table: &DeTable<'_>, lines: &Lines) -> Result<Vec<Entry>, SyntaxError> {
    let entry = |key: &toml::Spanned<_>, value: &toml::Spanned<_>| {
        let line = lines.of(key.span().start);
        let value_line = lines.of(value.span().start);
        let value = convert(value.get_ref(), value_line, lines)?;
        let key: &std::borrow::Cow<'_, str> = key.get_ref();
        Ok(Entry { key: key.to_string(), line, node: Node { value, line: value_line } })
    };
    table.iter().map(|(key, value)| entry(key, value)).collect()
}

fn convert(value: &DeValue<'_>, line: u32, lines: &Lines) -> Result<Value, SyntaxError> {
    Ok(match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Integer(n) => {
            let parsed = i64::from_str_radix(n.as_str(), n.radix());
            Value::Integer(
                parsed.map_err(|_| SyntaxError { line, text: format!("{} is too large a number", n.as_str()) })?,
            )
        }
        DeValue::Float(n) => Value::Float(whole(n.as_str())),
        DeValue::Array(list) => {
            let node = |item: &toml::Spanned<DeValue<'_>>| {
                let line = lines.of(item.span().start);
                Ok(Node { value: convert(item.get_ref(), line, lines)?, line })
            };
            Value::List(list.iter().map(node).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => Value::Table(entries(table, lines)?),
    })
}

/// The value of a decimal number, if it is whole. By hand: reading floats takes 20 KB of a small machine's program.
fn whole(text: &str) -> Option<i64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let after = after.trim_end_matches('0');
    let digits: i64 = format!("{before}{after}").parse().ok()?;
    let shift = exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(after.len()).ok()?)?;
    if digits == 0 {
        return Some(0);
    }
    let scale = 10_i64.checked_pow(u32::try_from(shift.unsigned_abs()).ok()?)?;
    if shift >= 0 { digits.checked_mul(scale) } else { (digits % scale == 0).then_some(digits / scale) }
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn whole_numbers_may_have_a_point_or_an_exponent() {
        for (text, value) in [
            ("1.0", 1),
            ("-2.50e1", -25),
            ("7e3", 7000),
            ("+7000e-3", 7),
            ("0.0", 0),
            ("0e99", 0),
            ("1.20e+2", 120),
            ("120.00", 120),
        ] {
            assert_eq!(whole(text), Some(value), "{text}");
        }
        for text in ["1.5", "1e-1", "inf", "nan", "-inf", "1e19", "9e99999999999999999999", "12345678901234567890.0"] {
            assert_eq!(whole(text), None, "{text}");
        }
    }
}
