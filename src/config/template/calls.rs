//! The functions of a template.
//!
//! Owns what each does with values. Does not know the tree; `and` and `or` are with it, since they do not evaluate all
//! of their arguments. Always true: no result is longer than the limit. Worst case: that limit.

use super::value::{Envs, List, Value};
use crate::config::numbers::Numbers;
use core::cmp::Ordering;
use core::fmt::Write;

/// Calls a function. Texts that it makes are at most `limit` bytes long.
pub(super) fn call(name: &str, args: &[Value], envs: &Envs, limit: usize) -> Result<Value, String> {
    let too_long = || format!("the result has more than {limit} bytes");
    match (name, args) {
        ("not", [value]) => Ok(Value::Flag(!value.truth())),
        ("eq", [first, rest @ ..]) if !rest.is_empty() => {
            let mut equal = false;
            for other in rest {
                equal |= first.equals(other)?;
            }
            Ok(Value::Flag(equal))
        }
        ("ne", [a, b]) => Ok(Value::Flag(!a.equals(b)?)),
        ("lt", [a, b]) => Ok(Value::Flag(a.order(b)? == Ordering::Less)),
        ("le", [a, b]) => Ok(Value::Flag(a.order(b)? != Ordering::Greater)),
        ("gt", [a, b]) => Ok(Value::Flag(a.order(b)? == Ordering::Greater)),
        ("ge", [a, b]) => Ok(Value::Flag(a.order(b)? != Ordering::Less)),
        ("len", [value]) => value.len(envs).map(Value::Number),
        ("index", [first, rest @ ..]) => rest.iter().try_fold(first.clone(), |value, at| value.index(at, envs)),
        ("slice", [value, ends @ ..]) if ends.len() <= 2 => {
            let end = |n: usize| match ends.get(n) {
                None => Ok(None),
                Some(Value::Number(n)) => Ok(Some(*n)),
                Some(other) => Err(format!("cannot index slice/array with type {}", other.kind())),
            };
            value.slice(end(0)?, end(1)?)
        }
        ("print", args) => join(args, false, envs, limit).map(Value::Text).ok_or_else(too_long),
        ("println", args) => join(args, true, envs, limit).map(|t| Value::Text(t + "\n")).ok_or_else(too_long),
        ("printf", [Value::Text(format), args @ ..]) => {
            formatted(format, args, envs, limit).map(Value::Text).ok_or_else(too_long)
        }
        ("printf", [other, ..]) => Err(wanted_text(other)),
        ("parseNumberRange", [list]) => Ok(Value::List(List::new(numbers(list)?, None))),
        ("parseNumberRangePair", [first, second]) => {
            let (first, second) = (numbers(first)?, numbers(second)?);
            if first.len() != second.len() {
                return Err("first and second range numbers are not in pairs".to_owned());
            }
            Ok(Value::List(List::new(first, Some(second))))
        }
        _ => Err(format!("wrong number of args for {name}: got {}", args.len())),
    }
}

fn wanted_text(value: &Value) -> String {
    match value {
        Value::Missing(_) | Value::Nil => "invalid value; expected string".to_owned(),
        value => format!("expected string; found {}", value.kind()),
    }
}

fn numbers(value: &Value) -> Result<Numbers, String> {
    match value {
        Value::Text(text) => Numbers::parse(text).map_err(|e| format!("error calling function: {e}")),
        value => Err(wanted_text(value)),
    }
}

/// How `fmt` has it: there, nothing is called otherwise.
fn shown(value: &Value, envs: &Envs, limit: usize) -> Option<String> {
    match value {
        Value::Missing(_) | Value::Nil => Some("<nil>".to_owned()),
        value => value.printed(envs, limit),
    }
}

