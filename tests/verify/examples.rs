//! The examples that document frpc's configuration, and what is found in them.

use super::both;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/examples").join(name)
}

/// Whether it is taken, and the findings.
fn findings(name: &str) -> (bool, Vec<Value>) {
    let mut command = Command::new(both::redial());
    let out = command.args(["verify", "--json", "-c"]).arg(example(name)).env_clear().output().unwrap();
    let all: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{name}: {e}: {out:?}"));
    let good = all["ok"].as_bool().unwrap();
    assert_eq!(out.status.code(), Some(i32::from(!good)), "{name}: {out:?}");
    (good, all["findings"].as_array().unwrap().clone())
}

#[test]
fn the_examples_are_taken_and_their_smells_found() {
    // The ids that belong to the file itself; what the machine adds (who may read the file) is not looked at.
    let smells: [(&str, &[&str]); 7] = [
        ("01-minimal-tcp.toml", &[]),
        ("02-full.toml", &[]),
        ("03-range-501.toml", &["P2", "P3", "K12"]),
        ("04-legacy.ini", &["K10", "K15"]),
        ("05-basic.yaml", &[]),
        ("06-basic.json", &[]),
        ("07-stcp-visitor.toml", &[]),
    ];
    for (name, ids) in smells {
        let (good, findings) = findings(name);
        assert!(good, "{name}: {findings:?}");
        for id in ids {
            assert!(findings.iter().any(|finding| finding["id"] == *id), "{name} lacks {id}: {findings:?}");
        }
    }
}

#[test]
fn every_mistake_of_the_broken_one_is_told_in_one_pass() {
    let (good, findings) = findings("08-broken.toml");
    assert!(!good);
    let expected = std::fs::read_to_string(example("08-broken.expected")).unwrap();
    let mut rows = 0;
    for row in expected.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let fields: Vec<&str> = row.split('\t').collect();
        let [_, severity, line, key, text] = fields[..] else { panic!("{row}") };
        let line: u64 = line.parse().unwrap();
        let severity = if severity == "warn" { "warning" } else { severity };
        let found = findings.iter().find(|finding| {
            finding["key"] == key
                && finding["line"] == line
                && finding["text"].as_str().unwrap().to_lowercase().contains(&text.to_lowercase())
        });
        assert_eq!(found.map(|finding| &finding["severity"]), Some(&Value::from(severity)), "{row}: {findings:#?}");
        rows += 1;
    }
    assert_eq!(rows, 8);
    let errors = findings.iter().filter(|finding| finding["severity"] == "error").count();
    assert_eq!(errors, 7, "nothing is an error but what is expected to be");
}
