//! What a script must not be able to do: what was reported of Redis's Lua from 2018 to 2026, and what is like it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use viator_resp::reply::Reply;
use viator_resp::request::Args;
use viator_script::{Flavour, Host, Registration, Vm};

/// Answers every command with its last argument. Scripts are ended after so many looks at the clock.
struct Echo {
    ticks: u32,
}

impl Host for Echo {
    fn call(&mut self, args: Args<'_>, reply: &mut Reply) -> bool {
        reply.bulk(args.at(args.len() - 1));
        false
    }
    fn tick(&mut self) -> bool {
        self.ticks = self.ticks.saturating_sub(1);
        self.ticks == 0
    }
    fn log(&mut self, _: i64, _: &[u8]) {}
    fn set_repl(&mut self, _: i64) {}
    fn may_run(&mut self, _: Args<'_>) -> Result<bool, &'static str> {
        Ok(true)
    }
    fn register(&mut self, _: Registration) -> Result<(), String> {
        Err("not here".into())
    }
}

fn vm(memory: usize) -> Vm {
    Vm::new(Flavour::Eval, "8.4.0", memory, false).unwrap()
}

/// The reply, or the error line.
fn run_in(vm: &Vm, script: &str) -> String {
    run_for(vm, 100_000, script)
}

fn run_for(vm: &Vm, ticks: u32, script: &str) -> String {
    let chunk = match vm.compile(script.as_bytes()) {
        Ok(c) => c,
        Err(e) => return format!("compile: {}", String::from_utf8_lossy(&e)),
    };
    let mut out = Reply::new();
    match vm.run(&chunk, Args::EMPTY, Args::EMPTY, &mut Echo { ticks }, &mut out) {
        Ok(()) => String::from_utf8_lossy(out.parts().0).replace("\r\n", " ").trim_end().to_owned(),
        Err(f) => {
            vm.revive();
            format!("error: {}", String::from_utf8_lossy(&f.line))
        }
    }
}

fn run(script: &str) -> String {
    // with the stack of a worker
    let script = script.to_owned();
    let thread = std::thread::Builder::new().stack_size(16 << 20);
    thread.spawn(move || run_in(&vm(256 << 20), &script)).unwrap().join().unwrap()
}

#[track_caller]
fn refused(script: &str, with: &str) {
    let got = run(script);
    assert!(got.starts_with("error: ") && got.contains(with), "{script}: {got}");
}

#[test]
fn no_way_out_of_the_process() {
    // CVE-2022-0543: the package library was reachable
    for name in ["package", "require", "io", "debug", "dofile", "loadfile", "print", "newproxy", "module"] {
        refused(&format!("return {name}"), "nonexistent global variable");
    }
    assert_eq!(run("local t = {} for k in pairs(os) do t[#t + 1] = k end return t"), "*1 $5 clock");
    refused("return os.execute('true')", "nil value");
}

#[test]
fn compiled_code_is_not_loaded() {
    assert_eq!(run("local f, e = loadstring(string.dump(function() return 1 end)) return {tostring(f)}"), "*1 $3 nil");
    assert_eq!(run("local f = load(function() return '\\27Lua' end) return tostring(f)"), "$3 nil");
    assert!(run("\u{1b}Lua").starts_with("compile: "));
}

#[test]
fn nothing_stays_behind() {
    // CVE-2022-24735: a script could change what others see
    let vm = vm(256 << 20);
    for (script, with) in [
        ("x = 1", "readonly"),
        ("_G.x = 1", "readonly"),
        ("rawset(_G, 'x', 1)", "readonly"),
        ("redis.call = nil", "readonly"),
        ("rawset(redis, 'call', nil)", "readonly"),
        ("string.format = nil", "readonly"),
        ("table.insert(table, 1)", "readonly"),
        ("setmetatable(_G, {})", "readonly"),
        ("setmetatable(math, {__index = function() end})", "readonly"),
        // CVE-2025-46818: the metatables of the basic types
        ("getmetatable('').__index = function() return 1 end", "readonly"),
        ("getmetatable('').__add = function() return 1 end", "readonly"),
        ("rawset(getmetatable(''), '__index', nil)", "readonly"),
        ("getmetatable(_G).__index = function() end", "readonly"),
    ] {
        let got = run_in(&vm, script);
        assert!(got.starts_with("error: ") && got.contains(with), "{script}: {got}");
    }
    for value in ["1", "true", "print", "coroutine.create(function() end)"] {
        let script = format!("local ok, m = pcall(getmetatable, {value}) return type(m)");
        let got = run_in(&vm, &script);
        assert!(got == "$3 nil" || got.contains("string") || got.starts_with("error"), "{value}: {got}");
    }
    assert_eq!(
        run_in(&vm, "return {type(redis.call), ('x'):upper(), #_G, type(string.format)}"),
        "*4 $8 function $1 X :0 $8 function"
    );
}

#[test]
fn finalizers_do_not_run() {
    // CVE-2024-46981 and its like: code run by the collector
    let script = "setmetatable({}, {__gc = function() error('ran') end}) collectgarbage() return 'fine'";
    assert_eq!(run(script), "$4 fine");
}

#[test]
fn memory_is_bounded() {
    let vm = vm(8 << 20);
    for script in [
        "local t = {} for i = 1, 1e9 do t[i] = {i} end",
        "return string.rep('x', 1e9)",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} for i = 1, 1e7 do t[i] = 'x' end return table.concat(t)",
    ] {
        let got = run_in(&vm, script);
        assert!(got.contains("memory"), "{script}: {got}");
    }
    assert_eq!(run_in(&vm, "return 'goes on'"), "$7 goes on");
}

