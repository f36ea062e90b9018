//! Bytes that wait, in order.
//!
//! Owns the bytes. Does not bound them: whoever pushes has looked at [`Chunks::len`] or at a window. Always true: bytes
//! come out as they went in. Worst case: the bytes held, and as much again while the last chunk grows.

use std::collections::VecDeque;

/// Small pieces are gathered up to this size.
const GATHER: usize = 16 * 1024;

/// A byte queue.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    chunks: VecDeque<Vec<u8>>,
    len: usize,
}

impl Chunks {
    /// Bytes held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds bytes at the end.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.len += bytes.len();
        match self.chunks.back_mut() {
            Some(last) if last.len() + bytes.len() <= GATHER => last.extend_from_slice(bytes),
            _ if bytes.is_empty() => {}
            _ => self.chunks.push_back(bytes.to_vec()),
        }
    }

    /// Takes up to `max` bytes off the front; `None` if there are none.
    pub(crate) fn pop(&mut self, max: usize) -> Option<Vec<u8>> {
        let mut first = self.chunks.pop_front()?;
        if first.len() > max {
            let rest = first.split_off(max);
            self.chunks.push_front(rest);
        }
        self.len -= first.len();
        Some(first)
    }

    /// Takes everything.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.len = 0;
        let all: Vec<Vec<u8>> = self.chunks.drain(..).collect();
        all.concat()
    }

    /// Everything, in one piece.
    pub(crate) fn all(&mut self) -> &[u8] {
        if self.chunks.len() > 1 {
            let all: Vec<u8> = self.chunks.drain(..).collect::<Vec<_>>().concat();
            self.chunks.push_back(all);
        }
        self.front()
    }

    /// The front, for writing it somewhere; empty if there is nothing.
    pub(crate) fn front(&self) -> &[u8] {
        self.chunks.front().map(Vec::as_slice).unwrap_or_default()
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
