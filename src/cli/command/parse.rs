//! Reads the arguments.
//!
//! Owns frpc's rules of who is a command, a flag or a value. Does not act. Always true: first the command is found, then its
//! flags are read, wherever they stand, as cobra does it; what is not understood is an error in frpc's words. Worst case: the
//! arguments.

use super::flag::{Flag, Kind, Value};
use super::{Command, Invocation, Path, ROOT, all_flags};

/// Why a command line is refused.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) enum Refusal {
    /// There is no such command; with a hint.
    Command(String),
    /// A flag is wrong, of the command at this place.
    Flag(Vec<&'static str>, String),
}

/// Reads the arguments, the program's name not among them. `program` is for the error's text.
pub(in crate::cli) fn parse(program: &str, args: &[String]) -> Result<Invocation, Refusal> {
    let (path, rest) = find(args);
    let commands = names(&path);
    let root = path.len() == 1;
    if root && let Some(word) = words(&path, &rest).first() {
        return Err(Refusal::Command(unknown(program, word)));
    }
    let mut invocation = Invocation { path, operands: Vec::new(), values: Vec::new() };
    invocation.read(&rest).map_err(|text| Refusal::Flag(commands, text))?;
    Ok(invocation)
}

/// Names from the program down, the program's own left out.
pub(in crate::cli) fn names(path: &[&'static Command]) -> Vec<&'static str> {
    path.iter().skip(1).map(|command| command.name).collect()
}

/// The command, and the arguments without the words that named it.
fn find(args: &[String]) -> (Path, Vec<&String>) {
    let mut path = vec![&ROOT];
    let mut rest: Vec<&String> = args.iter().collect();
    while let Some(word) = words(&path, &rest).first().copied()
        && let Some(command) = path.last().and_then(|last| last.command(word))
    {
        // The same word may stand as a flag's value before: that one stays.
        let at = positions(&path, &rest).first().copied().unwrap_or(rest.len());
        if at < rest.len() {
            rest.remove(at);
        }
        path.push(command);
        // What follows is the shell's half-typed line, not ours.
        if command.act == super::Act::Complete {
            break;
        }
    }
    (path, rest)
}

/// The words among the arguments that are neither flags nor values.
fn words<'a>(path: &[&'static Command], args: &[&'a String]) -> Vec<&'a str> {
    positions(path, args).into_iter().filter_map(|at| args.get(at)).map(|word| word.as_str()).collect()
}

/// Where they are.
fn positions(path: &[&'static Command], args: &[&String]) -> Vec<usize> {
    let flags = all_flags(path);
    let alone = |flag: Option<&&'static Flag>| flag.is_some_and(|flag| flag.kind == Kind::Bool);
    let mut out = Vec::new();
    let mut args = args.iter().enumerate();
    while let Some((at, arg)) = args.next() {
        if *arg == "--" {
            break;
        }
        let takes_next = match arg.strip_prefix("--") {
            Some(name) => !name.contains('=') && !alone(flags.iter().find(|flag| flag.name == dashed(name))),
            None => match arg.strip_prefix('-') {
                Some(letters) => {
                    let mut chars = letters.chars();
                    let first = chars.next();
                    let only = chars.next().is_none() && first.is_some_and(|c| c != '=');
                    only && !alone(flags.iter().find(|flag| flag.short == first))
                }
                None => {
                    if !arg.is_empty() {
                        out.push(at);
                    }
                    false
                }
            },
        };
        if takes_next {
            args.next();
        }
    }
    out
}

fn dashed(name: &str) -> String {
    name.replace('_', "-")
}

impl Invocation {
    fn read(&mut self, args: &[&String]) -> Result<(), String> {
        if self.act() == super::Act::Complete {
            self.operands = args.iter().map(|arg| (*arg).clone()).collect();
            return Ok(());
        }
        let flags = all_flags(&self.path);
        let mut args = args.iter().map(|arg| arg.as_str());
        while let Some(arg) = args.next() {
            if arg == "--" {
                self.operands.extend(args.by_ref().map(str::to_owned));
            } else if let Some(long) = arg.strip_prefix("--") {
                self.long(long, &flags, &mut args)?;
            } else if let Some(letters) = arg.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                self.letters(letters, &flags, &mut args)?;
            } else {
                self.operands.push(arg.to_owned());
            }
        }
        Ok(())
    }

    fn long<'a>(
        &mut self,
        long: &str,
        flags: &[&'static Flag],
        args: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), String> {
        if long.starts_with(['-', '=']) {
            return Err(format!("bad flag syntax: --{long}"));
        }
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        let dashed = dashed(name);
        let flag = flags.iter().find(|flag| flag.name == dashed).ok_or_else(|| format!("unknown flag: --{name}"))?;
        let value = match value {
            Some(value) => value,
            None if flag.kind == Kind::Bool => "true",
            None => args.next().ok_or_else(|| format!("flag needs an argument: --{name}"))?,
        };
        self.set(flag, value)
    }

    /// `-x`, `-xyz` of booleans, `-xVALUE`, `-x=VALUE`, `-x VALUE`.
    fn letters<'a>(
        &mut self,
        letters: &str,
        flags: &[&'static Flag],
        args: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), String> {
        let mut rest = letters;
        while let Some(letter) = rest.chars().next() {
            let from_here = rest;
            rest = rest.strip_prefix(letter).unwrap_or_default();
            let flag = flags.iter().find(|flag| flag.short == Some(letter));
            let flag = flag.ok_or_else(|| format!("unknown shorthand flag: {letter:?} in -{from_here}"))?;
            let value = rest.strip_prefix('=').filter(|value| !value.is_empty());
            if let Some(value) = value {
                return self.set(flag, value);
            }
            if flag.kind == Kind::Bool {
                self.set(flag, "true")?;
                continue;
            }
            let missing = || format!("flag needs an argument: {letter:?} in -{from_here}");
            let value = if rest.is_empty() { args.next().ok_or_else(missing)? } else { rest };
            return self.set(flag, value);
        }
        Ok(())
    }

    fn set(&mut self, flag: &'static Flag, value: &str) -> Result<(), String> {
        let wrong = |why: String| format!("invalid argument {value:?} for \"{}\" flag: {why}", flag.called());
        let value: Value = flag.read(value).map_err(wrong)?;
        match self.values.iter_mut().find(|(said, _)| said.name == flag.name) {
            Some((_, said)) => said.join(value),
            None => self.values.push((flag, value)),
        }
        Ok(())
    }
}

/// cobra's words.
fn unknown(program: &str, word: &str) -> String {
    let near = |command: &&Command| {
        let prefix = command.name.to_lowercase().starts_with(&word.to_lowercase());
        !command.hidden && (prefix || distance(word, command.name) <= 2)
    };
    let hints: String = ROOT.commands.iter().filter(near).map(|command| format!("\t{}\n", command.name)).collect();
    let hints = if hints.is_empty() { hints } else { format!("\nDid you mean this?\n{hints}\n") };
    format!("unknown command {word:?} for {program:?}\n{hints}Run '{program} --help' for usage.")
}

/// How many letters must change, whatever their case (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (y, cell) in b.chars().zip(row.iter_mut().skip(1)) {
            let new = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = core::mem::replace(cell, new);
            left = new;
        }
    }
    row.last().copied().unwrap_or(0)
}
