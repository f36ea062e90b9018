use super::*;
use crate::config::source::unpack;
use crate::config::tree::{Node, Value};

/// The tree in a line: `key@line=value`.
fn shown(entries: &[Entry]) -> String {
    let all: Vec<String> =
        entries.iter().map(|e| format!("{}@{}={}", e.key, unpack(e.line).1, value(&e.node))).collect();
    all.join(" ")
}

fn value(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Text(text) => format!("{text:?}"),
        Value::Integer(n) => n.to_string(),
        Value::Float(Some(n)) => format!("{n}."),
        Value::Float(None) => "?".to_owned(),
        Value::Flag(flag) => flag.to_string(),
        Value::List(list) => format!("[{}]", list.iter().map(value).collect::<Vec<_>>().join(" ")),
        Value::Table(entries) => format!("{{{}}}", shown(entries)),
    }
}

fn parsed_as(path: &str, strictness: Strictness, text: &str) -> String {
    let source = Source::new(text.to_owned(), 0);
    match parse(&source, path, strictness, &mut Budget::new()) {
        Ok(entries) => shown(&entries),
        Err(e) => format!("{}: {}", unpack(e.line).1, e.text),
    }
}

fn parsed(text: &str) -> String {
    parsed_as("frpc", Strictness::Strict, text)
}

#[test]
fn toml_is_tried_first() {
    assert_eq!(parsed_as("a.json", Strictness::Strict, "b = 0x10\na = [1, 2.0]"), "a@2=[1 2.] b@1=16");
    assert_eq!(parsed("d = 2024-01-02"), "d@1=\"2024-01-02\"");
    assert_eq!(parsed("a = inf"), "1: json: unsupported value: inf");
    assert_eq!(parsed(""), "");
    assert_eq!(parsed("# only this"), "");
    assert!(parsed_as("a.TOML", Strictness::Strict, "{").starts_with("1: toml: "));
    assert!(parsed("a = 1\na = 2").starts_with("2: toml: duplicate key"), "{}", parsed("a = 1\na = 2"));
}

#[test]
#[cfg(feature = "json")]
fn json_is_read() {
    let text =
        "{\n\"a\": 1, \"b\": [\n1.0, \"x\\n\\u00e4\", null],\n \"a\" : {\"c\": true},\n\"d\": 9223372036854775808}";
    assert_eq!(parsed(text), "a@2=1 b@2=[? \"x\\nä\" null] a@4={c@4=true} d@5=?");
    assert_eq!(parsed(" {} "), "");
    assert_eq!(parsed("{\"a\": 1} rest"), "a@1=1", "a strict reader stops after the value");
    let lax = parsed_as("frpc", Strictness::Lax, "{\"a\": 1}\nrest");
    assert!(lax.starts_with("2: json: trailing characters"), "{lax}");
    for (text, line) in [("{", 1), ("{\n\"a\": 1,\n}", 3), ("{\"a\" 1}", 1), ("{\n// no\n}", 2), ("{\"a\": 01}", 1)] {
        let said = parsed(text);
        assert!(said.starts_with(&format!("{line}: json: ")), "{text}: {said}");
    }
}

#[test]
#[cfg(not(feature = "json"))]
fn json_is_named() {
    assert_eq!(parsed("{}"), "1: this redial is built without \"json\": convert the file to TOML");
}

#[test]
fn every_format_is_bounded() {
    let nested = |open: &str, close: &str, n: usize| format!("{}{}", open.repeat(n), close.repeat(n));
    let deep = [format!("a = {}", nested("[", "]", 100_000)), format!("{{\"a\": {}}}", nested("[", "]", 100_000))];
    for text in deep {
        let said = parsed(&text);
        assert!(said.starts_with("1: "), "{said}");
    }
    let many = [
        format!("a = [{}]", "1,".repeat(250_000)),
        (0..210_000).map(|i| format!("a{i}=1\n")).collect(),
        format!("{{\"a\": [{}1]}}", "1,".repeat(250_000)),
    ];
    for text in many {
        let said = parsed(&text);
        assert!(said.contains("more than 200000 values") || said.contains("built without"), "{said}");
    }
}

