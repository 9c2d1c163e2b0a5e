//! What the text of a library tells of its functions.
//!
//! A function's body is read as a script is, its first parameter in the place of `KEYS` and the second in that of `ARGV`.
//! That is not all: it may use what the library keeps in local variables, and so do whatever other code has put there. So
//! nothing is told of a function that uses such a variable, unless the rest of the library calls commands nowhere but in
//! functions that are registered on the spot, which nothing else can get hold of, and these leave nothing behind that
//! does.

use crate::declared::{self, Call, WAYS};
use crate::direct;
use crate::source::{Kind, Token, tokens};
use crate::vm::Chunk;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Names that must mean what they always mean.
const FIXED: [&str; 5] = ["redis", "KEYS", "ipairs", "pairs", "unpack"];

/// See the module.
pub struct Library<'s> {
    source: &'s [u8],
    tokens: Vec<Token<'s>>,
    functions: Vec<Function>,
    /// By first and last line; of several functions on the same lines nothing is known.
    by_lines: HashMap<(usize, usize), Option<usize>>,
    /// The library's own local variables.
    locals: HashSet<&'s [u8]>,
    /// The tokens before each that may have commands called which their function does not show.
    hidden: Vec<usize>,
}

/// Indices of tokens.
struct Function {
    /// `function`.
    start: usize,
    /// The bracket before its parameters.
    open: usize,
    /// The bracket behind them.
    close: usize,
    /// Its `end`.
    end: usize,
    /// It is within another one.
    nested: bool,
    /// It goes to `redis.register_function` and nowhere else.
    registered: bool,
}

impl<'s> Library<'s> {
    /// Reads a library that compiles; `None` if its text tells nothing.
    pub fn read(source: &'s [u8]) -> Option<Library<'s>> {
        // Lua's ideas of lines
        if source.contains(&b'\r') {
            return None;
        }
        let tokens = tokens(source)?;
        let functions = functions(&tokens)?;
        let locals = locals(&tokens, &functions);
        if FIXED.iter().any(|name| locals.contains(name.as_bytes())) {
            return None;
        }
        let mut line = 1;
        let mut at = 0;
        let lines: Vec<usize> = tokens
            .iter()
            .map(|t| {
                line += source.get(at..t.at).unwrap_or_default().iter().filter(|b| **b == b'\n').count();
                at = t.at;
                line
            })
            .collect();
        let mut by_lines = HashMap::new();
        for (i, f) in functions.iter().enumerate() {
            let (first, open, last) = (lines.get(f.start)?, lines.get(f.open)?, lines.get(f.end)?);
            // which of them is the first one depends on the form of the function
            let known = (first == open).then_some(i);
            for first in [first, open] {
                by_lines.entry((*first, *last)).and_modify(|known| *known = None).or_insert(known);
                if first == open {
                    break;
                }
            }
        }
        let hidden = hidden(&tokens, &functions);
        Some(Library { source, tokens, functions, by_lines, locals, hidden })
    }

    /// The calls of the function that these lines are, with its keys in the place of a script's.
    pub fn calls(&self, chunk: &Chunk) -> Option<Vec<Call<'s>>> {
        declared::calls_of(self.body(self.find(chunk)?.0)?)
    }

    /// Lets a function run without Lua if it can.
    pub fn plan(&self, chunk: &mut Chunk) {
        let plan = |(f, line): (&Function, usize)| {
            let start = self.tokens.get(f.start)?.at;
            direct::plan_tokens(self.source, &self.body(f)?, Some((start, line as i64)))
        };
        chunk.direct = self.find(chunk).and_then(plan).map(Rc::new);
    }

    /// The function that a chunk is, and its first line.
    fn find(&self, chunk: &Chunk) -> Option<(&Function, usize)> {
        let (first, last) = chunk.lines()?;
        Some((self.functions.get((*self.by_lines.get(&(first, last))?)?)?, first))
    }

