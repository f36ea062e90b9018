//! `includes`: further files with proxies and visitors.
//!
//! Owns which files a pattern names, and how they join the tree. Does not parse them. Always true: files come in the
//! order of their names; what they include themselves is not read, so there are no loops. Worst case:
//! [`super::source::MAX_FILES`] paths.

use super::finding::Severity::{Note, Warning};
use super::scope::Report;
use super::source::{MAX_FILES, Place};
use super::tree::{Entry, Node, SyntaxError, Value};

/// The keys that count in an included file.
pub(super) const LISTS: [&str; 2] = ["proxies", "visitors"];

/// Adds what the files that `entries` includes hold. `read` makes a tree of a path and its number. Returns the other
/// keys of those files: frpc decodes them, but does not use them.
pub(super) fn join(
    entries: &mut Vec<Entry>,
    report: &mut Report,
    mut read: impl FnMut(&mut Report, &str, usize) -> Result<Vec<Entry>, SyntaxError>,
) -> Vec<Vec<Entry>> {
    let Some(Value::List(list)) = last(entries, "includes").map(|e| e.node.value.clone()) else { return Vec::new() };
    let mut rests = Vec::new();
    for (index, Node { value, line }) in list.into_iter().enumerate() {
        let Value::Text(pattern) = value else { continue };
        for path in named(report, &pattern, index, line) {
            report.included.push(path.clone());
            let file = report.included.len();
            let mut tree = match read(report, &path, file) {
                Ok(tree) => tree,
                Err(e) => {
                    let absolute = std::path::absolute(&path).unwrap_or_default();
                    let text = format!("load additional config from {} error: {}", absolute.display(), e.text);
                    report.error(e.line, "", text);
                    continue;
                }
            };
            for key in LISTS {
                move_list(&mut tree, entries, key);
            }
            rests.push(tree);
        }
    }
    rests
}

/// The files one pattern names.
pub(super) fn named(report: &mut Report, pattern: &str, index: usize, line: Place) -> Vec<String> {
    let key = format!("includes[{index}]");
    if !pattern.starts_with('/') {
        let text = format!("relative path \"{pattern}\" depends on the working directory, not on this file");
        report.lint("K13", Warning, line, &key, text);
    }
    let mut paths = match files(report, pattern) {
        Ok(paths) => paths,
        Err(text) => {
            report.error(line, &key, text);
            return Vec::new();
        }
    };
    if paths.is_empty() {
        report.lint("K14", Note, line, &key, format!("includes pattern \"{pattern}\" matches no file"));
    }
    let room = (MAX_FILES - 1).saturating_sub(report.included.len());
    if paths.len() > room {
        report.error(line, &key, format!("more than {} included files", MAX_FILES - 1));
        paths.truncate(room);
    }
    paths
}

/// Moves the items of a list from one tree to another.
fn move_list(from: &mut Vec<Entry>, to: &mut Vec<Entry>, key: &str) {
    while let Some(at) =
        from.iter().position(|e| e.key.eq_ignore_ascii_case(key) && matches!(e.node.value, Value::List(_)))
    {
        let entry = from.remove(at);
        let Value::List(more) = entry.node.value else { continue };
        match last(to, key).map(|e| &mut e.node.value) {
            Some(Value::List(items)) => items.extend(more),
            Some(Value::Null) | None => {
                let node = Node { value: Value::List(more), ..entry.node };
                to.push(Entry { key: key.to_owned(), line: entry.line, node });
            }
            // Not a list: that is reported when it is read.
            Some(_) => {}
        }
    }
}

fn last<'e>(entries: &'e mut [Entry], key: &str) -> Option<&'e mut Entry> {
    entries.iter_mut().rfind(|e| e.key.eq_ignore_ascii_case(key))
}

