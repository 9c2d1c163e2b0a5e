//! How two replies are compared.

use viator_client::value::Value;

/// What must be the same in two replies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Every byte.
    Exact,
    /// The type; of arrays and maps also the number of elements, and the type of each.
    Type,
    /// The kind of reply may differ too: only that there is one.
    Ignore,
    /// The elements, in any order; of a map its pairs, in any order.
    Unordered,
    /// The pairs of a flat array, in any order (HGETALL in RESP2); a map like [`Mode::Unordered`].
    Pairs,
    /// Every byte, but non-negative integers may differ by this much.
    Near(i64),
    /// Every byte, but times may differ: those of named fields (idle, seen-time…), and in a list that begins with a
    /// stream entry's id, integers that are not its last element.
    StreamTimes,
    /// A DUMP payload: without its version and checksum, and of a hash table the same bytes in any order.
    Dump,
    /// HELLO's description: without the version, the client's number and the modules.
    Hello,
    /// The first line of an error's text up to the first blank; other replies exactly.
    ErrorCode,
}

/// Whether the replies are the same as far as `mode` asks.
pub fn same(mode: Mode, a: &Value, b: &Value) -> bool {
    match (mode, a, b) {
        (Mode::Ignore, ..) => true,
        (Mode::Type, Value::Array(x), Value::Array(y))
        | (Mode::Type, Value::Set(x), Value::Set(y))
        | (Mode::Type, Value::Push(x), Value::Push(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(mode, x, y))
        }
        (Mode::Type, Value::Map(x), Value::Map(y)) => x.len() == y.len(),
        (Mode::Type, Value::Error(_), Value::Error(_)) => a == b,
        (Mode::Type, ..) => a.kind() == b.kind(),
        (Mode::Unordered, Value::Array(_), Value::Array(_))
        | (Mode::Unordered, Value::Set(_), Value::Set(_))
        | (Mode::Unordered | Mode::Pairs, Value::Map(_), Value::Map(_)) => sorted(a) == sorted(b),
        (Mode::Pairs, Value::Array(x), Value::Array(y)) if x.len() % 2 == 0 && y.len() % 2 == 0 => {
            let pairs = |v: &[Value]| {
                let mut v: Vec<_> = v.chunks(2).map(|c| (c[0].clone(), c[1].clone())).collect();
                v.sort();
                v
            };
            pairs(x) == pairs(y)
        }
        (Mode::Near(by), Value::Integer(x), Value::Integer(y)) => {
            x == y || (*x >= 0 && *y >= 0 && x.abs_diff(*y) <= by.unsigned_abs())
        }
        (Mode::Near(_), Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(mode, x, y))
        }
        (Mode::StreamTimes, ..) => same_but_times(a, b),
        (Mode::Dump, Value::Bulk(x), Value::Bulk(y)) => {
            // sets, hashes, and hashes with expiring fields that are tables: in the table's order
            let table = matches!(x.first(), Some(2 | 4 | 24));
            let content = |v: &[u8]| {
                let mut v = v[..v.len() - 10].to_vec();
                if table {
                    v[1..].sort_unstable();
                }
                v
            };
            x.len() > 10 && x.len() == y.len() && content(x) == content(y)
        }
        (Mode::Hello, ..) => match (a.as_pairs(), b.as_pairs()) {
            (Some(x), Some(y)) => {
                x.len() == y.len()
                    && a.kind() == b.kind()
                    && x.iter().zip(&y).all(|((k, v), (l, w))| {
                        let loose = matches!(k.as_bytes(), Some(b"version" | b"id" | b"server" | b"modules"));
                        k == l && if loose { v.kind() == w.kind() } else { v == w }
                    })
            }
            _ => a == b,
        },
        (Mode::ErrorCode, Value::Error(x), Value::Error(y)) => {
            let code = |e: &[u8]| e.split(|b| *b == b' ').next().map(<[u8]>::to_vec);
            code(x) == code(y)
        }
        _ => a == b,
    }
}

/// See [`Mode::StreamTimes`].
fn same_but_times(a: &Value, b: &Value) -> bool {
    const TIMES: &[&[u8]] = &[b"idle", b"inactive", b"seen-time", b"active-time"];
    let is_time = |name: &Value| name.as_bytes().is_some_and(|n| TIMES.contains(&n));
    let near = |a: &Value, b: &Value| same(Mode::Near(APART_MS), a, b);
    match (a, b) {
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            let id = x.first().is_some_and(is_stream_id);
            let time = |i: usize| match i.checked_sub(1) {
                Some(before) => is_time(&x[before]) || (id && i + 1 < x.len()),
                None => false,
            };
            (0..x.len()).all(|i| {
                if time(i) && x[i].as_int().is_some() { near(&x[i], &y[i]) } else { same_but_times(&x[i], &y[i]) }
            })
        }
        (Value::Map(x), Value::Map(y)) => {
            x.len() == y.len()
                && x.iter()
                    .zip(y)
                    .all(|((k, v), (l, w))| k == l && if is_time(k) { near(v, w) } else { same_but_times(v, w) })
        }
        _ => a == b,
    }
}

