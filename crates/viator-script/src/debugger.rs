//! The debugger of scripts, as redis-cli and others talk to it.
//!
//! A session lasts as long as its script. Where the script stops, the thread that runs it reads commands from the client's
//! connection ([`Console`]) until one lets it go on; what is to be told goes out as one array of lines each time. Lines are
//! followed by a hook, local variables are told by the script itself (see [`locals`]).

mod locals;
mod show;
mod talk;

use crate::bridge::{self, Bridge};
use crate::errors::{self, Failure};
use crate::rewrite::Parameters;
use crate::vm::{Chunk, Host, Registration, Vm, kill};
use locals::{Declaration, Kind};
use mlua::debug::{Debug, DebugEvent};
use mlua::{Function, HookTriggers, Lua, Table, VmState};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::{Duration, Instant};
use viator_resp::reply::Reply;
use viator_resp::request::Args;

pub(crate) use show::value as shown;

/// Instructions between two looks at the clock.
const TICK: u32 = 10_000;
/// How long a script runs before it is taken for one without an end.
const ENDLESS: Duration = Duration::from_secs(5);
/// Bytes of lines that wait to be sent. What comes after is not told.
const MAX_LOGS: usize = 32 << 20;
/// Longest of the client's commands together, bytes.
const MAX_INPUT: usize = 1 << 20;
/// Most frames whose variables are known, and most functions that tell them.
const MAX_FRAMES: usize = 1000;
const MAX_TOLD: usize = 20_000;
/// What a line may be long before a client says otherwise, bytes.
const MAXLEN: usize = 256;

/// A debugger's way to its client.
pub trait Console {
    /// Sends bytes. `false`: the client is gone.
    fn send(&mut self, bytes: &[u8]) -> bool;
    /// Waits for input and appends it. `ends` is asked meanwhile, every few milliseconds.
    fn receive(&mut self, input: &mut Vec<u8>, ends: &mut dyn FnMut() -> bool) -> Heard;
}

/// What a console heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// There is input.
    Bytes,
    /// The client is gone.
    Gone,
    /// The script is to end.
    End,
}

/// Lines that wait to be sent.
#[derive(Default)]
struct Logs {
    lines: Vec<Vec<u8>>,
    bytes: usize,
}

/// A function's variables, by the number of their declaration.
type Frame = BTreeMap<usize, Function>;

/// What is known of frames: by thread, by height in its stack.
#[derive(Default)]
struct Frames {
    threads: HashMap<usize, BTreeMap<usize, Frame>>,
    told: usize,
}

/// Why a script stops.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    Step,
    Breakpoint,
    Called,
    Timeout,
}

impl Reason {
    fn text(self) -> &'static str {
        match self {
            Reason::Step => "step over",
            Reason::Breakpoint => "break point",
            Reason::Called => "redis.breakpoint() called",
            Reason::Timeout => "timeout reached, infinite loop?",
        }
    }
}

/// A session.
pub struct Debugger {
    /// Nothing is left of it when the session has ended.
    console: RefCell<Option<Box<dyn Console>>>,
    /// What the client has sent and is no whole command yet.
    input: RefCell<Vec<u8>>,
    /// The script's lines.
    lines: Vec<Vec<u8>>,
    logs: RefCell<Logs>,
    breakpoints: RefCell<Vec<usize>>,
    /// The script stops at the next line, and tells the commands it calls on the way.
    step: Cell<bool>,
    /// `redis.breakpoint()` was called.
    called: Cell<bool>,
    /// The line that is executed.
    line: Cell<usize>,
    /// Most bytes of a shown value; 0: no limit.
    maxlen: Cell<usize>,
    /// The client knows of the limit.
    hinted: Cell<bool>,
    /// The script stands, and what is executed is the client's.
    stands: Cell<bool>,
    /// A function of the script was called, whose first line comes next.
    entering: Cell<bool>,
    /// A stop that waits until the block that begins has told its names.
    due: Cell<Option<Reason>>,
    /// The line of the last event.
    last: Cell<usize>,
    /// The script was in the last line of this statement already, which has several.
    seen: Cell<Option<usize>>,
    /// When the script last went on.
    since: Cell<Instant>,
    declarations: RefCell<Vec<Declaration>>,
    frames: RefCell<Frames>,
}

