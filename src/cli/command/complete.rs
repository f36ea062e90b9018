//! Completion for shells.
//!
//! Owns the scripts and the answers to what they ask. Does not know a command. Always true: a script only hands the words
//! over (`PROGRAM __complete WORD…`, the last one half-typed) and shows what comes back, a line each: `candidate` TAB
//! `description`, and `:file` or `:dir` where a path is wanted. So all shells offer the same, from the table. Worst case: a
//! screen of text.

use super::flag::Kind;
use super::{Act, Command, Flag, ROOT, all_flags};
use core::fmt::Write;

/// Which shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Shell {
    Bash,
    Zsh,
    Fish,
    Power,
}

const BASH: &str = r#"# bash completion for PROGRAM
_FUNCTION() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :file) compopt -o default 2>/dev/null ;;
            :dir) compopt -o dirnames 2>/dev/null ;;
            *) COMPREPLY+=("${line%%$'\t'*}") ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _FUNCTION PROGRAM
"#;

const ZSH: &str = r#"#compdef PROGRAM
_FUNCTION() {
    local line
    local -a found
    for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        case $line in
            '') ;;
            :file) _files ;;
            :dir) _files -/ ;;
            *) found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
        esac
    done
    (( $#found )) && _describe -V PROGRAM found
}
if [ "$funcstack[1]" = "_PROGRAM" ]; then
    _FUNCTION "$@"
else
    compdef _FUNCTION PROGRAM
fi
"#;

const FISH: &str = r#"# fish completion for PROGRAM
function __FUNCTION
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
        switch $line
            case :file
                __fish_complete_path (commandline -ct)
            case :dir
                __fish_complete_directories (commandline -ct)
            case '*'
                echo $line
        end
    end
end
complete -c PROGRAM -f -a '(__FUNCTION)'
"#;

const POWER_SHELL: &str = r#"# PowerShell completion for PROGRAM
Register-ArgumentCompleter -Native -CommandName 'PROGRAM' -ScriptBlock {
    param($word, $line, $position)
    $words = @($line.CommandElements | Where-Object { $_.Extent.StartOffset -lt $position } | ForEach-Object { "$_" })
    $rest = @($words | Select-Object -Skip 1)
    if ($word -eq '') { $rest += '""' }
    & $words[0] __complete @rest 2>$null | Where-Object { -not $_.StartsWith(':') } | ForEach-Object {
        $name, $about = $_ -split "`t", 2
        if (-not $about) { $about = $name }
        [System.Management.Automation.CompletionResult]::new($name, $name, 'ParameterValue', $about)
    }
}
"#;

/// The script.
pub(in crate::cli) fn script(shell: Shell, program: &str) -> String {
    let text = match shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
        Shell::Power => POWER_SHELL,
    };
    let function = program.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    text.replace("PROGRAM", program).replace("FUNCTION", &format!("{function}_complete"))
}

/// What the last of these words may become.
pub(in crate::cli) fn answer(words: &[String]) -> String {
    let (words, current, split) = joined(words);
    let mut path = vec![&ROOT];
    let mut awaited: Option<&'static Flag> = None;
    for word in &words {
        awaited = match awaited {
            Some(_) => None,
            None if word.starts_with('-') => takes_value(word, &path),
            None => {
                path.extend(path.last().and_then(|last| last.command(word)));
                None
            }
        };
    }
    let mut out = String::new();
    if let Some(flag) = awaited {
        values(&mut out, flag, "", &current);
    } else if let Some((name, value)) = current.split_once('=').filter(|_| current.starts_with("--")) {
        let flag = all_flags(&path).into_iter().find(|flag| Some(flag.name) == long(name).as_deref());
        let prefix = if split { String::new() } else { format!("{name}=") };
        flag.into_iter().for_each(|flag| values(&mut out, flag, &prefix, value));
    } else if current.starts_with('-') {
        flags(&mut out, &path, &current);
    } else {
        commands(&mut out, &path, &current);
    }
    out
}

/// The words before the last, and the last; bash takes `--name=value` apart (then `true`), and PowerShell says `""` for
/// an empty word.
fn joined(words: &[String]) -> (Vec<String>, String, bool) {
    let mut out: Vec<String> = Vec::new();
    let mut split = false;
    let mut glue = false;
    for (at, word) in words.iter().enumerate() {
        let last = at + 1 == words.len();
        if (word == "=" || glue)
            && let Some(before) = out.last_mut()
        {
            glue = word == "=" && !glue;
            split = last;
            before.push_str(word);
        } else {
            out.push(if word == "\"\"" { String::new() } else { word.clone() });
        }
    }
    let current = out.pop().unwrap_or_default();
    (out, current, split)
}

fn long(word: &str) -> Option<String> {
    word.strip_prefix("--").map(|name| name.replace('_', "-"))
}

/// The flag that the next word is the value of.
fn takes_value(word: &str, path: &[&'static Command]) -> Option<&'static Flag> {
    let flags = all_flags(path);
    let flag = match long(word) {
        Some(name) => flags.into_iter().find(|flag| flag.name == name),
        None => {
            let mut letters = word.chars().skip(1);
            let letter = letters.next().filter(|_| letters.next().is_none());
            flags.into_iter().find(|flag| letter.is_some() && flag.short == letter)
        }
    };
    flag.filter(|flag| flag.kind != Kind::Bool)
}

fn values(out: &mut String, flag: &Flag, prefix: &str, value: &str) {
    let mut offer = |texts: &[&str]| {
        for text in texts.iter().filter(|text| text.starts_with(value)) {
            let _ = writeln!(out, "{prefix}{text}");
        }
    };
    match flag.kind {
        Kind::Bool => offer(&["true", "false"]),
        Kind::Choice(choices) => offer(choices),
        Kind::File => out.push_str(":file\n"),
        Kind::Dir => out.push_str(":dir\n"),
        Kind::List if flag.name == "allow-unsafe" => offer(&["TokenSourceExec"]),
        Kind::Int | Kind::Text | Kind::List | Kind::Map | Kind::Duration | Kind::Bandwidth => {}
    }
}

fn flags(out: &mut String, path: &[&'static Command], current: &str) {
    let wanted = current.replace('_', "-");
    for flag in all_flags(path) {
        let name = format!("--{}", flag.name);
        if name.starts_with(&wanted) {
            let _ = writeln!(out, "{name}\t{}", flag.help);
        }
    }
}

fn commands(out: &mut String, path: &[&'static Command], current: &str) {
    let help = path.last().is_some_and(|command| command.act == Act::Help);
    let Some(command) = (if help { Some(&&ROOT) } else { path.last() }) else { return };
    for below in command.commands.iter().filter(|below| !below.hidden && below.name.starts_with(current)) {
        let _ = writeln!(out, "{}\t{}", below.name, below.about);
    }
}
