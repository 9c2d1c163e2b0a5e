//! Authentication: the default user and `requirepass`.

use crate::config::Config;
use crate::error::Error;
use crate::server::Server;
use crate::session::{Session, gate};

/// The user that every connection begins as.
pub const DEFAULT_USER: &str = "default";

/// Whether the client must authenticate before it may go on.
pub fn required(session: &Session, cfg: &Config) -> bool {
    session.gate & gate::AUTH != 0 && !cfg.requirepass.is_empty()
}

/// Authenticates a client.
///
/// # Errors
/// `WRONGPASS` for a user that does not exist, or another password.
pub fn authenticate(session: &mut Session, server: &Server, cfg: &Config, user: &[u8], pw: &[u8]) -> Result<(), Error> {
    let expected = cfg.requirepass.as_slice();
    if user == DEFAULT_USER.as_bytes() && (expected.is_empty() || same(expected, pw)) {
        session.set_gate(gate::AUTH, false);
        DEFAULT_USER.clone_into(&mut session.shared.identity.lock().user);
        return Ok(());
    }
    server.totals.acl_denied_auth.add_shared(1);
    Err(Error::Static("WRONGPASS invalid username-password pair or user is disabled."))
}

/// Makes a client the default user again; without a password that user is authenticated.
pub fn reset(session: &mut Session, cfg: &Config) {
    session.set_gate(gate::AUTH, !cfg.requirepass.is_empty());
    DEFAULT_USER.clone_into(&mut session.shared.identity.lock().user);
}

/// Compares in a time that depends on the lengths alone, so that it does not tell how much of a guess is right.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0u8, |d, (x, y)| d | (x ^ y));
    a.len() == b.len() && std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn passwords_compare_whole() {
        assert!(same(b"secret", b"secret"));
        assert!(!same(b"secret", b"secreT"));
        assert!(!same(b"secret", b"secre"));
        assert!(!same(b"secret", b"secrets"));
        assert!(!same(b"secret", b""));
    }
}
