//! Log lines for the system's log.
//!
//! Owns the socket to `/dev/log` and the form of a line there (RFC 3164, facility daemon). Does not wait: a line that is not
//! taken at once is dropped and counted. Always true: a log daemon that is started again is found again. Worst case:
//! [`LONGEST`] and a descriptor.

use super::clock::Local;
use core::fmt::Write;
use log::Level;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

/// Where log daemons listen.
pub(super) const PLACE: &str = "/dev/log";
/// Bytes of a line; what RFC 3164 promises.
const LONGEST: usize = 1024;
/// daemon.
const FACILITY: u8 = 3 << 3;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// See the module.
pub(super) struct Syslog {
    place: PathBuf,
    socket: Option<UnixDatagram>,
    lost: u32,
}

impl Syslog {
    /// The error is why there is none yet; lines are sent as soon as there is.
    pub(super) fn open(place: &str) -> (Self, Option<String>) {
        let mut syslog = Self { place: PathBuf::from(place), socket: None, lost: 0 };
        let why = syslog.connect().err().map(|e| format!("{place}: {e}"));
        (syslog, why)
    }

    fn connect(&mut self) -> io::Result<()> {
        self.socket = None;
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(&self.place)?;
        self.socket = Some(socket);
        Ok(())
    }

    /// Sends a line.
    pub(super) fn log(&mut self, level: Level, now: &Local, body: &str) {
        if self.lost > 0 {
            let note = format!("({} log lines were lost: the log daemon did not take them)", self.lost);
            if !self.send(&form(Level::Warn, now, &note)) {
                self.lost = self.lost.saturating_add(1);
                return;
            }
            self.lost = 0;
        }
        if !self.send(&form(level, now, body)) {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// Whether it was taken.
    fn send(&mut self, line: &str) -> bool {
        for _ in 0..2 {
            if self.socket.is_none() && self.connect().is_err() {
                return false;
            }
            let sent = self.socket.as_ref().map(|socket| socket.send(line.as_bytes()));
            match sent {
                Some(Ok(_)) => return true,
                // Full.
                Some(Err(e)) if e.kind() == io::ErrorKind::WouldBlock => return false,
                // The daemon has gone; perhaps another one is there.
                _ => self.socket = None,
            }
        }
        false
    }
}

/// A line on one line, cut where it is too long.
fn form(level: Level, now: &Local, body: &str) -> String {
    let severity = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    let ((_, month, day), (hour, minute, second)) = (now.date, now.time);
    let month = MONTHS.get(usize::from(month).wrapping_sub(1)).copied().unwrap_or("Jan");
    let pid = std::process::id();
    let mut out = format!("<{}>{month} {day:2} {hour:02}:{minute:02}:{second:02} redial[{pid}]: ", FACILITY | severity);
    for c in body.chars() {
        if out.len() + c.len_utf8() > LONGEST {
            break;
        }
        let _ = out.write_char(if c.is_control() { ' ' } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Local = Local { date: (2026, 2, 3), time: (4, 5, 6), millis: 7 };

    fn place() -> PathBuf {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("redial-syslog-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        std::env::temp_dir().join(name)
    }

    fn next(daemon: &UnixDatagram) -> String {
        let mut buf = [0; 4096];
        let n = daemon.recv(&mut buf).unwrap();
        String::from_utf8(buf[..n].to_vec()).unwrap()
    }

    #[test]
    fn a_line_has_the_form_of_rfc_3164() {
        let pid = std::process::id();
        assert_eq!(form(Level::Error, &NOW, "a\nb"), format!("<27>Feb  3 04:05:06 redial[{pid}]: a b"));
        assert!(form(Level::Trace, &NOW, "").starts_with("<31>"));
        let long = form(Level::Info, &NOW, &"é".repeat(2000));
        assert!((1020..=LONGEST).contains(&long.len()), "{}", long.len());
    }

    #[test]
    fn a_daemon_that_does_not_read_costs_lines_but_no_time() {
        let place = place();
        let daemon = UnixDatagram::bind(&place).unwrap();
        let (mut syslog, why) = Syslog::open(place.to_str().unwrap());
        assert_eq!(why, None);
        for n in 0..2000 {
            syslog.log(Level::Info, &NOW, &format!("line {n}"));
        }
        let lost = syslog.lost;
        assert!(lost > 0);
        let mut seen = 0;
        daemon.set_nonblocking(true).unwrap();
        while daemon.recv(&mut [0; 4096]).is_ok() {
            seen += 1;
        }
        assert_eq!(seen + lost, 2000);
        syslog.log(Level::Info, &NOW, "after");
        assert!(next(&daemon).ends_with(&format!("({lost} log lines were lost: the log daemon did not take them)")));
        assert!(next(&daemon).ends_with(": after"));
        std::fs::remove_file(&place).unwrap();
    }

    #[test]
    fn a_daemon_may_come_late_and_be_started_again() {
        let place = place();
        let (mut syslog, why) = Syslog::open(place.to_str().unwrap());
        assert!(why.unwrap().contains("No such file"));
        syslog.log(Level::Info, &NOW, "one");
        for round in ["first", "second"] {
            let daemon = UnixDatagram::bind(&place).unwrap();
            syslog.log(Level::Info, &NOW, round);
            if round == "first" {
                assert!(next(&daemon).contains("1 log lines were lost"));
            }
            assert!(next(&daemon).ends_with(round));
            drop(daemon);
            std::fs::remove_file(&place).unwrap();
        }
    }
}
