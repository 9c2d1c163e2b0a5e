//! Whole command lines: those that the declared grammar of a command gives, with values from the edges of every type, and
//! those that break it. Nothing panics, and every reply is well-formed.

use crate::bytes::Bytes;
use crate::host;
use std::sync::Arc;
use viator_engine::args::OwnedArgs;
use viator_engine::batch::Batch;
use viator_engine::client::{ClientShared, flag};
use viator_engine::command::{ArgKind, ArgSpec};
use viator_engine::dispatch::{self, Flow};
use viator_engine::local::Local;
use viator_engine::server::Server;
use viator_engine::session::{ReplyMode, Session};
use viator_engine::table::{Entry, Table};
use viator_resp::reply::Reply;
use viator_resp::value::{Decoder, Limits, encode_command};

/// Most commands of an input.
const COMMANDS: usize = 40;
/// Few, so that commands meet.
const KEYS: [&[u8]; 6] = [b"a", b"b", b"c", b"{a}d", b"", b"\xff\x00\r\n"];
/// Numbers at edges. None between a few thousand and the largest value's length: what is made stays small.
const INTEGERS: [&[u8]; 24] = [
    b"0",
    b"1",
    b"2",
    b"3",
    b"-1",
    b"-2",
    b"7",
    b"8",
    b"63",
    b"64",
    b"65",
    b"255",
    b"256",
    b"1000",
    b"-1000",
    b"2147483647",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"9223372036854775806",
    b"9223372036854775807",
    b"-9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
];
/// What is nearly a number, and what else may stand where one is due.
const ODD: [&[u8]; 30] = [
    b"",
    b" 1",
    b"1 ",
    b"+1",
    b"01",
    b"-0",
    b"1.5",
    b"0x10",
    b"1e3",
    b"1e308",
    b"-1e308",
    b"1e-320",
    b"inf",
    b"-inf",
    b"nan",
    b"(1",
    b"[a",
    b"-",
    b"+",
    b"*",
    b"[",
    b"\\",
    b"{}",
    b"\0",
    b"\xff\xfe",
    b"#1",
    b"u64",
    b"i65",
    b"k\r\nv",
    b"18446744073709551616",
];

/// Runs an input on a server of its own.
pub fn run(data: &[u8]) {
    let server = host::server();
    let mut local = Local::new(&server);
    let mut clients = [client(&server), client(&server)];
    let mut input = Bytes(data);
    for _ in 0..COMMANDS {
        if input.is_empty() {
            break;
        }
        let which = usize::from(input.chance(50));
        let batched = input.chance(128);
        let line = line(&mut input, &server.table);
        step(&mut local, &server, &mut clients[which], &line, batched);
    }
    for mut session in clients {
        session.close(&server);
    }
}

fn client(server: &Server) -> Session {
    let id = server.clients.next_id();
    let addr = format!("127.0.0.1:{id}");
    let shared = ClientShared::new(id, addr, String::new(), false, 0, 0, 0, Arc::new(|_| {}));
    let shared = Arc::new(shared);
    server.clients.add(shared.clone());
    Session::new(shared, true, false)
}

/// Executes a command as a connection does, and looks at its reply.
fn step(local: &mut Local, server: &Server, session: &mut Session, line: &[Vec<u8>], batched: bool) {
    let mut out = Reply::new();
    out.set_resp3(session.resp3);
    // as in Redis, a client that monitors already is not answered when it asks for that again
    let silent = session.reply_mode != ReplyMode::On || session.shared.has_flag(flag::MONITOR);
    let start = local.begin_batch(server);
    let (flow, _) = if batched {
        let wire = encode_command(line);
        let mut ranges = Vec::new();
        let mut at = format!("*{}\r\n", line.len()).len();
        for arg in line {
            at += format!("${}\r\n", arg.len()).len();
            ranges.push((at as u32, arg.len() as u32));
            at += arg.len() + 2;
        }
        let mut batch = Batch::default();
        batch.push(server, session, &wire, &ranges, 0, wire.len());
        batch.load_ahead(server, session.db, &wire);
        let (args, prepared, _) = batch.get(0, &wire, server).expect("what was pushed is there");
        dispatch::execute(local, server, session, args, Some(prepared), &mut out, start)
    } else {
        let args = OwnedArgs::from_slices(line);
        dispatch::execute(local, server, session, args.args(), None, &mut out, start)
    };
    let waits = session.unblock(server).is_some();
    // one that debugs scripts has no socket here
    let gone = flow == Flow::Attend;
    let silent = silent || gone || session.reply_mode != ReplyMode::On;
    // what others had to say counts, too
    let mut mail = Reply::new();
    mail.raw(&session.shared.take_mail());
    let whole = |r: &Reply| replies(r).unwrap_or_else(|e| panic!("{e} in the reply to {}", shown(line)));
    assert!(whole(&out) + whole(&mail) > 0 || waits || silent, "no reply to {}", shown(line));
    if gone || session.close_after_reply || session.shared.kill.load(std::sync::atomic::Ordering::Relaxed) {
        session.close(server);
        *session = client(server);
    }
}

