//! Lists of numbers as frp writes them: `8000-8010,9000`.
//!
//! Owns their syntax. Does not know what they are for. Always true: a range is kept as its ends, however many numbers it
//! has. Worst case: 16 bytes for each part of the text.

/// Numbers in the order they were written in.
#[cfg(any(feature = "templates", feature = "ini"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbers(Vec<(i64, i64)>);

#[cfg(any(feature = "templates", feature = "ini"))]
impl Numbers {
    /// Parses a list; the error is frpc's.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            let part = part.trim();
            part.parse::<i64>().map_err(|e| {
                let why = match e.kind() {
                    core::num::IntErrorKind::PosOverflow | core::num::IntErrorKind::NegOverflow => "value out of range",
                    _ => "invalid syntax",
                };
                format!("range number is invalid, strconv.ParseInt: parsing \"{part}\": {why}")
            })
        };
        let mut ranges = Vec::new();
        for part in text.trim().split(',') {
            let mut ends = part.split('-');
            let range = match (ends.next(), ends.next(), ends.next()) {
                (Some(one), None, _) => number(one).map(|n| (n, n))?,
                (Some(low), Some(high), None) => (number(low)?, number(high)?),
                _ => return Err("range number is invalid".to_owned()),
            };
            if range.1 < range.0 {
                return Err("range number is invalid".to_owned());
            }
            ranges.push(range);
        }
        Ok(Self(ranges))
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        let len = |(low, high): &(i64, i64)| high.abs_diff(*low).saturating_add(1);
        self.0.iter().map(len).fold(0, u64::saturating_add)
    }

    /// All of them from the `n`th on; those before are not counted one by one.
    pub(super) fn iter(&self, n: u64) -> impl Iterator<Item = i64> {
        let mut skip = n;
        self.0.iter().flat_map(move |(low, high)| {
            let here = skip.min(high.abs_diff(*low).saturating_add(1));
            skip -= here;
            let low = i64::try_from(i128::from(*low) + i128::from(here)).ok();
            low.map(|low| low..=*high).into_iter().flatten()
        })
    }
}

/// A number in the base that its prefix says, as Go reads it: `0x10`, `0b1`, `0o17`, `017`, `1_000`.
pub(super) fn integer(text: &str) -> Option<i64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = radix(rest);
    let digits = digits.replace('_', "");
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

/// The base of a number without sign, and its digits.
pub(super) fn radix(text: &str) -> (u32, &str) {
    match (text.get(..2), text.get(2..)) {
        (Some("0x" | "0X"), Some(digits)) => (16, digits),
        (Some("0b" | "0B"), Some(digits)) => (2, digits),
        (Some("0o" | "0O"), Some(digits)) => (8, digits),
        (Some(_), _) if text.starts_with('0') => (8, text.get(1..).unwrap_or_default()),
        _ => (10, text),
    }
}

#[cfg(test)]
#[cfg(any(feature = "templates", feature = "ini"))]
mod tests {
    use super::*;

    #[test]
    fn lists_are_frpcs() {
        let list = |text: &str| Numbers::parse(text).map(|n| n.iter(0).collect::<Vec<_>>());
        assert_eq!(list(" 3-5, 1 ,3 - 3"), Ok(vec![3, 4, 5, 1, 3]));
        assert_eq!(list("5-3"), Err("range number is invalid".to_owned()));
        assert_eq!(list("1-2-3"), Err("range number is invalid".to_owned()));
        for (text, part) in [("", ""), ("1,", ""), ("-1", ""), ("x", "x"), ("1-y", "y")] {
            let error = format!("range number is invalid, strconv.ParseInt: parsing \"{part}\": invalid syntax");
            assert_eq!(list(text), Err(error), "{text}");
        }
        assert!(list("99999999999999999999").unwrap_err().ends_with("value out of range"));
        assert_eq!(
            Numbers::parse("1-3,7,9-9223372036854775807").unwrap().iter(3).take(3).collect::<Vec<_>>(),
            [7, 9, 10]
        );
        assert_eq!(Numbers::parse("1-9223372036854775807,5").unwrap().iter(i64::MAX as u64).collect::<Vec<_>>(), [5]);
        assert_eq!(Numbers::parse("0-9223372036854775807,1").unwrap().len(), (1 << 63) + 1);
    }
}
