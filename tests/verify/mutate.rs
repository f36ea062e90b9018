//! Files made of others by small accidents.
//!
//! Owns the accidents. Always true: the same seed gives the same files.

use super::cases::Case;

const SEED: u64 = 0x6672_7063;
/// Files made of each example, and of the rows together.
const OF_EXAMPLE: usize = 40;
const OF_ROWS: usize = 300;
/// Longer ones would be one accident in much that is the same.
const LONGEST: usize = 16 * 1024;

struct Random(u64);

impl Random {
    /// From 0 to `below`, without it.
    fn under(&mut self, below: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let n = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(n).unwrap() % below.max(1)
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.under(list.len())]
    }
}

pub(crate) fn all(examples: &[Case], rows: &[Case]) -> Vec<Case> {
    let mut random = Random(SEED);
    let mut out = Vec::new();
    for example in examples.iter().filter(|case| case.bytes.len() <= LONGEST) {
        out.extend((0..OF_EXAMPLE).map(|_| broken(example, &mut random)));
    }
    for _ in 0..OF_ROWS {
        let row = &rows[random.under(rows.len())];
        out.push(broken(row, &mut random));
    }
    out
}

fn broken(case: &Case, random: &mut Random) -> Case {
    let text = String::from_utf8_lossy(&case.bytes).into_owned();
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    // A line that says something, if there is one.
    let meant: Vec<usize> =
        (0..lines.len()).filter(|at| !lines[*at].trim().is_empty() && !lines[*at].trim().starts_with('#')).collect();
    let at = if meant.is_empty() { 0 } else { random.of(&meant) };
    if lines.is_empty() {
        lines.push(String::new());
    }
    let what = match random.under(10) {
        0 => {
            lines.remove(at);
            "a line less"
        }
        1 => {
            lines.insert(at, lines[at].clone());
            "a line twice"
        }
        2 => {
            lines[at] = replaced(&lines[at], random);
            "another value"
        }
        3 => {
            lines[at] = lines[at].replace('"', random.of(&["'", "", "\"\""]));
            "other quotes"
        }
        4 => {
            lines[at] = misspelt(&lines[at], random);
            "a letter wrong"
        }
        5 => {
            lines.truncate(at + 1);
            let cut = lines[at].char_indices().map(|(at, _)| at).nth(random.under(12)).unwrap_or(0);
            lines[at].truncate(cut);
            "cut off"
        }
        6 => {
            lines[at] = format!("{}{}", random.of(&["  ", "\t", "- ", "#", "[", "{"]), lines[at]);
            "something in front"
        }
        7 => {
            let other = random.under(lines.len());
            lines.swap(at, other);
            "two lines changed over"
        }
        8 => {
            lines[at] = lines[at].to_uppercase();
            "in capitals"
        }
        _ => {
            lines[at] = lines[at].replace([']', '}', ':', '='], random.of(&["", "=", ":"]));
            "a sign wrong"
        }
    };
    let strict = random.under(4) > 0;
    Case { name: format!("{}, {what}", case.name), ext: case.ext, bytes: lines.concat().into_bytes(), strict }
}

fn replaced(line: &str, random: &mut Random) -> String {
    let value = random.of(&["0", "-1", "true", "\"x\"", "[]", "{}", "1.5", "[1]", "null", "\"\"", "99999999999", "x"]);
    match line.find(['=', ':']) {
        Some(at) => format!("{} {value}\n", &line[..=at]),
        None => format!("{value}\n"),
    }
}

fn misspelt(line: &str, random: &mut Random) -> String {
    let letters: Vec<usize> = line.char_indices().filter(|(_, c)| c.is_ascii_alphabetic()).map(|(at, _)| at).collect();
    if letters.is_empty() {
        return line.to_owned();
    }
    let at = random.of(&letters);
    let with = random.of(&["", "e", "_", "X"]);
    format!("{}{with}{}", &line[..at], &line[at + 1..])
}
