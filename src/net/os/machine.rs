//! What the system says about itself, read at start and for the self-test.
//!
//! Owns the reading of host name, kernel, CPU, memory and the descriptor limit. Does not decide what follows from them. Always
//! true: what cannot be found out is `None`, never an error. Worst case: the text of `/proc/meminfo` or `/proc/cpuinfo`.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// The host's name; empty if it has none that is UTF-8.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_str().unwrap_or_default().to_owned()
}

/// Bytes of memory that programs can still use.
pub fn memory_available() -> Option<u64> {
    memory("MemAvailable:")
}

/// Bytes of memory there are.
pub fn memory_total() -> Option<u64> {
    memory("MemTotal:")
}

fn memory(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The kernel's name, version and machine.
pub fn kernel() -> String {
    let uname = rustix::system::uname();
    let text = |part: &core::ffi::CStr| part.to_string_lossy().into_owned();
    format!("{} {} {}", text(uname.sysname()), text(uname.release()), text(uname.machine()))
}

/// CPU time of this program so far, in microseconds: what others use of a busy machine is not in it.
pub fn cpu_micros() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1000
}

/// What the kernel calls the CPU, and of how many it speaks.
pub fn cpus() -> (Option<String>, usize) {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // "cpu model" on MIPS, "model name" on x86 and most ARMs, "uarch" on RISC-V.
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        matches!(name.trim(), "cpu model" | "model name" | "uarch").then(|| value.trim().to_owned())
    };
    let model = text.lines().find_map(field);
    (model, text.lines().filter(|line| line.starts_with("processor")).count())
}

/// Lets this process open as many descriptors as it may; returns how many that is.
pub fn raise_descriptor_limit() -> Option<u64> {
    let Rlimit { maximum, current } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(_) => current,
    }
}
