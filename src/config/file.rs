//! The files of a configuration: its own and those it names.
//!
//! Owns what may be read, where it comes from, and how a failure is told. Does not look into it. Always true: [`Files`]
//! made by [`Files::held`] touch no disk. Worst case: [`MAX_FILE`] a file; held ones, as many as were read.

use std::fs::{self, File};
use std::io::{self, Read};

/// The largest file that is read, in bytes.
pub const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Bytes of the names of all files in a folder.
const MAX_NAMES: usize = 1024 * 1024;

/// Something that is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// A file.
    File(String),
    /// The names of the files in a folder.
    Folder(String),
}

/// Where files come from.
#[derive(Debug, Default)]
pub struct Files {
    held: Option<Held>,
}

#[derive(Debug, Default)]
struct Held {
    files: Vec<(String, Result<Vec<u8>, String>)>,
    folders: Vec<(String, Result<Vec<String>, String>)>,
    wanted: Vec<Want>,
}

/// Stands for a file that is not held; whoever loads again with it never sees this.
const NOT_YET: &str = "it is not read yet";

impl Files {
    /// From the disk, at once: at start.
    pub fn direct() -> Self {
        Self::default()
    }

    /// From what they are given; what is missing is [wanted](Files::wanted). In the event loop, where nothing may wait
    /// for a disk: load, give what is wanted, load again.
    pub fn held() -> Self {
        Self { held: Some(Held::default()) }
    }

    /// What was missing in the last load; that load's result means nothing then.
    pub fn wanted(&mut self) -> Vec<Want> {
        self.held.as_mut().map(|held| core::mem::take(&mut held.wanted)).unwrap_or_default()
    }

    /// Gives a file; an error is a text for the user that names it.
    pub fn give_file(&mut self, path: &str, bytes: Result<Vec<u8>, String>) {
        if let Some(held) = &mut self.held {
            held.files.push((path.to_owned(), bytes));
        }
    }

    /// Takes a file back; nothing if there is none, an error if it could not be read.
    pub fn take_file(&mut self, path: &str) -> Result<Vec<u8>, String> {
        let files = self.held.as_mut().map(|held| &mut held.files);
        let taken = files.and_then(|files| Some(files.remove(files.iter().rposition(|(name, _)| name == path)?).1));
        match taken {
            Some(Err(text)) if text.ends_with(": no such file or directory") => Ok(Vec::new()),
            other => other.unwrap_or_else(|| Ok(Vec::new())),
        }
    }

    /// Gives the names of the files in a folder; an error is a text for the user that names it.
    pub fn give_folder(&mut self, path: &str, names: Result<Vec<String>, String>) {
        if let Some(held) = &mut self.held {
            held.folders.push((path.to_owned(), names));
        }
    }

    /// A file's bytes; the error is a text for the user.
    pub(super) fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        let Some(held) = &mut self.held else { return read_file(path) };
        let Some((_, bytes)) = held.files.iter().rfind(|(name, _)| name == path) else {
            return Err(held.want(Want::File(path.to_owned())));
        };
        bytes.clone()
    }

    /// The names of the files in a folder, folders not among them; the error is a text for the user.
    pub(super) fn list(&mut self, path: &str) -> Result<Vec<String>, String> {
        let Some(held) = &mut self.held else { return list_folder(path) };
        let Some((_, names)) = held.folders.iter().rfind(|(name, _)| name == path) else {
            return Err(held.want(Want::Folder(path.to_owned())));
        };
        names.clone()
    }
}

impl Held {
    /// Notes it, once; the text is for nobody.
    fn want(&mut self, want: Want) -> String {
        if !self.wanted.contains(&want) {
            self.wanted.push(want);
        }
        NOT_YET.to_owned()
    }
}

fn list_folder(path: &str) -> Result<Vec<String>, String> {
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => format!("open {path}: no such file or directory"),
        io::ErrorKind::PermissionDenied => format!("open {path}: permission denied"),
        _ => format!("open {path}: {e}"),
    };
    let (mut names, mut size) = (Vec::new(), 0);
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        size += entry.file_name().len();
        if size > MAX_NAMES {
            return Err(format!("open {path}: too many files in it"));
        }
        names.extend(entry.file_name().into_string().ok().filter(|_| !folder));
    }
    Ok(names)
}

/// Reads a regular file; the error is a text for the user.
fn read_file(path: &str) -> Result<Vec<u8>, String> {
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
