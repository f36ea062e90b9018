//! Open connections: `load hold PORT COUNT`. Opens them, says so, and keeps them until its standard input ends.
//!
//! Owns the users' ends. Does not send more than one byte on each. Always true: each has carried that byte there and
//! back. Worst case: the descriptors.

use std::io;

use crate::sock;
use crate::wait::{Context, Outcome};

pub(super) fn run(port: u16, count: usize) -> Outcome {
    let opened = |index| sock::ask_echo(port).context(format_args!("connection {} of {count}", index + 1));
    let users = (0..count).map(opened).collect::<Outcome<Vec<_>>>()?;
    println!("held={}", users.len());
    io::copy(&mut io::stdin(), &mut io::sink()).context("waiting for the end")?;
    Ok(())
}
