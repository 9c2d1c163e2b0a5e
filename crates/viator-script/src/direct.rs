//! Scripts that need no Lua: those that do no more than call commands, compare what these reply with other values, keep
//! it in locals, and return it. Locks that are released by who holds them, counters with an expiry, and many others are
//! such scripts; going to Lua and back costs them more than all they do.
//!
//! [`plan`] takes a script only if it knows each of its tokens, and a test runs scripts at random in both ways. They are
//! compiled for Lua all the same, so that what is wrong in them is told as ever.

use crate::convert::forward;
use crate::errors::Failure;
use crate::source::{Kind, Token, tokens};
use crate::vm::Host;
use std::rc::Rc;
use std::sync::Arc;
use viator_resp::reply::Reply;
use viator_resp::request::{Args, OwnedArgs};

/// How deep expressions and blocks may be nested.
const MAX_DEPTH: usize = 50;

/// The words of an error of `redis.call`, whichever way it is called.
pub(crate) const WRONG_ARGUMENTS: &str = "ERR Lua redis lib command arguments must be strings or integers";

/// What a script does, in order.
type Block = Vec<Statement>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Direct {
    body: Block,
    locals: usize,
    /// It is a function of a library.
    function: bool,
}

#[derive(Debug)]
enum Statement {
    /// A local gets a value.
    Set(usize, Expr),
    /// A call whose reply nobody wants.
    Call(Call),
    If(Vec<(Expr, Block)>, Block),
    Return(Return),
}

#[derive(Debug)]
enum Return {
    Value(Expr),
    /// What a command replied, as it is.
    Reply(Call),
    List(Vec<Expr>),
}

#[derive(Debug)]
enum Expr {
    Nil,
    Bool(bool),
    Int(i64),
    Text(Box<[u8]>),
    /// An element of `KEYS`, from 0 on.
    Key(usize),
    /// An element of `ARGV`.
    Arg(usize),
    Local(usize),
    Call(Box<Call>),
    Not(Box<Expr>),
    And(Box<(Expr, Expr)>),
    Or(Box<(Expr, Expr)>),
    /// Whether two values are equal, or are not.
    Equal(Box<(Expr, Expr)>, bool),
}

/// `redis.call` or `redis.pcall`.
#[derive(Debug)]
struct Call {
    args: Vec<Expr>,
    protected: bool,
    /// An argument is the reply of a command.
    nested: bool,
    line: i64,
}

/// Plans a script that compiles, if it is one of those.
pub(crate) fn plan(source: &[u8]) -> Option<Direct> {
    plan_tokens(source, &tokens(source)?, false)
}

/// As [`plan`], of tokens of a text: those of a script, or of the body of a `function` of a library.
pub(crate) fn plan_tokens(source: &[u8], tokens: &[Token<'_>], function: bool) -> Option<Direct> {
    // Lua's ideas of lines
    if source.contains(&b'\r') {
        return None;
    }
    let mut planner = Planner { source, tokens, at: 0, names: Vec::new(), locals: 0, depth: 0 };
    let body = planner.block()?;
    (planner.at == tokens.len()).then_some(Direct { body, locals: planner.locals, function })
}

struct Planner<'s> {
    source: &'s [u8],
    tokens: &'s [Token<'s>],
    at: usize,
    /// The locals in scope, the innermost last.
    names: Vec<&'s [u8]>,
    /// Most locals in scope at once.
    locals: usize,
    depth: usize,
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
            let value = if self.take("=") { self.expression()? } else { Expr::Nil };
            if self.is(0, ",") {
                return None;
            }
            self.names.push(name);
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

    /// The place of a local in scope.
    fn local(&self, name: &[u8]) -> Option<usize> {
        self.names.iter().rposition(|n| *n == name)
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
        let Some(&first) = self.peek(0).filter(|t| t.is_name("redis")) else { return Some(None) };
        let protected = self.peek(2)?.is_name("pcall");
        if !self.is(1, ".") || !self.is(3, "(") || !(protected || self.peek(2)?.is_name("call")) {
            return None;
        }
        let open = self.peek(3)?.at;
        // which line an error is on
        if self.source.get(first.at..open)?.contains(&b'\n') {
            return None;
        }
        let line = 1 + self.source.get(..first.at)?.iter().filter(|b| **b == b'\n').count() as i64;
        self.at += 4;
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

/// A value as Lua would have it.
#[derive(Clone, Default)]
enum Value<'a> {
    #[default]
    Nil,
    Bool(bool),
    Int(i64),
    /// Of the script's text, or its arguments.
    Text(&'a [u8]),
    /// Of a reply.
    Bytes(Arc<Vec<u8>>),
    /// A reply that is a table.
    Table(Rc<Reply>),
    /// An error that was not raised, and whether it was counted.
    Error(Rc<(Vec<u8>, bool)>),
}

impl Value<'_> {
    fn is_true(&self) -> bool {
        !matches!(self, Value::Nil | Value::Bool(false))
    }

    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Text(t) => Some(t),
            Value::Bytes(b) => Some(b),
            _ => None,
        }
    }

    fn equals(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Value::Nil, Value::Nil) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Table(a), Value::Table(b)) => Rc::ptr_eq(a, b),
            (Value::Error(a), Value::Error(b)) => Rc::ptr_eq(a, b),
            _ => matches!((self.bytes(), other.bytes()), (Some(a), Some(b)) if a == b),
        }
    }
}