/// What the debugger needs of the state.
struct World {
    env: Table,
    globals: Table,
    xpcall: Function,
    handler: Function,
    bridge: Rc<Bridge>,
}

impl Debugger {
    /// A session about a script's text.
    pub fn new(console: Box<dyn Console>, body: &[u8]) -> Rc<Debugger> {
        let end = body.iter().rposition(|b| !matches!(b, b'\n' | b'\r')).map_or(0, |p| p + 1);
        let text = body.get(..end).unwrap_or_default();
        let lines =
            if text.is_empty() { Vec::new() } else { text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect() };
        Rc::new(Debugger {
            console: RefCell::new(Some(console)),
            input: RefCell::default(),
            lines,
            logs: RefCell::default(),
            breakpoints: RefCell::default(),
            step: Cell::new(true),
            called: Cell::new(false),
            line: Cell::new(1),
            maxlen: Cell::new(MAXLEN),
            hinted: Cell::new(false),
            stands: Cell::new(false),
            entering: Cell::new(false),
            due: Cell::new(None),
            last: Cell::new(0),
            seen: Cell::new(None),
            since: Cell::new(Instant::now()),
            declarations: RefCell::default(),
            frames: RefCell::default(),
        })
    }

    /// Ends the session: the client is told so.
    pub fn end(&self) {
        self.log(b"<endsession>");
        self.send();
        *self.console.borrow_mut() = None;
    }

    /// `redis.breakpoint()`.
    pub(crate) fn call_breakpoint(&self) {
        self.called.set(true);
    }

    /// `redis.debug(…)`, the values as text.
    pub(crate) fn say(&self, text: &[u8]) {
        let mut line = format!("<debug> line {}: ", self.line.get()).into_bytes();
        line.extend_from_slice(text);
        self.log(&line);
    }

