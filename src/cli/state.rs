//! The state file: what the client remembers from one run of the program to the next.
//!
//! Owns the file: its place, its lock, its form. Does not know what is remembered, or why: that is the client's. Always
//! true: one program at a time has it (a lock that ends with the program); only its owner may read it (a run id is as good
//! as a password for work connections); whatever is wrong with it costs a log line and the old run id, nothing else.
//! Worst case: [`MAX`] bytes and a descriptor.
//!
//! ```text
//! redial state 1
//! server=frps.example:7000
//! run_id=0123456789abcdef
//! version=0.70.1
//! ended=false
//! end 89abcdef01234567        FNV-1a of all bytes before this line
//! ```
//!
//! Why is it so?
//! * *Why is it written in place?* The lock is on the file and not on its name. A write that was cut short shows in the
//!   last line.
//! * *Why does a write not wait for the disk?* The usual place is memory, and a lost state costs no more than a fresh
//!   login.
//! * *Why is only a regular file set aside?* Nobody wants `/dev/null` renamed.

use crate::client::{Client, Memory};
use crate::config::StateFile;
use crate::proto::control::MAX_RUN_ID;
use rustix::fs::{Mode, OFlags, open};
use rustix::process::geteuid;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
const MAX: usize = 1024;
/// The first line.
const MAGIC: &str = "redial state 1";
const MAGIC_NAME: &str = "redial state";
/// Bytes of `host:port` and of a version that are kept; what is longer is not.
const MAX_SERVER: usize = 300;
const MAX_VERSION: usize = 64;
/// Bytes of the configuration's name in the automatic name.
const MAX_STEM: usize = 32;
/// Two programs that start at once may each replace the file once.
const TRIES: usize = 4;

/// See the module.
pub(super) struct State(Option<Kept>);

struct Kept {
    file: File,
    path: PathBuf,
    /// The last write failed, and that was said.
    broken: bool,
}

impl State {
    /// Nothing is kept.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Finds the file, makes sure that it is ours alone, and reads it. `config`: the configuration's path.
    pub(super) fn open(place: &StateFile, config: &str) -> (Self, Option<Memory>) {
        let path = match place {
            StateFile::Off => return (Self::none(), None),
            StateFile::At(path) => PathBuf::from(path),
            StateFile::Automatic => {
                let variable = |name: &str| std::env::var_os(name);
                let dir = directory(variable, geteuid().is_root(), Path::new("/run").is_dir());
                let Some(path) = dir.and_then(|dir| Some(dir.join(name_for(&fs::canonicalize(config).ok()?)))) else {
                    log::debug!("no state file: there is no place for it (redial.stateFile)");
                    return (Self::none(), None);
                };
                path
            }
        };
        let real = |path: &Path| fs::canonicalize(path).ok();
        let opened = match real(Path::new(config)) {
            Some(config) if real(&path).is_some_and(|path| path == config) => {
                Err("that is the configuration".to_owned())
            }
            _ => acquire(&path, *place == StateFile::Automatic),
        };
        match opened {
            Ok((file, memory)) => {
                log::debug!("the state file is {}", path.display());
                (Self(Some(Kept { file, path, broken: false })), memory)
            }
            Err(why) => {
                log::warn!("state file {}: {why}; going on without it", path.display());
                (Self::none(), None)
            }
        }
    }

    /// Writes what the client wants to be remembered, if that has changed.
    pub(super) fn keep(&mut self, client: &mut Client) {
        if let Some(memory) = client.take_memory()
            && let Some(kept) = &mut self.0
        {
            kept.write(memory);
        }
    }
}

impl Kept {
    fn write(&mut self, memory: &Memory) {
        let text = render(memory);
        let wrote = self.file.write_all_at(text.as_bytes(), 0).and_then(|()| self.file.set_len(text.len() as u64));
        if let Err(e) = &wrote
            && !self.broken
        {
            log::warn!("state file {}: {e}: after a restart the run id will be another one", self.path.display());
        }
        self.broken = wrote.is_err();
    }
}

/// The directory for such files on this system.
fn directory(variable: impl Fn(&str) -> Option<OsString>, root: bool, run: bool) -> Option<PathBuf> {
    // systemd: several are separated by colons.
    let first = |dirs: OsString| dirs.as_bytes().split(|b| *b == b':').next().map(|dir| PathBuf::from(os(dir)));
    let by = |name| variable(name).and_then(first).filter(|dir| dir.is_absolute());
    by("RUNTIME_DIRECTORY").or_else(|| match root {
        true => Some(PathBuf::from(if run { "/run/redial" } else { "/var/run/redial" })),
        false => by("XDG_RUNTIME_DIR").map(|dir| dir.join("redial")),
    })
}

fn os(bytes: &[u8]) -> &std::ffi::OsStr {
    std::ffi::OsStr::from_bytes(bytes)
}

/// A name that no other configuration has: something to recognise it by, and a hash of its whole path.
fn name_for(config: &Path) -> String {
    let stem = config.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: &char| c.is_ascii_alphanumeric() || ['-', '_'].contains(c);
    let stem: String = stem.chars().filter(plain).take(MAX_STEM).collect();
    format!("{stem}-{:016x}.state", fnv(config.as_os_str().as_bytes()))
}

