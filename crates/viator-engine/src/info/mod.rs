//! INFO: the sections, in Redis's order and format.

pub mod commands;
mod keys;
mod memory;
mod process;
mod stats;

pub use crate::REDIS_VERSION;
pub use keys::{DbFacts, KeyFacts};
pub use memory::{Excess, Fragmentation, MemoryFacts};

use crate::args::Args;
use crate::config::Config;
use crate::server::{ProcessInfo, Server};
use std::fmt::{self, Write};

macro_rules! sections {
    ($($(#[$m:meta])* $name:ident = $text:expr, $default:expr;)*) => {
        /// A section of INFO.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Section { $($(#[$m])* $name,)* }
        impl Section {
            /// All sections in the order in which INFO shows them, with the name that selects them and whether INFO
            /// without arguments shows them.
            const ALL: &'static [(Section, &'static str, bool)] = &[$((Section::$name, $text, $default),)*];
        }
    };
}

sections! {
    #[doc = "The server itself."] Server = "server", true;
    #[doc = "Connections."] Clients = "clients", true;
    #[doc = "Memory."] Memory = "memory", true;
    #[doc = "RDB and AOF."] Persistence = "persistence", true;
    #[doc = "Workers."] Threads = "threads", true;
    #[doc = "Totals."] Stats = "stats", true;
    #[doc = "Replication."] Replication = "replication", true;
    #[doc = "Processor time."] Cpu = "cpu", true;
    #[doc = "Loaded modules."] Modules = "modules", true;
    #[doc = "Calls and times by command."] Commandstats = "commandstats", false;
    #[doc = "Errors by code."] Errorstats = "errorstats", true;
    #[doc = "Percentiles of times by command."] Latencystats = "latencystats", false;
    #[doc = "Cluster."] Cluster = "cluster", true;
    #[doc = "Databases."] Keyspace = "keyspace", true;
    #[doc = "Distribution of the sizes of values."] Keysizes = "keysizes", true;
    #[doc = "Figures for development: shown only when asked for by name."] Debug = "debug", false;
}

/// A selection of sections.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sections(u32);

impl Sections {
    /// The sections that INFO's arguments select; none: the default ones. Unknown names select nothing.
    pub fn parse(names: Args<'_>) -> Sections {
        if names.len() == 0 {
            return Sections::default_set();
        }
        let mut s = Sections(0);
        for name in names.iter() {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            match name.as_str() {
                "default" => s.0 |= Sections::default_set().0,
                "all" | "everything" => {
                    let all = Section::ALL.iter().filter(|x| x.0 != Section::Debug);
                    s.0 |= all.fold(0, |bits, x| bits | 1 << x.0 as u32);
                }
                "module_list" => s.0 |= 1 << Section::Modules as u32,
                _ => {
                    for (section, _, _) in Section::ALL.iter().filter(|x| x.1 == name) {
                        s.0 |= 1 << *section as u32;
                    }
                }
            }
        }
        s
    }

    fn default_set() -> Sections {
        Sections(Section::ALL.iter().filter(|x| x.2).fold(0, |bits, x| bits | 1 << x.0 as u32))
    }

    /// Whether a section is selected.
    pub fn has(self, s: Section) -> bool {
        self.0 & 1 << s as u32 != 0
    }
}

/// What INFO reads.
pub struct Source<'a> {
    /// Bytes of memory in use when the command began.
    pub used_memory: u64,
    /// The server.
    pub server: &'a Server,
    /// The configuration.
    pub cfg: &'a Config,
    /// The process.
    pub process: &'a ProcessInfo,
    /// What was found by looking at the databases, if a section needs it.
    pub keys: &'a KeyFacts,
    /// Unix microseconds.
    pub now_us: i64,
}

/// The text of the selected sections.
pub fn build(sections: Sections, source: &Source<'_>) -> String {
    let mut out = Lines(String::with_capacity(8192));
    for (section, _, _) in Section::ALL.iter().filter(|x| sections.has(x.0)) {
        match section {
            Section::Server => process::server(source, &mut out),
            Section::Clients => process::clients(source, &mut out),
            Section::Memory => memory::memory(source, &mut out),
            Section::Persistence => stats::persistence(source, &mut out),
            Section::Threads => process::threads(source, &mut out),
            Section::Stats => stats::stats(source, &mut out),
            Section::Replication => stats::replication(source, &mut out),
            Section::Cpu => process::cpu(source, &mut out),
            Section::Modules => out.section("Modules"),
            Section::Commandstats => commands::commandstats(source, &mut out),
            Section::Errorstats => commands::errorstats(source, &mut out),
            Section::Latencystats => commands::latencystats(source, &mut out),
            Section::Cluster => {
                out.section("Cluster");
                out.line("cluster_enabled", u8::from(source.cfg.cluster_enabled));
            }
            Section::Keyspace => keys::keyspace(source, &mut out),
            Section::Keysizes => keys::keysizes(source, &mut out),
            Section::Debug => stats::debug(source, &mut out),
        }
    }
    out.0
}

/// The text under construction.
struct Lines(String);

impl Lines {
    /// Begins a section.
    fn section(&mut self, title: &str) {
        if !self.0.is_empty() {
            self.0.push_str("\r\n");
        }
        self.0.push_str("# ");
        self.0.push_str(title);
        self.0.push_str("\r\n");
    }

    /// A field.
    fn line(&mut self, name: &str, value: impl fmt::Display) {
        // writing into a String cannot fail
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    /// Fields that are all 0: what this server does not do, and clients look for.
    fn zeros(&mut self, names: &[&str]) {
        for name in names {
            self.line(name, 0);
        }
    }

    /// A number of bytes, and once more for people, under the name with `_human`.
    fn bytes_human(&mut self, name: &str, bytes: u64) {
        self.line(name, bytes);
        self.line(&format!("{name}_human"), viator_data::num::human_bytes(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::OwnedArgs;

    fn parse(names: &[&str]) -> Sections {
        let owned = OwnedArgs::from_slices(names);
        Sections::parse(owned.args())
    }

    #[test]
    fn selections() {
        assert!(parse(&[]).has(Section::Keysizes) && !parse(&[]).has(Section::Commandstats));
        assert_eq!(parse(&["default"]), parse(&[]));
        assert_eq!(parse(&["nothing"]), Sections(0));
        assert_eq!(parse(&["all"]), parse(&["everything"]));
        assert!(parse(&["debug"]).has(Section::Debug) && !parse(&["all"]).has(Section::Debug));
        assert!(parse(&["CommandStats"]).has(Section::Commandstats));
        assert!(parse(&["cpu", "default"]).has(Section::Server));
        assert_eq!(parse(&["modules"]), parse(&["module_list"]));
    }
}
