use super::*;
use crate::config::source::place;

fn rendered(text: &str) -> Result<Rendered, String> {
    let envs = || [("A", "one"), ("EMPTY", ""), ("RANGE", "1-3")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    render_with(Source::new(text.to_owned(), 0), true, envs).map_err(|e| e.text)
}

fn out(text: &str) -> String {
    rendered(text).map_or_else(|e| e, |rendered| rendered.source.text)
}

const TABLE: &[(&str, &str)] = &[
    ("plain {text}", "plain {text}"),
    ("{{ .Envs.A }}", "one"),
    ("{{.Envs.NONE}}|{{ .Envs.NONE.X }}", "<no value>|<no value>"),
    ("{{ or .Envs.NONE \"d\" }}{{ and .Envs.A 5 }}{{ or 0 \"\" }}", "d5"),
    ("{{ if .Envs.EMPTY }}a{{ else if .Envs.A }}b{{ else }}c{{ end }}", "b"),
    ("{{ with .Envs.A }}{{ . }}{{ end }}{{ with .Envs.NONE }}x{{ else with .Envs.A }}<{{ . }}>{{ end }}", "one<one>"),
    ("{{ range parseNumberRange \"1-3,7\" }}{{ . }} {{ end }}", "1 2 3 7 "),
    ("{{ range $i, $v := parseNumberRange .Envs.RANGE }}{{ $i }}={{ $v }};{{ end }}", "0=1;1=2;2=3;"),
    ("{{ range $p := parseNumberRangePair \"1-2\" \"8,6\" }}{{ $p.First }}>{{ .Second }};{{ end }}", "1>8;2>6;"),
    ("{{ range 3 }}{{ . }}{{ end }}{{ range 0 }}x{{ else }}none{{ end }}", "012none"),
    ("{{ range 9 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ if gt . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}", "023"),
    ("{{ range $k, $v := .Envs }}{{ $k }}:{{ $v }} {{ end }}", "A:one EMPTY: RANGE:1-3 "),
    ("a {{- 1 -}} b {{/* c */}}{{- /* d */ -}} e", "a1b e"),
    ("a\n{{- \"x\" }}\n{{ \"y\" -}}\n\nb", "ax\nyb"),
    ("{{ $x := 1 }}{{ $x }}{{ $x = 2 }}{{ $x }}{{ if true }}{{ $x := 3 }}{{ $x }}{{ end }}{{ $x }}", "1232"),
    ("{{ `raw }} \\n` }}{{ \"q}} \\\"\\t\\u00e4\" }}{{ 'a' }}", "raw }} \\nq}} \"\tä97"),
    ("{{ print 1 2 \"a\" 3 true }}|{{ println 1 \"a\" }}", "1 2a3 true|1 a\n"),
    ("{{ printf \"%d-%s-%v-%q-%05d-%-4d|%x%%\" 5 \"a\" true \"b\" -42 7 255 }}", "5-a-true-\"b\"--0042-7   |ff%"),
    ("{{ printf \"%d\" \"a\" }}{{ printf \"%d\" }}{{ printf \"x\" 1 }}", "%!d(string=a)%!d(MISSING)x%!(EXTRA int=1)"),
    ("{{ printf \"%s\" .Envs.NONE }}", "%!s(<nil>)"),
    ("{{ 5 | printf \"%d%d\" 4 }}{{ \"a\" | eq \"b\" }}", "45false"),
    (
        "{{ (index (parseNumberRangePair \"1-2\" \"3-4\") 1).Second }}{{ index .Envs \"A\" }}[{{ index .Envs \"Q\" }}]",
        "4one[]",
    ),
    (
        "{{ len .Envs.A }}{{ len (parseNumberRange \"1-9\") }}{{ slice \"abcd\" 1 3 }}{{ slice (parseNumberRange \"1-9\") 7 }}",
        "39bc[8 9]",
    ),
    (
        "{{ eq 1 1 }}{{ ne 1 2 }}{{ lt 1 2 }}{{ le 2 2 }}{{ gt \"b\" \"a\" }}{{ ge 1 2 }}{{ eq 3 1 2 3 }}",
        "truetruetruetruetruefalsetrue",
    ),
    ("{{ not .Envs.A }}{{ eq .Envs.NONE \"a\" }}", "falsefalse"),
    ("{{ parseNumberRange \"1-3\" }}{{ parseNumberRangePair \"1\" \"2\" }}", "[1 2 3][{1 2}]"),
    ("{{ if\n true }}x{{ end }}", "x"),
    ("{{ $.Envs.A }}{{ with 5 }}{{ $.Envs.A }}{{ end }}", "oneone"),
    ("{{ 0x10 }} {{ 1_000 }} {{ -3 }} {{ 010 }}", "16 1000 -3 8"),
    ("{{", "template: frp:1: unclosed action"),
    ("\n{{ x }}", "template: frp:2: function \"x\" not defined"),
    ("{{ html 1 }}", "template: frp:1: function \"html\" is not supported"),
    ("{{ define \"x\" }}", "template: frp:1: {{define}} is not supported: write the text itself"),
    ("{{ $x }}", "template: frp:1: undefined variable \"$x\""),
    ("{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}", "template: frp:1: undefined variable \"$x\""),
    ("{{ end }}", "template: frp:1: unexpected {{end}}"),
    ("{{ if 1 }}\n", "template: frp:2: unexpected EOF"),
    ("{{ if }}{{ end }}", "template: frp:1: missing value for if"),
    ("{{ }}", "template: frp:1: missing value for command"),
    ("{{ break }}", "template: frp:1: {{break}} outside {{range}}"),
    ("{{ \"a }}", "template: frp:1: unterminated quoted string"),
    ("{{ 1 | 2 }}", "template: frp:1: non executable command in pipeline stage 2"),
    ("{{ \"a\"\"b\" }}", "template: frp:1: unexpected \"b\" in command"),
    ("{{ nil }}", "template: frp:1: nil is not a command"),
    ("{{/* a", "template: frp:1: unclosed comment"),
    ("{{/* a */ b}}", "template: frp:1: comment ends before closing delimiter"),
    (
        "a\n  {{ .Name }}",
        "template: frp:2:5: executing \"frp\" at <.Name>: can't evaluate field Name in type *config.Values",
    ),
    (
        "{{ parseNumberRange \"3-1\" }}",
        "template: frp:1:3: executing \"frp\" at <parseNumberRange>: error calling parseNumberRange: range number is invalid",
    ),
    (
        "{{ parseNumberRangePair \"1-2\" \"1\" }}",
        "template: frp:1:3: executing \"frp\" at <parseNumberRangePair>: first and second range numbers are not in pairs",
    ),
    (
        "{{ parseNumberRange .Envs.NONE }}",
        "template: frp:1:3: executing \"frp\" at <parseNumberRange>: invalid value; expected string",
    ),
    ("{{ lt 1 \"a\" }}", "template: frp:1:3: executing \"frp\" at <lt>: incompatible types for comparison"),
];

#[test]
fn templates_give_what_go_gives() {
    for (text, wanted) in TABLE {
        assert_eq!(out(text), *wanted, "{text}");
    }
}

#[test]
fn lines_come_from_the_file() {
    let text = "a\n{{- range parseNumberRange \"1-2\" }}\n\n[[p]]\nn = {{ . }}\n{{- end }}\nz\n";
    let rendered = rendered(text).unwrap();
    assert_eq!(rendered.source.text, "a\n\n[[p]]\nn = 1\n\n[[p]]\nn = 2\nz\n");
    let lines = [1, 3, 4, 5, 3, 4, 5, 7].map(|line| place(0, line));
    assert_eq!(std::array::from_fn(|line| rendered.source.at_line(line)), lines);
}

#[test]
fn what_is_missing_is_told() {
    let rendered = rendered("a\nb = {{ .Envs.NO }}{{ if .Envs.OTHER }}{{ end }}{{ or .Envs.NO 1 }}").unwrap();
    assert_eq!(rendered.missing, [(place(0, 2), "NO".to_owned())]);
}

#[test]
fn nothing_runs_for_ever() {
    let table = [
        ("{{ range parseNumberRange \"1-9223372036854775807\" }}{{ end }}", "steps"),
        ("{{ range 9223372036854775807 }}{{ end }}", "steps"),
        ("{{ parseNumberRange \"1-9223372036854775807\" }}", "bytes"),
        ("{{ range parseNumberRange \"1-1000000\" }}a long line of text\n{{ end }}", "bytes"),
        ("{{ $x := \"0123456789abcdef\" }}{{ range 64 }}{{ $x = print $x $x }}{{ end }}", "bytes"),
        ("{{ $x := printf \"%1000000d\" 1 }}{{ range 10000 }}{{ $y := print $x }}{{ end }}", "steps"),
        ("{{ printf \"%99999999999999999999d\" 1 }}", "bytes"),
        ("{{ index (parseNumberRange \"1-9223372036854775807\") 9223372036854775800 }}", "9223372036854775801"),
    ];
    for (text, what) in table {
        assert!(out(text).contains(what), "{text}: {}", &out(text)[..100.min(out(text).len())]);
    }
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(out(&deep).contains("levels"));
    assert!(out(&"{{ if 1 }}".repeat(10_000)).contains("levels"));
    assert!(out(&"{{ 1 }}".repeat(100_000)).contains("parts"));
}

#[test]
fn broken_texts_end_in_an_error() {
    let text = "{{ range $i, $v := parseNumberRange \"1-3\" }}{{ if eq $i 1 }}{{ $v | printf \"%d\" }}{{ else }}x{{ end }}{{ end }}";
    for end in 0..text.len() {
        let _ = rendered(&text[..end]);
        let _ = rendered(&text[end..]);
        let mut other = text.as_bytes().to_vec();
        for byte in b"{}()\"|.$-' \n\\" {
            other[end] = *byte;
            let _ = rendered(&String::from_utf8_lossy(&other));
        }
    }
}
