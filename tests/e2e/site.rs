//! Where things are on this machine: the peers, the program under test, scratch directories and free ports.
//!
//! The environment, read once:
//! * `REDIAL_PEERS`: directory of `frps-VERSION`, made by `tests/peers`;
//! * `REDIAL_BIN`: the program under test instead of the redial of this build;
//! * `REDIAL_E2E_VERSIONS`: releases of frps to run against instead of those of `tests/gate`, separated by blanks;
//! * `REDIAL_E2E_RIVAL=1`: the program under test is frpc, to check the tests themselves; what frpc cannot do by its
//!   design is then not asked of it. Never set for redial.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use crate::wait::{Context, Outcome, ensure};

const GATE: &str = include_str!("../gate");
/// Ports for the tests: below those the kernel hands to outgoing connections. The tests make thousands a second of these,
/// and a server that restarts must find its port still free.
const PORTS: std::ops::Range<u32> = 12_000..32_000;

static NEXT_PORT: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(process::id().wrapping_mul(7919)));
static NEXT_DIR: AtomicU32 = AtomicU32::new(0);

/// The directory of the peers, if the tests are meant to run at all.
pub(crate) fn peers() -> Option<PathBuf> {
    env::var_os("REDIAL_PEERS").filter(|dir| !dir.is_empty()).map(PathBuf::from)
}

/// The real frps of that release.
pub(crate) fn frps(version: &str) -> Outcome<PathBuf> {
    let path = peers().ok_or("REDIAL_PEERS is not set")?.join(format!("frps-{version}"));
    ensure!(path.is_file(), "{} is missing; `tests/peers {version}` builds it", path.display());
    Ok(path)
}

/// The real frpc that redial takes the place of.
pub(crate) fn frpc() -> Outcome<PathBuf> {
    let path = peers().ok_or("REDIAL_PEERS is not set")?.join("frpc-0.70.1");
    ensure!(path.is_file(), "{} is missing; `tests/peers` builds it", path.display());
    Ok(path)
}

/// The releases to run against, oldest first.
pub(crate) fn versions() -> Vec<&'static str> {
    static CHOSEN: LazyLock<String> = LazyLock::new(|| env::var("REDIAL_E2E_VERSIONS").unwrap_or_default());
    let gate = GATE.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
    if CHOSEN.trim().is_empty() { gate.collect() } else { CHOSEN.split_whitespace().collect() }
}

/// The newest release of the gate, whichever were chosen.
pub(crate) fn newest() -> &'static str {
    GATE.lines().rfind(|line| !line.starts_with('#') && !line.is_empty()).unwrap_or_default().trim()
}

/// Whether it is the oldest or newest release of this run.
pub(crate) fn is_end(version: &str) -> bool {
    let all = versions();
    [all.first(), all.last()].contains(&Some(&version))
}

/// The program under test.
pub(crate) fn program() -> PathBuf {
    env::var_os("REDIAL_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_redial")), PathBuf::from)
}

/// Whether the program under test is frpc: never so unless another program than redial was named.
pub(crate) fn rival() -> bool {
    env::var_os("REDIAL_BIN").is_some() && env::var_os("REDIAL_E2E_RIVAL").is_some_and(|value| value == "1")
}

/// A TCP port nobody listens on, not given out before in this run until all others were.
pub(crate) fn free_port() -> Outcome<u16> {
    for _ in PORTS {
        let port = PORTS.start + NEXT_PORT.fetch_add(1, Ordering::Relaxed) % (PORTS.end - PORTS.start);
        let port = u16::try_from(port).context("a port of the range")?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free TCP port".into())
}

/// A directory of its own for one test, gone with it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Outcome<Self> {
        let path = scratch_root().join(NEXT_DIR.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir_all(&path).context(path.display())?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into the directory; its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> Outcome<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, text).context(path.display())?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // a leftover lies below target/ and hurts nobody
    }
}

/// Removes what the tests left, at the end of the run.
pub(crate) fn sweep() {
    let _ = fs::remove_dir_all(scratch_root());
}

fn scratch_root() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("e2e-{}", process::id()))
}
