//! JSON as Go writes it.
//!
//! Owns the text so far. Does not read. Always true: a comma stands where one has to; `<`, `>`, `&` and the line
//! separators of JavaScript are escaped as in Go, so that scripts which compare texts see no difference. Worst case: the
//! text.

/// A text under construction.
#[derive(Debug, Default)]
pub(super) struct Json(String);

impl Json {
    /// A body: with the newline at the end that Go's encoder writes.
    pub(super) fn into_body(mut self) -> Vec<u8> {
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

    pub(super) fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.inside(['{', '}'], fill);
    }

    pub(super) fn array(&mut self, fill: impl FnOnce(&mut Self)) {
        self.inside(['[', ']'], fill);
    }

    /// The key of what comes next.
    pub(super) fn key(&mut self, key: &str) -> &mut Self {
        self.text(key);
        self.0.push(':');
        self
    }

    pub(super) fn text(&mut self, text: &str) {
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

    pub(super) fn number(&mut self, number: u64) {
        self.separate();
        self.0.push_str(&number.to_string());
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.separate();
        self.0.push_str(if flag { "true" } else { "false" });
    }

    /// The number, or null.
    pub(super) fn number_or_null(&mut self, number: Option<u64>) {
        match number {
            Some(number) => self.number(number),
            None => {
                self.separate();
                self.0.push_str("null");
            }
        }
    }
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
}