/// A script on its run.
struct Run<'a, 'h> {
    keys: Args<'a>,
    argv: Args<'a>,
    locals: Vec<Value<'a>>,
    function: bool,
    args: &'h mut OwnedArgs,
    reply: &'h mut Reply,
    host: &'h mut dyn Host,
    out: &'h mut Reply,
}

impl Direct {
    /// Runs it and writes what it returns as a reply.
    pub(crate) fn run<'a>(
        &'a self,
        keys: Args<'a>,
        argv: Args<'a>,
        scratch: &mut (OwnedArgs, Reply),
        host: &mut dyn Host,
        out: &mut Reply,
    ) -> Result<(), Failure> {
        let (args, reply) = scratch;
        let mut run =
            Run { keys, argv, locals: vec![Value::Nil; self.locals], function: self.function, args, reply, host, out };
        if !run.block(&self.body)? {
            run.out.null();
        }
        Ok(())
    }
}

impl<'a> Run<'a, '_> {
    /// Whether the script has returned.
    fn block(&mut self, block: &'a Block) -> Result<bool, Failure> {
        for statement in block {
            match statement {
                Statement::Set(slot, value) => {
                    let value = self.value(value)?;
                    if let Some(local) = self.locals.get_mut(*slot) {
                        *local = value;
                    }
                }
                Statement::Call(call) => {
                    self.execute(call)?;
                }
                Statement::If(branches, otherwise) => {
                    let mut taken = otherwise;
                    for (condition, block) in branches {
                        if self.value(condition)?.is_true() {
                            taken = block;
                            break;
                        }
                    }
                    if self.block(taken)? {
                        return Ok(true);
                    }
                }
                Statement::Return(what) => {
                    self.returned(what)?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn returned(&mut self, what: &'a Return) -> Result<(), Failure> {
        match what {
            Return::Value(value) => {
                let value = self.value(value)?;
                self.write(&value);
            }
            Return::Reply(call) => match self.execute(call)? {
                Some(error) => self.write(&Value::Error(Rc::new(error))),
                None => forward(self.reply, self.out, &mut |line| self.host.replied_error(line, true)),
            },
            Return::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    values.push(self.value(item)?);
                }
                // a list ends where nothing is
                let n = values.iter().position(|v| matches!(v, Value::Nil)).unwrap_or(values.len());
                self.out.array(n);
                for value in values.iter().take(n) {
                    self.write(value);
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, value: &Value<'_>) {
        match value {
            Value::Nil | Value::Bool(false) => self.out.null(),
            Value::Bool(true) => self.out.int(1),
            Value::Int(n) => self.out.int(*n),
            Value::Text(t) => self.out.bulk(t),
            Value::Bytes(b) => self.out.bulk(b),
            Value::Table(reply) => forward(reply, self.out, &mut |line| self.host.replied_error(line, true)),
            Value::Error(error) => {
                let (line, counted) = &**error;
                self.out.raw(b"-");
                self.out.raw(line);
                self.out.raw(b"\r\n");
                self.host.replied_error(line, *counted);
            }
        }
    }

    fn value(&mut self, e: &'a Expr) -> Result<Value<'a>, Failure> {
        Ok(match e {
            Expr::Nil => Value::Nil,
            Expr::Bool(b) => Value::Bool(*b),
            Expr::Int(n) => Value::Int(*n),
            Expr::Text(t) => Value::Text(t),
            Expr::Key(n) => self.keys.get(*n).map_or(Value::Nil, Value::Text),
            Expr::Arg(n) => self.argv.get(*n).map_or(Value::Nil, Value::Text),
            Expr::Local(slot) => self.locals.get(*slot).cloned().unwrap_or_default(),
            Expr::Not(e) => Value::Bool(!self.value(e)?.is_true()),
            Expr::And(both) => {
                let left = self.value(&both.0)?;
                if left.is_true() { self.value(&both.1)? } else { left }
            }
            Expr::Or(both) => {
                let left = self.value(&both.0)?;
                if left.is_true() { left } else { self.value(&both.1)? }
            }
            Expr::Equal(both, wanted) => {
                let (left, right) = (self.value(&both.0)?, self.value(&both.1)?);
                Value::Bool(left.equals(&right) == *wanted)
            }
            Expr::Call(call) => match self.execute(call)? {
                Some(error) => Value::Error(Rc::new(error)),
                None => self.replied(),
            },
        })
    }

    /// What a command replied, as a value.
    fn replied(&mut self) -> Value<'a> {
        let (bytes, shared) = self.reply.parts();
        let number = |rest: &[u8]| viator_data::num::parse_i64(rest.strip_suffix(b"\r\n").unwrap_or(rest)).unwrap_or(0);
        match bytes.split_first() {
            None => Value::Nil,
            Some((b':', rest)) => Value::Int(number(rest)),
            Some((b'$' | b'*', rest)) if rest.first() == Some(&b'-') => Value::Bool(false),
            Some((b'$', rest)) => {
                if let Some((_, value)) = shared.first() {
                    return Value::Bytes(value.clone());
                }
                let start = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |p| p + 1);
                let text = rest.get(start..).and_then(|t| t.strip_suffix(b"\r\n")).unwrap_or_default();
                Value::Bytes(Arc::new(text.to_vec()))
            }
            Some(_) => Value::Table(Rc::new(std::mem::take(self.reply))),
        }
    }

    /// Executes a command. What it replies is in `reply`; an error that is not raised comes back.
    fn execute(&mut self, call: &'a Call) -> Result<Option<(Vec<u8>, bool)>, Failure> {
        let chunk = if self.function { "@user_function" } else { "@user_script" };
        let fail =
            |line: Vec<u8>, counted, killed| Failure { line, place: Some((chunk.into(), call.line)), counted, killed };
        let failed = |line: Vec<u8>, counted| {
            if call.protected { Ok(Some((line, counted))) } else { Err(fail(line, counted, false)) }
        };
        let mut all = true;
        if call.nested {
            let mut values = Vec::with_capacity(call.args.len());
            for arg in &call.args {
                values.push(self.value(arg)?);
            }
            self.args.clear();
            for value in &values {
                all &= push(self.args, value);
            }
        } else {
            self.args.clear();
            for arg in &call.args {
                all &= match arg {
                    Expr::Text(t) => push(self.args, &Value::Text(t)),
                    Expr::Key(n) => self.keys.get(*n).is_some_and(|k| push(self.args, &Value::Text(k))),
                    Expr::Arg(n) => self.argv.get(*n).is_some_and(|a| push(self.args, &Value::Text(a))),
                    Expr::Int(n) => push(self.args, &Value::Int(*n)),
                    Expr::Local(slot) => self.locals.get(*slot).is_some_and(|v| push(self.args, v)),
                    _ => false,
                };
            }
        }
        if !all {
            return failed(WRONG_ARGUMENTS.into(), false);
        }
        self.reply.clear();
        self.reply.set_resp3(false);
        if self.host.call(self.args.args(), self.reply) {
            return Err(fail(b"ERR Script killed by user with SCRIPT KILL.".to_vec(), false, true));
        }
        match self.reply.parts().0.split_first() {
            Some((b'-', line)) => failed(line.strip_suffix(b"\r\n").unwrap_or(line).to_vec(), true),
            _ => Ok(None),
        }
    }
}

/// Adds an argument of a command, if the value can be one.
fn push(args: &mut OwnedArgs, value: &Value<'_>) -> bool {
    match (value, value.bytes()) {
        (_, Some(bytes)) => args.push(bytes),
        (Value::Int(n), _) => args.push_int(*n),
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::{Flavour, Registration, Vm};

    #[test]
    fn scripts_that_are_planned() {
        for source in [
            "return redis.call('GET', KEYS[1])",
            "redis.call('SET', KEYS[1], ARGV[1], 'PX', 100) return redis.call('INCR', KEYS[2]);",
            "if redis.call(\"get\",KEYS[1]) == ARGV[1] then\n  return redis.call(\"del\",KEYS[1])\nelse\n  return 0\nend",
            "local n = redis.call('INCR', KEYS[1])\nif n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end\nreturn n",
            "local a local b = -1; a = b return {a, b or 'x', (not a) ~= b; redis.pcall('A')}",
            "if KEYS[1] then elseif ARGV[2] then return end",
            "",
        ] {
            assert!(plan(source.as_bytes()).is_some(), "{source}");
        }
        for source in [
            "return redis.call('GET', KEYS[1] .. 'x')",
            "return redis.call('GET', KEYS[1]):upper()",
            "return redis.call('GET', KEYS[1]) + 1",
            "return redis.call('GET', KEYS[1]).ok",
            "return 1 < 2",
            "return a",
            "x = 1",
            "local a, b = 1",
            "local a <const> = 1",
            "local redis = 1",
            "local KEYS = 1",
            "KEYS[1] = 1",
            "return 1, 2",
            "return 1.5",
            "return 0x10",
            "return 99999999999999999999",
            "return '\\65'",
            "return [[x]]",
            "return {a = 1}",
            "return {{1}}",
            "return {[1] = 1}",
            "return #KEYS",
            "return KEYS",
            "return KEYS[0]",
            "return KEYS[i]",
            "return redis.call()",
            "return redis.call 'PING'",
            "return redis.call(unpack(KEYS))",
            "return redis.call(...)",
            "return redis\n.call('PING')",
            "return redis.status_reply('x')",
            "for i = 1, 2 do redis.call('PING') end",
            "do return 1 end",
            "if 1 then local a = 1 end return a",
            "return -ARGV[1]",
            "return - -1",
            "return 'a' 'b'",
            "return 1\r",
        ] {
            assert!(plan(source.as_bytes()).is_none(), "{source}");
        }
    }

    /// Replies by what it is asked, and remembers what that was.
    #[derive(Default)]
    struct Told {
        calls: Vec<String>,
        errors: Vec<(Vec<u8>, bool)>,
        kill_at: usize,
    }

    impl Host for Told {
        fn call(&mut self, args: Args<'_>, reply: &mut Reply) -> bool {
            let words: Vec<String> = args.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect();
            let sum: usize = args.iter().flatten().map(|b| usize::from(*b)).sum();
            self.calls.push(words.join(" "));
            match (sum + self.calls.len()) % 11 {
                0 => reply.null(),
                1 => reply.int(1),
                2 => reply.int(-7),
                3 => reply.ok(),
                4 => reply.bulk(b"one"),
                5 => reply.bulk(b""),
                6 => reply.error("WRONGTYPE it is wrong"),
                7 => reply.null_array(),
                8 => reply.bulk_shared(&Arc::new(vec![b'x'; viator_resp::reply::SHARE_FROM])),
                9 => {
                    reply.array(5);
                    reply.bulk(b"one\r\n");
                    reply.null();
                    reply.array(2);
                    reply.int(1);
                    reply.ok();
                    reply.null_array();
                    reply.bulk_shared(&Arc::new(vec![0; viator_resp::reply::SHARE_FROM]));
                }
                _ => {
                    reply.array(2);
                    reply.error("ERR within");
                    reply.array(0);
                }
            }
            self.calls.len() == self.kill_at
        }
        fn tick(&mut self) -> bool {
            false
        }
        fn log(&mut self, _: i64, _: &[u8]) {}
        fn set_repl(&mut self, _: i64) {}
        fn may_run(&mut self, _: Args<'_>) -> Result<bool, &'static str> {
            Err("ERR Invalid command passed to redis.acl_check_cmd()")
        }
        fn register(&mut self, _: Registration) -> Result<(), String> {
            Err("no".into())
        }
        fn replied_error(&mut self, line: &[u8], counted: bool) {
            self.errors.push((line.to_vec(), counted));
        }
    }

    /// Writes scripts at random.
    struct Author {
        seed: u64,
        names: usize,
    }

    impl Author {
        fn below(&mut self, n: u64) -> u64 {
            self.seed ^= self.seed << 13;
            self.seed ^= self.seed >> 7;
            self.seed ^= self.seed << 17;
            self.seed % n
        }

        fn one_of(&mut self, words: &[&str]) -> String {
            words[self.below(words.len() as u64) as usize].to_owned()
        }

        fn call(&mut self, depth: u32) -> String {
            let mut text =
                self.one_of(&["redis.call(", "redis.call(", "redis.call(\n", "redis.pcall(", "redis . pcall( "]);
            text += &self.one_of(&["'GET'", "\"SET\"", "'DEL'", "KEYS[1]"]);
            for _ in 0..self.below(3) {
                text += &self.one_of(&[",", ", ", ",\n"]);
                text += &if self.below(4) == 0 { self.value(depth) } else { self.atom() };
            }
            text + ")"
        }

        fn atom(&mut self) -> String {
            if self.names > 0 && self.below(3) == 0 {
                return format!("x{}", self.below(self.names as u64));
            }
            self.one_of(&["KEYS[1]", "KEYS[2]", "ARGV[1]", "ARGV[2]", "ARGV[3]", "'one'", "1", "-7", "0", "'' "])
        }

        fn value(&mut self, depth: u32) -> String {
            if depth == 0 {
                return self.atom();
            }
            let d = depth - 1;
            match self.below(9) {
                0 => format!("{} == {}", self.value(d), self.value(d)),
                1 => format!("{} ~= {}", self.value(d), self.value(d)),
                2 => format!("not {}", self.value(d)),
                3 => format!("{} or {}", self.value(d), self.value(d)),
                4 => format!("{} and {}", self.value(d), self.value(d)),
                5 => format!("({})", self.value(d)),
                6 => self.one_of(&["nil", "true", "false"]),
                _ => self.call(d),
            }
        }

        fn block(&mut self, depth: u32) -> String {
            let scope = self.names;
            let mut text = String::new();
            for _ in 0..self.below(4) {
                text += &match self.below(6) {
                    0 => {
                        let value = self.value(2);
                        self.names += 1;
                        format!("local x{} = {value}", self.names - 1)
                    }
                    1 if self.names > 0 => format!("x{} = {}", self.below(self.names as u64), self.value(2)),
                    2 if depth > 0 => {
                        let (a, b) = (self.value(2), self.block(depth - 1));
                        let (c, d) = (self.value(1), self.block(depth - 1));
                        let e = self.block(depth - 1);
                        match self.below(3) {
                            0 => format!("if {a} then {b} end"),
                            1 => format!("if {a} then {b}\nelseif {c} then {d} end"),
                            _ => format!("if {a} then\n{b} elseif {c} then {d} else {e} end"),
                        }
                    }
                    _ => self.call(2),
                };
                text += &self.one_of(&["\n", ";", " "]);
            }
            text += &match self.below(5) {
                0 => String::new(),
                1 => format!("return {{{}, {}}}", self.value(2), self.value(1)),
                2 => format!("return {}", self.value(2)),
                3 => "return".into(),
                _ => format!("return {};", self.call(2)),
            };
            self.names = scope;
            text + " "
        }
    }

    #[test]
    fn without_lua_as_with_it() {
        let vm = Vm::new(Flavour::Eval, "8.4.0", 0, false).unwrap();
        let args = OwnedArgs::from_slices(["key", "one", "1"]);
        let mut author = Author { seed: 0x9e37_79b9_7f4a_7c15, names: 0 };
        let mut failures = 0;
        for n in 0..3000 {
            let source = author.block(2);
            let direct = vm.compile(source.as_bytes()).unwrap();
            assert!(direct.is_direct(), "{source}");
            let lua = direct.clone().for_lua();
            let run = |chunk| {
                let mut host = Told { kill_at: if n % 7 == 0 { 3 } else { 0 }, ..Told::default() };
                let mut out = Reply::new();
                out.set_resp3(n % 2 == 0);
                let result = vm.run(chunk, args.args().first(1), args.args().from(1), &mut host, &mut out);
                let failure = result.err().map(|f| {
                    if f.killed {
                        vm.revive();
                    }
                    (String::from_utf8_lossy(&f.line).into_owned(), f.place, f.counted, f.killed)
                });
                let text = failure.is_none().then(|| String::from_utf8_lossy(&out.flatten()).into_owned());
                (host.calls, host.errors, failure, text)
            };
            let (one, two) = (run(&direct), run(&lua));
            failures += usize::from(one.2.is_some());
            assert_eq!(one, two, "{source}");
        }
        assert!((500..2500).contains(&failures), "{failures}");
    }
}
