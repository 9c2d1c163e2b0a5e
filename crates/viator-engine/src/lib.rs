//! The command specification and everything around a command's execution.
