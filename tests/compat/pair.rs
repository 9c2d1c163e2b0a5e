//! Two servers that are sent the same.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use viator_client::{Address, Client, ClientError, value::Value};

use crate::common::{PATIENCE, Server, ok, quoting, wait_until};
use crate::compare::{Mode, default_mode, same};
use crate::known;

/// One thing done on a connection of both servers.
#[derive(Clone, Debug)]
pub struct Step {
    /// The connection, from 0.
    pub conn: usize,
    /// What is done.
    pub act: Act,
}

/// What is done.
#[derive(Clone, Debug)]
pub enum Act {
    /// A command, its reply compared with the mode, or with the command's default.
    Command(Vec<Vec<u8>>, Option<Mode>),
    /// A command that blocks: its reply is read by a later `Read`.
    Send(Vec<Vec<u8>>),
    /// The next reply of the connection.
    Read(Option<Mode>),
    /// Whole iterations with a SCAN-like command, whose cursor is the argument with this index; what they give is
    /// compared as a set.
    Scan(usize, Vec<Vec<u8>>),
    /// What the connection was told meanwhile, but for replies.
    Drain,
    /// Bytes on a new connection: every byte of the answer, and whether the connection is closed.
    Raw(Vec<u8>),
}

impl Step {
    /// A command on the first connection.
    pub fn new<A: AsRef<[u8]>>(args: &[A]) -> Self {
        Self::on(0, args)
    }

    /// A command on connection `conn`.
    pub fn on<A: AsRef<[u8]>>(conn: usize, args: &[A]) -> Self {
        Step { conn, act: Act::Command(args.iter().map(|a| a.as_ref().to_vec()).collect(), None) }
    }

    /// The words sent, if it is a command.
    pub fn args(&self) -> &[Vec<u8>] {
        match &self.act {
            Act::Command(args, _) | Act::Send(args) | Act::Scan(_, args) => args,
            Act::Read(_) | Act::Drain | Act::Raw(_) => &[],
        }
    }
}

/// As a line of a script.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.conn + 1;
        match &self.act {
            Act::Command(args, _) if n == 1 => write!(f, "{}", quoting::line(args)),
            Act::Command(args, _) => write!(f, "{n}: {}", quoting::line(args)),
            Act::Send(args) => write!(f, "{n}> {}", quoting::line(args)),
            Act::Read(_) => write!(f, "{n}<"),
            Act::Drain => write!(f, "@drain {n}"),
            Act::Scan(cursor, args) => write!(f, "@scan {cursor} {}", quoting::line(args)),
            Act::Raw(bytes) => write!(f, "@raw \"{}\"", bytes.escape_ascii()),
        }
    }
}

/// A difference between the two.
#[derive(Clone, Debug)]
pub struct Diff {
    /// Where: a line of a script, or a step of a sequence.
    pub place: String,
    /// What was sent.
    pub sent: String,
    /// Our reply.
    pub ours: String,
    /// The reference's.
    pub theirs: String,
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = |s: &str| {
            if s.chars().count() > 600 { s.chars().take(600).chain("…".chars()).collect() } else { s.to_owned() }
        };
        write!(
            f,
            "{}: {}\n    ours:      {}\n    reference: {}",
            self.place,
            self.sent,
            cut(&self.ours),
            cut(&self.theirs)
        )
    }
}

/// What came back from one server.
#[derive(Clone, PartialEq, Debug)]
enum Got {
    Reply(Value),
    Closed,
    Nothing(String),
}

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Got::Reply(v) => write!(f, "{v}"),
            Got::Closed => f.write_str("(connection closed)"),
            Got::Nothing(why) => write!(f, "(no reply: {why})"),
        }
    }
}

fn got(reply: viator_client::Result<Value>) -> Got {
    match reply {
        Ok(v) => Got::Reply(v),
        Err(ClientError::Closed) => Got::Closed,
        Err(e) => Got::Nothing(e.to_string()),
    }
}

