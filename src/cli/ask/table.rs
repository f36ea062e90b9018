//! The tables of `status`.
//!
//! Owns the reading of the admin server's JSON and the layout. Does not ask. Always true: the layout is frpc's, to the last
//! space. Worst case: a few times the answer.

use core::fmt::Write;
use serde_json::Value;

/// The order of the types.
const TYPES: [&str; 8] = ["tcp", "udp", "tcpmux", "http", "https", "stcp", "sudp", "xtcp"];
const COLUMNS: [&str; 6] = ["Name", "Status", "LocalAddr", "Plugin", "RemoteAddr", "Error"];

/// The names of the cells, in their order.
const CELLS: [&str; 6] = ["name", "status", "local_addr", "plugin", "remote_addr", "err"];

/// What an error's body says.
pub(super) fn message(body: &[u8]) -> Option<String> {
    let problem: Value = serde_json::from_slice(body).ok()?;
    problem.get("Msg")?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// What is printed of the answer; `None` if it is not understood.
pub(super) fn render(body: &[u8]) -> Option<String> {
    let all: Value = serde_json::from_slice(body).ok()?;
    let none = Vec::new();
    let mut out = "Proxy Status...\n\n".to_owned();
    for kind in TYPES {
        let rows = match all.get(kind) {
            None | Some(Value::Null) => &none,
            Some(rows) => rows.as_array()?,
        };
        let mut rows: Vec<_> = rows.iter().map(cells).collect::<Option<_>>()?;
        if !rows.is_empty() {
            rows.sort();
            rows.insert(0, COLUMNS.map(str::to_owned));
            let _ = writeln!(out, "{}", kind.to_uppercase());
            lay_out(&mut out, &rows);
        }
    }
    (all.is_object() || all.is_null()).then_some(out)
}

/// A row; what is missing or `null` is empty.
fn cells(row: &Value) -> Option<[String; 6]> {
    let mut out = <[String; 6]>::default();
    for (cell, name) in out.iter_mut().zip(CELLS) {
        match row.as_object()?.get(name) {
            None | Some(Value::Null) => {}
            Some(text) => text.as_str()?.clone_into(cell),
        }
    }
    Some(out)
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
