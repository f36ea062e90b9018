use super::*;

use rustix::fs::fcntl_getfl;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::mpsc::channel;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A pipe: both its ends.
fn pipe() -> (OwnedFd, File) {
    let (read, write) = rustix::pipe::pipe().unwrap();
    (write, File::from(read))
}

/// A terminal and the end where somebody would look at it.
fn terminal() -> (OwnedFd, File) {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    unlockpt(&screen).unwrap();
    let terminal = ioctl_tiocgptpeer(&screen, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    (terminal, File::from(screen))
}

/// Lines of different lengths, each of one letter; together more than any output holds.
fn lines() -> Vec<String> {
    let letters = ('a'..='z').cycle().zip([30usize, 99, 700, 5000, 9000].into_iter().cycle());
    letters.take(1000).map(|(letter, n)| format!("{}\n", String::from(letter).repeat(n))).collect()
}

/// Fills an output that nobody reads; fails if that takes for ever.
fn fill(mut sink: Sink) -> Sink {
    let (done, filled) = channel();
    std::thread::spawn(move || {
        lines().iter().for_each(|line| sink.write_all(line.as_bytes()).unwrap());
        done.send(sink).unwrap();
    });
    filled.recv_timeout(PATIENCE).expect("logging does not block")
}

/// Reads until the lost lines are owned up to; only whole lines may come.
fn drained(mut sink: Sink, mut reader: File) {
    let (mut seen, mut buf) = (Vec::new(), vec![0; 65536]);
    sink.write_all(b"last\n").unwrap();
    while !seen.ends_with(b"lines were lost: nobody read them)\nlast\n") {
        let n = reader.read(&mut buf).unwrap();
        seen.extend(buf[..n].iter().filter(|byte| **byte != b'\r'));
        sink.flush().unwrap();
        if sink.waiting.is_empty() && sink.lost > 0 {
            sink.write_all(b"last\n").unwrap();
        }
    }
    let (text, lines) = (String::from_utf8(seen).unwrap(), lines());
    let whole = |line: &str| lines.iter().any(|l| l.trim_end() == line) || line == "last" || line.contains("lost");
    assert!(text.lines().all(whole), "lines stay whole");
}

#[test]
fn a_reader_that_does_not_read_never_blocks_us() {
    for (fd, reader) in [pipe(), terminal()] {
        let sink = Sink::shared(fd.as_fd()).unwrap();
        assert!(!fcntl_getfl(&fd).unwrap().contains(OFlags::NONBLOCK), "others still have it as it was");
        let sink = fill(sink);
        assert!(sink.lost > 300 && sink.waiting.len() <= BACKLOG);
        drained(sink, reader);
    }
}

#[test]
fn a_pipe_that_cannot_be_opened_again_does_not_block_us_either() {
    let (fd, reader) = pipe();
    let sink = fill(Sink::new(Out::Pipe(File::from(fd))));
    assert!(sink.lost > 300 && sink.waiting.len() <= BACKLOG);
    drained(sink, reader);
}

#[test]
fn a_file_is_not_opened_again() {
    let path = std::env::temp_dir().join(format!("redial-out-{}", std::process::id()));
    fs::write(&path, "before\n").unwrap();
    let file = OpenOptions::new().append(true).open(&path).unwrap();
    assert!(reopen(file.as_fd()).is_none());
    Sink::shared(file.as_fd()).unwrap().write_all(b"after\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "before\nafter\n");
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_reader_that_is_gone_does_no_harm() {
    let (fd, reader) = pipe();
    let mut sink = Sink::shared(fd.as_fd()).unwrap();
    drop(reader);
    sink.write_all(b"hello\n").unwrap();
    assert!(sink.waiting.is_empty());
}

/// A directory for one test.
fn dir(name: &str) -> std::path::PathBuf {
    let dir = std::env::temp_dir().join(format!("redial-log-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    dir
}

fn sink(path: &Path, max_days: Option<u32>, cap: Option<u64>) -> Sink {
    Sink::file(path.to_str().unwrap(), max_days, cap, Clock::new()).unwrap()
}

fn file(sink: &mut Sink) -> &mut LogFile {
    let Out::File(file) = &mut sink.out else { panic!("a file") };
    file
}

#[test]
fn a_file_is_appended_to_and_rotated() {
    let dir = dir("days");
    let path = dir.join("deep/redial.log");
    sink(&path, Some(3), None).write_all(b"one\n").unwrap();
    let mut sink = sink(&path, Some(3), None);
    sink.write_all(b"two\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    file(&mut sink).day = (1999, 12, 31);
    let old = path.with_file_name("redial.20000101-000000.log");
    let other = path.with_file_name("redial.notes.log");
    for name in [&old, &other] {
        let file = File::create(name).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    }
    sink.write_all(b"three\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    assert!(!old.exists() && other.exists(), "only our own old files go");
    let kept = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(kept, 3, "the new file, the one of before, the notes");
    fs::remove_dir_all(&dir).unwrap();
    assert!(Sink::file("/proc/no/such.log", None, None, Clock::new()).is_err());
}

#[test]
fn a_file_keeps_to_its_cap_and_so_do_the_old_ones() {
    let dir = dir("cap");
    let path = dir.join("redial.log");
    let mut sink = sink(&path, None, Some(1000));
    // Old ones as if they had been written a second apart.
    for n in 0..9 {
        fs::write(dir.join(format!("redial.20200101-00000{n}.log")), [b'x'; 900]).unwrap();
    }
    fs::write(dir.join("redial.mine.log"), [b'x'; 9000]).unwrap();
    for n in 0..100 {
        sink.write_all(format!("{n:03} {}\n", "y".repeat(95)).as_bytes()).unwrap();
        assert!(fs::metadata(&path).unwrap().len() <= 1000);
    }
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.lines().all(|line| line.len() == 99) && text.ends_with(&format!("099 {}\n", "y".repeat(95))));
    let names = fs::read_dir(&dir)
        .unwrap()
        .flatten()
        .map(|e| (e.file_name().into_string().unwrap(), e.metadata().unwrap().len()));
    let old: Vec<_> = names.filter(|(name, _)| name.starts_with("redial.2")).collect();
    let bytes: u64 = old.iter().map(|(_, len)| len).sum();
    assert!(bytes <= 3000 && old.len() >= 2, "{old:?}");
    assert!(dir.join("redial.mine.log").exists());
    // One line that is larger than the cap is still a line.
    sink.write_all(format!("{}\n", "z".repeat(3000)).as_bytes()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 3001);
    sink.write_all(b"next\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "next\n");
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn what_others_move_or_remove_is_opened_anew() {
    let dir = dir("moved");
    let path = dir.join("redial.log");
    let mut sink = sink(&path, None, None);
    sink.write_all(b"one\n").unwrap();
    fs::rename(&path, dir.join("moved")).unwrap();
    sink.write_all(b"two\n").unwrap();
    sink.reopen();
    sink.write_all(b"three\n").unwrap();
    assert_eq!(fs::read_to_string(dir.join("moved")).unwrap(), "one\ntwo\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    // And within a minute by itself.
    fs::remove_file(&path).unwrap();
    file(&mut sink).minute = (99, 99);
    sink.write_all(b"four\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
    sink.reopen();
    sink.write_all(b"five\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "four\nfive\n");
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_full_disk_costs_lines_and_says_so_when_there_is_room_again() {
    let dir = dir("full");
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join("redial.log");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let mut sink = sink(&path, None, None);
    for _ in 0..5 {
        sink.write_all(b"lost\n").unwrap();
    }
    assert!(sink.waiting.is_empty());
    sink.torn = true;
    fs::remove_file(&path).unwrap();
    sink.reopen();
    sink.write_all(b"kept\n").unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "\n(5 log lines were lost: No space left on device (os error 28))\nkept\n");
    sink.write_all(b"more\n").unwrap();
    assert!(fs::read_to_string(&path).unwrap().ends_with("kept\nmore\n"), "said once");
    fs::remove_dir_all(&dir).unwrap();
}
