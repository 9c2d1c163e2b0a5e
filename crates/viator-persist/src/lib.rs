//! What is kept on disk: the append-only file's parts.

pub mod aof;
