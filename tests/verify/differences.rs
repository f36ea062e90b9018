//! Where redial's verdict is not frpc's, and why.

/// Who takes the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Frpc,
    Redial,
}

/// A reason for a difference.
pub(crate) struct Difference {
    pub(crate) id: &'static str,
    pub(crate) takes: Side,
    /// One of these is in what the other one says.
    pub(crate) says: &'static [&'static str],
    /// Read by people alone.
    #[allow(dead_code, reason = "it explains the entry")]
    pub(crate) why: &'static str,
}

/// All of them.
pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        id: "redial-table",
        takes: Side::Redial,
        says: &["unknown field \"redial\"", "unknown field \"Redial\"", "unknown field \"REDIAL\""],
        why: "redial's own table.",
    },
    Difference {
        id: "redial-no-table",
        takes: Side::Frpc,
        says: &["redial: cannot unmarshal"],
        why: "what frpc passes over with --strict_config=false is still redial's own table here.",
    },
    Difference {
        id: "toml11",
        takes: Side::Redial,
        says: &[
            "toml: invalid character at start of key: }",
            "toml: invalid character at start of key: \n",
            "toml: times are expected to have the format HH:MM:SS",
            "toml: invalid escaped character",
        ],
        why: "redial's reader knows TOML 1.1: inline tables over several lines or with a last comma, \\e and \\x, times \
              without seconds. A file for frpc has none of them.",
    },
    Difference {
        id: "odd-url",
        takes: Side::Frpc,
        says: &["must be an absolute http or https URL"],
        why: "an issuer's address with half of a pair of brackets (https://::1]/): Go takes it and cannot connect.",
    },
    Difference {
        id: "hex-float",
        takes: Side::Frpc,
        says: &["strconv.ParseFloat: parsing \"0x", "strconv.ParseFloat: parsing \"0X"],
        why: "a bandwidth as a hexadecimal float (0x1p4MB): Go reads it, nobody writes it, a reader costs bytes.",
    },
    Difference {
        id: "not-utf8",
        takes: Side::Frpc,
        says: &["not UTF-8 from here on"],
        why: "bytes that are not UTF-8: Go's JSON reader puts a sign of its own in their place, its YAML reader also knows \
              UTF-16. What would be sent is not what the user wrote, so redial says where it is.",
    },
    Difference {
        id: "surrogate",
        takes: Side::Frpc,
        says: &["json: unexpected end of hex escape", "json: lone leading surrogate in hex escape"],
        why: "half a character in JSON (\"\\ud800\"): Go puts a sign of its own in its place; a text cannot hold it.",
    },
    Difference {
        id: "long-s",
        takes: Side::Frpc,
        says: &["unknown field \"ſ"],
        why: "Go folds the old letter ſ into s (and the sign for kelvin into k) when it compares keys.",
    },
    Difference {
        id: "template-float",
        takes: Side::Frpc,
        says: &["(whole numbers only)"],
        why: "numbers with a point within templates: redial reads none, and says so.",
    },
    Difference {
        id: "template-define",
        takes: Side::Frpc,
        says: &["is not supported: write the text itself"],
        why: "define, template and block: not supported, and redial says so.",
    },
    Difference {
        id: "template-escape",
        takes: Side::Frpc,
        says: &[
            "function \"html\" is not supported",
            "function \"js\" is not supported",
            "function \"urlquery\" is not",
        ],
        why: "html, js and urlquery: not supported, and redial says so.",
    },
    Difference {
        id: "yaml-binary",
        takes: Side::Frpc,
        says: &["!!binary is not supported"],
        why: "YAML's binary values: redial says to write the text itself.",
    },
    Difference {
        id: "yaml-key",
        takes: Side::Frpc,
        says: &["yaml: number is no key"],
        why: "a number with a point as a key of one of the maps.",
    },
    Difference {
        id: "yaml-tab",
        takes: Side::Redial,
        says: &["yaml: found character that cannot start any token"],
        why: "a tab before the first key of a YAML file: redial's reader takes it as blank, as YAML 1.2 does.",
    },
    Difference {
        id: "yaml-end",
        takes: Side::Redial,
        says: &["yaml: did not find expected node content", "yaml: did not find expected <document start>"],
        why: "a document's end (...) where none has begun: redial's reader passes over it, as YAML 1.2 does.",
    },
    Difference {
        id: "yaml-bracket",
        takes: Side::Frpc,
        says: &["yaml: misplaced bracket"],
        why: "a closing bracket behind the end of the document (JSON that lost its first line): frpc's reader overlooks it.",
    },
    Difference {
        id: "yaml-escape",
        takes: Side::Redial,
        says: &["yaml: found invalid Unicode character escape", "yaml: found unknown escape character"],
        why: "YAML 1.2's escapes, which are there for JSON's sake: \\/ and a pair of surrogates for one character.",
    },
    Difference {
        id: "yaml-version",
        takes: Side::Redial,
        says: &["yaml: found incompatible YAML document", "yaml: found unknown directive name"],
        why: "%YAML 1.2 and directives that nobody knows: passed over, as YAML 1.2 has it.",
    },
];