/// Whether a command changes the connection's subscriptions.
fn subscribes(args: &[Vec<u8>]) -> bool {
    let name = args.first().map(|a| a.to_ascii_uppercase()).unwrap_or_default();
    name.ends_with(b"UNSUBSCRIBE") || (name.ends_with(b"SUBSCRIBE") && args.len() > 1)
}

#[derive(Default)]
struct Conn {
    ours: Option<Client>,
    theirs: Option<Client>,
    /// The modes of the queued commands, within MULTI.
    queued: Option<Vec<Mode>>,
    /// The commands sent without reading their replies.
    waiting: Vec<Vec<Vec<u8>>>,
    /// It may listen to channels.
    listens: bool,
}

/// Sets to their defaults the directives that families vary.
#[rustfmt::skip]
const VARIED: &[&str] = &[
    "CONFIG", "SET",
    "list-max-listpack-size", "-2",
    "list-compress-depth", "0",
    "hash-max-listpack-entries", "512",
    "hash-max-listpack-value", "64",
    "hll-sparse-max-bytes", "3000",
    "set-max-intset-entries", "512",
    "set-max-listpack-entries", "128",
    "set-max-listpack-value", "64",
    "zset-max-listpack-entries", "128",
    "zset-max-listpack-value", "64",
    "stream-node-max-entries", "100",
    "stream-node-max-bytes", "4096",
    "notify-keyspace-events", "",
];

/// Connections to two servers.
pub struct Pair {
    ours: Address,
    theirs: Address,
    resp: u8,
    conns: Vec<Conn>,
    control: (Client, Client),
    missing: Vec<String>,
}

impl Pair {
    /// Both servers, spoken to in protocol `resp`, with empty databases.
    pub fn new(ours: &Server, theirs: &Server, resp: u8, missing: &[String]) -> Self {
        let control = (ours.client(), theirs.client());
        let mut pair = Pair {
            ours: ours.address(),
            theirs: theirs.address(),
            resp,
            conns: Vec::new(),
            control,
            missing: missing.to_vec(),
        };
        // the connections of another pair may have listened
        pair.reset_after(true);
        pair
    }

    /// Empties the databases and drops the connections.
    pub fn reset(&mut self) {
        let listened = self.conns.drain(..).any(|c| c.listens);
        self.reset_after(listened);
    }

    /// `listened`: a connection that was dropped may have been listening.
    fn reset_after(&mut self, listened: bool) {
        // A sequence may kill connections, these too.
        let open = |address: &Address| Client::connect_timeout(address, PATIENCE).unwrap();
        self.control = (open(&self.ours), open(&self.theirs));
        for control in [&mut self.control.0, &mut self.control.1] {
            ok(control, &["FLUSHALL"]);
            ok(control, VARIED);
        }
        if listened {
            // a server sees a connection's end when it comes to it
            for control in [&mut self.control.0, &mut self.control.1] {
                wait_until("the listeners have left", || {
                    let clients = ok(control, &["INFO", "clients"]).as_text().unwrap_or_default();
                    clients.contains("connected_clients:1\r")
                });
            }
        }
    }

    /// Whether Viator is known not to have the command yet.
    pub fn is_missing(&self, args: &[Vec<u8>]) -> bool {
        let word = |i: usize| args.get(i).map(|w| String::from_utf8_lossy(w).to_ascii_uppercase()).unwrap_or_default();
        let (one, two) = (word(0), format!("{} {}", word(0), word(1)));
        // a question about a command's keys needs the command
        if matches!(two.as_str(), "COMMAND GETKEYS" | "COMMAND GETKEYSANDFLAGS") {
            return self.is_missing(args.get(2..).unwrap_or_default());
        }
        self.missing.iter().any(|m| *m == one || *m == two)
    }

