//! Log lines of the client, by thread: each test sees its own.
//!
//! Owns the process's logger. Does not judge lines. Always true: lines of a test are those of its thread. Worst case:
//! the lines of one test.

use log::{LevelFilter, Log, Metadata, Record};
use std::cell::Cell;

struct Collector;

thread_local! {
    static LINES: Cell<Vec<String>> = const { Cell::new(Vec::new()) };
    static LEVEL: Cell<LevelFilter> = const { Cell::new(LevelFilter::Info) };
}

impl Log for Collector {
    fn enabled(&self, line: &Metadata<'_>) -> bool {
        line.level() <= LEVEL.get() && line.target().starts_with("redial")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let mut lines = LINES.take();
            lines.push(format!("{} {}", record.level(), record.args()));
            LINES.set(lines);
        }
    }

    fn flush(&self) {}
}

/// Starts to collect, if nobody has; forgets what this thread had.
pub(crate) fn collect() {
    if log::set_logger(&Collector).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
    LEVEL.set(LevelFilter::Info);
    LINES.take();
}

/// As [`collect`], debug lines too.
pub(crate) fn collect_debug() {
    collect();
    LEVEL.set(LevelFilter::Debug);
}

/// The lines since [`collect`] or the last call.
pub(crate) fn take() -> Vec<String> {
    LINES.take()
}
