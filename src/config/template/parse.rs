//! Makes a tree of a template.
//!
//! Owns the grammar: control structures, pipelines, operands, which names there are. Does not evaluate. Always true:
//! every variable and function in the tree exists. Worst case: [`MAX_NODES`] nodes, [`MAX_DEPTH`] levels.

use super::lex::{Error, Lexeme, Lexer, Token};

/// Nodes of one template.
const MAX_NODES: usize = 100_000;
/// Levels of nesting.
const MAX_DEPTH: usize = 100;

/// What a template does, one after the other.
#[derive(Debug)]
pub(super) enum Node {
    /// These bytes of the template.
    Text {
        from: usize,
        to: usize,
    },
    Action(Pipe),
    Branch {
        kind: Kind,
        pipe: Pipe,
        list: Vec<Self>,
        otherwise: Vec<Self>,
    },
    Break,
    Continue,
}

/// Kinds of control structures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    If,
    Range,
    With,
}

/// Commands, each of which gets what the one before it gave.
#[derive(Debug)]
pub(super) struct Pipe {
    /// Variables that are declared, or assigned to if not `declares`.
    pub(super) variables: Vec<String>,
    pub(super) declares: bool,
    pub(super) commands: Vec<Vec<Expr>>,
}

/// An operand.
#[derive(Debug)]
pub(super) struct Expr {
    pub(super) what: What,
    /// Names after it: `.A.B`.
    pub(super) fields: Vec<String>,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// What an operand starts with.
#[derive(Debug)]
pub(super) enum What {
    Dot,
    Nil,
    Flag(bool),
    Number(i64),
    String(String),
    Variable(String),
    Call(&'static str),
    Pipe(Box<Pipe>),
}

/// How a list of nodes ended.
enum Ending {
    End,
    Else,
    /// `else if`, `else with`: what follows is the one node of the branch.
    ElseBranch(Kind),
    Text,
}

pub(super) struct Parser<'t> {
    lexer: Lexer<'t>,
    /// The next lexeme, if it was looked at.
    peeked: Option<Lexeme>,
    functions: &'t [&'static str],
    variables: Vec<String>,
    depth: usize,
    nodes: usize,
    loops: usize,
}

