//! What the integration tests share: servers that are started on a free port in a folder of their own and ended with
//! the test, the reference where it is installed, and the reading of command lines.
#![allow(dead_code, reason = "every test target compiles this module and uses a part of it")]

pub mod quoting;
pub mod rng;
pub mod strace;

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use viator_client::{Address, Client, value::Value};

/// How long a server may take to answer, or to end, before a test gives up. A disk can stand still for many seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of [`tests/fetch-peers.sh`](../fetch-peers.sh).
pub fn peers_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("VIATOR_PEERS") {
        return dir.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    cache.unwrap_or_else(home).join("viator-peers")
}

/// Says aloud that something is left out, because `what` is missing; where nothing may be left out (`CI=true`), panics.
pub fn skip(what: &str) {
    let message = format!("SKIPPED: {what} not installed, run tests/fetch-peers.sh");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
    // Directly to the terminal: what a passing test prints to its captured output is never seen.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{message}\n").as_bytes());
}

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Launch {
    program: PathBuf,
    directives: Vec<(String, String)>,
}

impl Launch {
    /// The server under test: this package's `viator`, or the program that `VIATOR_BIN` names.
    pub fn viator() -> Self {
        let program = std::env::var_os("VIATOR_BIN").map_or_else(|| env!("CARGO_BIN_EXE_viator").into(), PathBuf::from);
        Self::program(program)
    }

    /// The reference for behaviour; `None`, said aloud, where it is not installed.
    pub fn reference() -> Option<Self> {
        Self::peer("redis-8.6")
    }

    /// One of the servers of `tests/fetch-peers.sh`, by its name in `bin`.
    pub fn peer(name: &str) -> Option<Self> {
        let program = peers_dir().join("bin").join(name);
        if !program.exists() {
            skip(&format!("the peer {name}"));
            return None;
        }
        Some(Self::program(program))
    }

    /// Any program that reads a Redis configuration file.
    pub fn program(program: PathBuf) -> Self {
        let base = [("bind", "127.0.0.1"), ("save", "\"\""), ("enable-debug-command", "yes")];
        Launch { program, directives: base.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect() }
    }

