//! JSON as Go writes it.
//!
//! Owns the text so far. Does not read. Always true: a comma stands where one has to; `<`, `>`, `&` and the line
//! separators of JavaScript are escaped as in Go, so that scripts which compare texts see no difference. Worst case: the
//! text.

/// A text under construction.
#[derive(Debug, Default)]
pub struct Json(String);

impl Json {
    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }

    /// A body: with the newline at the end that Go's encoder writes.
    pub fn into_body(mut self) -> Vec<u8> {
        self.0.push('\n');
        self.0.into_bytes()
    }

    fn separate(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with(['{', '[', ':']) {
            self.0.push(',');
        }
    }

    fn inside(&mut self, [open, close]: [char; 2], fill: impl FnOnce(&mut Self)) {
        self.separate();
        self.0.push(open);
        fill(self);
        self.0.push(close);
    }

    /// An object.
    pub fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.inside(['{', '}'], fill);
    }

    /// A list.
    pub fn array(&mut self, fill: impl FnOnce(&mut Self)) {
        self.inside(['[', ']'], fill);
    }

    /// The key of what comes next.
    pub fn key(&mut self, key: &str) -> &mut Self {
        self.text(key);
        self.0.push(':');
        self
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.separate();
        self.0.push('"');
        for c in text.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                '\t' => self.0.push_str("\\t"),
                '\u{8}' => self.0.push_str("\\b"),
                '\u{c}' => self.0.push_str("\\f"),
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..' ' => {
                    self.0.push_str(&format!("\\u{:04x}", u32::from(c)));
                }
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }

    /// What is JSON already.
    pub fn raw(&mut self, json: &str) {
        self.separate();
        self.0.push_str(json);
    }

    /// A number.
    pub fn number(&mut self, number: u64) {
        self.raw(&number.to_string());
    }

    /// `true` or `false`.
    pub fn flag(&mut self, flag: bool) {
        self.raw(if flag { "true" } else { "false" });
    }

    /// The number, or null.
    pub fn number_or_null(&mut self, number: Option<u64>) {
        match number {
            Some(number) => self.number(number),
            None => self.raw("null"),
        }
    }
}

/// Breaks compact JSON into lines, as Go indents it: two spaces a level, of which the first line is `depth` deep.
pub fn indent(compact: &str, mut depth: usize) -> String {
    let (mut out, mut quoted, mut escaped) = (String::new(), false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(core::iter::repeat_n("  ", depth));
    };
    let mut chars = compact.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            _ if quoted => quoted = escaped || c != '"',
            '"' => quoted = true,
            '{' | '[' if !chars.peek().is_some_and(|next| matches!(next, '}' | ']')) => {
                depth += 1;
                out.push(c);
                line(&mut out, depth);
                continue;
            }
            '}' | ']' if !out.ends_with(['{', '[']) => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
            }
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
        out.push(c);
        match c {
            ':' if !quoted => out.push(' '),
            ',' if !quoted => line(&mut out, depth),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_go_s() {
        let mut json = Json::default();
        json.object(|j| {
            j.key("a").text("<\"\\&>\u{2028}\u{1}\n\t\u{8}\u{7f}é");
            j.key("b").array(|j| {
                j.number(1);
                j.number_or_null(None);
                j.flag(true);
                j.object(|_| {});
                j.text("");
            });
            j.key("c").number(u64::MAX);
        });
        assert_eq!(
            String::from_utf8(json.into_body()).unwrap(),
            "{\"a\":\"\\u003c\\\"\\\\\\u0026\\u003e\\u2028\\u0001\\n\\t\\b\u{7f}é\",\"b\":[1,null,true,{},\"\"],\"c\":\
             18446744073709551615}\n"
        );
    }

    #[test]
    fn lines_are_go_s() {
        let compact = r#"{"a":{},"b":[],"c":["x,:{}[]\\","\"",1],"d":{"e":null}}"#;
        let lines = "{\n    \"a\": {},\n    \"b\": [],\n    \"c\": [\n      \"x,:{}[]\\\\\",\n      \"\\\"\",\n      1\n    ],\n    \"d\": \
                     {\n      \"e\": null\n    }\n  }";
        assert_eq!(indent(compact, 1), lines);
    }
}
