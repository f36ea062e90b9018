//! frpc's old INI format, turned into the tree of the newer ones.
//!
//! Owns what a section is, and the ranges. Does not know the newer keys but by [`table`]. Always true: what the old format
//! passes over in silence is warned about; a proxy that `start` leaves out is not looked at. Worst case:
//! [`super::format::MAX_VALUES`] values, those of ranges among them.

mod table;

use super::finding::Severity::{Note, Warning};
use super::format::Budget;
use super::format::ini::{self, Ini, Item, Section};
use super::numbers::{Numbers, integer};
use super::scope::Report;
use super::source::{Place, Source};
use super::tree::{Entry, Node, SyntaxError, Value};
use table::{COMMON, Kind, PLUGIN, PLUGINS, PROXIES, PROXY, Row, VISITOR, VISITORS};

/// Whether frpc takes a text, as it is before its template is rendered, for INI.
pub(super) fn is_legacy(source: &Source) -> bool {
    source.text.contains("[common]") && ini::parse(source, false).is_ok_and(|ini| ini.section("common").is_some())
}

/// The files that the main file, already rendered, includes; each with its place.
pub(super) fn includes(source: &Source) -> Result<Vec<(String, Place)>, SyntaxError> {
    let ini = ini::parse(source, true)?;
    let Some(common) = ini.section("common") else { return Ok(Vec::new()) };
    let Some(item) = ini.get(common, "includes") else { return Ok(Vec::new()) };
    let text = ini.resolved(common, item).unwrap_or_default();
    Ok(split(&text).into_iter().map(|pattern| (pattern, item.line)).collect())
}

/// Makes the tree; `main` has the keys of `[common]`, `all` has the sections of included files, too.
pub(super) fn convert(
    main: &Source,
    all: &Source,
    report: &mut Report,
    budget: &mut Budget,
) -> Result<Vec<Entry>, SyntaxError> {
    let ini = ini::parse(main, true)?;
    let lost = || SyntaxError::new(main.at_line(0), "invalid configuration file, not found [common] section");
    let common = ini.section("common").ok_or_else(lost)?;
    let text = "INI is deprecated upstream; the newer formats, TOML first, offer more options";
    report.lint("K15", Note, common.line, "", text.to_owned());
    let mut out = Tree { entries: Vec::new(), budget };
    Reader { ini: &ini, section: common, types: "" }.rows(COMMON, &mut out, report)?;
    let start = ini.get(common, "start").and_then(|item| ini.resolved(common, item)).unwrap_or_default();
    let start = split(&start);
    let mut ini = ini::parse(all, true)?;
    expand(&mut ini, out.budget)?;
    let (mut proxies, mut visitors) = (Vec::new(), Vec::new());
    for section in &ini.sections {
        let name = section.name.as_str();
        let is_other = name == ini::DEFAULT || name == "common" || name.starts_with("range:");
        if is_other || (!start.is_empty() && !start.iter().any(|known| known == name)) {
            continue;
        }
        if let Some(line) = section.again {
            let text = format!("section [{name}] appears twice and is merged; proxy names must be unique");
            report.lint("K8", Warning, line, name, text);
        }
        let role = ini.get(section, "role").and_then(|item| ini.resolved(section, item)).unwrap_or_default();
        let entry = match role.as_str() {
            "" | "server" => proxy(&ini, section, out.budget, report).map(|node| proxies.push(node)),
            "visitor" => visitor(&ini, section, out.budget, report).map(|node| visitors.push(node)),
            _ => Err(SyntaxError::new(section.line, format!("proxy {name} role should be 'server' or 'visitor'"))),
        };
        entry?;
    }
    for (key, list) in [("proxies", proxies), ("visitors", visitors)] {
        let line = list.first().map_or(0, |node| node.line);
        if !list.is_empty() {
            out.entries.push(Entry { key: key.to_owned(), line, node: Node { value: Value::List(list), line } });
        }
    }
    Ok(out.entries)
}

