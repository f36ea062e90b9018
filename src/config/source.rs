//! A text, and the place its lines came from.
//!
//! Owns places: a file of the configuration and a line in it, packed into one number, so that the tree and all that is
//! made of it can pass them on as plain line numbers. Does not read files. Always true: a place of line 0 is a file as a
//! whole; file 0 is the main file. Worst case: the text, 8 bytes for each of its lines, and 4 more if it was rendered.

use super::MAX_FILE;

/// A line of one of the files.
pub(super) type Place = u32;

/// Enough for a file of nothing but line ends.
const LINE_BITS: u32 = MAX_FILE.trailing_zeros() + 1;

/// Files that a configuration may have.
pub(super) const MAX_FILES: usize = 1 << (u32::BITS - LINE_BITS);

/// The place of a line; what is out of range becomes the last.
pub(super) fn place(file: usize, line: usize) -> Place {
    let last = (1 << LINE_BITS) - 1;
    let line = u32::try_from(line).unwrap_or(last).min(last);
    u32::try_from(file.min(MAX_FILES - 1)).unwrap_or(0) << LINE_BITS | line
}

/// Number of the file, and line.
pub(super) fn unpack(place: Place) -> (usize, u32) {
    (usize::try_from(place >> LINE_BITS).unwrap_or(0), place & ((1 << LINE_BITS) - 1))
}

/// A text.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) text: String,
    /// Where its lines end.
    ends: Vec<usize>,
    /// What its first line is, where they are all of one file, in order.
    first: Place,
    /// What its lines are, where they are not.
    places: Option<Vec<Place>>,
}

impl Source {
    /// The text of a file as it is.
    pub(super) fn new(text: String, file: usize) -> Self {
        Self { ends: ends(&text), text, first: place(file, 1), places: None }
    }

    /// A text with a place for each of its lines.
    #[cfg(any(test, feature = "templates", feature = "ini"))]
    pub(super) fn with_places(text: String, places: Vec<Place>) -> Self {
        Self { ends: ends(&text), text, first: 0, places: Some(places) }
    }

    /// The number of the line with this byte, from 0.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.ends.partition_point(|end| *end < offset)
    }

    /// Where this byte came from.
    pub(super) fn at(&self, offset: usize) -> Place {
        self.at_line(self.line(offset))
    }

    /// Where this line came from; lines are counted from 0.
    pub(super) fn at_line(&self, line: usize) -> Place {
        match &self.places {
            Some(places) => places.get(line).or_else(|| places.last()).copied().unwrap_or(0),
            None => {
                let (file, first) = unpack(self.first);
                place(file, line.saturating_add(usize::try_from(first).unwrap_or(0)))
            }
        }
    }
}

fn ends(text: &str) -> Vec<usize> {
    text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_hold_file_and_line() {
        for (file, line) in [(0, 0), (0, 1), (3, 17), (MAX_FILES - 1, 4_194_305)] {
            assert_eq!(unpack(place(file, line)), (file, u32::try_from(line).unwrap()));
        }
        const { assert!(MAX_FILES > 100) };
        assert_eq!(unpack(place(usize::MAX, usize::MAX)), (MAX_FILES - 1, (1 << LINE_BITS) - 1));
    }

    #[test]
    fn lines_are_found() {
        let plain = Source::new("a\n\nb".to_owned(), 2);
        assert_eq!([0, 1, 2, 3].map(|at| unpack(plain.at(at))), [(2, 1), (2, 1), (2, 2), (2, 3)]);
        let mixed = Source::with_places("a\nb\n".to_owned(), vec![place(0, 7), place(1, 1)]);
        assert_eq!([0, 2, 9].map(|at| unpack(mixed.at(at))), [(0, 7), (1, 1), (1, 1)]);
    }
}