    /// The tokens of a function's body, if they tell all about it.
    fn body(&self, f: &Function) -> Option<Vec<Token<'s>>> {
        let parameters = self.tokens.get(f.open + 1..f.close)?;
        let tokens = self.tokens.get(f.close + 1..f.end)?;
        let (keys, argv) = match parameters {
            [] => (None, None),
            [keys] => (Some(keys.text), None),
            [keys, _, argv, ..] if keys.text != argv.text => (Some(keys.text), Some(argv.text)),
            _ => return None,
        };
        if f.nested {
            return None;
        }
        let mut uses = false;
        let mut functions = false;
        for (i, t) in tokens.iter().enumerate() {
            let field = i.checked_sub(1).and_then(|p| tokens.get(p)).is_some_and(|p| p.is(".") || p.is(":"));
            uses |= t.kind == Kind::Name && !field && self.locals.contains(t.text);
            functions |= t.is("function");
        }
        if uses {
            let hidden = |i: usize| self.hidden.get(i).copied().unwrap_or(usize::MAX);
            let here = hidden(f.end + 1).checked_sub(hidden(f.start))?;
            if hidden(self.tokens.len()) != here || functions {
                return None;
            }
        }
        let mut body = Vec::with_capacity(tokens.len());
        for (i, t) in tokens.iter().enumerate() {
            let field = i.checked_sub(1).and_then(|p| tokens.get(p)).is_some_and(|p| p.is(".") || p.is(":"));
            let mut t = *t;
            if t.kind == Kind::Name && !field {
                if t.text == b"KEYS" || t.text == b"ARGV" {
                    // there are none in a library, but for parameters of this name
                    if Some(t.text) != keys && Some(t.text) != argv {
                        return None;
                    }
                }
                if Some(t.text) == keys {
                    t.text = b"KEYS";
                } else if Some(t.text) == argv {
                    t.text = b"ARGV";
                }
            }
            body.push(t);
        }
        Some(body)
    }
}

/// For each token, how many before it may have commands called that their function does not show.
fn hidden(tokens: &[Token<'_>], functions: &[Function]) -> Vec<usize> {
    let mut registered = vec![false; tokens.len()];
    for f in functions.iter().filter(|f| f.registered && !f.nested) {
        registered.get_mut(f.start + 1..=f.end).unwrap_or_default().fill(true);
    }
    let is = |i: usize, text: &str| tokens.get(i).is_some_and(|t| t.is(text));
    let mut n = 0;
    let mut hidden = Vec::with_capacity(tokens.len() + 1);
    for ((i, t), registered) in tokens.iter().enumerate().zip(registered) {
        hidden.push(n);
        n += usize::from(if t.is_name("redis") {
            let field = tokens.get(i + 2).filter(|t| is(i + 1, ".") && t.kind == Kind::Name);
            match field.map(|t| t.text) {
                None => true,
                Some(b"call" | b"pcall") => !registered || !is(i + 3, "("),
                Some(_) => false,
            }
        } else if t.is("function") {
            // it may keep the keys of the function that makes it
            registered
        } else {
            t.kind == Kind::Name && WAYS.iter().any(|w| t.is_name(w))
        });
    }
    hidden.push(n);
    hidden
}

/// The local variables that are declared outside of functions.
fn locals<'s>(tokens: &[Token<'s>], functions: &[Function]) -> HashSet<&'s [u8]> {
    let mut outside = vec![true; tokens.len()];
    for f in functions.iter().filter(|f| !f.nested) {
        outside.get_mut(f.start..=f.end).unwrap_or_default().fill(false);
    }
    let mut locals = HashSet::new();
    let is = |i: usize, text: &str| tokens.get(i).is_some_and(|t| t.is(text));
    for ((i, t), outside) in tokens.iter().enumerate().zip(outside) {
        if !outside || !t.is("local") && !t.is("for") {
            continue;
        }
        let mut at = i + 1 + usize::from(is(i + 1, "function"));
        while let Some(name) = tokens.get(at).filter(|t| t.kind == Kind::Name) {
            locals.insert(name.text);
            // an attribute
            at += if is(at + 1, "<") { 4 } else { 1 };
            if !is(at, ",") {
                break;
            }
            at += 1;
        }
    }
    locals
}

