//! MIGRATE, to Viator and to the reference: nothing is lost, whatever happens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{Launch, Server, missing_commands, ok};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use viator_client::{Client, value::Value};

fn migrate(client: &mut Client, to: u16, rest: &[&str]) -> Value {
    let port = to.to_string();
    client.cmd(&[&["MIGRATE", "127.0.0.1", &port], rest].concat()).unwrap()
}

fn error(reply: &Value) -> String {
    String::from_utf8_lossy(reply.as_error().unwrap_or_else(|| panic!("no error: {reply}"))).into_owned()
}

fn targets() -> Vec<Server> {
    [Some(Launch::viator()), Launch::reference()].into_iter().flatten().map(|l| l.start()).collect()
}

#[test]
fn values_of_every_type_arrive_whole() {
    for target in targets() {
        let source = Launch::viator().start();
        let (mut here, mut there) = (source.client(), target.client());
        let fill: &[&[&str]] = &[
            &["SET", "string", "value"],
            &["SET", "ttl", "value", "PX", "1000000"],
            &["RPUSH", "list", "a", "b", "3"],
            &["SADD", "set", "1", "2", "x"],
            &["ZADD", "zset", "1", "a", "2.5", "b"],
            &["HSET", "hash", "f", "v", "g", "w"],
            &["XADD", "stream", "1-1", "f", "v"],
        ];
        let missing = missing_commands();
        fill.iter().filter(|c| !missing.iter().any(|m| m == c[0])).for_each(|c| {
            ok(&mut here, c);
        });
        let before = ok(&mut here, &["DEBUG", "DIGEST"]);
        let keys = ["string", "ttl", "list", "set", "zset", "hash", "stream", "missing"];
        let copied = migrate(&mut here, target.port(), &[&["", "0", "5000", "COPY", "KEYS"][..], &keys].concat());
        assert!(copied.is_status("OK"), "{copied}");
        assert_eq!(before, ok(&mut here, &["DEBUG", "DIGEST"]));
        assert_eq!(before, ok(&mut there, &["DEBUG", "DIGEST"]));
        assert!(ok(&mut there, &["PTTL", "ttl"]).as_int().unwrap() > 900_000);
        // the other server has them, and keeps them
        let refused = migrate(&mut here, target.port(), &["string", "0", "5000"]);
        let text = error(&refused);
        assert!(text.contains("Target instance replied with error: BUSYKEY"), "{text}");
        assert_eq!(ok(&mut here, &["EXISTS", "string"]).as_int(), Some(1));
        let moved = migrate(&mut here, target.port(), &[&["", "0", "5000", "REPLACE", "KEYS"][..], &keys].concat());
        assert!(moved.is_status("OK"), "{moved}");
        assert_eq!(ok(&mut here, &["DBSIZE"]).as_int(), Some(0));
        assert_eq!(before, ok(&mut there, &["DEBUG", "DIGEST"]));
        assert!(migrate(&mut here, target.port(), &["string", "0", "5000"]).is_status("NOKEY"));
    }
}

#[test]
fn a_password_is_given() {
    let source = Launch::viator().start();
    let target = Launch::viator().start();
    ok(&mut target.client(), &["CONFIG", "SET", "requirepass", "secret"]);
    let mut here = source.client();
    ok(&mut here, &["SET", "k", "v"]);
    let wrong = migrate(&mut here, target.port(), &["k", "0", "5000", "AUTH", "wrong"]);
    assert!(error(&wrong).contains("WRONGPASS"), "{wrong}");
    assert_eq!(ok(&mut here, &["EXISTS", "k"]).as_int(), Some(1));
    let right = migrate(&mut here, target.port(), &["k", "0", "5000", "AUTH", "secret"]);
    assert!(right.is_status("OK"), "{right}");
    ok(&mut here, &["SET", "l", "v"]);
    assert!(migrate(&mut here, target.port(), &["l", "0", "5000", "AUTH2", "default", "secret"]).is_status("OK"));
    assert_eq!(ok(&mut here, &["DBSIZE"]).as_int(), Some(0));
}

