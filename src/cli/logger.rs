//! Log lines in frpc's form.
//!
//! Owns the one logger of the program and the form of a line. Does not write: that is [`super::sink`] and [`super::syslog`];
//! nor does it decide what is held back: that is [`super::repeat`]. Always true: a line is
//! `YYYY-MM-DD HH:MM:SS.mmm [L] [module:line] message`, in local time; what is held back is written before the program
//! ends. Worst case: two lines, and what its output holds.
//!
//! Why is it so?
//! * *Why colours on a terminal only, where frpc writes them into pipes, too?* Nobody wants them in a file or in the
//!   system's log, and what matches frpc's lines there matches ours.

use super::clock::{Clock, Local};
use super::repeat::{Held, Repeat};
use super::sink::Sink;
use super::syslog::{self, Syslog};
use crate::config;
use crate::proto::time::Instant;
use core::fmt::Write as _;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::io::{self, IsTerminal, Write as _};
#[expect(clippy::disallowed_types, reason = "`log` wants a logger that threads could share; there is one thread")]
use std::sync::Mutex;

#[expect(clippy::disallowed_types, reason = "`log` wants a logger that threads could share; there is one thread")]
struct Logger(Mutex<Option<Lines>>);

#[expect(clippy::disallowed_types, reason = "`log` wants a logger that threads could share; there is one thread")]
static LOGGER: Logger = Logger(Mutex::new(None));

/// Sends log lines to where the configuration says.
///
/// # Errors
/// The file cannot be opened; says what to print.
pub(super) fn start(log: &config::Log, extension: &config::Extension) -> Result<(), String> {
    let (out, why) = if extension.syslog {
        let (syslog, why) = Syslog::open(syslog::PLACE);
        (Out::Syslog(syslog), why)
    } else {
        let sink = match &log.file {
            None => Sink::stdout()?,
            Some(path) => Sink::file(path, log.max_days, extension.log_max_size, Clock::new())?,
        };
        (Out::Sink(Box::new(sink)), None)
    };
    let color = log.color && log.file.is_none() && !extension.syslog && io::stdout().is_terminal();
    let lines = Lines { out, clock: Clock::new(), color, repeat: Repeat::default(), now: Instant::ZERO };
    LOGGER.with(|slot| *slot = Some(lines));
    log::set_logger(&LOGGER).map_err(|e| e.to_string())?;
    set_level(log.level);
    if let Some(why) = why {
        super::print(&format!("WARNING: redial.syslog: {why}: log lines are lost until it is there"));
    }
    Ok(())
}

/// What is less important than this is not written from now on.
pub(super) fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

/// A log file that somebody moved or removed is opened anew at the next line.
pub(super) fn reopen() {
    LOGGER.with_lines(|lines| {
        if let Out::Sink(sink) = &mut lines.out {
            sink.reopen();
        }
    });
}

/// A turn of the loop: writes what was held back long enough. When the next one must be.
pub(super) fn turn(now: Instant) -> Option<Instant> {
    let mut deadline = None;
    LOGGER.with_lines(|lines| {
        lines.now = now;
        if lines.repeat.deadline().is_some_and(|due| now >= due) {
            lines.settle();
        }
        deadline = lines.repeat.deadline();
    });
    deadline
}

impl Logger {
    /// A log call out of a log call is not made; it would find nothing here.
    fn with(&self, act: impl FnOnce(&mut Option<Lines>)) {
        if let Ok(mut slot) = self.0.try_lock() {
            act(&mut slot);
        }
    }

    fn with_lines(&self, act: impl FnOnce(&mut Lines)) {
        self.with(|slot| {
            if let Some(lines) = slot {
                act(lines);
            }
        });
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.with_lines(|lines| lines.log(record));
        }
    }

    fn flush(&self) {
        self.with_lines(|lines| {
            lines.settle();
            if let Out::Sink(sink) = &mut lines.out {
                let _ = sink.flush();
            }
        });
    }
}

enum Out {
    Sink(Box<Sink>),
    Syslog(Syslog),
}

struct Lines {
    out: Out,
    clock: Clock,
    color: bool,
    repeat: Repeat,
    /// Of the loop's last turn.
    now: Instant,
}

