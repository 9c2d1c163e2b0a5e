//! What `..` makes of numbers.
//!
//! In Lua 5.1 `10/2 .. ""` is `5`, in 5.4 it is `5.0`, and there is no metamethod for numbers that could change it. So
//! the operands of `..` that may be doubles are wrapped in a call before a script is compiled: `f(10/2) .. ""`. Line
//! numbers stay as they are.

use crate::source::{Kind, Token};

/// An expression in progress at a depth of brackets and blocks.
struct Level {
    /// Index of the first token of the operand in progress.
    start: usize,
    /// The operand in progress stands right of a `..`.
    right: bool,
    /// A bracket, or a block.
    block: bool,
}

/// Where the operands begin (`true`) and end that are to be wrapped, of a script that compiles; `None` if that cannot be
/// told.
pub(crate) fn wraps(tokens: &[Token<'_>]) -> Option<Vec<(usize, bool)>> {
    if !tokens.iter().any(|t| t.is("..")) {
        return Some(Vec::new());
    }
    let mut wraps: Vec<(usize, usize)> = Vec::new();
    let mut levels = vec![Level { start: 0, right: false, block: true }];
    for (i, t) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|p| tokens.get(p));
        let after_expression = before.is_some_and(Token::ends_expression);
        let level = levels.last_mut()?;
        // a new statement, without a mark before it
        let fresh = after_expression
            && (matches!(t.kind, Kind::Name | Kind::Number)
                || t.kind == Kind::Keyword && !matches!(t.text, b"and" | b"or" | b"not"));
        let ends = fresh
            || t.kind == Kind::Keyword && !matches!(t.text, b"not" | b"nil" | b"true" | b"false" | b"function")
            || t.kind == Kind::Mark
                && matches!(
                    t.text,
                    b".." | b"," | b";" | b"=" | b"==" | b"~=" | b"<" | b">" | b"<=" | b">=" | b")" | b"]" | b"}"
                );
        if ends {
            let concat = t.is("..");
            if (level.right || concat) && level.start < i {
                wraps.push((level.start, i));
            }
            level.right = concat;
            level.start = if t.kind == Kind::Name || t.kind == Kind::Number { i } else { i + 1 };
        }
        match (t.kind, t.text) {
            (Kind::Mark, b"(" | b"[" | b"{") => levels.push(Level { start: i + 1, right: false, block: false }),
            (Kind::Mark, b")" | b"]" | b"}") => {
                let inner = levels.pop()?;
                if inner.block || levels.is_empty() {
                    return None;
                }
            }
            (Kind::Keyword, b"function" | b"if" | b"do" | b"repeat") => {
                levels.push(Level { start: i + 1, right: false, block: true });
            }
            (Kind::Keyword, b"end" | b"until") => {
                let inner = levels.pop()?;
                if !inner.block || levels.is_empty() {
                    return None;
                }
                if t.is("until") {
                    levels.last_mut()?.start = i + 1;
                }
            }
            _ => {}
        }
    }
    let level = levels.pop()?;
    if level.right && level.start < tokens.len() {
        wraps.push((level.start, tokens.len()));
    }
    let mut edits: Vec<(usize, bool)> = Vec::new();
    for (from, to) in wraps {
        let operand = tokens.get(from..to)?;
        if !plain(operand) {
            edits.push((operand.first()?.at, true));
            edits.push((operand.last()?.end(), false));
        }
    }
    Some(edits)
}

/// Whether an operand is never a double.
fn plain(operand: &[Token<'_>]) -> bool {
    match operand {
        [t] if t.kind == Kind::String => true,
        [t] if t.kind == Kind::Number => {
            t.text.starts_with(b"0x") || !t.text.iter().any(|b| matches!(b, b'.' | b'e' | b'E'))
        }
        [name, open, .., close] if (name.is_name("KEYS") || name.is_name("ARGV")) && open.is("[") && close.is("]") => {
            operand.iter().filter(|t| t.is("[") || t.is("]")).count() == 2
        }
        [name, open, .., close] if name.is_name("tostring") && open.is("(") && close.is(")") => {
            operand.iter().filter(|t| t.is("(") || t.is(")")).count() == 2
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(source: &str) -> String {
        let tokens = crate::source::tokens(source.as_bytes()).unwrap();
        let mut edits = wraps(&tokens).unwrap();
        edits.sort_by_key(|(at, opens)| (*at, *opens));
        let mut text = source.to_owned();
        for (at, opens) in edits.into_iter().rev() {
            text.insert_str(at, if opens { "__text(" } else { ")" });
        }
        text
    }

    #[test]
    fn operands_are_wrapped() {
        for (before, after) in [
            ("return 'a' .. 'b'", "return 'a' .. 'b'"),
            ("return a .. 'b'", "return __text(a) .. 'b'"),
            ("local s = a/2 .. b f(c)", "local s = __text(a/2) .. __text(b) f(c)"),
            (
                "x = f(a .. b) .. c[d .. e]",
                "x = __text(f(__text(a) .. __text(b))) .. __text(c[__text(d) .. __text(e)])",
            ),
            ("if a .. b == c then return d end", "if __text(a) .. __text(b) == c then return d end"),
            ("return -a .. #b .. not c", "return __text(-a) .. __text(#b) .. __text(not c)"),
            ("return {a .. b, k = c .. d; e}", "return {__text(a) .. __text(b), k = __text(c) .. __text(d); e}"),
            (
                "return (function() local x = a .. 1 return x end)() .. y",
                "return __text((function() local x = __text(a) .. 1 return x end)()) .. __text(y)",
            ),
            ("local s = a .. b local t = c", "local s = __text(a) .. __text(b) local t = c"),
            ("return KEYS[1] .. ':' .. ARGV[2]", "return KEYS[1] .. ':' .. ARGV[2]"),
            (
                "repeat x = x .. y until x .. z == w",
                "repeat x = __text(x) .. __text(y) until __text(x) .. __text(z) == w",
            ),
            ("return 1 .. [[a..b]] .. 2.5 -- c .. d", "return 1 .. [[a..b]] .. __text(2.5) -- c .. d"),
            ("for i = 1, 3 do s = s .. i end return s", "for i = 1, 3 do s = __text(s) .. __text(i) end return s"),
            ("s = s .. f'x' .. g{1} t = 1", "s = __text(s) .. __text(f'x') .. __text(g{1}) t = 1"),
        ] {
            assert_eq!(rewritten(before), after);
        }
    }
}
