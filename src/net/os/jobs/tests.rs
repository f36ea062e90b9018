//! Real processes.

use super::super::Os;
use crate::net::job::{Job, JobError, MAX_JOBS, MAX_STDERR, Output, Status};
use crate::net::{Event, Net, Token};
use crate::proto::time::{millis, secs};

const TOKEN: Token = Token { task: 7, port: 9 };

fn os() -> Os {
    Os::new(None).unwrap()
}

fn shell(script: &str) -> Job {
    let args = ["-c", script].map(Into::into).to_vec();
    Job { program: "/bin/sh".into(), args, max_output: 1 << 20, ..Job::default() }
}

/// Turns the loop until a job has ended, or for that many seconds.
fn next(os: &mut Os, limit: u64) -> Option<(Token, Result<Output, JobError>)> {
    let until = os.now() + secs(limit);
    let mut events = Vec::new();
    while os.now() < until {
        os.wait(Some(until), &mut events).unwrap();
        for event in events.drain(..) {
            if let Event::JobDone { token, result } = event {
                return Some((token, result));
            }
        }
    }
    None
}

fn run(job: Job) -> Result<Output, JobError> {
    let mut os = os();
    os.spawn(job, TOKEN).unwrap();
    let (token, result) = next(&mut os, 20).expect("it ends");
    assert_eq!(token, TOKEN);
    result
}

fn said(script: &str) -> String {
    String::from_utf8(run(shell(script)).unwrap().stdout).unwrap()
}

#[test]
fn what_it_writes_and_how_it_ends_is_told() {
    let output = run(shell("echo out; echo err >&2; exit 3")).unwrap();
    assert_eq!((output.status, output.stdout, output.stderr), (Status::Exited(3), b"out\n".into(), b"err\n".into()));
    let output = run(shell("kill -9 $$")).unwrap();
    assert_eq!((output.status, output.status.to_string()), (Status::Signalled(9), "signal: 9".to_owned()));
}

#[test]
fn it_reads_what_it_was_given_while_it_writes() {
    let stdin: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let job = Job { program: "cat".into(), stdin: stdin.clone(), max_output: stdin.len(), ..Job::default() };
    assert!(run(job).unwrap().stdout == stdin);
    // One that does not read is not waited for.
    let job = Job { stdin, ..shell("exec true") };
    assert_eq!(run(job).unwrap().status, Status::Exited(0));
}

#[test]
fn its_surroundings_are_clean() {
    let job = Job { env: vec![("REDIAL_TEST".into(), "a b".into())], ..shell("echo \"$REDIAL_TEST\"; cat; exit 0") };
    assert_eq!(run(job).unwrap().stdout, b"a b\n");
    // It leads its group.
    assert_eq!(said("[ $(cut -d' ' -f5 /proc/$$/stat) = $$ ] && echo leads"), "leads\n");
    // Nothing is blocked or ignored, SIGPIPE least of all, but for what the tests' own parent has them ignore.
    let signals = |status: &str, line: &str| {
        let set = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(":\t")).unwrap();
        // 32 and 33 belong to the C library.
        u64::from_str_radix(set, 16).unwrap() & 0x7fff_ffff
    };
    const SIGPIPE: u64 = 1 << 12;
    let (ours, its) = (std::fs::read_to_string("/proc/self/status").unwrap(), said("exec cat /proc/self/status"));
    assert_eq!(signals(&its, "SigBlk"), 0, "{its}");
    assert_eq!(signals(&its, "SigIgn") & !(signals(&ours, "SigIgn") & !SIGPIPE), 0, "{its}");
    // What the tests' own parent has let them inherit is no doing of ours.
    let mut plain = std::process::Command::new("ls");
    let plain = plain.arg("/proc/self/fd").stdin(std::process::Stdio::null()).output().unwrap();
    let _held = (os(), std::fs::File::open("/dev/null").unwrap());
    assert_eq!(said("exec ls /proc/self/fd").as_bytes(), plain.stdout);
}

#[test]
fn what_cannot_be_started_is_told_at_once() {
    let mut os = os();
    for (program, kind) in
        [("/nonexistent/program", std::io::ErrorKind::NotFound), ("/etc/passwd", std::io::ErrorKind::PermissionDenied)]
    {
        let error = os.spawn(Job { program: program.into(), ..Job::default() }, TOKEN).unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    assert!(next(&mut os, 0).is_none());
}

#[test]
fn too_much_output_ends_it() {
    let most = Job { max_output: 4, ..shell("printf 1234") };
    assert_eq!(run(most).unwrap().stdout, b"1234");
    let more = Job { max_output: 3, ..shell("printf 1234; sleep 60") };
    assert_eq!(run(more), Err(JobError::TooMuch));
    let endless = Job { max_output: 1000, ..shell("exec yes") };
    assert_eq!(run(endless), Err(JobError::TooMuch));
    // Of standard error the first bytes are kept, and the rest does not hold it up.
    let output = run(shell("head -c 300000 /dev/zero >&2; echo done")).unwrap();
    assert_eq!((output.stdout.as_slice(), output.stderr.len()), (b"done\n".as_slice(), MAX_STDERR));
    assert_eq!(run(shell("exec yes >&2")), Err(JobError::TooMuch));
}

#[test]
fn a_helper_left_in_the_background_does_not_hold_it_up() {
    let mut os = os();
    let start = os.now();
    os.spawn(shell("sleep 30 & echo $!"), TOKEN).unwrap();
    let (_, result) = next(&mut os, 20).unwrap();
    assert!(os.now().since(start) < secs(10));
    let pid = String::from_utf8(result.unwrap().stdout).unwrap();
    assert!(std::path::Path::new("/proc").join(pid.trim()).exists(), "it lives on");
    assert!(std::process::Command::new("kill").arg(pid.trim()).status().unwrap().success());
}

#[test]
fn a_kill_reaches_what_it_has_started() {
    let dir = std::env::temp_dir().join(format!("redial-kill-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let pid = dir.join("pid");
    let mut os = os();
    os.spawn(shell(&format!("sleep 1000 & echo $! > {}; wait", pid.display())), TOKEN).unwrap();
    let mut events = Vec::new();
    let child = loop {
        os.wait(Some(os.now() + millis(10)), &mut events).unwrap();
        match std::fs::read_to_string(&pid) {
            Ok(text) if text.ends_with('\n') => break text.trim().to_owned(),
            _ => {}
        }
    };
    os.kill_job(TOKEN);
    os.kill_job(TOKEN);
    let state = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    // Its own parent is gone, so somebody else waits for it, or nobody: then it stays a zombie.
    while state(&child).is_some_and(|stat| !stat.contains(") Z ")) {
        os.wait(Some(os.now() + millis(10)), &mut events).unwrap();
    }
    assert!(next(&mut os, 1).is_none(), "nothing is heard of it");
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn only_so_many_run_at_once() {
    let mut os = os();
    for task in 0..u32::try_from(MAX_JOBS).unwrap() {
        os.spawn(shell("cat; sleep 1000"), Token { task, port: 0 }).unwrap();
    }
    assert_eq!(os.spawn(shell("true"), TOKEN).unwrap_err().kind(), std::io::ErrorKind::Other);
    os.kill_job(Token { task: 3, port: 0 });
    // Its place is free once it has ended.
    let mut events = Vec::new();
    while os.spawn(shell("true"), TOKEN).is_err() {
        os.wait(Some(os.now() + millis(10)), &mut events).unwrap();
    }
    assert_eq!(next(&mut os, 20).unwrap().0, TOKEN);
}