/// FNV-1a.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// The file, locked, and what it says. `ours`: what is there under this name can only be a state file. The error says why
/// it cannot be had.
fn acquire(path: &Path, ours: bool) -> Result<(File, Option<Memory>), String> {
    if let Some(dir) = path.parent() {
        // If that fails, so does the opening, with a better reason.
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    }
    // What was set aside stays locked until its successor is: nobody else begins with it meanwhile.
    let mut aside = Vec::new();
    for _ in 0..TRIES {
        let file = open_locked(path)?;
        let (held, there) = (file.metadata(), fs::symlink_metadata(path));
        let is_there = matches!((&held, &there), (Ok(a), Ok(b)) if (a.dev(), a.ino()) == (b.dev(), b.ino()));
        if !is_there {
            // Somebody has set it aside between our opening and locking it.
            continue;
        }
        match read(&file) {
            Ok(memory) => return Ok((file, memory)),
            Err(why) if ours || is_state(&file) => set_aside(path, &why)?,
            Err(why) => return Err(format!("{why}, and it is no state file: it stays as it is")),
        }
        aside.push(file);
    }
    Err("somebody replaces it all the time".to_owned())
}

/// Opens the file, or makes one, and locks it.
fn open_locked(path: &Path) -> Result<File, String> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(open(path, flags, Mode::RUSR | Mode::WUSR).map_err(|e| io::Error::from(e).to_string())?);
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err("it is no regular file".to_owned());
    }
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err("another process uses it (is redial running twice with this configuration?)".to_owned())
        }
        Err(TryLockError::Error(e)) => Err(format!("it cannot be locked: {e}")),
    }
}

/// Whether it looks like a state file of whatever release, or like what a power loss leaves of one: nothing, or zeroes.
fn is_state(file: &File) -> bool {
    let mut start = [0; MAGIC_NAME.len()];
    match file.read_at(&mut start, 0) {
        Ok(n) => start == *MAGIC_NAME.as_bytes() || start.iter().take(n).all(|byte| *byte == 0),
        Err(_) => false,
    }
}

/// Moves the file out of the way and says so.
fn set_aside(path: &Path, why: &str) -> Result<(), String> {
    let mut to = path.as_os_str().to_owned();
    to.push(".bad");
    fs::rename(path, &to).map_err(|e| format!("{why}, and it cannot be set aside: {e}"))?;
    log::warn!("state file {}: {why}; set aside as {}", path.display(), to.display());
    Ok(())
}

/// What the file says; the error says why it cannot be trusted.
fn read(file: &File) -> Result<Option<Memory>, String> {
    let meta = file.metadata().map_err(|e| e.to_string())?;
    if meta.uid() != geteuid().as_raw() {
        return Err("it belongs to another user".to_owned());
    }
    if meta.mode() & 0o077 != 0 {
        return Err(format!("others may use it (mode {:o}, not 600)", meta.mode() & 0o7777));
    }
    let mut bytes = [0; MAX + 1];
    let mut have = 0;
    while let Some(room) = bytes.get_mut(have..).filter(|room| !room.is_empty()) {
        match file.read_at(room, have as u64) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.to_string()),
        }
    }
    if have > MAX {
        return Err(format!("larger than {MAX} bytes"));
    }
    parse(bytes.get(..have).unwrap_or_default()).map_err(str::to_owned)
}

/// What the bytes say; `None` if nothing was ever written.
fn parse(bytes: &[u8]) -> Result<Option<Memory>, &'static str> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let damaged = "it is damaged";
    let rest = bytes.strip_prefix(MAGIC.as_bytes()).and_then(|rest| rest.strip_prefix(b"\n"));
    let rest = rest.ok_or("it was not written by this release of redial")?;
    let mut lines = str::from_utf8(rest).map_err(|_| damaged)?.split('\n');
    let mut value = |key: &str| lines.next().and_then(|line| line.strip_prefix(key)).ok_or(damaged);
    let (server, run_id, version) = (value("server=")?, value("run_id=")?, value("version=")?);
    let ended = match value("ended=")? {
        "true" => true,
        "false" => false,
        _ => return Err(damaged),
    };
    let memory = Memory { server: server.to_owned(), run_id: run_id.to_owned(), version: version.to_owned(), ended };
    // What is not exactly as we write it was not written by us, or not to its end.
    if render(&memory).as_bytes() == bytes { Ok(Some(memory)) } else { Err(damaged) }
}

/// The content of the file. What does not fit the form is left out: then nothing is known of it.
fn render(memory: &Memory) -> String {
    let text = |text: &str, most: usize| text.len() <= most && !text.contains(char::is_control);
    let nothing = Memory::default();
    let memory = if text(&memory.server, MAX_SERVER) { memory } else { &nothing };
    let run_id = if text(&memory.run_id, MAX_RUN_ID) { memory.run_id.as_str() } else { "" };
    let version = if text(&memory.version, MAX_VERSION) { memory.version.as_str() } else { "" };
    let mut out =
        format!("{MAGIC}\nserver={}\nrun_id={run_id}\nversion={version}\nended={}\n", memory.server, memory.ended);
    let sum = fnv(out.as_bytes());
    out += &format!("end {sum:016x}\n");
    out
}

#[cfg(test)]
mod tests;
