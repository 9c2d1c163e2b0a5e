//! Scripts that are planned, and what they do with Lua and without.

use super::*;
use crate::vm::{Flavour, Host, Registration, Vm};
use std::sync::Arc;
use viator_resp::reply::Reply;
use viator_resp::request::{Args, OwnedArgs};

#[test]
fn scripts_that_are_planned() {
    for source in [
        "return redis.call('GET', KEYS[1])",
        "redis.call('SET', KEYS[1], ARGV[1], 'PX', 100) return redis.call('INCR', KEYS[2]);",
        "if redis.call(\"get\",KEYS[1]) == ARGV[1] then\n  return redis.call(\"del\",KEYS[1])\nelse\n  return 0\nend",
        "local n = redis.call('INCR', KEYS[1])\nif n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end\nreturn n",
        "local a local b = -1; a = b return {a, b or 'x', (not a) ~= b; redis.pcall('A')}",
        "if KEYS[1] then elseif ARGV[2] then return end",
        "local call = redis.call; local p = redis.pcall\nlocal v = call('GET', KEYS[1]) if v then p('DEL', v) end",
        "",
    ] {
        assert!(plan(source.as_bytes()).is_some(), "{source}");
    }
    for source in [
        "return redis.call('GET', KEYS[1] .. 'x')",
        "return redis.call('GET', KEYS[1]):upper()",
        "return redis.call('GET', KEYS[1]) + 1",
        "return redis.call('GET', KEYS[1]).ok",
        "return 1 < 2",
        "return a",
        "x = 1",
        "local a, b = 1",
        "local a <const> = 1",
        "local redis = 1",
        "local KEYS = 1",
        "KEYS[1] = 1",
        "return 1, 2",
        "return 1.5",
        "return 0x10",
        "return 99999999999999999999",
        "return '\\65'",
        "return [[x]]",
        "return {a = 1}",
        "return {{1}}",
        "return {[1] = 1}",
        "return #KEYS",
        "return KEYS",
        "return KEYS[0]",
        "return KEYS[i]",
        "return redis.call()",
        "return redis.call 'PING'",
        "return redis.call(unpack(KEYS))",
        "return redis.call(...)",
        "return redis\n.call('PING')",
        "local call = redis.call return call",
        "local call = redis.call call = 1",
        "local call = redis.call return redis.call(call)",
        "local call = redis.call or 1",
        "local call = redis.call return call 'PING'",
        "local call = redis.call return call\n('PING')",
        "if 1 then local call = redis.call end return call('PING')",
        "return redis.status_reply('x')",
        "for i = 1, 2 do redis.call('PING') end",
        "do return 1 end",
        "if 1 then local a = 1 end return a",
        "return -ARGV[1]",
        "return - -1",
        "return 'a' 'b'",
        "return 1\r",
    ] {
        assert!(plan(source.as_bytes()).is_none(), "{source}");
    }
}

/// Replies by what it is asked, and remembers what that was.
#[derive(Default)]
struct Told {
    calls: Vec<String>,
    errors: Vec<(Vec<u8>, bool)>,
    kill_at: usize,
}

impl Host for Told {
    fn call(&mut self, args: Args<'_>, reply: &mut Reply) -> bool {
        let words: Vec<String> = args.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect();
        let sum: usize = args.iter().flatten().map(|b| usize::from(*b)).sum();
        self.calls.push(words.join(" "));
        match (sum + self.calls.len()) % 11 {
            0 => reply.null(),
            1 => reply.int(1),
            2 => reply.int(-7),
            3 => reply.ok(),
            4 => reply.bulk(b"one"),
            5 => reply.bulk(b""),
            6 => reply.error("WRONGTYPE it is wrong"),
            7 => reply.null_array(),
            8 => reply.bulk_shared(&Arc::new(vec![b'x'; viator_resp::reply::SHARE_FROM])),
            9 => {
                reply.array(5);
                reply.bulk(b"one\r\n");
                reply.null();
                reply.array(2);
                reply.int(1);
                reply.ok();
                reply.null_array();
                reply.bulk_shared(&Arc::new(vec![0; viator_resp::reply::SHARE_FROM]));
            }
            _ => {
                reply.array(2);
                reply.error("ERR within");
                reply.array(0);
            }
        }
        self.calls.len() == self.kill_at
    }
    fn key(&self, n: usize) -> Option<&[u8]> {
        ["key".as_bytes()].get(n).copied()
    }
    fn arg(&self, n: usize) -> Option<&[u8]> {
        ["one".as_bytes(), b"1"].get(n).copied()
    }
    fn tick(&mut self) -> bool {
        false
    }
    fn log(&mut self, _: i64, _: &[u8]) {}
    fn set_repl(&mut self, _: i64) {}
    fn may_run(&mut self, _: Args<'_>) -> Result<bool, &'static str> {
        Err("")
    }
    fn register(&mut self, _: Registration) -> Result<(), String> {
        Err("no".into())
    }
    fn replied_error(&mut self, line: &[u8], counted: bool) {
        self.errors.push((line.to_vec(), counted));
    }
}

/// Writes scripts at random.
struct Author {
    seed: u64,
    names: usize,
}

impl Author {
    fn below(&mut self, n: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % n
    }

