//! Clients that misbehave, in every way that a network allows. After each of them a server must be as if nothing had
//! been: others get their answers, nothing panicked, every connection is gone, and so is its memory.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::rng::{Rng, seed};
use common::{Launch, Server, ok, wait_until};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::Duration;
use viator_client::value::encode_command;

const MB: u64 = 1 << 20;
/// How long an answer may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, and what it was before.
struct Victim {
    server: Server,
    /// Resident bytes.
    rss: u64,
}

impl Victim {
    fn start(launch: &Launch) -> Victim {
        let server = launch.start();
        let rss = resident(&server);
        Victim { server, rss }
    }

    fn raw(&self) -> TcpStream {
        let s = TcpStream::connect(("127.0.0.1", self.server.port())).unwrap();
        s.set_nodelay(true).unwrap();
        s.set_read_timeout(Some(PATIENCE)).unwrap();
        s.set_write_timeout(Some(PATIENCE)).unwrap();
        s
    }

    /// A connection that has been served, and its id.
    fn known(&self) -> (TcpStream, i64) {
        let mut s = self.raw();
        s.write_all(b"CLIENT ID\r\n").unwrap();
        let line = line(&mut s);
        (s, line[1..].parse().unwrap())
    }

    /// A number of INFO.
    fn info(&self, field: &str) -> u64 {
        let text = ok(&mut self.server.client(), &["INFO", "everything"]).as_text().unwrap();
        let value = text.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("INFO has no {field}")).trim().parse().unwrap()
    }

    /// The field of CLIENT LIST of a client; `None` when it is gone.
    fn client_field(&self, id: i64, field: &str) -> Option<u64> {
        let list = ok(&mut self.server.client(), &["CLIENT", "LIST", "ID", &id.to_string()]).as_text().unwrap();
        let value = list.split_whitespace().find_map(|f| f.strip_prefix(field)?.strip_prefix('='))?;
        Some(value.parse().unwrap())
    }

    /// Highest resident bytes so far.
    fn peak(&self) -> u64 {
        status(&self.server, "VmHWM")
    }

    /// Everything is as it was: see the module. `held` more bytes may be in use than at the start.
    fn unharmed(&self, held: u64) {
        // new connections go to the workers in turn: all of them answer
        let mut clients: Vec<_> = (0..8).map(|_| self.server.client()).collect();
        for c in &mut clients {
            c.set_timeout(Some(PATIENCE)).unwrap();
            assert!(c.cmd(&["PING"]).unwrap().is_status("PONG"));
        }
        drop(clients);
        wait_until("every connection is gone", || self.info("connected_clients") == 1);
        assert!(!self.server.log().contains("panicked"), "{}", self.server.log());
        let allowed = self.rss + held;
        wait_until("memory is given back", || {
            ok(&mut self.server.client(), &["MEMORY", "PURGE"]);
            resident(&self.server) <= allowed
        });
    }

    /// Stops the process; when this returns, no thread of it runs.
    fn freeze(&self) {
        self.signal("-STOP");
        wait_until("the server stands still", || {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", self.server.pid())).unwrap();
            tasks.filter_map(Result::ok).all(|t| {
                let stat = std::fs::read_to_string(t.path().join("stat")).unwrap_or_default();
                stat.rsplit(") ").next().is_some_and(|s| s.starts_with('T'))
            })
        });
    }

    /// Lets it go on.
    fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.server.pid().to_string()]).status().unwrap().success());
    }
}

fn resident(server: &Server) -> u64 {
    status(server, "VmRSS")
}

