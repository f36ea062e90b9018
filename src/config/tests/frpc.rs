//! Real frpc beside us, where the variable `FRPC` names one: each row of a table gets its verdict, too.

use super::super::{Finding, Loaded, Loader, Purpose};
use std::process::Command;

/// What `redial verify` finds.
pub(super) fn verify(text: &str) -> (bool, Vec<Finding>) {
    let loader = Loader { purpose: Purpose::Verify, ..Loader::default() };
    match loader.parse("frpc.toml", text) {
        Ok(Loaded { warnings, .. }) => (true, warnings),
        Err(findings) => (false, findings),
    }
}

/// Each row: a file, and what frpc says about it; empty if it takes it. Ours must say the same among other things.
pub(super) fn agree<'a>(rows: impl IntoIterator<Item = (String, &'a str)>) {
    for (text, expected) in rows {
        let (good, findings) = verify(&text);
        assert_eq!(good, expected.is_empty(), "{text}\n{findings:?}");
        let told = findings.iter().any(|f| f.text.contains(expected));
        assert!(good || told, "{text}\nexpected {expected}\n{findings:?}");
        if let Some((good, said)) = ask(&text) {
            assert_eq!(good, expected.is_empty(), "frpc differs: {text}\n{said}");
            assert!(good || said.contains(expected), "frpc words it differently: {text}\n{said}");
        }
    }
}

/// frpc's verdict and words.
fn ask(text: &str) -> Option<(bool, String)> {
    let frpc = std::env::var_os("FRPC")?;
    let name = format!("redial-{}-{:?}.toml", std::process::id(), std::thread::current().id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, text).unwrap();
    let out = Command::new(frpc).arg("verify").arg("-c").arg(&path).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    Some((out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned()))
}
