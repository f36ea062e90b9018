//! Files made from others by what people and editors do to them. The same seed makes the same files.

use crate::rows::Case;

/// Numbers that look random: splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Below `n`.
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(n.max(1)).unwrap()).unwrap()
    }

    fn pick<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }
}

/// What may stand in the place of a value.
const VALUES: [&str; 48] = [
    "1",
    "0",
    "-1",
    "7000.0",
    "7000.5",
    "1e3",
    "0x10",
    "0o17",
    "0b11",
    "010",
    "1_000",
    "99999999999999999999",
    "\"\"",
    "\"7000\"",
    "'x'",
    "x",
    "true",
    "\"true\"",
    "yes",
    "off",
    "null",
    "~",
    "nil",
    "[]",
    "[1]",
    "[\"a\"]",
    "{}",
    "{ a = 1 }",
    "{\"a\": 1}",
    "{a: 1}",
    "2020-01-01",
    "2020-01-01T00:00:00Z",
    "12:30:00",
    "inf",
    "nan",
    ".inf",
    "\"\"\"x\"\"\"",
    "\"\\u0041\"",
    "\"\\x\"",
    "\"a",
    "a b",
    "a: b",
    "",
    "*x",
    "&x 1",
    "!!str 1",
    "| x",
    "{{ .Envs.PORT }}",
];

/// What may be added as a line.
const LINES: [&str; 24] = [
    "[common]",
    "[[proxies]]",
    "[proxies]",
    "[transport]",
    "proxies = []",
    "proxies:",
    "---",
    "...",
    "{",
    "}",
    "]",
    "# x",
    "; x",
    "// x",
    "serverPort = 1",
    "serverPort: 1",
    "\"serverPort\": 1,",
    "x = 1",
    "x: 1",
    "{{",
    "{{ .Envs.NONE }}",
    "{{/* x */}}",
    "\t",
    "%YAML 1.1",
];

const EXTENSIONS: [&str; 8] = ["toml", "yaml", "yml", "json", "ini", "conf", "", "TOML"];

/// So many files made of `cases`.
pub(crate) fn mutants(cases: &[Case], seed: u64, count: usize) -> Vec<Case> {
    let whole: Vec<&Case> =
        cases.iter().filter(|case| case.text.iter().filter(|b| **b == b'\n').count() >= 3).collect();
    let cases: Vec<&Case> = cases.iter().filter(|case| case.difference.is_none()).collect();
    let mut dice = Dice(seed);
    let mut out = Vec::new();
    for n in 0..count {
        // Whole files have more to change than rows.
        let from = if dice.below(4) < 3 { *dice.pick(&whole) } else { *dice.pick(&cases) };
        let mut case = Case {
            origin: format!("mutant {n} of {}", from.origin),
            accepted: None,
            subject: None,
            difference: None,
            ..from.clone()
        };
        for _ in 0..=dice.below(2) {
            mutate(&mut case, &mut dice);
        }
        out.push(case);
    }
    out
}

/// A line as key, what is between, and value.
fn parts(line: &str) -> Option<(&str, &str, &str)> {
    let at = line.find(['=', ':'])?;
    let (key, rest) = line.split_at(at);
    let value = rest.get(1..)?.trim_start();
    let (between, _) = rest.split_at(rest.len() - value.len());
    Some((key, between, value))
}

fn mutate(case: &mut Case, dice: &mut Dice) {
    let text = String::from_utf8_lossy(&case.text).into_owned();
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let at = dice.below(lines.len());
    let line = lines[at].clone();
    let kind = dice.below(22);
    case.origin += &format!(", {kind}@{}", at + 1);
    match kind {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, line),
        2 => {
            let to = dice.below(lines.len());
            lines.swap(at, to);
        }
        3..=6 => {
            let Some((key, between, _)) = parts(&line) else { return };
            lines[at] = format!("{key}{between}{}", dice.pick(&VALUES));
        }
        7 | 8 => lines[at] = misspelt(&line, dice),
        9 => lines[at] = line.replace('"', dice.pick::<&str>(&["'", "", "`", "\"\"\"", "\\\""])),
        10 => {
            let end = dice.below(case.text.len());
            case.text.truncate(end);
            return;
        }
        11 | 12 => {
            case.extension = (*dice.pick(&EXTENSIONS)).to_owned();
            return;
        }
        13 => case.lax = !case.lax,
        14 => {
            let Some((key, between, value)) = parts(&line) else { return };
            lines[at] = match dice.below(5) {
                0 => format!("x.{key}{between}{value}"),
                1 => format!("{key}{between}[{value}]"),
                2 => format!("{key}{between}{{ {value} }}"),
                3 => format!("{}.x{between}{value}", key.trim_end()),
                _ => format!("  {line}"),
            };
        }
        15 => lines.insert(at, (*dice.pick(&LINES)).to_owned()),
        16 => lines.iter_mut().for_each(|line| line.push('\r')),
        17 => lines[0].insert(0, '\u{feff}'),
        18 => {
            let end = dice.below(case.text.len());
            case.text
                .insert(end, *dice.pick(&[0, 0xff, b'\t', b' ', b'"', b'\'', b'{', b'}', b'[', b'#', b'\r', b'\\']));
            return;
        }
        19 => lines[at] = line.trim_start().to_owned(),
        20 => {
            let end = dice.below(case.text.len());
            if end < case.text.len() {
                case.text.remove(end);
            }
            return;
        }
        _ => lines[at] = format!("{line} # {}", dice.pick(&["x", "é", "\"", "{{"])),
    }
    case.text = lines.join("\n").into_bytes();
}

/// A line whose key is another.
fn misspelt(line: &str, dice: &mut Dice) -> String {
    let Some((key, between, value)) = parts(line) else { return line.to_owned() };
    let mut letters: Vec<char> = key.chars().collect();
    let at = dice.below(letters.len());
    let Some(letter) = letters.get(at).copied() else { return line.to_owned() };
    match dice.below(6) {
        0 => drop(letters.remove(at)),
        1 => letters.insert(at, letter),
        2 => {
            letters[at] = if letter.is_uppercase() { letter.to_ascii_lowercase() } else { letter.to_ascii_uppercase() }
        }
        3 => letters = key.to_uppercase().chars().collect(),
        4 => letters[at] = '_',
        _ => letters = key.to_lowercase().chars().collect(),
    }
    format!("{}{between}{value}", letters.into_iter().collect::<String>())
}