/// Bytes, of a field of the process's status.
fn status(server: &Server, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = text.lines().find(|l| l.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Reads up to the next line break, which is left out.
fn line(s: &mut TcpStream) -> String {
    let (mut out, mut byte) = (Vec::new(), [0]);
    while s.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        out.push(byte[0]);
    }
    String::from_utf8_lossy(&out).trim_end().to_owned()
}

/// Reads exactly so many bytes.
fn exactly(s: &mut TcpStream, n: usize) -> Vec<u8> {
    let mut out = vec![0; n];
    s.read_exact(&mut out).unwrap();
    out
}

/// Everything until the connection's end; panics if it does not end. A reset is an end.
fn to_end(s: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut buf) = (Vec::new(), vec![0; 65536]);
    loop {
        match s.read(&mut buf) {
            Ok(0) => return all,
            Ok(n) => all.extend_from_slice(&buf[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => return all,
            Err(e) => panic!("the connection does not end: {e}"),
        }
    }
}

/// Writes without minding that the server hangs up; whether it took everything.
fn shove(s: &mut TcpStream, bytes: &[u8]) -> bool {
    match s.write_all(bytes) {
        Ok(()) => true,
        Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => false,
        Err(e) => panic!("{e}"),
    }
}

fn command(args: &[&str]) -> Vec<u8> {
    encode_command(args)
}

/// Raises this process's limit of open files as far as it goes; how many there may be.
fn open_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: now.maximum, ..now }).unwrap();
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |n| n as usize)
}

#[test]
fn ten_thousand_idle_connections() {
    let n = open_files().saturating_sub(500).min(10_000);
    let v = Victim::start(&Launch::viator().directive("maxclients", &n.to_string()));
    let mut all: Vec<TcpStream> = (0..n).map(|_| v.raw()).collect();
    for c in &mut all {
        c.write_all(b"PING\r\n").unwrap();
    }
    for c in &mut all {
        assert_eq!(exactly(c, 7), b"+PONG\r\n");
    }
    let each = resident(&v.server).saturating_sub(v.rss) / n as u64;
    eprintln!("{n} idle connections, {each} bytes each");
    assert!(each < 4096, "{each} bytes for an idle connection");
    // one more is told why it cannot stay, and one that leaves makes room
    assert_eq!(to_end(&mut v.raw()), b"-ERR max number of clients reached\r\n");
    drop(all.split_off(n - 10));
    wait_until("there is room again", || {
        let mut s = v.raw();
        s.write_all(b"PING\r\n").unwrap();
        line(&mut s) == "+PONG"
    });
    wait_until("ten have left", || v.info("connected_clients") == n as u64 - 9);
    drop(all);
    v.unharmed(16 * MB);
}

#[test]
fn one_byte_at_a_time() {
    let v = Victim::start(&Launch::viator());
    let mut streams: Vec<TcpStream> = (0..6).map(|_| v.raw()).collect();
    let requests: Vec<Vec<u8>> = (0..streams.len())
        .map(|i| {
            let key = format!("k{i}");
            let inline = format!("APPEND {key} \"\\x00 \\r\\n'x'\"\r\n").into_bytes();
            let value = "\r\n$*-:+".repeat(40);
            [command(&["SET", &key, &value]), inline, b"\r\n*0\r\n".to_vec(), command(&["GET", &key])].concat()
        })
        .collect();
    let longest = requests.iter().map(Vec::len).max().unwrap();
    for at in 0..longest {
        for (s, r) in streams.iter_mut().zip(&requests) {
            if let Some(b) = r.get(at) {
                s.write_all(&[*b]).unwrap();
            }
        }
    }
    let value = format!("{}\0 \r\n'x'", "\r\n$*-:+".repeat(40));
    let expected = format!("+OK\r\n:{}\r\n${0}\r\n{value}\r\n", value.len());
    for s in &mut streams {
        assert_eq!(String::from_utf8_lossy(&exactly(s, expected.len())), expected);
    }
    drop(streams);
    v.unharmed(8 * MB);
}

