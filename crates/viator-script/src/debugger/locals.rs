//! How the debugger knows a script's local variables.
//!
//! Lua gives their values away through its `debug` library only, which safe code does not have. So the script itself is
//! made to tell them: behind each declaration a call is written that hands over a function which returns their values
//! (`local a, b = f();__local(3,function()return a,b end);`). Names that a block begins with (parameters, the variables of
//! a loop) are told before the block's first token. Lines stay where they are.

use crate::concat;
use crate::rewrite::{apply, is_event};
use crate::source::{self, Token, tokens};

/// What takes the functions that give values.
const LOCAL: &str = "__local";
/// What makes text of doubles before `..` does.
const TEXT: &str = "__text";

/// What declares names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A statement that begins in this line.
    Statement(usize),
    /// A function: they are its parameters.
    Function,
    /// A loop that begins in this line.
    Loop(usize),
}

/// Names that are declared together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declaration {
    pub(super) names: Vec<String>,
    pub(super) kind: Kind,
    /// The line of the call that tells; the names are known in lines after it, and of what begins a block in it, too.
    pub(super) line: usize,
    /// The last line in which they are known.
    pub(super) last: usize,
}

/// A script for the debugger.
#[derive(Debug)]
pub(super) struct Told {
    /// The text of a function that takes `__text` and `__local` and returns the script.
    pub(super) text: Vec<u8>,
    /// What its calls of `__local` are numbered after.
    pub(super) declarations: Vec<Declaration>,
}

/// What is open at a token.
enum Level {
    Bracket,
    Block {
        /// Declarations that end with it.
        declarations: Vec<usize>,
        /// It is the body of `local function NAME`.
        local: Option<String>,
    },
}

/// A statement in progress at a level.
struct Pending {
    depth: usize,
    names: Vec<String>,
    /// The line it begins in.
    line: usize,
    /// `for`: the names are declared by its `do`; else where the statement ends.
    loops: bool,
}

struct Writer<'s> {
    source: &'s [u8],
    tokens: Vec<Token<'s>>,
    declarations: Vec<Declaration>,
    edits: Vec<(usize, usize, Vec<u8>)>,
    levels: Vec<Level>,
    pending: Vec<Pending>,
    /// A token's number and the line it ends in.
    lines: Vec<usize>,
}

/// The script with what tells its variables; `None`: its text leaves no room for that.
pub(super) fn told(source: &[u8]) -> Option<Told> {
    let tokens = tokens(source)?;
    if tokens.iter().any(|t| t.kind == source::Kind::Name && t.text.starts_with(b"__") && !is_event(t.text)) {
        return None;
    }
    let wraps = concat::wraps(&tokens)?;
    let mut w = Writer {
        source,
        lines: ends(source, &tokens)?,
        tokens,
        declarations: Vec::new(),
        edits: Vec::new(),
        levels: vec![Level::Block { declarations: Vec::new(), local: None }],
        pending: Vec::new(),
    };
    w.walk()?;
    let mut edits = w.edits;
    let text = |opens: bool| if opens { format!("{TEXT}(").into_bytes() } else { b")".to_vec() };
    edits.extend(wraps.into_iter().map(|(at, opens)| (at, at, text(opens))));
    let body = apply(source, edits)?;
    let head = format!("local {TEXT}, {LOCAL} = ... return function(...) ");
    Some(Told { text: [head.as_bytes(), &body, b"\nend"].concat(), declarations: w.declarations })
}

