//! What can be said on the command line: one table, and everything that is made of it.
//!
//! Owns the shape of a command ([`Command`]) and of what was understood ([`Invocation`]); `table` has the rows, `flag` the
//! kinds of values, `parse` reads arguments, `help`, `man` and `complete` tell people and shells what there is. Does not act
//! on a command. Always true: names, letters, defaults and errors are those of frpc 0.70.1 (which takes them from the
//! libraries pflag and cobra), so that scripts around frpc go on; what redial adds has names frpc does not use. Worst case:
//! the arguments.
//!
//! Why is it so?
//! * *Why no library?* frpc's rules are the contract: `_` for `-`, booleans that need `=`, flags before their command,
//!   errors in its words. What is left for a library is to split `-abc`.

pub(super) mod complete;
mod flag;
pub(super) mod help;
pub(super) mod man;
mod parse;
mod table;

pub(super) use flag::{Flag, Value};
pub(super) use parse::{Refusal, parse};
pub(super) use table::{HELP, ROOT};

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// The client, with a configuration file.
    Run,
    /// Nothing of its own: its text says what there is.
    Group,
    /// Tells about another command.
    Help,
    /// Checks the configuration.
    Verify,
    /// Asks the running client.
    Admin(Ask),
    /// NAT discovery.
    NatHole,
    /// The client, with one proxy of this type and no file.
    Proxy(&'static str),
    /// The client, with one visitor of this type and no file.
    Visitor(&'static str),
    /// A script for a shell.
    Completion(complete::Shell),
    /// What such a script asks.
    Complete,
    /// The manual page.
    Man,
    /// Name, version, features.
    Version,
    /// Tries the machine.
    SelfTest,
}

/// What the running client is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Status,
    Reload,
    Stop,
}

/// One row.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) name: &'static str,
    /// One sentence without its stop, as frpc says it.
    pub(super) about: &'static str,
    /// More, for help and manual; may be empty.
    pub(super) more: &'static str,
    /// What may follow beside flags; for people.
    pub(super) operands: &'static str,
    /// Flags of this command alone.
    pub(super) own: &'static [&'static [Flag]],
    /// Flags that its commands have, too.
    pub(super) inherited: &'static [&'static [Flag]],
    pub(super) commands: &'static [Self],
    pub(super) act: Act,
    /// Not told to people.
    pub(super) hidden: bool,
}

impl Command {
    /// The command of this name below this one.
    pub(super) fn command(&self, name: &str) -> Option<&'static Self> {
        self.commands.iter().find(|command| command.name == name)
    }

    /// Its own flags and those it hands down, by name.
    pub(super) fn local_flags(&self) -> Vec<&'static Flag> {
        let mut flags: Vec<_> = self.own.iter().chain(self.inherited).flat_map(|group| group.iter()).collect();
        flags.push(&HELP);
        flags.sort_by_key(|flag| flag.name);
        flags
    }
}

/// The way from the program to a command.
pub(super) type Path = Vec<&'static Command>;

/// The flags a command gets from those above it, by name.
pub(super) fn global_flags(path: &[&'static Command]) -> Vec<&'static Flag> {
    let above = path.split_last().map(|(_, above)| above).unwrap_or_default();
    let groups = above.iter().flat_map(|command| command.inherited.iter());
    let mut flags: Vec<_> = groups.flat_map(|group| group.iter()).collect();
    flags.sort_by_key(|flag| flag.name);
    flags
}

/// All flags that may follow a command.
pub(super) fn all_flags(path: &[&'static Command]) -> Vec<&'static Flag> {
    let mut flags = path.last().map(|command| command.local_flags()).unwrap_or_default();
    flags.extend(global_flags(path));
    flags
}

/// A command line that was understood.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) path: Path,
    pub(super) operands: Vec<String>,
    /// In the order in which they were said; of several the last counts.
    values: Vec<(&'static Flag, Value)>,
}

impl Invocation {
    /// What to do.
    pub(super) fn act(&self) -> Act {
        self.path.last().map_or(Act::Run, |command| command.act)
    }

    /// The flags that were said, each once, in the order in which they first came.
    pub(super) fn said(&self) -> impl Iterator<Item = (&'static Flag, &Value)> {
        self.values.iter().map(|(flag, value)| (*flag, value))
    }

    fn value(&self, name: &str) -> Value {
        let said = self.values.iter().find(|(flag, _)| flag.name == name).map(|(_, value)| value.clone());
        let unsaid = || all_flags(&self.path).into_iter().find(|flag| flag.name == name)?.unsaid();
        said.or_else(unsaid).unwrap_or(Value::Bool(false))
    }

    /// A boolean flag, or its default.
    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Value::Bool(true))
    }

    /// A text, or its default.
    pub(super) fn text(&self, name: &str) -> String {
        match self.value(name) {
            Value::Text(text) => text,
            _ => String::new(),
        }
    }

    /// A text that was said.
    pub(super) fn given(&self, name: &str) -> Option<String> {
        self.values.iter().any(|(flag, _)| flag.name == name).then(|| self.text(name))
    }

    /// A list, or nothing.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        match self.value(name) {
            Value::List(list) => list,
            _ => Vec::new(),
        }
    }

    /// A whole number, or its default.
    #[cfg(any(test, feature = "admin"))]
    pub(super) fn int(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Int(n) => n,
            _ => 0,
        }
    }

    /// A time in milliseconds, or its default.
    #[cfg(any(test, feature = "admin"))]
    pub(super) fn millis(&self, name: &str) -> u64 {
        match self.value(name) {
            Value::Millis(n) => n,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests;
