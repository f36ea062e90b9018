//! What TCP offers and no crate has as a safe call: SIOCOUTQ (tcp(7)) and TCP_RTO_MAX_MS (Linux 6.15).
//!
//! Owns nothing. Does not sample by itself. Always true: this is the only file with unsafe code; where the system lacks
//! something, nothing happens. Worst case: no memory.

#![expect(unsafe_code, reason = "no crate has these as safe calls")]

use core::time::Duration;
use std::os::fd::AsFd;

/// Bytes written and not acknowledged, sent or not; `None` where the system does not tell.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn unacknowledged(socket: impl AsFd) -> Option<u32> {
    use rustix::ioctl::{Getter, Opcode, ioctl};
    // The number differs on MIPS.
    const SIOCOUTQ: Opcode = libc::TIOCOUTQ as Opcode;
    // SAFETY: SIOCOUTQ writes one int, which is what the getter has room for, and changes nothing.
    let bytes = unsafe { ioctl(socket, Getter::<SIOCOUTQ, core::ffi::c_int>::new()) };
    bytes.ok().and_then(|bytes| u32::try_from(bytes).ok())
}

/// The system does not tell.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn unacknowledged(_socket: impl AsFd) -> Option<u32> {
    None
}

/// Bounds the time between two retransmissions of our bytes (1 to 120 s; SYNs as well).
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn limit_rto(socket: impl AsFd, most: Duration) {
    use std::os::fd::AsRawFd;
    /// linux/tcp.h; the same on all architectures.
    const TCP_RTO_MAX_MS: libc::c_int = 44;
    let millis = libc::c_int::try_from(most.as_millis()).unwrap_or(libc::c_int::MAX);
    let (fd, len) = (socket.as_fd().as_raw_fd(), size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: the kernel reads `len` bytes at the pointer, which are `millis`; the descriptor is open.
    let _ = unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, TCP_RTO_MAX_MS, (&raw const millis).cast(), len) };
}

/// The system has no such option.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn limit_rto(_socket: impl AsFd, _most: Duration) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};
    use std::os::fd::AsRawFd;

    #[test]
    fn the_limit_of_the_rto_reaches_a_kernel_that_has_it() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let read = || {
            let (mut value, mut len): (libc::c_int, _) = (0, size_of::<libc::c_int>() as libc::socklen_t);
            // SAFETY: the kernel writes up to `len` bytes, which is what `value` has room for.
            let result = unsafe {
                libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, 44, (&raw mut value).cast(), &raw mut len)
            };
            (result == 0).then_some(value)
        };
        let before = read();
        limit_rto(&socket, Duration::from_secs(1));
        assert_eq!(read(), before.map(|_| 1000), "it was {before:?}");
    }
}