/// A request cut in two at every byte, the server having read the first part before the second is sent.
#[test]
fn cut_at_every_byte() {
    let v = Victim::start(&Launch::viator());
    let many: Vec<String> = (0..1500).map(|i| format!("f{i}")).collect();
    let many: Vec<&str> = ["EXISTS"].into_iter().chain(many.iter().map(String::as_str)).collect();
    let short = [command(&["SET", "k", "v\r\nw"]), b"  get   k\r\n".to_vec(), command(&["PING", "x"])].concat();
    let long = command(&many);
    let mut cases: Vec<(&[u8], usize, &str)> = Vec::new();
    cases.extend((1..short.len()).map(|at| (&short[..], at, "+OK\r\n$4\r\nv\r\nw\r\n$1\r\nx\r\n")));
    cases.extend((1..long.len()).step_by(long.len() / 17).map(|at| (&long[..], at, ":0\r\n")));
    for (request, at, expected) in cases {
        let (mut s, id) = v.known();
        let before = v.client_field(id, "tot-net-in").unwrap();
        s.write_all(&request[..at]).unwrap();
        wait_until("the first part is read", || v.client_field(id, "tot-net-in") == Some(before + at as u64));
        s.write_all(&request[at..]).unwrap();
        assert_eq!(String::from_utf8_lossy(&exactly(&mut s, expected.len())), expected, "cut at {at}");
    }
    v.unharmed(8 * MB);
}

/// Clients that ask and never read are closed by the output limits, whatever they asked for.
#[test]
fn never_reading() {
    let limits = "\"normal 2mb 0 0 pubsub 2mb 0 0\"";
    let v = Victim::start(&Launch::viator().directive("client-output-buffer-limit", limits.trim_matches('"')));
    let mut other = v.server.client();
    let long = "x".repeat(100_000);
    ok(&mut other, &["SET", "long", &long]);
    ok(&mut other, &["SET", "short", &long[..30_000]]);
    // long values are referenced, short ones copied: both count. Thousands of commands in one piece are as many.
    // What one command asks for is not made either: a count beyond any memory.
    ok(&mut other, &["SADD", "set", "a", "b"]);
    ok(&mut other, &["ZADD", "zset", "1", "a"]);
    ok(&mut other, &["HSET", "hash", "f", "v"]);
    let requests = [
        command(&["GET", "long"]),
        command(&["GET", "short"]),
        command(&["GET", "short"]).repeat(2500),
        command(&["SRANDMEMBER", "set", "-4000000000000"]),
        command(&["ZRANDMEMBER", "zset", "-4000000000000", "WITHSCORES"]),
        command(&["HRANDFIELD", "hash", "-4000000000000"]),
    ];
    for request in requests {
        let closed = v.info("client_output_buffer_limit_disconnections");
        let (mut s, id) = v.known();
        while shove(&mut s, &request) && v.client_field(id, "omem").is_some() {}
        wait_until("it is closed", || v.client_field(id, "id").is_none());
        assert_eq!(v.info("client_output_buffer_limit_disconnections"), closed + 1);
        assert_eq!(ok(&mut other, &["GET", "long"]).as_bytes().unwrap().len(), 100_000);
    }
    // what others publish is no different
    let (mut s, id) = v.known();
    s.write_all(&command(&["SUBSCRIBE", "news"])).unwrap();
    wait_until("it listens", || v.client_field(id, "sub") == Some(1));
    while ok(&mut other, &["PUBLISH", "news", &long]).as_int() == Some(1) {}
    wait_until("it is closed", || v.client_field(id, "id").is_none());
    assert!(v.peak() < v.rss + 48 * MB, "peak {} of {}", v.peak(), v.rss);
    drop((s, other));
    v.unharmed(16 * MB);
}

/// Without a limit a client may take its time: nothing is lost.
#[test]
fn reading_late() {
    let v = Victim::start(&Launch::viator());
    ok(&mut v.server.client(), &["SET", "k", &"x".repeat(20_000)]);
    let mut s = v.raw();
    s.write_all(&command(&["GET", "k"]).repeat(1000)).unwrap();
    wait_until("all is answered", || v.info("total_commands_processed") >= 1000);
    let one = [b"$20000\r\n", "x".repeat(20_000).as_bytes(), b"\r\n"].concat();
    for _ in 0..1000 {
        assert_eq!(exactly(&mut s, one.len()), one);
    }
    drop(s);
    v.unharmed(16 * MB);
}

