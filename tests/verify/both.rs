//! Both programs, asked about many files at once.

use crate::rows::Case;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a program said about a file.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
}

impl Verdict {
    pub(crate) fn accepted(&self) -> bool {
        self.code == Some(0)
    }
}

/// The program under test.
pub(crate) fn redial() -> OsString {
    std::env::var_os("REDIAL_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_redial").into())
}

/// A directory of its own.
pub(crate) fn scratch() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("verify-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// A directory for the files, and who is asked.
pub(crate) struct Both {
    dir: PathBuf,
    ours: PathBuf,
    theirs: Option<PathBuf>,
}

impl Both {
    pub(crate) fn new() -> Self {
        let dir = scratch();
        fs::create_dir_all(dir.join("files")).unwrap();
        fs::create_dir_all(dir.join("inc")).unwrap();
        // For `includes`.
        let proxy = |name: &str| format!("[[proxies]]\nname = \"{name}\"\ntype = \"tcp\"\nlocalPort = 1\n");
        for (name, text) in [
            ("one.toml", proxy("one")),
            ("two.toml", format!("serverPort = 1\n{}", proxy("two"))),
            ("unknown.toml", format!("nonsense = 1\n{}", proxy("three"))),
            ("type.toml", format!("serverPort = \"x\"\n{}", proxy("four"))),
            ("broken.toml", "x = = 1\n".to_owned()),
            ("yaml.yaml", "proxies:\n- {name: five, type: tcp, localPort: 1}\n".to_owned()),
            ("json.json", "{\"proxies\": [{\"name\": \"six\", \"type\": \"tcp\", \"localPort\": 1}]}\n".to_owned()),
            ("old.ini", "[common]\n[old]\nlocal_port = 1\n".to_owned()),
            ("bare.ini", "[seven]\ntype = tcp\nlocal_port = 1\n".to_owned()),
        ] {
            fs::write(dir.join("inc").join(name), text).unwrap();
        }
        let theirs = std::env::var_os("REDIAL_PEERS").map(|peers| PathBuf::from(peers).join("frpc-0.70.1"));
        Self { dir, ours: redial().into(), theirs: theirs.filter(|path| path.is_file()) }
    }

    pub(crate) fn has_frpc(&self) -> bool {
        self.theirs.is_some()
    }

    /// Ours, and frpc's if it is at hand.
    pub(crate) fn ask(&self, cases: &[Case]) -> Vec<(Verdict, Option<Verdict>)> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut out = Vec::new();
            while let Some((at, case)) =
                Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, cases.get(at)?)))
            {
                out.push((at, self.about(at, case)));
            }
            out
        };
        let mut all = std::thread::scope(|scope| {
            let other = scope.spawn(work);
            let mut all = work();
            all.extend(other.join().unwrap());
            all
        });
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().map(|(_, verdicts)| verdicts).collect()
    }

    fn about(&self, at: usize, case: &Case) -> (Verdict, Option<Verdict>) {
        let name = format!("files/{at}{}", case.suffix());
        let path = self.dir.join(&name);
        fs::write(&path, &case.text).unwrap();
        let verdicts =
            (self.verdict(&self.ours, &name, case), self.theirs.as_ref().map(|p| self.verdict(p, &name, case)));
        fs::remove_file(&path).unwrap();
        verdicts
    }

    fn verdict(&self, program: &Path, name: &str, case: &Case) -> Verdict {
        let mut command = Command::new(program);
        command.args(["verify", "-c", name]).args(case.lax.then_some("--strict_config=false"));
        command.current_dir(&self.dir).stdin(Stdio::null()).env_clear();
        command.envs([("USER", "joe"), ("REDIAL_TOKEN", "0123456789abcdef"), ("EMPTY", ""), ("PORT", "6000")]);
        let output = command.output().unwrap();
        let mut out = String::from_utf8_lossy(&output.stdout).into_owned();
        out += &String::from_utf8_lossy(&output.stderr);
        Verdict { code: output.status.code(), out }
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}
