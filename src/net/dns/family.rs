//! The two kinds of address, and a pair of anything that exists once for each.
//!
//! Owns nothing. Does not know which kind is better. Always true: [`Family::BOTH`] is IPv6 first, as RFC 8305 asks.
//! Worst case: no memory of its own.

/// A kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// IPv6; AAAA records.
    V6,
    /// IPv4; A records.
    V4,
}

impl Family {
    pub(super) const BOTH: [Self; 2] = [Self::V6, Self::V4];

    pub(super) fn other(self) -> Self {
        match self {
            Self::V6 => Self::V4,
            Self::V4 => Self::V6,
        }
    }
}

/// One thing for each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PerFamily<T> {
    v6: T,
    v4: T,
}

impl<T> PerFamily<T> {
    pub(super) fn each(mut make: impl FnMut(Family) -> T) -> Self {
        Self { v6: make(Family::V6), v4: make(Family::V4) }
    }

    pub(super) fn get(&self, family: Family) -> &T {
        match family {
            Family::V6 => &self.v6,
            Family::V4 => &self.v4,
        }
    }

    pub(super) fn get_mut(&mut self, family: Family) -> &mut T {
        match family {
            Family::V6 => &mut self.v6,
            Family::V4 => &mut self.v4,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.v6, &self.v4].into_iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        [&mut self.v6, &mut self.v4].into_iter()
    }
}
