//! Runs a template.
//!
//! Owns variables, the output and where its lines came from. Does not parse. Always true: it ends, see [`MAX_STEPS`].
//! Worst case: [`MAX_OUTPUT`] bytes, and as much in variables and for one value.

use super::calls::call;
use super::lex::Error;
use super::parse::{Expr, Kind, Node, Pipe, What};
use super::value::{Envs, Value};
use crate::config::MAX_FILE;
use crate::config::source::{Place, Source};
use core::ops::ControlFlow;

/// Operands that are evaluated. 65 536 ports with ten lines for each take a third of them; a text counts for each 64 of
/// its bytes.
const MAX_STEPS: u64 = 2_000_000;

/// Bytes that are written: as many as a file may have.
#[allow(clippy::cast_possible_truncation, reason = "four megabytes")]
pub(super) const MAX_OUTPUT: usize = MAX_FILE as usize;

/// What a template wrote.
#[derive(Default)]
pub(super) struct Output {
    pub(super) text: String,
    /// The place of each of its lines.
    pub(super) places: Vec<Place>,
    /// Variables of the environment that were printed and are not set.
    pub(super) missing: Vec<(Place, String)>,
    /// Nothing but blanks is in the last line so far.
    blank: bool,
}

impl Output {
    fn write(&mut self, text: &str, mut place: impl FnMut(usize) -> Place) {
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            if self.places.is_empty() || self.text.ends_with('\n') {
                self.places.push(place(at));
                self.blank = true;
            }
            let first = line.len() - line.trim_start().len();
            if self.blank
                && first < line.len()
                && let Some(last) = self.places.last_mut()
            {
                *last = place(at + first);
                self.blank = false;
            }
            self.text += line;
            at += line.len();
        }
    }
}

/// How a list of nodes ended: a `break` or `continue` goes up to its loop.
enum Leap {
    Break,
    Continue,
    Failed(Error),
}

impl From<Error> for Leap {
    fn from(e: Error) -> Self {
        Self::Failed(e)
    }
}

pub(super) struct Run<'t> {
    source: &'t Source,
    envs: &'t Envs,
    variables: Vec<(&'t str, Value)>,
    output: Output,
    steps: u64,
}

/// Runs all nodes.
pub(super) fn run(nodes: &[Node], source: &Source, envs: &Envs) -> Result<Output, Error> {
    let variables = vec![("$", Value::Root)];
    let mut run = Run { source, envs, variables, output: Output::default(), steps: 0 };
    match run.list(nodes, &Value::Root) {
        Err(Leap::Failed(e)) => Err(e),
        _ => Ok(run.output),
    }
}

impl<'t> Run<'t> {
    fn spend(&mut self, at: usize, bytes: usize) -> Result<(), Error> {
        self.steps = self.steps.saturating_add(1).saturating_add(u64::try_from(bytes / 64).unwrap_or(u64::MAX));
        if self.steps > MAX_STEPS {
            return Err(Error::new(at, format!("the template takes more than {MAX_STEPS} steps")));
        }
        Ok(())
    }

    fn room(&self, at: usize, more: usize) -> Result<(), Error> {
        if self.output.text.len().saturating_add(more) > MAX_OUTPUT {
            return Err(Error::new(at, format!("the template writes more than {MAX_OUTPUT} bytes")));
        }
        Ok(())
    }

    fn list(&mut self, nodes: &'t [Node], dot: &Value) -> Result<(), Leap> {
        for node in nodes {
            match node {
                Node::Text { from, to } => {
                    let source = self.source;
                    let text = source.text.get(*from..*to).unwrap_or_default();
                    self.room(*from, text.len())?;
                    self.spend(*from, text.len())?;
                    self.output.write(text, |at| source.at(from + at));
                }
                Node::Action(pipe) => self.action(pipe, dot)?,
                Node::Branch { kind, pipe, list, otherwise } => {
                    let before = self.variables.len();
                    let done = match kind {
                        Kind::Range => self.range(pipe, list, otherwise, dot),
                        kind => self.condition(*kind, pipe, list, otherwise, dot),
                    };
                    self.variables.truncate(before);
                    done?;
                }
                Node::Break => return Err(Leap::Break),
                Node::Continue => return Err(Leap::Continue),
            }
        }
        Ok(())
    }

    fn action(&mut self, pipe: &'t Pipe, dot: &Value) -> Result<(), Error> {
        let value = self.pipe(pipe, dot)?;
        let at = start(pipe);
        if !pipe.variables.is_empty() {
            return Ok(());
        }
        let left = MAX_OUTPUT.saturating_sub(self.output.text.len());
        let text = value.printed(self.envs, left).ok_or(()).or_else(|()| {
            self.room(at, left + 1)?;
            Ok::<_, Error>(String::new())
        })?;
        let place = self.source.at(at);
        if let Value::Missing(name) = value {
            self.output.missing.push((place, name));
        }
        self.output.write(&text, |_| place);
        Ok(())
    }

    fn condition(
        &mut self,
        kind: Kind,
        pipe: &'t Pipe,
        list: &'t [Node],
        otherwise: &'t [Node],
        dot: &Value,
    ) -> Result<(), Leap> {
        let value = self.pipe(pipe, dot)?;
        match (value.truth(), kind) {
            (true, Kind::With) => self.list(list, &value),
            (true, _) => self.list(list, dot),
            (false, _) => self.list(otherwise, dot),
        }
    }

