//! Scripts that need no Lua: those that do no more than call commands, compare what these reply with other values, keep
//! it in locals, and return it. Locks that are released by who holds them, counters with an expiry, and many others are
//! such scripts; going to Lua and back costs them more than all they do.
//!
//! [`plan`] takes a script only if it knows each of its tokens, and a test runs scripts at random in both ways. They are
//! compiled for Lua all the same, so that what is wrong in them is told as ever.

mod plan;
mod run;
#[cfg(test)]
mod tests;

pub(crate) use plan::{plan, plan_tokens};

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
