//! Scripts and functions: EVAL, SCRIPT, FCALL, FUNCTION.

mod eval;
mod function;
mod script;

use viator_engine::command::Command;

/// The family.
pub static COMMANDS: &[&Command] = &[
    &eval::EVAL,
    &eval::EVALSHA,
    &eval::EVAL_RO,
    &eval::EVALSHA_RO,
    &function::FCALL,
    &function::FCALL_RO,
    &function::FUNCTION,
    &script::SCRIPT,
];
