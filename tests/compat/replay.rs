//! The propagation log: whatever is done, replaying the log gives the same dataset, here and in the reference.

use std::time::Duration;

use viator_client::{Client, value::Value};

use crate::common::rng::seed;
use crate::common::{Launch, Server, missing_commands, ok, quoting, wait_until};
use crate::families;
use crate::pair::{Act, Step};
use crate::random::Gen;

fn logging() -> Server {
    let launch = Launch::viator().directive("appendonly", "yes").directive("appendfsync", "no");
    launch.directive("auto-aof-rewrite-percentage", "0").start()
}

fn is_missing(missing: &[String], args: &[Vec<u8>]) -> bool {
    let word = |i: usize| args.get(i).map(|w| String::from_utf8_lossy(w).to_ascii_uppercase()).unwrap_or_default();
    missing.iter().any(|m| *m == word(0) || *m == format!("{} {}", word(0), word(1)))
}

/// What must not be part of a test of the log: it changes what the test itself needs.
fn is_left_out(args: &[Vec<u8>]) -> bool {
    let name = args.first().map(|a| a.to_ascii_uppercase()).unwrap_or_default();
    matches!(
        name.as_slice(),
        b"SHUTDOWN"
            | b"DEBUG"
            | b"CONFIG"
            | b"MONITOR"
            | b"CLIENT"
            | b"QUIT"
            | b"AUTH"
            | b"WAIT"
            | b"WAITAOF"
            | b"REPLICAOF"
            | b"FAILOVER"
            | b"SYNC"
            | b"PSYNC"
            | b"SUBSCRIBE"
            | b"PSUBSCRIBE"
            | b"SSUBSCRIBE"
    )
}

/// Waits until no key or field is about to expire between two looks at the dataset, and what has expired is gone: the
/// digest is of all that is there.
fn settle(client: &mut Client) {
    wait_until("short-lived keys are gone", || {
        (0..4).all(|db| {
            ok(client, &["SELECT", &db.to_string()]);
            let keys = ok(client, &["KEYS", "*"]);
            let count = |v: &Value| v.as_slice().map_or(0, <[Value]>::len) as i64;
            if ok(client, &["DBSIZE"]).as_int() != Some(count(&keys)) {
                return false;
            }
            keys.as_slice().unwrap_or_default().iter().filter_map(Value::as_bytes).all(|k| {
                let left = ok(client, &[b"PTTL", k]).as_int().unwrap_or(-1);
                if (0..=10_000).contains(&left) {
                    return false;
                }
                if ok(client, &[b"TYPE", k]).as_text().as_deref() != Some("hash") {
                    return true;
                }
                let names = ok(client, &[b"HKEYS", k]);
                if ok(client, &[b"HLEN", k]).as_int() != Some(count(&names)) {
                    return false;
                }
                names.as_slice().unwrap_or_default().iter().filter_map(Value::as_bytes).all(|f| {
                    let left = client.cmd(&[&b"HPTTL"[..], k, b"FIELDS", b"1", f]).unwrap();
                    let left = left.as_slice().and_then(|l| l.first()?.as_int()).unwrap_or(-1);
                    !(0..=10_000).contains(&left)
                })
            })
        })
    });
    ok(client, &["SELECT", "0"]);
}

fn digest(client: &mut Client) -> Value {
    ok(client, &["DEBUG", "DIGEST"])
}

/// The digest, and the digest after the log was replayed.
fn replayed(client: &mut Client) -> (Value, Value) {
    settle(client);
    let before = digest(client);
    ok(client, &["DEBUG", "LOADAOF"]);
    (before, digest(client))
}

#[test]
fn examples_replayed() {
    let server = logging();
    let missing = missing_commands();
    let mut control = server.client();
    let mut wrong = Vec::new();
    let mut play = |lines: &[&str], name: &str| {
        ok(&mut control, &["FLUSHALL"]);
        let mut client = server.client();
        client.set_timeout(Some(Duration::from_secs(20))).unwrap();
        for line in lines {
            let words = quoting::split(line).unwrap();
            if is_missing(&missing, &words) || is_left_out(&words) {
                continue;
            }
            if client.cmd(&words).is_err() {
                client = server.client();
            }
        }
        drop(client);
        let (before, after) = replayed(&mut control);
        if before != after {
            wrong.push(name.to_owned());
        }
        // the next replay begins here
        ok(&mut control, &["BGREWRITEAOF"]);
        wait_until("the rewrite to end", || {
            let info = ok(&mut control, &["INFO", "persistence"]).as_text().unwrap();
            info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
        });
    };
    for command in viator_commands::all() {
        play(command.examples, command.name);
        for sub in command.subcommands {
            play(sub.examples, &format!("{} {}", command.name, sub.name));
        }
    }
    assert!(wrong.is_empty(), "the log gives another dataset after the examples of: {}", wrong.join(", "));
}

/// What fails half-way leaves what it did, and is in the log.
#[test]
fn failures_replayed() {
    let server = logging();
    let mut control = server.client();
    // a HyperLogLog whose runs are damaged where only some of the elements lead
    for line in ["PFMERGE k none", "SETRANGE k 14 -inf", "PFADD k e21 e5 e10 e19 e13"] {
        let _ = control.cmd(&line.split(' ').collect::<Vec<_>>()).unwrap();
    }
    let (before, after) = replayed(&mut control);
    assert_eq!(before, after);
}

/// Sends a step, and reads its reply if it has one.
fn send(server: &Server, conns: &mut Vec<Option<Client>>, step: &Step) {
    while conns.len() <= step.conn {
        conns.push(None);
    }
    let conn = &mut conns[step.conn];
    let client = conn.get_or_insert_with(|| {
        let mut c = server.client();
        c.set_timeout(Some(Duration::from_secs(20))).unwrap();
        c
    });
    let broken = match &step.act {
        Act::Command(args, _) | Act::Scan(_, args) => client.cmd(args).is_err(),
        Act::Send(args) => client.send(args).is_err(),
        Act::Read(_) => client.read_reply().is_err(),
        Act::Drain | Act::Raw(_) => false,
    };
    if broken {
        *conn = None;
    }
}

#[test]
fn random_sequences_replayed() {
    let mut server = logging();
    let missing = missing_commands();
    let first = seed();
    println!("VIATOR_SEED={first}");
    let mut wrong = Vec::new();
    for family in families::ALL {
        for round in 0..4u64 {
            let seed = first.wrapping_add(round);
            let mut generator = Gen::new(seed);
            let mut control = server.client();
            ok(&mut control, &["FLUSHALL"]);
            let mut conns = Vec::new();
            let mut steps = Vec::new();
            for _ in 0..150 {
                let step = generator.step(family);
                if is_missing(&missing, step.args()) || is_left_out(step.args()) {
                    continue;
                }
                send(&server, &mut conns, &step);
                steps.push(step.to_string());
            }
            drop(conns);
            let (before, after) = replayed(&mut control);
            if before != after {
                wrong.push(format!("{} (VIATOR_SEED={seed}):\n  {}", family.name, steps.join("\n  ")));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "the log gives another dataset after these:\n{}", wrong.join("\n"));
    // all of it, after a start
    let mut control = server.client();
    settle(&mut control);
    let before = digest(&mut control);
    drop(control);
    server.restart();
    assert_eq!(before, digest(&mut server.client()), "after a restart");
}
