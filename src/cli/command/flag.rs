//! Flags and the kinds of values they take.
//!
//! Owns the reading of a value: Go's rules for booleans, whole numbers and durations, pflag's for lists and maps, frpc's for
//! bandwidths, each with the error that frpc prints. Does not know which flags there are. Always true: what frpc takes is
//! taken with the same meaning. Worst case: the value.

use crate::config::limit;

/// One flag.
#[derive(Debug)]
pub(in crate::cli) struct Flag {
    /// Without the dashes in front; words are joined by `-`.
    pub(in crate::cli) name: &'static str,
    /// Its letter.
    pub(in crate::cli) short: Option<char>,
    pub(in crate::cli) kind: Kind,
    /// What holds if it is not said, as it would be said; empty for none.
    pub(in crate::cli) default: &'static str,
    pub(in crate::cli) help: &'static str,
    /// The key of the configuration that it sets; those of the one proxy or visitor are below `proxies` and `visitors`.
    pub(in crate::cli) key: Option<&'static str>,
}

/// What values a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Kind {
    /// Needs no value; takes one after `=` only.
    Bool,
    /// Whole number.
    Int,
    Text,
    /// The path of a file.
    File,
    /// The path of a directory.
    Dir,
    /// A text; these are what it may be (the configuration checks it).
    Choice(&'static [&'static str]),
    /// Separated by commas; may be repeated.
    List,
    /// `key=value,…`; may be repeated.
    Map,
    /// `30s`, `1m30s`.
    Duration,
    /// `100KB`, `1MB`.
    Bandwidth,
}

/// The value of a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Value {
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<String>),
    Map(Vec<(String, String)>),
    /// A duration; never below 0.
    Millis(u64),
}

impl Flag {
    /// What holds if it is not said.
    pub(in crate::cli) fn unsaid(&self) -> Option<Value> {
        let default = match (self.kind, self.default) {
            (Kind::Bool, "") => "false",
            (Kind::Int, "") => "0",
            (Kind::Duration, "") => "0s",
            (_, default) => default,
        };
        if default.is_empty() && self.kind == Kind::Map {
            return Some(Value::Map(Vec::new()));
        }
        self.read(default).ok()
    }

    /// Reads a value; the error is what is wrong with it.
    pub(super) fn read(&self, value: &str) -> Result<Value, String> {
        match self.kind {
            Kind::Bool => boolean(value).map(Value::Bool),
            Kind::Int => int(value).map(Value::Int),
            Kind::Text | Kind::File | Kind::Dir | Kind::Choice(_) => Ok(Value::Text(value.to_owned())),
            Kind::List => list(value).map(Value::List),
            Kind::Map => map(value).map(Value::Map),
            Kind::Duration => duration(value).map(Value::Millis),
            Kind::Bandwidth => bandwidth(value).map(|()| Value::Text(value.to_owned())),
        }
    }

    /// As errors call it.
    pub(super) fn called(&self) -> String {
        self.short.map_or_else(|| format!("--{}", self.name), |short| format!("-{short}, --{}", self.name))
    }

    /// The word that stands for its value, as pflag says it.
    pub(super) fn value_name(&self) -> &'static str {
        match self.kind {
            Kind::Bool => "",
            Kind::Int => "int",
            Kind::Text | Kind::Choice(_) | Kind::Bandwidth | Kind::File | Kind::Dir => "string",
            Kind::List => "strings",
            Kind::Map => "stringToString",
            Kind::Duration => "duration",
        }
    }

    /// Help and default.
    pub(super) fn described(&self) -> String {
        match self.kind {
            _ if self.default.is_empty() => self.help.to_owned(),
            Kind::Bool | Kind::Int | Kind::Duration => format!("{} (default {})", self.help, self.default),
            _ => format!("{} (default \"{}\")", self.help, self.default),
        }
    }
}

impl Value {
    /// Says it once more: lists and maps grow, the others are replaced.
    pub(super) fn join(&mut self, more: Self) {
        match (self, more) {
            (Self::List(old), Self::List(more)) => old.extend(more),
            (Self::Map(old), Self::Map(more)) => {
                old.retain(|(key, _)| !more.iter().any(|(other, _)| other == key));
                old.extend(more);
            }
            (old, new) => *old = new,
        }
    }
}

fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {value:?}: invalid syntax")),
    }
}