/// Adds a section for each pair of ports of a range.
fn expand(ini: &mut Ini, budget: &mut Budget) -> Result<(), SyntaxError> {
    let ranges: Vec<Section> = ini.sections.iter().filter(|s| s.name.starts_with("range:")).cloned().collect();
    for range in ranges {
        let name = range.name.as_str();
        let fail =
            |text: &str| SyntaxError::new(range.line, format!("failed to render template for proxy {name}: {text}"));
        let ports = |key: &str| {
            let text = ini.get(&range, key).and_then(|item| ini.resolved(&range, item)).unwrap_or_default();
            if text.is_empty() { Err(fail("local_port or remote_port is empty")) } else { Ok(text) }
        };
        let (local, remote) = (ports("local_port")?, ports("remote_port")?);
        let numbers = |text: &str| Numbers::parse(text).map_err(|e| fail(&e));
        let (local, remote) = (numbers(&local)?, numbers(&remote)?);
        if local.len() != remote.len() {
            return Err(fail("local ports number should be same with remote ports number"));
        }
        let prefix = name.strip_prefix("range:").unwrap_or_default().trim();
        for (number, (local, remote)) in local.iter(0).zip(remote.iter(0)).enumerate() {
            let Some(section) = ini.add(&format!("{prefix}_{number}"), range.line) else { continue };
            for (key, item) in &range.keys {
                budget.take(range.line, 0)?;
                section.keys.insert(key.clone(), item.clone());
            }
            for (key, port) in [("local_port", local), ("remote_port", remote)] {
                let line = range.keys.get(key).map_or(range.line, |item| item.line);
                section.keys.insert(key.to_owned(), Item { value: port.to_string(), line });
            }
        }
    }
    Ok(())
}

fn proxy(ini: &Ini, section: &Section, budget: &mut Budget, report: &mut Report) -> Result<Node, SyntaxError> {
    let name = section.name.as_str();
    let given = ini.get(section, "type").and_then(|item| ini.resolved(section, item)).unwrap_or_default();
    if given.is_empty() {
        let text = "without \"type\" the proxy works as tcp; frpc's \"status\" does not show such proxies";
        report.lint("K10", Warning, section.line, name, text.to_owned());
    }
    let kind = if given.is_empty() { "tcp" } else { given.as_str() };
    if !PROXIES.contains(&kind) {
        let text = format!("failed to parse proxy {name}, err: invalid type [{kind}]");
        return Err(SyntaxError::new(section.line, text));
    }
    let mut out = Tree::of(name, kind, section.line, budget)?;
    Reader { ini, section, types: kind }.rows(PROXY, &mut out, report)?;
    let plugin = ini.get(section, "plugin").and_then(|item| Some((ini.resolved(section, item)?, item.line)));
    if let Some((plugin, line)) = plugin.filter(|(plugin, _)| !plugin.is_empty()) {
        if PLUGINS.contains(&plugin.as_str()) {
            out.put("plugin.type", Value::Text(plugin.clone()), line)?;
            Reader { ini, section, types: &plugin }.plugin(&mut out)?;
        } else {
            report.lacks(line, &format!("{name}.plugin"), format!("plugin {plugin} is not available in INI files"));
        }
    }
    Ok(out.into_node(section.line))
}

fn visitor(ini: &Ini, section: &Section, budget: &mut Budget, report: &mut Report) -> Result<Node, SyntaxError> {
    let name = section.name.as_str();
    let kind = ini.get(section, "type").and_then(|item| ini.resolved(section, item)).unwrap_or_default();
    if !VISITORS.contains(&kind.as_str()) {
        let why = if kind.is_empty() { "type shouldn't be empty".to_owned() } else { format!("type [{kind}] error") };
        return Err(SyntaxError::new(section.line, format!("failed to parse visitor {name}, err: {why}")));
    }
    let mut out = Tree::of(name, &kind, section.line, budget)?;
    Reader { ini, section, types: &kind }.rows(VISITOR, &mut out, report)?;
    Ok(out.into_node(section.line))
}

/// A tree that is being made.
struct Tree<'b> {
    entries: Vec<Entry>,
    budget: &'b mut Budget,
}

impl<'b> Tree<'b> {
    fn of(name: &str, kind: &str, line: Place, budget: &'b mut Budget) -> Result<Self, SyntaxError> {
        let mut tree = Self { entries: Vec::new(), budget };
        tree.put("name", Value::Text(name.to_owned()), line)?;
        tree.put("type", Value::Text(kind.to_owned()), line)?;
        Ok(tree)
    }

    fn into_node(self, line: Place) -> Node {
        Node { value: Value::Table(self.entries), line }
    }

    /// Sets the key with this path.
    fn put(&mut self, path: &str, value: Value, line: Place) -> Result<(), SyntaxError> {
        let (tables, key) = path.rsplit_once('.').unwrap_or(("", path));
        self.put_in(tables, key, value, line)
    }

    /// Sets a key in the table with this path; a list gets further items.
    fn put_in(&mut self, tables: &str, key: &str, value: Value, line: Place) -> Result<(), SyntaxError> {
        self.budget.take(line, 0)?;
        let mut entries = &mut self.entries;
        for name in tables.split('.').filter(|name| !name.is_empty()) {
            let at = entries.iter().position(|e| e.key == name).unwrap_or(entries.len());
            if at == entries.len() {
                let node = Node { value: Value::Table(Vec::new()), line };
                entries.push(Entry { key: name.to_owned(), line, node });
            }
            let Some(Entry { node: Node { value: Value::Table(inner), .. }, .. }) = entries.get_mut(at) else {
                return Ok(());
            };
            entries = inner;
        }
        match (entries.iter_mut().find(|e| e.key == key).map(|e| &mut e.node.value), value) {
            (Some(Value::List(list)), Value::List(more)) => list.extend(more),
            (_, value) => entries.push(Entry { key: key.to_owned(), line, node: Node { value, line } }),
        }
        Ok(())
    }
}

