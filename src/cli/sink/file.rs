//! A log file.
//!
//! Owns the file, its rotation by days and by size, and its old ones. Does not format, and keeps nothing that the disk does
//! not take. Always true: a line is in the file that has the name (it is opened again where somebody moved or removed it);
//! with a cap no file grows beyond it, and old ones together not beyond [`OLD`] times it; only files with our names are
//! removed. Worst case: a path, a descriptor, and the names of the old files while one is set aside.
//!
//! Why is it so?
//! * *Why may a write block here?* Files have no readiness: a disk that hangs (a lost file server, a dying stick) holds
//!   up whoever writes to it, and so the loop. Where that may happen, log to standard output or to the system's log.

use super::super::clock::{Clock, Local};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How many times the cap the old files may have together.
const OLD: u64 = 3;

/// See the module.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    max_days: Option<u32>,
    /// Bytes of a file; `None`: as many as there are.
    cap: Option<u64>,
    clock: Clock,
    pub(super) day: (i32, u8, u8),
    /// When its name was last looked at.
    pub(super) minute: (u8, u8),
}

impl LogFile {
    pub(super) fn open(path: &Path, max_days: Option<u32>, cap: Option<u64>, clock: Clock) -> io::Result<Self> {
        let Local { date: day, time: (hour, minute, _), .. } = clock.now();
        let file = append(path)?;
        let size = file.metadata().map_or(0, |meta| meta.len());
        Ok(Self { path: path.to_owned(), file, size, max_days, cap, clock, day, minute: (hour, minute) })
    }

    /// Writes a part of a line or lines. `whole`: it starts with a new line.
    pub(super) fn write(&mut self, bytes: &[u8], whole: bool) -> io::Result<usize> {
        let now = self.clock.now();
        let (hour, minute, _) = now.time;
        if (hour, minute) != self.minute {
            self.minute = (hour, minute);
            self.find_again();
        }
        let full = |cap| whole && self.size > 0 && self.size.saturating_add(bytes.len() as u64) > cap;
        if now.date != self.day {
            self.day = now.date;
            self.rotate(&now);
        } else if self.cap.is_some_and(full) && !self.rotate(&now) {
            // Better no old lines than a full disk.
            let _ = self.file.set_len(0);
            self.size = 0;
        }
        let n = self.file.write(bytes)?;
        self.size = self.size.saturating_add(n as u64);
        Ok(n)
    }

    /// Opens the file anew if another one, or none, has its name.
    pub(super) fn find_again(&mut self) {
        let id = |meta: io::Result<fs::Metadata>| meta.ok().map(|meta| (meta.dev(), meta.ino()));
        if id(fs::metadata(&self.path)) != id(self.file.metadata())
            && let Ok(file) = append(&self.path)
        {
            self.size = file.metadata().map_or(0, |meta| meta.len());
            self.file = file;
        }
    }

    /// Moves the file aside, opens a new one, and removes what is too old or too much. Whether there is a new one.
    fn rotate(&mut self, now: &Local) -> bool {
        let ((y, mo, d), (h, mi, s)) = (now.date, now.time);
        let stamp = format!("{y:04}{mo:02}{d:02}-{h:02}{mi:02}{s:02}");
        let extension = self.path.extension().map(|e| format!(".{}", e.display())).unwrap_or_default();
        let stem = self.path.file_stem().map(|s| s.display().to_string()).unwrap_or_default();
        let old = self.path.with_file_name(format!("{stem}.{stamp}{extension}"));
        let moved = fs::rename(&self.path, old).is_ok();
        if moved && let Ok(file) = append(&self.path) {
            self.file = file;
            self.size = 0;
        }
        self.clean(&stem, &extension);
        moved && self.size == 0
    }

    fn clean(&self, stem: &str, extension: &str) {
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let ours = |name: &str| {
            let middle = name.strip_prefix(&format!("{stem}.")).and_then(|rest| rest.strip_suffix(extension));
            middle.is_some_and(|m| m.len() == 15 && m.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
        };
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let mut old: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|name| ours(&name.to_string_lossy())))
            .collect();
        // The youngest first: the names hold the time.
        old.sort_by(|a, b| b.cmp(a));
        let mut kept: u64 = 0;
        for path in old {
            let Ok(meta) = fs::metadata(&path) else { continue };
            let age = meta.modified().ok().and_then(|t| t.elapsed().ok());
            let old = self.max_days.is_some_and(|days| age.is_some_and(|age| age.as_secs() > u64::from(days) * 86_400));
            kept = kept.saturating_add(meta.len());
            if old || self.cap.is_some_and(|cap| kept > cap.saturating_mul(OLD)) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent().filter(|dir| !dir.exists()) {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}
