//! `redial selftest`: what a report from a machine nobody else has should say.
//!
//! Owns the report: program, system, clock, what the kernel offers, known answers of every cipher and hash, their speed.
//! Does not read a configuration or leave this machine. Always true: takes about a second; "FAILED" is said, and the
//! status is 1, only where redial would not work here. Worst case: 64 KiB.

mod speed;

use crate::net::os::{self, Os};
use crate::net::{Event, Net};
use crate::proto::crypto::{Decrypt, Encrypt, auth_key, derive_key};
use crate::proto::snappy;
use crate::proto::time::millis;
use core::fmt::Write;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock before this is one that was never set: 2026-01-01.
const TODAY: u64 = 1_767_225_600;
/// What the loop is asked to sleep, and what it may sleep on a busy machine.
const NAP: [u64; 2] = [20, 2000];

/// The report, and whether redial works here.
pub(super) fn report(version: &str) -> (String, bool) {
    let mut report = Report { text: format!("{version}\n"), works: true };
    report.program();
    report.system();
    report.clock();
    report.capabilities();
    for (name, found, right) in answers() {
        report.known(name, &found, right);
    }
    for line in speed::measured() {
        report.say("speed", &line);
    }
    report.say("verdict", if report.works { "redial works here" } else { "FAILED: see above" });
    (report.text, report.works)
}

struct Report {
    text: String,
    works: bool,
}

impl Report {
    fn say(&mut self, name: &str, what: &str) {
        let _ = writeln!(self.text, "{name}: {what}");
    }

    fn fail(&mut self, name: &str, why: &str) {
        self.works = false;
        self.say(name, &format!("FAILED: {why}"));
    }

    fn program(&mut self) {
        let endian = if cfg!(target_endian = "big") { "big" } else { "little" };
        let libc = if cfg!(target_env = "musl") { "musl" } else { "the system's C library" };
        let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
        self.say("program", &format!("{arch}, {} bit, {endian} endian, {os}, {libc}", usize::BITS));
    }

    fn system(&mut self) {
        self.say("kernel", &os::kernel());
        let (model, count) = os::cpus();
        let aes = if crate::proto::crypto::has_aes() { "AES instructions" } else { "no AES instructions known" };
        self.say("cpu", &format!("{count} x {}, {aes}", model.as_deref().unwrap_or("(the kernel does not say)")));
        let mib = |bytes: Option<u64>| bytes.map_or_else(|| "unknown".to_owned(), |n| format!("{} MiB", n >> 20));
        self.say("memory", &format!("{}, available {}", mib(os::memory_total()), mib(os::memory_available())));
        let descriptors = os::raise_descriptor_limit().map_or_else(|| "no limit".to_owned(), |n| n.to_string());
        self.say("descriptors", &descriptors);
    }

    /// The wall clock, which certificates need, and the loop's own, which everything needs.
    #[expect(clippy::disallowed_methods, reason = "reports what the clock says")]
    fn clock(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let set = if now < TODAY { ": not set, a server's certificate cannot be verified" } else { "" };
        self.say("clock", &format!("{now} s since 1970{set}"));
        self.say("local time", &super::clock::Clock::new().now().to_string());
        match nap() {
            Ok(slept) if (NAP[0]..NAP[1]).contains(&slept) => self.say("timer", &format!("{} ms took {slept}", NAP[0])),
            Ok(slept) => self.fail("timer", &format!("{} ms took {slept}", NAP[0])),
            Err(e) => self.fail("timer", &format!("the event loop cannot start: {e}")),
        }
    }

    fn capabilities(&mut self) {
        let list = match os::capabilities() {
            Ok(list) => list,
            Err(e) => return self.fail("sockets", &format!("no TCP over loopback: {e}")),
        };
        for capability in list {
            let said = match capability.found {
                Ok(detail) if detail.is_empty() => "yes".to_owned(),
                Ok(detail) => format!("yes ({detail})"),
                Err(e) => format!("no ({e}): {}", capability.without),
            };
            self.say(capability.name, &said);
        }
    }

