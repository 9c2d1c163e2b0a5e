//! CONFIG GET and CONFIG SET.

use super::{Config, DIRECTIVES, Directive, Flags};
use viator_data::glob;

/// The directives that match any of the patterns, in the order of the patterns, each once, with their values.
///
/// A pattern without special characters is a name: it is answered as it was written, and finds hidden directives too.
/// Directives with an older name match under both.
pub fn config_get(config: &Config, patterns: &[&[u8]]) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    for pattern in patterns {
        if glob::kind(pattern) == glob::Kind::Literal {
            let named = DIRECTIVES.iter().find_map(|d| d.spelling(pattern));
            if let Some(spelling) = named.filter(|s| found.iter().all(|(name, _)| name != s)) {
                found.push((spelling, String::from_utf8_lossy(pattern).into_owned()));
            }
            continue;
        }
        for directive in DIRECTIVES.iter().filter(|d| !d.flags.contains(Flags::HIDDEN)) {
            for name in [Some(directive.name), directive.alias].into_iter().flatten() {
                if glob::matches_ignore_case(pattern, name.as_bytes()) && found.iter().all(|(n, _)| *n != name) {
                    found.push((name, name.to_owned()));
                }
            }
        }
    }
    let value = |spelling: &str| Directive::find(spelling.as_bytes()).map(|d| d.get(config)).unwrap_or_default();
    found.into_iter().map(|(spelling, shown)| (shown, value(spelling))).collect()
}

/// What CONFIG SET depends on beside the configuration.
#[derive(Clone, Copy, Debug)]
pub struct SetContext {
    /// The dataset is loading.
    pub loading: bool,
    /// The connection may change protected directives (`enable-protected-configs`).
    pub protected_allowed: bool,
}

/// What CONFIG SET did.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The new configuration.
    pub config: Config,
    /// The directives (by [`Directive::name`]) whose values are other than before, in the order they were given.
    pub changed: Vec<&'static str>,
}

/// CONFIG SET: the configuration with all `pairs` of name and value set, or none.
///
/// # Errors
/// Redis's error line, without the leading `-`.
pub fn config_set(config: &Config, pairs: &[(&[u8], &[u8])], context: SetContext) -> Result<Updated, String> {
    let mut directives: Vec<(&'static Directive, &'static str, &[u8])> = Vec::new();
    for (name, value) in pairs {
        let shown = String::from_utf8_lossy(name);
        let found = DIRECTIVES.iter().find_map(|d| d.spelling(name).map(|spelling| (d, spelling)));
        let Some((directive, spelling)) = found else {
            return Err(format!("ERR Unknown option or number of arguments for CONFIG SET - '{shown}'"));
        };
        if !directive.is_mutable() {
            return Err(set_failed(&shown, "can't set immutable config"));
        }
        if directive.flags.contains(Flags::PROTECTED) && !context.protected_allowed {
            return Err(set_failed(&shown, "can't set protected config"));
        }
        if directive.flags.contains(Flags::DENY_LOADING) && context.loading {
            return Err("LOADING Redis is loading the dataset in memory".into());
        }
        // As in Redis, a directive may be given once by each of its names.
        if directives.iter().any(|(_, other, _)| *other == spelling) {
            return Err(set_failed(&shown, "duplicate parameter"));
        }
        directives.push((directive, spelling, value));
    }
    let mut new = config.clone();
    for (directive, spelling, value) in &directives {
        directive.set(&mut new, value).map_err(|e| set_failed(spelling, &e))?;
    }
    new.hz = new.hz.clamp(1, 500);
    new.repl_backlog_size = new.repl_backlog_size.max(super::load::MIN_BACKLOG);
    let mut changed = Vec::new();
    for (directive, ..) in directives {
        if directive.get(config) != directive.get(&new) && !changed.contains(&directive.name) {
            changed.push(directive.name);
        }
    }
    Ok(Updated { config: new, changed })
}

/// The error line of a CONFIG SET that failed for `argument`: also for what only the server finds out, like
/// `Unable to listen on this port. Check server logs.`
pub fn set_failed(argument: &str, reason: &str) -> String {
    format!("ERR CONFIG SET failed (possibly related to argument '{argument}') - {reason}")
}