    fn range(&mut self, pipe: &'t Pipe, list: &'t [Node], otherwise: &'t [Node], dot: &Value) -> Result<(), Leap> {
        let value = self.commands(pipe, dot)?;
        let at = start(pipe);
        let numbered = |n: usize| Value::Number(i64::try_from(n).unwrap_or(i64::MAX));
        let envs = self.envs;
        let mut items: Box<dyn Iterator<Item = (Value, Value)>> = match &value {
            Value::List(list) => Box::new(list.iter(0).enumerate().map(move |(n, item)| (numbered(n), item))),
            Value::Number(n) => Box::new((0..*n).map(|n| (Value::Number(n), Value::Number(n)))),
            Value::Envs => Box::new(envs.iter().map(|(name, v)| (Value::Text(name.clone()), Value::Text(v.clone())))),
            Value::Missing(_) | Value::Nil => Box::new(core::iter::empty()),
            other => return Err(Error::new(at, format!("range can't iterate over {}", other.kind())).into()),
        };
        let mut any = false;
        let before = self.variables.len();
        for (key, item) in items.by_ref() {
            any = true;
            self.spend(at, 0)?;
            let values = match pipe.variables.len() {
                2 => vec![key, item.clone()],
                _ => vec![item.clone()],
            };
            for (name, value) in pipe.variables.iter().zip(values) {
                self.set(name, value, pipe.declares);
            }
            let flow = match self.list(list, &item) {
                Ok(()) | Err(Leap::Continue) => ControlFlow::Continue(()),
                Err(Leap::Break) => ControlFlow::Break(()),
                Err(failed) => return Err(failed),
            };
            self.variables.truncate(before);
            if flow.is_break() {
                break;
            }
        }
        if any { Ok(()) } else { self.list(otherwise, dot) }
    }

    fn set(&mut self, name: &'t str, value: Value, declares: bool) {
        match self.variables.iter_mut().rfind(|(known, _)| *known == name) {
            Some((_, old)) if !declares => *old = value,
            _ => self.variables.push((name, value)),
        }
    }

    fn pipe(&mut self, pipe: &'t Pipe, dot: &Value) -> Result<Value, Error> {
        let value = self.commands(pipe, dot)?;
        for name in &pipe.variables {
            if let Value::Text(text) = &value {
                self.spend(start(pipe), text.len())?;
            }
            self.set(name, value.clone(), pipe.declares);
        }
        Ok(value)
    }

    fn commands(&mut self, pipe: &'t Pipe, dot: &Value) -> Result<Value, Error> {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, last, dot)?);
        }
        Ok(last.unwrap_or(Value::Nil))
    }

    /// `last` is what the command before gave: one more argument.
    fn command(&mut self, command: &'t [Expr], last: Option<Value>, dot: &Value) -> Result<Value, Error> {
        let Some((first, operands)) = command.split_first() else { return Ok(Value::Nil) };
        let fail = |text| failure(self.source, first, text);
        let What::Call(name) = first.what else {
            if !operands.is_empty() || last.is_some() {
                return Err(fail("can't give argument to non-function".to_owned()));
            }
            return self.operand(first, dot);
        };
        if matches!(name, "and" | "or") {
            return self.junction(name == "or", first, operands, last, dot);
        }
        let mut args = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            args.push(self.operand(operand, dot)?);
        }
        args.extend(last);
        let value = call(name, &args, self.envs, MAX_OUTPUT).map_err(|e| {
            let e =
                e.strip_prefix("error calling function: ").map(|e| format!("error calling {name}: {e}")).unwrap_or(e);
            failure(self.source, first, e)
        })?;
        if let Value::Text(text) = &value {
            self.spend(first.from, text.len())?;
        }
        Ok(value)
    }

    /// `and` and `or`: the first argument that decides, or the last one.
    fn junction(
        &mut self,
        is_or: bool,
        first: &Expr,
        operands: &'t [Expr],
        last: Option<Value>,
        dot: &Value,
    ) -> Result<Value, Error> {
        let mut value = None;
        for operand in operands {
            let next = self.operand(operand, dot)?;
            if next.truth() == is_or {
                return Ok(next);
            }
            value = Some(next);
        }
        let none = || failure(self.source, first, "wrong number of args: want at least 1 got 0".to_owned());
        last.or(value).ok_or_else(none)
    }

    fn operand(&mut self, expr: &'t Expr, dot: &Value) -> Result<Value, Error> {
        let mut value = match &expr.what {
            What::Dot => dot.clone(),
            What::Nil => Value::Nil,
            What::Flag(flag) => Value::Flag(*flag),
            What::Number(n) => Value::Number(*n),
            What::String(text) => Value::Text(text.clone()),
            What::Variable(name) => {
                self.variables.iter().rfind(|(known, _)| known == name).map_or(Value::Nil, |(_, value)| value.clone())
            }
            What::Call(name) => call(name, &[], self.envs, MAX_OUTPUT).map_err(|e| failure(self.source, expr, e))?,
            What::Pipe(pipe) => self.pipe(pipe, dot)?,
        };
        for name in &expr.fields {
            value = value.field(name, self.envs).map_err(|e| failure(self.source, expr, e))?;
        }
        self.spend(expr.from, if let Value::Text(text) = &value { text.len() } else { 0 })?;
        Ok(value)
    }
}

/// Where a pipeline starts.
fn start(pipe: &Pipe) -> usize {
    pipe.commands.first().and_then(|command| command.first()).map_or(0, |expr| expr.from)
}

/// An error as Go words it; the line comes later.
fn failure(source: &Source, expr: &Expr, text: String) -> Error {
    let mut at: String = source.text.get(expr.from..expr.to).unwrap_or_default().chars().take(21).collect();
    if at.chars().count() > 20 {
        at.pop();
        at += "...";
    }
    let before = source.text.get(..expr.from).unwrap_or_default();
    let column = before.rfind('\n').map_or(expr.from, |newline| expr.from - newline - 1);
    Error::new(expr.from, format!("{column}: executing \"frp\" at <{at}>: {text}"))
}
