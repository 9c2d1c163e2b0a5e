//! The configuration: what `redis.conf`, the command line and CONFIG SET may say, with Redis's checks and error texts.
//!
//! The table [`DIRECTIVES`] declares every directive once; reading files ([`load`]), CONFIG GET ([`config_get`]), CONFIG SET ([`config_set`]),
//! CONFIG REWRITE ([`rewrite`]) and `docs/configuration.md` follow from it. Nothing here touches the system except through
//! [`ConfigFiles`]: what a directive asks of it (binding a port, raising the limit of open files, changing the directory) is
//! up to the server, which gets the names of what changed.

mod choice;
mod directive;
mod get_set;
mod load;
mod notify;
mod rewrite;
mod setting;
mod table;

#[cfg(test)]
mod docs;
#[cfg(test)]
mod tests;

pub use choice::{
    AclPubsubDefault, Allow, AppendFsync, DisklessLoad, EndpointType, LogLevel, MaxmemoryPolicy, OomScoreAdj,
    PropagationErrorBehavior, SanitizeDumpPayload, Supervised, SyslogFacility, TlsAuthClients, TlsAuthClientsUser,
};
pub use directive::{Directive, Flags, expand_title};
pub use get_set::{SetContext, Updated, config_get, config_set, set_failed};
pub use load::{
    ConfigFiles, DiskFiles, Given, LoadError, Loaded, Provenance, RawDirective, StartMode, load, start_mode,
};
pub use notify::NotifyFlags;
pub use rewrite::{rewrite, rewrite_all};
pub use setting::{OutputBufferLimit, OutputBufferLimits, SavePoint, ShutdownFlags};
pub use table::{Config, DIRECTIVES};
