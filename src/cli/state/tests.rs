use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A directory of a test's own.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("redial-state-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("state")
    }

    /// Writes the file as the program would.
    fn put(&self, bytes: &[u8], mode: u32) {
        fs::write(self.file(), bytes).unwrap();
        fs::set_permissions(self.file(), fs::Permissions::from_mode(mode)).unwrap();
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn memory() -> Memory {
    let (server, run_id) = ("frps.example:7000".to_owned(), "0123456789abcdef".to_owned());
    Memory { server, run_id, version: "0.70.1".to_owned(), ended: false }
}

fn write(path: &Path, memory: &Memory) {
    let (file, _) = acquire(path, true).unwrap();
    Kept { file, path: path.to_owned(), broken: false }.write(memory);
}

#[test]
fn what_is_written_is_read() {
    let dir = Dir::new("roundtrip");
    let path = dir.0.join("a").join("b");
    assert_eq!(acquire(&path, true).unwrap().1, None);
    let long = Memory { server: "x".repeat(300), run_id: "y".repeat(256), version: "z".repeat(64), ended: true };
    for memory in [memory(), Memory { ended: true, ..memory() }, long, Memory::default(), memory()] {
        write(&path, &memory);
        assert_eq!(acquire(&path, true).unwrap().1, Some(memory));
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
}

#[test]
fn the_form_stays_as_it_is() {
    let expected = "redial state 1\nserver=frps.example:7000\nrun_id=0123456789abcdef\nversion=0.70.1\nended=false\n\
                    end 390931cf7fe561d3\n";
    assert_eq!(render(&memory()), expected);
    assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8, "a published value");
}

#[test]
fn what_cannot_be_written_is_left_out() {
    for bad in ["a\nb", "a\0b", &"x".repeat(301)] {
        let read = |memory: &Memory| parse(render(memory).as_bytes()).unwrap().unwrap();
        assert_eq!(read(&Memory { run_id: bad.to_owned(), ..memory() }), Memory { run_id: String::new(), ..memory() });
        assert_eq!(
            read(&Memory { version: bad.to_owned(), ..memory() }),
            Memory { version: String::new(), ..memory() }
        );
        assert_eq!(read(&Memory { server: bad.to_owned(), ..memory() }), Memory::default());
    }
}

#[test]
fn what_is_not_whole_is_damaged() {
    let whole = render(&memory());
    for end in 1..whole.len() {
        assert!(parse(&whole.as_bytes()[..end]).is_err(), "cut at {end}");
    }
    for at in 0..whole.len() {
        let mut bytes = whole.clone().into_bytes();
        bytes[at] ^= 1;
        assert!(parse(&bytes).is_err(), "byte {at}");
        // The first bytes of one state over another.
        let other = Memory { run_id: "fedcba9876543210".to_owned(), ..memory() };
        let mut mixed = render(&other).into_bytes();
        mixed[..at].copy_from_slice(&whole.as_bytes()[..at]);
        assert!(parse(&mixed).map_or(true, |read| read == Some(memory()) || read == Some(other)), "mixed at {at}");
    }
    assert!(parse(format!("{whole}x").as_bytes()).is_err());
}

#[test]
fn what_is_not_ours_is_set_aside() {
    let good = render(&memory());
    for (name, bytes, mode) in [
        ("foreign", b"[common]\n".to_vec(), 0o600),
        ("later", good.replace("state 1", "state 2").into_bytes(), 0o600),
        ("large", [good.as_bytes(), &[b'x'; 1024]].concat(), 0o600),
        ("zeros", vec![0; 200], 0o600),
        ("binary", vec![0xff; 20], 0o600),
        ("readable", good.clone().into_bytes(), 0o640),
        ("writable", good.clone().into_bytes(), 0o602),
    ] {
        let dir = Dir::new(name);
        fs::write(dir.0.join("state.bad"), "an older one").unwrap();
        dir.put(&bytes, mode);
        let (file, read) = acquire(&dir.file(), true).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(read, None, "{name}");
        assert_eq!(fs::read(dir.0.join("state.bad")).unwrap(), bytes, "{name}");
        assert_eq!(fs::metadata(dir.file()).unwrap().len(), 0, "{name}");
        drop(file);
        write(&dir.file(), &memory());
        assert_eq!(acquire(&dir.file(), true).unwrap().1, Some(memory()), "{name}");
    }
}

#[test]
fn a_file_that_was_named_by_mistake_is_left_alone() {
    for (bytes, aside) in [
        (&b"[common]\n"[..], false),
        (b"-----BEGIN PRIVATE KEY-----", false),
        (b"redial stat", false),
        (b"redial state 9\n", true),
        (&[0; 5], true),
        (&[0; 200], true),
    ] {
        let dir = Dir::new("named");
        dir.put(bytes, 0o600);
        let taken = acquire(&dir.file(), false);
        assert_eq!(taken.is_ok(), aside, "{bytes:?}");
        assert_eq!(dir.0.join("state.bad").exists(), aside);
        assert!(aside || fs::read(dir.file()).unwrap() == bytes);
    }
}

#[test]
fn what_cannot_be_set_aside_is_left_alone() {
    let dir = Dir::new("alone");
    let refused = |path: &Path| acquire(path, true).expect_err("it was taken");
    fs::write(dir.0.join("other"), "precious").unwrap();
    symlink(dir.0.join("other"), dir.file()).unwrap();
    let why = refused(&dir.file()).to_lowercase(); // glibc "Too many levels of symbolic links", musl "Symbolic link loop"
    assert!(why.contains("symbolic link"), "{why}");
    assert_eq!(fs::read_to_string(dir.0.join("other")).unwrap(), "precious");
    assert!(dir.file().is_symlink());
    assert!(refused(&dir.0).contains("directory"));
    assert_eq!(refused(Path::new("/dev/null")), "it is no regular file");
    assert!(refused(&dir.0.join("other").join("state")).contains("directory"), "a file where a directory is needed");
    fs::remove_file(dir.file()).unwrap();
    dir.put(b"junk", 0o600);
    fs::create_dir_all(dir.0.join("state.bad").join("x")).unwrap();
    assert!(refused(&dir.file()).contains("cannot be set aside"));
    assert_eq!(fs::read(dir.file()).unwrap(), b"junk");
}

#[test]
fn one_program_at_a_time_has_it() {
    let dir = Dir::new("lock");
    write(&dir.file(), &memory());
    let (held, _) = acquire(&dir.file(), true).unwrap();
    assert!(acquire(&dir.file(), true).unwrap_err().contains("another process uses it"));
    // Nor is it set aside then, whatever is in it.
    fs::write(dir.file(), "junk").unwrap();
    assert!(acquire(&dir.file(), true).unwrap_err().contains("another process uses it"));
    drop(held);
    assert_eq!(acquire(&dir.file(), true).unwrap().1, None);
}

#[test]
fn the_place_is_the_systems() {
    let dir = |set: &[(&str, &str)], root, run| {
        let variable = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value));
        directory(variable, root, run).map(|dir| dir.to_str().unwrap().to_owned())
    };
    let (systemd, session) = (("RUNTIME_DIRECTORY", "/run/a:/run/b"), ("XDG_RUNTIME_DIR", "/run/user/7"));
    for (set, root, run, expected) in [
        (&[systemd, session][..], false, true, Some("/run/a")),
        (&[systemd], true, true, Some("/run/a")),
        (&[session], true, true, Some("/run/redial")),
        (&[], true, false, Some("/var/run/redial")),
        (&[session], false, true, Some("/run/user/7/redial")),
        (&[("RUNTIME_DIRECTORY", ""), ("XDG_RUNTIME_DIR", "here")], false, true, None),
        (&[], false, true, None),
    ] {
        assert_eq!(dir(set, root, run).as_deref(), expected, "{set:?}");
    }
}

#[test]
fn each_configuration_has_its_own() {
    let name = |path: &str| name_for(Path::new(path));
    assert_eq!(name("/etc/redial/frpc.toml"), "frpc-39f48849100f806c.state");
    assert_ne!(name("/etc/redial/frpc.toml"), name("/etc/frpc.toml"));
    assert!(name("/etc/a b/é/../näme x.toml").starts_with("nmex-"));
    assert!(name(&format!("/{}", "x".repeat(255))).len() < 64);
}

#[test]
fn a_state_that_cannot_be_kept_ends_nothing() {
    let dir = Dir::new("full");
    // A descriptor that cannot be written to stands for a full disk.
    let file = File::open(&dir.0).unwrap();
    let mut kept = Kept { file, path: dir.file(), broken: false };
    kept.write(&memory());
    assert!(kept.broken);
    let config = dir.0.join("frpc.toml");
    fs::write(&config, "x").unwrap();
    let config = config.to_str().unwrap();
    for place in [StateFile::At(config.to_owned()), StateFile::At("/dev/null/x".to_owned()), StateFile::Off] {
        let (state, memory) = State::open(&place, config);
        assert!(state.0.is_none() && memory.is_none());
    }
    assert_eq!(fs::read(config).unwrap(), b"x");
}
