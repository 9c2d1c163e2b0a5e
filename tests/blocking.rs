//! Commands that wait for keys: who is served when, what ends a wait, and that nothing is lost on the way.
//!
//! What one client does step by step is in `compat/scripts/list_blocking.txt`; here is what needs ids, several threads
//! or many connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use common::{Launch, Server, ok, skip, wait_until};
use viator_client::{Client, value::Value};

/// A field of INFO.
fn info(control: &mut Client, field: &str) -> i64 {
    let text = ok(control, &["INFO", "clients"]).as_text().unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.trim().parse().unwrap()
}

fn await_blocked(control: &mut Client, n: i64) {
    wait_until(&format!("{n} clients wait"), || info(control, "blocked_clients") == n);
}

/// Clients that take part in a scene, and what they were told.
struct Scene<'s> {
    server: &'s Server,
    resp: u8,
    control: Client,
    told: Vec<String>,
}

impl Scene<'_> {
    fn new(server: &Server, resp: u8) -> Scene<'_> {
        let mut control = server.client_resp(resp);
        ok(&mut control, &["FLUSHALL"]);
        Scene { server, resp, control, told: Vec::new() }
    }

    fn client(&self) -> (Client, String) {
        let mut c = self.server.client_resp(self.resp);
        let id = ok(&mut c, &["CLIENT", "ID"]).as_int().unwrap().to_string();
        (c, id)
    }

    /// A client that waits with this command.
    fn waiting(&mut self, command: &[&str]) -> (Client, String) {
        let before = info(&mut self.control, "blocked_clients");
        let (mut c, id) = self.client();
        c.send(command).unwrap();
        await_blocked(&mut self.control, before + 1);
        (c, id)
    }

    fn say(&mut self, command: &[&str]) {
        let reply = self.control.cmd(command).unwrap();
        let shown: Vec<&str> = command.iter().map(|w| if w.parse::<u64>().is_ok() { "#" } else { w }).collect();
        self.told.push(format!("{} -> {reply}", shown.join(" ")));
    }

    fn hear(&mut self, c: &mut Client) {
        let reply = match c.read_reply() {
            Ok(v) => v.to_string(),
            Err(e) => format!("({e})"),
        };
        self.told.push(format!("waiting -> {reply}"));
    }

    fn fields(&mut self) {
        for f in ["blocked_clients", "total_blocking_keys", "total_blocking_keys_on_nokey", "clients_in_timeout_table"]
        {
            let n = info(&mut self.control, f);
            self.told.push(format!("{f}: {n}"));
        }
    }

    fn flags(&mut self, id: &str) {
        let line = ok(&mut self.control, &["CLIENT", "LIST", "ID", id]).as_text().unwrap();
        let flags = line.split(' ').find(|w| w.starts_with("flags=")).unwrap_or_default().to_owned();
        self.told.push(flags);
    }
}