/// Who has not authenticated may send little and must read.
#[test]
fn strangers() {
    let v = Victim::start(&Launch::viator());
    let mut admin = v.server.client();
    ok(&mut admin, &["CONFIG", "SET", "requirepass", "secret"]);
    let mut s = v.raw();
    while shove(&mut s, &command(&["GET", "k"]).repeat(1000)) {}
    for (request, error) in [
        ("*11\r\n", "unauthenticated multibulk length"),
        ("*2\r\n$4\r\nAUTH\r\n$16385\r\n", "unauthenticated bulk length"),
    ] {
        let mut s = v.raw();
        s.write_all(request.as_bytes()).unwrap();
        assert_eq!(to_end(&mut s), format!("-ERR Protocol error: {error}\r\n").into_bytes());
    }
    assert!(v.peak() < v.rss + 16 * MB, "peak {} of {}", v.peak(), v.rss);
    ok(&mut admin, &["CONFIG", "SET", "requirepass", ""]);
    drop((s, admin));
    v.unharmed(8 * MB);
}

/// Clients that end in the middle of a command, or without reading their replies. The server sees bytes and the end in
/// one event.
#[test]
fn gone_in_the_middle() {
    let v = Victim::start(&Launch::viator());
    let whole = [command(&["SET", "k", "0123456789"]), command(&["PING"])].concat();
    let mut streams: Vec<TcpStream> = (0..whole.len()).map(|_| v.known().0).collect();
    v.freeze();
    for (at, s) in streams.iter_mut().enumerate() {
        s.write_all(&whole[..at]).unwrap();
    }
    drop(streams);
    v.thaw();
    v.unharmed(8 * MB);
    // unread replies: the end is a reset
    for _ in 0..50 {
        let (mut s, _) = v.known();
        s.write_all(b"PING\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$100000\r\nx").unwrap();
        s.peek(&mut [0]).unwrap();
    }
    v.unharmed(8 * MB);
}

/// A client that is gone before its replies could be sent: they reach nobody else.
#[test]
fn replies_reach_nobody_else() {
    let v = Victim::start(&Launch::viator().directive("io-threads", "1"));
    let (mut other, _) = v.known();
    for _ in 0..20 {
        let (mut s, _) = v.known();
        v.freeze();
        // more than one read of the server: its first reply makes the peer's machine answer with a reset
        s.write_all(&command(&["PING", "confidential"]).repeat(8000)).unwrap();
        drop(s);
        v.thaw();
        other.write_all(b"ECHO mine\r\n").unwrap();
        assert_eq!(line(&mut other), "$4");
        assert_eq!(line(&mut other), "mine");
    }
    drop(other);
    v.unharmed(8 * MB);
}

/// Half-closed: who sends no more still gets what was asked for, and then the end.
#[test]
fn half_closed() {
    let v = Victim::start(&Launch::viator());
    for request in [b"PING\r\n".repeat(5), [b"PING\r\n".repeat(5), b"*1\r\n$4\r\nPI".to_vec()].concat()] {
        for frozen in [false, true] {
            let (mut s, _) = v.known();
            if frozen {
                v.freeze();
            }
            s.write_all(&request).unwrap();
            s.shutdown(Shutdown::Write).unwrap();
            if frozen {
                v.thaw();
            }
            assert_eq!(to_end(&mut s), b"+PONG\r\n".repeat(5));
        }
    }
    v.unharmed(8 * MB);
}

/// Announced is not sent: no memory for it.
#[test]
fn announcements() {
    let v = Victim::start(&Launch::viator());
    let announced = [
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nx",
        "*2147483647\r\n$4\r\nMSET\r\n",
    ];
    let streams: Vec<TcpStream> = (0..150)
        .map(|i| {
            let (mut s, id) = v.known();
            let text = announced[i % announced.len()].as_bytes();
            let before = v.client_field(id, "tot-net-in").unwrap();
            s.write_all(text).unwrap();
            wait_until("it is read", || v.client_field(id, "tot-net-in") == Some(before + text.len() as u64));
            s
        })
        .collect();
    assert!(v.peak() < v.rss + 8 * MB, "peak {} of {}", v.peak(), v.rss);
    drop(streams);
    for (text, error) in [
        ("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870913\r\n", "invalid bulk length"),
        ("*2\r\n$-5\r\n", "invalid bulk length"),
        ("*2\r\n$99999999999999999999\r\n", "invalid bulk length"),
        ("*2147483648\r\n", "invalid multibulk length"),
        ("*-9223372036854775809\r\n", "invalid multibulk length"),
        ("*1\r\n:5\r\n", "expected '$', got ':'"),
    ] {
        let mut s = v.raw();
        s.write_all(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8_lossy(&to_end(&mut s)), format!("-ERR Protocol error: {error}\r\n"));
    }
    v.unharmed(8 * MB);
}

