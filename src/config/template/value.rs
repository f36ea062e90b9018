//! Values of a template.
//!
//! Owns their kinds, how they are printed, compared and looked into. Does not know the tree. Always true: a list is kept
//! as its ranges. Worst case: one text.

use crate::config::numbers::Numbers;
use std::collections::BTreeMap;

/// The environment.
pub(super) type Envs = BTreeMap<String, String>;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A variable of the environment that is not set.
    Missing(String),
    Nil,
    Flag(bool),
    Number(i64),
    Text(String),
    List(List),
    Pair(i64, i64),
    /// What `.` is at first.
    Root,
    Envs,
}

/// Numbers, or pairs of them; a part of them, perhaps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct List {
    pub(super) first: Numbers,
    pub(super) second: Option<Numbers>,
    pub(super) from: u64,
    pub(super) len: u64,
}

impl List {
    pub(super) fn new(first: Numbers, second: Option<Numbers>) -> Self {
        let len = first.len();
        Self { first, second, from: 0, len }
    }

    /// All items from the `n`th on.
    pub(super) fn iter(&self, n: u64) -> impl Iterator<Item = Value> {
        let left = usize::try_from(self.len.saturating_sub(n)).unwrap_or(usize::MAX);
        let from = self.from.saturating_add(n);
        let mut seconds = self.second.iter().flat_map(move |list| list.iter(from));
        let has_second = self.second.is_some();
        self.first.iter(from).take(left).map(move |first| match seconds.next() {
            Some(second) if has_second => Value::Pair(first, second),
            _ => Value::Number(first),
        })
    }

    fn kind(&self) -> &'static str {
        if self.second.is_some() { "[]config.NumberPair" } else { "[]int64" }
    }
}

