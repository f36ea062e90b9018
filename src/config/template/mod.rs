//! Templates: the part of Go's `text/template` that configuration files use.
//!
//! Owns its meaning, and which line of the result came from which line of the file. Does not know formats. Always true: a
//! text without `{{` is its own result; the environment is the process's own. Worst case: see [`eval`].
//!
//! `lex` splits the text, `parse` makes a tree of it, `eval` runs that with the functions in `calls` on the values in
//! `value`. Left out are named templates and the functions in [`LEFT_OUT`], which are refused by name.

mod calls;
mod eval;
mod lex;
mod parse;
mod value;

use super::source::{Place, Source, unpack};
use super::tree::SyntaxError;
use value::Envs;

/// Functions of Go.
const FUNCTIONS: [&str; 15] =
    ["and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "index", "len", "print", "printf", "println", "slice"];

/// Functions of frp, after those.
const NUMBERS: [&str; 2] = ["parseNumberRange", "parseNumberRangePair"];

/// Functions of Go that no configuration needs.
const LEFT_OUT: [&str; 4] = ["call", "html", "js", "urlquery"];

/// The result.
pub(super) struct Rendered {
    pub(super) source: Source,
    /// Variables of the environment that are not set: `<no value>` stands for them.
    pub(super) missing: Vec<(Place, String)>,
}

/// Renders a file's text; `with_numbers` gives it frp's functions.
pub(super) fn render(source: Source, with_numbers: bool) -> Result<Rendered, SyntaxError> {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let envs = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
    render_with(source, with_numbers, || envs.collect())
}

fn render_with(source: Source, with_numbers: bool, envs: impl FnOnce() -> Envs) -> Result<Rendered, SyntaxError> {
    if !source.text.contains("{{") {
        return Ok(Rendered { source, missing: Vec::new() });
    }
    let mut functions = FUNCTIONS.to_vec();
    if with_numbers {
        functions.extend(NUMBERS);
    }
    let run = parse::parse(&source.text, &functions).and_then(|nodes| eval::run(&nodes, &source, &envs()));
    let output = run.map_err(|e| {
        let line = source.at(e.at);
        let colon = if e.text.contains(": executing \"frp\"") { ":" } else { ": " };
        SyntaxError::new(line, format!("template: frp:{}{colon}{}", unpack(line).1, e.text))
    })?;
    Ok(Rendered { source: Source::with_places(output.text, output.places), missing: output.missing })
}

#[cfg(test)]
mod tests;