    fn known(&mut self, name: &str, found: &str, right: &str) {
        if found == right {
            self.say(name, "right");
        } else {
            self.fail(name, &format!("{found} in place of {right}"));
        }
    }
}

/// Milliseconds that the event loop slept when it was asked for [`NAP`]`[0]`.
fn nap() -> io::Result<u64> {
    let mut os = Os::new(None)?;
    let start = os.now();
    let (until, mut events) = (start + millis(NAP[0]), Vec::<Event>::new());
    while os.now() < until {
        os.wait(Some(until), &mut events)?;
    }
    Ok((os.now().as_micros() - start.as_micros()) / 1000)
}

/// (what, found, right): of every algorithm whose wrong answer would look like a fault of the server.
fn answers() -> Vec<(&'static str, String, &'static str)> {
    // SP 800-38A F.3.13, the first three blocks; a byte at a time at first, then the rest at once.
    let key = *b"\x2b\x7e\x15\x16\x28\xae\xd2\xa6\xab\xf7\x15\x88\x09\xcf\x4f\x3c";
    let iv = core::array::from_fn(|at| u8::try_from(at).unwrap_or_default());
    let plain = *b"\x6b\xc1\xbe\xe2\x2e\x40\x9f\x96\xe9\x3d\x7e\x11\x73\x93\x17\x2a\
        \xae\x2d\x8a\x57\x1e\x03\xac\x9c\x9e\xb7\x6f\xac\x45\xaf\x8e\x51\
        \x30\xc8\x1c\x46\xa3\x5c\xe4\x11\xe5\xfb\xc1\x19\x1a\x0a\x52\xef";
    let mut sealed = plain;
    let mut encrypt = Encrypt::new(&key, iv);
    let (first, rest) = sealed.split_at_mut(5);
    first.chunks_mut(1).for_each(|byte| encrypt.apply(byte));
    encrypt.apply(rest);
    let mut stream = iv.to_vec();
    stream.extend(sealed);
    let opened = hex(Decrypt::new(&key).feed(&mut stream));
    vec![
        (
            "AES-128-CFB",
            hex(&sealed),
            "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b26751f67a3cbb140b1808cf187a4f4df",
        ),
        (
            "AES-128-CFB back",
            opened,
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef",
        ),
        ("MD5", auth_key("redial", 1), "3f99e8158686b7fc17bc366bb401bd87"),
        ("PBKDF2-SHA1", hex(&derive_key("123456")), "22252313c889b06c07fc70a2389eea9a"),
        ("snappy and CRC-32C", unpacked(), "redial redial redial redial "),
    ]
}

/// What the chunk of four words says, or why it says nothing. The CRC may be computed by an instruction of its own.
fn unpacked() -> String {
    let (mut decoder, mut out) = (snappy::Decoder::default(), Vec::new());
    decoder.push(b"\x00\x10\x00\x00\xe3-J\xcf\x1c\x18redial R\x07\x00");
    match decoder.next(&mut snappy::Workspace::default(), &mut out) {
        Ok(_) => String::from_utf8_lossy(&out).into_owned(),
        Err(e) => e.to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_passes() {
        let (text, works) = report("redial test");
        assert!(works, "{text}");
        for part in ["program: ", "TCP_INFO: yes", "AES-128-CFB: right", "speed: AES-128-CFB", "verdict: redial works"]
        {
            assert!(text.contains(part), "no {part} in {text}");
        }
    }

    #[test]
    fn a_wrong_answer_is_said_and_counts() {
        let mut report = Report { text: String::new(), works: true };
        report.known("MD5", "beef", "cafe");
        assert!(!report.works);
        assert_eq!(report.text, "MD5: FAILED: beef in place of cafe\n");
    }
}
