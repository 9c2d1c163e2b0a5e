//! How a script becomes a plan.

use super::{Block, Call, Direct, Expr, Return, Statement};
use crate::source::{Kind, Token, tokens};

/// How deep expressions and blocks may be nested.
const MAX_DEPTH: usize = 50;

/// Plans a script that compiles, if it is one of those.
pub(crate) fn plan(source: &[u8]) -> Option<Direct> {
    // Lua's ideas of lines
    if source.contains(&b'\r') {
        return None;
    }
    plan_tokens(source, &tokens(source)?, None)
}

/// As [`plan`], of tokens of a text whose lines end as usual: those of a script, or of the body of a function of a library
/// that begins at this place and on this line.
pub(crate) fn plan_tokens(source: &[u8], tokens: &[Token<'_>], function: Option<(usize, i64)>) -> Option<Direct> {
    let place = function.unwrap_or((0, 1));
    let mut planner = Planner { source, tokens, at: 0, names: Vec::new(), locals: 0, depth: 0, place };
    let body = planner.block()?;
    let function = function.is_some();
    (planner.at == tokens.len()).then_some(Direct { body, locals: planner.locals, function })
}

struct Planner<'s> {
    source: &'s [u8],
    tokens: &'s [Token<'s>],
    at: usize,
    /// The locals in scope, the innermost last; of those that are `redis.call` or (`true`) `redis.pcall`, which.
    names: Vec<(&'s [u8], Option<bool>)>,
    /// Most locals in scope at once.
    locals: usize,
    depth: usize,
    /// A place in the text, and its line.
    place: (usize, i64),
}

