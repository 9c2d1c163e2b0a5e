//! JSON as Lua's values.

use super::Config;
use crate::errors;
use mlua::{Lua, Value};

/// Deeper than this no recursion goes, whatever the option says.
const HARD_DEPTH: i64 = 1000;

enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Comma,
    Colon,
    End,
    String(Vec<u8>),
    Number(f64),
    Integer(i64),
    Boolean(bool),
    Null,
    Invalid(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::Comma => "T_COMMA",
            Token::Colon => "T_COLON",
            Token::End => "T_END",
            Token::String(_) => "T_STRING",
            Token::Number(_) | Token::Integer(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Invalid(why) => why,
        }
    }
}

struct Parser<'p> {
    lua: &'p Lua,
    c: &'p Config,
    text: &'p [u8],
    at: usize,
    /// Where the present token begins.
    start: usize,
    depth: i64,
}

/// Parses a document.
pub(crate) fn parse(lua: &Lua, c: &Config, text: &[u8]) -> mlua::Result<Value> {
    // what looks like UTF-16 or UTF-32 is refused
    if text.len() >= 2 && (text.first() == Some(&0) || text.get(1) == Some(&0)) {
        return Err(errors::plain(lua, "JSON parser does not support UTF-16 or UTF-32"));
    }
    let mut p = Parser { lua, c, text, at: 0, start: 0, depth: 0 };
    let token = p.next();
    let value = p.value(token)?;
    let token = p.next();
    if !matches!(token, Token::End) {
        return Err(p.unexpected("the end", &token));
    }
    Ok(value)
}

impl Parser<'_> {
    fn unexpected(&self, expected: &str, found: &Token) -> mlua::Error {
        errors::plain(
            self.lua,
            format!("Expected {expected} but found {} at character {}", found.name(), self.start + 1),
        )
    }

    fn next(&mut self) -> Token {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.start = self.at;
        let Some(&b) = self.text.get(self.at) else { return Token::End };
        let single = |t| (t, 1);
        let (token, n) = match b {
            b'{' => single(Token::ObjectBegin),
            b'}' => single(Token::ObjectEnd),
            b'[' => single(Token::ArrayBegin),
            b']' => single(Token::ArrayEnd),
            b',' => single(Token::Comma),
            b':' => single(Token::Colon),
            b'"' => return self.string(),
            0 => (Token::Invalid("invalid token"), 0),
            b'-' | b'0'..=b'9' => {
                if !self.c.decode_invalid && self.invalid_number() {
                    return Token::Invalid("invalid number");
                }
                return self.number();
            }
            b't' if self.word(b"true") => (Token::Boolean(true), 4),
            b'f' if self.word(b"false") => (Token::Boolean(false), 5),
            b'n' if self.word(b"null") => (Token::Null, 4),
            b'+' | b'i' | b'I' | b'n' | b'N' if self.c.decode_invalid && self.invalid_number() => return self.number(),
            _ => (Token::Invalid("invalid token"), 0),
        };
        self.at += n;
        token
    }

    fn word(&self, word: &[u8]) -> bool {
        self.text.get(self.at..).is_some_and(|t| t.starts_with(word))
    }

    /// Whether what comes is no number of JSON although C reads it as one.
    fn invalid_number(&self) -> bool {
        let t = self.text.get(self.at..).unwrap_or_default();
        if t.first() == Some(&b'+') {
            return true;
        }
        let t = t.strip_prefix(b"-").unwrap_or(t);
        match t.first() {
            Some(b'0') => matches!(t.get(1), Some(b'x' | b'X' | b'0'..=b'9')),
            Some(b'1'..=b'9') => false,
            _ => {
                let begins = |w: &[u8]| t.get(..3).is_some_and(|b| b.eq_ignore_ascii_case(w));
                begins(b"inf") || begins(b"nan")
            }
        }
    }

    fn number(&mut self) -> Token {
        let rest = self.text.get(self.at..).unwrap_or_default();
        match c_number(rest) {
            Some((n, used, whole)) => {
                self.at += used;
                match whole {
                    Some(i) => Token::Integer(i),
                    None => Token::Number(n),
                }
            }
            None => Token::Invalid("invalid number"),
        }
    }

    fn string(&mut self) -> Token {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let Some(&b) = self.text.get(self.at) else {
                return self.invalid("unexpected end of string");
            };
            match b {
                b'"' => {
                    self.at += 1;
                    return Token::String(out);
                }
                b'\\' => {
                    let escape = self.text.get(self.at + 1).copied().unwrap_or(0);
                    let plain = match escape {
                        b'"' | b'\\' | b'/' => escape,
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'u' => match self.unicode(&mut out) {
                            Some(()) => continue,
                            None => return self.invalid("invalid unicode escape code"),
                        },
                        _ => return self.invalid("invalid escape code"),
                    };
                    out.push(plain);
                    self.at += 2;
                }
                0 => return self.invalid("invalid token"),
                b => {
                    out.push(b);
                    self.at += 1;
                }
            }
        }
    }

    fn invalid(&mut self, why: &'static str) -> Token {
        self.start = self.at;
        Token::Invalid(why)
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        digits.iter().try_fold(0, |n, d| Some(n * 16 + char::from(*d).to_digit(16)?))
    }

    /// `\uXXXX`, of two surrogates both.
    fn unicode(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let mut code = self.hex(self.at + 2)?;
        let mut used = 6;
        if code & 0xf800 == 0xd800 {
            if code & 0x400 != 0 {
                return None;
            }
            if self.text.get(self.at + 6) != Some(&b'\\') || self.text.get(self.at + 7) != Some(&b'u') {
                return None;
            }
            let low = self.hex(self.at + 8)?;
            if low & 0xfc00 != 0xdc00 {
                return None;
            }
            code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
            used = 12;
        }
        let c = char::from_u32(code)?;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += used;
        Some(())
    }

    fn value(&mut self, token: Token) -> mlua::Result<Value> {
        Ok(match token {
            Token::String(s) => Value::String(self.lua.create_string(s)?),
            Token::Number(n) => Value::Number(n),
            Token::Integer(n) => Value::Integer(n),
            Token::Boolean(b) => Value::Boolean(b),
            Token::Null => Value::NULL,
            Token::ObjectBegin => self.object()?,
            Token::ArrayBegin => self.array()?,
            other => return Err(self.unexpected("value", &other)),
        })
    }

    fn descend(&mut self) -> mlua::Result<()> {
        self.depth += 1;
        if self.depth > self.c.decode_max_depth.min(HARD_DEPTH) {
            return Err(errors::plain(
                self.lua,
                format!("Found too many nested data structures ({}) at character {}", self.depth, self.at),
            ));
        }
        Ok(())
    }

    fn object(&mut self) -> mlua::Result<Value> {
        self.descend()?;
        let t = self.lua.create_table()?;
        let mut token = self.next();
        if matches!(token, Token::ObjectEnd) {
            self.depth -= 1;
            return Ok(Value::Table(t));
        }
        loop {
            let Token::String(key) = token else {
                return Err(self.unexpected("object key string", &token));
            };
            token = self.next();
            if !matches!(token, Token::Colon) {
                return Err(self.unexpected("colon", &token));
            }
            token = self.next();
            let v = self.value(token)?;
            t.raw_set(self.lua.create_string(key)?, v)?;
            token = self.next();
            match token {
                Token::ObjectEnd => {
                    self.depth -= 1;
                    return Ok(Value::Table(t));
                }
                Token::Comma => token = self.next(),
                other => return Err(self.unexpected("comma or object end", &other)),
            }
        }
    }

    fn array(&mut self) -> mlua::Result<Value> {
        self.descend()?;
        let t = self.lua.create_table()?;
        if self.c.array_mt {
            t.set_metatable(Some(self.c.array_metatable.clone()))?;
        }
        let mut token = self.next();
        if matches!(token, Token::ArrayEnd) {
            self.depth -= 1;
            return Ok(Value::Table(t));
        }
        for i in 1.. {
            let v = self.value(token)?;
            t.raw_set(i, v)?;
            token = self.next();
            match token {
                Token::ArrayEnd => break,
                Token::Comma => token = self.next(),
                other => return Err(self.unexpected("comma or array end", &other)),
            }
        }
        self.depth -= 1;
        Ok(Value::Table(t))
    }
}