    /// A line for the client.
    fn log(&self, line: &[u8]) {
        let mut logs = self.logs.borrow_mut();
        if logs.bytes <= MAX_LOGS {
            let line: Vec<u8> = line.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }).collect();
            logs.bytes += line.len() + 32;
            logs.lines.push(line);
        }
    }

    /// A line with a value, which may be long.
    fn log_value(&self, mut line: Vec<u8>) {
        let max = self.maxlen.get();
        if max == 0 || line.len() <= max {
            return self.log(&line);
        }
        line.truncate(max);
        line.extend_from_slice(b" ...");
        self.log(&line);
        if !self.hinted.replace(true) {
            self.log(b"<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.");
        }
    }

    /// Sends what there is to tell.
    fn send(&self) {
        let Logs { lines, .. } = std::mem::take(&mut *self.logs.borrow_mut());
        let mut bytes = format!("*{}\r\n", lines.len()).into_bytes();
        for line in lines {
            bytes.push(b'+');
            bytes.extend_from_slice(&line);
            bytes.extend_from_slice(b"\r\n");
        }
        if !self.console.borrow_mut().as_mut().is_some_and(|c| c.send(&bytes)) {
            self.let_go();
        }
    }

    /// The client is gone: the script runs to its end.
    fn let_go(&self) {
        self.step.set(false);
        self.breakpoints.borrow_mut().clear();
    }

    /// What the hook does.
    fn hook(&self, lua: &Lua, world: &World, d: &Debug<'_>) -> mlua::Result<VmState> {
        match d.event() {
            DebugEvent::Count => {
                world.bridge.settle(lua);
                if bridge::tick() {
                    return Err(kill(lua));
                }
                if !self.stands.get() && self.since.get().elapsed() > ENDLESS && ours(d) {
                    if let Some(line) = d.current_line() {
                        self.line.set(line);
                    }
                    return self.stop(lua, world, Reason::Timeout, 0);
                }
            }
            DebugEvent::Call | DebugEvent::TailCall => self.entering.set(!self.stands.get() && ours(d)),
            DebugEvent::Line => {
                let Some(line) = d.current_line() else { return Ok(VmState::Continue) };
                // behind the last line ends the function around the script
                let behind = line > self.lines.len().max(1) && !self.lines.is_empty();
                if self.stands.get() || behind || !ours(d) {
                    return Ok(VmState::Continue);
                }
                let line = line.min(self.lines.len().max(1));
                self.line.set(line);
                let before = self.last.replace(line);
                let entering = self.entering.replace(false);
                if let Some(n) = self.end_of_long(line)
                    && self.seen.replace(Some(n)) == Some(n)
                {
                    return Ok(VmState::Continue); // what tells of it comes next, and nothing else
                }
                let Some(reason) = self.reason(line) else { return Ok(VmState::Continue) };
                if self.due.take().is_none() && self.tells_first(line, before, entering) {
                    self.due.set(Some(reason));
                    return Ok(VmState::Continue);
                }
                return self.stop(lua, world, reason, 0);
            }
            _ => {}
        }
        Ok(VmState::Continue)
    }

    /// The statement of several lines that ends in a line.
    fn end_of_long(&self, line: usize) -> Option<usize> {
        self.declarations.borrow().iter().position(|d| d.line == line && d.is_long())
    }

    /// Whether what comes next in a line is that a block tells its names. It came there from the line `before`, or
    /// entered a function.
    fn tells_first(&self, line: usize, before: usize, entering: bool) -> bool {
        self.declarations.borrow().iter().any(|d| match d.kind {
            Kind::Function => entering && d.line == line,
            // a loop within one line comes back to it
            Kind::Loop(head) => d.line == line && (before == line) == (head == line),
            Kind::Statement(_) => false,
        })
    }

    /// Why to stop in a line, if there is a reason.
    fn reason(&self, line: usize) -> Option<Reason> {
        if self.called.get() {
            Some(Reason::Called)
        } else if self.breakpoints.borrow().contains(&line) {
            Some(Reason::Breakpoint)
        } else {
            self.step.get().then_some(Reason::Step)
        }
    }

    /// Stops. The script's innermost function is at `level` of the stack.
    fn stop(&self, lua: &Lua, world: &World, reason: Reason, level: usize) -> mlua::Result<VmState> {
        self.step.set(false);
        self.called.set(false);
        self.log(format!("* Stopped at {}, stop reason = {}", self.line.get(), reason.text()).as_bytes());
        self.log_line(self.line.get());
        self.send();
        self.stands.set(true);
        let talked = talk::talk(self, lua, world, level);
        self.stands.set(false);
        if !talked? && reason == Reason::Timeout {
            return Err(errors::reply("ERR timeout during Lua debugging with client closing connection", false));
        }
        self.since.set(Instant::now());
        Ok(VmState::Continue)
    }

    /// A line of the script.
    fn log_line(&self, n: usize) {
        let mut line = if n == self.line.get() { b"->".to_vec() } else { b"  ".to_vec() };
        line.push(if self.breakpoints.borrow().contains(&n) { b'#' } else { b' ' });
        line.extend_from_slice(format!("{n:<3} ").as_bytes());
        line.extend_from_slice(match n.checked_sub(1).and_then(|i| self.lines.get(i)) {
            Some(text) => text,
            None => b"<out of range source code line>",
        });
        self.log(&line);
    }

    /// The script tells what a declaration has declared.
    fn told(&self, lua: &Lua, world: &World, n: usize, values: Function) -> mlua::Result<()> {
        let (begins, enters) =
            self.declarations.borrow().get(n).map_or((false, false), |d| (d.begins(), d.kind == Kind::Function));
        if self.seen.get() == Some(n) {
            self.seen.set(None);
        }
        // the function that tells is behind this one
        let height = height(lua).saturating_sub(1);
        {
            let mut frames = self.frames.borrow_mut();
            let Frames { threads, told } = &mut *frames;
            let known = threads.entry(thread(lua)).or_default();
            // what is above has returned
            let gone = known.split_off(&(height + usize::from(!enters)));
            *told -= gone.values().map(BTreeMap::len).sum::<usize>();
            if height <= MAX_FRAMES && *told < MAX_TOLD && known.entry(height).or_default().insert(n, values).is_none()
            {
                *told += 1;
            }
        }
        match self.due.take() {
            Some(reason) if begins => self.stop(lua, world, reason, 1).map(|_| ()),
            _ => Ok(()),
        }
    }
}

/// Whether a function is of the script.
fn ours(d: &Debug<'_>) -> bool {
    d.source().source.is_some_and(|s| s == "@user_script")
}

/// How many levels the stack has.
fn height(lua: &Lua) -> usize {
    let there = |n: usize| lua.inspect_stack(n, |_| ()).is_some();
    let mut high = 1;
    while there(high) {
        high *= 2;
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if there(middle) { low = middle } else { high = middle }
    }
    if there(low) { low + 1 } else { low }
}

