//! redis-rs against a running server, in RESP2 and RESP3.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::time::Duration;

use common::{Launch, Server};
use redis::{Commands, Connection, ErrorKind, RedisResult};

fn connect(server: &Server, protocol: u8) -> Connection {
    let url = format!("redis://127.0.0.1:{}/?protocol=resp{protocol}", server.port());
    let connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    connection
}

fn both(test: impl Fn(&Server, u8, &mut Connection)) {
    let server = Launch::viator().start();
    for protocol in [2, 3] {
        let mut connection = connect(&server, protocol);
        redis::cmd("FLUSHALL").exec(&mut connection).unwrap();
        test(&server, protocol, &mut connection);
    }
}

#[test]
fn strings() {
    both(|_, _, c| {
        let () = c.set_ex("k", "v", 100).unwrap();
        assert_eq!(c.get::<_, String>("k").unwrap(), "v");
        assert!(c.ttl::<_, i64>("k").unwrap() > 90);
        assert_eq!(c.get::<_, Option<String>>("nothing").unwrap(), None);
        assert_eq!(c.incr::<_, _, i64>("n", 5).unwrap(), 5);
        assert!((c.incr::<_, _, f64>("f", 1.5).unwrap() - 1.5).abs() < 1e-9);
        let () = c.mset(&[("a", "1"), ("b", "2")]).unwrap();
        assert_eq!(c.mget::<_, Vec<Option<i64>>>(&["a", "b", "c"]).unwrap(), [Some(1), Some(2), None]);
        assert_eq!(c.del::<_, i64>(&["a", "b", "c"]).unwrap(), 2);
        assert!(!c.set_nx::<_, _, bool>("k", "w").unwrap());
        let every: Vec<u8> = (0..=255).collect();
        let () = c.set(&every, &every).unwrap();
        assert_eq!(c.get::<_, Vec<u8>>(&every).unwrap(), every);
    });
}

#[test]
fn pipelines_and_scans() {
    both(|_, _, c| {
        let mut pipe = redis::pipe();
        for i in 0..1000 {
            pipe.set(format!("key:{i}"), i).ignore();
        }
        pipe.cmd("DBSIZE");
        assert_eq!(pipe.query::<Vec<i64>>(c).unwrap(), [1000]);
        let mut found: Vec<String> = c.scan_match("key:99*").unwrap().collect::<RedisResult<_>>().unwrap();
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 11);
        let big = vec![7u8; 8 << 20];
        let () = c.set("big", &big).unwrap();
        assert_eq!(c.get::<_, Vec<u8>>("big").unwrap(), big);
    });
}

#[test]
fn transactions() {
    both(|server, protocol, c| {
        let (a, b): (i64, String) = redis::pipe().atomic().set("a", 1).ignore().incr("a", 1).get("a").query(c).unwrap();
        assert_eq!((a, b.as_str()), (2, "2"));
        // Read, add and write in several threads; nothing gets lost.
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut mine = connect(server, protocol);
                    for _ in 0..50 {
                        let _: (i64,) = redis::transaction(&mut mine, &["counter"], |c, pipe| {
                            let now: Option<i64> = c.get("counter")?;
                            pipe.set("counter", now.unwrap_or(0) + 1).ignore().get("counter").query(c)
                        })
                        .unwrap();
                    }
                });
            }
        });
        assert_eq!(c.get::<_, i64>("counter").unwrap(), 200);
    });
}

#[test]
fn errors() {
    both(|_, _, c| {
        let () = c.set("s", "x").unwrap();
        let error = c.incr::<_, _, i64>("s", 1).unwrap_err();
        assert!(error.to_string().contains("not an integer"), "{error}");
        let error = redis::cmd("NOSUCHCOMMAND").exec(c).unwrap_err();
        assert!(error.to_string().contains("unknown command"), "{error}");
        let error = redis::cmd("GET").exec(c).unwrap_err();
        assert!(error.to_string().contains("wrong number of arguments"), "{error}");
        assert!(!matches!(error.kind(), ErrorKind::Io), "{error}");
        assert_eq!(redis::cmd("PING").query::<String>(c).unwrap(), "PONG");
    });
}
