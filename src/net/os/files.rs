//! The reading and writing of files, in a process of its own where that can be had.
//!
//! Owns how a file is replaced, and what such a process does from its start to its end ([`serve`]). Does not decide which
//! files. Always true: a file is whole at every moment, before, during and after; a temporary file is removed unless the
//! process is killed. Worst case: [`MAX_FILES`].

use super::super::files::{FileDone, FileJob, FileRead, MAX_FILES, decode_done, encode_done};
use super::super::job::{Job, JobError, Output};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The argument that makes the program one that does a file job.
pub const COMMAND: &str = "file-job";
/// The largest file that is read.
const MAX_FILE: usize = 4 * 1024 * 1024;
/// Of a file that is new.
const NEW: u32 = 0o600;
/// Links that are followed to where a new file is to be.
const MAX_LINKS: usize = 8;

/// Does one file job, read from `input`, and says on `output` what came of it: the whole life of such a process. False if
/// there was none.
pub fn serve(input: impl Read, mut output: impl Write) -> bool {
    let mut request = Vec::new();
    let most = u64::try_from(MAX_FILES + 65536).unwrap_or(u64::MAX);
    let Some(job) = input.take(most).read_to_end(&mut request).ok().and_then(|_| FileJob::decode(&request)) else {
        return false;
    };
    output.write_all(&encode_done(&perform(&job))).and_then(|()| output.flush()).is_ok()
}

/// The process for a file job.
pub(super) fn process(program: &Path, what: &FileJob) -> Job {
    Job {
        program: program.to_owned(),
        args: vec![OsString::from(COMMAND)],
        env: Vec::new(),
        stdin: what.encode(),
        max_output: MAX_FILES + 65536,
    }
}

/// What the process said.
pub(super) fn outcome(result: Result<Output, JobError>) -> Result<FileDone, String> {
    let output = result.map_err(|e| e.to_string())?;
    let done = decode_done(&output.stdout).filter(|_| output.status.success());
    done.unwrap_or_else(|| Err(format!("the process for files ended with {}", output.status)))
}

/// Does it here and now.
pub(super) fn perform(job: &FileJob) -> Result<FileDone, String> {
    match job {
        FileJob::Write { path, bytes, mode } => {
            write(path, bytes, *mode).map_err(|e| words(path, &e)).map(|()| FileDone::Written)
        }
        FileJob::Read { paths } => {
            let mut left = MAX_FILES;
            let files = paths.iter().map(|path| {
                let file = read(path, left.min(MAX_FILE))?;
                left -= file.bytes.len().min(left);
                Ok(file)
            });
            Ok(FileDone::Read(files.collect()))
        }
        FileJob::List { path } => list(path).map_err(|e| words(path, &e)).map(FileDone::Listed),
    }
}

/// A failure in Go's words.
fn words(path: &Path, e: &io::Error) -> String {
    let path = path.display();
    match e.kind() {
        ErrorKind::NotFound => format!("open {path}: no such file or directory"),
        ErrorKind::PermissionDenied => format!("open {path}: permission denied"),
        ErrorKind::IsADirectory => format!("open {path}: is a directory"),
        ErrorKind::StorageFull => format!("write {path}: no space left on device"),
        ErrorKind::ReadOnlyFilesystem => format!("open {path}: read-only file system"),
        _ => format!("open {path}: {e}"),
    }
}

fn read(path: &Path, most: usize) -> Result<FileRead, String> {
    // One that never ends (a pipe) is not waited for.
    let opened = OpenOptions::new().read(true).custom_flags(nonblocking()).open(path);
    let (file, meta) = opened.and_then(|file| file.metadata().map(|meta| (file, meta))).map_err(|e| words(path, &e))?;
    if meta.is_dir() {
        return Err(words(path, &ErrorKind::IsADirectory.into()));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(|e| words(path, &e))?;
    if bytes.len() > most {
        return Err(format!("open {}: larger than {most} bytes", path.display()));
    }
    Ok(FileRead { bytes, mode: meta.mode() & 0o7777 })
}

fn nonblocking() -> i32 {
    i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default()
}

fn list(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    let mut size = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let name = PathBuf::from(entry.file_name());
        size += name.as_os_str().len() + 4;
        if size > MAX_FILES {
            return Err(io::Error::other("too many files in it"));
        }
        names.push(name);
    }
    names.sort_unstable();
    Ok(names)
}

fn write(path: &Path, bytes: &[u8], mode: Option<u32>) -> io::Result<()> {
    let path = &target(path)?;
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(fs::Metadata::is_dir) {
        return Err(ErrorKind::IsADirectory.into());
    }
    if old.as_ref().is_some_and(|meta| !meta.is_file()) {
        // A device or a pipe is not replaced by a file.
        return in_place(path, bytes, None);
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    if old.is_none() {
        DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    }
    let mode = mode.or_else(|| old.as_ref().map(|meta| meta.mode() & 0o7777));
    match replace(dir, path, bytes, mode.unwrap_or(NEW), old.as_ref()) {
        Err(e) if old.is_some() && closed(&e) => in_place(path, bytes, mode),
        result => result,
    }
}

/// Whether the folder, and not the file, is what cannot be changed.
fn closed(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::ResourceBusy
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::CrossesDevices
    )
}

/// Where the links lead, also if nothing is there.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(next) = fs::read_link(&path) else { return Ok(path) };
        path = path.parent().map_or_else(|| next.clone(), |dir| dir.join(&next));
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

/// A new file takes the old one's name.
fn replace(dir: &Path, path: &Path, bytes: &[u8], mode: u32, old: Option<&fs::Metadata>) -> io::Result<()> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_string_lossy().into_owned();
    let temporary = dir.join(format!(".{name}.{}.tmp", std::process::id()));
    let create = || OpenOptions::new().write(true).create_new(true).mode(NEW).open(&temporary);
    let file = match create() {
        // Of one that was killed and had our number.
        Err(e) if e.kind() == ErrorKind::AlreadyExists => fs::remove_file(&temporary).and_then(|()| create()),
        result => result,
    }?;
    let result = fill(file, bytes, mode, old).and_then(|()| fs::rename(&temporary, path));
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
        return result;
    }
    // The name is there; some file systems cannot be asked to keep it.
    let _ = File::open(dir).and_then(|dir| dir.sync_all());
    Ok(())
}

fn fill(mut file: File, bytes: &[u8], mode: u32, old: Option<&fs::Metadata>) -> io::Result<()> {
    if let Some(old) = old {
        // Only root can give a file away; others keep it.
        let _ = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
    }
    // After the owner: a change of that takes bits away.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn in_place(path: &Path, bytes: &[u8], mode: Option<u32>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
    if let Some(mode) = mode {
        let _ = file.set_permissions(Permissions::from_mode(mode));
    }
    file.write_all(bytes)?;
    // Of a device that is no error.
    let _ = file.sync_all();
    Ok(())
}

#[cfg(test)]
mod tests;
