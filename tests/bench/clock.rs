//! Clocks: the monotonic one, which all processes share, and the CPU clock of any process.
//!
//! Owns the only use of nix: rustix cannot name the clock of another process. Does not wait. Always true: a CPU clock is
//! user and system time of all threads, ended ones included, in nanoseconds. Worst case: no memory.

use std::process;
use std::time::Duration;

use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::wait::{Context, Outcome};

/// Time since some moment that is the same for every process of this machine.
pub(crate) fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).expect("every Linux has a monotonic clock")
}

/// CPU time that the process has taken.
pub(crate) fn cpu_of(pid: u32) -> Outcome<Duration> {
    let id = i32::try_from(pid).context("a process id")?;
    let clock = clock_getcpuclockid(Pid::from_raw(id)).context(format_args!("the CPU clock of process {pid}"))?;
    clock_gettime(clock).map(Duration::from).context(format_args!("reading the CPU clock of process {pid}"))
}

/// CPU time that this process has taken.
pub(crate) fn cpu_of_self() -> Outcome<Duration> {
    cpu_of(process::id())
}