    fn one_of(&mut self, words: &[&str]) -> String {
        words[self.below(words.len() as u64) as usize].to_owned()
    }

    fn call(&mut self, depth: u32) -> String {
        let mut text = self.one_of(&[
            "redis.call(",
            "redis.call(",
            "redis.call(\n",
            "redis.pcall(",
            "redis . pcall( ",
            "call(",
            "pc (\n",
        ]);
        text += &self.one_of(&["'GET'", "\"SET\"", "'DEL'", "KEYS[1]"]);
        for _ in 0..self.below(3) {
            text += &self.one_of(&[",", ", ", ",\n"]);
            text += &if self.below(4) == 0 { self.value(depth) } else { self.atom() };
        }
        text + ")"
    }

    fn atom(&mut self) -> String {
        if self.names > 0 && self.below(3) == 0 {
            return format!("x{}", self.below(self.names as u64));
        }
        self.one_of(&["KEYS[1]", "KEYS[2]", "ARGV[1]", "ARGV[2]", "ARGV[3]", "'one'", "1", "-7", "0", "'' "])
    }

    fn value(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.atom();
        }
        let d = depth - 1;
        match self.below(9) {
            0 => format!("{} == {}", self.value(d), self.value(d)),
            1 => format!("{} ~= {}", self.value(d), self.value(d)),
            2 => format!("not {}", self.value(d)),
            3 => format!("{} or {}", self.value(d), self.value(d)),
            4 => format!("{} and {}", self.value(d), self.value(d)),
            5 => format!("({})", self.value(d)),
            6 => self.one_of(&["nil", "true", "false"]),
            _ => self.call(d),
        }
    }

    fn block(&mut self, depth: u32) -> String {
        let scope = self.names;
        let mut text = String::new();
        for _ in 0..self.below(4) {
            text += &match self.below(6) {
                0 => {
                    let value = self.value(2);
                    self.names += 1;
                    format!("local x{} = {value}", self.names - 1)
                }
                1 if self.names > 0 => format!("x{} = {}", self.below(self.names as u64), self.value(2)),
                2 if depth > 0 => {
                    let (a, b) = (self.value(2), self.block(depth - 1));
                    let (c, d) = (self.value(1), self.block(depth - 1));
                    let e = self.block(depth - 1);
                    match self.below(3) {
                        0 => format!("if {a} then {b} end"),
                        1 => format!("if {a} then {b}\nelseif {c} then {d} end"),
                        _ => format!("if {a} then\n{b} elseif {c} then {d} else {e} end"),
                    }
                }
                _ => self.call(2),
            };
            text += &self.one_of(&["\n", ";", " "]);
        }
        text += &match self.below(5) {
            0 => String::new(),
            1 => format!("return {{{}, {}}}", self.value(2), self.value(1)),
            2 => format!("return {}", self.value(2)),
            3 => "return".into(),
            _ => format!("return {};", self.call(2)),
        };
        self.names = scope;
        text + " "
    }
}

#[test]
fn without_lua_as_with_it() {
    let vm = Vm::new(Flavour::Eval, "8.4.0", 0, false).unwrap();
    let args = OwnedArgs::from_slices(["key", "one", "1"]);
    let mut author = Author { seed: 0x9e37_79b9_7f4a_7c15, names: 0 };
    let mut failures = 0;
    for n in 0..3000 {
        let source = format!("local call = redis.call\nlocal pc = redis.pcall {}", author.block(2));
        let direct = vm.compile(source.as_bytes()).unwrap();
        assert!(direct.is_direct(), "{source}");
        let lua = direct.clone().for_lua();
        let run = |chunk| {
            let mut host = Told { kill_at: if n % 7 == 0 { 3 } else { 0 }, ..Told::default() };
            let mut out = Reply::new();
            out.set_resp3(n % 2 == 0);
            let result = vm.run(chunk, args.args().first(1), args.args().from(1), &mut host, &mut out);
            let failure = result.err().map(|f| {
                if f.killed {
                    vm.revive();
                }
                (String::from_utf8_lossy(&f.line).into_owned(), f.place, f.counted, f.killed)
            });
            let text = failure.is_none().then(|| String::from_utf8_lossy(&out.flatten()).into_owned());
            (host.calls, host.errors, failure, text)
        };
        let (one, two) = (run(&direct), run(&lua));
        failures += usize::from(one.2.is_some());
        assert_eq!(one, two, "{source}");
    }
    assert!((500..2500).contains(&failures), "{failures}");
}
