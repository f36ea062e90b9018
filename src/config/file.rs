//! The reading of files: the configuration and those it names.
//!
//! Owns what may be read and how a failure is told. Does not look into it. Always true: used at start only, before the
//! event loop. Worst case: [`MAX_FILE`] a file.

use std::fs::{self, File};
use std::io::{self, Read};

/// The largest file that is read, in bytes.
pub const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Reads a regular file; the error is a text for the user.
pub(super) fn read_file(path: &str) -> Result<Vec<u8>, String> {
    let reason = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => format!("open {path}: no such file or directory"),
        io::ErrorKind::PermissionDenied => format!("open {path}: permission denied"),
        _ => format!("open {path}: {e}"),
    };
    // Before it is opened: a pipe that nobody writes to would block that.
    let meta = fs::metadata(path).map_err(reason)?;
    if meta.is_dir() {
        return Err(format!("open {path}: it is a directory; name a file"));
    }
    if !meta.is_file() {
        return Err(format!("open {path}: it is not a regular file"));
    }
    let mut file = File::open(path).map_err(reason)?;
    let mut bytes = Vec::new();
    file.by_ref().take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(reason)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("open {path}: larger than {MAX_FILE} bytes"));
    }
    Ok(bytes)
}
