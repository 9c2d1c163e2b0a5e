//! A small blocking RESP client, used by the tools and the tests.
//!
//! It hides nothing: error replies are values, attributes and nulls arrive as they were sent, and raw bytes can be
//! written and read. Out-of-band messages (RESP3 pushes) that arrive while a reply is awaited are put aside, to be
//! read with [`Client::next_push`].

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use viator_resp::value::{DecodeError, Decoder, Limits, Value, encode_command_into};

pub use viator_resp::value;

/// How long [`Client::connect`] waits for the connection, and afterwards for each reply, unless told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a server listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// Host name or IP address, and port.
    Tcp(String, u16),
    /// A Unix domain socket.
    Unix(PathBuf),
}

impl Address {
    /// A port of this machine.
    pub fn local(port: u16) -> Self {
        Address::Tcp("127.0.0.1".to_owned(), port)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Why there is no reply. An error that the server answered is a [`Value`], not one of these.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection to the address.
    #[error("could not connect to {0}: {1}")]
    Connect(Address, io::Error),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// Nothing complete came within the time.
    #[error("no reply within {0:?}")]
    Timeout(Duration),
    /// What came is no reply.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// The result of what a client does.
pub type Result<T> = std::result::Result<T, ClientError>;

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(s) => s.read(buf),
            Stream::Unix(s) => s.read(buf),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Tcp(s) => s.write_all(bytes),
            Stream::Unix(s) => s.write_all(bytes),
        }
    }

    fn set_timeouts(&self, read: Option<Duration>, write: Option<Duration>) -> io::Result<()> {
        match self {
            Stream::Tcp(s) => s.set_read_timeout(read).and_then(|()| s.set_write_timeout(write)),
            Stream::Unix(s) => s.set_read_timeout(read).and_then(|()| s.set_write_timeout(write)),
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Stream::Tcp(s) => s.shutdown(how),
            Stream::Unix(s) => s.shutdown(how),
        }
    }
}

/// A connection to a server.
pub struct Client {
    stream: Stream,
    decoder: Decoder,
    /// What was read; the bytes before `start` are done with.
    buffer: Vec<u8>,
    start: usize,
    pushes: VecDeque<Value>,
    timeout: Option<Duration>,
}

impl Client {
    /// Connects, and waits [`DEFAULT_TIMEOUT`] at most for the connection and later for each reply.
    pub fn connect(address: &Address) -> Result<Self> {
        Self::connect_timeout(address, DEFAULT_TIMEOUT)
    }