/// Go puts a space between two values neither of which is a text, or between all of them.
fn join(args: &[Value], all: bool, envs: &Envs, limit: usize) -> Option<String> {
    let mut out = String::new();
    let mut before_is_text = true;
    for (i, value) in args.iter().enumerate() {
        let is_text = matches!(value, Value::Text(_));
        if i > 0 && (all || !(is_text || before_is_text)) {
            out.push(' ');
        }
        before_is_text = is_text;
        out += &shown(value, envs, limit)?;
        if out.len() > limit {
            return None;
        }
    }
    Some(out)
}

/// `printf`.
fn formatted(format: &str, args: &[Value], envs: &Envs, limit: usize) -> Option<String> {
    let (mut out, mut args, mut chars) = (String::new(), args.iter(), format.chars().peekable());
    while let Some(c) = chars.next() {
        if out.len() > limit {
            return None;
        }
        if c != '%' {
            out.push(c);
            continue;
        }
        let (mut left, mut zero, mut plus) = (false, false, false);
        while let Some(flag) = chars.next_if(|c| matches!(c, '-' | '0' | '+' | ' ' | '#')) {
            left |= flag == '-';
            zero |= flag == '0';
            plus |= flag == '+';
        }
        let mut width = 0_usize;
        while let Some(digit) = chars.next_if(char::is_ascii_digit).and_then(|c| c.to_digit(10)) {
            width = width.saturating_mul(10).saturating_add(usize::try_from(digit).unwrap_or(0));
        }
        if width > limit {
            return None;
        }
        let Some(verb) = chars.next() else {
            out += "%!(NOVERB)";
            break;
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some(value) = args.next() else {
            let _ = write!(out, "%!{verb}(MISSING)");
            continue;
        };
        let text = verbed(verb, value, plus, envs, limit)?;
        let missing = width.saturating_sub(text.chars().count());
        if zero && !left && matches!(value, Value::Number(_)) {
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
            out = out + sign + &"0".repeat(missing) + digits;
        } else {
            let blanks = " ".repeat(missing);
            out = if left { out + &text + &blanks } else { out + &blanks + &text };
        }
    }
    let extra: Vec<&Value> = args.collect();
    if !extra.is_empty() {
        let mut all = Vec::new();
        for value in extra {
            all.push(format!("{}={}", value.kind(), shown(value, envs, limit)?));
        }
        let _ = write!(out, "%!(EXTRA {})", all.join(", "));
    }
    (out.len() <= limit).then_some(out)
}

fn verbed(verb: char, value: &Value, plus: bool, envs: &Envs, limit: usize) -> Option<String> {
    Some(match (verb, value) {
        ('d', Value::Number(n)) if plus => format!("{n:+}"),
        ('d', Value::Number(_)) | ('v', _) | ('s', Value::Text(_)) | ('t', Value::Flag(_)) => {
            shown(value, envs, limit)?
        }
        ('d', Value::List(_) | Value::Pair(..)) => shown(value, envs, limit)?,
        ('q', Value::Text(text)) => format!("{text:?}"),
        ('x', Value::Number(n)) => format!("{}{:x}", if *n < 0 { "-" } else { "" }, n.unsigned_abs()),
        ('X', Value::Number(n)) => format!("{}{:X}", if *n < 0 { "-" } else { "" }, n.unsigned_abs()),
        ('o', Value::Number(n)) => format!("{}{:o}", if *n < 0 { "-" } else { "" }, n.unsigned_abs()),
        ('b', Value::Number(n)) => format!("{}{:b}", if *n < 0 { "-" } else { "" }, n.unsigned_abs()),
        ('x', Value::Text(text)) => text.bytes().map(|b| format!("{b:02x}")).collect(),
        ('c', Value::Number(n)) => u32::try_from(*n).ok().and_then(char::from_u32).unwrap_or('\u{fffd}').to_string(),
        ('T', value) => value.kind().to_owned(),
        (verb, Value::Missing(_) | Value::Nil) => format!("%!{verb}(<nil>)"),
        (verb, value) => format!("%!{verb}({}={})", value.kind(), shown(value, envs, limit)?),
    })
}