#[test]
fn a_million_arguments() {
    let v = Victim::start(&Launch::viator());
    let mut args = vec!["MSET".to_owned()];
    for i in 0..500_000 {
        args.extend([format!("k{i}"), i.to_string()]);
    }
    let mut s = v.raw();
    s.write_all(&encode_command(&args)).unwrap();
    assert_eq!(line(&mut s), "+OK");
    s.write_all(b"DBSIZE\r\nGET k499999\r\n").unwrap();
    assert_eq!([line(&mut s), line(&mut s), line(&mut s)], [":500000", "$6", "499999"]);
    args[0] = "EXISTS".to_owned();
    s.write_all(&encode_command(&args)).unwrap();
    assert_eq!(line(&mut s), ":500000");
    args[0] = "NOSUCH".to_owned();
    s.write_all(&encode_command(&args)).unwrap();
    let error = line(&mut s);
    assert!(error.starts_with("-ERR unknown command 'NOSUCH', with args beginning with: 'k0' '0' "), "{error}");
    assert!(error.len() < 400, "{error}");
    // in a transaction, too
    args[0] = "MSET".to_owned();
    let transaction = [command(&["MULTI"]), encode_command(&args), command(&["EXEC"])].concat();
    s.write_all(&transaction).unwrap();
    assert_eq!([0; 4].map(|_| line(&mut s)), ["+OK", "+QUEUED", "*1", "+OK"]);
    s.write_all(b"FLUSHALL SYNC\r\nPING\r\n").unwrap();
    assert_eq!([line(&mut s), line(&mut s)], ["+OK", "+PONG"]);
    drop(s);
    v.unharmed(24 * MB);
}

