//! Log lines in frpc's form.
//!
//! Owns the set-up of `log`. Does not write: that is [`super::sink`]. Always true: a line is
//! `YYYY-MM-DD HH:MM:SS.mmm [L] [module:line] message`, in local time. Worst case: one line.

use super::clock::Clock;
use super::sink::Sink;
use crate::config;
use core::fmt::Display;
use log::{Level, Record};
use std::io::{self, IsTerminal, Write};

/// Sends log lines to where the configuration says.
///
/// # Errors
/// The file cannot be opened; says what to print.
pub(super) fn start(log: &config::Log) -> Result<(), String> {
    let color = log.color && log.file.is_none() && io::stdout().is_terminal();
    let sink = match &log.file {
        None => Sink::stdout()?,
        Some(path) => Sink::file(path, log.max_days, Clock::new())?,
    };
    let clock = Clock::new();
    let mut builder = env_logger::Builder::new();
    builder.filter_level(log.level).target(env_logger::Target::Pipe(Box::new(sink)));
    builder.format(move |out, record| {
        let paint = if color { paint(record.level()) } else { "" };
        write(out, paint, &clock.now(), record)
    });
    builder.try_init().map_err(|e| e.to_string())
}

/// One line; as in frpc, the colour ends after it.
fn write(out: &mut impl Write, paint: &str, now: &impl Display, record: &Record<'_>) -> io::Result<()> {
    let module = record.module_path().unwrap_or_default().trim_start_matches("redial::").replace("::", "/");
    let (letter, line) = (letter(record.level()), record.line().unwrap_or_default());
    let off = if paint.is_empty() { "" } else { "\x1b[0m" };
    write!(out, "{paint}{now} [{letter}] [{module}:{line}] {}\n{off}", record.args())
}

fn letter(level: Level) -> char {
    match level {
        Level::Error => 'E',
        Level::Warn => 'W',
        Level::Info => 'I',
        Level::Debug => 'D',
        Level::Trace => 'T',
    }
}

/// frpc's colours.
fn paint(level: Level) -> &'static str {
    match level {
        Level::Error => "\x1b[1;31m",
        Level::Warn => "\x1b[1;33m",
        Level::Info => "\x1b[1;34m",
        Level::Debug => "\x1b[1;36m",
        Level::Trace => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_frpcs() {
        let line = |level, color: bool| {
            let mut out = Vec::new();
            let mut record = Record::builder();
            record.level(level).module_path(Some("redial::client::session")).line(Some(7));
            let paint = if color { paint(level) } else { "" };
            write(&mut out, paint, &"NOW", &record.args(format_args!("hello")).build()).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(line(Level::Warn, false), "NOW [W] [client/session:7] hello\n");
        assert_eq!(line(Level::Info, true), "\x1b[1;34mNOW [I] [client/session:7] hello\n\x1b[0m");
        assert_eq!(line(Level::Trace, true), "NOW [T] [client/session:7] hello\n", "no colour, nothing to end");
    }
}
