//! From a path to a [`Config`].
//!
//! Owns the order of the steps and what is checked before parsing. Does not know keys. Always true: used at start only;
//! every refusal is a [`Finding`]. Worst case: one file's text and its entries.

use super::file::read_file;
use super::finding::Finding;
use super::scope::{Report, Scope};
use super::{Config, client, tree};

/// A configuration and the warnings about it.
#[derive(Debug)]
pub struct Loaded {
    /// What to do.
    pub config: Config,
    /// What is odd, in the order of the file.
    pub warnings: Vec<Finding>,
}

/// How keys that nobody knows are taken (`--strict_config`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// They are errors.
    #[default]
    Strict,
    /// They are passed over.
    Lax,
}

/// What a configuration is read for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To run: what frpc has and this build has not is an error, so that no file half works.
    #[default]
    Run,
    /// To say whether frpc would take it: what this build has not is a warning. Token sources are not read.
    Verify,
}

/// How a configuration is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loader {
    /// Of unknown keys.
    pub strictness: Strictness,
    /// Why it is read.
    pub purpose: Purpose,
    /// `--allow-unsafe=TokenSourceExec`: tokens may come from commands.
    pub allow_exec: bool,
}

impl Loader {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Everything that is wrong with it, warnings included, in the order of the file.
    pub fn load(&self, path: &str) -> Result<Loaded, Vec<Finding>> {
        let fail = |line, text: String| {
            let mut report = Report::new(path, *self);
            report.error(line, "", text);
            Err(report.findings)
        };
        let bytes = match read_file(path) {
            Ok(bytes) => bytes,
            Err(text) => return fail(0, text),
        };
        if bytes.starts_with(b"\xef\xbb\xbf") {
            return fail(1, "the file starts with a byte order mark (BOM): save it as UTF-8 without one".to_owned());
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.parse(path, &text),
            Err(e) => {
                let before = e.as_bytes().iter().take(e.utf8_error().valid_up_to());
                let line = before.filter(|b| **b == b'\n').count() + 1;
                let text = "not UTF-8 from here on: save the file as UTF-8".to_owned();
                fail(u32::try_from(line).unwrap_or(u32::MAX), text)
            }
        }
    }

    /// Checks the text of a file; `file` is its name in messages. Reads the files it names.
    ///
    /// # Errors
    /// As [`Loader::load`].
    pub fn parse(&self, file: &str, text: &str) -> Result<Loaded, Vec<Finding>> {
        resolve(Report::new(file, *self), text)
    }
}

/// Reads a file strictly, to run it.
///
/// # Errors
/// As [`Loader::load`].
pub fn load(path: &str) -> Result<Loaded, Vec<Finding>> {
    Loader::default().load(path)
}

/// Checks a text strictly, to run it.
///
/// # Errors
/// As [`Loader::load`].
pub fn parse(file: &str, text: &str) -> Result<Loaded, Vec<Finding>> {
    Loader::default().parse(file, text)
}

fn resolve(mut report: Report, text: &str) -> Result<Loaded, Vec<Finding>> {
    if let Some((line, what)) = foreign(text) {
        report.error(line, "", what);
        return Err(report.findings);
    }
    let entries = match tree::parse_toml(text) {
        Ok(entries) => entries,
        Err(e) => {
            report.error(e.line, "", format!("toml: {}", e.text));
            return Err(report.findings);
        }
    };
    let config = client::resolve(Scope::new(entries, String::new(), 0, &mut report));
    report.findings.sort_by_key(|f| f.line);
    match config {
        Some(config) if !report.failed() => Ok(Loaded { config, warnings: report.findings }),
        _ => Err(report.findings),
    }
}

/// Recognises forms of frpc's configuration that are not TOML or not plain.
fn foreign(text: &str) -> Option<(u32, &'static str)> {
    let numbered = || text.lines().map(str::trim).zip(1u32..).filter(|(line, _)| !line.starts_with(['#', ';']));
    if let Some((_, line)) = numbered().find(|(line, _)| *line == "[common]") {
        return Some((line, "this is frpc's old INI format, which is not supported yet: convert it to TOML"));
    }
    if let Some((_, line)) = numbered().find(|(line, _)| line.contains("{{")) {
        return Some((line, "templates ({{ … }}) are not supported yet: write the value itself"));
    }
    text.trim_start().starts_with('{').then_some((1, "JSON is not supported yet: convert it to TOML"))
}