    fn conn(&mut self, index: usize) -> &mut Conn {
        while self.conns.len() <= index {
            self.conns.push(Conn::default());
        }
        let resp = self.resp;
        let open = |address: &Address| {
            let mut client = Client::connect_timeout(address, Duration::from_secs(20)).unwrap();
            if resp != 2 {
                client.hello(resp).unwrap();
            }
            client
        };
        let conn = &mut self.conns[index];
        if conn.ours.is_none() || conn.theirs.is_none() {
            *conn = Conn { ours: Some(open(&self.ours)), theirs: Some(open(&self.theirs)), ..Conn::default() };
        }
        conn
    }

    /// Does a step on both; the difference, unless it is a known one.
    pub fn run(&mut self, step: &Step, place: &dyn Fn() -> String) -> Option<Diff> {
        let (ours, theirs) = match &step.act {
            Act::Command(args, mode) => {
                let resp = self.resp;
                let conn = self.conn(step.conn);
                conn.listens |= subscribes(args);
                let ping = vec![b"PING".to_vec()];
                // Subscriptions answer RESP3 by push messages alone: those before the reply of a PING.
                let lines = if resp == 3 && subscribes(args) { vec![args, &ping] } else { vec![args] };
                for args in &lines {
                    let _ = conn.theirs.as_mut().unwrap().send(args);
                    let _ = conn.ours.as_mut().unwrap().send(args);
                }
                self.read(step.conn, lines[lines.len() - 1], *mode)?
            }
            Act::Send(args) => {
                let conn = self.conn(step.conn);
                let _ = conn.ours.as_mut().unwrap().send(args);
                let _ = conn.theirs.as_mut().unwrap().send(args);
                conn.waiting.push(args.clone());
                self.await_blocked();
                return None;
            }
            Act::Read(mode) => {
                let conn = self.conn(step.conn);
                let args = if conn.waiting.is_empty() { Vec::new() } else { conn.waiting.remove(0) };
                self.read(step.conn, &args, *mode)?
            }
            Act::Drain => {
                let resp = self.resp;
                let conn = self.conn(step.conn);
                let (ours, theirs) =
                    (drain(conn.ours.as_mut().unwrap(), resp), drain(conn.theirs.as_mut().unwrap(), resp));
                if ours == theirs {
                    return None;
                }
                (ours, theirs)
            }
            Act::Scan(cursor, args) => {
                let conn = self.conn(step.conn);
                let ours = scan(conn.ours.as_mut().unwrap(), *cursor, args);
                let theirs = scan(conn.theirs.as_mut().unwrap(), *cursor, args);
                if ours == theirs {
                    return None;
                }
                (ours.unwrap_or_else(|e| e), theirs.unwrap_or_else(|e| e))
            }
            Act::Raw(bytes) => {
                // A difference that a pause of the machine made does not come again.
                let (mut ours, mut theirs) = (String::new(), String::new());
                for quiet in [60, 250, 1000] {
                    (ours, theirs) = self.raw(bytes, Duration::from_millis(quiet));
                    if ours == theirs {
                        return None;
                    }
                }
                (ours, theirs)
            }
        };
        Some(Diff { place: place(), sent: step.to_string(), ours, theirs })
    }

