//! `strace` at a server under test.

use super::Server;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Stdio};

/// Attached until it is dropped, or the server is gone.
pub struct Strace {
    child: Child,
    /// It would be ended by a pipe that nobody reads.
    _messages: Lines<BufReader<ChildStderr>>,
}

impl Strace {
    /// `args`: what is traced. `None`, said aloud, where processes cannot be traced.
    pub fn attach(server: &Server, args: &[&str]) -> Option<Strace> {
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &server.pid().to_string()]).args(args);
        let Ok(mut child) = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn() else {
            println!("strace is not installed");
            return None;
        };
        let mut messages = BufReader::new(child.stderr.take().unwrap()).lines();
        while let Some(Ok(line)) = messages.next() {
            if line.contains("attached") {
                return Some(Strace { child, _messages: messages });
            }
            println!("{line}");
        }
        let _ = child.wait();
        println!("processes cannot be traced here");
        None
    }

    /// Waits until the server is gone, and all was noted.
    pub fn end(mut self) {
        self.child.wait().unwrap();
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
            let _ = self.child.wait();
        }
    }
}
