//! From the bytes of a file to its tree.
//!
//! Owns the order of frpc's steps: the old format is recognised in the text as it is, then the template is rendered, then
//! the format is found, then included files join. Does not know keys. Always true: every text goes the same way. Worst
//! case: the text, what its template makes of it, and the tree.

use super::finding::Severity::Warning;
use super::format::{self, Budget};
use super::include;
use super::scope::Report;
use super::source::{Place, Source, place};
use super::store;
use super::tree::{Entry, Node, SyntaxError, Value};

/// The tree of a configuration, and those parts of included files that are not used.
pub(super) fn trees(report: &mut Report, bytes: Vec<u8>) -> Result<(Vec<Entry>, Vec<Vec<Entry>>), SyntaxError> {
    let mut budget = Budget::new();
    if let Some(entries) = old::tree(&bytes, report, &mut budget) {
        return Ok((entries?, Vec::new()));
    }
    let path = report.file.clone();
    let mut entries = tree(&path, 0, bytes, report, &mut budget)?;
    let rests = include::join(&mut entries, report, |report, path, file| {
        let bytes = report.files.read(path).map_err(|text| SyntaxError::new(place(file, 0), text))?;
        tree(path, file, bytes, report, &mut budget)
    });
    store::join(&mut entries, report, &mut budget)?;
    Ok((entries, rests))
}

/// Makes a tree of one file.
fn tree(
    path: &str,
    file: usize,
    bytes: Vec<u8>,
    report: &mut Report,
    budget: &mut Budget,
) -> Result<Vec<Entry>, SyntaxError> {
    let (source, missing) = rendered(Source::new(text(bytes, file)?, file), true)?;
    let entries = format::parse(&source, path, report.loader.strictness, budget)?;
    for (line, name) in missing {
        let key = key_of(&entries, line).unwrap_or_default();
        report.lint("K12", Warning, line, &key, unset(&name));
    }
    Ok(entries)
}

fn unset(name: &str) -> String {
    format!("environment variable {name} is not set; \"<no value>\" was inserted here")
}

/// The key of a text of this line into which a template wrote no value.
fn key_of(entries: &[Entry], line: Place) -> Option<String> {
    entries.iter().find_map(|e| Some(format!("{}{}", e.key, key_in(&e.node, line)?)))
}

fn key_in(node: &Node, line: Place) -> Option<String> {
    match &node.value {
        Value::Text(text) => (node.line == line && text.contains("<no value>")).then(String::new),
        Value::List(list) => {
            list.iter().enumerate().find_map(|(n, node)| Some(format!("[{n}]{}", key_in(node, line)?)))
        }
        Value::Table(entries) => Some(format!(".{}", key_of(entries, line)?)),
        _ => None,
    }
}

fn text(bytes: Vec<u8>, file: usize) -> Result<String, SyntaxError> {
    String::from_utf8(bytes).map_err(|e| {
        let before = e.as_bytes().iter().take(e.utf8_error().valid_up_to());
        let line = before.filter(|b| **b == b'\n').count() + 1;
        SyntaxError::new(place(file, line), "not UTF-8 from here on: save the file as UTF-8")
    })
}

/// A text, and the variables it names that are not set.
type Rendered = (Source, Vec<(Place, String)>);

/// Renders the template that a text may be. frp's own functions are there `with_numbers`.
#[cfg(feature = "templates")]
fn rendered(source: Source, with_numbers: bool) -> Result<Rendered, SyntaxError> {
    let rendered = super::template::render(source, with_numbers)?;
    Ok((rendered.source, rendered.missing))
}

#[cfg(not(feature = "templates"))]
fn rendered(source: Source, _: bool) -> Result<Rendered, SyntaxError> {
    match source.text.find("{{") {
        None => Ok((source, Vec::new())),
        Some(at) => {
            let text = "this redial is built without \"templates\" ({{ … }}): write the value itself";
            Err(SyntaxError::new(source.at(at), text))
        }
    }
}

/// The old format.
#[cfg(feature = "ini")]
mod old {
    use super::{Budget, Entry, Place, Report, Source, SyntaxError, Warning, place, rendered, unset};
    use crate::config::{include, legacy};

    /// The tree of a text that frpc takes for INI.
    pub(super) fn tree(
        bytes: &[u8],
        report: &mut Report,
        budget: &mut Budget,
    ) -> Option<Result<Vec<Entry>, SyntaxError>> {
        let source = source(bytes, 0);
        legacy::is_legacy(&source).then(|| convert(source, report, budget))
    }

    /// Texts in old encodings are taken, as long as what is not UTF-8 is a comment or does not matter.
    fn source(bytes: &[u8], file: usize) -> Source {
        Source::new(String::from_utf8_lossy(bytes).into_owned(), file)
    }

    fn convert(source: Source, report: &mut Report, budget: &mut Budget) -> Result<Vec<Entry>, SyntaxError> {
        if report.file.ends_with(".toml") {
            let text = "a [common] section makes this file be read as legacy INI";
            report.lint("K9", Warning, place(0, 1), "", text.to_owned());
        }
        let main = filled(source, report)?;
        let (mut text, mut places) = (String::new(), Vec::new());
        append(&main, &mut text, &mut places);
        for (index, (pattern, line)) in legacy::includes(&main)?.into_iter().enumerate() {
            for path in include::named(report, &pattern, index, line) {
                report.included.push(path.clone());
                let file = report.included.len();
                let bytes = report.files.read(&path).map_err(|text| SyntaxError::new(place(file, 0), text))?;
                append(&filled(self::source(&bytes, file), report)?, &mut text, &mut places);
            }
        }
        legacy::convert(&main, &Source::with_places(text, places), report, budget)
    }

    fn filled(source: Source, report: &mut Report) -> Result<Source, SyntaxError> {
        let (source, missing) = rendered(source, false)?;
        for (line, name) in missing {
            report.lint("K12", Warning, line, "", unset(&name));
        }
        Ok(source)
    }

    fn append(source: &Source, text: &mut String, places: &mut Vec<Place>) {
        let lines = source.text.matches('\n').count() + 1;
        places.extend((0..lines).map(|line| source.at_line(line)));
        text.push_str(&source.text);
        text.push('\n');
    }
}

#[cfg(not(feature = "ini"))]
mod old {
    use super::{Budget, Entry, Report, SyntaxError, place};

    pub(super) fn tree(bytes: &[u8], _: &mut Report, _: &mut Budget) -> Option<Result<Vec<Entry>, SyntaxError>> {
        let at = bytes.split(|b| *b == b'\n').position(|line| line.trim_ascii() == b"[common]")?;
        let text = "this redial is built without \"ini\", frpc's old format: convert the file to TOML";
        Some(Err(SyntaxError::new(place(0, at + 1), text)))
    }
}
