//! What a debugger's client says while the script stands.

use super::{Debugger, Heard, MAX_INPUT, World, height, ours, show, thread};
use crate::bridge;
use crate::errors::{self, Failure};
use crate::vm::kill;
use mlua::chunk::ChunkMode;
use mlua::{Lua, Value};
use viator_resp::reply::Reply;
use viator_resp::request::OwnedArgs;

/// Longest argument, bytes, and most arguments of a command.
const MAX_ARG: usize = 1024;
const MAX_ARGS: usize = 1024;
/// Most breakpoints.
const MAX_BREAKPOINTS: usize = 64;
/// Lines around the one that is asked for.
const AROUND: i64 = 5;
/// Shortest limit of values, bytes.
const MIN_MAXLEN: i64 = 60;

const HELP: [&str; 30] = [
    "Redis Lua debugger help:",
    "[h]elp               Show this help.",
    "[s]tep               Run current line and stop again.",
    "[n]ext               Alias for step.",
    "[c]ontinue           Run till next breakpoint.",
    "[l]ist               List source code around current line.",
    "[l]ist [line]        List source code around [line].",
    "                     line = 0 means: current position.",
    "[l]ist [line] [ctx]  In this form [ctx] specifies how many lines",
    "                     to show before/after [line].",
    "[w]hole              List all source code. Alias for 'list 1 1000000'.",
    "[p]rint              Show all the local variables.",
    "[p]rint <var>        Show the value of the specified variable.",
    "                     Can also show global vars KEYS and ARGV.",
    "[b]reak              Show all breakpoints.",
    "[b]reak <line>       Add a breakpoint to the specified line.",
    "[b]reak -<line>      Remove breakpoint from the specified line.",
    "[b]reak 0            Remove all breakpoints.",
    "[t]race              Show a backtrace.",
    "[e]val <code>        Execute some Lua code (in a different callframe).",
    "[r]edis <cmd>        Execute a Redis command.",
    "[m]axlen [len]       Trim logged Redis replies and Lua var dumps to len.",
    "                     Specifying zero as <len> means unlimited.",
    "[a]bort              Stop the execution of the script. In sync",
    "                     mode dataset changes will be retained.",
    "",
    "Debugger functions you can call from Lua scripts:",
    "redis.debug()        Produce logs in the debugger console.",
    "redis.breakpoint()   Stop execution like if there was a breakpoint in the",
    "                     next line of code.",
];

