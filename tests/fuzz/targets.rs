//! What is fuzzed: readers of configurations, and the HTTP machine of the admin server.
//!
//! Owns one function a target; each takes any bytes and panics if a promise is broken. Used by the fuzzer (`fuzz_targets`)
//! and by `tests/seeds.rs`, which replays what is kept in `seeds`. Always true: nothing is read from a disk, and the same
//! bytes do the same.

use redial::config::{Files, Finding, Loaded, Loader, Purpose, Strictness, Want};
use redial::proto::http::{Event, Http, MAX_HEAD, Method, Response};

/// Rounds of reading more files, at most; each brings one that was not there before.
const ROUNDS: usize = 100;
/// Body that a request may have.
const BODY: usize = 1000;

/// A target: its name, and what is done with the bytes.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const ALL: [Target; 7] = [
    ("toml", |data| alone("a.toml", data)),
    ("yaml", |data| alone("a.yaml", data)),
    ("json", |data| alone("a.json", data)),
    ("ini", |data| alone("a.ini", &[b"[common]\n", data].concat())),
    ("template", |data| alone("a.toml", &[b"{{ \"\" }}", data].concat())),
    ("loader", several),
    ("http", http),
];

/// One file, both ways to read it.
fn alone(name: &str, bytes: &[u8]) {
    for strictness in [Strictness::Strict, Strictness::Lax] {
        check(name, &[(name, bytes)], strictness);
    }
}

/// Files divided by 0xFF; the first is the main one, the others `b`, `c` … in the folder `d`, the last of them a folder's
/// names.
fn several(data: &[u8]) {
    const NAMES: [&str; 6] = ["/a.toml", "/d/b.toml", "/d/c.yaml", "/d/e.ini", "/d/f", "/d/g.json"];
    let files: Vec<_> = NAMES.into_iter().zip(data.split(|b| *b == 0xFF)).collect();
    check("/a.toml", &files, Strictness::Strict);
}

/// Reads it twice: nothing may depend on anything but the bytes, and findings are about places that exist.
fn check(main: &str, files: &[(&str, &[u8])], strictness: Strictness) {
    let verify = Loader { strictness, purpose: Purpose::Verify, allow_exec: false };
    let first = told(load(&verify, main, files));
    assert_eq!(first, told(load(&verify, main, files)), "the same bytes, another result");
    let run = load(&Loader { purpose: Purpose::Run, ..verify }, main, files);
    assert!(!(first.0.is_none() && run.is_ok()), "what is wrong to verify is good to run");
    for finding in &first.1 {
        let Some((_, bytes)) = files.iter().find(|(name, _)| *name == finding.file) else { continue };
        let lines = bytes.iter().filter(|b| **b == b'\n' || **b == b'\r').count() + 1;
        assert!(finding.line as usize <= lines, "line {} of {lines}: {finding}", finding.line);
        assert!(!finding.text.is_empty());
    }
}

fn told(result: Result<Loaded, Vec<Finding>>) -> (Option<String>, Vec<Finding>) {
    match result {
        Ok(Loaded { config, warnings }) => (Some(format!("{config:?}")), warnings),
        Err(findings) => (None, findings),
    }
}

fn load(loader: &Loader, main: &str, files: &[(&str, &[u8])]) -> Result<Loaded, Vec<Finding>> {
    let mut held = Files::held();
    for _ in 0..ROUNDS {
        let result = loader.load_from(main, &mut held);
        let wanted = held.wanted();
        if wanted.is_empty() {
            return result;
        }
        for want in wanted {
            match want {
                Want::File(path) => {
                    let bytes = files.iter().find(|(name, _)| **name == path).map(|(_, bytes)| bytes.to_vec());
                    held.give_file(&path, bytes.ok_or_else(|| format!("open {path}: no such file or directory")));
                }
                Want::Folder(path) => {
                    let inside = files.iter().filter_map(|(name, _)| name.strip_prefix("/d/").map(str::to_owned));
                    let names = path.trim_end_matches('/').ends_with("/d").then(|| inside.collect());
                    held.give_folder(&path, names.ok_or_else(|| format!("open {path}: no such file or directory")));
                }
            }
        }
    }
    panic!("it wants to read on and on");
}

/// Requests at once and byte by byte: the same is asked and answered.
fn http(data: &[u8]) {
    let whole = talk(data, data.len().max(1));
    assert_eq!(whole, talk(data, 1), "bytes in pieces mean something else");
    assert_eq!(whole, talk(data, 7), "bytes in pieces mean something else");
}

/// What was asked, and what was answered.
fn talk(data: &[u8], step: usize) -> (Vec<String>, String) {
    let (mut http, mut asked, mut answered) = (Http::default(), Vec::new(), Vec::new());
    for piece in data.chunks(step) {
        http.feed(piece);
        answer(&mut http, &mut asked, &mut answered);
        assert!(http.holds() <= MAX_HEAD.max(BODY) + data.len().min(step) + 8, "it holds {} bytes", http.holds());
    }
    http.on_eof();
    answer(&mut http, &mut asked, &mut answered);
    // Said only to who waits for it, and not to who has sent on.
    (asked, String::from_utf8_lossy(&answered).replace("HTTP/1.1 100 Continue\r\n\r\n", ""))
}

fn answer(http: &mut Http, asked: &mut Vec<String>, answered: &mut Vec<u8>) {
    loop {
        match http.poll() {
            Some(Event::Request(request)) => {
                asked.push(format!("{request:?}"));
                match request.method {
                    Method::Put => http.take_body(BODY),
                    _ => http.respond(&Response::text(200, "yes"), 0),
                }
            }
            Some(Event::Body(body)) => {
                assert!(body.len() <= BODY);
                asked.push(format!("{body:?}"));
                http.respond(&Response::text(200, "taken"), 0);
            }
            None if http.output().is_empty() => return,
            None => answered.append(http.output()),
        }
        assert!(!http.idle() || !http.closed());
    }
}
