//! The two programs.
//!
//! Owns a directory for the files, and how each is asked. Always true: both see the same file, arguments and environment.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Characters that are kept of an answer; warnings are not.
const SHOWN: usize = 400;

pub(crate) struct Programs {
    redial: OsString,
    frpc: PathBuf,
    dir: PathBuf,
}

/// What a program says of a file.
pub(crate) struct Verdict {
    pub(crate) good: bool,
    pub(crate) text: String,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.trim().replace('\n', " | ");
        write!(f, "{}: {}", if self.good { "takes it" } else { "refuses it" }, text)
    }
}

/// The program under test.
pub(crate) fn redial() -> OsString {
    std::env::var_os("REDIAL_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_redial").into())
}

/// A directory of this run.
pub(crate) fn scratch() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("verify-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Runs `verify`.
pub(crate) fn verify(program: &Path, path: &Path, strict: bool) -> Verdict {
    let mut command = Command::new(program);
    command.arg("verify").arg("-c").arg(path).env_clear().env("HOME", "/root").stdin(Stdio::null());
    if !strict {
        command.arg("--strict_config=false");
    }
    let out = command.output().unwrap();
    let code = out.status.code().unwrap_or_else(|| panic!("{} on {}: {out:?}", program.display(), path.display()));
    assert!(code == 0 || code == 1, "{} on {}: {out:?}", program.display(), path.display());
    let said = String::from_utf8_lossy(&out.stdout);
    let errors: Vec<&str> = said.lines().filter(|line| !line.starts_with("WARNING: ")).collect();
    Verdict { good: code == 0, text: errors.join("\n").chars().take(SHOWN).collect() }
}

impl Programs {
    /// `None` where there is no frpc.
    pub(crate) fn find() -> Option<Self> {
        let frpc = PathBuf::from(std::env::var_os("REDIAL_PEERS")?).join("frpc-0.70.1");
        assert!(frpc.exists(), "{} is missing; `tests/run e2e` builds it", frpc.display());
        Some(Self { redial: redial(), frpc, dir: scratch() })
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn redial(&self, path: &Path, strict: bool) -> Verdict {
        verify(Path::new(&self.redial), path, strict)
    }

    pub(crate) fn frpc(&self, path: &Path, strict: bool) -> Verdict {
        verify(&self.frpc, path, strict)
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir); // a leftover lies below target/ and hurts nobody
    }
}