/// The files that a pattern names: its directory is meant as it is, its last part may hold `*`, `?` and `[…]`.
fn files(report: &mut Report, pattern: &str) -> Result<Vec<String>, String> {
    let (dir, base) =
        pattern.rsplit_once('/').map_or((".", pattern), |(dir, base)| (if dir.is_empty() { "/" } else { dir }, base));
    let absolute = || std::path::absolute(dir).map_or_else(|_| dir.to_owned(), |path| path.display().to_string());
    let mut names = report.files.list(dir).map_err(|text| match text.strip_suffix(": no such file or directory") {
        // frpc looks first.
        Some(_) => format!("stat {}: no such file or directory", absolute()),
        None => text,
    })?;
    let glob = Glob::new(base);
    names.retain(|name| glob.as_ref().is_some_and(|glob| glob.matches(name)));
    names.sort_unstable();
    names.truncate(MAX_FILES + 1);
    let before = pattern.get(..pattern.len() - base.len()).unwrap_or_default();
    Ok(names.into_iter().map(|name| format!("{before}{name}")).collect())
}

/// A pattern as of Go's `filepath.Match`, for one name.
#[derive(Debug)]
struct Glob(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Any,
    One(Set),
}

/// Which characters one position takes.
#[derive(Debug)]
struct Set {
    ranges: Vec<(char, char)>,
    negated: bool,
}

impl Set {
    fn has(&self, c: char) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != self.negated
    }
}

impl Glob {
    /// `None` if the pattern is malformed: it matches nothing then.
    fn new(pattern: &str) -> Option<Self> {
        let mut chars = pattern.chars().peekable();
        let mut pieces = Vec::new();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' => Piece::Any,
                '?' => Piece::One(Set { ranges: Vec::new(), negated: true }),
                '[' => {
                    let negated = chars.next_if_eq(&'^').is_some();
                    let mut ranges = Vec::new();
                    while ranges.is_empty() || chars.next_if_eq(&']').is_none() {
                        let mut end = || match chars.next()? {
                            '\\' => chars.next(),
                            '-' | ']' => None,
                            c => Some(c),
                        };
                        let low = end()?;
                        let high = if chars.next_if_eq(&'-').is_some() {
                            match chars.next()? {
                                '\\' => chars.next()?,
                                '-' | ']' => return None,
                                c => c,
                            }
                        } else {
                            low
                        };
                        ranges.push((low, high));
                    }
                    Piece::One(Set { ranges, negated })
                }
                c => {
                    let c = if c == '\\' { chars.next()? } else { c };
                    Piece::One(Set { ranges: vec![(c, c)], negated: false })
                }
            });
        }
        Some(Self(pieces))
    }

    fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut piece, mut at) = (0, 0);
        // Where to go on if what follows the last `*` does not fit: that `*` takes one character more.
        let mut back: Option<(usize, usize)> = None;
        loop {
            match (self.0.get(piece), name.get(at)) {
                (None, None) => return true,
                (Some(Piece::Any), _) => {
                    back = Some((piece + 1, at));
                    piece += 1;
                }
                (Some(Piece::One(set)), Some(c)) if set.has(*c) => {
                    piece += 1;
                    at += 1;
                }
                _ => {
                    let Some((after, from)) = back.filter(|(_, from)| *from < name.len()) else { return false };
                    back = Some((after, from + 1));
                    (piece, at) = (after, from + 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        let table = [
            ("*.toml", "a.toml yes, .toml yes, a.tom no, a.tomls no"),
            ("a?c", "abc yes, ac no, abbc no, aüc yes"),
            ("[a-c]*x", "ax yes, cyyx yes, dx no, ab no"),
            ("[^a]b", "ab no, cb yes"),
            ("a*b*c", "abc yes, aXbYc yes, aXbY no, abcbc yes"),
            ("\\*", "* yes, a no"),
            ("[]a]", "] no, a no"),
            ("[a", "a no, [a no"),
            ("[\\]]", "] yes"),
            ("*", "a yes"),
            ("", "a no"),
        ];
        for (pattern, cases) in table {
            for case in cases.split(", ") {
                let (name, fits) = case.split_once(' ').unwrap();
                let glob = Glob::new(pattern);
                assert_eq!(glob.is_some_and(|glob| glob.matches(name)), fits == "yes", "{pattern} {name}");
            }
        }
    }
}
