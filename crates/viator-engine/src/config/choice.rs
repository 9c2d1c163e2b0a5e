//! Directives that take one word of a few.

/// A set of words for a directive.
pub(super) trait Choice: Copy + Sized + 'static {
    /// Every word accepted, in the order in which the error text lists them.
    const WORDS: &'static [&'static str];
    /// The word CONFIG GET shows.
    fn word(self) -> &'static str;
    /// What a word stands for, in any case.
    fn from_word(word: &[u8]) -> Option<Self>;
}

/// Declares enums whose variants are words of the configuration: `Variant = "word"` (or `= "shown", "taken too"`).
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $($word:literal),+;)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The word CONFIG GET shows for it.
            pub fn name(self) -> &'static str {
                self.word()
            }
        }

        impl Choice for $name {
            const WORDS: &'static [&'static str] = &[$($($word),+),*];
            fn word(self) -> &'static str {
                match self { $(Self::$variant => first(&[$($word),+]),)* }
            }
            fn from_word(word: &[u8]) -> Option<Self> {
                $(if [$($word),+].iter().any(|w| w.as_bytes().eq_ignore_ascii_case(word)) {
                    return Some(Self::$variant);
                })*
                None
            }
        }
    )*};
}

/// The first of the words of a variant, of which there is always one.
fn first(words: &[&'static str]) -> &'static str {
    words.first().copied().unwrap_or_default()
}

choices! {
    /// `acl-pubsub-default`: what a new user may do with channels.
    AclPubsubDefault {
        /// Every channel.
        AllChannels = "allchannels";
        /// No channel.
        ResetChannels = "resetchannels";
    }
    /// Who may use something dangerous (`enable-debug-command` and its kin).
    Allow {
        /// Nobody.
        No = "no";
        /// Everybody.
        Yes = "yes";
        /// Connections over a loopback address or a Unix socket.
        Local = "local";
    }
    /// `appendfsync`: when the AOF is flushed to the disk.
    AppendFsync {
        /// Once a second, in the background.
        EverySec = "everysec";
        /// Before a write is acknowledged.
        Always = "always";
        /// Whenever the system does so.
        No = "no";
    }
    /// `cluster-preferred-endpoint-type`: what the cluster names nodes by to clients.
    EndpointType {
        /// The IP address.
        Ip = "ip";
        /// The announced host name.
        Hostname = "hostname";
        /// Nothing: the client is to use the address it connected to.
        UnknownEndpoint = "unknown-endpoint";
    }
    /// `loglevel`.
    LogLevel {
        /// Everything.
        Debug = "debug";
        /// Much.
        Verbose = "verbose";
        /// What one wants to know in production.
        Notice = "notice";
        /// What is important or critical.
        Warning = "warning";
        /// Nothing.
        Nothing = "nothing";
    }
    /// `maxmemory-policy`: which keys go when the memory is full.
    MaxmemoryPolicy {
        /// The least recently used of those that expire.
        VolatileLru = "volatile-lru";
        /// The least frequently used of those that expire.
        VolatileLfu = "volatile-lfu";
        /// Any of those that expire.
        VolatileRandom = "volatile-random";
        /// The one that expires first.
        VolatileTtl = "volatile-ttl";
        /// The least recently used.
        AllkeysLru = "allkeys-lru";
        /// The least frequently used.
        AllkeysLfu = "allkeys-lfu";
        /// Any.
        AllkeysRandom = "allkeys-random";
        /// None: commands that need memory are refused.
        NoEviction = "noeviction";
    }
    /// `oom-score-adj`: whether the score by which the kernel kills processes is adjusted.
    OomScoreAdj {
        /// It is left as it is.
        No = "no";
        /// The values of `oom-score-adj-values` are added to the score at start.
        Relative = "yes", "relative";
        /// The values of `oom-score-adj-values` are the score.
        Absolute = "absolute";
    }
    /// `propagation-error-behavior`: what an error while applying the master's stream or the AOF does.
    PropagationErrorBehavior {
        /// It is logged.
        Ignore = "ignore";
        /// The server ends.
        Panic = "panic";
        /// The server ends if it is a replica.
        PanicOnReplicas = "panic-on-replicas";
    }
    /// `repl-diskless-load`: how a replica takes over the dataset of its master.
    DisklessLoad {
        /// Through a file.
        Disabled = "disabled";
        /// From the socket if the replica is empty, else through a file.
        OnEmptyDb = "on-empty-db";
        /// From the socket, beside the old dataset, which goes when the new one is there.
        SwapDb = "swapdb";
        /// From the socket, after the old dataset is gone.
        FlushDb = "flushdb";
    }
    /// `sanitize-dump-payload`: when payloads are checked in depth.
    SanitizeDumpPayload {
        /// Never.
        No = "no";
        /// Always.
        Yes = "yes";
        /// When they come from a client.
        Clients = "clients";
    }
    /// `supervised`: which supervisor is told that the server is ready.
    Supervised {
        /// Upstart.
        Upstart = "upstart";
        /// systemd.
        Systemd = "systemd";
        /// The one the environment shows.
        Auto = "auto";
        /// None.
        No = "no";
    }
    /// `syslog-facility`.
    SyslogFacility {
        /// `user`.
        User = "user";
        /// `local0`.
        Local0 = "local0";
        /// `local1`.
        Local1 = "local1";
        /// `local2`.
        Local2 = "local2";
        /// `local3`.
        Local3 = "local3";
        /// `local4`.
        Local4 = "local4";
        /// `local5`.
        Local5 = "local5";
        /// `local6`.
        Local6 = "local6";
        /// `local7`.
        Local7 = "local7";
    }
    /// `tls-auth-clients`: whether clients show a certificate.
    TlsAuthClients {
        /// They need none.
        No = "no";
        /// They must show a valid one.
        Yes = "yes";
        /// They may; one that is shown must be valid.
        Optional = "optional";
    }
    /// `tls-auth-clients-user`: whether a client's certificate authenticates it.
    TlsAuthClientsUser {
        /// As the user its common name says.
        CommonName = "CN";
        /// No.
        Off = "off";
    }
}

impl Allow {
    /// Whether a connection may; `local` says whether it comes over a loopback address or a Unix socket.
    pub fn allows(self, local: bool) -> bool {
        match self {
            Allow::No => false,
            Allow::Local => local,
            Allow::Yes => true,
        }
    }
}

impl MaxmemoryPolicy {
    /// Whether keys go by how often they are used.
    pub fn is_lfu(self) -> bool {
        matches!(self, Self::AllkeysLfu | Self::VolatileLfu)
    }
    /// Whether keys go by when they were used last.
    pub fn is_lru(self) -> bool {
        matches!(self, Self::AllkeysLru | Self::VolatileLru)
    }
    /// Whether only keys that expire go.
    pub fn is_volatile(self) -> bool {
        matches!(self, Self::VolatileLru | Self::VolatileLfu | Self::VolatileRandom | Self::VolatileTtl)
    }
}
