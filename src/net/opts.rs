//! Socket options.
//!
//! Owns [`SockOpts`] and the calls that set options on a socket (through socket2; what it lacks is set where the socket
//! is opened). Does not open sockets. Always true: an option the system lacks is skipped, never an error; binding that
//! fails is an error. Worst case: no memory.

use core::time::Duration;
use socket2::{SockRef, Socket, TcpKeepalive};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// When the kernel probes an idle connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Idle time before the first probe; whole seconds, at least 1.
    pub idle: Duration,
    /// Time between probes; whole seconds, at least 1.
    pub interval: Duration,
    /// Unanswered probes until the connection counts as dead; 1 to 127.
    pub count: u32,
}

/// What a dialled socket is to be like. The default is a plain socket with TCP_NODELAY.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SockOpts {
    /// Kernel keepalive probes; `None` leaves them off.
    pub keepalive: Option<Keepalive>,
    /// TCP_USER_TIMEOUT: how long sent or queued data may stay unacknowledged. Linux only.
    pub user_timeout: Option<Duration>,
    /// TCP_RTO_MAX_MS: the longest time between two retransmissions, 1 s or more. Linux from 6.15 on.
    pub rto_max: Option<Duration>,
    /// TCP_NOTSENT_LOWAT in bytes: how much may wait unsent in the kernel before the socket stops being writable.
    pub notsent_lowat: Option<u32>,
    /// SO_SNDBUF in bytes; `None` lets the kernel tune it.
    pub send_buffer: Option<u32>,
    /// SO_RCVBUF in bytes; `None` lets the kernel tune it.
    pub recv_buffer: Option<u32>,
    /// Source address; a port of the system's choice.
    pub bind: Option<IpAddr>,
    /// SO_BINDTODEVICE: through this interface only. Linux only.
    pub device: Option<String>,
    /// SO_MARK for the firewall. Linux only.
    pub mark: Option<u32>,
}

impl SockOpts {
    /// Applies everything that must precede `connect`.
    ///
    /// # Errors
    /// Only when the source address or the interface cannot be bound, or the mark may not be set.
    pub(super) fn apply(&self, socket: &Socket) -> io::Result<()> {
        let _ = socket.set_tcp_nodelay(true);
        if let Some(k) = self.keepalive {
            let probe = TcpKeepalive::new().with_time(k.idle).with_interval(k.interval).with_retries(k.count);
            let _ = socket.set_tcp_keepalive(&probe);
        }
        if let Some(bytes) = self.send_buffer {
            let _ = socket.set_send_buffer_size(bytes as usize);
        }
        if let Some(bytes) = self.recv_buffer {
            let _ = socket.set_recv_buffer_size(bytes as usize);
        }
        self.apply_linux(socket);
        self.apply_way(socket)
    }

    /// Applies interface, mark and source alone, to any socket.
    ///
    /// # Errors
    /// As [`SockOpts::apply`].
    pub(super) fn apply_way(&self, socket: &Socket) -> io::Result<()> {
        self.apply_device(socket)?;
        match self.bind {
            Some(ip) => socket.bind(&SocketAddr::new(ip, 0).into()),
            None => Ok(()),
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn apply_device(&self, socket: &Socket) -> io::Result<()> {
        if let Some(name) = &self.device {
            socket.bind_device(Some(name.as_bytes()))?;
        }
        if let Some(mark) = self.mark {
            socket.set_mark(mark)?;
        }
        Ok(())
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn apply_linux(&self, socket: &Socket) {
        if let Some(limit) = self.user_timeout {
            let _ = socket.set_tcp_user_timeout(Some(limit));
        }
        if let Some(bytes) = self.notsent_lowat {
            let _ = socket.set_tcp_notsent_lowat(bytes);
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn apply_linux(&self, _socket: &Socket) {}

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn apply_device(&self, _socket: &Socket) -> io::Result<()> {
        let asked = self.device.is_some() || self.mark.is_some();
        if asked { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) }
    }
}

/// Changes [`SockOpts::notsent_lowat`] on an open socket.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn limit_unsent(socket: SockRef<'_>, bytes: u32) {
    let _ = socket.set_tcp_notsent_lowat(bytes);
}

/// The system has no such option.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn limit_unsent(_socket: SockRef<'_>, _bytes: u32) {}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Type};

    #[test]
    fn options_reach_the_kernel() {
        let s = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let opts = SockOpts {
            keepalive: Some(Keepalive { idle: Duration::from_secs(15), interval: Duration::from_secs(5), count: 6 }),
            user_timeout: Some(Duration::from_secs(15)),
            notsent_lowat: Some(16384),
            bind: Some("127.0.0.1".parse().unwrap()),
            ..SockOpts::default()
        };
        opts.apply(&s).unwrap();
        assert!(s.tcp_nodelay().unwrap() && s.keepalive().unwrap());
        assert_eq!(s.tcp_keepalive_time().unwrap(), Duration::from_secs(15));
        assert_eq!(s.local_addr().unwrap().as_socket().unwrap().ip().to_string(), "127.0.0.1");
        #[cfg(target_os = "linux")]
        {
            assert_eq!(s.tcp_user_timeout().unwrap(), Some(Duration::from_secs(15)));
            assert_eq!(s.tcp_notsent_lowat().unwrap(), 16384);
        }
        let foreign = SockOpts { bind: Some("192.0.2.1".parse().unwrap()), ..SockOpts::default() };
        let s = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        assert!(foreign.apply(&s).is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_interface_binds_and_one_that_is_not_there_is_an_error() {
        let apply = |opts: SockOpts| opts.apply(&Socket::new(Domain::IPV4, Type::STREAM, None).unwrap());
        apply(SockOpts { device: Some("lo".to_owned()), ..SockOpts::default() }).unwrap();
        let absent = SockOpts { device: Some("redial-absent".to_owned()), ..SockOpts::default() };
        assert!(apply(absent).is_err());
    }
}
