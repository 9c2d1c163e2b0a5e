//! Reply values: what a client reads from a server, in RESP2 and RESP3, and the encoding of its requests.
//!
//! Nothing is normalised: a `Value` keeps the type byte and the text that were on the wire, so that two replies are
//! equal exactly when their bytes are. The reader is resumable ([`Decoder`]): each byte is looked at once, however
//! the reply is cut into packets.

use std::fmt;

/// A reply, as it was on the wire.
#[derive(Clone, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Value {
    /// `+text`: a status.
    Simple(Vec<u8>),
    /// `-text`: an error.
    Error(Vec<u8>),
    /// `:n`.
    Integer(i64),
    /// `$n` and its bytes.
    Bulk(Vec<u8>),
    /// `*n` and its elements.
    Array(Vec<Value>),
    /// `$-1`: RESP2's missing string.
    NullBulk,
    /// `*-1`: RESP2's missing array.
    NullArray,
    /// `_`: RESP3's null.
    Null,
    /// `#t` or `#f`.
    Boolean(bool),
    /// `,text`: a double, with the digits the server chose; [`Value::as_f64`] is its number.
    Double(Vec<u8>),
    /// `(text`: an integer of any size, as its decimal digits.
    BigNumber(Vec<u8>),
    /// `!n` and its bytes: an error that may hold line breaks.
    BlobError(Vec<u8>),
    /// `=n`, three bytes of format, a colon and the text.
    Verbatim([u8; 3], Vec<u8>),
    /// `%n` and n pairs, in the order they came.
    Map(Vec<(Value, Value)>),
    /// `~n` and its elements, in the order they came.
    Set(Vec<Value>),
    /// `>n` and its elements: a message out of band.
    Push(Vec<Value>),
    /// `|n`, n pairs about the value that follows, and that value.
    Attribute(Vec<(Value, Value)>, Box<Value>),
}

impl Value {
    /// The bytes of a status, string, verbatim string, big number or double; `None` for every other type.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(b) | Value::Bulk(b) | Value::Verbatim(_, b) | Value::BigNumber(b) | Value::Double(b) => {
                Some(b)
            }
            _ => None,
        }
    }

    /// The bytes of [`Value::as_bytes`] as text, with what is not UTF-8 replaced.
    pub fn as_text(&self) -> Option<String> {
        self.as_bytes().map(|b| String::from_utf8_lossy(b).into_owned())
    }

    /// The number of an integer reply.
    pub fn as_int(&self) -> Option<i64> {
        if let Value::Integer(n) = self { Some(*n) } else { None }
    }

    /// The number of a double, an integer, or a string that reads as a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "callers ask for a double")]
            Value::Integer(n) => Some(*n as f64),
            other => parse_double(other.as_bytes()?),
        }
    }

    /// The elements of an array, a set or a push.
    pub fn as_slice(&self) -> Option<&[Value]> {
        match self {
            Value::Array(v) | Value::Set(v) | Value::Push(v) => Some(v),
            _ => None,
        }
    }

    /// The pairs of a map, or of an array with an even number of elements, which is how RESP2 sends one.
    pub fn as_pairs(&self) -> Option<Vec<(&Value, &Value)>> {
        match self {
            Value::Map(v) => Some(v.iter().map(|(k, v)| (k, v)).collect()),
            Value::Array(v) if v.len() % 2 == 0 => Some(
                v.chunks_exact(2)
                    .filter_map(|c| match c {
                        [k, v] => Some((k, v)),
                        _ => None,
                    })
                    .collect(),
            ),
            _ => None,
        }
    }

    /// The line of an error (`-` or `!`), without its type byte.
    pub fn as_error(&self) -> Option<&[u8]> {
        match self {
            Value::Error(b) | Value::BlobError(b) => Some(b),
            _ => None,
        }
    }

    /// Whether this is one of the three nulls.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null | Value::NullBulk | Value::NullArray)
    }

    /// Whether this is an out-of-band message.
    pub fn is_push(&self) -> bool {
        matches!(self, Value::Push(_))
    }

    /// Whether this is the status `text`.
    pub fn is_status(&self, text: &str) -> bool {
        matches!(self, Value::Simple(b) if b == text.as_bytes())
    }

    /// The type's name, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Simple(_) => "status",
            Value::Error(_) => "error",
            Value::Integer(_) => "integer",
            Value::Bulk(_) => "string",
            Value::Array(_) => "array",
            Value::NullBulk => "null string",
            Value::NullArray => "null array",
            Value::Null => "null",
            Value::Boolean(_) => "boolean",
            Value::Double(_) => "double",
            Value::BigNumber(_) => "big number",
            Value::BlobError(_) => "blob error",
            Value::Verbatim(..) => "verbatim string",
            Value::Map(_) => "map",
            Value::Set(_) => "set",
            Value::Push(_) => "push",
            Value::Attribute(..) => "attribute",
        }
    }

    /// Appends the value's bytes on the wire to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Value::Simple(b) => line(out, b'+', b),
            Value::Error(b) => line(out, b'-', b),
            Value::Integer(n) => line(out, b':', itoa::Buffer::new().format(*n).as_bytes()),
            Value::Bulk(b) => blob(out, b'$', &[], b),
            Value::Array(v) => many(out, b'*', v),
            Value::NullBulk => out.extend_from_slice(b"$-1\r\n"),
            Value::NullArray => out.extend_from_slice(b"*-1\r\n"),
            Value::Null => out.extend_from_slice(b"_\r\n"),
            Value::Boolean(b) => line(out, b'#', if *b { b"t" } else { b"f" }),
            Value::Double(b) => line(out, b',', b),
            Value::BigNumber(b) => line(out, b'(', b),
            Value::BlobError(b) => blob(out, b'!', &[], b),
            Value::Verbatim([a, b, c], text) => blob(out, b'=', &[*a, *b, *c, b':'], text),
            Value::Map(v) => pairs(out, b'%', v),
            Value::Set(v) => many(out, b'~', v),
            Value::Push(v) => many(out, b'>', v),
            Value::Attribute(v, about) => {
                pairs(out, b'|', v);
                about.encode(out);
            }
        }
    }
}

