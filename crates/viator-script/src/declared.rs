//! Which commands a script calls, where its text alone tells that.
//!
//! A script whose commands and keys can be read off its text need not lock more than the keys that its caller declared.
//! [`calls`] reads tokens and gives up at whatever it does not know: the name `redis` may only be called
//! (`redis.call('GET', KEYS[1])`) or asked for what touches no key, `KEYS` may only be indexed, measured, unpacked, and
//! walked through, so that neither the table nor the function gets anywhere else, under whatever name; and no other way
//! leads to globals.

use crate::source::{Kind, Token, close, goes_on, tokens};
use std::collections::HashSet;

/// An argument of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arg<'s> {
    /// One of the declared keys, or nil.
    Key,
    /// A string literal.
    Text(&'s [u8]),
    /// Anything else.
    Other,
}

/// A call of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call<'s> {
    /// Arguments, the command's name (always a literal) first.
    pub args: Vec<Arg<'s>>,
    /// The last argument may be any number of values.
    pub open: bool,
    /// These values are declared keys: `unpack(KEYS)`.
    pub open_keys: bool,
}

/// What leads to globals by other ways than their names.
pub(crate) const WAYS: [&str; 8] = ["_G", "_ENV", "load", "loadstring", "getfenv", "setfenv", "dofile", "require"];

/// The calls of a script that compiles; `None` if its text does not tell.
pub fn calls(source: &[u8]) -> Option<Vec<Call<'_>>> {
    calls_of(tokens(source)?)
}

/// As [`calls`], of the tokens of a script.
pub(crate) fn calls_of(tokens: Vec<Token<'_>>) -> Option<Vec<Call<'_>>> {
    let scan = Scan { inside: inside(&tokens)?, keys: HashSet::new(), callers: HashSet::new(), tokens };
    scan.with_names()?.calls()
}

/// What the innermost open bracket or block around a token is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inside {
    /// A block: statements.
    Block,
    /// The parameters of a function.
    Parameters,
    /// Arguments, an index, a table, or a part of an expression.
    Expression,
}

/// For each token, where it is.
pub(crate) fn inside(tokens: &[Token<'_>]) -> Option<Vec<Inside>> {
    let mut levels = vec![Inside::Block];
    let mut out = Vec::with_capacity(tokens.len());
    for (i, t) in tokens.iter().enumerate() {
        out.push(*levels.last()?);
        match (t.kind, t.text) {
            (Kind::Mark, b"(") => {
                let named = |t: &&Token<'_>| t.kind == Kind::Name || t.is(".") || t.is(":");
                let before = tokens.get(..i)?.iter().rev().find(|t| !named(t));
                levels.push(if before.is_some_and(|t| t.is("function")) {
                    Inside::Parameters
                } else {
                    Inside::Expression
                });
            }
            (Kind::Mark, b"[" | b"{") => levels.push(Inside::Expression),
            (Kind::Keyword, b"function" | b"if" | b"do" | b"repeat") => levels.push(Inside::Block),
            (Kind::Mark, b")" | b"]" | b"}") => {
                let closed = levels.pop()?;
                if closed == Inside::Block {
                    return None;
                }
            }
            (Kind::Keyword, b"end" | b"until") => {
                let closed = levels.pop()?;
                if closed != Inside::Block || levels.is_empty() {
                    return None;
                }
            }
            _ => {}
        }
    }
    Some(out)
}

struct Scan<'s> {
    tokens: Vec<Token<'s>>,
    inside: Vec<Inside>,
    /// Locals that are never anything but a declared key.
    keys: HashSet<&'s [u8]>,
    /// Locals that are never anything but `redis.call` or `redis.pcall`.
    callers: HashSet<&'s [u8]>,
}

