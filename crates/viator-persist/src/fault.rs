//! Why RDB content is not taken.

use std::fmt;

/// Why RDB content is not taken.
#[derive(Debug)]
pub enum Fault {
    /// A payload's footer: a version that is too new, or a wrong checksum.
    Footer,
    /// The content ends too early.
    Short,
    /// The content is not what the format says.
    Data(&'static str),
    /// A collection without elements.
    Empty,
    /// A type byte or code that no version has.
    Kind(u8),
    /// A string of an encoding that no version has.
    Encoding(u8),
    /// A function in the format of a release candidate.
    EarlyFunction,
    /// A value of a module: its type's name.
    Module(String),
    /// Data of a module that belong to no key: its type's name.
    ModuleAux(String),
    /// A file of another format.
    Signature,
    /// A file of a version that is not known.
    Version(String),
    /// A file with another checksum than its content has.
    Checksum {
        /// What its content has.
        expected: u64,
        /// What the file says.
        got: u64,
    },
    /// The file could not be read.
    Io(std::io::Error),
}

impl PartialEq for Fault {
    fn eq(&self, other: &Fault) -> bool {
        use Fault::{
            Checksum, Data, EarlyFunction, Empty, Encoding, Footer, Kind, Module, ModuleAux, Short, Signature, Version,
        };
        match (self, other) {
            (Footer, Footer)
            | (Short, Short)
            | (Empty, Empty)
            | (EarlyFunction, EarlyFunction)
            | (Signature, Signature) => true,
            (Kind(a), Kind(b)) | (Encoding(a), Encoding(b)) => a == b,
            (Data(a), Data(b)) => a == b,
            (Module(a), Module(b)) | (ModuleAux(a), ModuleAux(b)) | (Version(a), Version(b)) => a == b,
            (Checksum { expected: a, got: b }, Checksum { expected: c, got: d }) => (a, b) == (c, d),
            _ => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Footer => f.write_str("DUMP payload version or checksum are wrong"),
            Fault::Short => f.write_str("Unexpected EOF reading RDB file"),
            Fault::Data(what) => f.write_str(what),
            Fault::Empty => f.write_str("Empty key"),
            Fault::Kind(kind) => write!(f, "Invalid object type: {kind}"),
            Fault::Encoding(encoding) => write!(f, "Unknown RDB string encoding type {encoding}"),
            Fault::EarlyFunction => f.write_str("Pre-release function format not supported."),
            Fault::ModuleAux(name) => {
                write!(f, "The RDB file contains AUX module data I can't load: no matching module '{name}'")
            }
            Fault::Module(name) => {
                write!(f, "The RDB file contains module data I can't load: no matching module type '{name}'")
            }
            Fault::Signature => f.write_str("Wrong signature trying to load DB from file"),
            Fault::Version(v) => write!(f, "Can't handle RDB format version {v}"),
            Fault::Checksum { expected, got } => {
                write!(f, "Wrong RDB checksum expected: ({expected:x}) but got ({got:x}). Aborting now.")
            }
            Fault::Io(e) => write!(f, "{e}"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<viator_data::packed::Malformed> for Fault {
    fn from(_: viator_data::packed::Malformed) -> Fault {
        Fault::Data("listpack integrity check failed.")
    }
}
