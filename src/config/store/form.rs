//! Which keys an entry of the store has, in which order: those of frpc's API and file (config §2, §5.5).
//!
//! Owns the table. Does not say what the keys mean. Always true: what is written has the keys of its type and no others,
//! in frpc's order; what frpc leaves out if it is empty is left out. Worst case: the text.

use super::super::tree::{Entry, Value};
use super::List;
use crate::wire::json::Json;

/// What a key holds.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Number,
    Flag,
    /// `false` is told apart from nothing.
    Switch,
    /// Text for text.
    Map,
    Texts,
    Table(&'static [Field]),
    Tables(&'static [Field]),
    /// As it is.
    Any,
}

/// A key, and whether it is written though empty.
struct Field(&'static str, Form, bool);

use Form::{Any, Flag, Map, Number, Switch, Table, Tables, Text, Texts};

const fn f(key: &'static str, form: Form) -> Field {
    Field(key, form, false)
}

/// Always there.
const fn always(key: &'static str, form: Form) -> Field {
    Field(key, form, true)
}

const PROXY: &[Field] = &[
    f("enabled", Switch),
    f("annotations", Map),
    always(
        "transport",
        Table(&[
            f("useEncryption", Flag),
            f("useCompression", Flag),
            always("bandwidthLimit", Text),
            f("bandwidthLimitMode", Text),
            f("proxyProtocolVersion", Text),
        ]),
    ),
    f("metadatas", Map),
    always("loadBalancer", Table(&[always("group", Text), f("groupKey", Text)])),
    always(
        "healthCheck",
        Table(&[
            always("type", Text),
            f("timeoutSeconds", Number),
            f("maxFailed", Number),
            always("intervalSeconds", Number),
            f("path", Text),
            f("httpHeaders", Tables(&[always("name", Text), always("value", Text)])),
        ]),
    ),
    f("localIP", Text),
    f("localPort", Number),
    always("plugin", Any),
];

const VISITOR: &[Field] = &[
    f("enabled", Switch),
    always("transport", Table(&[f("useEncryption", Flag), f("useCompression", Flag)])),
    f("secretKey", Text),
    f("serverUser", Text),
    f("serverName", Text),
    f("bindAddr", Text),
    f("bindPort", Number),
    always("plugin", Any),
];

const PORT: &[Field] = &[f("remotePort", Number)];
const DOMAINS: &[Field] = &[f("customDomains", Texts), f("subdomain", Text)];
const HEADERS: Form = Table(&[f("set", Map)]);
const HTTP: &[Field] = &[
    f("customDomains", Texts),
    f("subdomain", Text),
    f("locations", Texts),
    f("httpUser", Text),
    f("httpPassword", Text),
    f("hostHeaderRewrite", Text),
    always("requestHeaders", HEADERS),
    always("responseHeaders", HEADERS),
    f("routeByHTTPUser", Text),
];
const TCPMUX: &[Field] = &[
    f("customDomains", Texts),
    f("subdomain", Text),
    f("httpUser", Text),
    f("httpPassword", Text),
    f("routeByHTTPUser", Text),
    f("multiplexer", Text),
];
const SECRET: &[Field] = &[f("secretKey", Text), f("allowUsers", Texts)];
const NAT: Field = f("natTraversal", Table(&[f("disableAssistedAddrs", Flag)]));
const XTCP: &[Field] = &[f("secretKey", Text), f("allowUsers", Texts), NAT];
const XTCP_VISITOR: &[Field] = &[
    f("protocol", Text),
    f("keepTunnelOpen", Flag),
    f("maxRetriesAnHour", Number),
    f("minRetryInterval", Number),
    f("fallbackTo", Text),
    f("fallbackTimeoutMs", Number),
    NAT,
];

/// A type and its own keys.
type Kind = (&'static str, &'static [Field]);

const PROXIES: &[Kind] = &[
    ("tcp", PORT),
    ("udp", PORT),
    ("http", HTTP),
    ("https", DOMAINS),
    ("tcpmux", TCPMUX),
    ("stcp", SECRET),
    ("sudp", SECRET),
    ("xtcp", XTCP),
];
const VISITORS: &[Kind] = &[("stcp", &[]), ("sudp", &[]), ("xtcp", XTCP_VISITOR)];

/// The types of a list.
pub(super) fn kinds(list: List) -> impl Iterator<Item = &'static str> {
    table(list).iter().map(|(kind, _)| *kind)
}

fn table(list: List) -> &'static [Kind] {
    match list {
        List::Proxies => PROXIES,
        List::Visitors => VISITORS,
    }
}

/// The value of a key: the last one that is the same to frpc.
pub(super) fn find<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Value> {
    let found = entries.iter().rfind(|e| e.key.eq_ignore_ascii_case(key)).map(|e| &e.node.value);
    found.filter(|value| **value != Value::Null)
}

