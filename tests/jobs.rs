//! Child processes and file jobs over the real system, with the program itself as helper. One test: it counts descriptors
//! and children of the whole process.

use redial::net::files::FileRead;
use redial::net::os::Os;
use redial::net::{Event, FileDone, FileJob, Job, Net, Token};
use redial::proto::time::{Duration, millis, secs};
use std::fs;
use std::path::Path;

const TOKEN: Token = Token { task: 1, port: 1 };
const LIMIT: Duration = secs(20);

fn until<T>(os: &mut Os, mut found: impl FnMut(&mut Os, Option<Event>) -> Option<T>) -> T {
    let give_up = os.now() + LIMIT;
    let mut events = Vec::new();
    while os.now() < give_up {
        os.wait(Some(os.now() + millis(20)), &mut events).expect("the poll works");
        let batch = events.drain(..).map(Some).chain([None]).collect::<Vec<_>>();
        if let Some(result) = batch.into_iter().find_map(|event| found(os, event)) {
            return result;
        }
    }
    panic!("waited in vain");
}

fn files(os: &mut Os, job: FileJob) -> Result<FileDone, String> {
    os.files(job, TOKEN);
    until(os, |_, event| match event {
        Some(Event::FilesDone { token, result }) if token == TOKEN => Some(result),
        _ => None,
    })
}

fn shell(script: &str) -> Job {
    Job { program: "/bin/sh".into(), args: vec!["-c".into(), script.into()], max_output: 1 << 20, ..Job::default() }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("procfs").count()
}

/// Children of this process, zombies among them.
fn children() -> usize {
    let me = format!(" {} ", std::process::id());
    let parent =
        |stat: &str| stat.rsplit(')').next().is_some_and(|rest| rest.get(2..).is_some_and(|r| r.starts_with(&me)));
    let all = fs::read_dir("/proc").expect("procfs").filter_map(Result::ok);
    all.filter(|e| fs::read_to_string(e.path().join("stat")).is_ok_and(|stat| parent(&stat))).count()
}

fn file_jobs(os: &mut Os, dir: &Path) {
    let path = dir.join("a");
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let written = files(os, FileJob::Write { path: path.clone(), bytes: bytes.clone(), mode: Some(0o640) });
    assert_eq!(written, Ok(FileDone::Written));
    let read = files(os, FileJob::Read { paths: vec![path, dir.join("none")] });
    let missing = Err(format!("open {}: no such file or directory", dir.join("none").display()));
    assert_eq!(read, Ok(FileDone::Read(vec![Ok(FileRead { bytes, mode: 0o640 }), missing])));
    assert_eq!(files(os, FileJob::List { path: dir.into() }), Ok(FileDone::Listed(vec!["a".into()])));
    let error = files(os, FileJob::Write { path: dir.into(), bytes: Vec::new(), mode: None });
    assert_eq!(error, Err(format!("open {}: is a directory", dir.display())));
}

fn killed_jobs(os: &mut Os) {
    for _ in 0..50 {
        os.spawn(shell("sleep 1000 | sleep 1000"), TOKEN).expect("starts");
        os.kill_job(TOKEN);
        until(os, |_, event| {
            assert!(!matches!(event, Some(Event::JobDone { .. })), "nothing is heard of it");
            (children() == 0).then_some(())
        });
    }
}

fn ended_jobs(os: &mut Os) {
    let mut longest = Duration::ZERO;
    for n in 0..100 {
        let before = std_now();
        os.spawn(shell(&format!("echo {n}; exit 5")), TOKEN).expect("starts");
        longest = longest.max(std_now() - before);
        let output = until(os, |_, event| match event {
            Some(Event::JobDone { token, result }) if token == TOKEN => Some(result),
            _ => None,
        });
        assert_eq!(output.expect("an output").stdout, format!("{n}\n").into_bytes());
    }
    // What a tunnel would feel. (A busy test machine may take the processor away meanwhile.)
    assert!(longest < secs(1), "a start took {longest:?}");
}

#[expect(clippy::disallowed_methods, reason = "how long a call takes is what is measured")]
fn std_now() -> std::time::Instant {
    std::time::Instant::now()
}

#[test]
fn nothing_is_left_behind() {
    let dir = std::env::temp_dir().join(format!("redial-jobs-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a folder");
    let mut os = Os::new(None).expect("a poll");
    os.use_helper(env!("CARGO_BIN_EXE_redial").into());
    // The bell is made by the first job.
    file_jobs(&mut os, &dir);
    let before = descriptors();
    file_jobs(&mut os, &dir);
    killed_jobs(&mut os);
    ended_jobs(&mut os);
    assert_eq!((descriptors(), children()), (before, 0));
    fs::remove_dir_all(dir).expect("the folder goes");
}