fn line(out: &mut Vec<u8>, kind: u8, text: &[u8]) {
    out.push(kind);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn blob(out: &mut Vec<u8>, kind: u8, prefix: &[u8], text: &[u8]) {
    line(out, kind, itoa::Buffer::new().format(prefix.len() + text.len()).as_bytes());
    out.extend_from_slice(prefix);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn many(out: &mut Vec<u8>, kind: u8, items: &[Value]) {
    line(out, kind, itoa::Buffer::new().format(items.len()).as_bytes());
    for item in items {
        item.encode(out);
    }
}

fn pairs(out: &mut Vec<u8>, kind: u8, items: &[(Value, Value)]) {
    line(out, kind, itoa::Buffer::new().format(items.len()).as_bytes());
    for (k, v) in items {
        k.encode(out);
        v.encode(out);
    }
}

fn parse_double(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// A one-line notation in which values of different types or bytes differ: strings quoted with escapes, `(error) …`,
/// `[a, b]`, `{k: v}`, `set{…}`, `push[…]`, `nil`, `nil-array`, `null`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<'a>(f: &mut fmt::Formatter<'_>, items: impl Iterator<Item = &'a Value>) -> fmt::Result {
            for (i, item) in items.enumerate() {
                write!(f, "{}{item}", if i > 0 { ", " } else { "" })?;
            }
            Ok(())
        }
        fn map(f: &mut fmt::Formatter<'_>, items: &[(Value, Value)]) -> fmt::Result {
            for (i, (k, v)) in items.iter().enumerate() {
                write!(f, "{}{k}: {v}", if i > 0 { ", " } else { "" })?;
            }
            Ok(())
        }
        match self {
            Value::Simple(b) => write!(f, "+{}", plain(b)),
            Value::Error(b) => write!(f, "(error) {}", plain(b)),
            Value::BlobError(b) => write!(f, "(blob error) {}", plain(b)),
            Value::Integer(n) => write!(f, "{n}"),
            Value::Bulk(b) => write!(f, "\"{}\"", plain(b)),
            Value::NullBulk => f.write_str("nil"),
            Value::NullArray => f.write_str("nil-array"),
            Value::Null => f.write_str("null"),
            Value::Boolean(b) => write!(f, "#{b}"),
            Value::Double(b) => write!(f, ",{}", plain(b)),
            Value::BigNumber(b) => write!(f, "({}", plain(b)),
            Value::Verbatim(k, b) => write!(f, "={}:\"{}\"", plain(k), plain(b)),
            Value::Array(v) => {
                f.write_str("[")?;
                list(f, v.iter())?;
                f.write_str("]")
            }
            Value::Set(v) => {
                f.write_str("set{")?;
                list(f, v.iter())?;
                f.write_str("}")
            }
            Value::Push(v) => {
                f.write_str("push[")?;
                list(f, v.iter())?;
                f.write_str("]")
            }
            Value::Map(v) => {
                f.write_str("{")?;
                map(f, v)?;
                f.write_str("}")
            }
            Value::Attribute(v, about) => {
                f.write_str("|{")?;
                map(f, v)?;
                write!(f, "}} {about}")
            }
        }
    }
}

