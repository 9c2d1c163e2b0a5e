//! Loading a file of the append-only file: its commands run as a client's do, by the handlers that clients use.

use super::load::{Duplicates, LoadDelay, Options, load_stream};
use crate::args::OwnedArgs;
use crate::client::ClientShared;
use crate::config::PropagationErrorBehavior;
use crate::dispatch;
use crate::error::Error;
use crate::local::Local;
use crate::server::Server;
use crate::session::Session;
use std::io::{BufReader, Cursor, Read};
use std::sync::Arc;
use viator_persist::aof::{Item, LogError, LogReader};
use viator_persist::{Fault, Reader, Source, Streamed};
use viator_resp::reply::Reply;

/// Commands between two notes of how far the file was read.
const NOTE_EVERY: u32 = 256;

/// What ended the loading of a file before its end.
#[derive(Debug)]
pub enum Stop {
    /// The snapshot that it begins with is not sane.
    Preamble(Fault),
    /// A library of functions in that cannot be loaded: the error.
    Function(String),
    /// There is no such command.
    Unknown(String),
    /// It cannot be run: the command and the error.
    Refused(String, String),
    /// The file ends within a transaction.
    Unfinished,
    /// It cannot be read on.
    Log(LogError),
}

/// How the loading of a file went.
#[derive(Debug)]
pub struct Replayed {
    /// How far it is good: the end of its last whole command or transaction.
    pub good: u64,
    /// What ended it; none: its end.
    pub stop: Option<Stop>,
}

/// A client that nobody sees.
fn session(now: i64) -> Session {
    let nobody = ClientShared::new(0, String::new(), String::new(), false, -1, 0, now, Arc::new(|_| {}));
    Session::new(Arc::new(nobody), true, false)
}

/// Loads the libraries of functions that came from a file.
///
/// # Errors
/// The text for the log.
pub fn install_functions(server: &Server, local: &mut Local) -> Result<(), String> {
    let codes = std::mem::take(&mut *server.persistence.functions.lock());
    let mut session = session(local.now);
    let mut out = Reply::new();
    for code in codes {
        let args = OwnedArgs::from_slices([&b"FUNCTION"[..], b"LOAD", b"REPLACE", &code]);
        let run = dispatch::replay(local, server, &mut session, args.args(), &mut out);
        let (reply, _) = out.parts();
        if run.is_err() || reply.first() == Some(&b'-') {
            let text = String::from_utf8_lossy(reply);
            return Err(format!("Failed loading library, {}", text.trim_end().trim_start_matches("-ERR ")));
        }
        out.clear();
    }
    Ok(())
}

/// Loads a file: a snapshot perhaps, and commands. Nothing expires meanwhile. `old_style`: it is the whole append-only file of
/// an early version.
pub fn replay<R: Read>(server: &Server, local: &mut Local, mut file: R, old_style: bool) -> Replayed {
    let before = std::mem::replace(&mut local.replaying, true);
    let mut magic = Vec::new();
    let replayed = match file.by_ref().take(5).read_to_end(&mut magic) {
        Err(e) => Replayed { good: 0, stop: Some(Stop::Log(LogError::Io(e))) },
        Ok(_) if magic == b"REDIS" => match preamble(server, local, Cursor::new(magic).chain(file), old_style) {
            Ok((head, file, from)) => commands(server, local, Cursor::new(head).chain(file), from),
            Err(stop) => Replayed { good: 0, stop: Some(stop) },
        },
        Ok(_) => commands(server, local, Cursor::new(magic).chain(file), 0),
    };
    local.replaying = before;
    replayed
}

/// Loads the snapshot that a file begins with. Returns what was read beyond it, the rest, and where it ends.
fn preamble<R: Read>(server: &Server, local: &mut Local, file: R, old_style: bool) -> Result<(Vec<u8>, R, u64), Stop> {
    if old_style {
        tracing::info!("Reading RDB preamble from AOF file...");
    } else {
        tracing::info!("Reading RDB base file on AOF loading...");
    }
    let mut reader = Reader::new(Streamed::new(file, server.config.load().rdbchecksum));
    let options = Options { duplicates: Duplicates::Refused, keep_expired: true, now_ms: local.now };
    load_stream(server, None, &mut reader, options).map_err(Stop::Preamble)?;
    install_functions(server, local).map_err(Stop::Function)?;
    if old_style {
        tracing::info!("Reading the remaining AOF tail...");
    }
    let at = reader.source().position();
    let (rest, file) = reader.into_source().into_rest();
    Ok((rest, file, at))
}

/// A command's name, for the log.
fn shown(args: &OwnedArgs) -> String {
    String::from_utf8_lossy(args.args().at(0)).into_owned()
}

fn commands<R: Read>(server: &Server, local: &mut Local, file: R, from: u64) -> Replayed {
    let mut reader = LogReader::new(BufReader::with_capacity(1 << 18, file), from);
    let mut session = session(local.now);
    let mut out = Reply::new();
    let mut delay = LoadDelay::default();
    let mut unnoted = 0;
    // up to where the file is good: commands of a transaction are nothing before its EXEC
    let mut good = from;
    let stop = loop {
        match reader.next_item() {
            Ok(Some(Item::Command(args))) => {
                let args = OwnedArgs::from_slices(&args);
                if let Err(e) = dispatch::replay(local, server, &mut session, args.args(), &mut out) {
                    let name = shown(&args);
                    break Some(match e {
                        Error::Arity(_) => Stop::Refused(name, e.to_string()),
                        _ => Stop::Unknown(name),
                    });
                }
                if let (error @ [b'-', ..], _) = out.parts() {
                    server.totals.unexpected_errors.add_shared(1);
                    tracing::warn!(
                        "== CRITICAL == This server is sending an error to its AOF-loading-client: '{}' after processing \
                         the command '{}'",
                        String::from_utf8_lossy(error).trim_end(),
                        shown(&args).to_lowercase()
                    );
                    if server.config.load().propagation_error_behavior == PropagationErrorBehavior::Panic {
                        break Some(Stop::Refused(shown(&args), String::from_utf8_lossy(error).trim_end().to_owned()));
                    }
                }
                out.clear();
                delay.pass(server);
                unnoted += 1;
                if unnoted == NOTE_EVERY {
                    unnoted = 0;
                    server.persistence.note_read(reader.position());
                }
            }
            Ok(Some(Item::Annotation(_))) => {}
            Ok(None) => break session.multi.is_some().then_some(Stop::Unfinished),
            Err(e) => break Some(Stop::Log(e)),
        }
        if session.multi.is_none() {
            good = reader.position();
        }
    };
    session.close(server);
    Replayed { good, stop }
}