    /// Reads a reply of both; the two texts if they differ.
    fn read(&mut self, index: usize, args: &[Vec<u8>], mode: Option<Mode>) -> Option<(String, String)> {
        let conn = &mut self.conns[index];
        let theirs = got(conn.theirs.as_mut().unwrap().read_reply());
        let ours = got(conn.ours.as_mut().unwrap().read_reply());
        let pushed = |c: &mut Option<Client>| by_pattern(c.as_mut().unwrap().take_pushes());
        let pushes = (pushed(&mut conn.ours), pushed(&mut conn.theirs));
        let (Got::Reply(a), Got::Reply(b)) = (&ours, &theirs) else {
            // Both begin anew after a connection's end.
            *conn = Conn::default();
            let ended = ours == Got::Closed && theirs == Got::Closed;
            return (!ended).then(|| (ours.to_string(), theirs.to_string()));
        };
        let mode = mode.unwrap_or_else(|| default_mode(args));
        let name = args.first().map(|a| a.to_ascii_uppercase()).unwrap_or_default();
        let same = match (&mut conn.queued, name.as_slice()) {
            (Some(queued), b"EXEC") => match (a, b) {
                (Value::Array(x), Value::Array(y)) if x.len() == queued.len() && y.len() == queued.len() => {
                    x.iter().zip(y).zip(queued.iter()).all(|((x, y), m)| same(*m, x, y))
                }
                _ => a == b,
            },
            (Some(queued), _) if b.is_status("QUEUED") => {
                queued.push(mode);
                a == b
            }
            _ => same(mode, a, b),
        };
        match name.as_slice() {
            b"MULTI" if b.is_status("OK") => conn.queued = Some(Vec::new()),
            b"EXEC" | b"DISCARD" | b"RESET" => conn.queued = None,
            _ => {}
        }
        if pushes.0 != pushes.1 {
            let list = |p: &[Value]| p.iter().map(|v| format!("{v} ")).collect::<String>();
            return Some((format!("{}{a}", list(&pushes.0)), format!("{}{b}", list(&pushes.1))));
        }
        (!same && !known::is_known(args, a, b)).then(|| (ours.to_string(), theirs.to_string()))
    }

