//! What clients are told because of what others do: nothing of it is lost, and nobody is told who has gone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{Launch, ok};
use viator_client::Client;

/// Who reads the reply of QUIT is gone, for those whom other threads serve too.
#[test]
fn who_has_quit_is_gone() {
    let server = Launch::viator().directive("io-threads", "4").start();
    let mut others: Vec<Client> = (0..4).map(|_| server.client()).collect();
    ok(&mut others[0], &["SET", "k", "v"]);
    for round in 0..400 {
        let other = &mut others[round % 4];
        let mut listener = server.client();
        let id = ok(&mut listener, &["CLIENT", "ID"]).as_int().unwrap().to_string();
        ok(&mut listener, &["SUBSCRIBE", "news"]);
        let mut cached = server.client_resp(3);
        ok(&mut cached, &["CLIENT", "TRACKING", "ON", "REDIRECT", &id]);
        ok(&mut cached, &["GET", "k"]);
        ok(&mut listener, &["QUIT"]);
        assert_eq!(ok(other, &["CLIENT", "LIST", "ID", &id]).as_text().unwrap(), "");
        assert_eq!(ok(other, &["PUBLISH", "news", "x"]).as_int(), Some(0));
        ok(other, &["SET", "k", "v"]);
        cached.send(&["PING"]).unwrap();
        assert!(cached.read_reply().unwrap().is_status("PONG"));
        let told = cached.take_pushes();
        assert!(told.len() == 1 && told[0].to_string().contains("tracking-redir-broken"), "{told:?}");
    }
}

/// What a client is told when it is about to silence replies is no reply.
#[test]
fn silence_is_for_replies() {
    let server = Launch::viator().start();
    let mut other = server.client();
    ok(&mut other, &["DEBUG", "PAUSE-CRON", "1"]);
    for silence in [&[&["CLIENT", "REPLY", "OFF"][..], &["CLIENT", "REPLY", "ON"]][..], &[&["CLIENT", "REPLY", "SKIP"]]]
    {
        let mut c = server.client_resp(3);
        ok(&mut other, &["CONFIG", "SET", "tracking-table-max-keys", "100"]);
        ok(&mut c, &["CLIENT", "TRACKING", "ON"]);
        ok(&mut c, &["MGET", "a", "b"]);
        // one of the two keys has to go before the client's next command
        ok(&mut other, &["CONFIG", "SET", "tracking-table-max-keys", "1"]);
        silence.iter().for_each(|command| c.send(command).unwrap());
        c.send(&["PING"]).unwrap();
        c.send(&["PING"]).unwrap();
        let reply = c.read_reply().unwrap();
        assert_eq!(c.take_pushes().len(), 1, "{silence:?}: {reply}");
    }
}