/// What the client says next.
enum Said {
    Command(Vec<Vec<u8>>),
    Gone,
    End,
    /// Something that is no command.
    Bad(&'static str),
}

/// Executes the client's commands until one lets the script go on (`true`), or the client is gone.
pub(super) fn talk(d: &Debugger, lua: &Lua, world: &World, level: usize) -> mlua::Result<bool> {
    loop {
        let args = match next(d) {
            Said::Command(args) => args,
            Said::Gone => {
                d.let_go();
                return Ok(false);
            }
            Said::End => return Err(kill(lua)),
            Said::Bad(line) => return Err(errors::reply(line, false)),
        };
        let name = args.first().map(|a| a.to_ascii_lowercase()).unwrap_or_default();
        let rest = args.get(1..).unwrap_or_default();
        match name.as_slice() {
            b"s" | b"step" | b"n" | b"next" => {
                d.step.set(true);
                return Ok(true);
            }
            b"c" | b"continue" => return Ok(true),
            b"a" | b"abort" => return Err(errors::reply("ERR script aborted for user request", false)),
            b"h" | b"help" => HELP.iter().for_each(|l| d.log(l.as_bytes())),
            b"l" | b"list" => list(d, rest),
            b"w" | b"whole" => lines(d, 1, 1_000_000),
            b"p" | b"print" => match rest {
                [name] => print(d, lua, world, level, name),
                _ => print_all(d, lua, level),
            },
            b"b" | b"break" => breakpoints(d, rest),
            b"t" | b"trace" => trace(d, lua, level),
            b"m" | b"maxlen" => maxlen(d, rest),
            b"e" | b"eval" => eval(d, lua, world, &rest.join(b" ".as_slice())),
            b"r" | b"redis" if !rest.is_empty() => redis(d, lua, world, rest)?,
            _ => d.log(b"<error> Unknown Redis Lua debugger command or wrong number of arguments."),
        }
        d.send();
    }
}

fn next(d: &Debugger) -> Said {
    let mut input = d.input.borrow_mut();
    loop {
        match parse(&input) {
            Parsed::Command(args, n) => {
                input.drain(..n);
                return Said::Command(args);
            }
            Parsed::Bad => return Said::Bad("ERR protocol error"),
            Parsed::Incomplete if input.len() > MAX_INPUT => return Said::Bad("ERR max client buffer reached"),
            Parsed::Incomplete => {}
        }
        let mut console = d.console.borrow_mut();
        match console.as_mut().map_or(Heard::Gone, |c| c.receive(&mut input, &mut bridge::tick)) {
            Heard::Bytes => {}
            Heard::Gone => return Said::Gone,
            Heard::End => return Said::End,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    /// A command and its length.
    Command(Vec<Vec<u8>>, usize),
    Incomplete,
    Bad,
}

/// Reads an array of bulks.
fn parse(input: &[u8]) -> Parsed {
    /// A number behind a mark, and where its line ends: `Err(true)`, it is not there yet, `Err(false)`, it is wrong.
    fn number(input: &[u8], at: usize, mark: u8, max: usize) -> Result<(usize, usize), bool> {
        let rest = input.get(at..).unwrap_or_default();
        match rest.first() {
            Some(b) if *b != mark => return Err(false),
            Some(_) => {}
            None => return Err(true),
        }
        let Some(len) = rest.windows(2).position(|w| w == b"\r\n") else { return Err(rest.len() < 64) };
        let digits = std::str::from_utf8(rest.get(1..len).unwrap_or_default()).unwrap_or_default();
        let n = digits.parse().ok().filter(|n| (1..=max).contains(n)).ok_or(false)?;
        Ok((n, at + len + 2))
    }
    let read = || -> Result<(Vec<Vec<u8>>, usize), bool> {
        let (n, mut at) = number(input, 0, b'*', MAX_ARGS)?;
        let mut args = Vec::new();
        for _ in 0..n {
            let (len, from) = number(input, at, b'$', MAX_ARG)?;
            at = from + len + 2;
            match input.get(from + len..) {
                Some([b'\r', b'\n', ..]) => args.push(input.get(from..from + len).unwrap_or_default().to_vec()),
                None | Some([] | [b'\r']) => return Err(true),
                Some(_) => return Err(false),
            }
        }
        Ok((args, at))
    };
    match read() {
        Ok((args, n)) => Parsed::Command(args, n),
        Err(true) => Parsed::Incomplete,
        Err(false) => Parsed::Bad,
    }
}

/// A number as C's `atoi` reads it.
fn loose(arg: &[u8]) -> i64 {
    let (sign, digits) = match arg {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (1, rest),
    };
    let digits = digits.iter().take_while(|b| b.is_ascii_digit()).take(9);
    sign * digits.fold(0, |n, b| n * 10 + i64::from(b - b'0'))
}

fn list(d: &Debugger, args: &[Vec<u8>]) {
    let around = args.first().map_or(0, |a| loose(a));
    lines(d, around, args.get(1).map_or(AROUND, |a| loose(a)));
}

/// Lines around one; around the present one, if there is none such.
fn lines(d: &Debugger, around: i64, context: i64) {
    let around = if around <= 0 { d.line.get() as i64 } else { around };
    for n in 1..=d.lines.len() {
        if (around - context..=around + context).contains(&(n as i64)) {
            d.log_line(n);
        }
    }
}

/// A frame whose variables are known: where it is, and whose function.
struct Place {
    height: usize,
    line: usize,
}

/// The script's frames, from the innermost on.
fn places(lua: &Lua, level: usize) -> impl Iterator<Item = Option<Place>> {
    let height = height(lua);
    (level..height).map_while(move |n| {
        lua.inspect_stack(n, |debug| {
            let line = debug.current_line().filter(|_| ours(debug))?;
            Some(Place { height: height - n, line })
        })
    })
}

/// The variables of a frame that are known where it is.
fn variables(d: &Debugger, lua: &Lua, place: &Place) -> Vec<(String, Value)> {
    let frames = d.frames.borrow();
    let declarations = d.declarations.borrow();
    let frame = frames.threads.get(&thread(lua)).and_then(|t| t.get(&place.height));
    let mut all = Vec::new();
    for (n, values) in frame.into_iter().flatten() {
        let Some(declared) = declarations.get(*n) else { continue };
        let from = declared.line + usize::from(!declared.begins());
        if (from..=declared.last).contains(&place.line)
            && let Ok(values) = values.call::<mlua::MultiValue>(())
        {
            all.extend(declared.names.iter().cloned().zip(values.into_iter().chain(std::iter::repeat(Value::Nil))));
        }
    }
    all
}

fn print(d: &Debugger, lua: &Lua, world: &World, level: usize, name: &[u8]) {
    let value = places(lua, level).flatten().find_map(|place| {
        variables(d, lua, &place).into_iter().find(|(n, _)| n.as_bytes() == name).map(|(_, value)| value)
    });
    let global = || match name {
        b"KEYS" => world.globals.raw_get::<Value>("KEYS").ok(),
        b"ARGV" => world.globals.raw_get::<Value>("ARGV").ok(),
        _ => None,
    };
    match value.or_else(global) {
        Some(v) => d.log_value([b"<value> ".as_slice(), &show::value(&v)].concat()),
        None => d.log(b"No such variable."),
    }
}

fn print_all(d: &Debugger, lua: &Lua, level: usize) {
    let all = places(lua, level).next().flatten().map(|place| variables(d, lua, &place)).unwrap_or_default();
    for (name, value) in &all {
        d.log_value([b"<value> ", name.as_bytes(), b" = ", &show::value(value)].concat());
    }
    if all.is_empty() {
        d.log(b"No local variables in the current context.");
    }
}

fn breakpoints(d: &Debugger, args: &[Vec<u8>]) {
    if args.is_empty() {
        let all = d.breakpoints.borrow().clone();
        if all.is_empty() {
            return d.log(b"No breakpoints set. Use 'b <line>' to add one.");
        }
        d.log(format!("{} breakpoints set:", all.len()).as_bytes());
        all.into_iter().for_each(|n| d.log_line(n));
        return;
    }
    for arg in args {
        let number = std::str::from_utf8(arg).ok().and_then(|a| a.parse::<i64>().ok());
        let count = d.breakpoints.borrow().len();
        match number {
            None => d.log(&[b"Invalid argument:'", arg.as_slice(), b"'"].concat()),
            Some(0) => {
                d.breakpoints.borrow_mut().clear();
                d.log(b"All breakpoints removed.");
            }
            Some(n) if n < 0 => {
                d.breakpoints.borrow_mut().retain(|b| *b as i64 != -n);
                let removed = d.breakpoints.borrow().len() < count;
                d.log(if removed { b"Breakpoint removed." } else { b"No breakpoint in the specified line." });
            }
            Some(_) if count == MAX_BREAKPOINTS => d.log(b"Too many breakpoints set."),
            Some(n) => {
                let n = n as usize;
                if n > d.lines.len() || d.breakpoints.borrow().contains(&n) {
                    d.log(b"Wrong line number.");
                } else {
                    d.breakpoints.borrow_mut().push(n);
                    lines(d, n as i64, 1);
                }
            }
        }
    }
}

fn trace(d: &Debugger, lua: &Lua, level: usize) {
    for (n, place) in places(lua, level).enumerate() {
        let Some(place) = place else { continue };
        let name = lua.inspect_stack(level + n, |debug| debug.names().name.map(|n| n.into_owned())).flatten();
        let name = name.unwrap_or_else(|| "top level".into());
        d.log(format!("{} {name}:", if n == 0 { "In" } else { "From" }).as_bytes());
        d.log_line(place.line);
    }
}

fn maxlen(d: &Debugger, args: &[Vec<u8>]) {
    if let [n] = args {
        let n = loose(n);
        d.hinted.set(true);
        d.maxlen.set(if n == 0 { 0 } else { usize::try_from(n.max(MIN_MAXLEN)).unwrap_or(0) });
    }
    match d.maxlen.get() {
        0 => d.log(b"<value> replies are unlimited."),
        n => d.log(format!("<value> replies are truncated at {n} bytes.").as_bytes()),
    }
}

/// Executes code, as an expression if it is one.
fn eval(d: &Debugger, lua: &Lua, world: &World, code: &[u8]) {
    let compiled = |text: &[u8]| {
        let chunk = lua.load(text).set_name("@ldb_eval").set_mode(ChunkMode::Text);
        chunk.set_environment(world.env.clone()).into_function()
    };
    let _limited = world.bridge.limited(lua);
    let function = match compiled(&[b"return ", code].concat()).or_else(|_| compiled(code)) {
        Ok(f) => f,
        Err(e) => return d.log(&[b"<error> ".as_slice(), &errors::syntax(&e)].concat()),
    };
    // in a thread of its own, whose instructions are counted even if the script stands in a hook
    let run = || lua.create_thread(world.xpcall.clone())?.resume::<(bool, Value)>((function, &world.handler));
    match run() {
        Ok((true, value)) => d.log_value([b"<retval> ".as_slice(), &show::value(&value)].concat()),
        other => {
            let line = Failure::of(other).line;
            d.log(&[b"<error> ", line.strip_prefix(b"ERR ").unwrap_or(&line)].concat());
        }
    }
}

/// Executes a command.
fn redis(d: &Debugger, lua: &Lua, world: &World, args: &[Vec<u8>]) -> mlua::Result<()> {
    let args = OwnedArgs::from_slices(args);
    let mut reply = Reply::new();
    reply.set_resp3(world.bridge.resp3());
    d.step.set(true); // what it does is told
    let end = bridge::of_host(|h| h.call(args.args(), &mut reply));
    d.step.set(false);
    if end? { Err(kill(lua)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // CVE-2021-32672: a malformed command had the debugger read beyond its buffer
    #[test]
    fn commands_are_read() {
        let command = |args: &[&str], n| Parsed::Command(args.iter().map(|a| a.as_bytes().to_vec()).collect(), n);
        for (input, parsed) in [
            ("*1\r\n$1\r\ns\r\n", command(&["s"], 11)),
            ("*2\r\n$1\r\nb\r\n$2\r\n10\r\n*1\r\n", command(&["b", "10"], 19)),
            ("", Parsed::Incomplete),
            ("*", Parsed::Incomplete),
            ("*1\r\n$", Parsed::Incomplete),
            ("*1\r\n$3\r\nab", Parsed::Incomplete),
            ("*1\r\n$1\r\na\r", Parsed::Incomplete),
            ("*1\r\n$1\r\nabc", Parsed::Bad),
            ("*0\r\n", Parsed::Bad),
            ("*-1\r\n", Parsed::Bad),
            ("*1\r\n$0\r\n\r\n", Parsed::Bad),
            ("*1\r\n$-1\r\n", Parsed::Bad),
            ("*1\r\n$1025\r\n", Parsed::Bad),
            ("*1025\r\n", Parsed::Bad),
            ("PING\r\n", Parsed::Bad),
            ("*1\r\n:1\r\n", Parsed::Bad),
            ("*99999999999999999999999\r\n", Parsed::Bad),
        ] {
            assert_eq!(parse(input.as_bytes()), parsed, "{input:?}");
        }
        assert_eq!(parse(&[b'*'; 100]), Parsed::Bad);
        assert_eq!(parse(&[b"*".as_slice(), &[b'1'; 100]].concat()), Parsed::Bad);
    }

    #[test]
    fn loose_numbers() {
        for (text, n) in [("12", 12), ("-3x", -3), ("x", 0), ("", 0), ("99999999999999999999", 999_999_999), ("-", 0)] {
            assert_eq!(loose(text.as_bytes()), n);
        }
    }
}