impl<'s> Scan<'s> {
    fn at(&self, i: usize) -> Option<&Token<'s>> {
        self.tokens.get(i)
    }

    fn is(&self, i: usize, text: &str) -> bool {
        self.at(i).is_some_and(|t| t.is(text))
    }

    fn is_name(&self, i: usize, text: &str) -> bool {
        self.at(i).is_some_and(|t| t.is_name(text))
    }

    /// Whether the token before this one is such a one.
    fn after(&self, i: usize, texts: &[&str]) -> bool {
        i.checked_sub(1).and_then(|p| self.at(p)).is_some_and(|t| texts.iter().any(|x| t.is(x)))
    }

    /// The index of the bracket that closes the one at `open`.
    fn close(&self, open: usize) -> Option<usize> {
        close(&self.tokens, open)
    }

    /// Whether an expression that ends before `i` ends a statement there.
    fn statement_ends(&self, i: usize) -> bool {
        match self.at(i) {
            None => true,
            Some(t) => match t.kind {
                Kind::Name => true,
                Kind::Keyword => !matches!(t.text, b"and" | b"or"),
                Kind::Mark => t.text == b";",
                _ => false,
            },
        }
    }

    /// Finds `local k = KEYS[…]` and `local call = redis.call`.
    fn with_names(mut self) -> Option<Scan<'s>> {
        for i in 0..self.tokens.len() {
            if !(self.is(i, "local") && self.is(i + 2, "=")) {
                continue;
            }
            let Some(name) = self.at(i + 1).filter(|t| t.kind == Kind::Name) else { continue };
            if name.is_name("KEYS") || name.is_name("redis") {
                return None;
            }
            let name = name.text;
            if self.is_name(i + 3, "KEYS") && self.is(i + 4, "[") && self.statement_ends(self.close(i + 4)? + 1) {
                self.keys.insert(name);
            } else if self.is_caller(i + 3) && self.statement_ends(i + 6) {
                self.callers.insert(name);
            }
        }
        for i in 0..self.tokens.len() {
            if self.is_walk(i)
                && let Some(name) = self.at(i + 3)
            {
                let name = name.text;
                self.keys.insert(name);
            }
        }
        if self.keys.intersection(&self.callers).next().is_some() {
            return None;
        }
        Some(self)
    }

    /// Whether `for i, k in ipairs(KEYS) do` begins here, with whatever names.
    fn is_walk(&self, i: usize) -> bool {
        let name = |i: usize| self.at(i).is_some_and(|t| t.kind == Kind::Name && !t.is_name("KEYS"));
        self.is(i, "for")
            && name(i + 1)
            && self.is(i + 2, ",")
            && name(i + 3)
            && self.is(i + 4, "in")
            && (self.is_name(i + 5, "ipairs") || self.is_name(i + 5, "pairs"))
            && self.is(i + 6, "(")
            && self.is_name(i + 7, "KEYS")
            && self.is(i + 8, ")")
            && self.is(i + 9, "do")
    }

    /// Whether `KEYS` is what is unpacked there.
    fn is_unpacked(&self, i: usize) -> bool {
        i >= 2
            && self.is_name(i, "KEYS")
            && self.is_name(i - 2, "unpack")
            && self.is(i - 1, "(")
            && !(i >= 3 && self.after(i - 2, &[".", ":"]))
            && (self.is(i + 1, ")") || self.is(i + 1, ","))
    }

    /// Whether `redis.call` or `redis.pcall` begins here.
    fn is_caller(&self, i: usize) -> bool {
        self.is_name(i, "redis") && self.is(i + 1, ".") && (self.is_name(i + 2, "call") || self.is_name(i + 2, "pcall"))
    }

    fn calls(&self) -> Option<Vec<Call<'s>>> {
        let mut calls = Vec::new();
        for (i, t) in self.tokens.iter().enumerate() {
            if t.kind != Kind::Name {
                continue;
            }
            // a field of this name is another thing, unless it is one of the globals'
            let field = self.after(i, &[".", ":"]);
            if WAYS.iter().any(|w| t.is_name(w)) {
                return None;
            }
            // these mean what they always mean
            if !field
                && ["unpack", "ipairs", "pairs"].iter().any(|n| t.is_name(n))
                && (!self.is(i + 1, "(") || self.after(i, &["function"]))
            {
                return None;
            }
            if t.is_name("redis") {
                if field {
                    return None;
                }
                if self.is_declared_caller(i) {
                    continue;
                }
                if self.is_caller(i) {
                    calls.push(self.call(i + 3)?);
                } else if !self.is(i + 1, ".") || !self.at(i + 2)?.kind.eq(&Kind::Name) {
                    return None;
                }
            } else if t.is_name("KEYS") {
                if field {
                    return None;
                }
                if self.is_unpacked(i) || i >= 7 && self.is_walk(i - 7) {
                    continue;
                }
                let measured = self.after(i, &["#"]) && !self.is(i + 1, "[") && !goes_on(self.at(i + 1));
                if !(measured || self.is(i + 1, "[") && self.only_read(i, self.close(i + 1)? + 1)) {
                    return None;
                }
            } else if field {
                continue;
            } else if self.callers.contains(t.text) {
                if self.after(i, &["local"]) && self.is(i + 1, "=") {
                    if !self.is_declared_caller(i + 2) {
                        return None;
                    }
                } else if self.after(i, &["function", "local", "for", ",", "::"]) && !self.is(i + 1, "(")
                    || self.after(i, &["function"])
                    || self.inside.get(i) == Some(&Inside::Parameters)
                {
                    return None;
                } else {
                    calls.push(self.call(i + 1)?);
                }
            } else if self.keys.contains(t.text) {
                let declared = self.after(i, &["local"])
                    && self.is(i + 1, "=")
                    && self.is_name(i + 2, "KEYS")
                    && self.is(i + 3, "[")
                    && self.statement_ends(self.close(i + 3)? + 1);
                let walked = i >= 3 && self.is_walk(i - 3);
                if !declared && !walked && !self.only_read(i, i + 1) {
                    return None;
                }
            }
        }
        Some(calls)
    }

    /// Whether this `redis` is that of `local call = redis.call`.
    fn is_declared_caller(&self, i: usize) -> bool {
        i >= 3
            && self.is(i - 1, "=")
            && self.is(i - 3, "local")
            && self.at(i - 2).is_some_and(|t| self.callers.contains(t.text))
            && self.is_caller(i)
            && self.statement_ends(i + 3)
    }

    /// Whether the expression from `from` to before `end` is only read: neither a target of an assignment, nor declared.
    fn only_read(&self, from: usize, end: usize) -> bool {
        if self.is(end, "=") || self.after(from, &["local", "for", "function", "::", "<"]) && !self.is_operand(from) {
            return false;
        }
        match self.inside.get(from) {
            Some(Inside::Expression) => true,
            // a list may be one of targets, or of names
            Some(Inside::Block) => !self.is(end, ",") && !self.after(from, &[","]) && !goes_on(self.at(end)),
            _ => false,
        }
    }

    /// Whether it stands right of a comparison, where a name's attribute would stand right of a name.
    fn is_operand(&self, i: usize) -> bool {
        self.after(i, &["<"]) && !self.is(i + 1, ">")
    }

    /// The call whose bracket opens at `open`.
    fn call(&self, open: usize) -> Option<Call<'s>> {
        if !self.is(open, "(") {
            return None;
        }
        let close = self.close(open)?;
        let mut call = Call { args: Vec::new(), open: false, open_keys: false };
        let mut start = open + 1;
        while start < close {
            let mut end = start;
            while end < close && !self.is(end, ",") {
                let t = self.at(end)?;
                if t.is("function") {
                    return None;
                }
                end = if t.is("(") || t.is("[") || t.is("{") { self.close(end)? + 1 } else { end + 1 };
            }
            let arg = self.arg(start, end)?;
            let last = self.at(end.checked_sub(1)?)?;
            // a call, of whatever form, or `...`; what is in brackets itself is one value
            let one = arg != Arg::Other || matches!(last.kind, Kind::Name | Kind::Number) || last.is("]");
            call.open = end >= close && !one;
            call.open_keys = call.open && self.is_unpacked(start + 2) && self.close(start + 1) == end.checked_sub(1);
            call.args.push(arg);
            start = end + 1;
        }
        matches!(call.args.first(), Some(Arg::Text(_))).then_some(call)
    }

    fn arg(&self, start: usize, end: usize) -> Option<Arg<'s>> {
        let first = self.at(start)?;
        if end == start + 1 {
            if first.kind == Kind::String && matches!(first.text, [b'"' | b'\'', ..]) && !first.text.contains(&b'\\') {
                return Some(Arg::Text(first.text.get(1..first.text.len() - 1)?));
            }
            if first.kind == Kind::Name && self.keys.contains(first.text) {
                return Some(Arg::Key);
            }
        } else if first.is_name("KEYS") && self.is(start + 1, "[") && self.close(start + 1)? + 1 == end {
            return Some(Arg::Key);
        }
        Some(Arg::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The calls, as `NAME key text ?`, `…` for an open end.
    fn read(source: &str) -> Option<Vec<String>> {
        let show = |c: Call<'_>| {
            let mut words: Vec<String> = Vec::new();
            for a in &c.args {
                words.push(match a {
                    Arg::Key => "key".into(),
                    Arg::Text(t) => String::from_utf8_lossy(t).into_owned(),
                    Arg::Other => "?".into(),
                });
            }
            if c.open {
                words.push(if c.open_keys { "keys…" } else { "…" }.into());
            }
            words.join(" ")
        };
        calls(source.as_bytes()).map(|c| c.into_iter().map(show).collect())
    }

    #[test]
    fn calls_are_read() {
        for (source, expected) in [
            ("return 1", vec![]),
            ("return redis.call('GET', KEYS[1])", vec!["GET key"]),
            ("return redis.pcall(\"get\", KEYS[ARGV[1] + 1])", vec!["get key"]),
            (
                "if redis.call('get',KEYS[1]) == ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end",
                vec!["get key", "del key"],
            ),
            (
                "local n = redis.call('INCR', KEYS[1]) if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end return n",
                vec!["INCR key", "EXPIRE key ?"],
            ),
            ("local k = KEYS[1] local v = redis.call('GET', k) return {k, v, k .. 'x'}", vec!["GET key"]),
            (
                "local rcall = redis.call\nlocal key = KEYS[1];\nif (rcall('EXISTS', key) == 1) then return 1 end",
                vec!["EXISTS key"],
            ),
            ("return redis.call('SET', KEYS[1], redis.call('GET', KEYS[2]))", vec!["SET key ? …", "GET key"]),
            ("return redis.call('SADD', KEYS[1], unpack(ARGV))", vec!["SADD key ? …"]),
            ("return redis.call('SADD', (function() return 1, 2 end)(), f(1, 2), 3)", vec!["SADD ? ? ?"]),
            ("return redis.call('SADD', KEYS[1], ...)", vec!["SADD key ? …"]),
            ("return redis.call('SET', KEYS[1], ARGV[1])", vec!["SET key ?"]),
            ("for i = 1, #KEYS do redis.call('DEL', KEYS[i]) end", vec!["DEL key"]),
            ("return redis.call('GET', KEYS[1] .. 'x')", vec!["GET ? …"]),
            ("return redis.call('GET', KEYS[1]:lower())", vec!["GET ? …"]),
            ("redis.log(redis.LOG_WARNING, KEYS[1]) return redis.error_reply('no')", vec![]),
            ("redis.setresp(3) return redis.sha1hex(KEYS[1])", vec![]),
            ("-- redis, KEYS, load\nreturn redis.call('PING') --[[ _G ]]", vec!["PING"]),
            ("return 'redis' .. \"KEYS\"", vec![]),
            ("local ok = 1 < #KEYS and KEYS[1] < KEYS[2] return ok", vec![]),
            ("return redis.call('DEL', unpack(KEYS))", vec!["DEL ? keys…"]),
            ("return redis.call('DEL', KEYS[2], unpack(KEYS, 2))", vec!["DEL key ? keys…"]),
            ("return redis.call('DEL', unpack(KEYS), 'x')", vec!["DEL ? x"]),
            ("return redis.call('DEL', (unpack(KEYS)))", vec!["DEL ? …"]),
            ("return redis.call('DEL', unpack(KEYS) .. 'x')", vec!["DEL ? …"]),
            ("local a, b = unpack(KEYS) return redis.call('GET', a)", vec!["GET ?"]),
            ("for _, k in ipairs(KEYS) do redis.call('DEL', k) end", vec!["DEL key"]),
            ("for i, k in pairs(KEYS) do redis.call('SET', k, ARGV[i]) end", vec!["SET key ?"]),
            ("local t = {} t.key = 1 local key = KEYS[1] return redis.call('GET', key)", vec!["GET key"]),
        ] {
            assert_eq!(read(source), Some(expected.into_iter().map(str::to_owned).collect()), "{source}");
        }
    }

    #[test]
    fn what_the_text_does_not_tell_is_given_up() {
        for source in [
            // the function under other names, or by other ways
            "local call = redis['call'] return call('GET', 'x')",
            "local r = redis return r.call('GET', 'x')",
            "local f = {redis.call} return f[1]('GET', 'x')",
            "return pcall(redis.call, 'GET', 'x')",
            "local a, call = 1, redis.call return call('GET', 'x')",
            "local call = redis.call or 1 return call('GET', 'x')",
            "local call = redis.call local c = call return c('GET', 'x')",
            "local call = redis.call return pcall(call, 'GET', 'x')",
            "local call = redis.call call = nil",
            "local call = redis.call local function call() end",
            "local call = redis.call local f = function(call) return call('GET', 'x') end",
            "local call = redis.call for call in pairs({}) do call('GET', KEYS[1]) end",
            "local call = redis.call local a, call = 1, 2 return call('GET', KEYS[1])",
            "local call = redis.call return {call = call}",
            "return redis.call'PING'",
            "return redis.call{'PING'}",
            "return (redis).call('GET', 'x')",
            "return (redis.call)('GET', 'x')",
            "return redis:call('GET')",
            "return _G.redis.call('GET', 'x')",
            "return _G['red' .. 'is'].call('GET', 'x')",
            "for k, v in pairs(_G) do end",
            "local _ENV = {} return 1",
            "return load('return redis')()",
            "return loadstring('return redis.call(\"GET\", \"x\")')()",
            "local g = getfenv(0)",
            "local l = string['x'] or loadstring",
            "local redis = {call = function() end} return redis.call('GET', KEYS[1])",
            "local function f(redis) return redis.call('GET', KEYS[1]) end",
            "local redis <const> = 1",
            "local t = {redis = 1}",
            "goto redis ::redis::",
            // names and arguments that are not literal
            "return redis.call(ARGV[1], KEYS[1])",
            "return redis.call('G' .. 'ET', KEYS[1])",
            "return redis.call('\\71ET', KEYS[1])",
            "return redis.call([[GET]], KEYS[1])",
            "return redis.call(unpack(ARGV))",
            "return redis.call()",
            "return redis.call('SET', KEYS[1], function() return 1, 2 end)",
            // the table of keys changed, or given away
            "KEYS[1] = 'x' return redis.call('GET', KEYS[1])",
            "local a a, KEYS[1] = 1, 'x' return redis.call('GET', KEYS[1])",
            "KEYS[1], KEYS[2] = 'x', 'y' return redis.call('GET', KEYS[1])",
            "KEYS = {'x'} return redis.call('GET', KEYS[1])",
            "local KEYS = {'x'} return redis.call('GET', KEYS[1])",
            "local function f(KEYS) return redis.call('GET', KEYS[1]) end return f({'x'})",
            "for _, KEYS in ipairs({{'x'}}) do redis.call('GET', KEYS[1]) end",
            "table.insert(KEYS, 'x') return redis.call('GET', KEYS[2])",
            "local k = KEYS k[1] = 'x' return redis.call('GET', KEYS[1])",
            "rawset(KEYS, 1, 'x')",
            "setmetatable(KEYS, {__index = function() return 'x' end})",
            "local unpack = f return redis.call('DEL', unpack(KEYS))",
            "local function unpack() return 'x' end return redis.call('DEL', unpack(KEYS))",
            "local f = function(unpack) return redis.call('DEL', unpack(KEYS)) end",
            "return redis.call('DEL', t.unpack(KEYS))",
            "return redis.call('DEL', unpack(KEYS or t))",
            "return redis.call('DEL', unpack({KEYS}))",
            "local t = unpack",
            "for _, k in f(KEYS) do redis.call('DEL', k) end",
            "for _, k in ipairs(KEYS), 1 do redis.call('DEL', k) end",
            "for k in ipairs(KEYS) do redis.call('DEL', k) end",
            "for k, k in ipairs(KEYS) do redis.call('DEL', k) end",
            "for _, k in ipairs(KEYS) do k = 'x' redis.call('DEL', k) end",
            "for _, k in ipairs(KEYS) do local k = 'x' redis.call('DEL', k) end",
            "for _, k in ipairs(t) do redis.call('DEL', k) end for _, k in ipairs(KEYS) do end",
            "local ipairs = f for _, k in ipairs(KEYS) do redis.call('DEL', k) end",
            "local i, n, t = ipairs(KEYS)",
            "for i, KEYS[1] in pairs({}) do end",
            "local t = {KEYS} t[1][1] = 'x'",
            "return {KEYS = 1}",
            "local f = function() return KEYS end",
            "local a = KEYS[1], KEYS",
            // locals that are no longer what they were
            "local k = KEYS[1] k = 'x' return redis.call('GET', k)",
            "local k = KEYS[1] local a a, k = 1, 'x' return redis.call('GET', k)",
            "local k = KEYS[1] k, a = 'x', 1 return redis.call('GET', k)",
            "local k = KEYS[1] local k = 'x' return redis.call('GET', k)",
            "local k = KEYS[1] local a, k = 1, 'x' return redis.call('GET', k)",
            "local k = KEYS[1] local k, a = 'x', 1 return redis.call('GET', k)",
            "local k = KEYS[1] local k <const> = 'x' return redis.call('GET', k)",
            "local k = KEYS[1] local k return redis.call('GET', k)",
            "local k = KEYS[1] for k = 1, 2 do redis.call('GET', k) end",
            "local k = KEYS[1] for k in pairs({}) do redis.call('GET', k) end",
            "local k = KEYS[1] for i, k in pairs({}) do redis.call('GET', k) end",
            "local k = KEYS[1] local f = function(k) return redis.call('GET', k) end",
            "local k = KEYS[1] local f = function(a, k) return redis.call('GET', k) end",
            "local k = KEYS[1] local function f(k) return redis.call('GET', k) end",
            "local k = KEYS[1] local t = {} function t.f(k) return redis.call('GET', k) end",
            "local k = KEYS[1] local function k() end return redis.call('GET', k)",
            "local k = KEYS[1] f(function() k = 'x' end) return redis.call('GET', k)",
            "local k = KEYS[1] f(function() k, a = 'x', 1 end) return redis.call('GET', k)",
            "local k = KEYS[1] f((function() k = 'x' end)()) return redis.call('GET', k)",
            "local k = KEYS[1]\n:upper() return redis.call('GET', k)",
            // a comment ends where Lua ends it
            "-- a comment\rlocal r = redis return r.call('GET', 'x')",
        ] {
            assert_eq!(read(source), None, "{source}");
        }
        // these are no keys, whatever they look like
        for (source, expected) in [
            ("local k = KEYS[1] .. 'x' return redis.call('GET', k)", "GET ?"),
            ("local k = KEYS[1] or 'x' return redis.call('GET', k)", "GET ?"),
            ("local k <const> = KEYS[1] return redis.call('GET', k)", "GET ?"),
            ("return redis.call('GET', (KEYS[1]))", "GET ? …"),
            ("return redis.call('GET', tostring(KEYS[1]))", "GET ? …"),
            ("return redis.call('GET', KEYS[1] or KEYS[2])", "GET ?"),
            ("return redis.call('GET', KEYS[1][2])", "GET ?"),
            ("return redis.call('GET', t.KEY)", "GET ?"),
        ] {
            assert_eq!(read(source), Some(vec![expected.to_owned()]), "{source}");
        }
    }
}
