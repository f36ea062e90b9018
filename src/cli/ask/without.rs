//! What stands in for the commands that ask a running client where they are not built in.
//!
//! Owns their refusal. Does not ask. Always true: it is an error. Worst case: one line.

use super::command::{Ask, Invocation};
use super::print;
use crate::config::Loader;
use std::process::ExitCode;

pub(super) fn run(_: Ask, _: &str, _: &Loader, _: &Invocation) -> ExitCode {
    print("this redial is built without \"admin\": it cannot ask a running client");
    ExitCode::FAILURE
}

pub(super) fn usage_error(_: &Invocation) -> Option<String> {
    None
}
