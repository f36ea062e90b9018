//! Files that are read and written beside the loop, and the language in which the process that does it is told.
//!
//! Owns [`FileJob`], [`FileDone`], and their bytes. Does not open a file: [`super::os`] does, in a process of its own, so
//! that a lost NFS server or a slow flash holds up nothing but the answer. Always true: what cannot be understood is
//! `None`, never more memory than there are bytes. Worst case: the files, [`MAX_FILES`] in all.
//!
//! ```text
//! request   'W' mode+1 (u32, 0: as it is) path bytes      'R' path path …      'L' path
//! answer    'w'         'r' (1 mode bytes | 0 error text) …         'l' name name …        'e' error text
//! path, bytes, text, name: u32 length, then as many bytes. Numbers are little endian. A request starts with the length
//! of the rest.
//! ```

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Bytes of all files of a job together.
pub const MAX_FILES: usize = 8 * 1024 * 1024;

/// What is to be done.
#[derive(Clone, PartialEq, Eq)]
pub enum FileJob {
    /// Puts a file into the place of another, or where none is: whoever opens it sees the old bytes or the new ones, also
    /// after the power failed. A symbolic link stays, and the file it names is written. Folders that are missing are made
    /// (0755). Where the folder takes no new file (a file that a container has mounted), the file is written in place.
    Write {
        /// Its name.
        path: PathBuf,
        /// All of it.
        bytes: Vec<u8>,
        /// Of a new file 0600 if `None`; an old one keeps its own then.
        mode: Option<u32>,
    },
    /// Reads regular files, each up to 4 MiB.
    Read {
        /// Their names.
        paths: Vec<PathBuf>,
    },
    /// Names the files in a folder, in order; folders are not among them.
    List {
        /// The folder.
        path: PathBuf,
    },
}

/// Without the bytes: they may be secret.
impl core::fmt::Debug for FileJob {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Write { path, bytes, .. } => write!(f, "Write {{ {}, {} bytes }}", path.display(), bytes.len()),
            Self::Read { paths } => write!(f, "Read {paths:?}"),
            Self::List { path } => write!(f, "List {}", path.display()),
        }
    }
}

/// A file that was read.
#[derive(Clone, PartialEq, Eq)]
pub struct FileRead {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Who may do what (0o644 and the like).
    pub mode: u32,
}

impl core::fmt::Debug for FileRead {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "FileRead {{ {} bytes, {:o} }}", self.bytes.len(), self.mode)
    }
}

/// What came of it. Texts are for the user and name the file, in Go's words where it has any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileDone {
    /// It is on the disk.
    Written,
    /// The files in the order asked for.
    Read(Vec<Result<FileRead, String>>),
    /// The names, in the order of their bytes.
    Listed(Vec<PathBuf>),
}

impl FileJob {
    /// For the process that is to do it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; 4];
        match self {
            Self::Write { path, bytes, mode } => {
                out.push(b'W');
                number(&mut out, mode.map_or(0, |mode| (mode & 0o7777) + 1));
                text(&mut out, path.as_os_str().as_bytes());
                text(&mut out, bytes);
            }
            Self::Read { paths } => {
                out.push(b'R');
                paths.iter().for_each(|path| text(&mut out, path.as_os_str().as_bytes()));
            }
            Self::List { path } => {
                out.push(b'L');
                text(&mut out, path.as_os_str().as_bytes());
            }
        }
        let len = u32::try_from(out.len().saturating_sub(4)).unwrap_or(u32::MAX);
        out.iter_mut().zip(len.to_le_bytes()).for_each(|(out, byte)| *out = byte);
        out
    }

    /// What [`FileJob::encode`] made; one that was cut short is none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Cursor(bytes);
        let len = from.number()?;
        if usize::try_from(len).ok()? != from.0.len() {
            return None;
        }
        let job = match from.byte()? {
            b'W' => {
                let mode = from.number()?.checked_sub(1);
                Self::Write { mode, path: from.path()?, bytes: from.text()?.to_vec() }
            }
            b'R' => {
                let mut paths = Vec::new();
                while !from.0.is_empty() {
                    paths.push(from.path()?);
                }
                Self::Read { paths }
            }
            b'L' => Self::List { path: from.path()? },
            _ => return None,
        };
        from.0.is_empty().then_some(job)
    }
}