/// All functions, in the order of their beginnings.
fn functions(tokens: &[Token<'_>]) -> Option<Vec<Function>> {
    let mut found: Vec<Function> = Vec::new();
    // open blocks, and which function each is; open brackets
    let mut blocks: Vec<Option<usize>> = Vec::new();
    let mut brackets: Vec<usize> = Vec::new();
    for (i, t) in tokens.iter().enumerate() {
        if t.is("function") {
            let open = (i + 1..tokens.len()).find(|n| tokens.get(*n).is_some_and(|t| t.is("(")))?;
            let close = (open + 1..tokens.len()).find(|n| tokens.get(*n).is_some_and(|t| t.is(")")))?;
            let nested = blocks.iter().any(Option::is_some);
            let registered = is_registered(tokens, i, brackets.last().copied());
            blocks.push(Some(found.len()));
            found.push(Function { start: i, open, close, end: 0, nested, registered });
        } else if ["if", "do", "repeat"].iter().any(|k| t.is(k)) {
            blocks.push(None);
        } else if t.is("end") || t.is("until") {
            if let Some(f) = blocks.pop()?.and_then(|n| found.get_mut(n)) {
                f.end = i;
            }
        } else if t.is("(") || t.is("[") || t.is("{") {
            brackets.push(i);
        } else if t.is(")") || t.is("]") || t.is("}") {
            brackets.pop()?;
        }
    }
    (blocks.is_empty() && brackets.is_empty()).then_some(found)
}

/// Whether the function that begins at `i` is the second argument of `redis.register_function(…)`, or its field `callback`.
fn is_registered(tokens: &[Token<'_>], i: usize, bracket: Option<usize>) -> bool {
    let is =
        |i: Option<usize>, text: &str| i.and_then(|i| tokens.get(i)).is_some_and(|t| t.is(text) || t.is_name(text));
    let before = |n: usize| i.checked_sub(n);
    let Some(bracket) = bracket else { return false };
    let back = |n: usize| bracket.checked_sub(n);
    let callee = |n: usize| {
        let field = is(back(n + 3), ".") || is(back(n + 3), ":");
        is(back(n), "register_function") && is(back(n + 1), ".") && is(back(n + 2), "redis") && !field
    };
    if is(Some(bracket), "(") {
        let name = before(2).and_then(|i| tokens.get(i)).is_some_and(|t| t.kind == Kind::String);
        return name && is(before(1), ",") && before(3) == Some(bracket) && callee(1);
    }
    let field = is(before(1), "=") && is(before(2), "callback") && is(Some(bracket), "{");
    field && (callee(1) || is(back(1), "(") && callee(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::{Flavour, Host, Registration, Vm};
    use viator_resp::reply::Reply;
    use viator_resp::request::Args;

    struct Loader(Vec<(String, Chunk)>);

    impl Host for Loader {
        fn call(&mut self, _: Args<'_>, _: &mut Reply) -> bool {
            false
        }
        fn tick(&mut self) -> bool {
            false
        }
        fn log(&mut self, _: i64, _: &[u8]) {}
        fn set_repl(&mut self, _: i64) {}
        fn may_run(&mut self, _: Args<'_>) -> Result<bool, &'static str> {
            Err("ERR Invalid command passed to redis.acl_check_cmd()")
        }
        fn loading(&self) -> bool {
            true
        }
        fn register(&mut self, r: Registration) -> Result<(), String> {
            self.0.push((String::from_utf8(r.name).unwrap(), Chunk::new(r.callback)));
            Ok(())
        }
    }

    /// For each function of a library: its name, `+` if its calls are known, `!` if it needs no Lua.
    fn read(source: &str) -> String {
        let vm = Vm::new(Flavour::Function, "8.4.0", 0, false).unwrap();
        let mut loader = Loader(Vec::new());
        let library = vm.compile(source.as_bytes()).unwrap();
        if let Err(failure) = vm.load(&library, &mut loader) {
            panic!("{source}: {}", String::from_utf8_lossy(&failure.line));
        }
        let text = Library::read(source.as_bytes());
        let mut words = Vec::new();
        for (name, mut chunk) in loader.0 {
            let known = text.as_ref().is_some_and(|t| t.calls(&chunk).is_some());
            if let Some(t) = &text {
                t.plan(&mut chunk);
            }
            words.push(format!("{name}{}{}", if known { "+" } else { "" }, if chunk.is_direct() { "!" } else { "" }));
        }
        words.join(" ")
    }

    #[test]
    fn functions_whose_text_tells_all() {
        for (source, expected) in [
            ("redis.register_function('f', function(keys, args) return redis.call('GET', keys[1]) end)", "f+!"),
            ("redis.register_function('f', function(KEYS, ARGV) return redis.call('GET', KEYS[1]) end)", "f+!"),
            ("redis.register_function('f', function() return 1 end)", "f+!"),
            ("redis.register_function('f', function(k) for i = 1, #k do redis.call('DEL', k[i]) end end)", "f+"),
            (
                "redis.register_function{function_name = 'f', callback = function(keys)\n\
                 return redis.call('GET', keys[1]) end, flags = {'no-writes'}}",
                "f+!",
            ),
            (
                "local function get(keys, args)\n  return redis.call('GET', keys[1])\nend\n\
                 local function both(keys, args)\n  return {get(keys), 1}\nend\n\
                 redis.register_function('get', get)\nredis.register_function('both', both)",
                "get+! both",
            ),
            // variables of the library, beside commands that everybody sees
            (
                "local prefix, n = 'x', 0\nlocal function name(s) return prefix .. s end\n\
                 redis.register_function('f', function(keys, args) n = n + 1\n return redis.call('SET', keys[1], name(n)) end)\n\
                 redis.register_function('g', function(keys, args) return redis.call('GET', 'other') end)",
                "f+ g+!",
            ),
            // fields of the same names
            (
                "local get = 1\nredis.register_function('f', function(keys) local t = {} t.get = 1\n\
                 return redis.call('GET', keys[1]) end)\n\
                 redis.register_function('g', function(keys) return get or redis.call('GET', keys[1]) end)",
                "f+ g+",
            ),
        ] {
            assert_eq!(read(source), expected, "{source}");
        }
    }

    #[test]
    fn functions_that_others_may_change() {
        let get = "redis.register_function('f', function(keys) return helper(redis.call('GET', keys[1])) end)";
        for library in [
            "local function helper(v) return redis.call('GET', 'x') end",
            "local helper = function() end or redis.call",
            "local helper, r = function() end, redis",
            "local helper = function() end\nredis.register_function('g', function() helper = redis.call end)",
            "local helper = function() end\nredis.register_function('g', function() local r = redis helper = r end)",
            "local helper = function() end\nredis.register_function('g', function() helper = redis['call'] end)",
            "local helper = function() end\nredis.register_function('g', function() helper = _G.redis.call end)",
            "local helper = function() end\n\
             redis.register_function('g', function(keys) helper = function() return redis.call('GET', keys[1]) end end)",
            "local helper = function() end\n\
             local function g(keys) return redis.call('GET', keys[1]) end\nredis.register_function('g', g)",
            "local helper = function() end\n\
             local keep = {register_function = function(n, f) helper = f end} local t = {redis = keep}\n\
             t.redis.register_function('h', function() return redis.call('GET', 'x') end)",
        ] {
            let source = format!("{library}\n{get}");
            let read = read(&source);
            assert!(read.split(' ').any(|w| w == "f"), "{source}: {read}");
        }
        for (source, expected) in [
            // the keys themselves get elsewhere
            ("redis.register_function('f', function(keys) local k = keys return redis.call('GET', k[1]) end)", "f"),
            ("redis.register_function('f', function(keys) keys[1] = 'x' return redis.call('GET', keys[1]) end)", "f"),
            (
                "redis.register_function('f', function(keys) local keys = {'x'} return redis.call('GET', keys[1]) end)",
                "f",
            ),
            ("redis.register_function('f', function(...) local k = ... return redis.call('GET', k[1]) end)", "f+"),
            // which function it is
            (
                "local f, g = function(keys) return redis.call('GET', keys[1]) end, function(a, keys) return keys end\n\
                 redis.register_function('f', f) redis.register_function('g', g)",
                "f g",
            ),
            ("redis.register_function('f', function\n(keys) return redis.call('GET', keys[1]) end)", "f"),
            ("redis.register_function('f', redis.log)", "f"),
            // names that do not mean what they do elsewhere
            (
                "local ipairs = function() end\n\
                 redis.register_function('f', function(keys) for _, k in ipairs(keys) do redis.call('DEL', k) end end)",
                "f",
            ),
            ("redis.register_function('f', function(a, a) return redis.call('GET', a[1]) end)", "f"),
            ("redis.register_function('f', function(keys) return redis.call('GET', KEYS[1]) end)", "f"),
            ("redis.register_function('f', function(keys, args) return redis.call('GET', args[1]) end)", "f+!"),
            // it keeps its keys
            (
                "local kept\nredis.register_function('f', function(keys) if kept then return kept() end\n\
                 kept = function() return redis.call('GET', keys[1]) end end)",
                "f",
            ),
        ] {
            assert_eq!(read(source), expected, "{source}");
        }
    }
}
