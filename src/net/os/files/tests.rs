//! Real files.

use super::*;
use crate::net::{Event, Net, Token};

/// A folder that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("redial-files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<PathBuf> {
        list(&self.0).unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn put(path: &Path, bytes: &[u8], mode: Option<u32>) -> Result<FileDone, String> {
    perform(&FileJob::Write { path: path.to_owned(), bytes: bytes.to_vec(), mode })
}

#[test]
fn a_new_file_is_private_and_an_old_one_keeps_its_mode() {
    let dir = Dir::new("mode");
    let file = dir.at("a");
    put(&file, b"1", None).unwrap();
    assert_eq!((fs::read(&file).unwrap(), mode(&file)), (b"1".to_vec(), 0o600));
    fs::set_permissions(&file, Permissions::from_mode(0o664)).unwrap();
    let before = fs::metadata(&file).unwrap().ino();
    put(&file, b"22", None).unwrap();
    assert_eq!((fs::read(&file).unwrap(), mode(&file)), (b"22".to_vec(), 0o664));
    assert_ne!(fs::metadata(&file).unwrap().ino(), before, "it was replaced, not overwritten");
    put(&file, b"", Some(0o640)).unwrap();
    assert_eq!((fs::read(&file).unwrap(), mode(&file)), (Vec::new(), 0o640));
    assert_eq!(dir.names(), ["a"].map(PathBuf::from), "nothing is left beside it");
}

#[test]
fn links_stay_and_folders_are_made() {
    let dir = Dir::new("links");
    let below = dir.at("x/y/store.json");
    put(&below, b"{}", None).unwrap();
    assert_eq!(mode(below.parent().unwrap()) & !0o022, 0o755);
    std::os::unix::fs::symlink("x/y/store.json", dir.at("one")).unwrap();
    std::os::unix::fs::symlink("one", dir.at("two")).unwrap();
    std::os::unix::fs::symlink("x/fresh", dir.at("dangling")).unwrap();
    put(&dir.at("two"), b"new", None).unwrap();
    put(&dir.at("dangling"), b"fresh", None).unwrap();
    assert!(fs::symlink_metadata(dir.at("two")).unwrap().is_symlink());
    assert_eq!(fs::read(below).unwrap(), b"new");
    assert_eq!(fs::read(dir.at("x/fresh")).unwrap(), b"fresh");
    std::os::unix::fs::symlink("circle", dir.at("circle")).unwrap();
    put(&dir.at("circle"), b"", None).unwrap_err();
}

#[test]
fn a_temporary_file_that_was_left_is_no_hindrance() {
    let dir = Dir::new("left");
    let left = dir.at(&format!(".a.{}.tmp", std::process::id()));
    fs::write(&left, "old").unwrap();
    put(&dir.at("a"), b"new", None).unwrap();
    assert_eq!(dir.names(), ["a"].map(PathBuf::from));
}

#[test]
fn what_is_no_file_is_not_replaced() {
    let dir = Dir::new("device");
    assert_eq!(put(&dir.0, b"", None).unwrap_err(), format!("open {}: is a directory", dir.0.display()));
    put(Path::new("/dev/null"), b"x", None).unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    let error = put(&dir.at("a").join("b"), b"", None);
    assert_eq!(error, Ok(FileDone::Written), "the folder is made");
    let error = put(&dir.at("a/b/c"), b"", None).unwrap_err();
    assert!(error.starts_with(&format!("open {}: ", dir.at("a/b/c").display())), "{error}");
}

#[test]
fn what_is_read_is_bounded_and_told_file_by_file() {
    let dir = Dir::new("read");
    fs::write(dir.at("a"), "text").unwrap();
    fs::set_permissions(dir.at("a"), Permissions::from_mode(0o640)).unwrap();
    fs::write(dir.at("large"), vec![0; MAX_FILE + 1]).unwrap();
    fs::write(dir.at("most"), vec![0; MAX_FILE]).unwrap();
    let names = ["a", "none", "large", "", "most", "most", "a"];
    let paths = names.map(|name| if name.is_empty() { dir.0.clone() } else { dir.at(name) }).to_vec();
    let Ok(FileDone::Read(files)) = perform(&FileJob::Read { paths }) else { panic!("read") };
    let [a, none, large, folder, most, too_many, again] = files.as_slice() else { panic!("seven") };
    assert_eq!(a, &Ok(FileRead { bytes: b"text".to_vec(), mode: 0o640 }));
    assert_eq!(none, &Err(format!("open {}: no such file or directory", dir.at("none").display())));
    assert_eq!(large, &Err(format!("open {}: larger than {MAX_FILE} bytes", dir.at("large").display())));
    assert_eq!(folder, &Err(format!("open {}: is a directory", dir.0.display())));
    assert_eq!(most.as_ref().unwrap().bytes.len(), MAX_FILE);
    assert!(too_many.is_err(), "all files together are bounded");
    assert!(again.is_ok());
}

#[test]
fn a_pipe_does_not_hold_us_up() {
    let dir = Dir::new("pipe");
    let made = std::process::Command::new("mkfifo").arg(dir.at("pipe")).status();
    assert!(made.unwrap().success());
    assert_eq!(read(&dir.at("pipe"), 10).map(|file| file.bytes), Ok(Vec::new()));
}

#[test]
fn without_a_process_it_is_done_on_the_spot() {
    let dir = Dir::new("spot");
    let token = Token { task: 1, port: 2 };
    // No helper, and one that cannot be had.
    for helper in [None, Some("/nonexistent/redial")] {
        let mut os = crate::net::os::Os::new(None).unwrap();
        helper.into_iter().for_each(|program| os.use_helper(program.into()));
        let path = dir.at("a");
        os.files(FileJob::Write { path: path.clone(), bytes: b"x".to_vec(), mode: None }, token);
        let mut events = Vec::new();
        os.wait(None, &mut events).unwrap();
        assert!(
            matches!(events.as_slice(), [Event::FilesDone { token: t, result: Ok(FileDone::Written) }] if *t == token)
        );
        os.files(FileJob::Read { paths: vec![path] }, token);
        os.cancel_files(token);
        events.clear();
        os.wait(Some(os.now()), &mut events).unwrap();
        assert!(events.is_empty(), "{events:?}");
    }
}

#[test]
fn a_process_that_is_no_helper_is_an_error() {
    let output = |stdout: &[u8]| {
        let status = crate::net::job::Status::Exited(0);
        outcome(Ok(Output { status, stdout: stdout.to_vec(), stderr: Vec::new() }))
    };
    assert_eq!(output(b"w"), Ok(FileDone::Written));
    assert_eq!(output(b"Usage: ..."), Err("the process for files ended with exit status 0".to_owned()));
    assert_eq!(outcome(Err(JobError::TooMuch)), Err("its output is too long".to_owned()));
    let mut said = Vec::new();
    assert!(!serve(&b"nonsense"[..], &mut said) && said.is_empty());
}
