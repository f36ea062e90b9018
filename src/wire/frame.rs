//! Frames of wire protocol v1 (protocol §2.1): `type (1) ‖ length (8, signed, BE) ‖ JSON body`.
//!
//! Owns the coding of frames. Does not know what a message means. Always true: a body is at most [`MAX_BODY`] bytes, a
//! wrong frame is found out from its first bytes. Worst case: 9 + [`MAX_BODY`] bytes to hold for a frame that is not
//! complete.

use super::msg::{Answer, Hear, Message, Say, name_of};

/// The largest body either end accepts, in bytes.
pub const MAX_BODY: usize = 10240;
/// Type byte and length.
pub const HEADER: usize = 9;

/// Why bytes are no frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// No message has this type byte.
    UnknownType(u8),
    /// The length is negative or above [`MAX_BODY`].
    BadLength(i64),
    /// The body is not the JSON it should be; says what the parser found.
    BadBody(String),
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::UnknownType(byte) => write!(f, "unknown message type 0x{byte:02x}"),
            Self::BadLength(n) => write!(f, "message of {n} bytes, at most {MAX_BODY} are allowed"),
            Self::BadBody(what) => write!(f, "message body: {what}"),
        }
    }
}

/// A message whose body would exceed [`MAX_BODY`]: the server would drop the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Name of the message.
    pub name: &'static str,
    /// Size of its body in bytes.
    pub size: usize,
}

impl core::fmt::Display for TooLong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} message of {} bytes, the frp protocol allows {MAX_BODY}", self.name, self.size)
    }
}

/// Adds the frame to `out`; leaves it as it was on error.
///
/// # Errors
/// The body is too long.
pub fn encode(message: &Message, out: &mut Vec<u8>) -> Result<(), TooLong> {
    encode_one(message, out)
}

/// The same for a message by itself, so that the program holds no coding that it does not use.
///
/// # Errors
/// The body is too long.
pub fn encode_one(message: &impl Say, out: &mut Vec<u8>) -> Result<(), TooLong> {
    let start = out.len();
    out.push(message.type_byte());
    out.extend_from_slice(&[0; 8]);
    let written = message.write_body(out);
    debug_assert!(written.is_ok(), "strings, numbers and maps of strings always have a JSON form");
    let size = out.len() - start - HEADER;
    if size > MAX_BODY {
        out.truncate(start);
        return Err(TooLong { name: message.name(), size });
    }
    let length = (size as u64).to_be_bytes();
    out.iter_mut().skip(start + 1).zip(length).for_each(|(to, byte)| *to = byte);
    Ok(())
}

/// Reads the first message of `bytes` and says how many bytes it took; `None` if it is not complete.
///
/// # Errors
/// The bytes are no frame; the connection is of no use any more.
pub fn decode(bytes: &[u8]) -> Result<Option<(Message, usize)>, FrameError> {
    hear(bytes)
}

/// The same for a client, which reads only what a server has to say.
///
/// # Errors
/// The bytes are no frame; the connection is of no use any more.
pub fn decode_answer(bytes: &[u8]) -> Result<Option<(Answer, usize)>, FrameError> {
    hear(bytes)
}

fn hear<T: Hear>(bytes: &[u8]) -> Result<Option<(T, usize)>, FrameError> {
    let Some((&byte, rest)) = bytes.split_first() else { return Ok(None) };
    if name_of(byte).is_none() {
        return Err(FrameError::UnknownType(byte));
    }
    let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
    let length = i64::from_be_bytes(*length);
    let size = usize::try_from(length).ok().filter(|size| *size <= MAX_BODY);
    let size = size.ok_or(FrameError::BadLength(length))?;
    let Some(body) = rest.get(..size) else { return Ok(None) };
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(FrameError::BadBody("not a JSON object".to_owned()));
    }
    let message = T::read_body(byte, body).ok_or(FrameError::UnknownType(byte))?;
    let message = message.map_err(|e| FrameError::BadBody(e.to_string()))?;
    Ok(Some((message, HEADER + size)))
}

/// What a peer that does not speak frp seems to be, judged by its first bytes.
pub fn guess(bytes: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 7] = [
        (b"HTTP/", "a web server answers there; is serverPort right?"),
        (b"<", "a web server answers there; is serverPort right?"),
        (b"SSH-", "an SSH server answers there; is serverPort right?"),
        (b"220", "a mail or FTP server answers there; is serverPort right?"),
        (&[0x15, 3], "it answers with a TLS alert; it may require TLS (transport.tls.enable)"),
        (&[0x16, 3], "it speaks TLS; set transport.tls.enable = true"),
        (&[0, 1, 0], "it speaks mux frames; is transport.tcpMux the same on both ends?"),
    ];
    known.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests;
