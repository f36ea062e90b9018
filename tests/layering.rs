//! Arrows point down, and each dependency is named in one place.
//!
//! Reads the sources as text: rules that no tool checks are wishes.

use std::fs;
use std::path::{Path, PathBuf};

/// Layers, highest first; `crate::X` may be named in the layers on the left.
const MAY_NAME: [(&str, &[&str]); 7] = [
    ("cli", &["cli", "admin", "client", "net", "config", "proto", "wire"]),
    ("admin", &["admin", "client", "net", "config", "proto", "wire"]),
    ("client", &["client", "net", "config", "proto", "wire"]),
    ("config", &["config", "proto", "wire"]),
    ("net", &["net", "proto"]),
    ("proto", &["proto", "wire"]),
    ("wire", &["wire"]),
];

/// Where a dependency may be named.
const HOMES: &[(&str, &[&str])] = &[
    ("libc", &["net/os/tcp"]),
    ("mio", &["net/os"]),
    ("socket2", &["net/os", "net/opts"]),
    ("rustix", &["net/os", "cli/fleet", "cli/notify", "cli/sink", "cli/state"]),
    ("signal_hook", &["net/os/signal", "cli/fleet"]),
    ("domain", &["net/dns/message"]),
    ("toml", &["config/format/from_toml"]),
    ("granit_parser", &["config/format/yaml"]),
    ("serde_json", &["proto/oauth", "wire/msg", "wire/packed", "config/format/json", "cli/ask", "cli/verify"]),
    ("serde", &["proto/oauth", "wire/msg", "cli/ask", "config/format/json"]),
    ("rustls", &["proto/tls"]),
    ("ring", &["proto/tls", "cli/selftest/speed"]),
    ("aes", &["proto/crypto"]),
    ("cfb_mode", &["proto/crypto"]),
    ("md5", &["proto/crypto"]),
    ("pbkdf2", &["proto/crypto"]),
    ("sha1", &["proto/crypto"]),
    ("snap", &["proto/snappy"]),
    ("crc32c", &["proto/snappy"]),
    ("tz", &["cli/clock"]),
    ("httparse", &["proto/http", "cli/ask"]),
    ("slab", &["admin", "client", "net/os"]),
];

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Path below `src` without extension, and the code without comments and tests.
fn modules() -> Vec<(String, String)> {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let text = |path: &Path| {
        let name = path.strip_prefix("src").expect("below src").with_extension("").to_str().expect("UTF-8").to_owned();
        let text = fs::read_to_string(path).expect("a source");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        (name, lines.collect::<Vec<_>>().join("\n"))
    };
    let all: Vec<_> = files.iter().map(|path| text(path)).filter(|(name, _)| !name.ends_with("tests")).collect();
    assert!(all.len() > 20, "the sources were not found");
    all
}

/// Whether `code` names the path root `name`, as in `name::` or `use name`.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + name.len()..];
        let root = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':' && c != '.');
        root && (after.starts_with("::") || (code[..at].ends_with("use ") && after.starts_with(';')))
    })
}

#[test]
fn arrows_point_down() {
    for (module, code) in modules() {
        let layer = module.split('/').next().unwrap_or_default();
        let Some((_, allowed)) = MAY_NAME.iter().find(|(name, _)| *name == layer) else {
            assert!(["lib", "main"].contains(&layer), "{module} is in no layer");
            continue;
        };
        for (other, _) in MAY_NAME {
            let named = code.contains(&format!("crate::{other}::")) || code.contains(&format!("crate::{{{other}"));
            assert!(!named || allowed.contains(&other), "{module} names {other}");
        }
    }
}

#[test]
fn the_net_layer_knows_only_time() {
    for (module, code) in modules().into_iter().filter(|(module, _)| module.starts_with("net")) {
        for part in code.split("crate::proto::").skip(1) {
            assert!(part.starts_with("time"), "{module} names proto::{}", &part[..part.len().min(20)]);
        }
    }
}

#[test]
fn each_dependency_has_one_home() {
    for (module, code) in modules() {
        for (name, homes) in HOMES {
            let at_home = homes.iter().any(|home| module == *home || module.starts_with(&format!("{home}/")));
            assert!(at_home || !names(&code, name), "{module} names {name}, whose home is {homes:?}");
        }
    }
}

#[test]
fn every_dependency_is_listed_here() {
    let manifest = fs::read_to_string("Cargo.toml").expect("the manifest");
    let section = manifest.split("[dependencies]").nth(1).and_then(|s| s.split("\n[").next()).expect("dependencies");
    let crates: Vec<&str> = section.lines().filter_map(|l| l.split_once(" = ")).map(|(name, _)| name.trim()).collect();
    for name in crates.into_iter().filter(|name| !name.starts_with('#') && *name != "log") {
        let name = match name {
            "md-5" => "md5".to_owned(),
            "tz-rs" => "tz".to_owned(),
            other => other.replace('-', "_"),
        };
        assert!(HOMES.iter().any(|(home, _)| *home == name), "{name} has no home in this test");
    }
}

#[test]
fn every_module_says_what_it_is() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let exempt = |path: &Path| {
        let tests = path.components().any(|c| c.as_os_str() == "tests") || path.ends_with("tests.rs");
        tests || ["testing.rs", "lib.rs", "main.rs"].iter().any(|name| path.ends_with(name))
    };
    for path in files.iter().filter(|path| !exempt(path)) {
        let text = fs::read_to_string(path).expect("a source");
        let doc: String = text
            .lines()
            .take_while(|l| l.starts_with("//!"))
            .map(|l| l.trim_start_matches("//! "))
            .collect::<Vec<_>>()
            .join(" ");
        for word in ["Owns", "Does not", "Always true", "Worst case"] {
            assert!(doc.contains(word), "{} does not open with \"{word}\"", path.display());
        }
    }
}

#[test]
fn files_are_short() {
    for (module, code) in modules() {
        let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= 500, "{module} has {lines} lines of code");
    }
}