/// Reads one section.
struct Reader<'i> {
    ini: &'i Ini,
    section: &'i Section,
    /// The type of the proxy, or its plugin.
    types: &'i str,
}

impl Reader<'_> {
    fn has(&self, types: &str) -> bool {
        types.is_empty() || types.split(' ').any(|one| one == self.types)
    }

    fn rows(&self, rows: &[Row], out: &mut Tree<'_>, report: &mut Report) -> Result<(), SyntaxError> {
        let name = &self.section.name;
        for (key, path, kind, types) in rows.iter().filter(|row| self.has(row.3)).copied() {
            let _ = types;
            if kind == Kind::Prefix {
                self.prefixed(key, path, out)?;
                continue;
            }
            let Some(item) = self.ini.get(self.section, key) else { continue };
            let long = || SyntaxError::new(item.line, format!("ini: the value of {key} is too long"));
            let text = self.ini.resolved(self.section, item).ok_or_else(long)?;
            let mut odd = |what: &str| {
                report.lint(
                    "K7",
                    Warning,
                    item.line,
                    &format!("{name}.{key}"),
                    format!("\"{text}\" is no {what}: it is ignored"),
                );
            };
            let value = match kind {
                Kind::Text => (!text.is_empty()).then(|| Value::Text(text.clone())),
                Kind::Integer | Kind::Positive => match integer(&text) {
                    Some(n) if n <= 0 && kind == Kind::Positive => None,
                    Some(n) => Some(Value::Integer(n)),
                    None => {
                        odd("number");
                        None
                    }
                },
                Kind::Flag | Kind::Member(_) => match (flag(&text), kind) {
                    (None, _) => {
                        odd("boolean");
                        None
                    }
                    (Some(on), Kind::Member(member)) => on.then(|| list([member.to_owned()], item.line)),
                    (Some(on), _) => Some(Value::Flag(on)),
                },
                Kind::List => Some(split(&text)).filter(|l| !l.is_empty()).map(|l| list(l, item.line)),
                Kind::Prefix | Kind::Ignored => None,
            };
            if let Some(value) = value {
                out.put(path, value, item.line)?;
            }
        }
        for (key, item) in &self.section.keys {
            let known =
                |row: &Row| (row.0 == key || (row.2 == Kind::Prefix && key.starts_with(row.0))) && self.has(row.3);
            if !rows.iter().any(known) && !key.starts_with("plugin_") {
                report.lint(
                    "K7",
                    Warning,
                    item.line,
                    &format!("{name}.{key}"),
                    format!("\"{key}\" is ignored by the INI format"),
                );
            }
        }
        Ok(())
    }

    /// The keys of a plugin: only the section's own, as they were written.
    fn plugin(&self, out: &mut Tree<'_>) -> Result<(), SyntaxError> {
        for (key, path, kind, _) in PLUGIN.iter().filter(|row| self.has(row.3)).copied() {
            let path = format!("plugin.{path}");
            if kind == Kind::Prefix {
                self.prefixed(key, &path, out)?;
            } else if let Some(item) = self.section.keys.get(key).filter(|item| !item.value.is_empty()) {
                out.put(&path, Value::Text(item.value.clone()), item.line)?;
            }
        }
        Ok(())
    }

    fn prefixed(&self, prefix: &str, path: &str, out: &mut Tree<'_>) -> Result<(), SyntaxError> {
        for (key, item) in &self.section.keys {
            if let Some(key) = key.strip_prefix(prefix) {
                out.put_in(path, key, Value::Text(item.value.clone()), item.line)?;
            }
        }
        Ok(())
    }
}

fn list(items: impl IntoIterator<Item = String>, line: Place) -> Value {
    Value::List(items.into_iter().map(|text| Node { value: Value::Text(text), line }).collect())
}

/// Items between commas; a backslash before one keeps it.
fn split(text: &str) -> Vec<String> {
    let (mut items, mut item) = (Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',')) => item.push(c),
                Some(c) => item.extend(['\\', c]),
                None => {}
            },
            ',' => items.push(core::mem::take(&mut item).trim().to_owned()),
            c => item.push(c),
        }
    }
    if !item.is_empty() {
        items.push(item.trim().to_owned());
    }
    items
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" | "YES" | "yes" | "Yes" | "y" | "ON" | "on" | "On" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" | "NO" | "no" | "No" | "n" | "OFF" | "off" | "Off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
