//! Tells systemd how things are (sd_notify, for units of `Type=notify`).
//!
//! Owns the socket, what was last said, and the rhythm of the watchdog. Does not decide how things are. Always true: without
//! NOTIFY_SOCKET it does nothing; nothing here waits, and a failure costs a message, never more; the watchdog hears from us
//! only out of a turn of the loop, so that a loop that stands still is found out. Worst case: a descriptor and [`LONGEST`].
//!
//! Why is it so?
//! * *Why READY before the login?* A server that cannot be reached is no fault of this machine's: the unit would be
//!   killed for it (TimeoutStartSec), and everything ordered after it would wait. STATUS says how far it is.

use crate::proto::time::{Duration, Instant, micros};
use rustix::time::{ClockId, clock_gettime};
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where to send to, how often at least, and who.
pub(super) const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];
/// Bytes of a status.
const LONGEST: usize = 512;

/// See the module.
pub(super) struct Notify {
    socket: Option<UnixDatagram>,
    /// Half of what systemd waits for, so that one may be lost.
    every: Option<Duration>,
    due: Option<Instant>,
    status: String,
}

impl Notify {
    /// As the environment says.
    pub(super) fn new() -> Self {
        Self::from(|name| std::env::var_os(name).map(|value| value.as_bytes().to_vec()))
    }

    fn from(variable: impl Fn(&str) -> Option<Vec<u8>>) -> Self {
        let [place, usec, pid] = VARIABLES.map(variable);
        let socket = place.and_then(|place| connect(&place).ok());
        let number = |bytes: Option<Vec<u8>>| String::from_utf8(bytes?).ok()?.parse::<u64>().ok();
        // It may be meant for who started us.
        let ours = pid.is_none_or(|pid| number(Some(pid)) == Some(u64::from(std::process::id())));
        let usec = number(usec).filter(|usec| ours && socket.is_some() && *usec > 0);
        Self { socket, every: usec.map(|usec| micros(usec / 2)), due: None, status: String::new() }
    }

    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket {
            // Who does not listen now has something else to do.
            let _ = socket.send(message.as_bytes());
        }
    }

    /// The loop runs, and everything that is to be bound is bound.
    pub(super) fn ready(&self) {
        self.send("READY=1");
    }

    /// A new configuration is being read; [`Notify::ready`] says that it is over.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The program ends.
    pub(super) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// How things are, on one line; said only if it has changed.
    pub(super) fn status(&mut self, text: &str) {
        if self.socket.is_none() || self.status == text {
            return;
        }
        text.clone_into(&mut self.status);
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST / 4).collect();
        self.send(&format!("STATUS={line}"));
    }

    /// A turn of the loop: the watchdog is told if it is time.
    pub(super) fn turn(&mut self, now: Instant) {
        if let Some(every) = self.every
            && self.due.is_none_or(|due| now >= due)
        {
            self.send("WATCHDOG=1");
            self.due = Some(now + every);
        }
    }

    /// When the next turn must be.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }
}

/// A path, or after `@` a name that is in no directory.
fn connect(place: &[u8]) -> io::Result<UnixDatagram> {
    let addr = match place.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None if place.starts_with(b"/") => SocketAddr::from_pathname(OsStr::from_bytes(place))?,
        None => return Err(io::ErrorKind::Unsupported.into()),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&addr)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::time::millis;

    /// A manager at an address, and what it is told.
    fn manager(name: &str) -> (UnixDatagram, String) {
        let name = format!("redial-{name}-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        (socket, format!("@{name}"))
    }

    fn told(manager: &UnixDatagram) -> Vec<String> {
        let mut buf = [0; 4096];
        core::iter::from_fn(|| manager.recv(&mut buf).ok().map(|n| String::from_utf8_lossy(&buf[..n]).into_owned()))
            .collect()
    }

    fn notify(place: &str, usec: Option<&str>, pid: Option<String>) -> Notify {
        Notify::from(|name| {
            let value = match name {
                "NOTIFY_SOCKET" => Some(place.to_owned()),
                "WATCHDOG_USEC" => usec.map(str::to_owned),
                _ => pid.clone(),
            };
            value.filter(|value| !value.is_empty()).map(String::into_bytes)
        })
    }

    fn at(ms: u64) -> Instant {
        Instant::ZERO + millis(ms)
    }

    #[test]
    fn a_manager_is_told() {
        let (manager, place) = manager("told");
        let mut notify = notify(&place, None, None);
        notify.ready();
        notify.status("a\nb");
        notify.status("a\nb");
        notify.status(&"é".repeat(2000));
        notify.turn(at(1));
        notify.stopping();
        let told = told(&manager);
        assert_eq!(told[..2], ["READY=1", "STATUS=a b"], "what has not changed is not said again");
        assert!(told[2].len() <= LONGEST && told[3] == "STOPPING=1" && told.len() == 4, "{told:?}");
        notify.reloading();
        let told = self::told(&manager);
        let since: u128 = told[0].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!(since > 0 && notify.deadline().is_none());
    }

    #[test]
    fn the_watchdog_hears_twice_as_often_as_it_must() {
        let (manager, place) = manager("watchdog");
        let mut notify = notify(&place, Some("3000000"), Some(std::process::id().to_string()));
        for (now, told_now) in [(0, true), (1, false), (1499, false), (1500, true), (9000, true), (9001, false)] {
            notify.turn(at(now));
            assert_eq!(told(&manager) == ["WATCHDOG=1"], told_now, "{now}");
        }
        assert_eq!(notify.deadline(), Some(at(10_500)));
    }

    #[test]
    fn a_watchdog_of_another_process_is_not_ours() {
        let (_manager, place) = manager("other");
        for (usec, pid) in
            [(Some("3000000"), Some("1")), (Some("3000000"), Some("x")), (Some("x"), None), (Some("0"), None)]
        {
            let mut notify = notify(&place, usec, pid.map(str::to_owned));
            notify.turn(at(0));
            assert_eq!(notify.deadline(), None, "{usec:?} {pid:?}");
        }
    }

    #[test]
    fn a_manager_that_does_not_read_or_is_not_there_does_no_harm() {
        let (manager, place) = manager("deaf");
        let mut deaf = notify(&place, Some("3000000"), None);
        (0..5000).for_each(|n| deaf.status(&n.to_string()));
        assert!(told(&manager).len() < 5000);
        drop(manager);
        deaf.ready();
        for place in ["", "@", "relative", "/nowhere/socket", "/", "@redial-nobody-is-here"] {
            let mut none = notify(place, Some("3000000"), None);
            none.ready();
            none.status("x");
            none.turn(at(0));
            assert_eq!(none.deadline(), None, "{place}");
        }
    }

    #[test]
    fn a_manager_may_have_a_path() {
        let path = std::env::temp_dir().join(format!("redial-notify-{}", std::process::id()));
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        notify(path.to_str().unwrap(), None, None).ready();
        assert_eq!(told(&manager), ["READY=1"]);
        std::fs::remove_file(&path).unwrap();
    }
}
