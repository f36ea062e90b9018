//! The manual page, in roff.
//!
//! Owns the page's layout and the sections that are not about one command. Does not know a command. Always true: every
//! command and flag that is not hidden is on it, from the table. Worst case: 20 KiB of text.

use super::help::{line, told};
use super::{Command, Flag, ROOT};
use core::fmt::Write;

const DESCRIPTION: &str = "\
PROGRAM makes services of this machine reachable through an frp server (frps), as frpc does, with the same configuration \
files, commands and flags. Without a command it runs the client with the file that \\-\\-config names.
.PP
In the names of flags, _ and \\- mean the same. A value follows after a space or after =; booleans take one after = only, \
as in \\-\\-strict\\-config=false. Lists are separated by commas and may be repeated; maps are key=value,key=value.
";

const AFTER: &str = "\
.SH SIGNALS
.TP
.B SIGTERM, SIGINT
End the program; the session is closed, and the server frees its ports at once.
.TP
.B SIGHUP
Read the configuration again.
.TP
.B SIGUSR1
Ask the server for a sign of life now.
.TP
.B SIGUSR2
Write the state to the log.
.SH ENVIRONMENT
All variables are known to templates in the configuration, as {{ .Envs.NAME }}.
.TP
.B TZ
The time zone of log lines.
.TP
.B NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID
Set by systemd for units of Type=notify: state and health are told to it.
.TP
.B RUNTIME_DIRECTORY, XDG_RUNTIME_DIR
Where the state file is, unless redial.stateFile names it.
.SH FILES
.TP
.I ./frpc.ini
The configuration, unless \\-\\-config names another one; ./frpc.toml where there is none.
.SH EXIT STATUS
0 after success, help, or an end that was asked for; 1 after every error. Usage errors go to standard error, everything \
else to standard output.
";

/// The page.
pub(in crate::cli) fn page(program: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let title = program.to_uppercase();
    let mut out = format!(".TH {title} 1 \"\" \"redial {version}\" \"User Commands\"\n.SH NAME\n");
    let _ = writeln!(out, "{} \\- {}", escaped(program), escaped(ROOT.about.trim_start_matches("redial: ")));
    let _ = writeln!(out, ".SH SYNOPSIS\n.B {0}\n[flags]\n.br\n.B {0}\ncommand [flags]", escaped(program));
    let _ = write!(out, ".SH DESCRIPTION\n{}", told(&escaped(program), DESCRIPTION));
    let _ = writeln!(out, ".SH OPTIONS\nThese are taken by every command.");
    ROOT.local_flags().into_iter().for_each(|flag| option(&mut out, flag));
    let _ = writeln!(out, ".SH COMMANDS");
    commands(&mut out, program, &mut vec![&ROOT]);
    out + AFTER
}

fn commands(out: &mut String, program: &str, path: &mut Vec<&'static Command>) {
    let Some(command) = path.last().copied() else { return };
    if path.len() > 1 {
        let line = line(program, path);
        let _ = writeln!(out, ".SS \"{}\"\n{}.", escaped(&line), escaped(command.about));
        if !command.more.is_empty() {
            let _ = writeln!(out, "{}", escaped(&told(program, command.more)));
        }
        // Those of every command are said once.
        let flags = command.local_flags().into_iter().filter(|flag| flag.name != "help");
        flags.for_each(|flag| option(out, flag));
    }
    for below in command.commands.iter().filter(|command| !command.hidden) {
        path.push(below);
        commands(out, program, path);
        path.pop();
    }
}

fn option(out: &mut String, flag: &Flag) {
    let value = flag.value_name();
    let space = if value.is_empty() { String::new() } else { format!(" \\fI{value}\\fR") };
    let _ = writeln!(out, ".TP\n\\fB{}\\fR{space}\n{}", escaped(&flag.called()), escaped(&flag.described()));
}

/// Text that roff takes as it is.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    // At the start of a line these are commands.
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
