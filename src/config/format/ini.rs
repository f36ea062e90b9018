//! INI, as frpc's reader has it.
//!
//! Owns the syntax: sections, keys, quotes, continued lines, references to other keys. Does not know what keys mean.
//! Always true: of a repeated key the last value counts, repeated sections are one. Worst case: the text once more.

use crate::config::source::{Place, Source};
use crate::config::tree::SyntaxError;
use std::collections::BTreeMap;

/// Name of the section that keys above the first one are in.
pub(in crate::config) const DEFAULT: &str = "DEFAULT";

/// Bytes that a value may have once references are followed.
const MAX_VALUE: usize = 64 * 1024;

/// References that are followed for one value.
const MAX_REFERENCES: usize = 99;

/// A file.
#[derive(Debug, Default)]
pub(in crate::config) struct Ini {
    /// In the order of the file.
    pub(in crate::config) sections: Vec<Section>,
    numbers: BTreeMap<String, usize>,
}

/// A section.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Section {
    pub(in crate::config) name: String,
    pub(in crate::config) line: Place,
    /// Where it is once more.
    pub(in crate::config) again: Option<Place>,
    pub(in crate::config) keys: BTreeMap<String, Item>,
}

/// A value as it was written.
#[derive(Clone, Debug)]
pub(in crate::config) struct Item {
    pub(in crate::config) value: String,
    pub(in crate::config) line: Place,
}

impl Ini {
    /// The section of this name.
    pub(in crate::config) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.get(*self.numbers.get(name)?)
    }

    /// Adds a section, or finds it.
    pub(in crate::config) fn add(&mut self, name: &str, line: Place) -> Option<&mut Section> {
        let at = match self.numbers.get(name) {
            Some(at) => *at,
            None => {
                self.numbers.insert(name.to_owned(), self.sections.len());
                self.sections.push(Section { name: name.to_owned(), line, ..Section::default() });
                self.sections.len() - 1
            }
        };
        self.sections.get_mut(at)
    }

    /// A key of a section; where the section's name has dots, of those before them.
    pub(in crate::config) fn get<'i>(&'i self, section: &'i Section, key: &str) -> Option<&'i Item> {
        let mut name = section.name.as_str();
        let mut found = section.keys.get(key);
        while found.is_none() {
            (name, _) = name.rsplit_once('.')?;
            found = self.section(name).and_then(|s| s.keys.get(key));
        }
        found
    }

    /// A value with what its references stand for: `%(key)s`. `None` if that is too long.
    pub(in crate::config) fn resolved(&self, section: &Section, item: &Item) -> Option<String> {
        let mut value = item.value.clone();
        for _ in 0..MAX_REFERENCES {
            let Some((reference, key)) = reference(&value) else { break };
            let own = self.get(section, key).filter(|found| !core::ptr::eq(*found, item));
            let Some(other) = own.or_else(|| self.section(DEFAULT)?.keys.get(key)) else { break };
            value = value.replace(reference, &other.value);
            if value.len() > MAX_VALUE {
                return None;
            }
        }
        Some(value)
    }
}

/// The first reference in a value, and the key in it.
fn reference(value: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let open = from + value.get(from..)?.find("%(")?;
        let close = open + value.get(open..)?.find(')')?;
        let key = value.get(open + 2..close)?;
        if !key.is_empty() && value.get(close..)?.starts_with(")s") {
            return Some((value.get(open..close + 2)?, key));
        }
        from = open + 2;
    }
}