/// Makes a tree of a text; only `functions` can be called.
pub(super) fn parse(text: &str, functions: &[&'static str]) -> Result<Vec<Node>, Error> {
    let variables = vec!["$".to_owned()];
    let mut parser =
        Parser { lexer: Lexer::new(text), peeked: None, functions, variables, depth: 0, nodes: 0, loops: 0 };
    let (nodes, ending, at) = parser.list()?;
    match ending {
        Ending::Text => Ok(nodes),
        Ending::End => Err(Error::new(at, "unexpected {{end}}")),
        Ending::Else | Ending::ElseBranch(_) => Err(Error::new(at, "unexpected {{else}}")),
    }
}

impl Parser<'_> {
    fn next(&mut self) -> Result<Lexeme, Error> {
        match self.peeked.take() {
            Some(lexeme) => Ok(lexeme),
            None => self.lexer.next(),
        }
    }

    fn peek(&mut self) -> Result<&Lexeme, Error> {
        let next = self.next()?;
        Ok(self.peeked.insert(next))
    }

    fn count(&mut self, at: usize) -> Result<(), Error> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Error::new(at, format!("more than {MAX_NODES} parts of a template")));
        }
        Ok(())
    }

    fn deeper(&mut self, at: usize) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::new(at, format!("more than {MAX_DEPTH} levels of nesting in a template")));
        }
        Ok(())
    }

    /// Nodes up to what ends them, and where that is.
    fn list(&mut self) -> Result<(Vec<Node>, Ending, usize), Error> {
        let mut nodes = Vec::new();
        loop {
            let Lexeme { token, from, to, .. } = self.next()?;
            self.count(from)?;
            match token {
                Token::Text => nodes.push(Node::Text { from, to }),
                Token::Open => {
                    if let Some(ending) = self.action(from, &mut nodes)? {
                        return Ok((nodes, ending, from));
                    }
                }
                _ => return Ok((nodes, Ending::Text, from)),
            }
        }
    }

    fn action(&mut self, open: usize, nodes: &mut Vec<Node>) -> Result<Option<Ending>, Error> {
        let word = match &self.peek()?.token {
            Token::Word(word) => word.clone(),
            _ => String::new(),
        };
        let kind = match word.as_str() {
            "if" => Some(Kind::If),
            "range" => Some(Kind::Range),
            "with" => Some(Kind::With),
            _ => None,
        };
        if let Some(kind) = kind {
            self.next()?;
            nodes.push(self.branch(kind, open)?);
            return Ok(None);
        }
        match word.as_str() {
            "end" => {
                self.next()?;
                self.close("end")?;
                return Ok(Some(Ending::End));
            }
            "else" => {
                self.next()?;
                let kind = match &self.peek()?.token {
                    Token::Word(word) if word == "if" => Some(Kind::If),
                    Token::Word(word) if word == "with" => Some(Kind::With),
                    _ => None,
                };
                if let Some(kind) = kind {
                    self.next()?;
                    return Ok(Some(Ending::ElseBranch(kind)));
                }
                self.close("else")?;
                return Ok(Some(Ending::Else));
            }
            "break" | "continue" => {
                let at = self.next()?.from;
                self.close(&word)?;
                if self.loops == 0 {
                    return Err(Error::new(at, format!("{{{{{word}}}}} outside {{{{range}}}}")));
                }
                nodes.push(if word == "break" { Node::Break } else { Node::Continue });
                return Ok(None);
            }
            "define" | "template" | "block" => {
                return Err(Error::new(open, format!("{{{{{word}}}}} is not supported: write the text itself")));
            }
            _ => {}
        }
        nodes.push(Node::Action(self.pipe("command", false)?));
        Ok(None)
    }

    fn close(&mut self, context: &str) -> Result<(), Error> {
        let next = self.next()?;
        if next.token == Token::Close { Ok(()) } else { Err(unexpected(&next, context)) }
    }

    fn branch(&mut self, kind: Kind, at: usize) -> Result<Node, Error> {
        self.deeper(at)?;
        let before = self.variables.len();
        let name = match kind {
            Kind::If => "if",
            Kind::Range => "range",
            Kind::With => "with",
        };
        let pipe = self.pipe(name, kind == Kind::Range)?;
        self.loops += usize::from(kind == Kind::Range);
        let (list, ending, end) = self.list()?;
        self.loops -= usize::from(kind == Kind::Range);
        let otherwise = match ending {
            Ending::End => Vec::new(),
            Ending::ElseBranch(inner) if inner == kind => vec![self.branch(inner, end)?],
            Ending::ElseBranch(_) => return Err(Error::new(end, format!("unexpected <else> in {name}"))),
            Ending::Else => match self.list()? {
                (list, Ending::End, _) => list,
                (_, Ending::Text, at) => return Err(Error::new(at, "unexpected EOF")),
                (_, _, at) => return Err(Error::new(at, "expected end; found {{else}}")),
            },
            Ending::Text => return Err(Error::new(end, "unexpected EOF")),
        };
        self.variables.truncate(before);
        self.depth -= 1;
        Ok(Node::Branch { kind, pipe, list, otherwise })
    }

    /// A pipeline up to the end of its action.
    fn pipe(&mut self, context: &str, is_range: bool) -> Result<Pipe, Error> {
        let pipe = self.pipeline(context, is_range)?;
        self.close(context)?;
        Ok(pipe)
    }

    fn pipeline(&mut self, context: &str, is_range: bool) -> Result<Pipe, Error> {
        let mut pipe = Pipe { variables: Vec::new(), declares: false, commands: Vec::new() };
        // A variable may be what is declared, or the first operand.
        let mut operand = None;
        while let Token::Variable(name) = &self.peek()?.token {
            let name = name.clone();
            let lexeme = self.next()?;
            match self.peek()?.token {
                Token::Sign(sign @ (":=" | "=")) => {
                    self.next()?;
                    pipe.declares = sign == ":=";
                    pipe.variables.push(name);
                    break;
                }
                Token::Sign(",") if is_range && pipe.variables.is_empty() => {
                    self.next()?;
                    pipe.variables.push(name);
                }
                _ if pipe.variables.is_empty() => {
                    operand = Some(lexeme);
                    break;
                }
                _ => return Err(unexpected(&lexeme, context)),
            }
        }
        if !pipe.declares {
            for name in &pipe.variables {
                self.known(name, self.lexer_at())?;
            }
        }
        loop {
            let command = self.command(operand.take(), context)?;
            if !pipe.commands.is_empty()
                && !matches!(
                    command.first().map(|e| &e.what),
                    Some(What::Call(_) | What::Dot | What::Variable(_) | What::Pipe(_))
                )
            {
                let at = command.first().map_or(0, |e| e.from);
                return Err(Error::new(
                    at,
                    format!("non executable command in pipeline stage {}", pipe.commands.len() + 1),
                ));
            }
            pipe.commands.push(command);
            if self.peek()?.token != Token::Sign("|") {
                break;
            }
            self.next()?;
            // Go lets one pass that leads nowhere.
            if matches!(self.peek()?.token, Token::Close | Token::Sign(")")) {
                break;
            }
        }
        if pipe.declares {
            self.variables.extend(pipe.variables.iter().cloned());
        }
        Ok(pipe)
    }

    fn lexer_at(&self) -> usize {
        self.peeked.as_ref().map_or(0, |lexeme| lexeme.from)
    }

    fn known(&self, name: &str, at: usize) -> Result<(), Error> {
        if self.variables.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(Error::new(at, format!("undefined variable \"{name}\"")))
    }

    /// Operands up to a `|`, a `)` or the end of the action.
    fn command(&mut self, first: Option<Lexeme>, context: &str) -> Result<Vec<Expr>, Error> {
        let mut operands: Vec<Expr> = Vec::new();
        let mut given = first;
        loop {
            let lexeme = match given.take() {
                Some(lexeme) => lexeme,
                None => match &self.peek()?.token {
                    Token::Close | Token::Sign("|" | ")") => break,
                    _ => self.next()?,
                },
            };
            if !lexeme.spaced && operands.last().is_some_and(|before| before.to == lexeme.from) {
                return Err(unexpected(&lexeme, context));
            }
            operands.push(self.operand(lexeme, context)?);
        }
        match operands.first() {
            None => {
                let at = self.lexer_at();
                Err(Error::new(at, format!("missing value for {context}")))
            }
            Some(Expr { what: What::Nil, from, .. }) => Err(Error::new(*from, "nil is not a command")),
            Some(_) => Ok(operands),
        }
    }

    fn operand(&mut self, lexeme: Lexeme, context: &str) -> Result<Expr, Error> {
        let from = lexeme.from;
        self.count(from)?;
        let mut fields = Vec::new();
        let mut to = lexeme.to;
        let what = match lexeme.token {
            Token::Dot => What::Dot,
            Token::Field(name) => {
                fields.push(name);
                What::Dot
            }
            Token::Variable(name) => {
                self.known(&name, from)?;
                What::Variable(name)
            }
            Token::Number(n) => What::Number(n),
            Token::String(text) => What::String(text),
            Token::Word(word) => match word.as_str() {
                "true" => What::Flag(true),
                "false" => What::Flag(false),
                "nil" => What::Nil,
                name => match self.functions.iter().find(|known| **known == name) {
                    Some(name) => What::Call(name),
                    None if super::LEFT_OUT.contains(&name) => {
                        return Err(Error::new(from, format!("function \"{name}\" is not supported")));
                    }
                    None => return Err(Error::new(from, format!("function \"{name}\" not defined"))),
                },
            },
            Token::Sign("(") => {
                self.deeper(from)?;
                let pipe = self.pipeline("parenthesized pipeline", false)?;
                let close = self.next()?;
                if close.token != Token::Sign(")") {
                    return Err(Error::new(close.from, "unclosed left paren"));
                }
                self.depth -= 1;
                to = close.to;
                What::Pipe(Box::new(pipe))
            }
            _ => return Err(unexpected(&lexeme, context)),
        };
        while !self.peek()?.spaced && matches!(self.peek()?.token, Token::Field(_)) {
            let lexeme = self.next()?;
            if let Token::Field(name) = lexeme.token {
                self.count(from)?;
                fields.push(name);
                to = lexeme.to;
            }
        }
        if let (What::Call(_) | What::Nil | What::Flag(_) | What::Number(_) | What::String(_), false) =
            (&what, fields.is_empty())
        {
            return Err(Error::new(from, "unexpected . after term"));
        }
        Ok(Expr { what, fields, from, to })
    }
}

fn unexpected(lexeme: &Lexeme, context: &str) -> Error {
    let what = match &lexeme.token {
        Token::Text | Token::End => "EOF".to_owned(),
        Token::Open => "{{".to_owned(),
        Token::Close => "}}".to_owned(),
        Token::Dot => "<.>".to_owned(),
        Token::Field(name) => format!("<.{name}>"),
        Token::Variable(name) | Token::Word(name) => format!("<{name}>"),
        Token::String(text) => format!("{text:?}"),
        Token::Number(n) => format!("\"{n}\""),
        Token::Sign(sign) => format!("\"{sign}\""),
    };
    Error::new(lexeme.from, format!("unexpected {what} in {context}"))
}
