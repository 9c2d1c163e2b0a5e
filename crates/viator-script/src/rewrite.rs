//! What becomes of a script's text before it is compiled.
//!
//! A script is compiled as a function within a function, whose parameters and upvalues are what it would else look up among
//! the globals each time: `KEYS` and `ARGV` are parameters, or the elements themselves if nothing but these is asked for
//! (`KEYS[1]`); `redis.call('GET', KEYS[1], x)` becomes a call of an upvalue with a number that stands for what is known of
//! the arguments ([`Site`]), and with the others; operands of `..` go through a function (see [`crate::concat`]). Each of these is done only where the text proves that
//! the script cannot tell. Lines stay where they are.

use crate::concat;
use crate::declared::{Inside, WAYS, inside};
use crate::source::{Kind, Token, close, goes_on, tokens};
use std::collections::HashMap;

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
/// In that number: the script returns the reply and ends.
pub(crate) const RETURNED: i64 = 4;
/// What the site's number is multiplied with; 0: nothing is known, all arguments are given.
pub(crate) const SITE: i64 = 8;

/// Longest literal that is part of a site.
const MAX_LITERAL: usize = 64;
/// Most arguments that a site tells of.
const MAX_PARTS: usize = 32;

/// What is known of a call's arguments, from the first one on; any number of others may follow.
pub(crate) type Site = Vec<Part>;

/// See [`Site`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Part {
    /// A literal.
    Text(Box<[u8]>),
    /// An element of `KEYS`, from 0 on.
    Key(usize),
    /// An element of `ARGV`.
    Arg(usize),
    /// The next value that is given.
    Value,
}

/// Numbers sites, from 1 on; `None`: there are too many already.
pub(crate) type Number<'n> = &'n mut dyn FnMut(Site) -> Option<i64>;

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

