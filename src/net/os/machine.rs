//! What the system says about itself, read once at start.
//!
//! Owns the reading of host name, free memory and the descriptor limit. Does not decide what follows from them. Always
//! true: what cannot be found out is `None`, never an error. Worst case: a page of `/proc/meminfo`.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The host's name; empty if it has none that is UTF-8.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_str().unwrap_or_default().to_owned()
}

/// Bytes of memory that programs can still use.
pub fn memory_available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Lets this process open as many descriptors as it may; returns how many that is.
pub fn raise_descriptor_limit() -> Option<u64> {
    let Rlimit { maximum, current } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(_) => current,
    }
}
