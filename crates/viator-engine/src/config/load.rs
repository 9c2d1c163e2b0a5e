//! The configuration at start: file, standard input and command line.

use super::{Config, Directive};
use crate::REDIS_VERSION;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use viator_data::args::{quote_repr, split_args};
use viator_data::glob;

/// The least size of the replication backlog, in bytes: CONFIG SET raises what is smaller.
pub(super) const MIN_BACKLOG: u64 = 16 << 10;
/// How deep files may include each other, and how many may be included in all: a file that includes itself is an error.
const MAX_INCLUDE_DEPTH: usize = 32;
const MAX_INCLUDES: usize = 4096;
/// The greatest file, and the most that is read from standard input.
const MAX_FILE: u64 = 64 << 20;

/// Directives of older versions of Redis, which do nothing.
const DEPRECATED: [&str; 4] =
    ["io-threads-do-reads", "list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

/// Where configuration files are read from.
pub trait ConfigFiles {
    /// The content of a file.
    ///
    /// # Errors
    /// Those of the system.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The names of what is in a directory, in any order; none if it cannot be read.
    fn names(&self, directory: &Path) -> Vec<Vec<u8>>;
}

/// The files of the system; 64 MB of each are read at most.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFiles;

impl ConfigFiles for DiskFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_capped(&mut std::fs::File::open(path)?)
    }

    fn names(&self, directory: &Path) -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|e| e.file_name().into_vec()).collect()
    }
}

fn read_capped(from: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    from.take(MAX_FILE + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "File too large"));
    }
    Ok(content)
}

/// What the first arguments ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartMode {
    /// Run the server.
    Server,
    /// `-v`, `--version`: print the version.
    Version,
    /// `-h`, `--help`: print the usage.
    Help,
    /// `--test-memory`.
    TestMemory,
    /// `--check-system`.
    CheckSystem,
    /// `--sentinel` anywhere: run a Sentinel.
    Sentinel,
}

/// What the arguments (without the name of the program) ask for.
pub fn start_mode(args: &[Vec<u8>]) -> StartMode {
    if args.iter().any(|a| a == b"--sentinel") {
        return StartMode::Sentinel;
    }
    match args.first().map(Vec::as_slice) {
        Some(b"-v" | b"--version") => StartMode::Version,
        Some(b"-h" | b"--help") => StartMode::Help,
        Some(b"--test-memory") => StartMode::TestMemory,
        Some(b"--check-system") => StartMode::CheckSystem,
        _ => StartMode::Server,
    }
}

/// A line that is not a directive of its own field (`user`, `rename-command`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawDirective {
    /// The arguments after the name.
    pub args: Vec<Vec<u8>>,
    /// The line, counted from 1.
    pub line: usize,
    /// The line's text.
    pub text: String,
}

impl RawDirective {
    /// The error for a line that turns out to be wrong only when it is applied (`No such command in rename-command`).
    pub fn error(&self, message: impl Into<String>) -> LoadError {
        LoadError::Line { line: self.line, text: self.text.clone(), message: message.into() }
    }
}

/// Why the server does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// A file (or standard input) cannot be read.
    Unreadable {
        /// Its path.
        path: String,
        /// The system's error, without its number.
        error: String,
    },
    /// A line is wrong.
    Line {
        /// Its number, from 1, counted as Redis does: file, standard input, an empty line, one line for each option.
        line: usize,
        /// The line.
        text: String,
        /// What is wrong.
        message: String,
    },
    /// Directives contradict each other.
    Contradiction(String),
    /// Names that are no directives, with their values.
    Unresolved(Vec<String>),
    /// The arguments ask for another mode than that of a server.
    Mode(StartMode),
}

impl fmt::Display for LoadError {
    /// As Redis prints it on standard error; what Redis logs comes without the prefix of the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = format!("\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***\n");
        match self {
            LoadError::Unreadable { path, error } => {
                write!(f, "Fatal error, can't open config file '{path}': {error}")
            }
            LoadError::Line { line, text, message } => {
                writeln!(f, "{head}Reading the configuration file, at line {line}\n>>> '{text}'\n{message}")
            }
            LoadError::Contradiction(message) => writeln!(f, "{head}{message}"),
            LoadError::Unresolved(lines) => {
                writeln!(f, "Unresolved Configuration(s) Detected:")?;
                lines.iter().try_for_each(|line| writeln!(f, ">>> '{line}'"))?;
                write!(f, "Module Configuration detected without loadmodule directive or no ApplyConfig call: aborting")
            }
            LoadError::Mode(mode) => write!(f, "The arguments ask for {mode:?}, not for a server"),
        }
    }
}

