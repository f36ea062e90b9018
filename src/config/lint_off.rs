//! What stands in for the rules of `verify` where they are not built in.
//!
//! Owns nothing. Does not look for what is odd. Always true: errors are found all the same. Worst case: nothing.

use super::scope::Report;
use super::tree::Entry;

pub(super) fn run(_: &[Entry], _: &mut Report) {}