fn is_stream_id(v: &Value) -> bool {
    let text = v.as_bytes().unwrap_or_default();
    text.contains(&b'-') && text.iter().all(|b| b.is_ascii_digit() || *b == b'-')
}

/// The same value with its elements in order.
fn sorted(v: &Value) -> Value {
    match v {
        Value::Array(items) | Value::Set(items) => {
            let mut items = items.clone();
            items.sort();
            Value::Array(items)
        }
        Value::Map(pairs) => {
            let mut pairs = pairs.clone();
            pairs.sort();
            Value::Map(pairs)
        }
        other => other.clone(),
    }
}

/// Milliseconds that the two servers may be apart when a time to live is read.
const APART_MS: i64 = 5000;

/// The upper-case name of a command line: its first word, or its first two for commands with subcommands.
pub fn name(args: &[Vec<u8>]) -> String {
    let word = |i: usize| args.get(i).map(|w| String::from_utf8_lossy(w).to_ascii_uppercase()).unwrap_or_default();
    let first = word(0);
    const CONTAINERS: &[&str] = &[
        "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY", "MODULE", "OBJECT",
        "PUBSUB", "SCRIPT", "SLOWLOG", "XGROUP", "XINFO",
    ];
    if CONTAINERS.contains(&first.as_str()) && args.len() > 1 { format!("{first} {}", word(1)) } else { first }
}

/// How the replies of a command are compared where nothing else is said: exactly, but for what depends on time, on
/// chance, or on the order of a hash table.
pub fn default_mode(args: &[Vec<u8>]) -> Mode {
    match name(args).as_str() {
        "TTL" | "EXPIRETIME" | "OBJECT IDLETIME" | "HTTL" | "HEXPIRETIME" => Mode::Near(APART_MS / 1000),
        "PTTL" | "PEXPIRETIME" | "HPTTL" | "HPEXPIRETIME" => Mode::Near(APART_MS),
        "KEYS"
        | "SMEMBERS"
        | "HKEYS"
        | "HVALS"
        | "SINTER"
        | "SUNION"
        | "SDIFF"
        | "CONFIG GET"
        | "COMMAND LIST"
        | "PUBSUB CHANNELS"
        | "PUBSUB SHARDCHANNELS" => Mode::Unordered,
        "HGETALL" => Mode::Pairs,
        "XPENDING" | "XINFO CONSUMERS" | "XINFO STREAM" | "XREADGROUP" => Mode::StreamTimes,
        "RANDOMKEY" | "SPOP" | "SRANDMEMBER" | "HRANDFIELD" | "ZRANDMEMBER" | "TIME" | "LASTSAVE" | "CLIENT ID"
        | "CLIENT LIST" | "CLIENT INFO" | "INFO" | "MEMORY USAGE" | "OBJECT FREQ" | "ACL GENPASS" => Mode::Type,
        "DUMP" => Mode::Dump,
        "HELLO" => Mode::Hello,
        _ => Mode::Exact,
    }
}

#[test]
fn modes_can_tell() {
    let (i, b) = (Value::Integer, |s: &str| Value::Bulk(s.as_bytes().to_vec()));
    let list = |v: &[Value]| Value::Array(v.to_vec());
    assert!(!same(Mode::Exact, &i(1), &i(2)) && same(Mode::Type, &i(1), &i(2)) && !same(Mode::Type, &i(1), &b("1")));
    assert!(same(Mode::Near(5), &i(1), &i(6)) && !same(Mode::Near(5), &i(1), &i(7)));
    assert!(!same(Mode::Near(5), &i(-1), &i(-2)) && !same(Mode::Near(5), &i(-1), &i(0)));
    assert!(same(Mode::Unordered, &list(&[i(1), i(2)]), &list(&[i(2), i(1)])));
    assert!(!same(Mode::Unordered, &list(&[i(1), i(1)]), &list(&[i(2), i(1)])));
    assert!(!same(Mode::Unordered, &Value::Set(vec![i(1)]), &list(&[i(1)])));
    let (x, y) = (list(&[i(1), i(2), i(3), i(4)]), list(&[i(3), i(4), i(1), i(2)]));
    assert!(same(Mode::Pairs, &x, &y) && !same(Mode::Pairs, &x, &list(&[i(4), i(3), i(1), i(2)])));
    let row = |idle: i64, count: i64| list(&[b("1-0"), b("c"), i(idle), i(count)]);
    assert!(same(Mode::StreamTimes, &row(1, 2), &row(5, 2)) && !same(Mode::StreamTimes, &row(1, 2), &row(1, 3)));
    let named = |idle: i64, n: i64| list(&[b("idle"), i(idle), b("pending"), i(n)]);
    assert!(same(Mode::StreamTimes, &named(1, 2), &named(5, 2)));
    assert!(
        !same(Mode::StreamTimes, &named(1, 2), &named(1, 3)) && !same(Mode::StreamTimes, &named(-1, 2), &named(5, 2))
    );
    assert!(
        same(Mode::Dump, &b("x1234567890"), &b("xabcdefghij"))
            && !same(Mode::Dump, &b("x1234567890"), &b("y1234567890"))
    );
    assert!(!same(Mode::Type, &Value::Error(b"ERR a".to_vec()), &Value::Error(b"ERR b".to_vec())));
}
