//! Connections and their sessions.

mod client;
mod client_help;
mod client_modes;
mod client_tracking;
mod session;

use viator_engine::command::Command;

/// The family.
pub static COMMANDS: &[&Command] = &[
    &client::CLIENT,
    &session::AUTH,
    &session::HELLO,
    &session::SELECT,
    &session::RESET,
    &session::QUIT,
    &session::ECHO,
    &session::PING,
];
