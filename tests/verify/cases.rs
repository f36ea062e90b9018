//! The files.
//!
//! Owns how a row becomes a file, and which files there are. Always true: the same files in every run.

use super::mutate;
use std::fmt;
use std::fs;
use std::path::Path;

/// One file.
#[derive(Clone)]
pub(crate) struct Case {
    /// Where it is from.
    pub(crate) name: String,
    /// Of the file's name, with the dot; may be empty.
    pub(crate) ext: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) strict: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.bytes);
        let shown: String = text.chars().take(300).collect();
        let lax = if self.strict { "" } else { " (lax)" };
        write!(f, "{}{}{lax}: {}", self.name, self.ext, shown.escape_debug())
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut context = String::new();
    for (number, line) in
        include_str!("rows.txt").lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with("# "))
    {
        match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|name| is_context(name)) {
            Some(name) => name.clone_into(&mut context),
            None => cases.extend(row(&context, number + 1, &unescaped(line))),
        }
    }
    let rows = cases.clone();
    let examples = examples();
    // Lax, and without a name that says what it is: every fourth, each another.
    let variants = rows.iter().enumerate().filter_map(|(at, case)| match at % 4 {
        0 => Some(Case { strict: false, ..case.clone() }),
        1 if case.ext != ".ini" => Some(Case { ext: "", ..case.clone() }),
        _ => None,
    });
    cases.extend(variants);
    cases.extend(mutate::all(&examples, &rows));
    cases.extend(examples);
    cases
}

/// What `tests/configs` holds.
fn examples() -> Vec<Case> {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs");
    let files = |dir: &Path| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let mut paths = files(&configs);
    paths.extend(files(&configs.join("examples")));
    paths.sort();
    let ext = |path: &Path| {
        let ext = path.extension()?.to_str()?;
        ["toml", "yaml", "json", "ini"].iter().position(|known| *known == ext).map(|at| EXTENSIONS[at])
    };
    let case = |path: &Path| {
        let name = path.file_stem()?.to_str()?.to_owned();
        Some(Case { name, ext: ext(path)?, bytes: fs::read(path).unwrap(), strict: true })
    };
    paths.iter().filter_map(|path| case(path)).collect()
}

const EXTENSIONS: [&str; 4] = [".toml", ".yaml", ".json", ".ini"];

/// A header of `rows.txt`; others are lines of a file.
fn is_context(name: &str) -> bool {
    let words = ["top", "proxy", "plugin", "visitor", "toml", "yaml", "json", "ini", "template"];
    words.contains(&name.split(' ').next().unwrap_or_default()) && !name.contains('.')
}

fn row(context: &str, number: usize, line: &[u8]) -> Vec<Case> {
    let (what, kind) = context.split_once(' ').unwrap_or((context, ""));
    let case = |ext, bytes| Case { name: format!("row {number}"), ext, bytes, strict: true };
    let kind = if kind.is_empty() { String::new() } else { format!("type = \"{kind}\"\n") };
    let text = || String::from_utf8(line.to_vec()).unwrap();
    let toml = match what {
        "top" => format!("{}\n", text()),
        "proxy" => format!("[[proxies]]\nname = \"a\"\n{kind}{}\n", text()),
        "visitor" => format!("[[visitors]]\nname = \"a\"\n{kind}{}\n", text()),
        "plugin" => {
            let domains = if kind.contains("https2") || kind.contains("tls2raw") {
                "type = \"https\"\ncustomDomains = [\"a\"]\n"
            } else {
                "type = \"tcp\"\n"
            };
            format!("[[proxies]]\nname = \"a\"\n{domains}[proxies.plugin]\n{kind}{}\n", text())
        }
        "toml" | "template" => return vec![case(".toml", line.to_vec())],
        "yaml" => return vec![case(".yaml", line.to_vec())],
        "json" => return vec![case(".json", line.to_vec())],
        "ini" => return vec![case(".ini", line.to_vec())],
        other => panic!("row {number}: no context {other}"),
    };
    let mut cases = vec![case(".toml", toml.clone().into_bytes())];
    // What is no TOML, or no number of JSON, has no other form.
    if let Ok(table) = toml.parse::<toml::Table>()
        && let Ok(value) = serde_json::to_value(&table)
    {
        let json = serde_json::to_vec_pretty(&value).unwrap();
        cases.push(case(".json", json));
        cases.push(case(".yaml", yaml(&value).into_bytes()));
    }
    cases
}

/// In block style, texts in quotes.
fn yaml(value: &serde_json::Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn block(value: &serde_json::Value, depth: usize, out: &mut String) {
    use serde_json::Value;
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                out.push_str(&format!("\n{}{}:", "  ".repeat(depth), Value::from(key.as_str())));
                block(value, depth + 1, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                out.push_str(&format!("\n{}-", "  ".repeat(depth)));
                block(value, depth + 1, out);
            }
        }
        other => out.push_str(&format!(" {other}")),
    }
}

/// `\n`, `\r`, `\t`, `\"`, `\\`, `\xHH`.
fn unescaped(line: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), line);
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        let (byte, len) = match after.as_bytes().first() {
            Some(b'n') => (b'\n', 1),
            Some(b'r') => (b'\r', 1),
            Some(b't') => (b'\t', 1),
            Some(b'"') => (b'"', 1),
            Some(b'\\') => (b'\\', 1),
            Some(b'x') => (u8::from_str_radix(&after[1..3], 16).unwrap(), 3),
            _ => panic!("rows.txt: what is \\{after}?"),
        };
        out.push(byte);
        rest = &after[len..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}
