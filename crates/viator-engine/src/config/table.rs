//! Every directive: its name (and older name), its field in [`Config`] with type and default, its kind, its properties and
//! what it does; and, for those that change nothing here, why.

use super::choice::*;
use super::directive::{Directive, Flags, Kind, Unit, check};
use super::setting::{OutputBufferLimits, SavePoint, ShutdownFlags};
use super::{NotifyFlags, RawDirective};

macro_rules! directives {
    ($($name:literal $(| $alias:literal)? $field:ident: $ty:ty = $default:expr, $kind:ident $(($($arg:expr),*))?,
       $([$($flag:ident)*],)? $doc:literal $(, none $why:literal)?;)*) => {
        /// The configuration: a field for each directive.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $(#[doc = $doc] pub $field: $ty,)*
            /// The `user` lines of the file.
            pub users: Vec<RawDirective>,
            /// The `rename-command` lines of the file: old name, new name (empty: the command goes).
            pub rename_commands: Vec<RawDirective>,
        }

        impl Default for Config {
            /// The defaults of Redis, except that `io_threads` is 0: one for each core.
            fn default() -> Self {
                Config { $($field: $default,)* users: Vec::new(), rename_commands: Vec::new() }
            }
        }

        /// All directives, by name.
        pub static DIRECTIVES: &[Directive] = &[$(Directive {
            name: $name,
            alias: option!($($alias)?),
            flags: Flags::NONE$($(.with(Flags::$flag))*)?,
            summary: $doc,
            no_meaning: option!($($why)?),
            kind: kind!($kind $field $ty $(, $($arg),*)?),
        }),*];
    };
}