/// Go's `ParseInt` with base 0: prefixes `0x`, `0b`, `0o`, `0`, and `_` between digits.
fn int(value: &str) -> Result<i64, String> {
    let wrong = |what: &str| format!("strconv.ParseInt: parsing {value:?}: {what}");
    let (negative, rest) = match value.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, value.strip_prefix('+').unwrap_or(value)),
    };
    let lower = rest.to_ascii_lowercase();
    let (base, digits) = [("0x", 16), ("0b", 2), ("0o", 8)]
        .into_iter()
        .find_map(|(prefix, base)| Some((base, lower.strip_prefix(prefix)?)))
        .or_else(|| Some((8, lower.strip_prefix('0').filter(|rest| !rest.is_empty())?)))
        .unwrap_or((10, lower.as_str()));
    let prefixed = digits.len() < lower.len();
    let digits = if prefixed { digits.strip_prefix('_').unwrap_or(digits) } else { digits };
    let plain = digits.replace('_', "");
    let joined = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    if plain.is_empty() || joined || !plain.chars().all(|c| c.is_digit(base)) {
        return Err(wrong("invalid syntax"));
    }
    let signed = if negative { format!("-{plain}") } else { plain };
    i64::from_str_radix(&signed, base).map_err(|_| wrong("value out of range"))
}

/// One record of comma-separated values; quotes as in CSV.
fn list(value: &str) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let mut rest = value;
    if rest.is_empty() {
        return Ok(out);
    }
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, more) = rest.split_once(',').map_or((rest, None), |(field, more)| (field, Some(more)));
            if field.contains('"') {
                return Err("parse error: bare \" in non-quoted field".to_owned());
            }
            out.push(field.to_owned());
            match more {
                Some(more) => rest = more,
                None => return Ok(out),
            }
            continue;
        };
        let (field, more) = in_quotes(quoted)?;
        out.push(field);
        match more.strip_prefix(',') {
            Some(more) => rest = more,
            None if more.is_empty() => return Ok(out),
            None => return Err("parse error: extraneous or missing \" in quoted-field".to_owned()),
        }
    }
}

/// What stands before the closing quote (`""` is a quote), and what follows it.
fn in_quotes(text: &str) -> Result<(String, &str), String> {
    let (mut field, mut rest) = (String::new(), text);
    loop {
        let Some((part, more)) = rest.split_once('"') else {
            return Err("parse error: extraneous or missing \" in quoted-field".to_owned());
        };
        field.push_str(part);
        match more.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field, more)),
        }
    }
}

/// `key=value,…`; with one `=` in all, commas belong to the value.
fn map(value: &str) -> Result<Vec<(String, String)>, String> {
    let pairs = match value.matches('=').count() {
        0 => return Err(format!("{value} must be formatted as key=value")),
        1 => vec![value.trim_matches('"').to_owned()],
        _ => list(value)?,
    };
    let pair = |text: String| match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(format!("{text} must be formatted as key=value")),
    };
    pairs.into_iter().map(pair).collect()
}

/// Go's `ParseDuration`, in milliseconds. What is negative counts as nothing.
fn duration(value: &str) -> Result<u64, String> {
    let invalid = || format!("time: invalid duration {value:?}");
    let negative = value.starts_with('-');
    let mut rest = value.strip_prefix(['-', '+']).unwrap_or(value);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanos = 0_u64;
    while !rest.is_empty() {
        let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let (digits, tail) = rest.split_at_checked(number).ok_or_else(invalid)?;
        let unit = tail.len() - tail.trim_start_matches(|c: char| !c.is_ascii_digit() && c != '.').len();
        let (unit, more) = tail.split_at_checked(unit).ok_or_else(invalid)?;
        if !digits.contains(|c: char| c.is_ascii_digit()) {
            return Err(invalid());
        }
        let unit = match unit {
            "" => return Err(format!("time: missing unit in duration {value:?}")),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(format!("time: unknown unit {unit:?} in duration {value:?}")),
        };
        let part = nanoseconds(digits, unit).and_then(|part| nanos.checked_add(part));
        nanos = part.filter(|sum| i64::try_from(*sum).is_ok()).ok_or_else(invalid)?;
        rest = more;
    }
    Ok(if negative { 0 } else { nanos / 1_000_000 })
}

/// Digits, with a point perhaps, of a unit. By hand: reading floats takes 15 KB of a small machine's program.
fn nanoseconds(digits: &str, unit: u64) -> Option<u64> {
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, "0"));
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    let (mut part, mut scale) = (0, unit);
    for digit in rest.chars() {
        scale /= 10;
        part += u64::from(digit.to_digit(10)?) * scale;
    }
    whole.checked_mul(unit)?.checked_add(part)
}

/// frpc's bandwidths; the configuration reads them again.
fn bandwidth(value: &str) -> Result<(), String> {
    limit::parse(value.trim()).map(drop)
}