/// For each token the line in which it ends, from 1 on.
fn ends(source: &[u8], tokens: &[Token<'_>]) -> Option<Vec<usize>> {
    let (mut line, mut at) = (1, 0);
    let mut out = Vec::with_capacity(tokens.len());
    for t in tokens {
        line += source.get(at..t.end())?.iter().filter(|b| **b == b'\n').count();
        at = t.end();
        out.push(line);
    }
    Some(out)
}

impl Declaration {
    /// The names are those of a block that begins.
    pub(super) fn begins(&self) -> bool {
        !matches!(self.kind, Kind::Statement(_))
    }

    /// A statement of several lines.
    pub(super) fn is_long(&self) -> bool {
        matches!(self.kind, Kind::Statement(line) if line < self.line)
    }
}

impl<'s> Writer<'s> {
    fn is(&self, i: usize, text: &str) -> bool {
        self.tokens.get(i).is_some_and(|t| t.is(text))
    }

    fn name(&self, i: usize) -> Option<String> {
        let t = self.tokens.get(i).filter(|t| t.kind == source::Kind::Name)?;
        String::from_utf8(t.text.to_vec()).ok()
    }

    /// Tells of names before the first token of a block, which is `i`.
    fn declare_before(&mut self, i: usize, names: Vec<String>, kind: Kind) -> Option<()> {
        let (at, line) = match self.tokens.get(i) {
            // the line it begins in
            Some(t) => (t.at, *self.lines.get(i)? - t.text.iter().filter(|b| **b == b'\n').count()),
            None => (self.source.len(), 1 + self.source.iter().filter(|b| **b == b'\n').count()),
        };
        self.declare(at, line, names, kind)
    }

    /// Tells of names behind token `i`, of a statement that begins in this line.
    fn declare_after(&mut self, i: usize, names: Vec<String>, line: usize) -> Option<()> {
        let at = self.tokens.get(i)?.end();
        self.declare(at, *self.lines.get(i)?, names, Kind::Statement(line))
    }

    /// Writes a declaration at a place of the text, which is in a line.
    fn declare(&mut self, at: usize, line: usize, names: Vec<String>, kind: Kind) -> Option<()> {
        let n = self.declarations.len();
        let block = self.levels.iter_mut().rev().find_map(|l| match l {
            Level::Block { declarations, .. } => Some(declarations),
            Level::Bracket => None,
        })?;
        block.push(n);
        let values = format!(",function()return {} end", names.join(","));
        // marks end the statement before, if there is one, and this one
        let next = self.tokens.partition_point(|t| t.at < at);
        let before = next.checked_sub(1).and_then(|p| self.tokens.get(p));
        let first =
            if before.is_some_and(Token::ends_expression) && matches!(kind, Kind::Statement(_)) { ";" } else { "" };
        let last = if self.is(next, ";") { "" } else { ";" };
        self.edits.push((at, at, format!("{first}{LOCAL}({n}{values}){last}").into_bytes()));
        self.declarations.push(Declaration { names, kind, line, last: usize::MAX });
        Some(())
    }

    /// Whether a statement that is in progress at token `i` ends before it.
    fn ends_before(&self, i: usize) -> bool {
        let Some(t) = self.tokens.get(i) else { return true };
        let after = i.checked_sub(1).and_then(|p| self.tokens.get(p)).is_some_and(Token::ends_expression);
        match t.kind {
            source::Kind::Keyword => match t.text {
                b"and" | b"or" | b"not" | b"nil" | b"true" | b"false" => false,
                b"function" => after,
                _ => true,
            },
            source::Kind::Name => after,
            source::Kind::Mark => matches!(t.text, b";" | b"::"),
            _ => false,
        }
    }

    fn end_statement(&mut self, i: usize) -> Option<()> {
        let depth = self.levels.len();
        if self.pending.last().is_some_and(|p| !p.loops && p.depth == depth) && self.ends_before(i) {
            let p = self.pending.pop()?;
            self.declare_after(i - 1, p.names, p.line)?;
        }
        Some(())
    }

    fn walk(&mut self) -> Option<()> {
        for i in 0..self.tokens.len() {
            self.end_statement(i)?;
            let t = *self.tokens.get(i)?;
            match (t.kind, t.text) {
                (source::Kind::Mark, b"(" | b"[" | b"{") => self.levels.push(Level::Bracket),
                (source::Kind::Mark, b")" | b"]" | b"}") => {
                    let Level::Bracket = self.levels.pop()? else { return None };
                }
                (source::Kind::Keyword, b"local") => self.local(i)?,
                (source::Kind::Keyword, b"for") => {
                    let (names, _) = self.names(i + 1)?;
                    let line = *self.lines.get(i)?;
                    self.pending.push(Pending { depth: self.levels.len(), names, line, loops: true });
                }
                (source::Kind::Keyword, b"function") => self.function(i)?,
                (source::Kind::Keyword, b"do") => {
                    let depth = self.levels.len();
                    self.levels.push(Level::Block { declarations: Vec::new(), local: None });
                    if self.pending.last().is_some_and(|p| p.loops && p.depth == depth) {
                        let p = self.pending.pop()?;
                        self.declare_before(i + 1, p.names, Kind::Loop(p.line))?;
                    }
                }
                (source::Kind::Keyword, b"if" | b"repeat") => {
                    self.levels.push(Level::Block { declarations: Vec::new(), local: None });
                }
                (source::Kind::Keyword, b"else" | b"elseif") => {
                    self.close(i)?;
                    self.levels.push(Level::Block { declarations: Vec::new(), local: None });
                }
                (source::Kind::Keyword, b"end" | b"until") => {
                    if let Some(name) = self.close(i)? {
                        // what it is made of is made where it ends
                        self.declare_after(i, vec![name], *self.lines.get(i)?)?;
                    }
                }
                _ => {}
            }
        }
        self.end_statement(self.tokens.len())?;
        (self.levels.len() == 1 && self.pending.is_empty()).then_some(())
    }

    /// Ends the block in progress before token `i`; what it was the body of, if that is local.
    fn close(&mut self, i: usize) -> Option<Option<String>> {
        let Level::Block { declarations, local } = self.levels.pop()? else { return None };
        if self.levels.is_empty() {
            return None;
        }
        // what is declared before `until` is known in its condition
        let last = *self.lines.get(if self.is(i, "until") { i } else { i - 1 })?;
        for n in declarations {
            self.declarations.get_mut(n)?.last = last;
        }
        Some(local)
    }

    /// A list of names from token `i` on, with attributes or without, and the number of the token after it.
    fn names(&self, mut i: usize) -> Option<(Vec<String>, usize)> {
        let mut names = Vec::new();
        loop {
            names.push(self.name(i)?);
            i += 1;
            if self.is(i, "<") && self.is(i + 2, ">") {
                i += 3;
            }
            if !self.is(i, ",") {
                return Some((names, i));
            }
            i += 1;
        }
    }

    fn local(&mut self, i: usize) -> Option<()> {
        if self.is(i + 1, "function") {
            return Some(());
        }
        let (names, after) = self.names(i + 1)?;
        let line = *self.lines.get(i)?;
        if self.is(after, "=") {
            self.pending.push(Pending { depth: self.levels.len(), names, line, loops: false });
            return Some(());
        }
        self.declare_after(after - 1, names, line)
    }

    fn function(&mut self, i: usize) -> Option<()> {
        let mut at = i + 1;
        let mut names = Vec::new();
        while !self.is(at, "(") {
            if self.is(at, ":") {
                names.push("self".to_owned());
            }
            self.tokens.get(at)?;
            at += 1;
        }
        at += 1;
        while !self.is(at, ")") {
            if !self.is(at, "...") && !self.is(at, ",") {
                names.push(self.name(at)?);
            }
            at += 1;
        }
        let local = if i > 0 && self.is(i - 1, "local") { Some(self.name(i + 1)?) } else { None };
        self.levels.push(Level::Block { declarations: Vec::new(), local });
        if names.is_empty() {
            return Some(());
        }
        self.declare_before(at + 1, names, Kind::Function)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(source: &str) -> (String, Vec<Declaration>) {
        let told = told(source.as_bytes()).unwrap();
        let text = String::from_utf8(told.text).unwrap();
        let body = text.split_once("...) ").unwrap().1.strip_suffix("\nend").unwrap();
        (body.to_owned(), told.declarations)
    }

    #[test]
    fn declarations_are_followed_by_what_tells_them() {
        for (before, after) in [
            ("return 1", "return 1"),
            ("local a return a", "local a;__local(0,function()return a end); return a"),
            ("local a, b = 1, f(2) g()", "local a, b = 1, f(2);__local(0,function()return a,b end); g()"),
            ("local a = b .. c d()", "local a = __text(b) .. __text(c);__local(0,function()return a end); d()"),
            ("local a <const> = 5; f()", "local a <const> = 5;__local(0,function()return a end); f()"),
            (
                "local t = { f = function(x) local y = x end } t.f()",
                "local t = { f = function(x) __local(0,function()return x end);local y = x;__local(1,function()return y \
                 end); end };__local(2,function()return t end); t.f()",
            ),
            (
                "for i = 1, 3 do local a = i end",
                "for i = 1, 3 do __local(0,function()return i end);local a = i;__local(1,function()return a end); end",
            ),
            ("for k, v in pairs(t) do f() end", "for k, v in pairs(t) do __local(0,function()return k,v end);f() end"),
            (
                "local function f(a, ...) return a end return f(1)",
                "local function f(a, ...) __local(0,function()return a end);return a end;__local(1,function()return f end); \
                 return f(1)",
            ),
            ("function t.a:m() end", "function t.a:m() __local(0,function()return self end);end"),
            ("f(function()\nend)", "f(function()\nend)"),
            ("while x do local y = 1 end", "while x do local y = 1;__local(0,function()return y end); end"),
            ("repeat local y = 1 until y", "repeat local y = 1;__local(0,function()return y end); until y"),
            (
                "if a then local b = 1 elseif c then local d = 2 else local e = 3 end",
                "if a then local b = 1;__local(0,function()return b end); elseif c then local d = \
                 2;__local(1,function()return d end); else local e = 3;__local(2,function()return e end); end",
            ),
        ] {
            assert_eq!(body(before).0, after);
        }
        assert!(told(b"local __x = 1").is_none());
    }

    #[test]
    fn where_names_are_known() {
        let (_, all) = body(
            "local a = 1\nif a then\n local b =\n 2\n f(b)\nelse\n local c\n g()\nend\nreturn function(x)\n return x\nend",
        );
        let known: Vec<_> = all.iter().map(|d| (d.names.join(" "), d.line, d.last)).collect();
        let of = |name: &str, line, last| (name.to_owned(), line, last);
        assert_eq!(known, [of("a", 1, usize::MAX), of("b", 4, 5), of("c", 7, 8), of("x", 11, 11)]);
    }
}