#[test]
fn time_is_bounded() {
    for script in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local f f = function() return f() end return f()",
        "while true do xpcall(function() while true do end end, function() end) end",
        "local c = coroutine.wrap(function() while true do end end) while true do pcall(c) end",
        "for i = 1, math.huge do end",
        "repeat until false",
        "return ('x'):gsub('x', function() while true do end end)",
        "table.sort({1, 2, 3}, function() while true do end end)",
        "setmetatable({}, {__index = function() while true do end end}).x = nil local t = setmetatable({}, {__index = \
         function() while true do end end}) return t.x",
    ] {
        let got = run_for(&vm(64 << 20), 20, script);
        assert!(got.contains("killed"), "{script}: {got}");
    }
}

#[test]
fn deep_recursion_is_an_error() {
    // CVE-2021-32626: more on the stack than it has room for
    refused("local function f() return 1 + f() end return f()", "stack overflow");
    refused(
        "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end return t.x",
        "overflow",
    );
    assert!(run(&format!("return {}1{}", "(".repeat(5000), ")".repeat(5000))).starts_with("compile: "));
    assert!(run(&format!("return {}", "{".repeat(5000))).starts_with("compile: "));
    assert!(run("local a = {} local x = a for i = 1, 5000 do x[1] = {} x = x[1] end return a").contains("stack limit"));
    refused(
        "return coroutine.wrap(function() local f f = function() return coroutine.wrap(f)() end return f() end)()",
        "",
    );
}

#[test]
fn arguments_that_overflowed() {
    // CVE-2025-46817: unpack's range
    refused("return {unpack({1, 2, 3}, -2, 2147483647)}", "too many results");
    refused("return {unpack({1, 2, 3}, 0, 2147483647)}", "too many results");
    refused("return {unpack({1, 2, 3}, -9223372036854775808, 9223372036854775807)}", "too many results");
    // CVE-2024-31449: bit.tohex of the smallest number
    assert_eq!(run("return bit.tohex(65535, -2147483648)"), "$8 0000FFFF");
    assert_eq!(run("return bit.tohex(65535, 2147483647)"), "$8 0000ffff");
    // CVE-2020-14147 and CVE-2018-11219: sizes of struct
    refused("return struct.unpack('I2147483648', 'x')", "integral size");
    refused("return struct.pack('>I2147483646', 10)", "integral size");
    refused("return struct.unpack('c2147483647', 'x')", "too short");
    refused("return struct.unpack('bc0', '\\127x')", "too short");
    // CVE-2018-11218: nested MessagePack
    refused("return cmsgpack.unpack(string.rep('\\145', 100000))", "");
    refused("return cmsgpack.unpack('\\219\\255\\255\\255\\255')", "Missing bytes");
    assert!(run("local t = {} t[1] = t return cmsgpack.pack(t)").starts_with("$17 "));
    refused("return cjson.decode(string.rep('[', 100000))", "nested");
    refused("local t = {} t[1] = t return cjson.encode(t)", "nesting");
    refused("return string.format('%99999999d', 1)", "");
    assert_eq!(run("return #string.rep('', 2147483647)"), ":0");
    refused("return string.rep('abc', 9223372036854775807)", "too large");
}

#[test]
fn lengths_that_overflowed() {
    // CVE-2022-24834: what a string becomes is longer than the string
    assert_eq!(run("return #cjson.encode(string.rep('\\1', 1000000))"), ":6000002");
    assert_eq!(run("return #cjson.encode({string.rep('\"', 1000000), string.rep('x', 10)})"), ":2000017");
    assert_eq!(run("return #cmsgpack.pack(string.rep('x', 10000000), {string.rep('y', 70000)})"), ":10070011");
    assert_eq!(
        run("local t = {} for i = 1, 70000 do t[i] = i end return #cmsgpack.unpack(cmsgpack.pack(t))"),
        ":70000"
    );
    let got = run_in(&vm(64 << 20), "return #cjson.encode(string.rep('\\1', 40000000))");
    assert!(got.contains("memory"), "{got}");
}