/// Plays a scene on both servers, in both protocols: they must tell the same.
fn both(scene: impl Fn(&mut Scene<'_>)) {
    let Some(reference) = Launch::reference() else { return skip("the reference is not installed") };
    let (ours, theirs) = (Launch::viator().start(), reference.start());
    for resp in [2, 3] {
        let told = [&ours, &theirs].map(|server| {
            let mut s = Scene::new(server, resp);
            scene(&mut s);
            s.told
        });
        assert_eq!(told[0], told[1], "RESP{resp}: ours, the reference's");
    }
}

#[test]
fn client_unblock_and_kill() {
    both(|s| {
        let (mut a, id) = s.waiting(&["BLPOP", "k", "j", "0"]);
        s.fields();
        s.flags(&id);
        s.say(&["CLIENT", "UNBLOCK", &id]);
        // from now on it takes nothing
        s.say(&["RPUSH", "k", "x"]);
        s.hear(&mut a);
        s.say(&["LRANGE", "k", "0", "-1"]);
        s.say(&["CLIENT", "UNBLOCK", &id]);
        s.flags(&id);
        s.say(&["DEL", "k"]);
        let (mut a, id) = s.waiting(&["BLMOVE", "k", "d", "LEFT", "RIGHT", "100"]);
        s.fields();
        s.say(&["CLIENT", "UNBLOCK", &id, "ERROR"]);
        s.say(&["CLIENT", "UNBLOCK", &id, "TIMEOUT"]);
        s.say(&["RPUSH", "k", "x"]);
        s.hear(&mut a);
        a.send(&["PING"]).unwrap();
        s.hear(&mut a);
        s.say(&["DEL", "k"]);
        let (mut a, id) = s.waiting(&["BLMPOP", "0", "2", "k", "j", "LEFT"]);
        let (mut b, _) = s.waiting(&["BRPOP", "k", "0"]);
        s.fields();
        s.say(&["CLIENT", "KILL", "ID", &id]);
        s.say(&["RPUSH", "k", "1", "2"]);
        s.hear(&mut b);
        s.hear(&mut a);
        s.say(&["LRANGE", "k", "0", "-1"]);
        s.fields();
        s.say(&["DEL", "k"]);
        // one that goes away by itself
        let (c, _) = s.waiting(&["BLPOP", "k", "0"]);
        let (mut d, _) = s.waiting(&["BLPOP", "k", "0"]);
        drop(c);
        await_blocked(&mut s.control, 1);
        s.say(&["RPUSH", "k", "1", "2"]);
        s.hear(&mut d);
        s.say(&["LRANGE", "k", "0", "-1"]);
        s.fields();
    });
}

#[test]
fn unblocked_within_a_transaction() {
    both(|s| {
        let (mut a, id) = s.waiting(&["BLPOP", "k", "0"]);
        s.say(&["MULTI"]);
        s.say(&["CLIENT", "UNBLOCK", &id, "ERROR"]);
        s.say(&["RPUSH", "k", "x"]);
        s.say(&["EXEC"]);
        s.hear(&mut a);
        s.say(&["LRANGE", "k", "0", "-1"]);
    });
}

#[test]
fn a_pause_serves_nobody() {
    both(|s| {
        let (mut a, _) = s.waiting(&["BLPOP", "k", "0"]);
        s.say(&["MULTI"]);
        s.say(&["CLIENT", "PAUSE", "100000", "WRITE"]);
        s.say(&["RPUSH", "k", "x", "y"]);
        s.say(&["EXEC"]);
        s.say(&["LRANGE", "k", "0", "-1"]);
        s.say(&["CLIENT", "UNPAUSE"]);
        s.hear(&mut a);
        s.say(&["LRANGE", "k", "0", "-1"]);
    });
}

#[test]
fn silent_clients_are_served_too() {
    both(|s| {
        let (mut a, _) = s.client();
        a.send(&["CLIENT", "REPLY", "SKIP"]).unwrap();
        a.send(&["BLPOP", "k", "0"]).unwrap();
        await_blocked(&mut s.control, 1);
        s.say(&["RPUSH", "k", "x", "y"]);
        a.send(&["PING"]).unwrap();
        s.hear(&mut a);
        s.say(&["LRANGE", "k", "0", "-1"]);
        s.fields();
    });
}

/// Many threads push and take, by every command that waits, over keys of several shards: each element is taken once.
#[test]
fn nothing_is_lost_and_nothing_comes_twice() {
    const PUSHERS: usize = 4;
    const EACH: usize = 1500;
    let server = Launch::viator().directive("io-threads", "4").start();
    let pushed_all = AtomicBool::new(false);
    let mut all: Vec<String> = std::thread::scope(|scope| {
        let takers: Vec<_> = (0..8)
            .map(|n| {
                let (server, pushed_all) = (&server, &pushed_all);
                scope.spawn(move || {
                    let mut c = server.client();
                    let mut got = Vec::new();
                    for turn in n.. {
                        let finished = pushed_all.load(SeqCst);
                        let command: &[&str] = match turn % 5 {
                            0 => &["BLPOP", "a", "b", "c", "0.05"],
                            1 => &["BRPOP", "c", "a", "b", "0.05"],
                            2 => &["BLMPOP", "0.05", "3", "b", "c", "a", "LEFT", "COUNT", "3"],
                            3 => &["BLMOVE", "a", "c", "LEFT", "RIGHT", "0.001"],
                            _ => &["BRPOPLPUSH", "b", "a", "0.001"],
                        };
                        let reply = c.cmd(command).unwrap();
                        let moved = command[0] == "BLMOVE" || command[0] == "BRPOPLPUSH";
                        if moved {
                            // the others take it from there
                            let Ok(reply) = c.cmd(&["BLPOP", "a", "b", "c", "0.05"]) else { continue };
                            collect(&reply, &mut got);
                        } else {
                            collect(&reply, &mut got);
                        }
                        if reply.is_null() && finished && !moved {
                            break;
                        }
                    }
                    got
                })
            })
            .collect();
        let pushers: Vec<_> = (0..PUSHERS)
            .map(|p| {
                let server = &server;
                scope.spawn(move || {
                    let mut c = server.client();
                    for i in 0..EACH {
                        let (key, value) = (["a", "b", "c"][i % 3], format!("{p}-{i}"));
                        if i % 7 == 0 {
                            ok(&mut c, &["MULTI"]);
                            ok(&mut c, &["LPUSH", key, &value]);
                            ok(&mut c, &["EXEC"]);
                        } else {
                            ok(&mut c, &["RPUSH", key, &value]);
                        }
                    }
                })
            })
            .collect();
        for p in pushers {
            p.join().unwrap();
        }
        pushed_all.store(true, SeqCst);
        takers.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    // what was moved behind the last look
    let mut control = server.client();
    for key in ["a", "b", "c"] {
        collect(&Value::Array(vec![Value::Null, ok(&mut control, &["LRANGE", key, "0", "-1"])]), &mut all);
    }
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), different.len()), (PUSHERS * EACH, PUSHERS * EACH));
    await_blocked(&mut control, 0);
    for field in ["total_blocking_keys", "clients_in_timeout_table"] {
        assert_eq!(info(&mut control, field), 0, "{field}");
    }
}