    /// Adds a line to the configuration file; a later line with the same name goes last.
    pub fn directive(mut self, name: &str, value: &str) -> Self {
        self.directives.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the server and waits until it answers PING. Panics with the end of its log if it does not.
    pub fn start(&self) -> Server {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("viator-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        let mut failure = String::new();
        // A free port can be taken by somebody else before the server has it: then another is tried.
        for _ in 0..5 {
            let port = free_port();
            let mut server = Server { launch: self.clone(), child: None, dir: dir.clone(), port };
            match server.run() {
                Ok(()) => return server,
                Err(e) if e.contains("in use") => failure = e,
                Err(e) => panic!("{}: {e}", self.program.display()),
            }
        }
        panic!("{}: {failure}", self.program.display());
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running server; killed, and its folder removed, when it is dropped. A failed test's folder stays.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    child: Option<Child>,
    dir: PathBuf,
    port: u16,
}

impl Server {
    fn spawn(&mut self) -> Result<(), String> {
        let mut config = format!("port {}\ndir {}\n", self.port, self.dir.display());
        for (name, value) in &self.launch.directives {
            config += &format!("{name} {value}\n");
        }
        let file = self.dir.join("server.conf");
        // A configuration that the server itself rewrote is kept for its next start.
        if !file.exists() || self.child.is_none() {
            fs::write(&file, config).map_err(|e| e.to_string())?;
        }
        let log = File::create(self.log_path()).map_err(|e| e.to_string())?;
        let child = Command::new(&self.launch.program)
            .arg(&file)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(|e| e.to_string())?)
            .stderr(log)
            .spawn()
            .map_err(|e| e.to_string())?;
        self.child = Some(child);
        Ok(())
    }

    fn run(&mut self) -> Result<(), String> {
        self.spawn()?;
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().and_then(|c| c.try_wait().ok().flatten()) {
                self.child = None;
                return Err(format!("ended with {status} before it answered PING; its log:\n{}", self.log_tail()));
            }
            let last = match Client::connect_timeout(&self.address(), PATIENCE).and_then(|mut c| c.cmd(&["PING"])) {
                Ok(v) if v.is_status("PONG") => return Ok(()),
                // loading
                Ok(v) => v.to_string(),
                Err(e) => e.to_string(),
            };
            if begun.elapsed() > PATIENCE {
                return Err(format!("no PONG in {PATIENCE:?} ({last}); its log:\n{}", self.log_tail()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        Address::local(self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Its working folder: configuration, log, and the data files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// What it logged since its last start.
    pub fn log(&self) -> String {
        fs::read(self.log_path()).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// A new connection (RESP2).
    pub fn client(&self) -> Client {
        Client::connect_timeout(&self.address(), PATIENCE)
            .unwrap_or_else(|e| panic!("{e}; its log:\n{}", self.log_tail()))
    }

    /// A new connection that speaks protocol `version`.
    pub fn client_resp(&self, version: u8) -> Client {
        let mut client = self.client();
        if version != 2 {
            let hello = client.hello(version).unwrap();
            assert!(hello.as_error().is_none(), "HELLO {version}: {hello}");
        }
        client
    }

    /// Ends it at once, as kill -9 does, and leaves its folder as it is.
    pub fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to end (SIGTERM) and waits until it has; whether it ended with status 0.
    pub fn terminate(&mut self) -> bool {
        let Some(child) = &self.child else { return false };
        let _ = Command::new("kill").arg(child.id().to_string()).status();
        self.wait()
    }

    /// Waits until it has ended by itself; whether it ended with status 0.
    pub fn wait(&mut self) -> bool {
        let Some(child) = &mut self.child else { return false };
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(Some(status)) = child.try_wait() {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.kill();
        false
    }

    /// Ends it if it runs, and starts it again on the same port, with the files that are in its folder.
    pub fn restart(&mut self) {
        self.try_restart().unwrap_or_else(|e| panic!("{}: {e}", self.launch.program.display()));
    }

    /// Ends it if it runs, starts it again and kills it after some time, whatever it is doing then.
    pub fn run_for(&mut self, time: Duration) {
        self.kill();
        self.spawn().unwrap_or_else(|e| panic!("{}: {e}", self.launch.program.display()));
        std::thread::sleep(time);
        self.kill();
    }

    /// As [`Server::restart`]; the reason and the end of the log if it does not start.
    pub fn try_restart(&mut self) -> Result<(), String> {
        self.kill();
        self.run()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("kept the files of {}: {}", self.launch.program.display(), self.dir.display());
        } else {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Polls `condition` until it holds; panics with `what` after a minute.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "in vain for {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The commands of Redis 8.4 that Viator does not have yet, upper case (subcommands as `CONFIG GET`): the lines of
/// `tests/fixtures/missing-commands.txt`, which `tests/command_table.rs` keeps true.
pub fn missing_commands() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/missing-commands.txt");
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect()
}

/// A field of a section of INFO.
pub fn info(client: &mut Client, section: &str, field: &str) -> String {
    let text = ok(client, &["INFO", section]).as_text().unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':').map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {field} in {text}"))
}

/// Waits until what was logged has been given to the system, of a server that may be killed then: but with `always` a write may
/// have to wait for an fsync that runs.
pub fn wait_written(client: &mut Client) {
    wait_until("the write", || info(client, "persistence", "aof_buffer_length") == "0");
}

/// Sends a command and panics if there is no reply, or an error.
pub fn ok<A: AsRef<[u8]>>(client: &mut Client, args: &[A]) -> Value {
    let reply = client.cmd(args).unwrap();
    assert!(reply.as_error().is_none(), "{}: {reply}", quoting::line(args));
    reply
}
