//! Command lines as text: the words of inline commands and configuration lines, and quoting for MONITOR and CONFIG
//! REWRITE.

use crate::num::is_space;

/// A quote is not closed, or something other than white space follows a closing quote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unbalanced;

impl std::fmt::Display for Unbalanced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unbalanced quotes")
    }
}

impl std::error::Error for Unbalanced {}

/// Splits a line into words as Redis splits inline commands and configuration lines.
///
/// Words are separated by white space. `"…"` takes `\n`, `\r`, `\t`, `\b`, `\a`, `\xHH` and a backslash before any
/// other byte; `'…'` takes `\'` only. A quote may open within a word but must close at its end. The line ends at its
/// first NUL.
///
/// # Errors
/// [`Unbalanced`] when a quote is not closed or not followed by white space.
pub fn split_args(line: &[u8]) -> Result<Vec<Vec<u8>>, Unbalanced> {
    let mut rest = line.split(|b| *b == 0).next().unwrap_or_default();
    let mut words = Vec::new();
    loop {
        let blanks = rest.iter().take_while(|b| is_space(**b)).count();
        rest = rest.get(blanks..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(words);
        }
        let (word, after) = word(rest)?;
        words.push(word);
        rest = after;
    }
}

/// The word that `rest` starts with, and what follows it.
fn word(mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), Unbalanced> {
    let mut word = Vec::new();
    loop {
        match rest {
            // Vertical tab and form feed separate words but do not end one: so does Redis.
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Ok((word, rest)),
            [b'"', after @ ..] => return double_quoted(word, after),
            [b'\'', after @ ..] => return single_quoted(word, after),
            [b, after @ ..] => {
                word.push(*b);
                rest = after;
            }
        }
    }
}

fn double_quoted(mut word: Vec<u8>, mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), Unbalanced> {
    loop {
        let (byte, after) = match rest {
            [] => return Err(Unbalanced),
            [b'"', after @ ..] => return closed(word, after),
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex(*high) << 4 | hex(*low), after)
            }
            [b'\\', escaped, after @ ..] => {
                let byte = match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                };
                (byte, after)
            }
            [b, after @ ..] => (*b, after),
        };
        word.push(byte);
        rest = after;
    }
}

fn single_quoted(mut word: Vec<u8>, mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), Unbalanced> {
    loop {
        let (byte, after) = match rest {
            [] => return Err(Unbalanced),
            [b'\\', b'\'', after @ ..] => (b'\'', after),
            [b'\'', after @ ..] => return closed(word, after),
            [b, after @ ..] => (*b, after),
        };
        word.push(byte);
        rest = after;
    }
}

/// After a closing quote.
fn closed(word: Vec<u8>, rest: &[u8]) -> Result<(Vec<u8>, &[u8]), Unbalanced> {
    if rest.first().is_none_or(|b| is_space(*b)) { Ok((word, rest)) } else { Err(Unbalanced) }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit.to_ascii_lowercase().wrapping_sub(b'a') & 0xf) + 10,
    }
}

/// Appends `bytes` in double quotes, with everything that is not printable ASCII escaped, so that [`split_args`] reads
/// it back (as MONITOR prints arguments).
pub fn quote_repr(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: [u8; 16] = *b"0123456789abcdef";
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    for b in bytes {
        match b {
            b'\\' | b'"' => out.extend([b'\\', *b]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            7 => out.extend(b"\\a"),
            8 => out.extend(b"\\b"),
            b' '..=b'~' => out.push(*b),
            _ => {
                out.extend(b"\\x");
                for nibble in [b >> 4, b & 0xf] {
                    out.extend(HEX.get(usize::from(nibble)));
                }
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(line: &str) -> Option<Vec<String>> {
        let words = split_args(line.as_bytes()).ok()?;
        Some(words.into_iter().map(|w| w.escape_ascii().to_string()).collect())
    }

    #[test]
    fn known_answers() {
        for (line, want) in [
            ("", Some(vec![])),
            ("  \t ", Some(vec![])),
            ("set a b", Some(vec!["set", "a", "b"])),
            ("  set\ta\n b ", Some(vec!["set", "a", "b"])),
            (r#"a "b c" d"#, Some(vec!["a", "b c", "d"])),
            (r#""\x41\x4g\q\"""#, Some(vec!["Ax4gq\\\""])),
            (r#""\n\r\t\b\a""#, Some(vec!["\\n\\r\\t\\x08\\x07"])),
            (r"'a\n\'b'", Some(vec!["a\\\\n\\'b"])),
            (r#"ab"c d" e"#, Some(vec!["abc d", "e"])),
            (r#""""#, Some(vec![""])),
            ("a\x0bb", Some(vec!["a\\x0bb"])),
            ("a \x0bb", Some(vec!["a", "b"])),
            ("\"a\"\x0bb", Some(vec!["a", "b"])),
            ("a b\0 \"", Some(vec!["a", "b"])),
            (r#""a"#, None),
            (r#""a\"#, None),
            (r"'a", None),
            (r#""a"b"#, None),
            (r#"'a'"b""#, None),
        ] {
            let want = want.map(|w| w.into_iter().map(String::from).collect::<Vec<_>>());
            assert_eq!(split(line), want, "{line:?}");
        }
    }

    #[test]
    fn quoting() {
        let mut out = Vec::new();
        quote_repr(b"a\\\"\n\r\t\x07\x08 \x00\x7f\xff~", &mut out);
        assert_eq!(out, br#""a\\\"\n\r\t\a\b \x00\x7f\xff~""#);
    }

    proptest! {
        #[test]
        fn quoted_words_read_back(words: Vec<Vec<u8>>) {
            let mut line = Vec::new();
            for w in &words {
                quote_repr(w, &mut line);
                line.push(b' ');
            }
            prop_assert_eq!(split_args(&line), Ok(words));
        }

        #[test]
        fn junk_does_no_harm(line in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'\''), Just(b'\\'), Just(b' '), any::<u8>()], 0..40)) {
            if let Ok(words) = split_args(&line) {
                prop_assert!(words.iter().map(Vec::len).sum::<usize>() <= line.len());
            }
        }
    }
}