/// Those who wait for pending entries to become old enough get them in the order in which they came.
#[test]
fn claims_are_served_in_order() {
    let server = Launch::viator().directive("io-threads", "4").start();
    let mut control = server.client();
    let mut played = 0;
    for round in 0..40 {
        let key = format!("stream:{round}");
        ok(&mut control, &["XGROUP", "CREATE", &key, "g", "0", "MKSTREAM"]);
        for n in 1..=6 {
            ok(&mut control, &["XADD", &key, &format!("{n}-0"), "f", "v"]);
        }
        ok(&mut control, &["XREADGROUP", "GROUP", "g", "first", "STREAMS", &key, ">"]);
        let delivered = Instant::now();
        let mut crowd: Vec<Client> = Vec::new();
        for n in 0..6 {
            let mut c = server.client();
            let (name, mut words) = (format!("c{n}"), vec!["XREADGROUP", "GROUP", "g"]);
            words.extend([&name, "COUNT", "1", "BLOCK", "0", "CLAIM", "500", "STREAMS", &key, ">"]);
            c.send(&words).unwrap();
            crowd.push(c);
            wait_until("it waits, or the time has come", || {
                info(&mut control, "blocked_clients") == n + 1 || delivered.elapsed() > Duration::from_millis(500)
            });
        }
        // on a machine that is too slow the first are served before the last have come
        let all = info(&mut control, "blocked_clients") == 6;
        for (n, c) in crowd.iter_mut().enumerate() {
            let reply = c.read_reply().unwrap().to_string();
            assert!(!all || reply.contains(&format!("{}-0", n + 1)), "client {n}: {reply}");
        }
        played += usize::from(all);
        if played == 4 {
            return;
        }
    }
    println!("this machine is too slow: {played} rounds of 4 told something");
}

/// The elements of `[key, element]` or `[key, [element…]]`.
fn collect(reply: &Value, got: &mut Vec<String>) {
    let Some([_, taken]) = reply.as_slice() else { return };
    match taken.as_slice() {
        Some(many) => got.extend(many.iter().filter_map(Value::as_text)),
        None => got.extend(taken.as_text()),
    }
}

/// A crowd that waits for one key is served in its order by one push, and by time-outs.
#[test]
fn a_crowd_is_served_in_order() {
    const CROWD: usize = 500;
    let server = Launch::viator().directive("io-threads", "3").start();
    let mut control = server.client();
    let mut crowd: Vec<Client> = Vec::new();
    for n in 0..CROWD {
        let mut c = server.client();
        c.send(&["BLPOP", "crowd", &format!("own:{n}"), "0"]).unwrap();
        crowd.push(c);
        await_blocked(&mut control, n as i64 + 1);
    }
    assert_eq!(info(&mut control, "total_blocking_keys"), CROWD as i64 + 1);
    let mut push = vec!["RPUSH".to_owned(), "crowd".to_owned()];
    push.extend((0..CROWD).map(|n| n.to_string()));
    assert_eq!(ok(&mut control, &push).as_int(), Some(CROWD as i64));
    for (n, c) in crowd.iter_mut().enumerate() {
        let reply = c.read_reply().unwrap();
        assert_eq!(reply.as_slice().unwrap()[1].as_text().unwrap(), n.to_string());
    }
    assert_eq!(info(&mut control, "blocked_clients"), 0);
    assert_eq!(info(&mut control, "total_blocking_keys"), 0);
    for c in &mut crowd {
        c.set_timeout(Some(Duration::from_secs(10))).unwrap();
        c.send(&["BLPOP", "crowd", "0.2"]).unwrap();
    }
    for c in &mut crowd {
        assert!(c.read_reply().unwrap().is_null());
    }
    await_blocked(&mut control, 0);
    assert_eq!(info(&mut control, "total_blocking_keys"), 0);
}
