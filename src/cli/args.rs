//! The command line.
//!
//! Owns the flags and the usage text. Does not act on them. Always true: what is not understood is an error. Worst
//! case: the arguments.

use crate::config::{Loader, Strictness};
use lexopt::prelude::{Long, Short, Value};
use std::ffi::OsString;

/// What `--help` prints.
pub(super) const USAGE: &str = "\
redial: an frp client for routers and other small machines

Usage: redial [-c FILE]
       redial verify [-c FILE] [--strict_config=false] [--json]
       redial selftest

  -c, --config FILE  configuration, as of frpc; default ./frpc.ini, or else ./frpc.toml
  -v, --version      name, version, features
  -h, --help         this text

selftest tries what redial needs of this machine and prints what a bug report should say.

SIGUSR2 writes the state to the log; SIGTERM and SIGINT end the program.
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Run(Args),
    Version,
    Help,
    SelfTest,
    Verify { config: String, loader: Loader, json: bool },
}

/// For [`Command::Run`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Args {
    pub(super) config: String,
}

/// Reads the arguments; the error is for the user.
pub(super) fn parse(argv: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = lexopt::Parser::from_args(argv);
    let mut config = default();
    let (mut loader, mut json, mut verify) = (Loader::default(), false, false);
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            Short('c') | Long("config") => {
                let value = parser.value().map_err(|e| e.to_string())?;
                config = value.into_string().map_err(|_| "the path of the configuration is not UTF-8".to_owned())?;
            }
            Short('v') | Long("version") => return Ok(Command::Version),
            Value(name) if name == "selftest" => {
                return match parser.next().map_err(|e| e.to_string())? {
                    Some(more) => Err(more.unexpected().to_string()),
                    None => Ok(Command::SelfTest),
                };
            }
            Value(name) if name == "verify" && !verify => verify = true,
            Long("json") if verify => json = true,
            Long("strict_config" | "strict-config") => {
                let strict = parser.optional_value().is_none_or(|v| v != "false");
                loader.strictness = if strict { Strictness::Strict } else { Strictness::Lax };
            }
            Long("allow-unsafe" | "allow_unsafe") => {
                let value = parser.value().map_err(|e| e.to_string())?;
                loader.allow_exec |= value.to_string_lossy().split(',').any(|name| name == "TokenSourceExec");
            }
            Short('h') | Long("help") => return Ok(Command::Help),
            other => return Err(other.unexpected().to_string()),
        }
    }
    if verify { Ok(Command::Verify { config, loader, json }) } else { Ok(Command::Run(Args { config })) }
}

/// frpc's default; where there is none of that name, the newer one.
fn default() -> String {
    let name = if std::path::Path::new("./frpc.ini").exists() { "./frpc.ini" } else { "./frpc.toml" };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn frpcs_forms_are_understood() {
        for line in ["-c a.toml", "-ca.toml", "--config a.toml", "--config=a.toml"] {
            assert_eq!(parsed(line), Ok(Command::Run(Args { config: "a.toml".to_owned() })), "{line}");
        }
        assert_eq!(parsed(""), Ok(Command::Run(Args { config: "./frpc.toml".to_owned() })));
        assert_eq!(parsed("-v"), Ok(Command::Version));
        assert_eq!(parsed("--help"), Ok(Command::Help));
        assert_eq!(parsed("selftest"), Ok(Command::SelfTest));
    }

    #[test]
    fn the_rest_is_refused() {
        for line in ["-c", "--nonsense", "verify verify", "-x", "selftest verify", "selftest -c a.toml"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
