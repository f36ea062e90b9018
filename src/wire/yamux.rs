//! yamux frame headers (protocol §1.9).
//!
//! Owns the coding of the 12-byte header. Does not know streams. Always true: only the kinds and the version of the
//! protocol are ever returned. Worst case: 12 bytes.

/// Bytes of a header.
pub const HEADER: usize = 12;
/// Bytes each end may send on a new stream before it is told more.
pub const INITIAL_WINDOW: u32 = 256 * 1024;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Payload follows.
    Data,
    /// Adds to the send window.
    Window,
    /// A ping or its reply.
    Ping,
    /// The session ends.
    GoAway,
}

/// The flag bits of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Opens a stream; on a ping: the request.
    pub const SYN: Self = Self(1);
    /// Accepts a stream; on a ping: the reply.
    pub const ACK: Self = Self(2);
    /// The sender will send no more on this stream.
    pub const FIN: Self = Self(4);
    /// The stream is aborted.
    pub const RST: Self = Self(8);

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub kind: Kind,
    /// Its flags.
    pub flags: Flags,
    /// The stream; 0 for the session.
    pub stream: u32,
    /// Payload bytes, window increment, ping id or go-away code.
    pub length: u32,
}

/// The bytes are no header of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotYamux;

impl Header {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER] {
        let kind = match self.kind {
            Kind::Data => 0,
            Kind::Window => 1,
            Kind::Ping => 2,
            Kind::GoAway => 3,
        };
        let [f0, f1] = self.flags.0.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        let [l0, l1, l2, l3] = self.length.to_be_bytes();
        [0, kind, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3]
    }

    /// Reads a header.
    ///
    /// # Errors
    /// Another version, or a kind that does not exist.
    pub fn decode(bytes: &[u8; HEADER]) -> Result<Self, NotYamux> {
        let [0, kind, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3] = *bytes else { return Err(NotYamux) };
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Window,
            2 => Kind::Ping,
            3 => Kind::GoAway,
            _ => return Err(NotYamux),
        };
        let flags = Flags(u16::from_be_bytes([f0, f1]));
        let (stream, length) = (u32::from_be_bytes([s0, s1, s2, s3]), u32::from_be_bytes([l0, l1, l2, l3]));
        Ok(Self { kind, flags, stream, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_protocol_decodes() {
        let header = Header { kind: Kind::Window, flags: Flags(5), stream: 0x0102_0304, length: 0xfffe_fdfc };
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Ok(header));
        assert!(header.flags.has(Flags::SYN) && header.flags.has(Flags::FIN) && !header.flags.has(Flags::ACK));
        for (at, byte) in [(0, 1), (1, 4), (1, 255)] {
            let mut wrong = bytes;
            wrong[at] = byte;
            assert_eq!(Header::decode(&wrong), Err(NotYamux));
        }
    }
}