impl Value {
    /// Whether it counts as true.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Missing(_) | Self::Nil => false,
            Self::Flag(flag) => *flag,
            Self::Number(n) => *n != 0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => list.len > 0,
            Self::Pair(..) | Self::Root | Self::Envs => true,
        }
    }

    /// Go's name of its type.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Missing(_) | Self::Nil => "<nil>",
            Self::Flag(_) => "bool",
            Self::Number(_) => "int",
            Self::Text(_) => "string",
            Self::List(list) => list.kind(),
            Self::Pair(..) => "config.NumberPair",
            Self::Root => "*config.Values",
            Self::Envs => "map[string]string",
        }
    }

    /// As an action prints it; `None` if that is longer than `limit`.
    pub(super) fn printed(&self, envs: &Envs, limit: usize) -> Option<String> {
        let text = match self {
            Self::Missing(_) | Self::Nil => "<no value>".to_owned(),
            Self::Flag(flag) => flag.to_string(),
            Self::Number(n) => n.to_string(),
            Self::Text(text) => text.clone(),
            Self::List(list) => {
                let mut text = "[".to_owned();
                for item in list.iter(0) {
                    if text.len() > 1 {
                        text.push(' ');
                    }
                    text += &item.printed(envs, limit)?;
                    if text.len() > limit {
                        return None;
                    }
                }
                text + "]"
            }
            Self::Pair(first, second) => format!("{{{first} {second}}}"),
            Self::Root => format!("&{{{}}}", Self::Envs.printed(envs, limit)?),
            Self::Envs => {
                let all: Vec<String> = envs.iter().map(|(name, value)| format!("{name}:{value}")).collect();
                format!("map[{}]", all.join(" "))
            }
        };
        (text.len() <= limit).then_some(text)
    }

    /// The field of this name.
    pub(super) fn field(&self, name: &str, envs: &Envs) -> Result<Self, String> {
        match (self, name) {
            (Self::Root, "Envs") => Ok(Self::Envs),
            (Self::Envs, name) => {
                Ok(envs.get(name).map_or_else(|| Self::Missing(name.to_owned()), |value| Self::Text(value.clone())))
            }
            (Self::Pair(first, _), "First") => Ok(Self::Number(*first)),
            (Self::Pair(_, second), "Second") => Ok(Self::Number(*second)),
            (Self::Missing(_), _) => Ok(self.clone()),
            (Self::Nil, _) => Err(format!("nil data; no entry for key \"{name}\"")),
            _ => Err(format!("can't evaluate field {name} in type {}", self.kind())),
        }
    }

    /// The item at a place, or of a name.
    pub(super) fn index(&self, at: &Self, envs: &Envs) -> Result<Self, String> {
        match (self, at) {
            (Self::Envs, Self::Text(name)) => Ok(Self::Text(envs.get(name).cloned().unwrap_or_default())),
            (Self::Envs, _) => Err("value is not of the type of the map's keys".to_owned()),
            (Self::List(_) | Self::Text(_), Self::Number(n)) => {
                let item = u64::try_from(*n).ok().and_then(|n| match self {
                    Self::List(list) => list.iter(n).next(),
                    Self::Text(text) => {
                        text.as_bytes().get(usize::try_from(n).ok()?).map(|b| Self::Number(i64::from(*b)))
                    }
                    _ => None,
                });
                item.ok_or_else(|| format!("index out of range: {n}"))
            }
            (Self::List(_) | Self::Text(_), _) => Err(format!("cannot index slice/array with type {}", at.kind())),
            (Self::Missing(_) | Self::Nil, _) => Err("index of untyped nil".to_owned()),
            _ => Err(format!("can't index item of type {}", self.kind())),
        }
    }

    /// How many items it has.
    pub(super) fn len(&self, envs: &Envs) -> Result<i64, String> {
        let len = match self {
            Self::Text(text) => text.len(),
            Self::List(list) => return Ok(i64::try_from(list.len).unwrap_or(i64::MAX)),
            Self::Envs => envs.len(),
            Self::Missing(_) | Self::Nil => return Err("len of nil pointer".to_owned()),
            _ => return Err(format!("len of type {}", self.kind())),
        };
        Ok(i64::try_from(len).unwrap_or(i64::MAX))
    }

    /// The part between two places.
    pub(super) fn slice(&self, from: Option<i64>, to: Option<i64>) -> Result<Self, String> {
        let len = match self {
            Self::Text(text) => u64::try_from(text.len()).unwrap_or(u64::MAX),
            Self::List(list) => list.len,
            _ => return Err(format!("can't slice item of type {}", self.kind())),
        };
        let place = |n: Option<i64>, default: u64| match n {
            None => Ok(default),
            Some(n) => u64::try_from(n).ok().filter(|n| *n <= len).ok_or_else(|| format!("index out of range: {n}")),
        };
        let (from, to) = (place(from, 0)?, place(to, len)?);
        if from > to {
            return Err(format!("invalid slice index: {from} > {to}"));
        }
        Ok(match self {
            Self::List(list) => Self::List(List { from: list.from + from, len: to - from, ..list.clone() }),
            Self::Text(text) => {
                let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
                let bytes = text.as_bytes().get(at(from)..at(to)).unwrap_or_default();
                Self::Text(String::from_utf8_lossy(bytes).into_owned())
            }
            other => other.clone(),
        })
    }

    /// Whether it equals another one, by Go's rules for templates.
    pub(super) fn equals(&self, other: &Self) -> Result<bool, String> {
        let missing = |value: &Self| matches!(value, Self::Missing(_) | Self::Nil);
        match (self, other) {
            (a, b) if missing(a) || missing(b) => Ok(missing(a) && missing(b)),
            (Self::Flag(_), Self::Flag(_)) | (Self::Number(_), Self::Number(_)) | (Self::Text(_), Self::Text(_)) => {
                Ok(self == other)
            }
            (Self::Pair(..), Self::Pair(..)) => Ok(self == other),
            (Self::List(_) | Self::Envs, _) | (_, Self::List(_) | Self::Envs) => Err("non-comparable type".to_owned()),
            _ => Err("incompatible types for comparison".to_owned()),
        }
    }

    /// Its order to another one.
    pub(super) fn order(&self, other: &Self) -> Result<core::cmp::Ordering, String> {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => Ok(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Ok(a.cmp(b)),
            (Self::Number(_) | Self::Text(_), Self::Number(_) | Self::Text(_)) => {
                Err("incompatible types for comparison".to_owned())
            }
            _ => Err("invalid type for comparison".to_owned()),
        }
    }
}
