//! Bodies of requests: by length, or in chunks.
//!
//! Owns how much is still to come. Does not keep what came. Always true: lines end with CR LF and nothing else; chunk
//! extensions and trailers are dropped, and counted. Worst case: 32 bytes.

/// Bytes of extensions and trailers that a body may have.
const MAX_EXTRA: u32 = 4096;
/// Digits of a chunk's size.
const MAX_DIGITS: u8 = 8;

/// Why a body is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// More than was allowed.
    TooLong,
    /// Not in the form it was said to be in.
    Malformed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The size, with so many digits seen.
    Size(u8),
    /// What follows the size in its line.
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// The start of a trailer's line.
    Line,
    /// Inside of one.
    Trailer,
    TrailerLf,
    /// The last one was empty.
    EndLf,
}

/// What is to come of one body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    /// Of the body, or of the chunk.
    left: u64,
    /// `None`: by length.
    part: Option<Part>,
    extra: u32,
    done: bool,
}

impl Default for Body {
    fn default() -> Self {
        Self::of(0)
    }
}

impl Body {
    pub(super) fn of(length: u64) -> Self {
        Self { left: length, part: None, extra: 0, done: length == 0 }
    }

    pub(super) fn chunked() -> Self {
        Self { left: 0, part: Some(Part::Size(0)), extra: 0, done: false }
    }

    /// Nothing is to come.
    pub(super) fn done(&self) -> bool {
        self.done
    }

    /// How many bytes are to come, if that was said.
    pub(super) fn announced(&self) -> Option<u64> {
        self.part.is_none().then_some(self.left)
    }

    /// Reads on, until the body or the input ends: says how much of the input was the body's. At most `room` bytes of
    /// payload are taken, into `out` if that is wanted.
    pub(super) fn feed(
        &mut self,
        input: &[u8],
        mut room: usize,
        mut out: Option<&mut Vec<u8>>,
    ) -> Result<usize, BodyError> {
        let mut rest = input;
        while !self.done && !rest.is_empty() {
            if matches!(self.part, None | Some(Part::Data)) {
                let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                room = room.checked_sub(here).ok_or(BodyError::TooLong)?;
                let (data, after) = rest.split_at_checked(here).unwrap_or((rest, &[]));
                out.iter_mut().for_each(|out| out.extend_from_slice(data));
                rest = after;
                self.left -= here as u64;
                if self.left == 0 {
                    self.done = self.part.is_none();
                    self.part = self.part.map(|_| Part::DataCr);
                }
            } else if let (Some(part), [byte, after @ ..]) = (self.part, rest) {
                rest = after;
                self.part = Some(self.step(part, *byte)?);
            }
        }
        Ok(input.len() - rest.len())
    }

    /// One byte that is no payload.
    fn step(&mut self, part: Part, byte: u8) -> Result<Part, BodyError> {
        let next = match (part, byte) {
            (Part::Size(digits), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < MAX_DIGITS => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                self.left = self.left * 16 + u64::from(digit);
                Part::Size(digits + 1)
            }
            (Part::Size(1..), b'\r') | (Part::Extension, b'\r') => Part::SizeLf,
            (Part::Size(1..), b';' | b' ' | b'\t') => Part::Extension,
            (Part::Extension, b' '..=b'~' | b'\t' | 128..) => self.count(Part::Extension)?,
            (Part::SizeLf, b'\n') if self.left == 0 => Part::Line,
            (Part::SizeLf, b'\n') => Part::Data,
            (Part::DataCr, b'\r') => Part::DataLf,
            (Part::DataLf, b'\n') => Part::Size(0),
            (Part::Line, b'\r') => Part::EndLf,
            (Part::Line | Part::Trailer, b' '..=b'~' | b'\t' | 128..) => self.count(Part::Trailer)?,
            (Part::Trailer, b'\r') => Part::TrailerLf,
            (Part::TrailerLf, b'\n') => Part::Line,
            (Part::EndLf, b'\n') => {
                self.done = true;
                Part::EndLf
            }
            _ => return Err(BodyError::Malformed),
        };
        Ok(next)
    }

    fn count(&mut self, part: Part) -> Result<Part, BodyError> {
        self.extra += 1;
        if self.extra > MAX_EXTRA { Err(BodyError::TooLong) } else { Ok(part) }
    }
}
