//! From a path to a [`Config`].
//!
//! Owns the order of the steps and what is checked before parsing. Does not know keys. Always true: used at start only;
//! every refusal is a [`Finding`]. Worst case: one file's text and its entries.

use super::file::Files;
use super::finding::Finding;
use super::scope::{Report, Scope};
use super::source::place;
use super::tree::{Entry, SyntaxError};
use super::trees::trees;
use super::{Config, WebServer, client, lint, web};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
        self.load_from(path, &mut Files::direct())
    }

    /// As [`Loader::load`], with all files, the main one too, from `files`.
    ///
    /// # Errors
    /// As [`Loader::load`].
    pub fn load_from(&self, path: &str, files: &mut Files) -> Result<Loaded, Vec<Finding>> {
        let mut report = Report::new(path, *self, core::mem::take(files));
        let bytes = report.files.read(path);
        let config = match bytes {
            Ok(bytes) => resolve(&mut report, bytes),
            Err(text) => {
                report.error(0, "", text);
                None
            }
        };
        *files = core::mem::take(&mut report.files);
        finish(config, report)
    }

    /// Reads where the admin server of a file is, for the commands that ask a running client. As in frpc, what is wrong
    /// with values elsewhere keeps nobody from stopping it; what cannot be decoded does.
    ///
    /// # Errors
    /// As [`Loader::load`].
    pub fn web_server(&self, path: &str) -> Result<Option<WebServer>, Vec<Finding>> {
        let mut report = Report::new(path, Self { purpose: Purpose::Verify, ..*self }, Files::direct());
        let bytes = report.files.read(path).map_err(|text| SyntaxError::new(place(0, 0), text));
        let entries = bytes.and_then(|bytes| trees(&mut report, bytes));
        let entries = match entries {
            Ok((entries, _)) => entries,
            Err(e) => {
                report.error(e.line, "", e.text);
                return Err(report.finish());
            }
        };
        decode(entries.clone(), &mut report);
        let mut top = Scope::new(entries, String::new(), 0, &mut report);
        let web = web::resolve(top.table("webServer"));
        if report.failed() { Err(report.finish()) } else { Ok(web) }
    }

    /// Checks the text of a file; `file` is its name in messages. Reads the files it names.
    ///
    /// # Errors
    /// As [`Loader::load`].
    pub fn parse(&self, file: &str, text: &str) -> Result<Loaded, Vec<Finding>> {
        let mut report = Report::new(file, *self, Files::direct());
        let config = resolve(&mut report, text.as_bytes().to_vec());
        finish(config, report)
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

pub(super) fn finish(config: Option<Config>, report: Report) -> Result<Loaded, Vec<Finding>> {
    let failed = report.failed();
    let findings = report.finish();
    match config {
        Some(config) if !failed => Ok(Loaded { config, warnings: findings }),
        _ => Err(findings),
    }
}

fn resolve(report: &mut Report, bytes: Vec<u8>) -> Option<Config> {
    let (entries, rests) = match trees(report, bytes) {
        Ok(trees) => trees,
        Err(e) => {
            report.error(e.line, "", e.text);
            return None;
        }
    };
    lint::run(&entries, report);
    let config = client::resolve(Scope::new(entries, String::new(), 0, report));
    for rest in rests {
        decode(rest, report);
    }
    config
}

/// Says what frpc could not decode. Nothing that the keys name is read.
fn decode(entries: Vec<Entry>, report: &mut Report) {
    let purpose = core::mem::replace(&mut report.loader.purpose, Purpose::Verify);
    report.decoded_only = true;
    let _ = client::resolve(Scope::new(entries, String::new(), 0, report));
    report.decoded_only = false;
    report.loader.purpose = purpose;
}
