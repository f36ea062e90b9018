//! A file that is read again when it has changed.
//!
//! Owns the path and the mark of the version read last. Does not understand the content. Always true: only a regular
//! file is read, never more than [`MAX_FILE`], and a file that is missing or unreadable reads as empty. Worst case: the
//! path and 40 bytes; [`MAX_FILE`] in the caller's hands after a change.

use super::super::super::dns::MAX_FILE;
use rustix::fs::OFlags;
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What tells two versions of a file apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Mark {
    /// `None`: not a regular file.
    fn of(data: &Metadata) -> Option<Self> {
        let modified = (data.mtime(), data.mtime_nsec());
        data.is_file().then(|| Self { device: data.dev(), inode: data.ino(), size: data.size(), modified })
    }
}

/// The file.
pub(super) struct Watched {
    path: PathBuf,
    /// `None` until it was looked at; then the mark, if there was a file.
    seen: Option<Option<Mark>>,
}

impl Watched {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), seen: None }
    }

    /// The content, if it is not the one returned last. Links are followed.
    pub(super) fn read_if_changed(&mut self) -> Option<Vec<u8>> {
        let mark = std::fs::metadata(&self.path).ok().as_ref().and_then(Mark::of);
        if self.seen == Some(mark) {
            return None;
        }
        let (mark, content) = mark.and_then(|_| read(&self.path)).map_or((None, Vec::new()), |(m, c)| (Some(m), c));
        self.seen = Some(mark);
        Some(content)
    }
}

/// Opens without blocking, should the file have become a FIFO meanwhile, and reads whole lines.
fn read(path: &Path) -> Option<(Mark, Vec<u8>)> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(i32::try_from(flags.bits()).ok()?).open(path).ok()?;
    let mark = Mark::of(&file.metadata().ok()?)?;
    let mut content = read_bounded(&file)?;
    if content.len() == MAX_FILE {
        let lines = content.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        content.truncate(lines);
    }
    Some((mark, content))
}

fn read_bounded(file: &File) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    file.take(MAX_FILE as u64).read_to_end(&mut content).ok()?;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::os::dns::tests::Folder;
    use std::fs::{remove_file, rename, write};

    #[test]
    fn it_is_read_when_it_changes_and_only_then() {
        let folder = Folder::new("changes");
        let path = folder.path("hosts");
        let mut file = Watched::new(&path);
        assert_eq!(file.read_if_changed().unwrap(), b"", "a missing file is an empty one");
        assert_eq!(file.read_if_changed(), None);
        write(&path, "one").unwrap();
        assert_eq!(file.read_if_changed().unwrap(), b"one");
        assert_eq!(file.read_if_changed(), None);
        write(&path, "longer").unwrap();
        assert_eq!(file.read_if_changed().unwrap(), b"longer");
        write(folder.path("new"), "LONGER").unwrap();
        rename(folder.path("new"), &path).unwrap();
        assert_eq!(file.read_if_changed().unwrap(), b"LONGER", "another inode");
        remove_file(&path).unwrap();
        assert_eq!(file.read_if_changed().unwrap(), b"");
        assert_eq!(file.read_if_changed(), None);
    }

    #[test]
    fn the_same_size_at_another_time_is_a_change() {
        let folder = Folder::new("mtime");
        let path = folder.path("hosts");
        write(&path, "one").unwrap();
        let mut file = Watched::new(&path);
        file.read_if_changed();
        write(&path, "two").unwrap();
        let later = std::time::UNIX_EPOCH + std::time::Duration::from_secs(5);
        File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        assert_eq!(file.read_if_changed().unwrap(), b"two");
    }

    #[test]
    fn a_link_is_followed_to_where_it_points_now() {
        let folder = Folder::new("links");
        let path = folder.path("resolv.conf");
        write(folder.path("a"), "aa").unwrap();
        write(folder.path("b"), "bb").unwrap();
        std::os::unix::fs::symlink("a", &path).unwrap();
        let mut file = Watched::new(&path);
        assert_eq!(file.read_if_changed().unwrap(), b"aa");
        remove_file(&path).unwrap();
        std::os::unix::fs::symlink("b", &path).unwrap();
        assert_eq!(file.read_if_changed().unwrap(), b"bb");
    }

    #[test]
    fn what_is_no_file_is_empty_and_does_not_block() {
        let folder = Folder::new("fifo");
        let fifo = folder.path("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(read(&fifo).is_none(), "opened, but not read");
        for path in [fifo, folder.path("."), "/dev/zero".into()] {
            let mut file = Watched::new(&path);
            assert_eq!(file.read_if_changed().unwrap(), b"");
            assert_eq!(file.read_if_changed(), None);
        }
    }

    #[test]
    fn a_long_file_is_cut_after_a_line() {
        let folder = Folder::new("long");
        let path = folder.path("hosts");
        write(&path, "127.0.0.1 x\n".repeat(40_000)).unwrap();
        let content = Watched::new(&path).read_if_changed().unwrap();
        assert!(content.len() <= MAX_FILE && content.len() > MAX_FILE - 12 && content.ends_with(b"x\n"));
        write(&path, vec![b'x'; MAX_FILE + 1]).unwrap();
        assert_eq!(Watched::new(&path).read_if_changed().unwrap(), b"");
    }
}