/// A number as C's `strtod` reads it: the value, the bytes used, and the integer if it is one that is exact.
fn c_number(text: &[u8]) -> Option<(f64, usize, Option<i64>)> {
    let (sign, mut at) = match text.first() {
        Some(b'-') => (-1.0, 1),
        Some(b'+') => (1.0, 1),
        _ => (1.0, 0),
    };
    let rest = text.get(at..)?;
    let begins = |w: &[u8]| rest.get(..w.len()).is_some_and(|b| b.eq_ignore_ascii_case(w));
    if begins(b"infinity") {
        return Some((sign * f64::INFINITY, at + 8, None));
    }
    if begins(b"inf") {
        return Some((sign * f64::INFINITY, at + 3, None));
    }
    if begins(b"nan") {
        return Some((f64::NAN.copysign(sign), at + 3, None));
    }
    if begins(b"0x") && rest.get(2).is_some_and(u8::is_ascii_hexdigit) {
        let digits = rest.get(2..)?.iter().take_while(|b| b.is_ascii_hexdigit());
        let (mut n, mut used) = (0.0, 2);
        for d in digits {
            n = n * 16.0 + f64::from(char::from(*d).to_digit(16)?);
            used += 1;
        }
        let n = sign * n;
        return Some((n, at + used, crate::number::whole(n).filter(|i| i.abs() < 1 << 53)));
    }
    let digits = |from: usize| text.get(from..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(at);
    at += whole;
    let mut fraction = 0;
    if text.get(at) == Some(&b'.') {
        fraction = digits(at + 1);
        if whole + fraction > 0 {
            at += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return None;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let signed = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let n = digits(at + 1 + signed);
        if n > 0 {
            at += 1 + signed + n;
        }
    }
    let n: f64 = std::str::from_utf8(text.get(..at)?).ok()?.trim_start_matches('+').parse().ok()?;
    let negative_zero = n == 0.0 && n.is_sign_negative();
    Some((n, at, crate::number::whole(n).filter(|i| i.abs() < 1 << 53 && !negative_zero)))
}