#[test]
fn a_reply_is_one_reply() {
    // CVE-2025-67733: lines of the protocol in an error
    for (script, reply) in [
        ("return redis.error_reply('E x\\r\\n+OK')", "-E x  +OK"),
        ("return redis.status_reply('x\\r\\n+OK')", "+x  +OK"),
        ("return {err='E x\\r\\n$3'}", "-E x  $3"),
        ("return {ok='x\\n:1'}", "+x :1"),
        ("return {{err='E x\\r\\n$3'}, 1}", "*2 -E x  $3 :1"),
        ("redis.setresp(3) return {big_number='1\\r\\n:2'}", "$5 1  :2"),
        ("redis.setresp(3) return {verbatim_string={format='\\r\\n', string='x'}}", "$1 x"),
        ("return {verbatim_string={format='', string=''}}", "$0"),
    ] {
        assert_eq!(run(script), reply, "{script}");
    }
    let vm = vm(64 << 20);
    for script in ["error('x\\r\\n+OK')", "error({err='E x\\r\\n+OK'})"] {
        let chunk = vm.compile(script.as_bytes()).unwrap();
        let failed = vm.run(&chunk, Args::EMPTY, Args::EMPTY, &mut Echo { ticks: 100 }, &mut Reply::new()).unwrap_err();
        // whoever writes the line writes it as one
        let mut out = Reply::new();
        out.error(&viator_resp::reply::shown_all(&failed.line));
        assert_eq!(out.parts().0.iter().filter(|b| **b == b'\n').count(), 1, "{script}");
    }
    // formats are padded: what is announced is what is sent
    let chunk = vm.compile(b"return {verbatim_string={format='x', string='ab'}}").unwrap();
    let mut out = Reply::new();
    out.set_resp3(true);
    vm.run(&chunk, Args::EMPTY, Args::EMPTY, &mut Echo { ticks: 100 }, &mut out).unwrap();
    assert_eq!(out.parts().0, b"=6\r\nx  :ab\r\n");
}

#[test]
fn texts_that_the_compiler_mistook() {
    // CVE-2025-46819: long brackets without an end; CVE-2025-49844: a name that the collector takes while compiling
    for script in [
        "return [",
        "return [=",
        "return [====",
        "return [=[",
        "return [==[x]=]",
        "--[==[",
        "return '\\",
        "return \"\\x",
    ] {
        assert!(run(script).starts_with("compile: "), "{script}");
    }
    let long = format!("return [{0}[x]{0}]", "=".repeat(100_000));
    assert_eq!(run(&long), "$1 x");
    let vm = vm(64 << 20);
    for i in 0..200 {
        assert_eq!(
            run_in(&vm, &format!("collectgarbage() return load('return {i}', string.rep('n', 10000))()")),
            format!(":{i}")
        );
    }
    // CVE-2022-24736: a function that is no script's result
    assert_eq!(run("return function() end"), "$-1");
}

#[test]
fn environments_are_those_of_scripts_only() {
    let vm = Vm::new(Flavour::Eval, "8.4.0", 64 << 20, true).unwrap();
    for (script, reply) in [
        ("local f = function() return x end setfenv(f, {x = 7}) return f()", ":7"),
        ("setfenv(1, {x = 8}) return x", ":8"),
        ("return getfenv(1) == _G and getfenv() == _G and getfenv(function() end) == _G and 1", ":1"),
        ("getmetatable(newproxy(true)).__gc = function() return 1 end return 0", ":0"),
        ("local p = newproxy(true) getmetatable(p).__index = function() return 9 end return newproxy(p).x", ":9"),
    ] {
        assert_eq!(run_in(&vm, script), reply, "{script}");
    }
    // what the state itself is made of stays out of reach
    for script in [
        "return getfenv(table.foreach)",
        "return setfenv(table.foreach, {})",
        "return getfenv(redis.call)",
        "table.foreach({1}, function() setfenv(2, {}) end)",
        "table.foreach({1}, function() return tostring(getfenv(2)) end)",
        "return setfenv(0, {})",
        "return setfenv(100, {})",
        "return setfenv(1, 1)",
    ] {
        let got = run_in(&vm, script);
        assert!(got.starts_with("error: "), "{script}: {got}");
    }
}

/// What reads a script before it runs takes time in proportion to its length.
#[test]
fn long_scripts_are_read_soon() {
    let vm = vm(0);
    for line in [
        "redis.call('SET', KEYS[1], 1)\n",
        "redis.call('SET', KEYS[1], 1 + 1)\n",
        "redis.call('SET', KEYS[1], redis.call('GET', KEYS[2]))\n",
        "call('SET', KEYS[1], ARGV[1])\n",
    ] {
        let script = format!("local call = redis.call\n{}", line.repeat(20_000));
        let begun = std::time::Instant::now();
        vm.compile(script.as_bytes()).unwrap();
        let took = begun.elapsed();
        assert!(took.as_secs() < 20, "{line}: {took:?}");
    }
}
