//! What TCP offers and no crate has as a safe call: SIOCOUTQ and TCP_INFO (tcp(7)), TCP_RTO_MAX_MS (Linux 6.15).
//!
//! Owns nothing. Does not sample by itself. Always true: this is the only file with unsafe code; where the system lacks
//! something, that is said and nothing happens. Worst case: no memory.

#![expect(unsafe_code, reason = "no crate has these as safe calls")]

use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

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
///
/// # Errors
/// The kernel does not know the option.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn limit_rto(socket: impl AsFd, most: Duration) -> io::Result<()> {
    /// linux/tcp.h; the same on all architectures.
    const TCP_RTO_MAX_MS: libc::c_int = 44;
    let millis = libc::c_int::try_from(most.as_millis()).unwrap_or(libc::c_int::MAX);
    let (fd, len) = (socket.as_fd().as_raw_fd(), size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: the kernel reads `len` bytes at the pointer, which are `millis`; the descriptor is open.
    let result = unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, TCP_RTO_MAX_MS, (&raw const millis).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The system has no such option.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn limit_rto(_socket: impl AsFd, _most: Duration) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// How much the kernel tells about a connection (TCP_INFO), in bytes; at most 256 are asked for.
///
/// # Errors
/// It tells nothing.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn info_size(socket: impl AsFd) -> io::Result<usize> {
    let (mut info, fd) = ([0_u8; 256], socket.as_fd().as_raw_fd());
    let mut len = info.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `info`, which has as many, and their number to `len`.
    let result =
        unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut len) };
    if result == 0 { Ok(len as usize) } else { Err(io::Error::last_os_error()) }
}

/// The system tells nothing.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn info_size(_socket: impl AsFd) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};

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
        assert_eq!(limit_rto(&socket, Duration::from_secs(1)).is_ok(), before.is_some());
        assert_eq!(read(), before.map(|_| 1000), "it was {before:?}");
    }
}