/// Parses a text. `bare` allows keys without a value; frpc does so only once it knows that this is INI.
pub(in crate::config) fn parse(source: &Source, bare: bool) -> Result<Ini, SyntaxError> {
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    let skipped = source.text.len() - text.len();
    let mut lines = Lines { text, at: 0 };
    let mut ini = Ini::default();
    let mut current = DEFAULT.to_owned();
    ini.add(DEFAULT, source.at_line(0));
    while let Some((at, line)) = lines.next() {
        let place = source.at(at + skipped);
        let line = line.trim_start();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let fail = |text: String| SyntaxError::new(place, format!("ini: {text}"));
        if let Some(rest) = line.strip_prefix('[') {
            let (name, _) = rest.rsplit_once(']').ok_or_else(|| fail(format!("unclosed section: {}", line.trim())))?;
            if name.is_empty() {
                return Err(fail("empty section name".to_owned()));
            }
            let known = ini.section(name).is_some();
            if let Some(section) = ini.add(name, place).filter(|_| known) {
                section.again.get_or_insert(place);
            }
            name.clone_into(&mut current);
            continue;
        }
        let (key, value) = match split(line).map_err(|e| fail(e.to_owned()))? {
            Some((key, rest)) => (key, read_value(rest, &mut lines).map_err(fail)?),
            None if bare => (read_value(line, &mut lines).map_err(fail)?, "true".to_owned()),
            None => return Err(fail(format!("key-value delimiter not found: {}", line.trim()))),
        };
        if let Some(section) = ini.add(&current, place) {
            section.keys.insert(key, Item { value, line: place });
        }
    }
    Ok(ini)
}

struct Lines<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lines<'t> {
    /// The next line with its end, and where it starts.
    fn next(&mut self) -> Option<(usize, &'t str)> {
        let line = self.text.get(self.at..)?.split_inclusive('\n').next()?;
        let at = self.at;
        self.at += line.len();
        Some((at, line))
    }
}

/// A line's key and what follows its delimiter; `None` if there is no delimiter.
fn split(line: &str) -> Result<Option<(String, &str)>, &'static str> {
    let quote = match line.as_bytes() {
        [b'"', b'"', b'"', ..] if line.len() > 6 => "\"\"\"",
        [b'"', ..] => "\"",
        [b'`', ..] => "`",
        _ => "",
    };
    if quote.is_empty() {
        return match line.split_once(['=', ':']) {
            None => Ok(None),
            Some(("", _)) => Err("empty key name"),
            Some((key, rest)) => Ok(Some((key.trim().to_owned(), rest))),
        };
    }
    let body = line.get(quote.len()..).unwrap_or_default();
    let (key, rest) = body.split_once(quote).ok_or("missing closing key quote")?;
    if key.trim().is_empty() {
        return Err("empty key name");
    }
    Ok(rest.split_once(['=', ':']).map(|(_, value)| (key.trim().to_owned(), value)))
}

/// The value that starts here; it may go on in the next lines.
fn read_value(text: &str, lines: &mut Lines<'_>) -> Result<String, String> {
    let text = text.trim_start();
    let quote = match text.as_bytes() {
        [b'"', b'"', b'"', _, ..] => "\"\"\"",
        [b'`', ..] => "`",
        _ => "",
    };
    if !quote.is_empty() {
        let body = text.get(quote.len()..).unwrap_or_default();
        if let Some((value, _)) = body.rsplit_once(quote) {
            return Ok(value.to_owned());
        }
        let mut value = body.to_owned();
        while let Some((_, line)) = lines.next() {
            if let Some((last, _)) = line.rsplit_once(quote) {
                return Ok(value + last);
            }
            value += line;
        }
        return Err(format!("missing closing key quote from {:?}", text.trim_end()));
    }
    let line = text.trim_end();
    if let Some(start) = line.strip_suffix('\\') {
        let mut value = start.to_owned();
        while let Some((_, next)) = lines.next() {
            let next = next.trim();
            match next.strip_suffix('\\') {
                Some(start) => value += start,
                None => return Ok(value + next),
            }
        }
        return Ok(value);
    }
    for quote in ['\'', '"'] {
        let inner = line.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner.filter(|inner| !inner.contains(quote)) {
            return Ok(inner.to_owned());
        }
    }
    Ok(line.to_owned())
}
