//! The verdicts that differ on purpose.
//!
//! Owns `differences.txt`: a row is `who refuses | a part of the refusal | a part of the file | why`. Always true: a row
//! explains only what it names, and rows that explain nothing are found.

use super::cases::Case;
use super::programs::Verdict;

struct Row {
    line: &'static str,
    /// Who refuses: redial, or frpc.
    by_redial: bool,
    said: &'static str,
    part: &'static str,
    used: bool,
}

pub(crate) struct Differences(Vec<Row>);

impl Differences {
    pub(crate) fn read() -> Self {
        let rows = include_str!("differences.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(rows.map(row).collect())
    }

    /// Whether a row is about this one.
    pub(crate) fn explain(&mut self, case: &Case, ours: &Verdict, frpcs: &Verdict) -> bool {
        let (by_redial, refusal) = if ours.good { (false, frpcs) } else { (true, ours) };
        let text = String::from_utf8_lossy(&case.bytes);
        let fits = |row: &&mut Row| {
            row.by_redial == by_redial
                && refusal.text.contains(row.said)
                && (text.contains(row.part) || case.ext == row.part)
        };
        let found = self.0.iter_mut().find(fits);
        found.map(|row| row.used = true).is_some()
    }

    pub(crate) fn unused(&self) -> Vec<&str> {
        self.0.iter().filter(|row| !row.used).map(|row| row.line).collect()
    }
}

fn row(line: &'static str) -> Row {
    let fields: Vec<&str> = line.split(" | ").map(str::trim).collect();
    let [who, said, part, why] = fields[..] else { panic!("differences.txt: four fields in: {line}") };
    assert!(["redial", "frpc"].contains(&who) && !said.is_empty() && !why.is_empty(), "differences.txt: {line}");
    Row { line, by_redial: who == "redial", said, part, used: false }
}