impl std::error::Error for LoadError {}

/// Where a directive was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The directive's [`Directive::name`].
    pub name: &'static str,
    /// The line, counted as in [`LoadError::Line`].
    pub line: usize,
    /// The line's text.
    pub text: String,
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The configuration file, absolute if the system says what the current directory is; CONFIG REWRITE writes to it.
    pub config_file: Option<PathBuf>,
    /// Every directive that was given, in order.
    pub given: Vec<Given>,
}

impl Provenance {
    /// Whether the directive was given at all.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.iter().any(|g| g.name == name)
    }

    /// The error for a directive that turns out to be wrong only when it is applied: `dir` does not exist.
    pub fn error(&self, name: &str, message: impl Into<String>) -> LoadError {
        match self.given.iter().rfind(|g| g.name == name) {
            Some(g) => LoadError::Line { line: g.line, text: g.text.clone(), message: message.into() },
            None => LoadError::Contradiction(message.into()),
        }
    }
}

/// A configuration and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// Reads the configuration as `redis-server` does: `args` (without the name of the program) are a file or `-` (standard
/// input), options (`--name value …`), and a last `-` for standard input.
///
/// # Errors
/// The first thing that is wrong.
pub fn load(args: &[Vec<u8>], files: &dyn ConfigFiles, stdin: &mut dyn Read) -> Result<Loaded, LoadError> {
    match start_mode(args) {
        StartMode::Server => {}
        mode => return Err(LoadError::Mode(mode)),
    }
    let mut loader =
        Loader { files, config: Config::default(), provenance: Provenance::default(), unresolved: vec![], includes: 0 };
    let (mut text, mut from_stdin) = (Vec::new(), false);
    let options = match args {
        [first, rest @ ..] if first == b"-" => {
            from_stdin = true;
            rest
        }
        [first, ..] if first.starts_with(b"-") => args,
        [first, rest @ ..] => {
            if !first.is_empty() {
                let path = Path::new(std::ffi::OsStr::from_bytes(first));
                let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
                text = loader.read(&path)?;
                loader.provenance.config_file = Some(path);
            }
            rest
        }
        [] => args,
    };
    let options = match options {
        [options @ .., last] if last == b"-" => {
            from_stdin = true;
            options
        }
        options => options,
    };
    if from_stdin {
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        let read = read_capped(stdin);
        text.extend(read.map_err(|e| LoadError::Unreadable { path: "-".into(), error: system_text(&e) })?);
    }
    if !options.is_empty() {
        text.push(b'\n');
        text.extend(options_text(options));
    }
    loader.read_lines(&text, 0)?;
    let Loader { mut config, provenance, unresolved, .. } = loader;
    if !unresolved.is_empty() {
        return Err(LoadError::Unresolved(unresolved));
    }
    if config.cluster_enabled && config.replicaof.is_some() {
        return Err(LoadError::Contradiction("replicaof directive not allowed in cluster mode".into()));
    }
    config.hz = config.hz.clamp(1, 500);
    Ok(Loaded { config, provenance })
}

/// The options of the command line as lines of a file.
///
/// The argument after an option's name is its value whatever it looks like; so `--requirepass --x` sets a password. Only
/// `--save` may do without a value.
fn options_text(options: &[Vec<u8>]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut awaits_value = false;
    for (i, option) in options.iter().enumerate() {
        let Some(line) = option.strip_prefix(b"--").filter(|_| !awaits_value) else {
            text.push(b' ');
            quote_repr(option, &mut text);
            awaits_value = false;
            continue;
        };
        if i > 0 {
            text.push(b'\n');
        }
        text.extend_from_slice(line);
        awaits_value = split_args(line).is_ok_and(|words| words.len() == 1);
        let next_is_option = options.get(i + 1).is_none_or(|next| next.starts_with(b"--"));
        if awaits_value && next_is_option && line.eq_ignore_ascii_case(b"save") {
            text.extend_from_slice(b" \"\"");
            awaits_value = false;
        }
    }
    text
}

struct Loader<'a> {
    files: &'a dyn ConfigFiles,
    config: Config,
    provenance: Provenance,
    unresolved: Vec<String>,
    includes: usize,
}

