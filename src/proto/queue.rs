//! Bytes that wait for a full socket.
//!
//! Owns the bytes, in order. Does not decide how many may wait: callers charge a budget. Always true: an empty queue
//! holds no memory. Worst case: the bytes held, plus at most one chunk ([`CHUNK`]) and 32 bytes a chunk.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

/// Size of the pieces in which bytes are kept and given back.
pub const CHUNK: usize = 16 * 1024;

/// Chunks written at once.
const BATCH: usize = 16;

/// A byte queue in chunks.
#[derive(Debug, Default)]
pub struct Queue {
    chunks: VecDeque<Vec<u8>>,
    /// Bytes of the first chunk that are gone.
    head: usize,
    len: usize,
}

impl Queue {
    /// Bytes held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds bytes at the end.
    pub fn push(&mut self, mut bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.len += bytes.len();
        if let Some(last) = self.chunks.back_mut() {
            let room = CHUNK.saturating_sub(last.len()).min(bytes.len());
            let (fits, rest) = bytes.split_at(room);
            last.extend_from_slice(fits);
            bytes = rest;
        }
        self.chunks.extend(bytes.chunks(CHUNK).map(<[u8]>::to_vec));
    }

    /// Hands the bytes to `write` until it takes no more; stops at its first error.
    ///
    /// # Errors
    /// Those of `write`; the bytes it took before are gone from the queue.
    pub fn drain(&mut self, mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<()> {
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); BATCH];
            let first = self.chunks.front().and_then(|c| c.get(self.head..)).unwrap_or_default();
            let pieces = core::iter::once(first).chain(self.chunks.iter().skip(1).map(Vec::as_slice));
            let count = slices.iter_mut().zip(pieces).map(|(to, piece)| *to = IoSlice::new(piece)).count();
            let n = write(slices.get(..count).unwrap_or_default())?;
            self.consume(n);
        }
        Ok(())
    }

    /// Drops `n` bytes from the front; more than there are empties the queue.
    fn consume(&mut self, n: usize) {
        let mut left = n.min(self.len);
        self.len -= left;
        while let Some(first) = self.chunks.front() {
            let held = first.len() - self.head;
            if left < held {
                self.head += left;
                return;
            }
            left -= held;
            self.head = 0;
            self.chunks.pop_front();
        }
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let all: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        let mut queue = Queue::default();
        let (mut out, mut fed, mut step) = (Vec::new(), 0, 1);
        while out.len() < all.len() {
            let to = (fed + step * 7).min(all.len());
            queue.push(&all[fed..to]);
            fed = to;
            let mut room = step * 5;
            let drained = queue.drain(|slices| {
                let all: Vec<u8> = slices.iter().flat_map(|s| s.to_vec()).take(room.min(7000)).collect();
                if all.is_empty() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                out.extend_from_slice(&all);
                room -= all.len();
                Ok(all.len())
            });
            assert_eq!(drained.is_ok(), queue.is_empty());
            assert_eq!(queue.len(), fed - out.len());
            step = step * 3 % 9973;
        }
        assert_eq!(out, all);
        assert!(queue.is_empty() && queue.chunks.capacity() == 0, "an empty queue holds memory");
    }

    #[test]
    fn consuming_too_much_empties() {
        let mut queue = Queue::default();
        queue.push(b"abc");
        queue.consume(10);
        assert!(queue.is_empty());
    }
}
