//! How much a socket has sent that the far end has not acknowledged: SIOCOUTQ (tcp(7)).
//!
//! Owns nothing. Does not sample by itself. Always true: this is the only file with unsafe code, as no crate offers the
//! call. Worst case: no memory.

#![expect(unsafe_code, reason = "no crate has SIOCOUTQ as a safe call")]

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