impl Loader<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        let unreadable = |e| LoadError::Unreadable { path: path.display().to_string(), error: system_text(&e) };
        self.files.read(path).map_err(unreadable)
    }

    fn read_lines(&mut self, text: &[u8], depth: usize) -> Result<(), LoadError> {
        for (number, line) in (1..).zip(text.split(|b| *b == b'\n')) {
            let line = trim(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let text = || String::from_utf8_lossy(line).into_owned();
            let fail = |message: String| LoadError::Line { line: number, text: text(), message };
            let words = split_args(line).map_err(|_| fail("Unbalanced quotes in configuration line".into()))?;
            let Some((name, args)) = words.split_first() else { continue };
            match (name.to_ascii_lowercase().as_slice(), args) {
                (b"include", [pattern]) => self.include(pattern, depth).map_err(|e| e.unwrap_or_else(fail))?,
                (b"rename-command", [_, _]) => {
                    let raw = RawDirective { args: args.to_vec(), line: number, text: text() };
                    self.config.rename_commands.push(raw);
                }
                (b"user", [_, ..]) => {
                    let raw = RawDirective { args: args.to_vec(), line: number, text: text() };
                    self.config.users.push(raw);
                }
                (b"loadmodule", [_, ..]) => {
                    let reason =
                        "loadmodule is not supported: modules cannot be loaded, those of Redis 8.4 are built in";
                    return Err(fail(reason.into()));
                }
                (b"sentinel", [_, ..]) => return Err(fail("sentinel directive while not in sentinel mode".into())),
                (name, [_]) if DEPRECATED.iter().any(|d| d.as_bytes() == name) => {}
                (name, args) => match Directive::find(name) {
                    Some(directive) => {
                        self.directive(directive, args).map_err(fail)?;
                        self.provenance.given.push(Given { name: directive.name, line: number, text: text() });
                    }
                    // As Redis, which waits for a module to declare it.
                    None if !args.is_empty() => {
                        let line = words.join(b" ".as_slice());
                        self.unresolved.push(String::from_utf8_lossy(&line).into_owned());
                    }
                    None => return Err(fail("Bad directive or wrong number of arguments".into())),
                },
            }
        }
        Ok(())
    }

    fn directive(&mut self, directive: &'static Directive, args: &[Vec<u8>]) -> Result<(), String> {
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let again = self.provenance.is_given(directive.name);
        directive.set_from_file(&mut self.config, &args, again)
    }

    /// `include`: all files that match, in the order of their names. A path without special characters must exist.
    fn include(&mut self, pattern: &[u8], depth: usize) -> Result<(), Result<LoadError, String>> {
        // `dir` takes effect at once in Redis: what comes after it is relative to it.
        let pattern = Path::new(std::ffi::OsStr::from_bytes(pattern));
        let pattern = Path::new(&self.config.dir).join(pattern);
        let is_glob = pattern.as_os_str().as_bytes().iter().any(|b| matches!(b, b'*' | b'?' | b'['));
        let paths = if is_glob { self.matching(&pattern) } else { vec![pattern] };
        for path in paths {
            self.includes += 1;
            if depth >= MAX_INCLUDE_DEPTH || self.includes > MAX_INCLUDES {
                return Err(Err("Too many files included".into()));
            }
            let text = self.read(&path).map_err(Ok)?;
            self.read_lines(&text, depth + 1).map_err(Ok)?;
        }
        Ok(())
    }

    /// The paths that match a pattern, component by component.
    fn matching(&self, pattern: &Path) -> Vec<PathBuf> {
        let mut paths = vec![PathBuf::new()];
        for component in pattern.components() {
            let Component::Normal(name) = component else {
                paths.iter_mut().for_each(|p| p.push(component));
                continue;
            };
            let mut next = Vec::new();
            for path in paths {
                let directory = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
                let mut names = self.files.names(directory);
                names.retain(|n| {
                    let hidden = n.starts_with(b".") && !name.as_bytes().starts_with(b".");
                    !hidden && glob::matches(name.as_bytes(), n)
                });
                names.sort();
                next.extend(names.iter().map(|n| path.join(std::ffi::OsStr::from_bytes(n))));
                next.truncate(MAX_INCLUDES + 1);
            }
            paths = next;
        }
        paths
    }
}

/// Cuts off what Redis cuts off at the ends of a line.
pub(super) fn trim(line: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let start = line.iter().position(|b| !blank(b)).unwrap_or(line.len());
    let end = line.iter().rposition(|b| !blank(b)).map_or(start, |last| last + 1);
    line.get(start..end).unwrap_or_default()
}

/// An error of the system as C prints it.
fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(text, _)| text).to_owned()
}
