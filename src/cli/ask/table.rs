//! The tables of `status`.
//!
//! Owns the reading of the admin server's JSON and the layout. Does not ask. Always true: the layout is frpc's, to the last
//! space. Worst case: a few times the answer.

use core::fmt::Write;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The order of the types.
const TYPES: [&str; 8] = ["tcp", "udp", "tcpmux", "http", "https", "stcp", "sudp", "xtcp"];
const COLUMNS: [&str; 6] = ["Name", "Status", "LocalAddr", "Plugin", "RemoteAddr", "Error"];

#[derive(Deserialize)]
struct Row {
    name: Option<String>,
    status: Option<String>,
    err: Option<String>,
    local_addr: Option<String>,
    plugin: Option<String>,
    remote_addr: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "Msg")]
    text: String,
}

/// What an error's body says.
pub(super) fn message(body: &[u8]) -> Option<String> {
    let problem: Problem = serde_json::from_slice(body).ok()?;
    Some(problem.text).filter(|text| !text.is_empty())
}

/// What is printed of the answer; `None` if it is not understood.
pub(super) fn render(body: &[u8]) -> Option<String> {
    let all: Option<BTreeMap<String, Option<Vec<Row>>>> = serde_json::from_slice(body).ok()?;
    let mut all = all.unwrap_or_default();
    let mut out = "Proxy Status...\n\n".to_owned();
    for kind in TYPES {
        let rows = all.remove(kind).flatten().unwrap_or_default();
        let mut rows: Vec<_> = rows.into_iter().map(Row::cells).collect();
        if !rows.is_empty() {
            rows.sort();
            rows.insert(0, COLUMNS.map(str::to_owned));
            let _ = writeln!(out, "{}", kind.to_uppercase());
            lay_out(&mut out, &rows);
        }
    }
    Some(out)
}

impl Row {
    fn cells(self) -> [String; 6] {
        [self.name, self.status, self.local_addr, self.plugin, self.remote_addr, self.err]
            .map(Option::unwrap_or_default)
    }
}

fn lay_out(out: &mut String, rows: &[[String; 6]]) {
    let mut widths = [0; 6];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        for (width, cell) in widths.iter().zip(row) {
            let _ = write!(out, "{cell:0$}", width + 2);
        }
        out.push('\n');
    }
    out.push('\n');
}