/// A value of the wrong type, in Go's words.
pub(super) fn wrong(value: &Value, path: &str, expected: &str) -> String {
    format!("json: cannot unmarshal {} into Go struct field {path} of type {expected}", value.kind())
}

/// An entry in one line; the error is about a value of the wrong type.
pub(super) fn entry(list: List, kind: &str, name: &str, entries: &[Entry]) -> Result<String, String> {
    let base = match list {
        List::Proxies => PROXY,
        List::Visitors => VISITOR,
    };
    let own = table(list).iter().find(|(known, _)| *known == kind).map(|(_, fields)| *fields).unwrap_or_default();
    let (mut j, mut result) = (Json::default(), Ok(()));
    j.object(|j| {
        j.key("name").text(name);
        j.key("type").text(kind);
        result = fields(base, entries, kind, j).and_then(|()| fields(own, entries, kind, j));
    });
    result.map(|()| j.into_text())
}

fn fields(all: &[Field], entries: &[Entry], path: &str, j: &mut Json) -> Result<(), String> {
    all.iter().try_for_each(|field| one(field, find(entries, field.0), path, j))
}

fn one(&Field(key, form, always): &Field, value: Option<&Value>, path: &str, j: &mut Json) -> Result<(), String> {
    let path = format!("{path}.{key}");
    match (form, value) {
        (Any, Some(value)) => any(value, j.key(key)),
        (Any, None) => j.key(key).raw("null"),
        (Text, None) if always => j.key(key).text(""),
        (Number, None) if always => j.key(key).number(0),
        (Table(_), None) if always => return table_of(key, form, &[], &path, j),
        (_, None) => {}
        (Text, Some(Value::Text(text))) if always || !text.is_empty() => j.key(key).text(text),
        (Number, Some(Value::Integer(n))) if always || *n != 0 => j.key(key).raw(&n.to_string()),
        (Flag, Some(Value::Flag(true))) => j.key(key).flag(true),
        (Switch, Some(Value::Flag(on))) => j.key(key).flag(*on),
        (Text, Some(Value::Text(_))) | (Number, Some(Value::Integer(_))) | (Flag, Some(Value::Flag(_))) => {}
        (Table(_), Some(Value::Table(entries))) => return table_of(key, form, entries, &path, j),
        (Map, Some(Value::Table(entries))) => return map(key, entries, &path, j),
        (Texts | Tables(_), Some(Value::List(items))) => {
            let mut result = Ok(());
            if !items.is_empty() {
                j.key(key).array(|j| result = items.iter().try_for_each(|item| element(form, &item.value, &path, j)));
            }
            return result;
        }
        (_, Some(value)) => return Err(wrong(value, &path, expected(form))),
    }
    Ok(())
}

/// Go's name of what is expected.
fn expected(form: Form) -> &'static str {
    match form {
        Text => "string",
        Number => "int",
        Flag | Switch => "bool",
        Map => "map[string]string",
        Texts => "[]string",
        _ => "struct",
    }
}

fn table_of(key: &str, form: Form, entries: &[Entry], path: &str, j: &mut Json) -> Result<(), String> {
    let mut result = Ok(());
    if let Table(all) = form {
        j.key(key).object(|j| result = fields(all, entries, path, j));
    }
    result
}

/// In the order of the keys, as Go writes maps.
fn map(key: &str, entries: &[Entry], path: &str, j: &mut Json) -> Result<(), String> {
    let mut all = std::collections::BTreeMap::new();
    for entry in entries {
        match &entry.node.value {
            Value::Text(text) => all.insert(entry.key.as_str(), text.as_str()),
            Value::Null => all.insert(&entry.key, ""),
            other => return Err(wrong(other, path, "string")),
        };
    }
    if !all.is_empty() {
        j.key(key).object(|j| all.iter().for_each(|(key, text)| j.key(key).text(text)));
    }
    Ok(())
}

fn element(form: Form, value: &Value, path: &str, j: &mut Json) -> Result<(), String> {
    let mut result = Ok(());
    match (form, value) {
        (Texts, Value::Text(text)) => j.text(text),
        (Tables(all), Value::Table(entries)) => j.object(|j| result = fields(all, entries, path, j)),
        (Texts, _) => result = Err(wrong(value, path, "string")),
        _ => result = Err(wrong(value, path, "struct")),
    }
    result
}

/// As it is, in the order it was written in.
fn any(value: &Value, j: &mut Json) {
    match value {
        Value::Null | Value::Float(None) => j.raw("null"),
        Value::Text(text) => j.text(text),
        Value::Integer(n) | Value::Float(Some(n)) => j.raw(&n.to_string()),
        Value::Flag(on) => j.flag(*on),
        Value::List(items) => j.array(|j| items.iter().for_each(|item| any(&item.value, j))),
        Value::Table(entries) => j.object(|j| entries.iter().for_each(|e| any(&e.node.value, j.key(&e.key)))),
    }
}
