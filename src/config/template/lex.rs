//! Splits a template into text and the words of its actions.
//!
//! Owns delimiters, trim markers, comments and literals. Does not know what words mean. Always true: every lexeme has its
//! offsets. Worst case: one lexeme at a time.

use crate::config::numbers::integer;

/// What is wrong, and where in the text.
#[derive(Debug)]
pub(super) struct Error {
    pub(super) at: usize,
    pub(super) text: String,
}

impl Error {
    pub(super) fn new(at: usize, text: impl Into<String>) -> Self {
        Self { at, text: text.into() }
    }
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// Outside of actions; its content is what the offsets say.
    Text,
    /// The start and the end of an action.
    Open,
    Close,
    /// `.Name`.
    Field(String),
    /// `.`.
    Dot,
    /// `$name`, with the dollar sign.
    Variable(String),
    Word(String),
    String(String),
    Number(i64),
    /// One of `( ) | , = :=`.
    Sign(&'static str),
    End,
}

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Lexeme {
    pub(super) token: Token,
    pub(super) from: usize,
    pub(super) to: usize,
    /// There is white space before it.
    pub(super) spaced: bool,
}

const SIGNS: [&str; 6] = ["(", ")", "|", ",", ":=", "="];

pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    inside: bool,
    /// The last action said to trim what follows.
    trim: bool,
    /// Where the current action starts.
    start: usize,
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, inside: false, trim: false, start: 0 }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn lexeme(&self, token: Token, from: usize, spaced: bool) -> Lexeme {
        Lexeme { token, from, to: self.at, spaced }
    }

    pub(super) fn next(&mut self) -> Result<Lexeme, Error> {
        if self.inside { self.word() } else { self.outside() }
    }

    fn outside(&mut self) -> Result<Lexeme, Error> {
        loop {
            if self.trim {
                self.at += self.rest().len() - self.rest().trim_start_matches(is_space).len();
                self.trim = false;
            }
            let from = self.at;
            let rest = self.rest();
            let Some(open) = rest.find("{{") else {
                self.at = self.text.len();
                return Ok(self.lexeme(if from == self.at { Token::End } else { Token::Text }, from, false));
            };
            let after = rest.get(open + 2..).unwrap_or_default();
            let trims = after.strip_prefix('-').is_some_and(|after| after.starts_with(is_space));
            if open > 0 {
                let text = rest.get(..open).unwrap_or_default();
                let kept = if trims { text.trim_end_matches(is_space).len() } else { text.len() };
                self.at = from + open;
                return Ok(Lexeme { token: Token::Text, from, to: from + kept, spaced: false });
            }
            self.start = from;
            self.at = from + if trims { 4 } else { 2 };
            if self.rest().starts_with("/*") {
                self.comment()?;
                continue;
            }
            self.inside = true;
            return Ok(self.lexeme(Token::Open, from, false));
        }
    }

    fn comment(&mut self) -> Result<(), Error> {
        let end = self.rest().find("*/").ok_or_else(|| Error::new(self.start, "unclosed comment"))?;
        self.at += end + 2;
        if !self.close() {
            return Err(Error::new(self.start, "comment ends before closing delimiter"));
        }
        Ok(())
    }

    /// Takes the end of an action, if it is here.
    fn close(&mut self) -> bool {
        let rest = self.rest();
        let marked = rest.trim_start_matches(is_space);
        if marked.len() < rest.len() && marked.starts_with("-}}") {
            self.at += rest.len() - marked.len() + 3;
            self.trim = true;
            return true;
        }
        let is_end = rest.starts_with("}}");
        self.at += if is_end { 2 } else { 0 };
        is_end
    }

    fn word(&mut self) -> Result<Lexeme, Error> {
        let before = self.at;
        if self.close() {
            self.inside = false;
            return Ok(self.lexeme(Token::Close, before, false));
        }
        self.at += self.rest().len() - self.rest().trim_start_matches(is_space).len();
        let (from, spaced) = (self.at, self.at > before);
        if self.close() {
            self.inside = false;
            return Ok(self.lexeme(Token::Close, from, spaced));
        }
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Err(Error::new(self.start, "unclosed action")) };
        if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            self.at += sign.len();
            return Ok(self.lexeme(Token::Sign(sign), from, spaced));
        }
        let token = match first {
            '.' if rest.get(1..).is_some_and(|r| r.starts_with(|c| is_name(c) && !char::is_numeric(c))) => {
                self.at += 1;
                Token::Field(self.name())
            }
            '.' if !rest.get(1..).is_some_and(|r| r.starts_with(char::is_numeric)) => {
                self.at += 1;
                Token::Dot
            }
            '$' => {
                self.at += 1;
                Token::Variable(format!("${}", self.name()))
            }
            '"' => Token::String(self.quoted()?),
            '`' => {
                let end = rest.get(1..).and_then(|r| r.find('`'));
                let end = end.ok_or_else(|| Error::new(from, "unterminated raw quoted string"))?;
                self.at += end + 2;
                Token::String(rest.get(1..=end).unwrap_or_default().to_owned())
            }
            '\'' => self.character()?,
            c if c.is_ascii_digit() || matches!(c, '+' | '-' | '.') => self.number()?,
            c if is_name(c) => Token::Word(self.name()),
            c => {
                return Err(Error::new(
                    from,
                    format!("unexpected bad character U+{:04X} '{c}' in command", u32::from(c)),
                ));
            }
        };
        Ok(self.lexeme(token, from, spaced))
    }

    fn name(&mut self) -> String {
        let rest = self.rest();
        let name = rest.split(|c| !is_name(c)).next().unwrap_or_default();
        self.at += name.len();
        name.to_owned()
    }

    /// The end of a literal in quotes, which is in one line.
    fn literal(&mut self, quote: char, what: &str) -> Result<&'t str, Error> {
        let (from, mut escaped) = (self.at, false);
        for (i, c) in self.rest().char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote => {
                    self.at += i + 1;
                    return Ok(self.text.get(from + 1..from + i).unwrap_or_default());
                }
                _ => {}
            }
        }
        Err(Error::new(from, format!("unterminated {what}")))
    }

    fn quoted(&mut self) -> Result<String, Error> {
        let from = self.at;
        let body = self.literal('"', "quoted string")?;
        unescape(body).ok_or_else(|| Error::new(from, "invalid syntax"))
    }

    fn character(&mut self) -> Result<Token, Error> {
        let from = self.at;
        let body = self.literal('\'', "character constant")?;
        let text = unescape(body).unwrap_or_default();
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(Token::Number(i64::from(u32::from(c)))),
            _ => Err(Error::new(from, format!("malformed character constant: '{body}'"))),
        }
    }

    fn number(&mut self) -> Result<Token, Error> {
        let (from, rest) = (self.at, self.rest());
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_')));
        let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        self.at += text.len();
        let bad = || Error::new(from, format!("bad number syntax: \"{text}\" (whole numbers only)"));
        integer(text).map(Token::Number).ok_or_else(bad)
    }
}

/// Go's escapes in a string.
fn unescape(body: &str) -> Option<String> {
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..)?;
        if c != '\\' {
            out.push(c);
            continue;
        }
        let escape = rest.chars().next()?;
        rest = rest.get(escape.len_utf8()..)?;
        let (digits, radix) = match escape {
            'x' => (rest.get(..2)?, 16),
            'u' => (rest.get(..4)?, 16),
            'U' => (rest.get(..8)?, 16),
            _ => ("", 10),
        };
        rest = rest.get(digits.len()..)?;
        out.push(match escape {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' | '\'' | '"' => escape,
            _ => char::from_u32(u32::from_str_radix(digits, radix).ok()?)?,
        });
    }
    Some(out)
}
