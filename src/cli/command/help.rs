//! What `--help` prints, and what follows a usage error.
//!
//! Owns the layout, which is cobra's. Does not know a command. Always true: everything comes from the table; hidden commands
//! are not told. Worst case: a few KiB of text.

use super::{Command, Flag, global_flags};
use core::fmt::Write;

/// What the program says about itself below its own help.
const SIGNALS: &str = "\
SIGHUP reads the configuration again, SIGUSR1 asks the server for a sign of life, SIGUSR2 writes the state to the log;
SIGTERM and SIGINT end the program.
";

/// The help of the command at `path`.
pub(in crate::cli) fn help(program: &str, path: &[&'static Command]) -> String {
    let Some(command) = path.last() else { return String::new() };
    let mut out = format!("{}\n\n", command.about);
    if !command.more.is_empty() {
        let _ = writeln!(out, "{}\n", told(program, command.more));
    }
    out += &usage(program, path);
    if path.len() == 1 {
        out += "\n";
        out += SIGNALS;
    }
    out
}

/// Text of the table, in which the program has no name yet.
pub(super) fn told(program: &str, text: &str) -> String {
    text.replace("PROGRAM", program)
}

/// The program and the words that lead to the command.
pub(super) fn line(program: &str, path: &[&'static Command]) -> String {
    let mut out = program.to_owned();
    for command in path.iter().skip(1) {
        let _ = write!(out, " {}", command.name);
    }
    out
}

/// The part that usage errors show, too.
pub(in crate::cli) fn usage(program: &str, path: &[&'static Command]) -> String {
    let Some(command) = path.last() else { return String::new() };
    let line = line(program, path);
    let mut out = "Usage:\n".to_owned();
    let flags = (command.act != super::Act::Group).then_some("[flags]");
    for operand in flags.into_iter().chain(Some(command.operands).filter(|text| !text.is_empty())) {
        let _ = writeln!(out, "  {line} {operand}");
    }
    let shown = || command.commands.iter().filter(|command| !command.hidden);
    if shown().next().is_some() {
        let _ = writeln!(out, "  {line} [command]\n\nAvailable Commands:");
        let width = shown().map(|command| command.name.len()).max().unwrap_or(0).max(11);
        for command in shown() {
            let _ = writeln!(out, "  {:width$} {}", command.name, command.about);
        }
    }
    section(&mut out, "Flags:", &command.local_flags());
    section(&mut out, "Global Flags:", &global_flags(path));
    if shown().next().is_some() {
        let _ = writeln!(out, "\nUse \"{line} [command] --help\" for more information about a command.");
    }
    out
}

fn section(out: &mut String, title: &str, flags: &[&'static Flag]) {
    if flags.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}");
    let width = flags.iter().map(|flag| left(flag).len()).max().unwrap_or(0);
    for flag in flags {
        let _ = writeln!(out, "{:width$}   {}", left(flag), flag.described());
    }
}

/// Names and the word for the value.
fn left(flag: &Flag) -> String {
    let short = flag.short.map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
    let value = flag.value_name();
    let space = if value.is_empty() { "" } else { " " };
    format!("  {short}--{}{space}{value}", flag.name)
}
