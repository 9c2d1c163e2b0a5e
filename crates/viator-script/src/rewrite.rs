//! What becomes of a script's text before it is compiled.
//!
//! A script is compiled as a function within a function, whose parameters and upvalues are what it would else look up among
//! the globals each time: `KEYS` and `ARGV` are parameters, or the elements themselves if nothing but these is asked for
//! (`KEYS[1]`); `redis.call('GET', …)` becomes a call of an upvalue with a number that stands for the command's name, and
//! operands of `..` go through a function (see [`crate::concat`]). Each of these is done only where the text proves that
//! the script cannot tell. Lines stay where they are.

use crate::concat;
use crate::declared::{Inside, WAYS, inside};
use crate::source::{Kind, Token, close, goes_on, tokens};

/// The upvalue that makes text of doubles.
const TEXT: &str = "__text";
/// The upvalue that calls commands; with a digit behind it those that take so many arguments.
const CALL: &str = "__call";
/// What parameters that are elements begin with, those of `KEYS` and those of `ARGV`; their index follows.
const ELEMENT: [&str; 2] = ["__key", "__arg"];

/// There are upvalues for this many arguments, from one on.
pub(crate) const MOST_COUNTED: usize = 3;
/// Most parameters that are elements, of each kind.
pub(crate) const MOST_ELEMENTS: usize = 8;

/// In the number that a call begins with: errors are returned, not raised.
pub(crate) const PROTECTED: i64 = 1;
/// In that number: nobody wants the reply.
pub(crate) const UNUSED: i64 = 2;
/// What the name's number is multiplied with; 0 is no name: it is the first argument.
pub(crate) const NAME: i64 = 4;

/// A script to be compiled.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The text of a function that takes the upvalues and returns the script; `None`: the script is compiled as it is.
    pub(crate) text: Option<Vec<u8>>,
    /// What its parameters are.
    pub(crate) parameters: Parameters,
    /// Nothing is executed twice: no loops, no functions, nor any way to get such.
    pub(crate) straight: bool,
}

/// The parameters of a compiled script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Parameters {
    /// There are none: `KEYS` and `ARGV` are globals.
    #[default]
    None,
    /// The tables `KEYS` and `ARGV`, and whether it uses them.
    Tables(bool, bool),
    /// So many elements of `KEYS`, so many of `ARGV`.
    Elements(usize, usize),
}

/// An edit: from, to, what stands there then. Of several at one place those come first that end there.
type Edit = (usize, usize, Vec<u8>);

/// Plans a script that compiles. `parameters`: whether `KEYS` and `ARGV` are globals. `number` numbers names of commands,
/// from 1 on.
pub(crate) fn plan(source: &[u8], parameters: bool, number: &mut dyn FnMut(&[u8]) -> Option<i64>) -> Plan {
    let opaque = Plan::default();
    let Some(tokens) = tokens(source) else { return opaque };
    let Some(inside) = inside(&tokens) else { return opaque };
    let has = |name: &str| tokens.iter().any(|t| t.is_name(name));
    if tokens.iter().any(|t| t.kind == Kind::Name && t.text.starts_with(b"__") && !is_event(t.text)) {
        return opaque;
    }
    let Some(wraps) = concat::wraps(&tokens) else { return opaque };
    let mut edits: Vec<Edit> = wraps
        .into_iter()
        .map(|(at, opens)| (at, at, if opens { format!("{TEXT}(").into_bytes() } else { b")".to_vec() }))
        .collect();
    let closed = !WAYS.iter().any(|w| has(w));
    let ours = |name: &str| tokens.iter().enumerate().all(|(i, t)| !t.is_name(name) || fixed(&tokens, &inside, i));
    let parameters = parameters && closed && ours("KEYS") && ours("ARGV");
    if closed && tokens.iter().enumerate().all(|(i, t)| !t.is_name("redis") || is_table(&tokens, i)) {
        let calls = calls(source, &tokens, number);
        edits.extend(calls);
    }
    let loops = |t: &Token<'_>| {
        ["while", "repeat", "for", "function"].iter().any(|k| t.is(k)) || t.is_name("goto") || t.is("::")
    };
    let straight = closed && !tokens.iter().any(loops);
    let mut plan = Plan { text: None, parameters: Parameters::None, straight };
    if !edits.is_empty() || parameters {
        let mut list = Vec::new();
        if parameters {
            let counts = ["KEYS", "ARGV"].map(|name| elements(source, &tokens, name));
            if let [Some(keys), Some(argv)] = counts {
                plan.parameters = Parameters::Elements(keys, argv);
                for (name, (element, count)) in ["KEYS", "ARGV"].into_iter().zip(ELEMENT.into_iter().zip([keys, argv]))
                {
                    edits.extend(element_edits(&tokens, name, element));
                    list.extend((1..=count).map(|n| format!("{element}{n}")));
                }
            } else {
                plan.parameters = Parameters::Tables(has("KEYS"), has("ARGV"));
                list.extend(["KEYS".to_owned(), "ARGV".to_owned()]);
            }
        }
        if tokens.iter().any(|t| t.is("...")) {
            list.push("...".into());
        }
        let counted: Vec<String> = (1..=MOST_COUNTED).map(|n| format!("{CALL}{n}")).collect();
        let head = format!("local {TEXT}, {CALL}, {} = ... return function({}) ", counted.join(", "), list.join(", "));
        match apply(source, edits) {
            Some(body) => plan.text = Some([head.as_bytes(), &body, b"\nend"].concat()),
            None => plan.parameters = Parameters::None,
        }
    }
    plan
}