fn thread(lua: &Lua) -> usize {
    lua.current_thread().to_pointer() as usize
}

/// A host whose commands the debugger tells of.
struct Debugged<'h> {
    host: &'h mut dyn Host,
    debugger: Rc<Debugger>,
}

impl Host for Debugged<'_> {
    fn call(&mut self, args: Args<'_>, reply: &mut Reply) -> bool {
        let d = self.debugger.clone();
        let told = d.step.get();
        if told {
            d.log(&show::command(args.iter()));
        }
        let end = self.host.call(args, reply);
        let refused = self.host.refused();
        if !told {
            return end;
        }
        let line = reply.parts().0.trim_ascii_end();
        if refused {
            d.log(&[b"<error> ", line.strip_prefix(b"-ERR ").unwrap_or(line)].concat());
            return end;
        }
        if line.starts_with(b"-") {
            d.log(&[b"<error> ", line].concat());
        }
        d.log_value([b"<reply> ".as_slice(), &show::reply(reply)].concat());
        end
    }

    fn refused(&mut self) -> bool {
        self.host.refused()
    }

    fn key(&self, n: usize) -> Option<&[u8]> {
        self.host.key(n)
    }

    fn arg(&self, n: usize) -> Option<&[u8]> {
        self.host.arg(n)
    }

    fn tick(&mut self) -> bool {
        self.host.tick()
    }

    fn log(&mut self, level: i64, message: &[u8]) {
        self.host.log(level, message);
    }

    fn set_repl(&mut self, flags: i64) {
        self.host.set_repl(flags);
    }

    fn may_run(&mut self, args: Args<'_>) -> Result<bool, &'static str> {
        self.host.may_run(args)
    }

    fn register(&mut self, r: Registration) -> Result<(), String> {
        self.host.register(r)
    }

    fn replied_error(&mut self, line: &[u8], counted: bool) {
        self.host.replied_error(line, counted);
    }

    fn debugger(&self) -> Option<&Rc<Debugger>> {
        Some(&self.debugger)
    }
}

impl Vm {
    /// Runs a script of EVAL that compiles under a debugger, and writes what it returns as a reply.
    ///
    /// # Errors
    /// As [`Vm::run`].
    pub fn debug(
        &self,
        debugger: &Rc<Debugger>,
        source: &[u8],
        keys: Args<'_>,
        argv: Args<'_>,
        host: &mut dyn Host,
        out: &mut Reply,
    ) -> Result<(), Failure> {
        let world = Rc::new(World {
            env: self.env.clone(),
            globals: self.globals.clone(),
            xpcall: self.xpcall.clone(),
            handler: self.handler.clone(),
            bridge: self.bridge.clone(),
        });
        let plain = || self.chunk(source).map_err(|e| Failure::from_error(&e));
        let function = match locals::told(source) {
            Some(told) => match self.telling(debugger, &world, &told.text) {
                Ok(function) => {
                    *debugger.declarations.borrow_mut() = told.declarations;
                    function
                }
                // what has no room for more (too many upvalues…) runs as it is
                Err(_) => plain()?,
            },
            None => plain()?,
        };
        let (d, w) = (debugger.clone(), world);
        let triggers = HookTriggers::new().on_calls().every_line().every_nth_instruction(TICK);
        self.hook(triggers, move |lua, debug| d.hook(lua, &w, debug));
        debugger.since.set(Instant::now());
        let chunk = Chunk { function, parameters: Parameters::None, straight: false, direct: None };
        let mut host = Debugged { host, debugger: debugger.clone() };
        let result = self.run(&chunk, keys, argv, &mut host, out);
        self.revive();
        *debugger.frames.borrow_mut() = Frames::default();
        result
    }

    /// The script of a text that tells its variables.
    fn telling(&self, debugger: &Rc<Debugger>, world: &Rc<World>, text: &[u8]) -> mlua::Result<Function> {
        let (d, w) = (debugger.clone(), world.clone());
        let tell = self.lua.create_function(move |lua, (n, f): (usize, Function)| d.told(lua, &w, n, f))?;
        let [text_of, ..] = &self.upvalues;
        self.chunk(text)?.call((text_of, tell))
    }
}