/// What a client has sent and the server must keep has a limit: an unfinished command, and a transaction.
#[test]
fn more_input_than_allowed() {
    let v = Victim::start(&Launch::viator().directive("client-query-buffer-limit", "1mb"));
    let value = "x".repeat(100_000);
    let (begin, more): ([&[u8]; 4], [Vec<u8>; 4]) = (
        [b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$400000000\r\n", b"*1000000\r\n", b"MULTI\r\n", b"*1\r\n$100000000\r\n"],
        [value.clone().into(), b"$0\r\n\r\n".repeat(10_000), command(&["SET", "k", &value]), b"\r\n".repeat(9_999)],
    );
    for (begin, more) in begin.iter().zip(&more) {
        let closed = v.info("client_query_buffer_limit_disconnections");
        let mut s = v.raw();
        s.write_all(begin).unwrap();
        let taken = (0..1000).take_while(|_| shove(&mut s, more)).count();
        assert!(taken < 1000, "the server takes everything");
        wait_until("it is closed", || v.info("client_query_buffer_limit_disconnections") == closed + 1);
    }
    assert!(v.peak() < v.rss + 32 * MB, "peak {} of {}", v.peak(), v.rss);
    v.unharmed(8 * MB);
}

#[test]
fn long_lines() {
    let v = Victim::start(&Launch::viator());
    let mut s = v.raw();
    let word = "x".repeat(64 * 1024 - 5);
    s.write_all(format!("ECHO {word}\n").as_bytes()).unwrap();
    assert_eq!(line(&mut s), format!("${}", word.len()));
    assert_eq!(line(&mut s), word);
    for (start, error) in [
        (&b"ECHO "[..], "too big inline request"),
        (b"*", "too big mbulk count string"),
        (b"*1\r\n$", "too big bulk count string"),
    ] {
        // with an end, and without one
        for end in [&b"\r\n"[..], b""] {
            let mut s = v.raw();
            shove(&mut s, start);
            let endless = [&b"1".repeat(5_000_000)[..], end].concat();
            shove(&mut s, &endless);
            // the reply may be lost, as the server hangs up on what it has not read
            let reply = to_end(&mut s);
            let expected = format!("-ERR Protocol error: {error}\r\n");
            assert!(expected.as_bytes().starts_with(&reply), "{}", String::from_utf8_lossy(&reply));
        }
    }
    for (text, error) in [("SET k \"x\r\n", "unbalanced quotes"), ("SET k 'x'y\r\n", "unbalanced quotes")] {
        let mut s = v.raw();
        s.write_all(text.as_bytes()).unwrap();
        assert_eq!(to_end(&mut s), format!("-ERR Protocol error: {error} in request\r\n").into_bytes());
    }
    assert!(v.peak() < v.rss + 8 * MB, "peak {} of {}", v.peak(), v.rss);
    drop(s);
    v.unharmed(8 * MB);
}

/// A hundred thousand commands in one write, while nobody reads.
#[test]
fn deep_pipelines() {
    let v = Victim::start(&Launch::viator());
    let mut request = Vec::new();
    for i in 0..100_000 {
        match i % 4 {
            0 => request.extend(command(&["INCR", "n"])),
            1 => request.extend(b"ECHO inline\r\n"),
            2 => request.extend(command(&["NOSUCH"])),
            _ => request.extend(command(&["SET", &format!("k{}", i % 1000), "v"])),
        }
    }
    let mut streams: Vec<TcpStream> = (0..3).map(|_| v.raw()).collect();
    for s in &mut streams {
        s.write_all(&request).unwrap();
        assert!(v.server.client().cmd(&["PING"]).unwrap().is_status("PONG"));
    }
    for s in streams {
        let mut s = std::io::BufReader::new(s);
        let mut next = || {
            let mut line = String::new();
            std::io::BufRead::read_line(&mut s, &mut line).unwrap();
            line
        };
        let mut before = 0;
        for i in 0..100_000 {
            let reply = next();
            match i % 4 {
                0 => {
                    let n: i64 = reply[1..].trim().parse().unwrap();
                    assert!(n > before, "{n} after {before}");
                    before = n;
                }
                1 => assert_eq!((reply.as_str(), next().as_str()), ("$6\r\n", "inline\r\n")),
                2 => assert!(reply.starts_with("-ERR unknown command 'NOSUCH'"), "{reply}"),
                _ => assert_eq!(reply, "+OK\r\n"),
            }
        }
    }
    assert_eq!(ok(&mut v.server.client(), &["GET", "n"]).as_text().unwrap(), "75000");
    v.unharmed(24 * MB);
}

/// Bytes without sense, and bytes with nearly some.
#[test]
fn garbage() {
    let seed = seed();
    eprintln!("VIATOR_SEED={seed}");
    let mut rng = Rng::new(seed);
    let v = Victim::start(&Launch::viator());
    let pieces: [&[u8]; 18] = [
        b"*",
        b"$",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"1",
        b"3",
        b"-1",
        b"PING",
        b"*1\r\n$4\r\nPING\r\n",
        b"*3\r\n$3\r\n",
        b"SET",
        b"\"",
        b"'",
        b"\xff\xfe",
        b" ",
        b"99999999999",
    ];
    for _ in 0..400 {
        let mut bytes = Vec::new();
        let (len, raw) = (1 + rng.below(200), rng.chance(30));
        for _ in 0..len {
            if raw {
                bytes.push(rng.next() as u8);
            } else {
                bytes.extend_from_slice(rng.pick::<&[u8]>(&pieces));
            }
        }
        let mut s = v.raw();
        shove(&mut s, &bytes);
        let _ = s.shutdown(Shutdown::Write); // it may be closed already
        to_end(&mut s);
    }
    v.unharmed(8 * MB);
}
