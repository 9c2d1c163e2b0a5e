//! The configuration.
/// Stub until the real one lands.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "x")]
pub struct Config {
    pub cluster_enabled: bool,
    pub port: i64,
    pub bind: Vec<String>,
    pub unixsocket: String,
    pub unixsocketperm: u32,
    pub tcp_backlog: i64,
    pub tcp_keepalive: i64,
    pub timeout: i64,
    pub maxclients: i64,
    pub protected_mode: bool,
    pub requirepass: String,
    pub io_threads: i64,
    pub hz: i64,
    pub client_query_buffer_limit: u64,
    pub proto_max_bulk_len: i64,
    pub logfile: String,
    pub loglevel: u8,
    pub client_output_buffer_limit: OutputLimits,
    pub databases: i64,
    pub maxmemory: u64,
    pub maxmemory_clients: i64,
    pub maxmemory_policy: MaxmemoryPolicy,
    pub maxmemory_eviction_tenacity: i64,
    pub maxmemory_samples: i64,
    pub lfu_log_factor: i64,
    pub lfu_decay_time: i64,
    pub lazyfree_lazy_expire: bool,
    pub lazyfree_lazy_eviction: bool,
    pub lazyfree_lazy_server_del: bool,
    pub notify_keyspace_events: NotifyFlags,
    pub lazyfree_lazy_user_del: bool,
    pub rdbcompression: bool,
    pub appendonly: bool,
    pub active_expire_effort: i64,
    pub slowlog_log_slower_than: i64,
    pub slowlog_max_len: i64,
    pub latency_tracking: bool,
    pub latency_monitor_threshold: i64,
    pub enable_debug_command: Allow,
    pub latency_tracking_info_percentiles: Vec<f64>,
    pub repl_backlog_size: u64,
    pub lazyfree_lazy_user_flush: bool,
}
impl Default for Config {
    fn default() -> Self {
        Config {
            cluster_enabled: false,
            port: 6379,
            bind: vec!["*".into(), "-::*".into()],
            unixsocket: String::new(),
            unixsocketperm: 0,
            tcp_backlog: 511,
            tcp_keepalive: 300,
            timeout: 0,
            maxclients: 10000,
            protected_mode: true,
            requirepass: String::new(),
            io_threads: 0,
            hz: 10,
            client_query_buffer_limit: 1 << 30,
            proto_max_bulk_len: 512 << 20,
            logfile: String::new(),
            loglevel: 2,
            client_output_buffer_limit: OutputLimits::default(),
            databases: 16,
            maxmemory: 0,
            maxmemory_clients: 0,
            maxmemory_policy: MaxmemoryPolicy::NoEviction,
            maxmemory_eviction_tenacity: 10,
            maxmemory_samples: 5,
            lfu_log_factor: 10,
            lfu_decay_time: 1,
            lazyfree_lazy_expire: false,
            lazyfree_lazy_eviction: false,
            lazyfree_lazy_server_del: false,
            notify_keyspace_events: NotifyFlags(0),
            lazyfree_lazy_user_del: false,
            rdbcompression: true,
            appendonly: false,
            active_expire_effort: 1,
            slowlog_log_slower_than: 10000,
            slowlog_max_len: 128,
            latency_tracking: true,
            latency_monitor_threshold: 0,
            enable_debug_command: Allow::Yes,
            latency_tracking_info_percentiles: vec![50.0, 99.0, 99.9],
            repl_backlog_size: 1 << 20,
            lazyfree_lazy_user_flush: false,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "x")]
pub enum MaxmemoryPolicy {
    NoEviction,
    AllkeysLru,
    AllkeysLfu,
    AllkeysRandom,
    VolatileLru,
    VolatileLfu,
    VolatileRandom,
    VolatileTtl,
}
#[expect(missing_docs, reason = "x")]
impl MaxmemoryPolicy {
    pub fn is_lfu(self) -> bool {
        matches!(self, Self::AllkeysLfu | Self::VolatileLfu)
    }
    pub fn is_lru(self) -> bool {
        matches!(self, Self::AllkeysLru | Self::VolatileLru)
    }
    pub fn is_volatile(self) -> bool {
        matches!(self, Self::VolatileLru | Self::VolatileLfu | Self::VolatileRandom | Self::VolatileTtl)
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "x")]
pub enum Allow {
    No,
    Local,
    Yes,
}
#[expect(missing_docs, reason = "x")]
impl Allow {
    pub fn allows(self, local: bool) -> bool {
        matches!(self, Allow::Yes) || (self == Allow::Local && local)
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "x")]
pub struct NotifyFlags(pub u32);
#[expect(missing_docs, reason = "x")]
impl NotifyFlags {
    pub const KEYSPACE: Self = Self(1);
    pub const KEYEVENT: Self = Self(2);
    pub const GENERIC: Self = Self(4);
    pub const STRING: Self = Self(8);
    pub const EXPIRED: Self = Self(16);
    pub const EVICTED: Self = Self(32);
    pub const KEY_MISS: Self = Self(64);
    pub const NEW: Self = Self(128);
    pub const OVERWRITTEN: Self = Self(256);
    pub const TYPE_CHANGED: Self = Self(512);
    pub fn contains(self, o: Self) -> bool {
        self.0 & o.0 == o.0
    }
    pub fn wants(self, class: Self) -> bool {
        self.0 & class.0 != 0 && self.0 & 3 != 0
    }
}

#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "x")]
pub struct OutputLimit {
    pub hard: u64,
    pub soft: u64,
    pub seconds: i64,
}
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "x")]
pub struct OutputLimits {
    pub normal: OutputLimit,
    pub replica: OutputLimit,
    pub pubsub: OutputLimit,
}
#[expect(missing_docs, reason = "x")]
impl Config {
    pub fn bind_is_default(&self) -> bool {
        self.bind == ["*", "-::*"]
    }
}
