//! Changes of links, addresses, routes and rules of this machine: rtnetlink as a doorbell.
//!
//! Owns the netlink socket. Does not read what the messages say: the client asks afresh how things are
//! ([`super::Net::source_for`], [`super::Net::has_address`]), so an overrun (ENOBUFS) loses nothing. Always true: where
//! netlink is closed (a jail, a container without it) there is no doorbell and no error. Worst case: one descriptor, and
//! 8 KiB of stack while it is emptied.

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::Errno;

/// RTMGRP_LINK, RTMGRP_IPV4_IFADDR, _ROUTE and _RULE, RTMGRP_IPV6_IFADDR and _ROUTE, and RTNLGRP_IPV6_RULE
/// (rtnetlink(7), linux/rtnetlink.h).
#[cfg(any(target_os = "linux", target_os = "android"))]
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 1 << 18;
/// Messages taken in one turn; more ring again.
const MOST: usize = 64;

/// The doorbell.
pub(super) struct Changes {
    socket: OwnedFd,
}

impl Changes {
    /// Listens from now on, if the system lets us.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn open(registry: &Registry, token: usize) -> Option<Self> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, netlink, socket_with};
        // NETLINK_ROUTE is 0, the default.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None).ok()?;
        bind(&socket, &netlink::SocketAddrNetlink::new(0, GROUPS)).ok()?;
        registry.register(&mut SourceFd(&socket.as_raw_fd()), Token(token), Interest::READABLE).ok()?;
        Some(Self { socket })
    }

    /// The system has no netlink.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn open(_registry: &Registry, _token: usize) -> Option<Self> {
        None
    }

    /// Empties the socket; whether anything came. If there is too much, it is looked at again at once.
    pub(super) fn rang(&self, registry: &Registry, token: usize) -> bool {
        let mut message = [0_u8; 8192];
        for turn in 0..MOST {
            match rustix::io::read(&self.socket, &mut message) {
                Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
                Err(_) => return turn > 0,
            }
        }
        // Edge-triggered: what is left rings again only if we ask.
        let _ = registry.reregister(&mut SourceFd(&self.socket.as_raw_fd()), Token(token), Interest::READABLE);
        true
    }
}