#[test]
fn who_does_not_answer_takes_nothing() {
    let source = Launch::viator().start();
    let mut here = source.client();
    ok(&mut here, &["SET", "k", "v"]);
    // one that hears and is silent, one that closes at once, and nobody
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let reply = migrate(&mut here, port, &["k", "0", "50"]);
    assert!(error(&reply).starts_with("IOERR error or timeout reading"), "{reply}");
    let closing = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closing.local_addr().unwrap().port();
    let closer = thread::spawn(move || drop(closing.accept()));
    let reply = migrate(&mut here, port, &["k", "0", "5000"]);
    closer.join().unwrap();
    assert!(error(&reply).starts_with("IOERR"), "{reply}");
    let reply = migrate(&mut here, port, &["k", "0", "5000"]);
    assert!(error(&reply).starts_with("IOERR"), "{reply}");
    assert_eq!(ok(&mut here, &["GET", "k"]).as_text().as_deref(), Some("v"));
}

#[test]
fn a_kept_connection_that_died_is_replaced() {
    let source = Launch::viator().start();
    let mut target = Launch::viator().start();
    let mut here = source.client();
    for i in 0..3 {
        ok(&mut here, &["SET", "k", "v"]);
        let moved = migrate(&mut here, target.port(), &["k", "0", "5000", "REPLACE"]);
        assert!(moved.is_status("OK"), "round {i}: {moved}");
        target.restart();
    }
}

#[test]
fn in_a_transaction() {
    let source = Launch::viator().start();
    let target = Launch::viator().start();
    let mut here = source.client();
    let port = target.port().to_string();
    // a key that nothing else in the transaction touches
    ok(&mut here, &["SET", "alone", "v"]);
    ok(&mut here, &["MULTI"]);
    ok(&mut here, &["MIGRATE", "127.0.0.1", &port, "alone", "0", "5000"]);
    ok(&mut here, &["MIGRATE", "127.0.0.1", &port, "", "0", "5000"]);
    let replies = ok(&mut here, &["EXEC"]);
    assert!(replies.as_slice().unwrap()[0].is_status("OK"), "{replies}");
    assert!(replies.as_slice().unwrap()[1].is_status("NOKEY"), "{replies}");
    ok(&mut here, &["MULTI"]);
    ok(&mut here, &["SET", "k", "v"]);
    ok(&mut here, &["MIGRATE", "127.0.0.1", &port, "k", "0", "5000"]);
    ok(&mut here, &["EXISTS", "k"]);
    let replies = ok(&mut here, &["EXEC"]);
    assert_eq!(replies.as_slice().unwrap()[2].as_int(), Some(0), "{replies}");
    assert_eq!(ok(&mut target.client(), &["GET", "k"]).as_text().as_deref(), Some("v"));
}

/// Several clients append to a list while it is moved away again and again: every element is found once.
#[test]
fn nothing_is_lost_while_others_write() {
    let source = Launch::viator().directive("io-threads", "2").start();
    let target = Launch::viator().start();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..3)
        .map(|w| {
            let (mut client, stop) = (source.client(), stop.clone());
            thread::spawn(move || {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    ok(&mut client, &["RPUSH", "k", &format!("{w}:{n}")]);
                    n += 1;
                }
                n
            })
        })
        .collect();
    let (mut here, mut there) = (source.client(), target.client());
    let mut moved = 0;
    while moved < 30 {
        let reply = migrate(&mut here, target.port(), &["k", "0", "10000"]);
        if reply.is_status("OK") {
            ok(&mut there, &["RENAME", "k", &format!("k:{moved}")]);
            moved += 1;
        } else {
            assert!(reply.is_status("NOKEY"), "{reply}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    let counts: Vec<usize> = writers.into_iter().map(|w| w.join().unwrap()).collect();
    let mut all = Vec::new();
    let mut collect = |client: &mut Client, key: &str| {
        let list = ok(client, &["LRANGE", key, "0", "-1"]);
        all.extend(list.as_slice().unwrap().iter().map(|v| v.as_text().unwrap()));
    };
    (0..moved).for_each(|i| collect(&mut there, &format!("k:{i}")));
    collect(&mut here, "k");
    let unique: BTreeSet<&String> = all.iter().collect();
    assert_eq!(unique.len(), all.len(), "some are there twice");
    assert_eq!(all.len(), counts.iter().sum::<usize>(), "some are missing");
}