/// Plans a script that compiles. `parameters`: whether `KEYS` and `ARGV` are globals.
pub(crate) fn plan(source: &[u8], parameters: bool, number: Number<'_>) -> Plan {
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
    // what is in the sites is in the text no more
    let mut gone = Vec::new();
    if closed && tokens.iter().enumerate().all(|(i, t)| !t.is_name("redis") || is_table(&tokens, i)) {
        let fixed = |name| {
            parameters && tokens.iter().enumerate().all(|(i, t)| !t.is_name(name) || only_read(&tokens, &inside, i))
        };
        let mut calls = Calls {
            source,
            tokens: &tokens,
            main: if parameters { main_chunk(&tokens) } else { Vec::new() },
            callers: callers(&tokens, &inside),
            keys: fixed("KEYS"),
            argv: fixed("ARGV"),
            number,
            edits: Vec::new(),
            gone: Vec::new(),
        };
        calls.all();
        edits.extend(calls.edits);
        gone = calls.gone;
    }
    gone.sort_unstable();
    let mut gone = gone.into_iter().peekable();
    let mut there = tokens.clone();
    there.retain(|t| {
        while gone.next_if(|(_, to)| *to <= t.at).is_some() {}
        gone.peek().is_none_or(|(from, _)| t.at < *from)
    });
    let loops = |t: &Token<'_>| {
        ["while", "repeat", "for", "function"].iter().any(|k| t.is(k)) || t.is_name("goto") || t.is("::")
    };
    let straight = closed && !tokens.iter().any(loops);
    let mut plan = Plan { text: None, parameters: Parameters::None, straight };
    if !edits.is_empty() || parameters {
        let mut list = Vec::new();
        if parameters {
            let counts = ["KEYS", "ARGV"].map(|name| elements(source, &there, name));
            if let [Some(keys), Some(argv)] = counts {
                plan.parameters = Parameters::Elements(keys, argv);
                for (name, (element, count)) in ["KEYS", "ARGV"].into_iter().zip(ELEMENT.into_iter().zip([keys, argv]))
                {
                    edits.extend(element_edits(&there, name, element));
                    list.extend((1..=count).map(|n| format!("{element}{n}")));
                }
            } else {
                let has = |name: &str| there.iter().any(|t| t.is_name(name));
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

/// Whether the elements of the table `i` are only read there.
fn only_read(tokens: &[Token<'_>], inside: &[Inside], i: usize) -> bool {
    let is = |i: usize, text: &str| tokens.get(i).is_some_and(|t| t.is(text));
    let after = |text: &str| i.checked_sub(1).is_some_and(|p| is(p, text));
    if after(".") || after(":") {
        return false;
    }
    if after("#") && !is(i + 1, "[") {
        return !goes_on(tokens.get(i + 1));
    }
    let Some(close) = close(tokens, i + 1).filter(|_| is(i + 1, "[")) else { return false };
    // a list may be one of targets
    let listed = (is(close + 1, ",") || after(",")) && inside.get(i) != Some(&Inside::Expression);
    !is(close + 1, "=") && !listed
}

/// For each token, whether it is in the script itself and not in one of its functions; of nothing, if variables have to be
/// closed: that comes after the script has returned.
fn main_chunk(tokens: &[Token<'_>]) -> Vec<bool> {
    let mut blocks: Vec<bool> = Vec::new();
    let mut main = Vec::with_capacity(tokens.len());
    if tokens.windows(2).any(|pair| matches!(pair, [mark, name] if mark.is("<") && name.is_name("close"))) {
        return main;
    }
    for t in tokens {
        if ["function", "if", "do", "repeat"].iter().any(|k| t.is(k)) {
            blocks.push(t.is("function"));
        }
        main.push(!blocks.contains(&true));
        if t.is("end") || t.is("until") {
            blocks.pop();
        }
    }
    main
}

/// The local variables of the script itself that are `redis.call` (or, `true`, `redis.pcall`) and never anything else, and
/// that are only called.
fn callers<'s>(tokens: &[Token<'s>], inside: &[Inside]) -> HashMap<&'s [u8], bool> {
    let is = |i: usize, text: &str| tokens.get(i).is_some_and(|t| t.is(text));
    let mut found: HashMap<&[u8], (usize, bool)> = HashMap::new();
    let mut blocks = 0usize;
    for (i, t) in tokens.iter().enumerate() {
        if ["function", "if", "do", "repeat"].iter().any(|k| t.is(k)) {
            blocks += 1;
        } else if t.is("end") || t.is("until") {
            blocks = blocks.saturating_sub(1);
        } else if let [local, name, equals, redis, point, function, rest @ ..] = tokens.get(i..).unwrap_or_default()
            && blocks == 0
            && local.is("local")
            && name.kind == Kind::Name
            && equals.is("=")
            && redis.is_name("redis")
            && point.is(".")
            && (function.is_name("call") || function.is_name("pcall"))
            && rest
                .first()
                .is_none_or(|t| t.kind == Kind::Name || t.kind == Kind::Keyword && !is_operator(t) || t.is(";"))
        {
            // of two the second one counts, and is one use too many of the first
            found.insert(name.text, (i + 1, function.is_name("pcall")));
        }
    }
    for (i, t) in tokens.iter().enumerate() {
        let after = |text: &str| i.checked_sub(1).is_some_and(|p| is(p, text));
        if t.kind != Kind::Name || after(".") || after(":") {
            continue;
        }
        let Some((declared, _)) = found.get(t.text) else { continue };
        let called =
            i > *declared && is(i + 1, "(") && !after("function") && inside.get(i) != Some(&Inside::Parameters);
        if i != *declared && !called {
            found.remove(t.text);
        }
    }
    found.into_iter().map(|(name, (_, protected))| (name, protected)).collect()
}

/// Whether an expression goes on with this keyword.
fn is_operator(t: &Token<'_>) -> bool {
    t.is("and") || t.is("or")
}

/// Makes calls of upvalues of `redis.call(…)` and `redis.pcall(…)`.
struct Calls<'c, 's> {
    source: &'s [u8],
    tokens: &'c [Token<'s>],
    /// See [`main_chunk`].
    main: Vec<bool>,
    /// See [`callers`].
    callers: HashMap<&'s [u8], bool>,
    /// The elements of `KEYS`, and of `ARGV`, are those that the script was given.
    keys: bool,
    argv: bool,
    number: Number<'c>,
    edits: Vec<Edit>,
    /// What was taken out of the text: from, to.
    gone: Vec<(usize, usize)>,
}

impl Calls<'_, '_> {
    fn all(&mut self) {
        for (i, t) in self.tokens.iter().enumerate() {
            let field = i.checked_sub(1).is_some_and(|p| self.is(p, ".") || self.is(p, ":"));
            let (open, protected) = if t.is_name("redis") {
                match self.tokens.get(i + 2).map(|t| t.text) {
                    Some(b"call") => (i + 3, false),
                    Some(b"pcall") => (i + 3, true),
                    _ => continue,
                }
            } else if t.kind == Kind::Name && !field && self.is(i + 1, "(") {
                let Some(protected) = self.callers.get(t.text) else { continue };
                (i + 1, *protected)
            } else {
                continue;
            };
            // what cannot be rewritten stays
            let _ = self.call(i, open, protected);
        }
    }

    fn is(&self, i: usize, text: &str) -> bool {
        self.tokens.get(i).is_some_and(|t| t.is(text))
    }

    /// An edit that leaves lines where they are.
    fn replace(&mut self, from: usize, to: usize, mut text: Vec<u8>) -> Option<()> {
        let before = self.source.get(from..to)?;
        text.extend(before.iter().filter(|b| **b == b'\n'));
        self.edits.push((from, to, text));
        self.gone.push((from, to));
        Some(())
    }

    /// The call that begins at `i`, its brackets at `bracket`.
    fn call(&mut self, i: usize, bracket: usize, protected: bool) -> Option<()> {
        let tokens = self.tokens;
        let open = tokens.get(bracket).filter(|t| t.is("("))?;
        let mut code = if protected { PROTECTED } else { 0 };
        let from = tokens.get(i)?.at;
        let close = close(tokens, bracket)?;
        let last = tokens.get(close)?;
        if self.source.get(from..open.at)?.contains(&b'\n') || self.source.get(from..last.at)?.contains(&b'\r') {
            return None;
        }
        let next = tokens.get(close + 1);
        let ends = next.is_none_or(|t| ["end", "else", "elseif", "until", ";"].iter().any(|k| t.is(k)));
        if begins_statement(tokens, i) && !goes_on(next) {
            code |= UNUSED;
        } else if i > 0 && self.is(i - 1, "return") && ends && self.main.get(i) == Some(&true) {
            code |= RETURNED;
        }
        let arguments = arguments(tokens, bracket, close);
        let mut site = Site::new();
        // the tokens of arguments that are in the site, and the number of the others
        let mut known = Vec::new();
        let mut others = 0;
        for (n, (start, end)) in arguments.iter().enumerate() {
            let part = if n < MAX_PARTS { self.part(*start, *end) } else { None };
            match part {
                Some(part) => {
                    site.push(part);
                    known.push((*start, *end));
                }
                // the last one may be several values
                None if n + 1 == arguments.len() => others += 1,
                None if n < MAX_PARTS => {
                    site.push(Part::Value);
                    others += 1;
                }
                None => others += 1,
            }
        }
        let number = match site.first() {
            Some(Part::Text(_)) => (self.number)(site),
            _ => None,
        };
        let Some(number) = number else {
            let comma = if arguments.is_empty() { "" } else { "," };
            self.edits.push((from, open.end(), format!("{CALL}({code}{comma}").into_bytes()));
            return Some(());
        };
        code += number * SITE;
        let sure = count(tokens, bracket, close).is_some();
        let counted = if sure && (1..=MOST_COUNTED).contains(&others) { others.to_string() } else { String::new() };
        for (n, (start, end)) in known.iter().enumerate() {
            let end = tokens.get(*end - 1)?.end();
            if n == 0 {
                self.replace(from, end, format!("{CALL}{counted}({code}").into_bytes())?;
            } else {
                self.replace(tokens.get(*start - 1)?.at, end, Vec::new())?;
            }
        }
        Some(())
    }

    /// What is known of the argument from one token to before another.
    fn part(&self, start: usize, end: usize) -> Option<Part> {
        let tokens = self.tokens.get(start..end)?;
        match tokens {
            [t] if t.kind == Kind::String => match t.text {
                [b'"' | b'\'', text @ .., _] if !text.contains(&b'\\') && text.len() <= MAX_LITERAL => {
                    Some(Part::Text(text.into()))
                }
                _ => None,
            },
            [t] if t.kind == Kind::Number => digits(t.text).map(|n| Part::Text(n.to_string().into_bytes().into())),
            [minus, t] if minus.is("-") && t.kind == Kind::Number => {
                digits(t.text).map(|n| Part::Text((-n).to_string().into_bytes().into()))
            }
            [t, open, n, close] if open.is("[") && close.is("]") && n.kind == Kind::Number && n.text.len() < 6 => {
                let n = usize::try_from(digits(n.text)?).ok()?.checked_sub(1)?;
                match t.text {
                    b"KEYS" if self.keys => Some(Part::Key(n)),
                    b"ARGV" if self.argv => Some(Part::Arg(n)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// A plain integer.
fn digits(text: &[u8]) -> Option<i64> {
    let digits = std::str::from_utf8(text).ok().filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok()
}

/// The arguments between two brackets: from which token to before which.
fn arguments(tokens: &[Token<'_>], open: usize, close: usize) -> Vec<(usize, usize)> {
    let mut arguments = Vec::new();
    let mut depth = 0usize;
    let mut start = open + 1;
    for i in open + 1..close {
        let Some(t) = tokens.get(i) else { break };
        if ["(", "[", "{", "function", "if", "do", "repeat"].iter().any(|m| t.is(m)) {
            depth += 1;
        } else if [")", "]", "}", "end", "until"].iter().any(|m| t.is(m)) {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && t.is(",") {
            arguments.push((start, i));
            start = i + 1;
        }
    }
    if start < close {
        arguments.push((start, close));
    }
    arguments
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
        let mut sites: Vec<Site> = Vec::new();
        let mut number = |site: Site| {
            sites.push(site);
            Some(sites.len() as i64)
        };
        let plan = plan(source.as_bytes(), true, &mut number);
        let text = plan.text.clone().map(|t| String::from_utf8(t).unwrap());
        let mut body = text
            .as_deref()
            .map_or(source, |t| {
                let t = t.split_once(") ").unwrap().1;
                t.strip_suffix("\nend").unwrap()
            })
            .to_owned();
        assert_eq!(body.matches('\n').count(), source.matches('\n').count(), "{source}");
        for (i, site) in sites.iter().enumerate() {
            let parts: Vec<String> = site
                .iter()
                .map(|p| match p {
                    Part::Text(t) => String::from_utf8_lossy(t).into_owned(),
                    Part::Key(n) => format!("k{n}"),
                    Part::Arg(n) => format!("a{n}"),
                    Part::Value => "?".into(),
                })
                .collect();
            let first = (i as i64 + 1) * SITE;
            for flags in 0..SITE {
                let known = format!("({}", first + flags);
                for end in [",", ")", "\n"] {
                    let shown = format!("({flags}:{}{end}", parts.join(" "));
                    body = body.replace(&format!("{known}{end}"), &shown);
                }
            }
        }
        (body, plan)
    }

    #[test]
    fn calls_become_numbers() {
        for (before, after) in [
            ("return redis.call('GET', KEYS[1])", "return __call(4:GET k0)"),
            ("redis.call('SET', KEYS[1], 1)", "__call(2:SET k0 1)"),
            ("redis.call('SET', KEYS[1], -1, ARGV[12])", "__call(2:SET k0 -1 a11)"),
            ("redis.call('SET', KEYS[1], x, 'PX', 007)", "__call1(2:SET k0 ? PX 7, x)"),
            ("redis.call('SET', KEYS[1], x)", "__call1(2:SET k0, x)"),
            ("redis.call('SET', x, KEYS[1])", "__call1(2:SET ? k0, x)"),
            ("redis.call('SET', KEYS[1], x, y, z, w)", "__call(2:SET k0 ? ? ?, x, y, z, w)"),
            ("redis.call('SET', KEYS[1], f(x, y))", "__call(2:SET k0, f(x, y))"),
            ("redis.call('SET', f(x), KEYS[1])", "__call1(2:SET ? k0, f(x))"),
            ("local x = 1 redis.pcall(\"SET\", x)", "local x = 1 __call1(3:SET, x)"),
            ("f() redis.call('A') g()", "f() __call(2:A) g()"),
            ("if x then redis.call('A') else redis.call('B') end", "if x then __call(2:A) else __call(2:B) end"),
            (
                "if x then return redis.call('A') else return redis.pcall('B'); end",
                "if x then return __call(4:A) else return __call(5:B); end",
            ),
            ("return redis.call('A').ok", "return __call(0:A).ok"),
            ("return redis.call('A'), 1", "return __call(0:A), 1"),
            ("return (redis.call('A'))", "return (__call(0:A))"),
            ("local f = function() return redis.call('A') end", "local f = function() return __call(0:A) end"),
            ("local x <close> = y return redis.call('A')", "local x <close> = y return __call(0:A)"),
            ("redis.call('A'):f()", "__call(0:A):f()"),
            ("redis.call(name, 1)", "__call(2,name, 1)"),
            ("redis.call(KEYS[1], 1)", "__call(2,__key1, 1)"),
            ("redis.call()", "__call(2)"),
            ("redis.call('A' .. x)", "__call(2,'A' .. __text(x))"),
            ("return redis.call('A', x) .. 'y'", "return __text(__call1(0:A, x)) .. 'y'"),
            ("return redis.call('A', KEYS[1] .. 'y', KEYS[2])", "return __call1(4:A ? k1, __key1 .. 'y')"),
            ("redis.call(\n'GET',\nKEYS[1])", "__call(2:GET k0\n\n)"),
            ("redis.call('GET', -- a comment,\nKEYS[1], --[[ \n]] x)", "__call1(2:GET k0\n, --[[ \n]] x)"),
            ("redis.call( -- a comment\n 'GET')", "__call(2:GET\n)"),
            ("local t = {redis.call('A'), redis.pcall('B')}", "local t = {__call(0:A), __call(1:B)}"),
            ("f(function() redis.call('A') end)", "f(function() __call(2:A) end)"),
            ("local a = b or redis.call('A')", "local a = b or __call(0:A)"),
            ("return redis.call('A', KEYS[1], f(ARGV[2]))", "return __call(4:A k0, f(__arg2))"),
            ("return redis.call('A', KEYS[1], ARGV[#ARGV])", "return __call1(4:A k0, ARGV[#ARGV])"),
            ("return redis.call('A', f(1, 2), {1, 2}, 'x')", "return __call2(4:A ? ? x, f(1, 2), {1, 2})"),
            ("return redis.call('A', f'x')", "return __call(4:A, f'x')"),
            ("return redis.call('A', ...)", "return __call(4:A, ...)"),
            ("return redis.call('A', redis.call('B', KEYS[1]), KEYS[2])", "return __call1(4:A ? k1, __call(0:B k0))"),
            // under other names
            ("local call = redis.call return call('A', KEYS[1])", "local call = redis.call return __call(4:A k0)"),
            (
                "local rcall = redis.call; local p = redis.pcall\nrcall('A', x) p('B') t.p('C')",
                "local rcall = redis.call; local p = redis.pcall\n__call1(2:A, x) __call(3:B) t.p('C')",
            ),
            (
                "local c = redis.call for i = 1, 2 do c('A', c('B')) end",
                "local c = redis.call for i = 1, 2 do __call(2:A, __call(0:B)) end",
            ),
            // elements that are assigned to are those of the script
            ("KEYS[1] = ARGV[1] .. KEYS[1]", "__key1 = __arg1 .. __key1"),
            ("KEYS[1] = 'x' redis.call('A', KEYS[1], ARGV[1])", "__key1 = 'x' __call1(2:A ? a0, __key1)"),
            ("KEYS[1], x = 1, 2 redis.call('A', KEYS[1])", "__key1, x = 1, 2 __call1(2:A, __key1)"),
            ("x, KEYS[1] = 1, 2 redis.call('A', KEYS[1])", "x, __key1 = 1, 2 __call1(2:A, __key1)"),
            ("f(KEYS) redis.call('A', KEYS[1])", "f(KEYS) __call1(2:A, KEYS[1])"),
            ("f(#KEYS, KEYS[i]) redis.call('A', KEYS[1])", "f(#KEYS, KEYS[i]) __call(2:A k0)"),
            ("return {KEYS[1], KEYS[9]}", "return {KEYS[1], KEYS[9]}"),
            // as it is
            ("redis\n.call('A')", "redis\n.call('A')"),
            ("local redis = {} redis.call('A')", "local redis = {} redis.call('A')"),
            ("x.redis.call('A')", "x.redis.call('A')"),
            ("local r = redis redis.call('A')", "local r = redis redis.call('A')"),
            ("function redis.call() end redis.call('A')", "function redis.call() end redis.call('A')"),
            ("redis.call('\\65')", "__call(2,'\\65')"),
            (
                "local redis = {} local call = redis.call call('A')",
                "local redis = {} local call = redis.call call('A')",
            ),
            ("do local call = redis.call end call('A')", "do local call = redis.call end call('A')"),
            ("call('A') local call = redis.call", "call('A') local call = redis.call"),
            ("local call = redis.call call = f call('A')", "local call = redis.call call = f call('A')"),
            ("local call = redis.call f(call) call('A')", "local call = redis.call f(call) call('A')"),
            ("local call = redis.call local call = f call('A')", "local call = redis.call local call = f call('A')"),
            ("local call = redis.call or f call('A')", "local call = redis.call or f call('A')"),
            ("local call = redis.call local function call() end", "local call = redis.call local function call() end"),
            (
                "local call = redis.call f = function(call) call('A') end",
                "local call = redis.call f = function(call) call('A') end",
            ),
            ("local a, call = 1, redis.call call('A')", "local a, call = 1, redis.call call('A')"),
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