    /// Connects, and waits `timeout` (above zero) at most for the connection and later for each reply.
    pub fn connect_timeout(address: &Address, timeout: Duration) -> Result<Self> {
        let refused = |e| ClientError::Connect(address.clone(), e);
        let stream = match address {
            Address::Tcp(host, port) => {
                let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                let mut found = None;
                for addr in (host.as_str(), *port).to_socket_addrs().map_err(refused)? {
                    match TcpStream::connect_timeout(&addr, timeout) {
                        Ok(s) => {
                            found = Some(s);
                            break;
                        }
                        Err(e) => last = e,
                    }
                }
                let Some(s) = found else { return Err(refused(last)) };
                s.set_nodelay(true)?;
                Stream::Tcp(s)
            }
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path).map_err(refused)?),
        };
        let mut client = Client {
            stream,
            decoder: Decoder::default(),
            buffer: Vec::new(),
            start: 0,
            pushes: VecDeque::new(),
            timeout: None,
        };
        client.set_timeout(Some(timeout))?;
        Ok(client)
    }

    /// Replaces the limits of what replies may hold; before the first reply is read.
    pub fn set_limits(&mut self, limits: Limits) {
        self.decoder = Decoder::new(limits);
    }

    /// How long a reply is waited for; `None`: forever. A zero duration counts as a millisecond.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<()> {
        self.timeout = timeout.map(|t| t.max(Duration::from_millis(1)));
        self.stream.set_timeouts(self.timeout, self.timeout)?;
        Ok(())
    }

    /// Switches the protocol with `HELLO version`; the reply is the server's description of itself, or its error.
    pub fn hello(&mut self, version: u8) -> Result<Value> {
        self.cmd(&["HELLO", &version.to_string()])
    }

    /// Sends a command and reads its reply.
    ///
    /// A command whose only answer is a push (SUBSCRIBE in RESP3) is sent with [`Client::send`] and answered with
    /// [`Client::next_push`].
    pub fn cmd<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<Value> {
        self.send(args)?;
        self.read_reply()
    }

    /// Sends commands in one write and reads their replies, in order. What is sent should be smaller than the socket's
    /// buffers, or a server that stops reading until its replies are taken ends it with [`ClientError::Timeout`].
    pub fn pipeline<A: AsRef<[u8]>, C: AsRef<[A]>>(&mut self, commands: &[C]) -> Result<Vec<Value>> {
        let mut out = Vec::new();
        for command in commands {
            encode_command_into(command.as_ref(), &mut out);
        }
        self.send_raw(&out)?;
        commands.iter().map(|_| self.read_reply()).collect()
    }

    /// Sends a command without reading.
    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<()> {
        let mut out = Vec::new();
        encode_command_into(args, &mut out);
        self.send_raw(&out)
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).map_err(|e| self.io(e))
    }

    /// The next reply; pushes before it are put aside for [`Client::next_push`].
    pub fn read_reply(&mut self) -> Result<Value> {
        loop {
            let value = self.read_value()?;
            if !value.is_push() {
                return Ok(value);
            }
            self.pushes.push_back(value);
        }
    }

    /// The next value, be it a reply or a push. Pushes put aside before are not returned.
    pub fn read_value(&mut self) -> Result<Value> {
        let begun = Instant::now();
        loop {
            let (used, value) = self.decoder.decode(self.buffer.get(self.start..).unwrap_or_default())?;
            self.start += used;
            if let Some(value) = value {
                return Ok(value);
            }
            if let Some(limit) = self.timeout
                && begun.elapsed() > limit
            {
                return Err(ClientError::Timeout(limit));
            }
            if self.fill()? == 0 {
                return Err(ClientError::Closed);
            }
        }
    }

    /// The next push: one that was put aside, or one that comes within `timeout`; `None` if none does. Must not be
    /// called while a reply is outstanding: a reply that arrives is [`ClientError::Decode`].
    pub fn next_push(&mut self, timeout: Duration) -> Result<Option<Value>> {
        if let Some(push) = self.pushes.pop_front() {
            return Ok(Some(push));
        }
        let before = self.timeout;
        self.set_timeout(Some(timeout))?;
        let got = self.read_value();
        self.set_timeout(before)?;
        match got {
            Ok(v) if v.is_push() => Ok(Some(v)),
            Ok(_) => Err(ClientError::Decode(DecodeError::Malformed("push"))),
            Err(ClientError::Timeout(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The pushes put aside so far.
    pub fn take_pushes(&mut self) -> Vec<Value> {
        self.pushes.drain(..).collect()
    }

    /// Bytes as they come: those read and not yet decoded, or what one read gives; empty at the end of the stream.
    pub fn read_raw(&mut self) -> Result<Vec<u8>> {
        if self.start >= self.buffer.len() {
            self.fill()?;
        }
        let start = std::mem::take(&mut self.start).min(self.buffer.len());
        let rest = self.buffer.split_off(start);
        self.buffer.clear();
        Ok(rest)
    }

    /// Everything until the server closes the connection, or until nothing comes for `quiet`; the flag says whether
    /// it was closed.
    pub fn read_to_close(&mut self, quiet: Duration) -> Result<(Vec<u8>, bool)> {
        let before = self.timeout;
        self.set_timeout(Some(quiet))?;
        let mut all = Vec::new();
        let closed = loop {
            match self.read_raw() {
                Ok(bytes) if bytes.is_empty() => break Ok(true),
                Ok(bytes) => all.extend_from_slice(&bytes),
                Err(ClientError::Timeout(_)) => break Ok(false),
                Err(ClientError::Closed) => break Ok(true),
                Err(e) => break Err(e),
            }
        };
        self.set_timeout(before)?;
        Ok((all, closed?))
    }

    /// Ends our direction: the server reads an end of stream, replies can still be read.
    pub fn finish_sending(&mut self) -> Result<()> {
        self.stream.shutdown(Shutdown::Write).map_err(|e| self.io(e))
    }

    fn fill(&mut self) -> Result<usize> {
        if self.start > 0 {
            self.buffer.drain(..self.start.min(self.buffer.len()));
            self.start = 0;
        }
        let len = self.buffer.len();
        // Grows with what is there, so that a big value is read in few pieces and a small one wastes nothing.
        self.buffer.resize(len + len.clamp(16 << 10, 4 << 20), 0);
        let room = self.buffer.get_mut(len..).unwrap_or_default();
        let got = loop {
            match self.stream.read(room) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(len + got.as_ref().map_or(0, |n| *n));
        got.map_err(|e| self.io(e))
    }

    fn io(&self, e: io::Error) -> ClientError {
        match e.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                ClientError::Timeout(self.timeout.unwrap_or_default())
            }
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
                ClientError::Closed
            }
            _ => ClientError::Io(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// A server that reads `expect` bytes and answers the pieces, each in a write of its own.
    fn server(expect: usize, pieces: &'static [&'static [u8]]) -> (Address, thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::local(listener.local_addr().unwrap().port());
        let handle = thread::spawn(move || {
            let (mut s, _) = listener.accept().unwrap();
            s.set_nodelay(true).unwrap();
            let mut got = vec![0; expect];
            s.read_exact(&mut got).unwrap();
            for piece in pieces {
                s.write_all(piece).unwrap();
            }
            got
        });
        (address, handle)
    }

    #[test]
    fn replies_in_pieces_and_pushes_aside() {
        let (address, handle) = server(14, &[b"$5\r\nhel", b"lo\r\n>1\r\n+m\r\n", b"-ERR no\r\n"]);
        let mut c = Client::connect(&address).unwrap();
        assert_eq!(c.cmd(&["PING"]).unwrap(), Value::Bulk(b"hello".to_vec()));
        assert_eq!(c.read_reply().unwrap(), Value::Error(b"ERR no".to_vec()));
        assert_eq!(c.next_push(Duration::from_secs(1)).unwrap(), Some(Value::Push(vec![Value::Simple(b"m".to_vec())])));
        assert!(matches!(c.read_reply(), Err(ClientError::Closed)));
        assert_eq!(handle.join().unwrap(), b"*1\r\n$4\r\nPING\r\n");
    }

    #[test]
    fn pipelines() {
        let (address, handle) = server(28, &[b"+PONG\r\n+PO", b"NG\r\n"]);
        let mut c = Client::connect(&address).unwrap();
        let replies = c.pipeline(&[["PING"], ["PING"]]).unwrap();
        assert!(replies.len() == 2 && replies.iter().all(|r| r.is_status("PONG")));
        handle.join().unwrap();
    }

    #[test]
    fn times_out() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::local(listener.local_addr().unwrap().port());
        let mut c = Client::connect_timeout(&address, Duration::from_millis(30)).unwrap();
        assert!(matches!(c.cmd(&["PING"]), Err(ClientError::Timeout(_))));
        assert!(c.next_push(Duration::from_millis(1)).unwrap().is_none());
    }

    #[test]
    fn raw_bytes_until_the_end() {
        let (address, handle) = server(2, &[b"-ERR ", b"x\r\n"]);
        let mut c = Client::connect(&address).unwrap();
        c.send_raw(b"\r\n").unwrap();
        assert_eq!(c.read_to_close(Duration::from_secs(5)).unwrap(), (b"-ERR x\r\n".to_vec(), true));
        handle.join().unwrap();
    }

    #[test]
    fn unix_sockets() {
        let dir = std::env::temp_dir().join(format!("viator-client-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("s");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let handle = thread::spawn(move || {
            let (mut s, _) = listener.accept().unwrap();
            s.write_all(b"+hi\r\n").unwrap();
        });
        let mut c = Client::connect(&Address::Unix(path)).unwrap();
        assert!(c.read_reply().unwrap().is_status("hi"));
        handle.join().unwrap();
        std::fs::remove_dir_all(dir).unwrap();
        assert!(matches!(Client::connect(&Address::Unix("/nonexistent/s".into())), Err(ClientError::Connect(..))));
    }
}
