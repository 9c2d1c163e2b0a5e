//! Scripts beside each other and beside other clients: what those that lock their declared keys only may not lose, that
//! they do run beside each other, and what happens while one takes long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{Launch, PATIENCE, Server, ok, wait_until};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use viator_client::Client;
use viator_client::value::encode_command;

/// Reads, computes, writes: sums are exact only if nothing comes between.
const ADD: &str = "local v = redis.call('GET', KEYS[1]) or 0 redis.call('SET', KEYS[1], v + 1) \
                   local w = redis.call('GET', KEYS[2]) or 0 redis.call('SET', KEYS[2], w + 1) \
                   return redis.call('GET', KEYS[1])";

#[test]
fn nothing_comes_between_the_commands_of_scripts() {
    const EACH: usize = 300;
    let server = Launch::viator().directive("io-threads", "3").start();
    // each client adds to a counter that it shares with one other, and to one that all share with some
    let pairs = [("a", "b"), ("b", "a"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d")];
    thread::scope(|scope| {
        for (one, two) in pairs {
            let mut c = server.client_resp(2);
            scope.spawn(move || {
                for n in 0..EACH {
                    // some lock all shards: their text hides what they touch
                    let hidden = format!("local r = redis {}", ADD.replace("redis.call", "r.call"));
                    ok(&mut c, &["EVAL", if n % 10 == 0 { &hidden } else { ADD }, "2", one, two]);
                }
            });
        }
    });
    let mut c = server.client_resp(2);
    for (key, times) in [("a", 3), ("b", 2), ("c", 2), ("d", 3), ("e", 2)] {
        assert_eq!(ok(&mut c, &["GET", key]).as_text().unwrap(), (times * EACH).to_string(), "{key}");
    }
}

/// Scripts that never end by themselves, and hold up whatever is to end them.
const ENDLESS: [&str; 6] = [
    "while true do end",
    "repeat until false",
    "while true do pcall(function() while true do end end) end",
    "local f f = function() return f() end return f()",
    "while true do redis.pcall('GET', KEYS[1]) end",
    "local c = coroutine.wrap(function() while true do pcall(error) end end) while true do pcall(c) end",
];

/// Waits until other clients are told that the server is busy.
fn await_busy(c: &mut Client) {
    wait_until("the server is busy", || error(c, &["PING"]).starts_with("BUSY "));
}

fn await_idle(c: &mut Client) {
    wait_until("the server is not busy", || error(c, &["PING"]).is_empty());
}

/// The error that a command is answered with, or nothing.
fn error(c: &mut Client, command: &[&str]) -> String {
    c.cmd(command).unwrap().as_error().map(|e| String::from_utf8_lossy(e).into_owned()).unwrap_or_default()
}

fn heard(c: &mut Client) -> String {
    c.read_reply().unwrap().to_string()
}

/// A server with so many threads on which scripts take long at once.
fn impatient(threads: &str) -> Server {
    Launch::viator().directive("io-threads", threads).directive("busy-reply-threshold", "1").start()
}

#[test]
fn scripts_that_wrote_nothing_are_ended() {
    for threads in ["1", "3"] {
        let server = impatient(threads);
        let (mut runner, mut other, mut third) = (server.client(), server.client(), server.client());
        for script in ENDLESS {
            runner.send(&["EVAL", script, "1", "key"]).unwrap();
            await_busy(&mut other);
            // whoever asks, on whatever thread, is told
            for c in [&mut other, &mut third, &mut server.client()] {
                let told = error(c, &["GET", "key"]);
                assert!(told.contains("You can only call SCRIPT KILL or SHUTDOWN NOSAVE"), "{script}: {told}");
                assert!(error(c, &["EVAL", "return 1", "0"]).starts_with("BUSY "), "{script}");
            }
            assert!(error(&mut other, &["FUNCTION", "KILL"]).starts_with("BUSY "), "{script}");
            assert_eq!(error(&mut other, &["SCRIPT", "KILL"]), "", "{script}");
            let told = heard(&mut runner);
            assert!(told.contains("Script killed by user with SCRIPT KILL"), "{script}: {told}");
            await_idle(&mut third);
            assert!(error(&mut other, &["SCRIPT", "KILL"]).starts_with("NOTBUSY "), "{script}");
            // the state that was interrupted runs scripts again
            assert_eq!(
                ok(&mut runner, &["EVAL", "local n = 0 for i = 1, 9 do n = n + i end return n", "0"]).as_int(),
                Some(45)
            );
        }
    }
}

#[test]
fn scripts_that_wrote_are_not_ended_but_with_the_server() {
    for threads in ["1", "3"] {
        let server = impatient(threads);
        let (mut runner, mut other) = (server.client(), server.client());
        runner.send(&["EVAL", "redis.call('SET', KEYS[1], 'v') while true do end", "1", "key"]).unwrap();
        await_busy(&mut other);
        assert!(error(&mut other, &["SCRIPT", "KILL"]).starts_with("UNKILLABLE "));
        assert!(error(&mut other, &["SHUTDOWN"]).starts_with("BUSY "));
        other.send(&["SHUTDOWN", "NOSAVE"]).unwrap();
        let port = server.port();
        wait_until("the server has ended", || TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}

#[test]
fn functions_are_ended_by_their_own_command() {
    for threads in ["1", "3"] {
        let server = impatient(threads);
        let (mut runner, mut other) = (server.client(), server.client());
        let library = "#!lua name=lib\nredis.register_function('endless', function() while true do end end)\n\
                       redis.register_function('sum', function(k, a) return a[1] + a[2] end)";
        ok(&mut runner, &["FUNCTION", "LOAD", library]);
        runner.send(&["FCALL", "endless", "1", "key", "argument"]).unwrap();
        await_busy(&mut other);
        let told = error(&mut other, &["GET", "key"]);
        assert!(told.contains("You can only call FUNCTION KILL or SHUTDOWN NOSAVE"), "{told}");
        assert!(error(&mut other, &["SCRIPT", "KILL"]).starts_with("BUSY "));
        let stats = ok(&mut other, &["FUNCTION", "STATS"]).to_string();
        for word in ["running_script", "endless", "FCALL", "key", "argument", "duration_ms"] {
            assert!(stats.contains(word), "{word}: {stats}");
        }
        assert_eq!(error(&mut other, &["FUNCTION", "KILL"]), "");
        let told = heard(&mut runner);
        assert!(told.contains("Script killed by user with FUNCTION KILL"), "{told}");
        await_idle(&mut other);
        assert_eq!(ok(&mut runner, &["FCALL", "sum", "0", "20", "22"]).as_int(), Some(42));
    }
}

/// An address of this machine that is not its own alone.
fn outside() -> Option<IpAddr> {
    // nothing is sent
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|a| a.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

/// Who connects while a script takes long is turned away as at other times.
#[test]
fn who_may_not_connect_is_turned_away_while_a_script_takes_long() {
    let Some(address) = outside() else { return println!("SKIPPED: this machine has no address but the loopback's") };
    let launch = Launch::viator().directive("bind", "0.0.0.0").directive("maxclients", "3");
    let server = launch.directive("busy-reply-threshold", "1").start();
    let (mut runner, mut other) = (server.client(), server.client());
    runner.send(&["EVAL", ENDLESS[0], "0"]).unwrap();
    await_busy(&mut other);
    let turned_away = |address: IpAddr| {
        let mut stream = TcpStream::connect((address, server.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).unwrap();
        told
    };
    let told = turned_away(address);
    assert!(told.starts_with("-DENIED Redis is running in protected mode"), "{told}");
    let mut third = server.client();
    await_busy(&mut third);
    assert_eq!(turned_away(Ipv4Addr::LOCALHOST.into()), "-ERR max number of clients reached\r\n");
    assert_eq!(error(&mut third, &["SCRIPT", "KILL"]), "");
}

/// On which thread a client is served.
fn thread_of(c: &mut Client) -> String {
    let info = ok(c, &["CLIENT", "INFO"]).as_text().unwrap();
    info.split(' ').find_map(|f| f.strip_prefix("io-thread=")).unwrap().to_owned()
}

/// Who comes to a thread just after it was told to let a paused script go on can end that.
#[test]
fn a_script_that_goes_on_does_not_keep_a_new_connection_out() {
    let server = impatient("2");
    let mut here = Vec::new();
    let mut there = Vec::new();
    // the next one will go there
    while there.len() < 2 || here.len() <= there.len() {
        let mut c = server.client();
        if thread_of(&mut c) == "0" { here.push(c) } else { there.push(c) }
    }
    let (admin, [sleeper, paused]) = (&mut here[0], &mut there[..]) else { panic!("two are there") };
    ok(admin, &["CLIENT", "PAUSE", "100000", "WRITE"]);
    paused.send(&["EVAL", ENDLESS[0], "0"]).unwrap();
    wait_until("the script waits", || ok(admin, &["CLIENT", "LIST"]).as_text().unwrap().contains(" flags=b "));
    let (begun, sleep) = (["EVAL_RO", "redis.log(redis.LOG_WARNING, 'begun')", "0"], ["DEBUG", "SLEEP", "1"]);
    sleeper.send_raw(&[encode_command(&begun), encode_command(&sleep)].concat()).unwrap();
    wait_until("the thread is busy", || server.log().contains("begun"));
    // both wait until it is not
    ok(admin, &["CLIENT", "UNPAUSE"]);
    let mut late = server.client();
    assert_eq!(error(&mut late, &["SCRIPT", "KILL"]), "");
    assert!(heard(paused).contains("Script killed by user with SCRIPT KILL"));
    assert_ne!(thread_of(&mut late), "0");
}

/// Another client's turn on another thread, beside a script that never ends: what is to be answered.
fn run_beside(library: Option<&str>, command: impl Fn(&str) -> Vec<String>) {
    // the first one never ends and is never busy: what else is answered was answered beside it
    let mut server =
        Launch::viator().directive("io-threads", "6").directive("busy-reply-threshold", "1000000000").start();
    // all are there before one thread accepts and answers nothing any more
    let mut others: Vec<Client> = (0..24).map(|_| server.client()).collect();
    let mut first = server.client();
    for c in others.iter_mut().chain([&mut first]) {
        ok(c, &["PING"]);
    }
    if let Some(library) = library {
        ok(&mut first, &["FUNCTION", "LOAD", library]);
    }
    let endless = "redis.log(redis.LOG_WARNING, 'begun') local n = 0 \
                   while true do n = n + redis.call('STRLEN', KEYS[1]) end";
    first.send(&["EVAL", endless, "1", "its key"]).unwrap();
    wait_until("the script runs", || server.log().contains("begun"));
    // those of the same thread wait for ever, as do those who want a key of the same shard
    for (n, c) in others.iter_mut().enumerate() {
        let command = command(&format!("key:{n}"));
        c.send(&command.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    }
    let mut answered = 0;
    wait_until("other scripts run", || {
        for c in &mut others {
            c.set_timeout(Some(Duration::from_millis(10))).unwrap();
            if c.read_reply().is_ok_and(|v| v.as_text().as_deref() == Some("beside it")) {
                answered += 1;
            }
        }
        answered >= 2
    });
    server.kill();
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

#[test]
fn scripts_with_other_keys_run_at_the_same_time() {
    // without Lua, and with it
    for script in [
        "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])",
        "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1]) .. ''",
    ] {
        run_beside(None, |key| words(&["EVAL", script, "1", key, "beside it"]));
    }
}

#[test]
fn functions_with_other_keys_run_at_the_same_time() {
    let library = "#!lua name=lib\nlocal suffix = ''\n\
                   redis.register_function('plain', function(keys, args)\n\
                   redis.call('SET', keys[1], args[1]) return redis.call('GET', keys[1]) end)\n\
                   redis.register_function('fuller', function(keys, args)\n\
                   redis.call('SET', keys[1], args[1]) return redis.call('GET', keys[1]) .. suffix end)";
    for function in ["plain", "fuller"] {
        run_beside(Some(library), |key| words(&["FCALL", function, "1", key, "beside it"]));
    }
}

/// Scripts that need no Lua: of two keys the second is always what the first is.
#[test]
fn nothing_comes_between_the_commands_of_scripts_without_lua() {
    const EACH: usize = 400;
    const BOTH: &str = "redis.call('SET', KEYS[2], redis.call('INCR', KEYS[1]))";
    const SAME: &str = "return redis.call('GET', KEYS[1]) == redis.call('GET', KEYS[2])";
    let server = Launch::viator().directive("io-threads", "3").start();
    let library = format!(
        "#!lua name=lib\nredis.register_function('both', function(KEYS) {BOTH} end)\n\
         redis.register_function('same', function(KEYS) {SAME} end)"
    );
    ok(&mut server.client(), &["FUNCTION", "LOAD", &library]);
    thread::scope(|scope| {
        for n in 0..6 {
            let mut c = server.client_resp(2);
            scope.spawn(move || {
                for i in 0..EACH {
                    let (one, two) = if i % 2 == 0 { ("a", "b") } else { ("c", "d") };
                    match (n + i) % 4 {
                        0 => ok(&mut c, &["EVAL", BOTH, "2", one, two]),
                        1 => ok(&mut c, &["FCALL", "both", "2", one, two]),
                        2 => ok(&mut c, &["EVAL", SAME, "2", one, two]),
                        _ => ok(&mut c, &["FCALL", "same", "2", one, two]),
                    };
                    let same = ok(&mut c, &["EVAL", SAME, "2", one, two]);
                    assert_eq!(same.as_int(), Some(1), "{one} and {two}");
                }
            });
        }
    });
}

#[test]
fn all_threads_see_which_functions_there_are() {
    let server = Launch::viator().directive("io-threads", "3").start();
    let mut clients: Vec<Client> = (0..6).map(|_| server.client()).collect();
    for round in 0..40 {
        let library = format!("#!lua name=lib\nredis.register_function('f', function() return {round} end)");
        ok(&mut clients[round % 6], &["FUNCTION", "LOAD", "REPLACE", &library]);
        for c in &mut clients {
            for name in ["f", "F"] {
                assert_eq!(ok(c, &["FCALL", name, "0"]).as_int(), Some(round as i64));
            }
        }
        let dump = ok(&mut clients[0], &["FUNCTION", "DUMP"]);
        match round % 3 {
            0 => ok(&mut clients[1], &["FUNCTION", "DELETE", "lib"]),
            1 => ok(&mut clients[2], &["FUNCTION", "FLUSH"]),
            _ => continue,
        };
        for c in &mut clients {
            assert!(error(c, &["FCALL", "f", "0"]).contains("Function not found"));
        }
        let payload = dump.as_bytes().unwrap();
        assert!(clients[3].cmd(&[b"FUNCTION".as_slice(), b"RESTORE", payload]).unwrap().as_error().is_none());
        for c in &mut clients {
            assert_eq!(ok(c, &["FCALL", "f", "0"]).as_int(), Some(round as i64));
        }
    }
}

/// A client whose script stands in its first line.
fn debugging(server: &Server, script: &str) -> Client {
    let mut c = server.client_resp(2);
    ok(&mut c, &["SCRIPT", "DEBUG", "SYNC"]);
    let stopped = c.cmd(&["EVAL", script, "0"]).unwrap().to_string();
    assert!(stopped.contains("Stopped at 1"), "{stopped}");
    c
}

#[test]
fn a_debugger_holds_nobody_up_for_ever() {
    for threads in ["1", "3"] {
        let server = impatient(threads);
        let mut other = server.client();
        let script = "local x = 1\nredis.call('SET', 'k', x)\nreturn x";
        // the session is ended from outside
        let mut debugger = debugging(&server, script);
        await_busy(&mut other);
        ok(&mut other, &["SCRIPT", "KILL"]);
        assert!(heard(&mut debugger).contains("<endsession>"));
        assert!(heard(&mut debugger).contains("killed"));
        assert!(debugger.read_reply().is_err(), "the connection is closed");
        await_idle(&mut other);
        assert_eq!(ok(&mut other, &["EXISTS", "k"]).to_string(), "0");
        // a client that leaves lets its script run to the end
        drop(debugging(&server, script));
        wait_until("the script has run", || other.cmd(&["GET", "k"]).unwrap().as_text().as_deref() == Some("1"));
        // steps are taken while others are told that the server is busy
        let mut debugger = debugging(&server, "local x = 2\nredis.call('SET', 'k', x)\nreturn x");
        await_busy(&mut other);
        ok(&mut debugger, &["step"]);
        assert!(ok(&mut debugger, &["print", "x"]).to_string().contains("<value> 2"));
        assert!(error(&mut other, &["SCRIPT", "KILL"]).is_empty());
        assert!(heard(&mut debugger).contains("<endsession>"));
        await_idle(&mut other);
        // and the server ends, whoever debugs
        let _debugger = debugging(&server, "redis.call('SET', 'k', 3)\nreturn 1");
        await_busy(&mut other);
        other.send(&["SHUTDOWN", "NOSAVE"]).unwrap();
        let port = server.port();
        wait_until("the server has ended", || TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}

#[test]
fn a_script_for_a_copy_does_not_run() {
    let server = Launch::viator().start();
    let mut c = server.client();
    let script = ["EVAL", "return redis.call('SET', 'k', 1)", "0"];
    assert!(error(&mut c, &["SCRIPT", "DEBUG", "YES"]).contains("fork"));
    assert!(error(&mut c, &script).contains("SCRIPT DEBUG SYNC"));
    assert_eq!(ok(&mut c, &["EXISTS", "k"]).to_string(), "0");
    ok(&mut c, &["SCRIPT", "DEBUG", "NO"]);
    ok(&mut c, &script);
    assert_eq!(ok(&mut c, &["EXISTS", "k"]).to_string(), "1");
}
