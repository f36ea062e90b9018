//! The formats of a configuration file.
//!
//! Owns which one a text is in, by frpc's rules, and what a file of any format may hold. Does not know any key. Always
//! true: every format ends in the same tree. Worst case: [`MAX_VALUES`] values, [`MAX_DEPTH`] levels.

mod from_toml;
#[cfg(feature = "ini")]
pub(super) mod ini;
#[cfg(feature = "json")]
pub(super) mod json;
#[cfg(feature = "yaml")]
mod yaml;

use super::Strictness;
use super::source::{Place, Source};
use super::tree::{Entry, SyntaxError};

/// Values that all files of a configuration may hold. 501 proxies of a usual size have 3000.
pub(super) const MAX_VALUES: u32 = 200_000;

/// Levels of nesting. frpc's own keys need six.
pub(super) const MAX_DEPTH: usize = 64;

/// What may still be read.
#[derive(Debug)]
pub(super) struct Budget(u32);

impl Budget {
    pub(super) fn new() -> Self {
        Self(MAX_VALUES)
    }

    /// Counts a value.
    pub(super) fn take(&mut self, line: Place, depth: usize) -> Result<(), SyntaxError> {
        if depth > MAX_DEPTH {
            return Err(SyntaxError::new(line, format!("more than {MAX_DEPTH} levels of nesting")));
        }
        self.0 = self.0.checked_sub(1).ok_or_else(|| SyntaxError::new(line, too_many()))?;
        Ok(())
    }

    /// Whether a text with `marks` of what stands before a value may fit. Parsers take more memory than the tree.
    fn fits(&self, marks: usize) -> bool {
        u32::try_from(marks).is_ok_and(|marks| marks <= self.0)
    }
}

fn too_many() -> String {
    format!("more than {MAX_VALUES} values")
}

/// Parses a text; `path` is the name of its file.
///
/// frpc's rule: what is TOML is TOML. What is not and is named so is broken; else it is JSON if it starts with a brace,
/// or else YAML.
pub(super) fn parse(
    source: &Source,
    path: &str,
    strictness: Strictness,
    budget: &mut Budget,
) -> Result<Vec<Entry>, SyntaxError> {
    let text = source.text.as_str();
    let marks = text.bytes().filter(|b| matches!(b, b'=' | b',' | b'[')).count();
    let toml = if text.starts_with('\u{feff}') {
        Err(SyntaxError::new(
            source.at_line(0),
            "toml: the file starts with a byte order mark (BOM): save it as UTF-8 without one",
        ))
    } else if budget.fits(marks) {
        from_toml::parse(source, budget)
    } else {
        Err(SyntaxError::new(source.at_line(0), too_many()))
    };
    let error = match toml {
        Ok(entries) => return Ok(entries),
        Err(error) => error,
    };
    let (_, extension) = path.rsplit_once('.').unwrap_or_default();
    if extension.eq_ignore_ascii_case("toml") {
        return Err(error);
    }
    if !budget.fits(0) {
        return Err(error);
    }
    if text.trim_start().starts_with('{') {
        return parse_json(source, strictness, budget);
    }
    parse_yaml(source, budget).map_err(|yaml| if looks_like_toml(text) { error } else { yaml })
}

#[cfg(feature = "json")]
use json::parse as parse_json;

#[cfg(not(feature = "json"))]
fn parse_json(source: &Source, _: Strictness, _: &mut Budget) -> Result<Vec<Entry>, SyntaxError> {
    Err(SyntaxError::new(source.at_line(0), "this redial is built without \"json\": convert the file to TOML"))
}

#[cfg(feature = "yaml")]
use yaml::parse as parse_yaml;

#[cfg(not(feature = "yaml"))]
fn parse_yaml(source: &Source, _: &mut Budget) -> Result<Vec<Entry>, SyntaxError> {
    Err(SyntaxError::new(source.at_line(0), "this redial is built without \"yaml\": convert the file to TOML"))
}

/// Whether the first line that says something is one of TOML's: its parser then knows better what is wrong.
fn looks_like_toml(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| {
        let (before, _) = line.split_once(['=', ':']).unwrap_or((line, ""));
        (line.starts_with('[') && line.ends_with(']')) || line.get(before.len()..).is_some_and(|l| l.starts_with('='))
    })
}

/// The value of a decimal number, if it is whole. By hand: reading floats takes 20 KB of a small machine's program.
fn whole(text: &str) -> Option<i64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let after = after.trim_end_matches('0');
    if after.is_empty() && before.trim_start_matches(['+', '-', '0']).is_empty() {
        return Some(0);
    }
    let digits: i64 = format!("{before}{after}").parse().ok()?;
    let shift = exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(after.len()).ok()?)?;
    let scale = 10_i64.checked_pow(u32::try_from(shift.unsigned_abs()).ok()?)?;
    if shift >= 0 { digits.checked_mul(scale) } else { (digits % scale == 0).then_some(digits / scale) }
}

#[cfg(test)]
mod tests;