impl Lines {
    fn log(&mut self, record: &Record<'_>) {
        let body = body(record);
        let now = self.clock.now();
        // The system's log has its own ways with repetitions, and shows each line's time itself.
        if let Out::Syslog(syslog) = &mut self.out {
            let body = body.split_once("] ").map_or(&*body, |(_, rest)| rest);
            syslog.log(record.level(), &now, body);
            return;
        }
        let line = self.painted(record.level(), &now, &body);
        let (before, write) = self.repeat.see(&body, &line, self.now);
        self.held(before);
        if write {
            self.write(&line);
        }
    }

    fn painted(&self, level: Level, now: &Local, body: &str) -> String {
        let paint = if self.color { paint(level) } else { "" };
        // As in frpc, the colour ends after the line.
        let off = if paint.is_empty() { "" } else { "\x1b[0m" };
        format!("{paint}{now} {body}\n{off}")
    }

    /// Writes what is held back.
    fn settle(&mut self) {
        let held = self.repeat.take(self.now);
        self.held(held);
    }

    fn held(&mut self, held: Option<Held>) {
        match held {
            None => {}
            Some(Held::Line(line)) => self.write(&line),
            Some(Held::Count(n)) => {
                let body = format!("[I] [cli/logger:{}] last message repeated {n} times", line!());
                let line = self.painted(Level::Info, &self.clock.now(), &body);
                self.write(&line);
            }
        }
    }

    fn write(&mut self, line: &str) {
        if let Out::Sink(sink) = &mut self.out {
            let _ = sink.write_all(line.as_bytes());
        }
    }
}

/// All of a line but the time.
fn body(record: &Record<'_>) -> String {
    let module = record.module_path().unwrap_or_default().trim_start_matches("redial::").replace("::", "/");
    let (letter, line) = (letter(record.level()), record.line().unwrap_or_default());
    let mut out = format!("[{letter}] [{module}:{line}] ");
    let _ = write!(out, "{}", record.args());
    out
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
    use crate::proto::time::millis;

    fn lines(path: &std::path::Path) -> Lines {
        let sink = Sink::file(path.to_str().unwrap(), None, None, Clock::new()).unwrap();
        Lines {
            out: Out::Sink(Box::new(sink)),
            clock: Clock::new(),
            color: false,
            repeat: Repeat::default(),
            now: Instant::ZERO,
        }
    }

    fn log(lines: &mut Lines, level: Level, text: &str) {
        let mut record = Record::builder();
        record.level(level).module_path(Some("redial::client::session")).line(Some(7));
        lines.log(&record.args(format_args!("{text}")).build());
    }

    #[test]
    fn a_line_is_frpcs() {
        let now = Local { date: (2026, 1, 2), time: (3, 4, 5), millis: 6 };
        let path = std::env::temp_dir().join(format!("redial-line-{}", std::process::id()));
        let mut lines = lines(&path);
        let mut record = Record::builder();
        record.module_path(Some("redial::client::session")).line(Some(7));
        let body = body(&record.level(Level::Warn).args(format_args!("hello")).build());
        let stamp = "2026-01-02 03:04:05.006";
        assert_eq!(lines.painted(Level::Warn, &now, &body), format!("{stamp} [W] [client/session:7] hello\n"));
        lines.color = true;
        let painted = format!("\x1b[1;33m{stamp} [W] [client/session:7] hello\n\x1b[0m");
        assert_eq!(lines.painted(Level::Warn, &now, &body), painted);
        assert_eq!(lines.painted(Level::Trace, &now, "x"), format!("{stamp} x\n"), "no colour, nothing to end");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn repetitions_are_counted_and_nothing_else_is_hidden() {
        let path = std::env::temp_dir().join(format!("redial-repeat-{}", std::process::id()));
        let mut lines = lines(&path);
        let seen = || {
            let text = std::fs::read_to_string(&path).unwrap();
            text.lines()
                .map(|line| line.split_once("] ").unwrap().1.rsplit("] ").next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        for _ in 0..1000 {
            log(&mut lines, Level::Info, "a");
        }
        // Another level is another line.
        (0..4).for_each(|_| log(&mut lines, Level::Warn, "a"));
        assert_eq!(seen(), ["a", "a", "a", "last message repeated 997 times", "a", "a", "a"]);
        lines.now = Instant::ZERO + millis(10);
        lines.settle();
        assert_eq!(seen().len(), 8);
        std::fs::remove_file(&path).unwrap();
    }
}
