//! How a plan is carried out.

use super::{Block, Call, Direct, Expr, Return, Statement, WRONG_ARGUMENTS};
use crate::convert::forward;
use crate::errors::Failure;
use crate::vm::Host;
use std::rc::Rc;
use std::sync::Arc;
use viator_resp::reply::Reply;
use viator_resp::request::{Args, OwnedArgs};

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
