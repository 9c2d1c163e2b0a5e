//! The tokens of a script's text.

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A name that is no keyword.
    Name,
    /// A keyword.
    Keyword,
    /// A number.
    Number,
    /// A string, of whatever form.
    String,
    /// An operator or a mark.
    Mark,
}

/// A token and where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token<'s> {
    pub(crate) kind: Kind,
    pub(crate) text: &'s [u8],
    pub(crate) at: usize,
}

impl Token<'_> {
    pub(crate) fn end(&self) -> usize {
        self.at + self.text.len()
    }

    /// Whether it is this keyword, operator or mark.
    pub(crate) fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Keyword | Kind::Mark) && self.text == text.as_bytes()
    }

    /// Whether it is this name.
    pub(crate) fn is_name(&self, text: &str) -> bool {
        self.kind == Kind::Name && self.text == text.as_bytes()
    }

    /// Whether an expression can end with it.
    pub(crate) fn ends_expression(&self) -> bool {
        match self.kind {
            Kind::Name | Kind::Number | Kind::String => true,
            Kind::Keyword => matches!(self.text, b"end" | b"nil" | b"true" | b"false"),
            Kind::Mark => matches!(self.text, b")" | b"]" | b"}" | b"..."),
        }
    }
}

const KEYWORDS: [&str; 21] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or",
    "repeat", "return", "then", "true", "until", "while",
];

/// Splits a script that compiles into tokens; what does not is given up (`None`).
pub(crate) fn tokens(source: &[u8]) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&b) = source.get(at) {
        let rest = source.get(at..)?;
        let (kind, len) = match b {
            b' ' | b'\t' | b'\r' | b'\n' | 11 | 12 => {
                at += 1;
                continue;
            }
            b'-' if rest.starts_with(b"--") => {
                at += comment(rest)?;
                continue;
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => {
                let len = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
                let word = rest.get(..len)?;
                let keyword = KEYWORDS.iter().any(|k| k.as_bytes() == word);
                (if keyword { Kind::Keyword } else { Kind::Name }, len)
            }
            b'0'..=b'9' => (Kind::Number, number(rest)),
            b'.' if rest.get(1).is_some_and(u8::is_ascii_digit) => (Kind::Number, number(rest)),
            b'"' | b'\'' => (Kind::String, quoted(rest)?),
            b'[' if long(rest).is_some() => (Kind::String, long(rest)??),
            _ => {
                let marks: [&[u8]; 11] = [b"...", b"..", b"==", b"~=", b"<=", b">=", b"//", b"::", b"<<", b">>", b""];
                (Kind::Mark, marks.iter().find(|m| !m.is_empty() && rest.starts_with(m)).map_or(1, |m| m.len()))
            }
        };
        tokens.push(Token { kind, text: rest.get(..len)?, at });
        at += len;
    }
    Some(tokens)
}

fn comment(rest: &[u8]) -> Option<usize> {
    if let Some(len) = rest.get(2..).and_then(long) {
        return Some(2 + len?);
    }
    Some(rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len()))
}

fn number(rest: &[u8]) -> usize {
    let hex = rest.get(1).is_some_and(|b| b.eq_ignore_ascii_case(&b'x'));
    let mut n = 0;
    while let Some(b) = rest.get(n) {
        let sign = matches!(b, b'+' | b'-')
            && n > 0
            && rest.get(n - 1).is_some_and(|e| if hex { matches!(e, b'p' | b'P') } else { matches!(e, b'e' | b'E') });
        // two points are an operator
        let point = *b == b'.' && rest.get(n + 1) != Some(&b'.');
        if !(b.is_ascii_alphanumeric() || sign || point) {
            break;
        }
        n += 1;
    }
    n.max(1)
}

fn quoted(rest: &[u8]) -> Option<usize> {
    let quote = rest.first()?;
    let mut n = 1;
    loop {
        match rest.get(n)? {
            b'\\' => n += 2,
            b if b == quote => return Some(n + 1),
            _ => n += 1,
        }
    }
}

/// The length of a long string, if one begins here; the inner `None`: it has no end.
fn long(rest: &[u8]) -> Option<Option<usize>> {
    let level = rest.get(1..)?.iter().take_while(|b| **b == b'=').count();
    if rest.first() != Some(&b'[') || rest.get(1 + level) != Some(&b'[') {
        return None;
    }
    let close = [b"]".as_slice(), &vec![b'='; level], b"]"].concat();
    let body = rest.get(level + 2..)?;
    let end = body.windows(close.len()).position(|w| w == close.as_slice());
    Some(end.map(|e| level + 2 + e + close.len()))
}

/// The index of the bracket that closes the one at `open`.
pub(crate) fn close(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (i, t) in tokens.iter().enumerate().skip(open) {
        if t.is("(") || t.is("[") || t.is("{") {
            depth += 1;
        } else if t.is(")") || t.is("]") || t.is("}") {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(i);
            }
        }
    }
    None
}

/// Whether a token goes on with the expression before it, as a suffix.
pub(crate) fn goes_on(token: Option<&Token<'_>>) -> bool {
    token.is_some_and(|t| t.kind == Kind::String || [".", ":", "[", "(", "{"].iter().any(|m| t.is(m)))
}
