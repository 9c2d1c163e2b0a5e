//! Sockets: the two kinds of stream and listener behind one type each.

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// A client's stream.
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// Unix socket.
    Unix(UnixStream),
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(s) => s.read(buf),
            Stream::Unix(s) => s.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(s) => s.write(buf),
            Stream::Unix(s) => s.write(buf),
        }
    }
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Tcp(s) => s.write_vectored(bufs),
            Stream::Unix(s) => s.write_vectored(bufs),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream {
    /// File descriptor, for CLIENT LIST.
    pub fn fd(&self) -> i32 {
        match self {
            Stream::Tcp(s) => s.as_raw_fd(),
            Stream::Unix(s) => s.as_raw_fd(),
        }
    }

    /// The same socket once more.
    ///
    /// # Errors
    /// Those of the system.
    pub fn try_clone(&self) -> io::Result<OwnedFd> {
        match self {
            Stream::Tcp(s) => s.as_fd().try_clone_to_owned(),
            Stream::Unix(s) => s.as_fd().try_clone_to_owned(),
        }
    }
}

impl Source for Stream {
    fn register(&mut self, r: &Registry, t: Token, i: Interest) -> io::Result<()> {
        match self {
            Stream::Tcp(s) => s.register(r, t, i),
            Stream::Unix(s) => s.register(r, t, i),
        }
    }
    fn reregister(&mut self, r: &Registry, t: Token, i: Interest) -> io::Result<()> {
        match self {
            Stream::Tcp(s) => s.reregister(r, t, i),
            Stream::Unix(s) => s.reregister(r, t, i),
        }
    }
    fn deregister(&mut self, r: &Registry) -> io::Result<()> {
        match self {
            Stream::Tcp(s) => s.deregister(r),
            Stream::Unix(s) => s.deregister(r),
        }
    }
}

/// A listening socket.
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Unix socket, with its path.
    Unix(UnixListener, String),
}

/// A new connection.
pub struct Accepted {
    /// Its socket.
    pub stream: Stream,
    /// Peer address.
    pub addr: String,
    /// Local address.
    pub laddr: String,
    /// The peer is on this machine.
    pub near: bool,
}

impl Listener {
    /// Listens on an address. IPv6 sockets take IPv6 only, as Redis's do.
    ///
    /// # Errors
    /// Those of the system.
    pub fn tcp(addr: SocketAddr, backlog: i32) -> io::Result<Listener> {
        use socket2::{Domain, Protocol, Socket, Type};
        let s = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        if addr.is_ipv6() {
            s.set_only_v6(true)?;
        }
        s.set_reuse_address(true)?;
        s.set_nonblocking(true)?;
        s.bind(&addr.into())?;
        s.listen(backlog)?;
        Ok(Listener::Tcp(TcpListener::from_std(s.into())))
    }

    /// Listens on a unix socket, with these permissions (0: as the umask gives).
    ///
    /// # Errors
    /// Those of the system.
    pub fn unix(path: &str, perm: u32, backlog: i32) -> io::Result<Listener> {
        use socket2::{Domain, SockAddr, Socket, Type};
        use std::os::unix::fs::PermissionsExt;
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let s = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        s.set_nonblocking(true)?;
        s.bind(&SockAddr::unix(path)?)?;
        if perm != 0 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(perm))?;
        }
        s.listen(backlog)?;
        Ok(Listener::Unix(UnixListener::from_std(s.into()), path.to_owned()))
    }

    /// Accepts a connection: (stream, peer address, local address, whether the peer is on this machine).
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub fn accept(&self, keepalive: u64) -> io::Result<Accepted> {
        match self {
            Listener::Tcp(l) => {
                let (s, peer) = l.accept()?;
                let sock = socket2::SockRef::from(&s);
                // a client that is gone already shows with the first read
                drop(sock.set_tcp_nodelay(true));
                if keepalive > 0 {
                    let every = std::time::Duration::from_secs((keepalive / 3).max(1));
                    let ka = socket2::TcpKeepalive::new()
                        .with_time(std::time::Duration::from_secs(keepalive))
                        .with_interval(every)
                        .with_retries(3);
                    drop(sock.set_tcp_keepalive(&ka));
                }
                let local = s.local_addr().map(show).unwrap_or_default();
                let near = peer.ip().to_canonical().is_loopback();
                Ok(Accepted { stream: Stream::Tcp(s), addr: show(peer), laddr: local, near })
            }
            Listener::Unix(l, path) => {
                let (s, _) = l.accept()?;
                let addr = format!("{path}:0");
                Ok(Accepted { stream: Stream::Unix(s), laddr: addr.clone(), addr, near: true })
            }
        }
    }
}

fn show(a: SocketAddr) -> String {
    match a {
        SocketAddr::V4(a) => format!("{}:{}", a.ip(), a.port()),
        SocketAddr::V6(a) => format!("[{}]:{}", a.ip(), a.port()),
    }
}

impl Source for Listener {
    fn register(&mut self, r: &Registry, t: Token, i: Interest) -> io::Result<()> {
        match self {
            Listener::Tcp(s) => s.register(r, t, i),
            Listener::Unix(s, _) => s.register(r, t, i),
        }
    }
    fn reregister(&mut self, r: &Registry, t: Token, i: Interest) -> io::Result<()> {
        match self {
            Listener::Tcp(s) => s.reregister(r, t, i),
            Listener::Unix(s, _) => s.reregister(r, t, i),
        }
    }
    fn deregister(&mut self, r: &Registry) -> io::Result<()> {
        match self {
            Listener::Tcp(s) => s.deregister(r),
            Listener::Unix(s, _) => s.deregister(r),
        }
    }
}