#[cfg(feature = "yaml")]
mod yaml {
    use super::parsed;

    #[test]
    fn words_mean_what_they_mean_in_version_1_1() {
        let table = [
            ("yes", "true"),
            ("off", "false"),
            ("N", "false"),
            ("~", "null"),
            ("", "null"),
            ("'yes'", "\"yes\""),
            ("010", "8"),
            ("0o17", "15"),
            ("0x1F", "31"),
            ("0b11", "3"),
            ("-0b11", "-3"),
            ("1_000", "1000"),
            ("+12", "12"),
            ("08", "8."),
            ("7e3", "7000."),
            ("7000.0", "7000."),
            ("1.5", "?"),
            (".5", "?"),
            ("18446744073709551615", "?"),
            ("2001-12-14", "\"2001-12-14\""),
            ("1.2.3.4", "\"1.2.3.4\""),
            ("[~]", "[null]"),
            ("--", "\"--\""),
            ("0x", "\"0x\""),
            ("0x-1", "\"0x-1\""),
            ("!!str 12", "\"12\""),
            ("!!int 12", "12"),
            ("!thing 12", "\"12\""),
            ("nothing", "\"nothing\""),
        ];
        for (text, value) in table {
            assert_eq!(parsed(&format!("a: {text}")), format!("a@1={value}"), "{text}");
        }
        assert_eq!(parsed("a: .inf"), "1: json: unsupported value: .inf");
        assert_eq!(parsed("a: !!int x"), "1: yaml: cannot decode \"x\" as a !!int");
    }

    #[test]
    fn merges_anchors_and_repeats() {
        let text = ".d: &d\n  x: 1\n  z: 2\nb:\n  <<: *d\n  z: 3\nc:\n  z: 3\n  <<: *d\na: 1\na: 2\n...\n? [\n";
        assert_eq!(parsed(text), "a@11=2 b@4={x@2=1 z@6=3} c@7={x@2=1 z@3=2}", "in place, the last one wins");
        assert_eq!(parsed("a: {<<: [{x: 1}, {x: 2, z: 2}]}"), "a@1={x@1=1 z@1=2}", "the first of a list wins");
        assert_eq!(parsed("a: {<<: 1}"), "1: yaml: map merge requires map or sequence of maps as the value");
        assert_eq!(parsed("1: a\non: b"), "1@1=\"a\" true@2=\"b\"");
        assert_eq!(parsed("auth.token: x"), "auth.token@1=\"x\"");
        assert!(parsed("a: *b").starts_with("1: yaml: "));
        assert!(parsed("a: &b [*b]").starts_with("1: yaml: "));
        assert_eq!(parsed("---\n"), "");
        assert_eq!(parsed("\u{feff}a: 1"), "a@1=1");
        assert_eq!(parsed("\u{feff}{\"a\": 1}"), "a@1=1", "it does not start with a brace");
    }

    #[test]
    fn bombs_do_not_go_off() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..12 {
            let all = format!("*a{},", i - 1).repeat(10);
            bomb += &format!("a{i}: &a{i} [{all}]\n");
        }
        assert!(parsed(&bomb).ends_with("more than 200000 values"), "{}", parsed(&bomb));
        let deep = format!("a: {}", "[".repeat(10_000));
        assert!(parsed(&deep).starts_with("1: "), "{}", parsed(&deep));
        let deep: String = (0..1000).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
        assert!(parsed(&deep).contains("levels") || parsed(&deep).contains("depth"), "{}", parsed(&deep));
    }

    #[test]
    fn what_is_neither_is_told_by_who_knows_better() {
        assert!(parsed("a = [\n").contains("toml: "));
        assert!(parsed("[a]\nb c").contains("toml: "));
        assert!(parsed("a: [\n").contains("yaml: "));
        assert_eq!(parsed("just a text"), "1: yaml: cannot unmarshal string into a table");
    }
}
