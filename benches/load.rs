//! A load generator that takes little time of its own: `load PORT CLIENTS REQUESTS PIPELINE SPREAD WORD…` keeps that many
//! requests under way on each connection and prints `requests per second, error replies`. In the words `__rand_int__` becomes a
//! random number of twelve digits below SPREAD. Replies are counted, not decoded, so that the server is what limits a run;
//! `redis-benchmark` needs more time to read a long reply than a server to send it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a tool of the benchmarks: it ends where it cannot go on"
)]

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};
use viator_client::value::encode_command;

const MARK: &[u8] = b"__rand_int__";
/// Bytes read at once.
const READ: usize = 1 << 20;
/// A server that answers nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts complete replies in a stream of bytes.
#[derive(Default)]
struct Replies {
    /// Elements of the current reply that are to come.
    pending: u64,
    /// Bytes of a bulk string that are to come.
    skip: usize,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    complete: u64,
    errors: u64,
}

impl Replies {
    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let n = self.skip.min(bytes.len());
                self.skip -= n;
                bytes = &bytes[n..];
                if self.skip == 0 {
                    self.element();
                }
                continue;
            }
            let Some(end) = memchr::memchr(b'\n', bytes) else {
                self.line.extend_from_slice(bytes);
                return;
            };
            if self.line.is_empty() {
                self.header(&bytes[..end]);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&bytes[..end]);
                self.header(&line);
            }
            bytes = &bytes[end + 1..];
        }
    }

    /// A line without its end, `\r` included.
    fn header(&mut self, line: &[u8]) {
        let number = || {
            let digits = line.get(1..line.len() - 1).unwrap_or_default();
            digits.iter().try_fold(0u64, |n, d| d.is_ascii_digit().then(|| n * 10 + u64::from(d - b'0')))
        };
        if self.pending == 0 {
            self.pending = 1;
        }
        match line.first() {
            Some(b'$' | b'=' | b'!') => {
                if let Some(n) = number() {
                    self.skip = n as usize + 2;
                    return;
                }
            }
            Some(b'*' | b'~' | b'>') => self.pending += number().unwrap_or(0),
            Some(b'%' | b'|') => self.pending += 2 * number().unwrap_or(0),
            Some(b'-') => self.errors += 1,
            _ => {}
        }
        self.element();
    }

    fn element(&mut self) {
        self.pending -= 1;
        if self.pending == 0 {
            self.complete += 1;
        }
    }
}

struct Conn {
    socket: TcpStream,
    replies: Replies,
    /// Replies that complete what is under way.
    due: u64,
    batch: Vec<u8>,
    /// Of `batch`.
    sent: usize,
}

impl Conn {
    /// Sends what can be sent.
    fn write(&mut self) {
        while self.sent < self.batch.len() {
            match self.socket.write(&self.batch[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => panic!("sending: {e}"),
            }
        }
    }

    /// Reads what has come.
    fn read(&mut self, buf: &mut [u8]) {
        loop {
            match self.socket.read(buf) {
                Ok(0) => panic!("the server closed a connection"),
                Ok(n) => {
                    self.replies.feed(&buf[..n]);
                    if n < buf.len() {
                        return;
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => panic!("reading: {e}"),
            }
        }
    }
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) * n) >> 32
    }

    fn digits(&mut self, spread: u64, out: &mut [u8]) {
        let mut n = self.below(spread);
        for d in out.iter_mut().rev() {
            *d = b'0' + (n % 10) as u8;
            n /= 10;
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [port, clients, requests, pipeline, spread, words @ ..] = args.as_slice() else {
        eprintln!("usage: load PORT CLIENTS REQUESTS PIPELINE SPREAD WORD…");
        std::process::exit(2);
    };
    let number = |text: &String| text.parse::<u64>().expect("a number");
    let address = format!("127.0.0.1:{port}").parse().expect("a port");
    let (clients, mut left, pipeline, spread) =
        (number(clients) as usize, number(requests), number(pipeline), number(spread).clamp(1, 1 << 32));
    let one = encode_command(words);
    let batch = one.repeat(pipeline as usize);
    let marks: Vec<usize> = memchr::memmem::find_iter(&batch, MARK).collect();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut poll = Poll::new().expect("a poll");
    let mut conns: Vec<Conn> = (0..clients)
        .map(|i| {
            let mut socket = TcpStream::connect(address).expect("a connection");
            socket.set_nodelay(true).expect("no delay");
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut socket, Token(i), both).expect("registered");
            Conn { socket, replies: Replies::default(), due: 0, batch: batch.clone(), sent: batch.len() }
        })
        .collect();
    let mut events = Events::with_capacity(clients.max(1));
    let mut buf = vec![0u8; READ];
    // all are connected before the clock starts
    let mut connected = 0;
    while connected < clients {
        poll.poll(&mut events, Some(PATIENCE)).expect("events");
        assert!(!events.is_empty(), "the server does not accept connections");
        connected += events.iter().filter(|e| e.is_writable()).count();
    }
    let (total, began) = (left, Instant::now());
    let mut busy = 0usize;
    let mut next = |conn: &mut Conn| {
        if left == 0 {
            return false;
        }
        let n = pipeline.min(left);
        left -= n;
        for at in &marks {
            random.digits(spread, &mut conn.batch[*at..at + MARK.len()]);
        }
        conn.batch.truncate(one.len() * n as usize);
        conn.sent = 0;
        conn.due = conn.replies.complete + n;
        conn.write();
        true
    };
    for conn in &mut conns {
        busy += usize::from(next(conn));
    }
    while busy > 0 {
        if let Err(e) = poll.poll(&mut events, Some(PATIENCE)) {
            assert!(e.kind() == ErrorKind::Interrupted, "waiting: {e}");
            continue;
        }
        assert!(!events.is_empty(), "the server answers nothing");
        for event in &events {
            let conn = &mut conns[event.token().0];
            if conn.sent < conn.batch.len() {
                conn.write();
            }
            if event.is_readable() {
                let open = conn.replies.complete < conn.due;
                conn.read(&mut buf);
                if open && conn.replies.complete >= conn.due && !next(conn) {
                    busy -= 1;
                }
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let errors: u64 = conns.iter().map(|c| c.replies.errors).sum();
    println!("{:.1},{errors}", total as f64 / seconds);
}

#[cfg(test)]
mod tests {
    use super::Replies;

    #[test]
    fn replies_are_counted_however_they_arrive() {
        let stream = b"+OK\r\n$5\r\nab\ncd\r\n*2\r\n:1\r\n*1\r\n$-1\r\n*0\r\n_\r\n%1\r\n+a\r\n,1.5\r\n-ERR x\r\n*-1\r\n$0\r\n\r\n";
        for size in 1..stream.len() {
            let mut r = Replies::default();
            stream.chunks(size).for_each(|c| r.feed(c));
            assert_eq!((r.complete, r.errors, r.pending), (9, 1, 0), "pieces of {size}");
        }
    }
}