/// What the process says when it is done.
pub fn encode_done(done: &Result<FileDone, String>) -> Vec<u8> {
    let mut out = Vec::new();
    match done {
        Ok(FileDone::Written) => out.push(b'w'),
        Ok(FileDone::Read(files)) => {
            out.push(b'r');
            for file in files {
                match file {
                    Ok(file) => {
                        out.push(1);
                        number(&mut out, file.mode);
                        text(&mut out, &file.bytes);
                    }
                    Err(why) => {
                        out.push(0);
                        text(&mut out, why.as_bytes());
                    }
                }
            }
        }
        Ok(FileDone::Listed(names)) => {
            out.push(b'l');
            names.iter().for_each(|name| text(&mut out, name.as_os_str().as_bytes()));
        }
        Err(why) => {
            out.push(b'e');
            text(&mut out, why.as_bytes());
        }
    }
    out
}

/// What [`encode_done`] made.
pub fn decode_done(bytes: &[u8]) -> Option<Result<FileDone, String>> {
    let mut from = Cursor(bytes);
    let done = match from.byte()? {
        b'w' => Ok(FileDone::Written),
        b'r' => {
            let mut files = Vec::new();
            while !from.0.is_empty() {
                files.push(match from.byte()? {
                    1 => Ok(FileRead { mode: from.number()?, bytes: from.text()?.to_vec() }),
                    _ => Err(from.words()?),
                });
            }
            Ok(FileDone::Read(files))
        }
        b'l' => {
            let mut names = Vec::new();
            while !from.0.is_empty() {
                names.push(from.path()?);
            }
            Ok(FileDone::Listed(names))
        }
        b'e' => Err(from.words()?),
        _ => return None,
    };
    from.0.is_empty().then_some(done)
}

fn number(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(bytes);
}

/// What is left of a message. It can only run short.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        self.take(len)
    }

    fn path(&mut self) -> Option<PathBuf> {
        Some(std::ffi::OsString::from_vec(self.text()?.to_vec()).into())
    }

    fn words(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.text()?).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs() -> Vec<FileJob> {
        vec![
            FileJob::Write { path: "/a/b".into(), bytes: b"x".to_vec(), mode: None },
            FileJob::Write { path: "é\n".into(), bytes: Vec::new(), mode: Some(0o644) },
            FileJob::Write { path: "z".into(), bytes: Vec::new(), mode: Some(0) },
            FileJob::Read { paths: Vec::new() },
            FileJob::Read { paths: vec!["a".into(), "".into()] },
            FileJob::List { path: "/".into() },
        ]
    }

    fn answers() -> Vec<Result<FileDone, String>> {
        let read = Ok(FileRead { bytes: vec![0; 300], mode: 0o600 });
        vec![
            Ok(FileDone::Written),
            Ok(FileDone::Read(vec![read.clone(), Err("open x: no such file or directory".to_owned()), read])),
            Ok(FileDone::Read(Vec::new())),
            Ok(FileDone::Listed(vec!["a".into(), "b".into()])),
            Err("open x: permission denied".to_owned()),
        ]
    }

    #[test]
    fn both_directions_are_read_as_they_were_written() {
        for job in jobs() {
            assert_eq!(FileJob::decode(&job.encode()), Some(job));
        }
        for answer in answers() {
            assert_eq!(decode_done(&encode_done(&answer)), Some(answer));
        }
    }

    #[test]
    fn a_request_that_was_cut_short_is_none() {
        for job in jobs() {
            let bytes = job.encode();
            for len in 0..bytes.len() {
                assert_eq!(FileJob::decode(&bytes[..len]), None, "{job:?} {len}");
            }
        }
    }

    #[test]
    fn nonsense_is_none_and_takes_no_memory() {
        for bytes in [&b""[..], b"W", b"X....", b"R\xff\xff\xff\xffab", b"L\x01\0\0\0ab", b"r\x01\0", b"r\x07"] {
            let request = [&u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], bytes].concat();
            assert_eq!(FileJob::decode(&request), None, "{bytes:?}");
            assert_eq!(decode_done(bytes), None, "{bytes:?}");
        }
    }
}