macro_rules! option {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

macro_rules! kind {
    (bool $f:ident $t:ty) => { kind!(bool $f $t, check::any) };
    (bool $f:ident $t:ty, $check:expr) => { Kind::Bool { get: |c| c.$f, set: |c, v| c.$f = v, check: $check } };
    (int $f:ident $t:ty, $min:expr, $max:expr) => { kind!(number $f Plain, $min, $max) };
    (memory $f:ident $t:ty, $min:expr, $max:expr) => { kind!(number $f Bytes, $min, $max) };
    (octal $f:ident $t:ty, $min:expr, $max:expr) => { kind!(number $f Octal, $min, $max) };
    (percent $f:ident $t:ty) => { kind!(number $f BytesOrPercent, -100, i64::MAX as i128) };
    (number $f:ident $unit:ident, $min:expr, $max:expr) => {
        Kind::Number {
            get: |c| c.$f.into(),
            // The range is within that of the field's type, as a test makes sure.
            set: |c, v| c.$f = v.try_into().unwrap_or(c.$f),
            min: $min,
            max: $max,
            unit: Unit::$unit,
        }
    };
    (choice $f:ident $t:ty) => {
        Kind::Choice {
            get: |c| c.$f.word(),
            set: |c, v| <$t>::from_word(v).inspect(|v| c.$f = *v).is_some(),
            words: <$t>::WORDS,
        }
    };
    (text $f:ident $t:ty) => { kind!(text $f $t, check::any_text) };
    (text $f:ident $t:ty, $check:expr) => {
        Kind::Text { get: |c| &c.$f, set: |c, v| c.$f = v, check: $check, optional: false }
    };
    (optional $f:ident $t:ty) => { kind!(optional $f $t, check::any_text) };
    (optional $f:ident $t:ty, $check:expr) => {
        Kind::Text { get: |c| &c.$f, set: |c, v| c.$f = v, check: $check, optional: true }
    };
    (bytes $f:ident $t:ty) => { Kind::Bytes { get: |c| &c.$f, set: |c, v| c.$f = v } };
    (special $f:ident $t:ty) => { Kind::Special { get: |c| &c.$f, get_mut: |c| &mut c.$f, multi: true } };
    (single $f:ident $t:ty) => { Kind::Special { get: |c| &c.$f, get_mut: |c| &mut c.$f, multi: false } };
}

/// The greatest value of what Redis keeps in an `int`.
const INT: i128 = i32::MAX as i128;
/// The greatest value of what Redis keeps in a `long long`.
const LONG: i128 = i64::MAX as i128;
/// The greatest value of what Redis keeps in an `unsigned long long`.
const ULONG: i128 = u64::MAX as i128;
const MB: i128 = 1 << 20;

directives! {
    "acl-pubsub-default" acl_pubsub_default: AclPubsubDefault = AclPubsubDefault::ResetChannels, choice,
        "The channels a new ACL user may use.";
    "aclfile" aclfile: String = String::new(), text, [IMMUTABLE],
        "The file of the ACL users; empty: they are in this file.";
    "acllog-max-len" acllog_max_len: i64 = 128, int(0, LONG), "Entries kept by ACL LOG.";
    "active-defrag-cycle-max" active_defrag_cycle_max: i64 = 25, int(1, 99),
        "Greatest share of CPU time for defragmentation, in per cent.",
        none "memory is not moved; the allocator returns what is free";
    "active-defrag-cycle-min" active_defrag_cycle_min: i64 = 1, int(1, 99),
        "Least share of CPU time for defragmentation, in per cent.",
        none "memory is not moved; the allocator returns what is free";
    "active-defrag-ignore-bytes" active_defrag_ignore_bytes: u64 = 100 << 20, memory(1, LONG),
        "Fragmentation below which defragmentation does nothing, in bytes.",
        none "memory is not moved; the allocator returns what is free";
    "active-defrag-max-scan-fields" active_defrag_max_scan_fields: i64 = 1000, int(1, LONG),
        "Elements of a value up to which defragmentation treats it at once.",
        none "memory is not moved; the allocator returns what is free";
    "active-defrag-threshold-lower" active_defrag_threshold_lower: i64 = 10, int(0, 1000),
        "Fragmentation at which defragmentation starts, in per cent.",
        none "memory is not moved; the allocator returns what is free";
    "active-defrag-threshold-upper" active_defrag_threshold_upper: i64 = 100, int(0, 1000),
        "Fragmentation at which it uses its greatest share, in per cent.",
        none "memory is not moved; the allocator returns what is free";
    "active-expire-effort" active_expire_effort: i64 = 1, int(1, 10), "How much work goes into finding expired keys.";
    "activedefrag" activedefrag: bool = false, bool(check::no_defrag),
        "Active defragmentation; `yes` is refused.", none "memory is not moved; the allocator returns what is free";
    "activerehashing" activerehashing: bool = true, bool,
        "Rehashing in idle time.", none "a slot has a small table of its own, which is resized at once";
    "always-show-logo" always_show_logo: bool = false, bool, [IMMUTABLE],
        "Show a logo in the log at start.", none "there is no logo";
    "aof-disable-auto-gc" aof_disable_auto_gc: bool = false, bool, [HIDDEN],
        "Keep AOF files that are no longer needed (for tests).";
    "aof-load-corrupt-tail-max-size" aof_load_corrupt_tail_max_size: i64 = 0, int(0, LONG),
        "Bytes of a corrupt AOF's end that may be cut off at start.";
    "aof-load-truncated" aof_load_truncated: bool = true, bool, "Load an AOF that ends within a command.";
    "aof-rewrite-cpulist" | "aof_rewrite_cpulist" aof_rewrite_cpulist: String = String::new(), optional, [IMMUTABLE],
        "CPUs of the process that rewrites the AOF.",
        none "there is no child process: snapshots and rewrites run in threads";
    "aof-rewrite-incremental-fsync" aof_rewrite_incremental_fsync: bool = true, bool,
        "Flush a rewritten AOF to the disk bit by bit.";
    "aof-timestamp-enabled" aof_timestamp_enabled: bool = false, bool, "Write timestamps into the AOF.";
    "aof-use-rdb-preamble" aof_use_rdb_preamble: bool = true, bool,
        "A rewritten AOF starts with a snapshot instead of commands.";
    "appenddirname" appenddirname: String = "appendonlydir".into(), text(check::append_dirname), [IMMUTABLE],
        "The directory of the AOF, within `dir`.";
    "appendfilename" appendfilename: String = "appendonly.aof".into(), text(check::append_filename), [IMMUTABLE],
        "What the names of the AOF's files start with.";
    "appendfsync" appendfsync: AppendFsync = AppendFsync::EverySec, choice, "When the AOF is flushed to the disk.";
    "appendonly" appendonly: bool = false, bool, "Keep an append-only file.";
    "auto-aof-rewrite-min-size" auto_aof_rewrite_min_size: u64 = 64 << 20, memory(0, LONG),
        "Size from which the AOF is rewritten by itself, in bytes.";
    "auto-aof-rewrite-percentage" auto_aof_rewrite_percentage: i64 = 100, int(0, INT),
        "Growth from which the AOF is rewritten by itself, in per cent; 0 is never.";
    "bgsave-cpulist" | "bgsave_cpulist" bgsave_cpulist: String = String::new(), optional, [IMMUTABLE],
        "CPUs of the process that writes a snapshot.",
        none "there is no child process: snapshots and rewrites run in threads";
    "bind" bind: Vec<String> = vec!["*".into(), "-::*".into()], special,
        "Addresses to listen on; one with a `-` before it may be missing.";
    "bind-source-addr" bind_source_addr: String = String::new(), optional,
        "The address outgoing connections come from.";
    "bio-cpulist" | "bio_cpulist" bio_cpulist: String = String::new(), optional, [IMMUTABLE],
        "CPUs of the background threads.", none "the threads run wherever the system puts them";
    "busy-reply-threshold" | "lua-time-limit" busy_reply_threshold: i64 = 5000, int(0, LONG),
        "Milliseconds after which a running script is answered for with BUSY; 0 is never.";
    "client-output-buffer-limit" client_output_buffer_limit: OutputBufferLimits = OutputBufferLimits::default(), special,
        "When clients that do not read their replies are disconnected.";
    "client-query-buffer-limit" client_query_buffer_limit: u64 = 1 << 30, memory(MB, LONG),
        "Bytes of requests a client may have outstanding.";
    "cluster-allow-pubsubshard-when-down" cluster_allow_pubsubshard_when_down: bool = true, bool,
        "Sharded pub/sub goes on while the cluster is down.";
    "cluster-allow-reads-when-down" cluster_allow_reads_when_down: bool = false, bool,
        "Reads are served while the cluster is down.";
    "cluster-allow-replica-migration" cluster_allow_replica_migration: bool = true, bool,
        "Replicas move to masters that have none.";
    "cluster-announce-bus-port" cluster_announce_bus_port: u16 = 0, int(0, 65535),
        "The cluster bus port told to other nodes; 0 is the real one.";
    "cluster-announce-hostname" cluster_announce_hostname: String = String::new(), optional(check::hostname),
        "The host name told to other nodes and clients.";
    "cluster-announce-human-nodename" cluster_announce_human_nodename: String = String::new(), optional(check::human_nodename),
        "A name of the node for its log.";
    "cluster-announce-ip" cluster_announce_ip: String = String::new(), optional, "The address told to other nodes.";
    "cluster-announce-port" cluster_announce_port: u16 = 0, int(0, 65535),
        "The port told to other nodes; 0 is the real one.";
    "cluster-announce-tls-port" cluster_announce_tls_port: u16 = 0, int(0, 65535),
        "The TLS port told to other nodes; 0 is the real one.";
    "cluster-compatibility-sample-ratio" cluster_compatibility_sample_ratio: i64 = 0, int(0, 100),
        "Share of commands checked for what a cluster would refuse, in per cent.";
    "cluster-config-file" cluster_config_file: String = "nodes.conf".into(), text, [IMMUTABLE],
        "The file in which the node keeps the state of the cluster.";
    "cluster-enabled" cluster_enabled: bool = false, bool, [IMMUTABLE], "Be a node of a cluster.";
    "cluster-link-sendbuf-limit" cluster_link_sendbuf_limit: u64 = 0, memory(0, ULONG),
        "Bytes waiting for another node at which the link is cut; 0 is never.";
    "cluster-migration-barrier" cluster_migration_barrier: i64 = 1, int(0, INT),
        "Replicas a master keeps when one moves away.";
    "cluster-node-timeout" cluster_node_timeout: i64 = 15_000, int(0, LONG),
        "Milliseconds without an answer after which a node counts as failing.";
    "cluster-ping-interval" cluster_ping_interval: i64 = 0, int(0, LONG), [HIDDEN],
        "Milliseconds between pings of other nodes; 0: as usual.", none "made for testing Redis itself";
    "cluster-port" cluster_port: u16 = 0, int(0, 65535), [IMMUTABLE],
        "The port of the cluster bus; 0: that of clients and 10000.";
    "cluster-preferred-endpoint-type" cluster_preferred_endpoint_type: EndpointType = EndpointType::Ip, choice,
        "What nodes are named by to clients.";
    "cluster-replica-no-failover" | "cluster-slave-no-failover" cluster_replica_no_failover: bool = false, bool,
        "The replica does not take over by itself.";
    "cluster-replica-validity-factor" | "cluster-slave-validity-factor" cluster_replica_validity_factor: i64 = 10, int(0, INT),
        "Node timeouts without the master after which a replica is too old to take over; 0: never too old.";
    "cluster-require-full-coverage" cluster_require_full_coverage: bool = true, bool,
        "The cluster is down when a slot has no node.";
    "cluster-slot-migration-handoff-max-lag-bytes" cluster_slot_migration_handoff_max_lag_bytes: u64 = 1 << 20, memory(0, LONG),
        "Bytes of lag up to which a slot's hand-over may pause writes.";
    "cluster-slot-migration-max-archived-tasks" cluster_slot_migration_max_archived_tasks: i64 = 32, int(1, INT), [HIDDEN],
        "Finished slot migrations that are remembered.";
    "cluster-slot-migration-sync-buffer-drain-timeout" cluster_slot_migration_sync_buffer_drain_timeout: i64 = 60_000, int(0, LONG), [HIDDEN],
        "Milliseconds the target of a slot migration may take to catch up.";
    "cluster-slot-migration-write-pause-timeout" cluster_slot_migration_write_pause_timeout: i64 = 10_000, int(0, LONG),
        "Milliseconds a slot's hand-over may pause writes.";
    "cluster-slot-stats-enabled" cluster_slot_stats_enabled: bool = false, bool,
        "Count CPU time and network traffic by slot.";
    "crash-log-enabled" crash_log_enabled: bool = true, bool, "Write a report into the log on a crash.";
    "crash-memcheck-enabled" crash_memcheck_enabled: bool = true, bool,
        "Test the memory on a crash.", none "the memory is not tested";
    "daemonize" daemonize: bool = false, bool, [IMMUTABLE], "Run in the background.";
    "databases" databases: i64 = 16, int(1, INT), [IMMUTABLE], "How many databases there are.";
    "dbfilename" dbfilename: String = "dump.rdb".into(), text(check::db_filename), [PROTECTED],
        "The name of the snapshot, within `dir`.";
    "dir" dir: String = String::new(), text, [PROTECTED DENY_LOADING], "The working directory.";
    "disable-thp" disable_thp: bool = true, bool, [IMMUTABLE], "Do without transparent huge pages.";
    "dynamic-hz" dynamic_hz: bool = true, bool,
        "Raise `hz` with the number of clients.", none "the work of the timer does not grow with the number of clients";
    "enable-debug-command" enable_debug_command: Allow = Allow::No, choice, [IMMUTABLE], "Who may use DEBUG.";
    "enable-module-command" enable_module_command: Allow = Allow::No, choice, [IMMUTABLE], "Who may use MODULE.";
    "enable-protected-configs" enable_protected_configs: Allow = Allow::No, choice, [IMMUTABLE],
        "Who may change `dir` and `dbfilename`.";
    "hash-max-listpack-entries" | "hash-max-ziplist-entries" hash_max_listpack_entries: i64 = 512, int(0, LONG),
        "Fields up to which a hash is packed.";
    "hash-max-listpack-value" | "hash-max-ziplist-value" hash_max_listpack_value: u64 = 64, memory(0, LONG),
        "Bytes of a field or value up to which a hash is packed.";
    "hide-user-data-from-log" hide_user_data_from_log: bool = false, bool, "Keys and values do not appear in the log.";
    "hll-sparse-max-bytes" hll_sparse_max_bytes: u64 = 3000, memory(0, LONG),
        "Bytes up to which a HyperLogLog is sparse.";
    "hz" hz: i64 = 10, int(0, INT), "How often a second the timer runs; from 1 to 500.";
    "ignore-warnings" ignore_warnings: String = String::new(), text,
        "Warnings at start that are left out.", none "there are no such warnings";
    "io-threads" io_threads: i64 = 0, int(1, 128), [IMMUTABLE],
        "Threads that serve clients; one for each core if it is not given.";
    "jemalloc-bg-thread" jemalloc_bg_thread: bool = true, bool,
        "The allocator gives memory back in a thread of its own.";
    "key-load-delay" key_load_delay: i64 = 0, int(-INT - 1, INT), [HIDDEN],
        "Microseconds to wait at each key when loading (for tests); less than 0: sometimes.";
    "key-memory-histograms" key_memory_histograms: bool = false, bool(check::only_at_start), [FOREIGN],
        "Histograms of the memory of keys.", none "newer than Redis 8.4";
    "latency-monitor-threshold" latency_monitor_threshold: i64 = 0, int(0, LONG),
        "Milliseconds from which LATENCY keeps an event; 0 is never.";
    "latency-tracking" latency_tracking: bool = true, bool, "Keep the distribution of the latency of each command.";
    "latency-tracking-info-percentiles" latency_tracking_info_percentiles: Vec<f64> = vec![50.0, 99.0, 99.9], special,
        "Percentiles of the latency that INFO shows.";
    "lazyexpire-nested-arbitrary-keys" lazyexpire_nested_arbitrary_keys: bool = true, bool, [HIDDEN],
        "Expired keys that a transaction or script meets are deleted.", none "made for testing Redis itself";
    "lazyfree-lazy-eviction" lazyfree_lazy_eviction: bool = false, bool, "Evicted values are freed in the background.";
    "lazyfree-lazy-expire" lazyfree_lazy_expire: bool = false, bool, "Expired values are freed in the background.";
    "lazyfree-lazy-server-del" lazyfree_lazy_server_del: bool = false, bool,
        "Overwritten values are freed in the background.";
    "lazyfree-lazy-user-del" lazyfree_lazy_user_del: bool = false, bool, "DEL frees values in the background.";
    "lazyfree-lazy-user-flush" lazyfree_lazy_user_flush: bool = false, bool,
        "FLUSHALL and its kin free values in the background.";
    "lfu-decay-time" lfu_decay_time: i64 = 1, int(0, INT),
        "Minutes after which the use counter of a key falls by one; 0 is never.";
    "lfu-log-factor" lfu_log_factor: i64 = 10, int(0, INT), "How slowly the use counter of a key rises.";
    "list-compress-depth" list_compress_depth: i64 = 0, int(0, INT),
        "Nodes at each end of a list that are not compressed; 0: none is.";
    "list-max-listpack-size" | "list-max-ziplist-size" list_max_listpack_size: i64 = -2, int(-INT - 1, INT),
        "Elements of a node of a list; -1 to -5: up to 4, 8, 16, 32, 64 kb.";
    "loading-process-events-interval-bytes" loading_process_events_interval_bytes: i64 = 512 << 10, int(1024, INT), [HIDDEN],
        "Bytes loaded between two looks at the clients.", none "clients are answered by other threads meanwhile";
    "locale-collate" locale_collate: String = String::new(), text(check::locale),
        "The locale by which SORT and Lua compare texts; only those that compare bytes are taken.";
    "logfile" logfile: String = String::new(), text, [IMMUTABLE], "The log file; empty: standard output.";
    "loglevel" loglevel: LogLevel = LogLevel::Notice, choice, "How much is logged.";
    "lookahead" lookahead: i64 = 16, int(1, INT),
        "Commands of a client that are parsed ahead.", none "all that has arrived is parsed at once";
    "lua-enable-deprecated-api" lua_enable_deprecated_api: bool = false, bool, [IMMUTABLE HIDDEN],
        "Lua functions that Redis no longer offers.";
    "masterauth" masterauth: Vec<u8> = Vec::new(), bytes, [SENSITIVE], "The password for the master.";
    "masteruser" masteruser: Vec<u8> = Vec::new(), bytes, [SENSITIVE], "The user for the master.";
    "max-new-connections-per-cycle" max_new_connections_per_cycle: i64 = 10, int(1, 1000),
        "Connections accepted at once.";
    "max-new-tls-connections-per-cycle" max_new_tls_connections_per_cycle: i64 = 1, int(1, 1000),
        "TLS connections accepted at once.";
    "maxclients" maxclients: i64 = 10_000, int(1, u32::MAX as i128), "How many clients may be connected.";
    "maxmemory" maxmemory: u64 = 0, memory(0, ULONG), "Bytes of memory from which keys are evicted; 0 is no limit.";
    "maxmemory-clients" maxmemory_clients: i64 = 0, percent,
        "Memory of all clients from which some are disconnected: bytes, or, when negative, per cent of `maxmemory`; 0 is no limit.";
    "maxmemory-eviction-tenacity" maxmemory_eviction_tenacity: i64 = 10, int(0, 100),
        "How long a command may evict: 0 at most 50 µs, 100 without end.";
    "maxmemory-policy" maxmemory_policy: MaxmemoryPolicy = MaxmemoryPolicy::NoEviction, choice,
        "Which keys are evicted.";
    "maxmemory-samples" maxmemory_samples: i64 = 5, int(1, 64), "Keys looked at to find one to evict.";
    "min-replicas-max-lag" | "min-slaves-max-lag" min_replicas_max_lag: i64 = 10, int(0, INT),
        "Seconds of silence up to which a replica counts for `min-replicas-to-write`.";
    "min-replicas-to-write" | "min-slaves-to-write" min_replicas_to_write: i64 = 0, int(0, INT),
        "Replicas without which writes are refused.";
    "no-appendfsync-on-rewrite" no_appendfsync_on_rewrite: bool = false, bool,
        "Do not flush the AOF to the disk while a snapshot or rewrite runs.";
    "notify-keyspace-events" notify_keyspace_events: NotifyFlags = NotifyFlags(0), single,
        "Classes of keyspace events that are published.";
    "oom-score-adj" oom_score_adj: OomScoreAdj = OomScoreAdj::No, choice,
        "Adjust the score by which the kernel kills processes.";
    "oom-score-adj-values" oom_score_adj_values: [i64; 3] = [0, 200, 800], special,
        "The adjustment for a master, for a replica and for background work.";
    "pidfile" pidfile: String = String::new(), optional, [IMMUTABLE], "The file of the process id.";
    "port" port: u16 = 6379, int(0, 65535), "The TCP port; 0: none.";
    "prefetch-batch-max-size" prefetch_batch_max_size: i64 = 16, int(0, 128), [HIDDEN],
        "Commands whose keys are fetched into the cache together.", none "the size of a batch is what has arrived";
    "proc-title-template" proc_title_template: String = "{title} {listen-addr} {server-mode}".into(), text(check::title),
        "How the title of the process is made.";
    "propagation-error-behavior" propagation_error_behavior: PropagationErrorBehavior = PropagationErrorBehavior::Ignore, choice,
        "What an error in the stream of the master or in the AOF does.";
    "protected-mode" protected_mode: bool = true, bool,
        "Refuse clients from other machines while the default user has no password.";
    "proto-max-bulk-len" proto_max_bulk_len: u64 = 512 << 20, memory(MB, LONG),
        "The longest argument and string, in bytes.";
    "rdb-del-sync-files" rdb_del_sync_files: bool = false, bool, "Delete snapshots that were only made for replicas.";
    "rdb-key-save-delay" rdb_key_save_delay: i64 = 0, int(-INT - 1, INT), [HIDDEN],
        "Microseconds to wait at each key when saving (for tests); less than 0: sometimes.";
    "rdb-save-incremental-fsync" rdb_save_incremental_fsync: bool = true, bool,
        "Flush a snapshot to the disk bit by bit.";
    "rdbchecksum" rdbchecksum: bool = true, bool, [IMMUTABLE], "Snapshots end with a checksum, which is checked.";
    "rdbcompression" rdbcompression: bool = true, bool, "Strings in snapshots are compressed.";
    "repl-backlog-size" repl_backlog_size: u64 = 1 << 20, memory(1, LONG),
        "Bytes of the stream kept for replicas that come back; less than 16 kb counts as 16 kb.";
    "repl-backlog-ttl" repl_backlog_ttl: i64 = 3600, int(0, LONG),
        "Seconds without a replica after which the backlog is freed; 0 is never.";
    "repl-disable-tcp-nodelay" repl_disable_tcp_nodelay: bool = false, bool,
        "Let the kernel gather what goes to replicas.";
    "repl-diskless-load" repl_diskless_load: DisklessLoad = DisklessLoad::Disabled, choice, [DENY_LOADING],
        "How a replica takes over the dataset of its master.";
    "repl-diskless-sync" repl_diskless_sync: bool = true, bool, "Send snapshots to replicas without a file.";
    "repl-diskless-sync-delay" repl_diskless_sync_delay: i64 = 5, int(0, INT),
        "Seconds to wait for further replicas before that.";
    "repl-diskless-sync-max-replicas" repl_diskless_sync_max_replicas: i64 = 0, int(0, INT),
        "Replicas at which the wait ends; 0 is no such number.";
    "repl-ping-replica-period" | "repl-ping-slave-period" repl_ping_replica_period: i64 = 10, int(1, INT),
        "Seconds between pings to replicas.";
    "repl-rdb-channel" repl_rdb_channel: bool = true, bool, [HIDDEN], "Send the snapshot over a connection of its own.";
    "repl-timeout" repl_timeout: i64 = 60, int(1, INT), "Seconds of silence after which a replication link is cut.";
    "replica-announce-ip" | "slave-announce-ip" replica_announce_ip: String = String::new(), optional,
        "The address the replica tells its master.";
    "replica-announce-port" | "slave-announce-port" replica_announce_port: u16 = 0, int(0, 65535),
        "The port the replica tells its master; 0 is the real one.";
    "replica-announced" replica_announced: bool = true, bool, "Sentinel tells clients of this replica.";
    "replica-full-sync-buffer-limit" replica_full_sync_buffer_limit: u64 = 0, memory(0, LONG),
        "Bytes of the stream a replica keeps while it loads; 0: as `client-output-buffer-limit`.";
    "replica-ignore-disk-write-errors" replica_ignore_disk_write_errors: bool = false, bool,
        "A replica goes on when it cannot write its files.";
    "replica-ignore-maxmemory" | "slave-ignore-maxmemory" replica_ignore_maxmemory: bool = true, bool,
        "A replica evicts nothing by itself.";
    "replica-lazy-flush" | "slave-lazy-flush" replica_lazy_flush: bool = false, bool,
        "A replica frees its old dataset in the background.";
    "replica-priority" | "slave-priority" replica_priority: i64 = 100, int(0, INT),
        "Sentinel prefers replicas with a low number; 0 is never taken.";
    "replica-read-only" | "slave-read-only" replica_read_only: bool = true, bool, "A replica refuses writes.";
    "replica-serve-stale-data" | "slave-serve-stale-data" replica_serve_stale_data: bool = true, bool,
        "A replica without its master answers.";
    "replicaof" | "slaveof" replicaof: Option<(String, u16)> = None, special, [IMMUTABLE],
        "Host and port of the master.";
    "requirepass" requirepass: Vec<u8> = Vec::new(), bytes, [SENSITIVE], "The password of the default user.";
    "sanitize-dump-payload" sanitize_dump_payload: SanitizeDumpPayload = SanitizeDumpPayload::No, choice,
        "When payloads are checked in depth; here, whether files are looked through for duplicates, the rest is always checked.";
    "save" save: Vec<SavePoint> = SavePoint::DEFAULT.to_vec(), special,
        "After how many seconds and changes a snapshot is taken.";
    "server-cpulist" | "server_cpulist" server_cpulist: String = String::new(), optional, [IMMUTABLE],
        "CPUs of the threads that serve clients.", none "the threads run wherever the system puts them";
    "set-max-intset-entries" set_max_intset_entries: i64 = 512, int(0, LONG),
        "Elements up to which a set of integers is an intset.";
    "set-max-listpack-entries" set_max_listpack_entries: i64 = 128, int(0, LONG),
        "Elements up to which a set is packed.";
    "set-max-listpack-value" set_max_listpack_value: i64 = 64, int(0, LONG),
        "Bytes of an element up to which a set is packed.";
    "set-proc-title" set_proc_title: bool = true, bool, [IMMUTABLE], "Set the title of the process.";
    "shutdown-on-sigint" shutdown_on_sigint: ShutdownFlags = ShutdownFlags::NONE, special,
        "How to shut down on SIGINT.";
    "shutdown-on-sigterm" shutdown_on_sigterm: ShutdownFlags = ShutdownFlags::NONE, special,
        "How to shut down on SIGTERM.";
    "shutdown-timeout" shutdown_timeout: i64 = 10, int(0, INT), "Seconds a shutdown waits for replicas.";
    "slowlog-log-slower-than" slowlog_log_slower_than: i64 = 10_000, int(-1, LONG),
        "Microseconds from which SLOWLOG keeps a command; -1 is never.";
    "slowlog-max-len" slowlog_max_len: i64 = 128, int(0, LONG), "Entries kept by SLOWLOG.";
    "socket-mark-id" socket_mark_id: i64 = 0, int(0, u32::MAX as i128), [IMMUTABLE],
        "The mark of sockets, for packet filters.";
    "stop-writes-on-bgsave-error" stop_writes_on_bgsave_error: bool = true, bool,
        "Refuse writes when the last snapshot failed.";
    "stream-idmp-duration" stream_idmp_duration: i64 = 100, int(1, 86_400), [FOREIGN],
        "Seconds for which a stream remembers producers' ids.", none "newer than Redis 8.4";
    "stream-idmp-maxsize" stream_idmp_maxsize: i64 = 100, int(1, 10_000), [FOREIGN],
        "Producers' ids a stream remembers.", none "newer than Redis 8.4";
    "stream-node-max-bytes" stream_node_max_bytes: u64 = 4096, memory(0, LONG),
        "Bytes of a node of a stream; 0 is no limit.";
    "stream-node-max-entries" stream_node_max_entries: i64 = 100, int(0, LONG),
        "Entries of a node of a stream; 0 is no limit.";
    "supervised" supervised: Supervised = Supervised::No, choice, [IMMUTABLE],
        "Which supervisor is told that the server is ready.";
    "syslog-enabled" syslog_enabled: bool = false, bool, [IMMUTABLE], "Log to syslog as well.";
    "syslog-facility" syslog_facility: SyslogFacility = SyslogFacility::Local0, choice, [IMMUTABLE],
        "The facility of syslog.";
    "syslog-ident" syslog_ident: String = "redis".into(), text, [IMMUTABLE], "The name in syslog.";
    "tcp-backlog" tcp_backlog: i64 = 511, int(0, INT), [IMMUTABLE], "Connections that may wait to be accepted.";
    "tcp-keepalive" tcp_keepalive: i64 = 300, int(0, INT),
        "Seconds of silence after which TCP asks whether a client is still there; 0 is never.";
    "timeout" timeout: i64 = 0, int(0, INT),
        "Seconds without a request after which a client is disconnected; 0 is never.";
    "tls-auth-clients" tls_auth_clients: TlsAuthClients = TlsAuthClients::Yes, choice,
        "Whether TLS clients show a certificate.";
    "tls-auth-clients-user" tls_auth_clients_user: TlsAuthClientsUser = TlsAuthClientsUser::Off, choice, [FOREIGN],
        "Whether a certificate authenticates its client.", none "newer than Redis 8.4";
    "tls-ca-cert-dir" tls_ca_cert_dir: String = String::new(), optional,
        "The directory of the certificates of authorities.";
    "tls-ca-cert-file" tls_ca_cert_file: String = String::new(), optional,
        "The file of the certificates of authorities.";
    "tls-cert-file" tls_cert_file: String = String::new(), optional, "The certificate.";
    "tls-ciphers" tls_ciphers: String = String::new(), optional, "Cipher suites of TLS 1.2.";
    "tls-ciphersuites" tls_ciphersuites: String = String::new(), optional, "Cipher suites of TLS 1.3.";
    "tls-client-cert-file" tls_client_cert_file: String = String::new(), optional,
        "The certificate of outgoing connections, if it is another.";
    "tls-client-key-file" tls_client_key_file: String = String::new(), optional,
        "The key of outgoing connections, if it is another.";
    "tls-client-key-file-pass" tls_client_key_file_pass: String = String::new(), optional, [SENSITIVE],
        "The password of that key.";
    "tls-cluster" tls_cluster: bool = false, bool, "TLS on the cluster bus.";
    "tls-dh-params-file" tls_dh_params_file: String = String::new(), optional,
        "Parameters of Diffie-Hellman.", none "only key exchange over elliptic curves is offered";
    "tls-key-file" tls_key_file: String = String::new(), optional, "The key of the certificate.";
    "tls-key-file-pass" tls_key_file_pass: String = String::new(), optional, [SENSITIVE], "The password of the key.";
    "tls-port" tls_port: u16 = 0, int(0, 65535), "The TLS port; 0: none.";
    "tls-prefer-server-ciphers" tls_prefer_server_ciphers: bool = false, bool,
        "The server's order of cipher suites counts.";
    "tls-protocols" tls_protocols: String = String::new(), optional, "Versions of TLS.";
    "tls-replication" tls_replication: bool = false, bool, "TLS to the master.";
    "tls-session-cache-size" tls_session_cache_size: i64 = 20_480, int(0, INT), "TLS sessions that are remembered.";
    "tls-session-cache-timeout" tls_session_cache_timeout: i64 = 300, int(0, INT), "Seconds for which they are.";
    "tls-session-caching" tls_session_caching: bool = true, bool, "Remember TLS sessions.";
    "tracking-table-max-keys" tracking_table_max_keys: i64 = 1_000_000, int(0, LONG),
        "Keys remembered for client-side caching; 0 is no limit.";
    "unixsocket" unixsocket: String = String::new(), optional, [IMMUTABLE], "The Unix socket.";
    "unixsocketperm" unixsocketperm: i64 = 0, octal(0, 0o777), [IMMUTABLE],
        "Its permissions, in octal; 0: as the system sets them.";
    "use-exit-on-panic" use_exit_on_panic: bool = false, bool, [HIDDEN],
        "End with an exit instead of an abort on a panic.", none "made for testing Redis itself";
    "vset-force-single-threaded-execution" vset_force_single_threaded_execution: bool = false, bool,
        "Search vector sets in the thread of the command.", none "they always are";
    "watchdog-period" watchdog_period: i64 = 0, int(0, INT), [HIDDEN],
        "Milliseconds after which a stalled event loop is logged.", none "there is no one event loop to watch";
    "zset-max-listpack-entries" | "zset-max-ziplist-entries" zset_max_listpack_entries: i64 = 128, int(0, LONG),
        "Elements up to which a sorted set is packed.";
    "zset-max-listpack-value" | "zset-max-ziplist-value" zset_max_listpack_value: u64 = 64, memory(0, LONG),
        "Bytes of an element up to which a sorted set is packed.";
}
