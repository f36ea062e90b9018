//! `annotations`: their keys are Kubernetes' qualified names.
//!
//! Owns the rules for them. Does not know what they say. Always true: the rules are frpc's, which lowers the key first.
//! Worst case: the annotations.

use super::super::scope::Scope;
use crate::wire::msg::Map;

/// The size that all of a proxy's together may have.
const MAX_SIZE: usize = 256 * 1024;
const NAME: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                    alphanumeric character";
const SUBDOMAIN: &str = "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
                         '-' or '.', and must start and end with an alphanumeric character";

/// Reads and checks them.
pub(super) fn read(t: &mut Scope<'_>) -> Map {
    let (line, path) = (t.line_of("annotations").unwrap_or_else(|| t.line()), t.path("annotations"));
    let map = t.map("annotations");
    for key in map.keys() {
        for wrong in faults(&key.to_lowercase()) {
            t.report().invalid(line, &format!("{path}.{key}"), format!("annotation key {key} is invalid: {wrong}"));
        }
    }
    let size: usize = map.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > MAX_SIZE {
        t.report().invalid(line, &path, format!("annotations size {size} is larger than limit {MAX_SIZE}"));
    }
    map
}

/// What is wrong with a qualified name.
fn faults(key: &str) -> Vec<String> {
    let mut out = Vec::new();
    let name = match key.split_once('/') {
        None => key,
        Some((_, name)) if name.contains('/') => {
            return vec![format!("a qualified name {NAME}, with an optional DNS subdomain prefix and '/'")];
        }
        Some((prefix, name)) => {
            if prefix.is_empty() {
                out.push("prefix part must be non-empty".to_owned());
            } else {
                if prefix.len() > 253 {
                    out.push("prefix part must be no more than 253 characters".to_owned());
                }
                if !prefix.split('.').all(is_label) {
                    out.push(SUBDOMAIN.to_owned());
                }
            }
            name
        }
    };
    if name.is_empty() {
        out.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        out.push("name part must be no more than 63 characters".to_owned());
    }
    let inner = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
    if !ends_well(name) || !name.chars().all(inner) {
        out.push(format!("name part {NAME}"));
    }
    out
}

fn ends_well(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_label(label: &str) -> bool {
    ends_well(label) && label.chars().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase() || c == '-')
}