/// Printable ASCII as it is, the rest as escapes; quotes and backslashes escaped, but for the single quotes of messages.
fn plain(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\'", "'")
}

/// Why bytes are no reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// The first byte of a value is no type byte.
    Type(u8),
    /// A length, a number, a boolean or a terminator is malformed; what was expected.
    Malformed(&'static str),
    /// A limit of [`Limits`] was passed; which one.
    Limit(&'static str),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Type(b) => write!(f, "'{}' begins no reply", b.escape_ascii()),
            DecodeError::Malformed(what) => write!(f, "malformed reply: {what} expected"),
            DecodeError::Limit(what) => write!(f, "reply over the limit of {what}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// What a reply may not pass.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Values within values; 128 by default.
    pub depth: usize,
    /// Bytes of one line (status, error, number, length); 64 KiB by default.
    pub line: usize,
    /// Bytes of one string; 1 GiB by default.
    pub blob: usize,
    /// Elements of one array, set or push, pairs of one map; 2^30 by default. Memory is only taken as elements arrive.
    pub elements: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { depth: 128, line: 64 << 10, blob: 1 << 30, elements: 1 << 30 }
    }
}

/// An aggregate whose elements are still coming.
#[derive(Debug)]
struct Frame {
    kind: u8,
    /// Values still to come (of a map, two per pair).
    missing: usize,
    items: Vec<Value>,
}

/// A resumable reader of replies: keeps what is complete of a reply, so that no byte is parsed twice.
#[derive(Debug, Default)]
pub struct Decoder {
    limits: Limits,
    stack: Vec<Frame>,
}

impl Decoder {
    /// A reader with limits of its own.
    pub fn new(limits: Limits) -> Self {
        Decoder { limits, stack: Vec::new() }
    }

    /// Whether a reply has begun and is not complete.
    pub fn is_partial(&self) -> bool {
        !self.stack.is_empty()
    }

    /// Reads from `input`, the bytes that follow those consumed before. Returns how many are consumed now, which may be
    /// more than zero without a complete reply, and the reply if it is complete. After an error the reader is of no use.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, Option<Value>), DecodeError> {
        let mut consumed = 0;
        while let Some(rest) = input.get(consumed..).filter(|r| !r.is_empty()) {
            let Some((used, token)) = self.token(rest)? else { break };
            consumed += used;
            if let Some(value) = self.place(token)? {
                return Ok((consumed, Some(value)));
            }
        }
        Ok((consumed, None))
    }

    /// Adds a value, or opens an aggregate; closes the aggregates that are complete with it.
    fn place(&mut self, token: Token) -> Result<Option<Value>, DecodeError> {
        let mut value = match token {
            Token::Value(v) => v,
            Token::Open { kind, count } => {
                if self.stack.len() >= self.limits.depth {
                    return Err(DecodeError::Limit("depth"));
                }
                let missing = match kind {
                    b'%' => count.saturating_mul(2),
                    b'|' => count.saturating_mul(2).saturating_add(1),
                    _ => count,
                };
                // An element takes three bytes at least: no count makes us take memory before its bytes are there.
                let frame = Frame { kind, missing, items: Vec::with_capacity(missing.min(64)) };
                if missing > 0 {
                    self.stack.push(frame);
                    return Ok(None);
                }
                close(frame)
            }
        };
        loop {
            let Some(top) = self.stack.last_mut() else { return Ok(Some(value)) };
            top.items.push(value);
            top.missing -= 1;
            if top.missing > 0 {
                return Ok(None);
            }
            let Some(frame) = self.stack.pop() else { return Ok(None) };
            value = close(frame);
        }
    }

    fn token(&self, input: &[u8]) -> Result<Option<(usize, Token)>, DecodeError> {
        let Some((&kind, rest)) = input.split_first() else { return Ok(None) };
        if !b"+-:$*_#,(!=%~>|".contains(&kind) {
            return Err(DecodeError::Type(kind));
        }
        let window = rest.get(..self.limits.line + 1).unwrap_or(rest);
        let Some(cr) = memchr::memchr(b'\r', window) else {
            if window.len() > self.limits.line {
                return Err(DecodeError::Limit("line length"));
            }
            return Ok(None);
        };
        let Some((text, after)) = rest.split_at_checked(cr) else { return Ok(None) };
        match after.get(1) {
            None => return Ok(None),
            Some(b'\n') => {}
            Some(_) => return Err(DecodeError::Malformed("line feed")),
        }
        let head = 1 + cr + 2;
        let value = match kind {
            b'+' => Value::Simple(text.to_vec()),
            b'-' => Value::Error(text.to_vec()),
            b':' => Value::Integer(integer(text)?),
            b'_' if text.is_empty() => Value::Null,
            b'_' => return Err(DecodeError::Malformed("end of line after null")),
            b'#' => match text {
                b"t" => Value::Boolean(true),
                b"f" => Value::Boolean(false),
                _ => return Err(DecodeError::Malformed("boolean")),
            },
            b',' => {
                parse_double(text).ok_or(DecodeError::Malformed("double"))?;
                Value::Double(text.to_vec())
            }
            b'(' => {
                let digits = text.strip_prefix(b"-").unwrap_or(text);
                if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                    return Err(DecodeError::Malformed("big number"));
                }
                Value::BigNumber(text.to_vec())
            }
            b'$' | b'!' | b'=' => {
                let n = integer(text)?;
                if n == -1 && kind == b'$' {
                    return Ok(Some((head, Token::Value(Value::NullBulk))));
                }
                let n = usize::try_from(n).map_err(|_| DecodeError::Malformed("length"))?;
                if n > self.limits.blob {
                    return Err(DecodeError::Limit("string length"));
                }
                let Some(body) = input.get(head..head + n + 2) else { return Ok(None) };
                let Some((body, b"\r\n")) = body.split_at_checked(n) else {
                    return Err(DecodeError::Malformed("end of line after string"));
                };
                let value = match (kind, body) {
                    (b'$', _) => Value::Bulk(body.to_vec()),
                    (b'!', _) => Value::BlobError(body.to_vec()),
                    (_, [a, b, c, b':', text @ ..]) => Value::Verbatim([*a, *b, *c], text.to_vec()),
                    _ => return Err(DecodeError::Malformed("format of a verbatim string")),
                };
                return Ok(Some((head + n + 2, Token::Value(value))));
            }
            _ => {
                let n = integer(text)?;
                if n == -1 && kind == b'*' {
                    return Ok(Some((head, Token::Value(Value::NullArray))));
                }
                let count = usize::try_from(n).map_err(|_| DecodeError::Malformed("count"))?;
                if count > self.limits.elements {
                    return Err(DecodeError::Limit("elements"));
                }
                return Ok(Some((head, Token::Open { kind, count })));
            }
        };
        Ok(Some((head, Token::Value(value))))
    }
}

