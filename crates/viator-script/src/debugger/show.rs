//! How the debugger shows values and replies.

use crate::errors::type_name;
use crate::number;
use mlua::{Table, Value};
use viator_resp::reply::Reply;

/// How deep tables are shown.
const MAX_DEPTH: usize = 10;
/// Most arguments of a command that are shown.
const MAX_ARGS: usize = 10;
/// Most bytes of one value; the client's own limit is lower, unless it takes it away.
const MAX_SHOWN: usize = 1 << 20;

/// A value as text.
pub(crate) fn value(v: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(v, &mut out, 0);
    out
}

fn write(v: &Value, out: &mut Vec<u8>, depth: usize) {
    if depth == MAX_DEPTH {
        out.extend_from_slice(b"<max recursion level reached! Nested table?>");
        return;
    }
    match v {
        Value::Nil => out.extend_from_slice(b"nil"),
        Value::Boolean(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Value::Integer(n) => out.extend_from_slice(n.to_string().as_bytes()),
        Value::Number(n) => number::shortest(*n, out),
        Value::String(s) => quoted(&s.as_bytes(), out),
        Value::Table(t) => table(t, out, depth),
        Value::LightUserData(_) => out.extend_from_slice(b"\"light-userdata@(nil)\""),
        other => out.extend_from_slice(format!("\"{}@{:p}\"", type_name(other), other.to_pointer()).as_bytes()),
    }
}

/// A list as `{1; 2}`, another table as `{["a"]=1; [2]="b"}`.
fn table(t: &Table, out: &mut Vec<u8>, depth: usize) {
    // read-only tables stand in front of real ones
    let behind = t.metatable().and_then(|m| m.raw_get::<Table>("__index").ok()).filter(|_| t.is_empty());
    let t = behind.as_ref().unwrap_or(t);
    let (mut n, mut list) = (0, true);
    let counted = t.for_each(|k: Value, _: Value| {
        n += 1;
        list &= matches!(k, Value::Integer(i) if i == n);
        Ok(())
    });
    out.push(b'{');
    let mut first = true;
    let shown = t.for_each(|k: Value, v: Value| {
        if out.len() > MAX_SHOWN {
            return Ok(());
        }
        if !std::mem::take(&mut first) {
            out.extend_from_slice(b"; ");
        }
        if !list {
            out.push(b'[');
            write(&k, out, depth + 1);
            out.extend_from_slice(b"]=");
        }
        write(&v, out, depth + 1);
        Ok(())
    });
    drop((counted, shown)); // the functions above do not fail
    out.push(b'}');
}

/// A string in quotes, what cannot be printed as escapes.
fn quoted(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for b in bytes {
        match b {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', *b]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            7 => out.extend_from_slice(b"\\a"),
            8 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(*b),
            _ => out.extend_from_slice(format!("\\x{b:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}

/// A command.
pub(super) fn command<'a>(args: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = b"<redis>".to_vec();
    let n = args.len();
    for (i, arg) in args.enumerate() {
        if i == MAX_ARGS {
            out.extend_from_slice(format!(" ... ({} more)", n - i - 1).as_bytes());
            break;
        }
        out.push(b' ');
        out.extend_from_slice(arg);
    }
    out
}

/// A command's reply.
pub(super) fn reply(reply: &Reply) -> Vec<u8> {
    let bytes = reply.flatten();
    let mut out = Vec::new();
    Replied { bytes: &bytes, at: 0 }.write(&mut out, 0);
    out
}

struct Replied<'r> {
    bytes: &'r [u8],
    at: usize,
}

impl<'r> Replied<'r> {
    fn line(&mut self) -> &'r [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|b| *b == b'\r').unwrap_or(rest.len());
        self.at += end + 2;
        rest.get(..end).unwrap_or_default()
    }

    fn write(&mut self, out: &mut Vec<u8>, depth: usize) {
        let line = self.line();
        let Some((tag, rest)) = line.split_first() else { return };
        let n = viator_data::num::parse_i64(rest).and_then(|n| usize::try_from(n).ok());
        match (tag, n) {
            (b':', _) => out.extend_from_slice(rest),
            (b'+' | b'-', _) => quoted(line, out),
            (b'$' | b'=', Some(n)) => {
                let text = self.bytes.get(self.at..self.at + n).unwrap_or_default();
                // a verbatim string begins with its format
                quoted(if *tag == b'=' { text.get(4..).unwrap_or_default() } else { text }, out);
                self.at += n + 2;
            }
            (b'$' | b'*', None) => out.extend_from_slice(b"NULL"),
            (b'_', _) => out.extend_from_slice(b"(null)"),
            (b'#', _) => out.extend_from_slice(if rest == b"t" { b"#true" } else { b"#false" }),
            (b',', _) => out.extend_from_slice(&[b"(double) ", rest].concat()),
            (b'(', _) => out.extend_from_slice(rest),
            (b'*' | b'>', Some(n)) => self.list(out, depth, n, [b"[", b"]"]),
            (b'~', Some(n)) => self.list(out, depth, n, [b"~(", b")"]),
            (b'%', Some(n)) => {
                out.push(b'{');
                for i in 0..n {
                    if i > 0 {
                        out.push(b',');
                    }
                    self.write(out, depth + 1);
                    out.extend_from_slice(b" => ");
                    self.write(out, depth + 1);
                }
                out.push(b'}');
            }
            (b'|', Some(n)) if depth < MAX_DEPTH => {
                let mut unseen = Vec::new();
                for _ in 0..2 * n {
                    self.write(&mut unseen, depth + 1);
                }
                self.write(out, depth + 1);
            }
            _ => {}
        }
    }

    fn list(&mut self, out: &mut Vec<u8>, depth: usize, n: usize, marks: [&[u8]; 2]) {
        let [open, close] = marks;
        out.extend_from_slice(open);
        for i in 0..n {
            if i > 0 {
                out.push(b',');
            }
            self.write(out, depth + 1);
        }
        out.extend_from_slice(close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_as_text() {
        for (bytes, text) in [
            ("$5\r\na\"\r\nb\r\n", r#""a\"\r\nb""#),
            ("$-1\r\n", "NULL"),
            ("*-1\r\n", "NULL"),
            (":-12\r\n", "-12"),
            ("+OK\r\n", r#""+OK""#),
            ("-ERR x\r\n", r#""-ERR x""#),
            ("*3\r\n:0\r\n*0\r\n$1\r\na\r\n", r#"[0,[],"a"]"#),
            ("%2\r\n+a\r\n#t\r\n+b\r\n#f\r\n", r#"{"+a" => #true,"+b" => #false}"#),
            ("~2\r\n:1\r\n_\r\n", "~(1,(null))"),
            (",1.5\r\n", "(double) 1.5"),
            ("|1\r\n+a\r\n:1\r\n:2\r\n", "2"),
            ("*2\r\n$9\r\nab\r\n", r#"["",]"#),
        ] {
            let mut r = Reply::new();
            r.raw(bytes.as_bytes());
            assert_eq!(String::from_utf8(reply(&r)).unwrap(), text);
        }
    }

    #[test]
    fn commands_as_text() {
        let args = ["a"; 12].map(str::as_bytes);
        assert_eq!(command(args.into_iter()), b"<redis> a a a a a a a a a a ... (1 more)");
    }
}
