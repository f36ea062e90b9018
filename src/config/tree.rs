//! A parsed file, whatever its format: tables, lists and values, each with its place.
//!
//! Owns the neutral form. Does not know any key or format. Always true: the tree remembers where each key stood; of two
//! entries that are the same key for frpc the one that wins comes later. Worst case: [`super::format::MAX_VALUES`] values.

use super::source::Place;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) line: Place,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `null`: as if the key were not there.
    Null,
    Text(String),
    Integer(i64),
    /// A number that is not written as an `i64`: its value where that is whole and the format takes it for such.
    Float(Option<i64>),
    Flag(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

impl Value {
    /// Go's name of the type, as frpc's messages have it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Text(_) => "string",
            Self::Integer(_) | Self::Float(_) => "number",
            Self::Flag(_) => "bool",
            Self::List(_) => "array",
            Self::Table(_) => "object",
        }
    }
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: Place,
    pub(super) node: Node,
}

/// Why a text could not be parsed, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: Place,
    pub(super) text: String,
}

impl SyntaxError {
    pub(super) fn new(line: Place, text: impl Into<String>) -> Self {
        Self { line, text: text.into() }
    }
}
