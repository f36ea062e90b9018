//! The figures, and the table made of them.
//!
//! Owns every single figure of a run. Does not judge: no figure is good or bad here. Always true: a ratio is the median of
//! the ratios of rounds in which both were measured. Worst case: a few thousand figures.

use std::fmt::Write;
use std::fs::File;
use std::io::Write as _;

use serde_json::json;

use crate::kinds::{Group, Kind, Mode, Who};
use crate::wait::{Context, Outcome};

/// One measured figure.
pub(crate) struct Figure {
    pub(crate) group: Group,
    /// Such as `dl8`.
    pub(crate) case: &'static str,
    /// What it is and its unit, such as `client CPU s/GB`.
    pub(crate) what: &'static str,
    pub(crate) kind: Kind,
    pub(crate) round: usize,
    pub(crate) value: f64,
    /// Share of the machine that other work took meanwhile, where it was looked at.
    pub(crate) others: Option<f64>,
}

/// Which figures a line of the table is about.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Row {
    group: Group,
    case: &'static str,
    what: &'static str,
    mode: Option<Mode>,
}

impl Row {
    fn name(&self) -> String {
        let mode = self.mode.map_or(String::new(), |mode| format!(" {}", mode.name()));
        format!("{} {}{mode}: {}", self.group.name(), self.case, self.what)
    }
}

#[derive(Default)]
pub(crate) struct Report {
    figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// Writes every figure, one object a line.
    pub(crate) fn write_json(&self, mut file: &File) -> Outcome {
        for figure in &self.figures {
            let line = json!({
                "group": figure.group.name(),
                "case": figure.case,
                "what": figure.what,
                "who": figure.kind.who.name(),
                "mode": figure.kind.mode.map(Mode::name),
                "round": figure.round,
                "value": figure.value,
                "others": figure.others,
            });
            writeln!(file, "{line}").context("writing the figures")?;
        }
        Ok(())
    }

    /// One line for each figure of the clients, with the floors of the same case beside it.
    pub(crate) fn table(&self) -> String {
        let mut rows: Vec<Row> = Vec::new();
        for Figure { group, case, what, kind, .. } in &self.figures {
            let row = Row { group: *group, case, what, mode: kind.mode };
            if Who::CLIENTS.contains(&kind.who) && !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows.sort_by_key(|row| Group::ALL.iter().position(|group| *group == row.group)); // stable
        let width = rows.iter().map(|row| row.name().len()).max().unwrap_or_default();
        let head = ["redial", "frpc", "ratio", "copy2", "splice2", "/copy2", "others"].map(str::to_owned);
        let mut table = line("", width, &head);
        for row in rows {
            table += &line(&row.name(), width, &self.cells(row));
        }
        table
    }

    fn cells(&self, row: Row) -> [String; 7] {
        let floor = Row { mode: None, ..row };
        let redial = self.values(row, Who::Redial);
        let frpc = self.values(row, Who::Frpc);
        let copy = self.values(floor, Who::Copy2);
        let splice = self.values(floor, Who::Splice2);
        let others = self.of(row, None).filter_map(|figure| figure.others).collect();
        [
            shown(median(redial.iter().map(|(_, value)| *value).collect()), number),
            shown(median(frpc.iter().map(|(_, value)| *value).collect()), number),
            shown(ratio(&redial, &frpc), |ratio| format!("{ratio:.2}")),
            shown(median(copy.iter().map(|(_, value)| *value).collect()), number),
            shown(median(splice.iter().map(|(_, value)| *value).collect()), number),
            shown(ratio(&redial, &copy), |ratio| format!("{ratio:.2}")),
            shown(median(others), |share| format!("{:.0} %", share * 100.0)),
        ]
    }

    fn of(&self, row: Row, who: Option<Who>) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(move |figure| {
            let its = Row { group: figure.group, case: figure.case, what: figure.what, mode: figure.kind.mode };
            its == row && who.is_none_or(|who| figure.kind.who == who)
        })
    }

    /// Round and value.
    fn values(&self, row: Row, who: Who) -> Vec<(usize, f64)> {
        self.of(row, Some(who)).map(|figure| (figure.round, figure.value)).collect()
    }

    /// Median and maximum of the shares that other work took.
    pub(crate) fn others(&self) -> Option<(f64, f64)> {
        let shares: Vec<f64> = self.figures.iter().filter_map(|figure| figure.others).collect();
        let most = shares.iter().copied().fold(0.0, f64::max);
        median(shares).map(|median| (median, most))
    }
}

/// Median of the ratios of the same round.
fn ratio(these: &[(usize, f64)], those: &[(usize, f64)]) -> Option<f64> {
    let of_round = |round: usize| those.iter().find(|(other, value)| *other == round && *value > 0.0);
    median(these.iter().filter_map(|(round, value)| Some(value / of_round(*round)?.1)).collect())
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (below, above) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*below, *above))
}

fn shown(value: Option<f64>, format: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), format)
}

/// Three significant digits, or all before the point.
fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    }
}

fn line(name: &str, width: usize, cells: &[String]) -> String {
    let mut line = format!("{name:<width$}");
    for cell in cells {
        let _ = write!(line, " {cell:>9}"); // a String never fails
    }
    line.push('\n');
    line
}
