//! The files that are kept: rows, and whole ones.
//!
//! A file of rows is read line by line:
//!
//! * `# …` and empty lines say nothing.
//! * `[FORMAT]`, `[FORMAT lax]`: what follows goes into files of this extension (`none`: without one); `lax` adds
//!   `--strict_config=false`.
//! * `@ …`: what follows is put where this has a `%`, up to the next `@` or `[`.
//! * `ok …`: a file that frpc takes. `no …`: one that it refuses; after ` » ` what both name when they do. `\n` is the end
//!   of a line, `\x{FF}` a byte.
//! * `ok ~ID …`, `no ~ID …`: redial says otherwise, and `differences` says why.
//! * `| …` after such a row: further lines as they are, but for `\x{FF}`.

use std::fs;
use std::path::Path;

/// One file to be verified.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Where it is from.
    pub(crate) origin: String,
    /// Its extension; empty: none.
    pub(crate) extension: String,
    pub(crate) lax: bool,
    pub(crate) text: Vec<u8>,
    /// Whether frpc takes it, if that was seen.
    pub(crate) accepted: Option<bool>,
    /// What a refusal names.
    pub(crate) subject: Option<String>,
    /// Why redial says otherwise.
    pub(crate) difference: Option<String>,
}

impl Case {
    /// What its name ends in.
    pub(crate) fn suffix(&self) -> String {
        if self.extension.is_empty() { String::new() } else { format!(".{}", self.extension) }
    }

    pub(crate) fn file_name(&self) -> String {
        format!("*{}", self.suffix())
    }
}

/// All rows, then the files of `tests/configs`.
pub(crate) fn all() -> Vec<Case> {
    let mut all = Vec::new();
    for (name, text) in texts("tests/verify/rows") {
        all.extend(read(&name, &text));
    }
    for folder in ["tests/configs", "tests/configs/examples"] {
        for (name, text) in texts(folder) {
            let (_, extension) = name.rsplit_once('.').unwrap();
            if extension == "expected" {
                continue;
            }
            all.push(Case {
                accepted: Some(!name.contains("broken")),
                extension: extension.to_owned(),
                text: text.into_bytes(),
                origin: name,
                lax: false,
                subject: None,
                difference: None,
            });
        }
    }
    all
}

/// The files of a folder in the order of their names.
fn texts(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let mut paths: Vec<_> = paths.collect();
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn read(file: &str, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let (mut extension, mut lax, mut around) = (String::new(), false, "%".to_owned());
    for (n, line) in text.lines().enumerate() {
        let at = format!("{file}:{}", n + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(rest) = line.strip_prefix("| ").or_else(|| (line == "|").then_some("")) {
            let case = cases.last_mut().unwrap_or_else(|| panic!("{at}: lines of no row"));
            case.text.extend(bytes(rest, false));
            case.text.push(b'\n');
        } else if let Some(wrap) = line.strip_prefix("@ ") {
            assert!(wrap.contains('%'), "{at}: no %");
            wrap.clone_into(&mut around);
        } else if let Some(head) = line.strip_prefix('[') {
            let mut words = head.strip_suffix(']').unwrap_or_else(|| panic!("{at}: no ]")).split(' ');
            extension = words.next().filter(|w| *w != "none").unwrap_or_default().to_owned();
            lax = words.next().is_some();
            "%".clone_into(&mut around);
        } else {
            let (verdict, rest) = line.split_once(' ').unwrap_or((line, ""));
            let accepted = match verdict {
                "ok" => true,
                "no" => false,
                _ => panic!("{at}: what is {verdict:?}?"),
            };
            let (difference, rest) = match rest.strip_prefix('~') {
                Some(rest) => rest.split_once(' ').map_or((Some(rest), ""), |(id, rest)| (Some(id), rest)),
                None => (None, rest),
            };
            let (body, subject) = match rest.split_once("» ") {
                Some((body, subject)) => (body.strip_suffix(' ').unwrap_or(body), Some(subject)),
                None => (rest, None),
            };
            let text = bytes(&around.replacen('%', body, 1), true);
            cases.push(Case {
                origin: at,
                extension: extension.clone(),
                lax,
                text,
                accepted: Some(accepted),
                subject: subject.map(str::to_owned),
                difference: difference.map(str::to_owned),
            });
        }
    }
    cases
}

/// The bytes that a row stands for.
fn bytes(text: &str, ends: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend(rest.as_bytes().iter().take(at));
        rest = rest.get(at..).unwrap();
        let byte = rest.strip_prefix("\\x{").and_then(|rest| rest.split_once('}'));
        if let Some((byte, after)) = byte {
            out.push(u8::from_str_radix(byte, 16).unwrap());
            rest = after;
        } else if let Some(after) = rest.strip_prefix("\\n").filter(|_| ends) {
            out.push(b'\n');
            rest = after;
        } else {
            out.push(b'\\');
            rest = rest.get(1..).unwrap();
        }
    }
    out.extend(rest.as_bytes());
    out
}

/// Rows of TOML in the other formats, texts in quotes; and rows that are lax, or in a file without an extension.
pub(crate) fn variants(rows: &[Case]) -> Vec<Case> {
    let mut out = Vec::new();
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.difference.is_none()) {
        let origin = |what: &str| format!("{} {what}", row.origin);
        let plain = |case: Case| Case { accepted: None, subject: None, difference: None, ..case };
        match at % 4 {
            0 => out.push(plain(Case { origin: origin("lax"), lax: !row.lax, ..row.clone() })),
            1 => out.push(plain(Case { origin: origin("without extension"), extension: String::new(), ..row.clone() })),
            _ => {
                let table = std::str::from_utf8(&row.text).ok().and_then(|text| text.parse::<toml::Table>().ok());
                // Not every number of TOML is one of JSON, and no date is.
                let value = table.filter(|_| row.extension == "toml").and_then(|t| serde_json::to_value(&t).ok());
                let Some(value) = value.filter(|value| !value.to_string().contains("toml_private")) else { continue };
                let (extension, text) = match at % 4 {
                    2 => ("json", serde_json::to_string_pretty(&value).unwrap()),
                    _ => ("yaml", block(&value, 0)),
                };
                let text = text.into_bytes();
                out.push(plain(Case {
                    origin: origin(extension),
                    extension: extension.to_owned(),
                    text,
                    ..row.clone()
                }));
            }
        }
    }
    out
}

/// YAML in block style.
fn block(value: &serde_json::Value, depth: usize) -> String {
    use serde_json::Value;
    let line = |start: String, value: &Value| format!("\n{}{start}{}", "  ".repeat(depth), block(value, depth + 1));
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().map(|(key, value)| line(format!("{}:", Value::from(key.as_str())), value)).collect()
        }
        Value::Array(list) if !list.is_empty() => list.iter().map(|value| line("-".to_owned(), value)).collect(),
        other => format!(" {other}"),
    }
}