/// Whether a name is that of a metamethod.
pub(crate) fn is_event(name: &[u8]) -> bool {
    let known = [
        "index",
        "newindex",
        "call",
        "tostring",
        "len",
        "eq",
        "lt",
        "le",
        "add",
        "sub",
        "mul",
        "div",
        "mod",
        "pow",
        "unm",
        "concat",
        "mode",
        "gc",
        "metatable",
        "pairs",
        "name",
        "close",
        "idiv",
        "band",
        "bor",
        "bxor",
        "shl",
        "shr",
        "bnot",
    ];
    name != CALL.as_bytes() && name.strip_prefix(b"__").is_some_and(|n| known.iter().any(|k| k.as_bytes() == n))
}

/// How many elements of `KEYS` or `ARGV` a script asks for, if it does nothing else with it than that, by small numbers.
fn elements(source: &[u8], tokens: &[Token<'_>], name: &str) -> Option<usize> {
    let mut most = 0;
    for (i, t) in tokens.iter().enumerate() {
        if t.is_name(name) {
            let before = i.checked_sub(1).and_then(|p| tokens.get(p));
            if before.is_some_and(|b| b.is(".") || b.is(":")) {
                return None;
            }
            let (n, end) = element(tokens, i)?;
            if source.get(t.at..end)?.iter().any(|b| matches!(b, b'\n' | b'\r')) {
                return None;
            }
            most = most.max(n);
        }
    }
    Some(most)
}

/// The index of an element that is asked for at `i`, and where that ends.
fn element(tokens: &[Token<'_>], i: usize) -> Option<(usize, usize)> {
    let close = tokens.get(i + 3)?;
    if !tokens.get(i + 1)?.is("[") || !close.is("]") {
        return None;
    }
    match tokens.get(i + 2)?.text {
        [digit @ b'1'..=b'9'] if usize::from(*digit - b'0') <= MOST_ELEMENTS => {
            Some((usize::from(*digit - b'0'), close.end()))
        }
        _ => None,
    }
}

fn element_edits(tokens: &[Token<'_>], name: &str, element_name: &str) -> Vec<Edit> {
    let found = tokens.iter().enumerate().filter(|(_, t)| t.is_name(name));
    found
        .filter_map(|(i, t)| element(tokens, i).map(|(n, end)| (t.at, end, format!("{element_name}{n}").into_bytes())))
        .collect()
}

/// Whether the variable `i` is not assigned to there, nor made a function.
fn fixed(tokens: &[Token<'_>], inside: &[Inside], i: usize) -> bool {
    let is = |i: usize, text: &str| tokens.get(i).is_some_and(|t| t.is(text));
    let listed = is(i + 1, ",") && inside.get(i) == Some(&Inside::Block);
    !(is(i + 1, "=") || listed || i > 0 && is(i - 1, "function"))
}

/// Whether the name `redis` means the table there, and is only indexed.
fn is_table(tokens: &[Token<'_>], i: usize) -> bool {
    let before =
        |texts: [&str; 3]| i.checked_sub(1).and_then(|p| tokens.get(p)).is_some_and(|t| texts.iter().any(|x| t.is(x)));
    tokens.get(i + 1).is_some_and(|t| t.is(".")) && !before([".", ":", "function"])
}

/// The edits that make calls of upvalues of `redis.call(…)` and `redis.pcall(…)`.
fn calls(source: &[u8], tokens: &[Token<'_>], number: &mut dyn FnMut(&[u8]) -> Option<i64>) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (i, t) in tokens.iter().enumerate() {
        if t.is_name("redis")
            && let Some(edit) = call(source, tokens, i, number)
        {
            edits.push(edit);
        }
    }
    edits
}

fn call(source: &[u8], tokens: &[Token<'_>], i: usize, number: &mut dyn FnMut(&[u8]) -> Option<i64>) -> Option<Edit> {
    let function = tokens.get(i + 2)?;
    let open = tokens.get(i + 3).filter(|t| t.is("("))?;
    let mut code = match function.text {
        b"call" => 0,
        b"pcall" => PROTECTED,
        _ => return None,
    };
    let from = tokens.get(i)?.at;
    if source.get(from..open.at)?.iter().any(|b| matches!(b, b'\n' | b'\r')) {
        return None;
    }
    let close = close(tokens, i + 3)?;
    if begins_statement(tokens, i) && !goes_on(tokens.get(close + 1)) {
        code |= UNUSED;
    }
    // the name, if it is a plain literal, goes into the number
    let first = tokens.get(i + 4)?;
    let second = tokens.get(i + 5);
    let literal = first.kind == Kind::String
        && matches!(first.text, [b'"' | b'\'', ..])
        && !first.text.contains(&b'\\')
        && second.is_some_and(|t| t.is(",") || t.is(")"));
    let name = first.text.get(1..first.text.len().saturating_sub(1));
    let mut end = open.end();
    if literal && let Some(n) = name.and_then(number) {
        code += n * NAME;
        end = first.end();
    }
    let counted = match count(tokens, i + 3, close) {
        Some(n) if end == first.end() && (2..=MOST_COUNTED + 1).contains(&n) => (n - 1).to_string(),
        _ => String::new(),
    };
    let mut text = format!("{CALL}{counted}({code}").into_bytes();
    let gone = source.get(open.at..end)?;
    if gone.contains(&b'\r') {
        return None;
    }
    text.extend(gone.iter().filter(|b| **b == b'\n'));
    if end == open.end() && !first.is(")") {
        text.push(b',');
    }
    Some((from, end, text))
}

/// How many arguments there are between two brackets, if that is sure: the last one may be several values.
fn count(tokens: &[Token<'_>], open: usize, close: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut n = 1;
    for t in tokens.get(open + 1..close)? {
        if t.is("(") || t.is("[") || t.is("{") || t.is("function") {
            depth += 1;
        } else if t.is(")") || t.is("]") || t.is("}") || t.is("end") {
            depth = depth.checked_sub(1)?;
        } else if t.is("if") || t.is("do") || t.is("repeat") {
            return None;
        } else if depth == 0 && t.is(",") {
            n += 1;
        }
    }
    let last = tokens.get(close.checked_sub(1)?)?;
    let before = tokens.get(close.checked_sub(2)?)?;
    let one = match last.kind {
        Kind::Name | Kind::Number => true,
        Kind::String => before.is(",") || before.is(".."),
        _ => last.is("]"),
    };
    one.then_some(n)
}

/// Whether a statement begins with the name `i`: nothing before it could go on with it.
fn begins_statement(tokens: &[Token<'_>], i: usize) -> bool {
    match i.checked_sub(1).and_then(|p| tokens.get(p)) {
        None => true,
        Some(t) => t.ends_expression() && !t.is("...") || ["do", "then", "else", "repeat", ";"].iter().any(|k| t.is(k)),
    }
}

/// The text with the edits; `None` if they overlap.
pub(crate) fn apply(source: &[u8], mut edits: Vec<Edit>) -> Option<Vec<u8>> {
    // what ends somewhere comes before what begins there, and what is inserted before what is replaced
    edits.sort_by_key(|(from, to, text)| (*from, *to, text.as_slice() != b")"));
    let mut out = Vec::with_capacity(source.len() + 64 * edits.len());
    let mut at = 0;
    for (from, to, text) in edits {
        out.extend_from_slice(source.get(at..from)?);
        out.extend_from_slice(&text);
        at = to;
    }
    out.extend_from_slice(source.get(at..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(source: &str) -> (String, Plan) {
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut number = |name: &[u8]| {
            names.push(name.to_vec());
            Some(names.len() as i64)
        };
        let plan = plan(source.as_bytes(), true, &mut number);
        let text = plan.text.clone().map(|t| String::from_utf8(t).unwrap());
        let body = text.as_deref().map_or(source, |t| {
            let t = t.split_once(") ").unwrap().1;
            t.strip_suffix("\nend").unwrap()
        });
        (body.to_owned(), plan)
    }

    #[test]
    fn calls_become_numbers() {
        for (before, after) in [
            ("return redis.call('GET', KEYS[1])", "return __call1(4, __key1)"),
            ("redis.call('SET', KEYS[1], 1)", "__call2(6, __key1, 1)"),
            ("local x = 1 redis.pcall(\"SET\", x)", "local x = 1 __call1(7, x)"),
            ("f() redis.call('A') g()", "f() __call(6) g()"),
            ("if x then redis.call('A') else redis.call('B') end", "if x then __call(6) else __call(10) end"),
            ("return redis.call('A').ok", "return __call(4).ok"),
            ("redis.call('A'):f()", "__call(4):f()"),
            ("redis.call(name, 1)", "__call(2,name, 1)"),
            ("redis.call()", "__call(2)"),
            ("redis.call('A' .. x)", "__call(2,'A' .. __text(x))"),
            ("return redis.call('A', x) .. 'y'", "return __text(__call1(4, x)) .. 'y'"),
            ("redis.call(\n'GET',\nKEYS[1])", "__call1(6\n,\n__key1)"),
            ("redis.call( -- a comment\n 'GET')", "__call(6\n)"),
            ("local t = {redis.call('A'), redis.pcall('B')}", "local t = {__call(4), __call(9)}"),
            ("f(function() redis.call('A') end)", "f(function() __call(6) end)"),
            ("local a = b or redis.call('A')", "local a = b or __call(4)"),
            ("return redis.call('A', KEYS[1], f(ARGV[2]))", "return __call(4, __key1, f(__arg2))"),
            ("return redis.call('A', KEYS[1], ARGV[#ARGV])", "return __call2(4, KEYS[1], ARGV[#ARGV])"),
            ("return redis.call('A', f(1, 2), {1, 2}, 'x')", "return __call3(4, f(1, 2), {1, 2}, 'x')"),
            ("return redis.call('A', f'x')", "return __call(4, f'x')"),
            ("return redis.call('A', ...)", "return __call(4, ...)"),
            ("return redis.call('A', 1, 2, 3, 4)", "return __call(4, 1, 2, 3, 4)"),
            ("KEYS[1] = ARGV[1] .. KEYS[1]", "__key1 = __arg1 .. __key1"),
            ("return {KEYS[1], KEYS[9]}", "return {KEYS[1], KEYS[9]}"),
            // as it is
            ("redis\n.call('A')", "redis\n.call('A')"),
            ("local redis = {} redis.call('A')", "local redis = {} redis.call('A')"),
            ("x.redis.call('A')", "x.redis.call('A')"),
            ("local r = redis redis.call('A')", "local r = redis redis.call('A')"),
            ("function redis.call() end redis.call('A')", "function redis.call() end redis.call('A')"),
            ("redis.call('\\65')", "__call(2,'\\65')"),
            ("local call = redis.call call('A')", "local call = redis.call call('A')"),
            ("redis.call 'A'", "redis.call 'A'"),
        ] {
            assert_eq!(body(before).0, after);
        }
    }

    #[test]
    fn what_is_proven() {
        for (source, parameters, straight) in [
            ("return redis.call('GET', KEYS[1])", true, true),
            ("for i = 1, 3 do redis.call('GET', KEYS[1]) end", true, false),
            ("KEYS = {}", false, true),
            ("a, KEYS = 1, 2", false, true),
            ("KEYS, a = 1, 2", false, true),
            ("function KEYS() end", false, false),
            ("return f(KEYS, ARGV)", true, true),
            ("KEYS[1] = 'x' return KEYS[1]", true, true),
            ("local a, b = KEYS[1], ARGV[1] return a", true, true),
            ("return _G.KEYS", false, false),
            ("return load('return KEYS[1]')()", false, false),
            ("goto x ::x::", true, false),
        ] {
            let (_, plan) = body(source);
            assert_eq!((plan.parameters != Parameters::None, plan.straight), (parameters, straight), "{source}");
        }
        assert_eq!(body("return KEYS[3] .. KEYS[1]").1.parameters, Parameters::Elements(3, 0));
        assert_eq!(body("return #KEYS").1.parameters, Parameters::Tables(true, false));
        assert_eq!(plan(b"local __call = 1", true, &mut |_| None).text, None);
    }
}
