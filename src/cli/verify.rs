//! `redial verify`: whether frpc would take a configuration, and what is odd in it.
//!
//! Owns the output, which is frpc's: warnings, then one line that says it is fine, or the errors. Does not know keys.
//! Always true: the exit status is frpc's; findings of redial's own do not change it. Worst case: the configuration.

use super::{print, say};
use crate::config::{Finding, Loaded, Loader, Purpose, Severity};
use std::io;
use std::process::ExitCode;

/// Reads a configuration and says what is to be said of it; with `json` as one object.
pub(super) fn run(config: &str, loader: Loader, json: bool) -> ExitCode {
    if config.is_empty() && !json {
        return print("frpc: the configuration file is not specified");
    }
    let (findings, ok) = match (Loader { purpose: Purpose::Verify, ..loader }).load(config) {
        Ok(Loaded { warnings, .. }) => (warnings, true),
        Err(findings) => (findings, false),
    };
    let text = if json { object(&findings, ok) } else { lines(config, &findings, ok) };
    say(io::stdout(), &text);
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn lines(config: &str, findings: &[Finding], ok: bool) -> String {
    let line = |finding: &Finding| match finding.severity {
        Severity::Error => format!("{}\n", super::line(finding)),
        Severity::Warning | Severity::Note => format!("WARNING: {finding}\n"),
    };
    let mut text: String = findings.iter().map(line).collect();
    if ok {
        text += &format!("frpc: the configuration file {config} syntax is ok");
    }
    text
}

fn object(findings: &[Finding], ok: bool) -> String {
    let finding = |f: &Finding| {
        let severity = match f.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        serde_json::json!({ "file": f.file, "line": f.line, "key": f.key, "id": f.id, "severity": severity, "text": f.text })
    };
    let findings: Vec<_> = findings.iter().map(finding).collect();
    serde_json::json!({ "ok": ok, "findings": findings }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        let finding = |severity, line, text: &str| Finding {
            severity,
            file: "a.toml".to_owned(),
            line,
            key: "user".to_owned(),
            id: "",
            text: text.to_owned(),
        };
        vec![finding(Severity::Note, 3, "odd"), finding(Severity::Error, 0, "\"wrong\"")]
    }

    #[test]
    fn the_lines_are_frpcs() {
        assert_eq!(lines("./frpc.toml", &[], true), "frpc: the configuration file ./frpc.toml syntax is ok");
        assert_eq!(lines("x", &findings(), false), "WARNING: a.toml:3: user: odd\na.toml: user: \"wrong\"\n");
    }

    #[test]
    fn json_is_one_object() {
        let text = object(&findings(), false);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["ok"], false);
        assert_eq!(value["findings"][0]["severity"], "note");
        assert_eq!(value["findings"][1]["text"], "\"wrong\"");
        assert!(!text.contains('\n'));
    }
}