enum Token {
    Value(Value),
    Open { kind: u8, count: usize },
}

/// The value of an aggregate with all its elements.
fn close(frame: Frame) -> Value {
    let Frame { kind, mut items, .. } = frame;
    let about = if kind == b'|' { items.pop() } else { None };
    if kind == b'%' || kind == b'|' {
        let mut paired = Vec::with_capacity(items.len() / 2);
        let mut items = items.into_iter();
        while let (Some(k), Some(v)) = (items.next(), items.next()) {
            paired.push((k, v));
        }
        return match about {
            Some(v) => Value::Attribute(paired, Box::new(v)),
            None => Value::Map(paired),
        };
    }
    match kind {
        b'~' => Value::Set(items),
        b'>' => Value::Push(items),
        _ => Value::Array(items),
    }
}

fn integer(text: &[u8]) -> Result<i64, DecodeError> {
    std::str::from_utf8(text).ok().and_then(|s| s.parse().ok()).ok_or(DecodeError::Malformed("integer"))
}

/// Reads one reply from the start of `input` with the default limits: the value and how many bytes it took, or `None`
/// if more bytes are needed. A reader of a stream is better off with a [`Decoder`], which does not begin again.
pub fn decode(input: &[u8]) -> Result<Option<(Value, usize)>, DecodeError> {
    let (used, value) = Decoder::default().decode(input)?;
    Ok(value.map(|v| (v, used)))
}