fn shown(line: &[Vec<u8>]) -> String {
    line.iter().map(|a| format!("\"{}\"", a.escape_ascii())).collect::<Vec<_>>().join(" ")
}

/// How many whole values a reply is.
fn replies(out: &Reply) -> Result<usize, String> {
    let (bytes, shared) = out.parts();
    let (mut wire, mut at) = (Vec::new(), 0);
    for (position, value) in shared {
        wire.extend_from_slice(&bytes[at..*position]);
        wire.extend_from_slice(value);
        at = *position;
    }
    wire.extend_from_slice(&bytes[at..]);
    // MONITOR gives whole commands as one line, every byte of them perhaps as an escape of four
    let limits = Limits { line: 4 << 20, ..Limits::default() };
    let (mut decoder, mut used, mut count) = (Decoder::new(limits), 0, 0);
    while used < wire.len() {
        match decoder.decode(&wire[used..]) {
            Ok((n, Some(_))) => {
                used += n;
                count += 1;
            }
            Ok((_, None)) => return Err(format!("half a value: {}", wire.escape_ascii())),
            Err(e) => return Err(format!("{e}: {}", wire.escape_ascii())),
        }
    }
    Ok(count)
}

/// The name of a command.
fn name<'t>(input: &mut Bytes<'_>, table: &'t Table) -> (&'t Entry, Vec<Vec<u8>>) {
    let entries = table.entries();
    let entry = &entries[input.below(entries.len())];
    let names = entry.parent.iter().map(|p| p.name).chain([entry.cmd.name]);
    (entry, names.map(|n| n.into()).collect())
}

/// A command line as its grammar has it.
pub fn whole(input: &mut Bytes<'_>, table: &Table) -> Vec<Vec<u8>> {
    let (entry, mut line) = name(input, table);
    for spec in entry.cmd.args {
        argument(input, spec, &mut line, 0);
    }
    line
}

/// A command line.
pub fn line(input: &mut Bytes<'_>, table: &Table) -> Vec<Vec<u8>> {
    let (entry, mut line) = name(input, table);
    if input.chance(200) {
        for spec in entry.cmd.args {
            argument(input, spec, &mut line, 0);
        }
    } else {
        for _ in 0..input.below(7) {
            let arg = any(input, entry);
            line.push(arg);
        }
    }
    // and now it is broken, perhaps
    while input.chance(60) && line.len() > 1 {
        let at = 1 + input.below(line.len() - 1);
        match input.below(4) {
            0 => line[at] = any(input, entry),
            1 => drop(line.remove(at)),
            2 => line.insert(at, any(input, entry)),
            _ => line.truncate(at),
        }
    }
    line
}

/// The arguments that a part of the grammar stands for.
fn argument(input: &mut Bytes<'_>, spec: &ArgSpec, line: &mut Vec<Vec<u8>>, depth: usize) {
    if (spec.optional && !input.chance(90)) || depth > 6 {
        return;
    }
    let times = if spec.multiple { 1 + input.below(3) } else { 1 };
    for i in 0..times {
        if !spec.token.is_empty() && (i == 0 || spec.multiple_token) {
            line.push(spec.token.into());
        }
        match spec.kind {
            ArgKind::Oneof if !spec.sub.is_empty() => {
                let chosen = &spec.sub[input.below(spec.sub.len())];
                argument(input, chosen, line, depth + 1);
            }
            ArgKind::Oneof | ArgKind::PureToken => {}
            ArgKind::Block => spec.sub.iter().for_each(|s| argument(input, s, line, depth + 1)),
            ArgKind::Key => line.push(input.pick(&KEYS).into()),
            ArgKind::Integer | ArgKind::UnixTime => line.push(input.pick(&INTEGERS).into()),
            ArgKind::Double => line.push(if input.chance(128) { number(input) } else { input.pick(&ODD).into() }),
            ArgKind::String | ArgKind::Pattern => line.push(value(input)),
        }
    }
}

fn number(input: &mut Bytes<'_>) -> Vec<u8> {
    input.pick(&INTEGERS).into()
}

/// A value of a kind that is not known.
fn value(input: &mut Bytes<'_>) -> Vec<u8> {
    match input.below(6) {
        0 => number(input),
        1 => input.pick(&ODD).into(),
        2 => input.pick(&KEYS).into(),
        3 => vec![b'x'; [0, 1, 44, 45, 64, 65, 128, 512, 4096, 40_000][input.below(10)]],
        _ => {
            let n = input.below(12);
            input.take(n).into()
        }
    }
}

/// Any argument: a value, or a word that means something to the command.
fn any(input: &mut Bytes<'_>, entry: &Entry) -> Vec<u8> {
    if !input.chance(100) {
        return value(input);
    }
    let mut words: Vec<&str> = entry.cmd.subcommands.iter().map(|s| s.name).collect();
    entry.cmd.args.iter().for_each(|a| tokens(a, &mut words));
    if words.is_empty() { number(input) } else { words[input.below(words.len())].into() }
}

fn tokens<'a>(spec: &'a ArgSpec, out: &mut Vec<&'a str>) {
    if !spec.token.is_empty() {
        out.push(spec.token);
    }
    spec.sub.iter().for_each(|s| tokens(s, out));
}
