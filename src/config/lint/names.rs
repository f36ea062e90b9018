//! Names and keys (K).
//!
//! Owns these rules. Does not find unknown keys: who read their table does. Always true: what frpc refuses is not said
//! again. Worst case: one comparison for each name and each that `start` has.

use super::super::finding::Severity::Warning;
use super::super::source::Place;
use super::{Facts, Out, Rule};

pub(super) const RULES: &[Rule] =
    &[Rule { id: "K11", severity: Warning, check: start }, Rule { id: "K16", severity: Warning, check: gates }];

fn start(facts: &Facts<'_>, out: &mut Out<'_>) {
    let (all, left) = (facts.names.len(), facts.left_out);
    for (index, name) in facts.top.texts("start").into_iter().enumerate() {
        if !facts.names.contains(&name) {
            let text =
                format!("start names \"{name}\", which does not exist; {left} of {all} entries are disabled by start");
            let line: Place = facts.top.line("start");
            out.say(line, &format!("start[{index}]"), text);
        }
    }
}

fn gates(facts: &Facts<'_>, out: &mut Out<'_>) {
    for gate in facts.top.keys("featureGates").filter(|e| e.key != "VirtualNet" && facts.verify) {
        let text = format!("unknown feature gate \"{}\": frpc will refuse to start although verify passes", gate.key);
        out.say(gate.line, &format!("featureGates.{}", gate.key), text);
    }
}