    /// Waits until both servers count as many blocked clients as there are commands without a reply (but not forever:
    /// the last of them may not have blocked).
    fn await_blocked(&mut self) {
        let expected: usize = self.conns.iter().map(|c| c.waiting.len()).sum();
        let begun = Instant::now();
        for client in [&mut self.control.0, &mut self.control.1] {
            while begun.elapsed() < Duration::from_secs(2) {
                let info = ok(client, &["INFO", "clients"]).as_text().unwrap_or_default();
                let blocked = info.lines().find_map(|l| l.strip_prefix("blocked_clients:")?.trim().parse().ok());
                if blocked == Some(expected) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Sends bytes to both on a new connection. What the reference answers until it is quiet or closes is what ours
    /// has to answer.
    fn raw(&self, bytes: &[u8], quiet: Duration) -> (String, String) {
        let text = |(bytes, closed): (Vec<u8>, bool)| {
            format!("\"{}\" and {}", bytes.escape_ascii(), if closed { "closes" } else { "stays open" })
        };
        let ask = |address: &Address, expect: Option<&(Vec<u8>, bool)>| -> viator_client::Result<(Vec<u8>, bool)> {
            let mut client = Client::connect_timeout(address, PATIENCE)?;
            // A server that has closed after the first bytes may refuse the rest.
            let _ = client.send_raw(bytes);
            let Some((bytes, closes)) = expect else { return client.read_to_close(quiet) };
            let begun = Instant::now();
            let mut all = Vec::new();
            let patient = Duration::from_secs(3);
            while begun.elapsed() < patient && all.len() < bytes.len() {
                let (more, closed) = client.read_to_close(quiet)?;
                all.extend(more);
                if closed {
                    return Ok((all, true));
                }
            }
            let (more, closed) = client.read_to_close(if *closes { patient } else { quiet })?;
            all.extend(more);
            Ok((all, closed))
        };
        let theirs = ask(&self.theirs, None);
        let ours = ask(&self.ours, theirs.as_ref().ok());
        let show = |r: viator_client::Result<(Vec<u8>, bool)>| r.map_or_else(|e| format!("({e})"), text);
        (show(ours), show(theirs))
    }

    /// Compares what both hold: in each database the keys, and of each key type, time to live, encoding and value.
    pub fn compare_datasets(&mut self) -> Vec<Diff> {
        let mut diffs = Vec::new();
        for db in 0..4u8 {
            let ours = dataset(&mut self.control.0, db, &self.missing);
            let theirs = dataset(&mut self.control.1, db, &self.missing);
            let names: BTreeSet<&Vec<u8>> = ours.iter().chain(&theirs).map(|(k, _)| k).collect();
            for key in names {
                let find = |set: &[(Vec<u8>, Vec<Fact>)]| set.iter().find(|(k, _)| k == key).map(|(_, f)| f.clone());
                let (a, b) = (find(&ours), find(&theirs));
                let facts = a.as_deref().unwrap_or_default().iter().zip(b.as_deref().unwrap_or_default());
                let differ: Vec<_> = facts.filter(|(x, y)| !same(x.mode, &x.value, &y.value)).collect();
                if a.is_none() || b.is_none() || !differ.is_empty() {
                    let show =
                        |there: bool, values: Vec<String>| if there { values.join(" ") } else { "(no key)".into() };
                    diffs.push(Diff {
                        place: format!("dataset, database {db}"),
                        sent: format!("key {}", quoting::line(&[key])),
                        ours: show(
                            a.is_some(),
                            differ.iter().map(|(x, _)| format!("{} {}", x.what, x.value)).collect(),
                        ),
                        theirs: show(
                            b.is_some(),
                            differ.iter().map(|(_, y)| format!("{} {}", y.what, y.value)).collect(),
                        ),
                    });
                }
            }
        }
        ok(&mut self.control.0, &["SELECT", "0"]);
        ok(&mut self.control.1, &["SELECT", "0"]);
        diffs
    }
}

#[derive(Clone, Debug)]
struct Fact {
    what: &'static str,
    value: Value,
    mode: Mode,
}

fn dataset(client: &mut Client, db: u8, missing: &[String]) -> Vec<(Vec<u8>, Vec<Fact>)> {
    ok(client, &["SELECT", &db.to_string()]);
    if ok(client, &["DBSIZE"]).as_int() == Some(0) {
        return Vec::new();
    }
    let keys = ok(client, &["KEYS", "*"]);
    let mut all = Vec::new();
    for key in keys.as_slice().unwrap_or_default().iter().filter_map(Value::as_bytes) {
        let (mut facts, mut more) = (Vec::new(), Vec::new());
        let mut fact = |what: &'static str, words: &[&str], mode: Mode, client: &mut Client| {
            let line: Vec<&[u8]> = words.iter().map(|w| if *w == "KEY" { key } else { w.as_bytes() }).collect();
            let value = known::without_newer_fields(&client.cmd(&line).unwrap());
            facts.push(Fact { what, value: value.clone(), mode });
            value
        };
        let kind = fact("type", &["TYPE", "KEY"], Mode::Exact, client).as_text().unwrap_or_default();
        fact("pttl", &["PTTL", "KEY"], Mode::Near(20_000), client);
        let encoding = fact("encoding", &["OBJECT", "ENCODING", "KEY"], Mode::Exact, client);
        match kind.as_str() {
            "string" => fact("value", &["GET", "KEY"], Mode::Exact, client),
            "list" => fact("value", &["LRANGE", "KEY", "0", "-1"], Mode::Exact, client),
            "set" => fact("value", &["SMEMBERS", "KEY"], Mode::Unordered, client),
            "hash" => {
                fact("fields", &["HLEN", "KEY"], Mode::Exact, client);
                let value = fact("value", &["HGETALL", "KEY"], Mode::Pairs, client);
                let pairs = value.as_pairs().unwrap_or_default();
                let mut names: Vec<_> = pairs.iter().filter_map(|(name, _)| Some(name.as_bytes()?.to_vec())).collect();
                names.sort();
                let n = names.len().to_string();
                let mut line: Vec<&[u8]> = vec![b"HPEXPIRETIME", key, b"FIELDS", n.as_bytes()];
                line.extend(names.iter().map(Vec::as_slice));
                if !names.is_empty() && !missing.iter().any(|m| m == "HPEXPIRETIME") {
                    let value = client.cmd(&line).unwrap();
                    more.push(Fact { what: "fields' expiration times", value, mode: Mode::Near(20_000) });
                }
                value
            }
            "zset" => fact("value", &["ZRANGE", "KEY", "0", "-1", "WITHSCORES"], Mode::Exact, client),
            "stream" => {
                fact("value", &["XRANGE", "KEY", "-", "+"], Mode::Exact, client);
                fact("info", &["XINFO", "STREAM", "KEY", "FULL", "COUNT", "0"], Mode::StreamTimes, client)
            }
            _ => Value::Null,
        };
        // The order of a hash table's elements is its own, and that of a listpack which was made from one; the
        // reference's format of streams is a newer one.
        let ordered = match encoding.as_bytes() {
            Some(b"hashtable" | b"skiplist" | b"stream") => false,
            // Redis writes a time before which no field expires, but maybe none does so at that time.
            Some(b"listpackex") => false,
            Some(b"listpack") => kind != "set",
            _ => true,
        };
        if ordered && !missing.iter().any(|m| m == "DUMP") {
            fact("dump", &["DUMP", "KEY"], Mode::Dump, client);
        }
        facts.extend(more);
        all.push((key.to_vec(), facts));
    }
    all
}

/// What comes in until a second PING is answered: what was sent to the client before the first is among it.
fn drain(client: &mut Client, resp: u8) -> String {
    let mut told: Vec<Value> = Vec::new();
    for mark in ["first mark", "second mark"] {
        if client.send(&["PING", mark]).is_err() {
            return "(closed)".to_owned();
        }
        loop {
            let reply = match client.read_reply() {
                Ok(v) => v,
                Err(e) => return format!("({e})"),
            };
            told.extend(client.take_pushes());
            // RESP2: messages are replies like others, and a subscriber's PING is answered by an array
            let answer = reply.as_slice().map_or(&reply, |a| a.last().unwrap_or(&reply));
            if answer.as_bytes() == Some(mark.as_bytes()) || reply.is_status("QUEUED") || resp == 3 {
                break;
            }
            told.push(reply);
        }
    }
    let told: Vec<String> = by_pattern(told).iter().map(Value::to_string).collect();
    told.join(" ")
}

/// Messages, those for several patterns that a channel matches in a fixed order: a server's is that of a table.
fn by_pattern(mut told: Vec<Value>) -> Vec<Value> {
    let matched = |v: &Value| v.as_slice().is_some_and(|m| m.first().and_then(Value::as_bytes) == Some(b"pmessage"));
    let same = |a: &Value, b: &Value| {
        matched(a) && matched(b) && a.as_slice().map(|m| &m[2..]) == b.as_slice().map(|m| &m[2..])
    };
    told.chunk_by_mut(same).for_each(<[Value]>::sort);
    told
}

/// Everything that a whole iteration gives, in order and without repetitions; or the reply that ended it.
fn scan(client: &mut Client, cursor: usize, args: &[Vec<u8>]) -> Result<String, String> {
    let mut args = args.to_vec();
    let mut all: BTreeSet<Value> = BTreeSet::new();
    let paired = args.first().is_some_and(|a| {
        a.eq_ignore_ascii_case(b"ZSCAN")
            || (a.eq_ignore_ascii_case(b"HSCAN") && !args.iter().any(|w| w.eq_ignore_ascii_case(b"NOVALUES")))
    });
    for _ in 0..100_000 {
        let reply = client.cmd(&args).map_err(|e| format!("({e})"))?;
        let Some([next, Value::Array(items)]) = reply.as_slice() else { return Err(reply.to_string()) };
        if paired {
            all.extend(items.chunks(2).map(|c| Value::Array(c.to_vec())));
        } else {
            all.extend(items.iter().cloned());
        }
        let Some(next) = next.as_bytes() else { return Err(reply.to_string()) };
        if next == b"0" {
            return Ok(Value::Array(all.into_iter().collect()).to_string());
        }
        args[cursor] = next.to_vec();
    }
    Err("(the iteration does not end)".to_owned())
}