/// The request of a command: an array of its arguments as strings.
pub fn encode_command<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + args.iter().map(|a| a.as_ref().len() + 16).sum::<usize>());
    encode_command_into(args, &mut out);
    out
}

/// Appends the request of a command to `out`.
pub fn encode_command_into<A: AsRef<[u8]>>(args: &[A], out: &mut Vec<u8>) {
    line(out, b'*', itoa::Buffer::new().format(args.len()).as_bytes());
    for arg in args {
        blob(out, b'$', &[], arg.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(bytes: &[u8]) -> Value {
        let (v, n) = decode(bytes).unwrap().unwrap();
        assert_eq!(n, bytes.len());
        v
    }

    #[test]
    fn every_type() {
        assert_eq!(one(b"+OK\r\n"), Value::Simple(b"OK".to_vec()));
        assert_eq!(one(b"-ERR no\r\n"), Value::Error(b"ERR no".to_vec()));
        assert_eq!(one(b":-9223372036854775808\r\n"), Value::Integer(i64::MIN));
        assert_eq!(one(b"$0\r\n\r\n"), Value::Bulk(vec![]));
        assert_eq!(one(b"$4\r\n\r\n\r\n\r\n"), Value::Bulk(b"\r\n\r\n".to_vec()));
        assert_eq!(one(b"$-1\r\n"), Value::NullBulk);
        assert_eq!(one(b"*-1\r\n"), Value::NullArray);
        assert_eq!(one(b"*0\r\n"), Value::Array(vec![]));
        assert_eq!(one(b"_\r\n"), Value::Null);
        assert_eq!(one(b"#t\r\n"), Value::Boolean(true));
        assert_eq!(one(b",-inf\r\n").as_f64(), Some(f64::NEG_INFINITY));
        assert_eq!(one(b",1.50\r\n"), Value::Double(b"1.50".to_vec()));
        assert_eq!(one(b"(-123456789012345678901234567890\r\n").kind(), "big number");
        assert_eq!(one(b"!5\r\nERR x\r\n"), Value::BlobError(b"ERR x".to_vec()));
        assert_eq!(one(b"=8\r\ntxt:abcd\r\n"), Value::Verbatim(*b"txt", b"abcd".to_vec()));
        assert_eq!(one(b"%1\r\n+a\r\n:1\r\n"), Value::Map(vec![(Value::Simple(b"a".to_vec()), Value::Integer(1))]));
        assert_eq!(one(b"~1\r\n:1\r\n"), Value::Set(vec![Value::Integer(1)]));
        assert_eq!(one(b">1\r\n:1\r\n"), Value::Push(vec![Value::Integer(1)]));
        let attribute = one(b"|1\r\n+k\r\n:5\r\n*2\r\n:1\r\n%0\r\n");
        assert_eq!(attribute.to_string(), "|{+k: 5} [1, {}]");
    }

    #[test]
    fn refuses() {
        assert_eq!(decode(b"hello"), Err(DecodeError::Type(b'h')));
        for bad in [
            &b":1x\r\n"[..],
            b":\r\n",
            b"$-2\r\n",
            b"$1\r\nabc",
            b"#x\r\n",
            b",x\r\n",
            b"(1.5\r\n",
            b"(\r\n",
            b"_x\r\n",
            b"+a\rb",
            b"=2\r\nab\r\n",
            b"%-1\r\n",
            b"*1x\r\n",
            b"$?\r\n",
            b"*?\r\n",
        ] {
            assert!(matches!(decode(bad), Err(DecodeError::Malformed(_))), "{}", bad.escape_ascii());
        }
        let deep = b"*1\r\n".repeat(129);
        assert_eq!(decode(&deep), Err(DecodeError::Limit("depth")));
        assert_eq!(decode(&deep[..4 * 128]), Ok(None));
        let mut small = Decoder::new(Limits { line: 4, blob: 3, elements: 2, ..Limits::default() });
        assert_eq!(small.decode(b"+12345"), Err(DecodeError::Limit("line length")));
        assert_eq!(small.decode(b"$4\r\n"), Err(DecodeError::Limit("string length")));
        assert_eq!(small.decode(b"*3\r\n"), Err(DecodeError::Limit("elements")));
        // A count alone takes no memory.
        assert_eq!(decode(b"*1000000000\r\n"), Ok(None));
    }

    #[test]
    fn requests() {
        assert_eq!(encode_command(&["SET", "k", ""]), b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
    }

    fn arb() -> impl Strategy<Value = Value> {
        let text = "[ -~]{0,12}".prop_map(String::into_bytes);
        let bytes = prop::collection::vec(any::<u8>(), 0..20);
        let leaf = prop_oneof![
            text.clone().prop_map(Value::Simple),
            text.prop_map(Value::Error),
            any::<i64>().prop_map(Value::Integer),
            bytes.clone().prop_map(Value::Bulk),
            bytes.clone().prop_map(Value::BlobError),
            bytes.prop_map(|b| Value::Verbatim(*b"txt", b)),
            any::<bool>().prop_map(Value::Boolean),
            any::<f64>().prop_map(|d| Value::Double(d.to_string().into_bytes())),
            any::<i128>().prop_map(|n| Value::BigNumber(n.to_string().into_bytes())),
            Just(Value::Null),
            Just(Value::NullBulk),
            Just(Value::NullArray),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let items = prop::collection::vec(inner.clone(), 0..5);
            let pairs = prop::collection::vec((inner.clone(), inner.clone()), 0..4);
            prop_oneof![
                items.clone().prop_map(Value::Array),
                items.clone().prop_map(Value::Set),
                items.prop_map(Value::Push),
                pairs.clone().prop_map(Value::Map),
                (pairs, inner).prop_map(|(p, v)| Value::Attribute(p, Box::new(v))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn round_trip_in_pieces(values in prop::collection::vec(arb(), 1..4), cuts in prop::collection::vec(1usize..9, 1..9)) {
            let mut wire = Vec::new();
            values.iter().for_each(|v| v.encode(&mut wire));
            let (mut decoder, mut got, mut seen, mut start) = (Decoder::default(), Vec::new(), 0, 0);
            let mut cuts = cuts.iter().cycle();
            while start < wire.len() {
                let (used, value) = decoder.decode(&wire[start..seen]).unwrap();
                start += used;
                match value {
                    Some(v) => got.push(v),
                    None => {
                        prop_assert!(seen < wire.len(), "incomplete with all its bytes");
                        seen = wire.len().min(seen + cuts.next().unwrap());
                    }
                }
            }
            prop_assert_eq!(got, values);
        }

        #[test]
        fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(prop_oneof![
            prop::sample::select(b"+-:$*_#,(!=%~>|\r\n0123456789-tf".to_vec()), any::<u8>()], 0..64)) {
            if let Ok(Some((v, n))) = decode(&bytes) {
                prop_assert!(n <= bytes.len());
                let mut again = Vec::new();
                v.encode(&mut again);
                prop_assert_eq!(decode(&again).unwrap().unwrap().0, v);
            }
        }
    }
}