impl<'s> Planner<'s> {
    fn peek(&self, ahead: usize) -> Option<&Token<'s>> {
        self.tokens.get(self.at + ahead)
    }

    fn is(&self, ahead: usize, text: &str) -> bool {
        self.peek(ahead).is_some_and(|t| t.is(text))
    }

    /// Takes a token if it is this one.
    fn take(&mut self, text: &str) -> bool {
        let found = self.is(0, text);
        self.at += usize::from(found);
        found
    }

    /// The line of a place after those that were asked for before.
    fn line(&mut self, at: usize) -> Option<i64> {
        let (from, line) = self.place;
        let line = line + self.source.get(from..at)?.iter().filter(|b| **b == b'\n').count() as i64;
        self.place = (at, line);
        Some(line)
    }

    fn expect(&mut self, text: &str) -> Option<()> {
        self.take(text).then_some(())
    }

    fn name(&mut self) -> Option<&'s [u8]> {
        let t = self.tokens.get(self.at).filter(|t| t.kind == Kind::Name)?;
        self.at += 1;
        Some(t.text)
    }

    fn deeper<R>(&mut self, f: impl FnOnce(&mut Self) -> Option<R>) -> Option<R> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    /// Statements up to the end of their block.
    fn block(&mut self) -> Option<Block> {
        let scope = self.names.len();
        let block = self.deeper(|p| {
            let mut block = Vec::new();
            while let Some(t) = p.peek(0) {
                if t.is("end") || t.is("else") || t.is("elseif") {
                    break;
                }
                if p.take(";") {
                    continue;
                }
                block.push(p.statement()?);
            }
            Some(block)
        });
        self.names.truncate(scope);
        block
    }

    fn statement(&mut self) -> Option<Statement> {
        if self.take("local") {
            let name = self.name()?;
            if matches!(name, b"redis" | b"KEYS" | b"ARGV") || self.is(0, "<") || self.is(0, ",") {
                return None;
            }
            let caller = self.caller();
            let value = match caller {
                Some(_) => {
                    self.at += 4;
                    Expr::Nil
                }
                None if self.take("=") => self.expression()?,
                None => Expr::Nil,
            };
            if self.is(0, ",") {
                return None;
            }
            self.names.push((name, caller));
            self.locals = self.locals.max(self.names.len());
            return Some(Statement::Set(self.names.len() - 1, value));
        }
        if self.take("if") {
            let mut branches = Vec::new();
            loop {
                let condition = self.expression()?;
                self.expect("then")?;
                branches.push((condition, self.block()?));
                if !self.take("elseif") {
                    break;
                }
            }
            let otherwise = if self.take("else") { self.block()? } else { Vec::new() };
            self.expect("end")?;
            return Some(Statement::If(branches, otherwise));
        }
        if self.take("return") {
            let done = self.returned()?;
            self.take(";");
            let ends = self.peek(0).is_none_or(|t| t.is("end") || t.is("else") || t.is("elseif"));
            return ends.then_some(Statement::Return(done));
        }
        if let Some(call) = self.call()? {
            return Some(Statement::Call(call));
        }
        let name = self.name()?;
        let slot = self.local(name)?;
        self.expect("=")?;
        Some(Statement::Set(slot, self.expression()?))
    }

    fn returned(&mut self) -> Option<Return> {
        if self.peek(0).is_none_or(|t| t.is(";") || t.is("end") || t.is("else") || t.is("elseif")) {
            return Some(Return::Value(Expr::Nil));
        }
        if self.take("{") {
            let mut items = Vec::new();
            while !self.take("}") {
                // a field, not a value
                if self.peek(0)?.kind == Kind::Name && self.is(1, "=") {
                    return None;
                }
                items.push(self.expression()?);
                if !self.take(",") && !self.take(";") {
                    self.expect("}")?;
                    break;
                }
            }
            return Some(Return::List(items));
        }
        match self.expression()? {
            Expr::Call(call) => Some(Return::Reply(*call)),
            value => Some(Return::Value(value)),
        }
    }

    /// The place of a local in scope that is a value.
    fn local(&self, name: &[u8]) -> Option<usize> {
        let slot = self.names.iter().rposition(|(n, _)| *n == name)?;
        self.names.get(slot)?.1.is_none().then_some(slot)
    }

    /// Whether `= redis.call` comes next, or `= redis.pcall`: which of them, if neither is called there.
    fn caller(&self) -> Option<bool> {
        let function = self.peek(3)?;
        let comes = self.is(0, "=") && self.peek(1)?.is_name("redis") && self.is(2, ".");
        let protected = function.is_name("pcall");
        // what follows is a statement, or nothing: an expression that goes on is none of those that are understood
        let ends = self.peek(4).is_none_or(|t| matches!(t.kind, Kind::Name | Kind::Keyword) || t.is(";"));
        (comes && ends && (protected || function.is_name("call"))).then_some(protected)
    }

    fn expression(&mut self) -> Option<Expr> {
        self.deeper(|p| {
            let mut left = p.conjunction()?;
            while p.take("or") {
                left = Expr::Or(Box::new((left, p.conjunction()?)));
            }
            Some(left)
        })
    }

    fn conjunction(&mut self) -> Option<Expr> {
        let mut left = self.comparison()?;
        while self.take("and") {
            left = Expr::And(Box::new((left, self.comparison()?)));
        }
        Some(left)
    }

    fn comparison(&mut self) -> Option<Expr> {
        let mut left = self.operand()?;
        loop {
            let equal = self.is(0, "==");
            if !equal && !self.is(0, "~=") {
                return Some(left);
            }
            self.at += 1;
            left = Expr::Equal(Box::new((left, self.operand()?)), equal);
        }
    }

    fn operand(&mut self) -> Option<Expr> {
        if self.take("not") {
            return self.deeper(|p| Some(Expr::Not(Box::new(p.operand()?))));
        }
        if self.take("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            return Some(inner);
        }
        if let Some(call) = self.call()? {
            return Some(Expr::Call(Box::new(call)));
        }
        let negative = self.take("-");
        let t = *self.peek(0)?;
        self.at += 1;
        match t.kind {
            Kind::Number => {
                let digits = std::str::from_utf8(t.text).ok().filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
                let n: i64 = digits.parse().ok()?;
                Some(Expr::Int(if negative { -n } else { n }))
            }
            _ if negative => None,
            Kind::String => match t.text {
                [b'"' | b'\'', text @ .., _] if !text.contains(&b'\\') => Some(Expr::Text(text.into())),
                _ => None,
            },
            Kind::Keyword => match t.text {
                b"nil" => Some(Expr::Nil),
                b"true" => Some(Expr::Bool(true)),
                b"false" => Some(Expr::Bool(false)),
                _ => None,
            },
            Kind::Name if matches!(t.text, b"KEYS" | b"ARGV") => {
                self.expect("[")?;
                let index = self.peek(0).filter(|i| i.kind == Kind::Number && i.text.len() < 6)?;
                let n: usize = std::str::from_utf8(index.text).ok()?.parse().ok()?;
                let n = n.checked_sub(1)?;
                self.at += 1;
                self.expect("]")?;
                Some(if t.is_name("KEYS") { Expr::Key(n) } else { Expr::Arg(n) })
            }
            Kind::Name => self.local(t.text).map(Expr::Local),
            Kind::Mark => None,
        }
    }

    /// A call of a command, if one begins here.
    fn call(&mut self) -> Option<Option<Call>> {
        let Some(&first) = self.peek(0).filter(|t| t.kind == Kind::Name) else { return Some(None) };
        let (bracket, protected) = if first.is_name("redis") {
            let protected = self.peek(2)?.is_name("pcall");
            if !self.is(1, ".") || !(protected || self.peek(2)?.is_name("call")) {
                return None;
            }
            (3, protected)
        } else {
            match self.names.iter().rev().find(|(n, _)| *n == first.text) {
                Some((_, Some(protected))) => (1, *protected),
                _ => return Some(None),
            }
        };
        let open = self.peek(bracket).filter(|t| t.is("("))?.at;
        // which line an error is on
        if self.source.get(first.at..open)?.contains(&b'\n') {
            return None;
        }
        let line = self.line(first.at)?;
        self.at += bracket + 1;
        let mut args = Vec::new();
        if !self.take(")") {
            loop {
                args.push(self.expression()?);
                if !self.take(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        // what is computed may be a call; an argument that is none is looked at in place
        let simple = |e: &Expr| {
            matches!(
                e,
                Expr::Nil | Expr::Bool(_) | Expr::Int(_) | Expr::Text(_) | Expr::Key(_) | Expr::Arg(_) | Expr::Local(_)
            )
        };
        let nested = !args.iter().all(simple);
        (!args.is_empty()).then_some(Some(Call { args, protected, nested, line }))
    }
}
