use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use viator_data::args::split_args;

const ANYTHING: SetContext = SetContext { loading: false, protected_allowed: true };

fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<Updated, String> {
    let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
    config_set(config, &pairs, ANYTHING)
}

fn get(config: &Config, name: &str) -> String {
    let found = config_get(config, &[name.as_bytes()]);
    assert_eq!(found.len(), 1, "{name}");
    String::from_utf8_lossy(&found[0].1).into_owned()
}

fn names(patterns: &[&str]) -> Vec<String> {
    let patterns: Vec<_> = patterns.iter().map(|p| p.as_bytes()).collect();
    config_get(&Config::default(), &patterns).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn every_directive_of_redis_has_its_default() {
    let config = Config::default();
    let recorded: Vec<_> = include_str!("testdata/defaults.tsv").lines().skip(1).collect();
    for line in &recorded {
        let (name, default) = line.split_once('\t').unwrap();
        match name {
            "dir" => assert_eq!(config.dir, ""),
            "io-threads" => assert_eq!(config.io_threads, 0),
            _ => assert_eq!(get(&config, name), default, "{name}"),
        }
    }
    let mut all = names(&["*"]);
    all.sort();
    let mut expected: Vec<_> = recorded.iter().map(|l| l.split('\t').next().unwrap()).collect();
    expected.sort();
    assert_eq!(all, expected);
}

#[test]
fn config_set_answers_as_recorded_from_redis() {
    let config = Config { save: vec![], port: 21100, ..Config::default() };
    let mut count = 0;
    for line in include_str!("testdata/config-set.txt").lines().filter(|l| !l.starts_with('#')) {
        let words = split_args(line.as_bytes()).unwrap();
        let [name, value, answer, after] = &words[..] else { panic!("{line}") };
        let (ours, config) = match config_set(&config, &[(name, value)], ANYTHING) {
            Ok(updated) => ("OK".to_owned(), updated.config),
            Err(error) => (error, config.clone()),
        };
        let shown = String::from_utf8_lossy(name);
        let expected = match answer.as_slice() {
            b"OK" => "OK".to_owned(),
            reason => set_failed(&shown, &String::from_utf8_lossy(reason)),
        };
        assert_eq!(ours, expected, "{line}");
        // What the recording server was started with.
        if !matches!(shown.as_ref(), "io-threads" | "enable-debug-command" | "enable-protected-configs") {
            let after = String::from_utf8_lossy(after);
            assert_eq!(config_get(&config, &[name])[0].1, after.as_bytes(), "{line}");
        }
        count += 1;
    }
    assert!(count > 1500);
}

#[test]
fn config_set_sets_all_or_nothing() {
    let config = Config::default();
    let unknown = |name: &str| format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'");
    let memory = "argument must be a memory value";
    for (pairs, error) in [
        (&[("foo", "1"), ("bar", "2")][..], unknown("foo")),
        (&[("maxmemory", "x"), ("FOO", "2")], unknown("FOO")),
        (&[("daemonize", "yes"), ("foo", "1")], set_failed("daemonize", "can't set immutable config")),
        (&[("hz", "y"), ("DAEMONIZE", "x")], set_failed("DAEMONIZE", "can't set immutable config")),
        (&[("maxmemory", "1"), ("MAXMEMORY", "2")], set_failed("MAXMEMORY", "duplicate parameter")),
        (&[("maxmemory", "1"), ("maxmemory", "2"), ("foo", "3")], set_failed("maxmemory", "duplicate parameter")),
        (&[("hz", "20"), ("MaxMemory", "y")], set_failed("maxmemory", memory)),
        (&[("maxmemory", "x"), ("hz", "y")], set_failed("maxmemory", memory)),
        (&[("Slave-Priority", "x")], set_failed("slave-priority", "argument couldn't be parsed into an integer")),
    ] {
        assert_eq!(set(&config, pairs).unwrap_err(), error, "{pairs:?}");
    }
    let both = set(&config, &[("slave-priority", "1"), ("replica-priority", "2"), ("hz", "10"), ("maxmemory", "1kb")]);
    let both = both.unwrap();
    assert_eq!((both.config.replica_priority, both.config.maxmemory), (2, 1024));
    assert_eq!(both.changed, ["replica-priority", "maxmemory"]);
}

#[test]
fn protected_directives_and_those_not_set_while_loading() {
    let config = Config::default();
    let strict = SetContext { loading: true, protected_allowed: false };
    let refused =
        |name: &str, value: &str, context| config_set(&config, &[(name.as_bytes(), value.as_bytes())], context);
    assert_eq!(refused("DIR", "x", strict).unwrap_err(), set_failed("DIR", "can't set protected config"));
    assert_eq!(refused("dbfilename", "x", strict).unwrap_err(), set_failed("dbfilename", "can't set protected config"));
    let loading = "LOADING Redis is loading the dataset in memory";
    assert_eq!(refused("dir", "x", SetContext { protected_allowed: true, ..strict }).unwrap_err(), loading);
    assert_eq!(refused("repl-diskless-load", "swapdb", strict).unwrap_err(), loading);
    assert_eq!(refused("hz", "20", strict).unwrap().config.hz, 20);
}

#[test]
fn config_get_matches_names_and_patterns() {
    assert_eq!(names(&["hz", "HZ", "h*z"]), ["hz"]);
    assert_eq!(names(&["MAXMEMORY-SAM*"]), ["maxmemory-samples"]);
    assert_eq!(names(&["slave-p*"]), ["slave-priority"]);
    assert_eq!(names(&["Slave-Priority", "*-priority"]), ["Slave-Priority", "replica-priority"]);
    assert_eq!(names(&["nonex", "prefetch*", "key-load-dela?"]), Vec::<String>::new());
    assert_eq!(names(&["PREFETCH-batch-max-size"]), ["PREFETCH-batch-max-size"]);
    assert_eq!(names(&["[m]axmemory"]), ["maxmemory"]);
}

#[test]
fn the_table_is_in_order_and_ranges_fit_their_fields() {
    let all: Vec<_> = DIRECTIVES.iter().map(|d| d.name).collect();
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(all, sorted);
    let mut spellings: Vec<_> = DIRECTIVES.iter().flat_map(|d| [Some(d.name), d.alias]).flatten().collect();
    let count = spellings.len();
    spellings.sort();
    spellings.dedup();
    assert_eq!(spellings.len(), count);
    for d in DIRECTIVES {
        d.check_range();
    }
}

#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = docs::page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap() == page, "run with UPDATE_DOCS=1");
}

/// Files in memory.
struct Files(BTreeMap<&'static str, &'static str>);

impl ConfigFiles for Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.0.get(path.to_str().unwrap()) {
            Some(content) => Ok(content.as_bytes().to_vec()),
            None => Err(io::Error::from_raw_os_error(2)),
        }
    }

    fn names(&self, directory: &Path) -> Vec<Vec<u8>> {
        let below = self.0.keys().filter_map(|p| Path::new(p).strip_prefix(directory).ok());
        below.filter_map(|p| p.components().next()).map(|c| c.as_os_str().as_encoded_bytes().to_vec()).collect()
    }
}

fn start(files: &[(&'static str, &'static str)], args: &[&str], stdin: &str) -> Result<Loaded, LoadError> {
    let args: Vec<_> = args.iter().map(|a| a.as_bytes().to_vec()).collect();
    load(&args, &Files(files.iter().copied().collect()), &mut stdin.as_bytes())
}

fn loaded(files: &[(&'static str, &'static str)], args: &[&str], stdin: &str) -> Config {
    start(files, args, stdin).unwrap().config
}

/// (line, text, message) of an error.
fn fails(files: &[(&'static str, &'static str)], args: &[&str], stdin: &str) -> (usize, String, String) {
    match start(files, args, stdin).unwrap_err() {
        LoadError::Line { line, text, message } => (line, text, message),
        other => panic!("{other}"),
    }
}

#[test]
fn a_file() {
    let text = "# comment\n\n  maxmemory 100mb  \r\nSAVE 900 1\nsave 300 10\nrequirepass \"foo\\x20bar\"\n\tappendonly\tyes\n\
                'hz' 20\nslave-priority 7\nproc-title-template a\"b\"\n";
    let started = start(&[("/a.conf", text)], &["/a.conf"], "").unwrap();
    let config = &started.config;
    assert_eq!((config.maxmemory, config.hz, config.replica_priority), (100 << 20, 20, 7));
    assert_eq!(get(config, "save"), "900 1 300 10");
    assert_eq!(config.requirepass, b"foo bar");
    assert!(config.appendonly);
    assert_eq!(config.proc_title_template, "ab");
    let provenance = started.provenance;
    assert_eq!(provenance.config_file.as_deref(), Some(Path::new("/a.conf")));
    assert!(provenance.is_given("replica-priority") && !provenance.is_given("port"));
    assert_eq!(
        provenance.error("hz", "no").to_string(),
        "\n*** FATAL CONFIG FILE ERROR (Redis 8.4.0) ***\nReading the configuration file, at line 8\n>>> ''hz' 20'\nno\n"
    );
}

#[test]
fn save_adds_up_within_a_file() {
    for (text, save) in [
        ("save \"\"\nsave 10 1\n", "10 1"),
        ("save 10 1\nsave \"\"\n", ""),
        ("save 10 1 20 2\nsave 30 3\n", "10 1 20 2 30 3"),
        ("save\n", ""),
        ("save \"900 1\"\n", "900 1"),
        ("hz 10\n", "3600 1 300 100 60 10000"),
    ] {
        assert_eq!(get(&loaded(&[], &["-"], text), "save"), save, "{text}");
    }
    assert_eq!(get(&loaded(&[], &["-", "--save", "20", "2"], "save 10 1"), "save"), "10 1 20 2");
}

#[test]
fn wrong_lines() {
    let bad = "Bad directive or wrong number of arguments";
    for (text, line, shown, message) in [
        ("maxmemory", 1, "maxmemory", "wrong number of arguments"),
        ("\n  maxmemory 1 2 ", 2, "maxmemory 1 2", "wrong number of arguments"),
        ("requirepass \"abc", 1, "requirepass \"abc", "Unbalanced quotes in configuration line"),
        ("requirepass \"abc\"d", 1, "requirepass \"abc\"d", "Unbalanced quotes in configuration line"),
        ("include", 1, "include", bad),
        ("nonsense", 1, "nonsense", bad),
        ("\"\"", 1, "\"\"", bad),
        ("hz 10 # c", 1, "hz 10 # c", "wrong number of arguments"),
        ("save 10", 1, "save 10", "Invalid save parameters"),
        ("replicaof h", 1, "replicaof h", "wrong number of arguments"),
        ("replicaof h 99999", 1, "replicaof h 99999", "Invalid master port"),
        ("unixsocketperm 999", 1, "unixsocketperm 999", "argument couldn't be parsed as an octal number"),
        ("unixsocketperm 1000", 1, "unixsocketperm 1000", "argument must be between 0 and 777 inclusive"),
        ("io-threads 0", 1, "io-threads 0", "argument must be between 1 and 128 inclusive"),
        ("supervised x", 1, "supervised x", "argument(s) must be one of the following: upstart, systemd, auto, no"),
        ("appenddirname a/b", 1, "appenddirname a/b", "appenddirname can't be a path, just a dirname"),
        ("appendfilename \"\"", 1, "appendfilename \"\"", "appendfilename can't be empty"),
        ("sentinel x", 1, "sentinel x", "sentinel directive while not in sentinel mode"),
        (
            "shutdown-on-sigint save nosave",
            1,
            "shutdown-on-sigint save nosave",
            "shutdown options SAVE and NOSAVE can't be used simultaneously",
        ),
    ] {
        assert_eq!(fails(&[], &["-"], text), (line, shown.into(), message.into()), "{text}");
    }
    let unresolved = start(&[], &["-", "--maxmemory=1mb", "x"], "foo bar\nrename-command get\ninclude a b\n");
    assert_eq!(
        unresolved.unwrap_err().to_string(),
        "Unresolved Configuration(s) Detected:\n>>> 'foo bar'\n>>> 'rename-command get'\n>>> 'include a b'\n\
         >>> 'maxmemory=1mb x'\nModule Configuration detected without loadmodule directive or no ApplyConfig call: aborting"
    );
    let contradiction = start(&[], &["-"], "cluster-enabled yes\nreplicaof h 1\n").unwrap_err();
    assert_eq!(
        contradiction.to_string(),
        "\n*** FATAL CONFIG FILE ERROR (Redis 8.4.0) ***\nreplicaof directive not allowed in cluster mode\n"
    );
    assert_eq!(
        start(&[], &["/none.conf"], "").unwrap_err().to_string(),
        "Fatal error, can't open config file '/none.conf': No such file or directory"
    );
    assert!(fails(&[], &["-"], "loadmodule /x.so").2.contains("built in"));
}

#[test]
fn what_only_a_file_has() {
    let text = "io-threads-do-reads yes\nlist-max-ziplist-value 5\nslaveof no one\nrename-command get \"\"\n\
                user foo on nopass\nuser bar off\nunixsocketperm 0777\n";
    let config = loaded(&[], &["-"], text);
    assert_eq!(config.replicaof, None);
    assert_eq!(config.unixsocketperm, 0o777);
    assert_eq!(get(&config, "unixsocketperm"), "777");
    assert_eq!(config.rename_commands[0].args, [b"get".to_vec(), vec![]]);
    assert_eq!(config.users.iter().map(|u| u.line).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(
        config.users[1].error("Syntax error"),
        LoadError::Line { line: 6, text: "user bar off".into(), message: "Syntax error".into() }
    );
    let empty =
        loaded(&[], &["-"], "latency-tracking-info-percentiles \"\"\nbind \"\"\nclient-output-buffer-limit \"\"");
    assert_eq!((empty.latency_tracking_info_percentiles, empty.bind), (vec![], vec![]));
    assert_eq!(loaded(&[], &["-"], "replicaof h 0").replicaof, Some(("h".into(), 0)));
}

#[test]
fn the_command_line() {
    let files = &[("/a.conf", "maxmemory 8mb\nhz 40\n")];
    let config = loaded(files, &["/a.conf", "--maxmemory", "9mb", "--save", "", "--bind", "127.0.0.1", "-::1"], "");
    assert_eq!((config.maxmemory, config.hz, get(&config, "save").as_str()), (9 << 20, 40, ""));
    assert_eq!(config.bind, ["127.0.0.1", "-::1"]);
    let config = loaded(files, &["/a.conf", "--maxmemory", "9mb", "-"], "hz 30\nmaxmemory 3mb\n");
    assert_eq!((config.maxmemory, config.hz), (9 << 20, 30));
    for (args, name, value) in [
        (&["--hz", "20", "--MaxMemory", "3MB"][..], "maxmemory", "3145728"),
        (&["--maxmemory 3mb", "--hz", "5"], "maxmemory", "3145728"),
        (&["--requirepass", "--maxmemory", "--hz", "5"], "requirepass", "--maxmemory"),
        (&["--requirepass", "\"ab\""], "requirepass", "\"ab\""),
        (&["--proc-title-template", "--my --title"], "proc-title-template", "--my --title"),
        (&["--save", "--port", "1"], "port", "1"),
        (&["--save", "--port", "1"], "save", ""),
        (&["--save"], "save", ""),
        (&["--save", "900", "1", "--save", "", "--save", "10 1"], "save", "10 1"),
        (&["--save 10 1", "20", "2"], "save", "10 1 20 2"),
        (&["--replicaof", "127.0.0.1 1"], "replicaof", "127.0.0.1 1"),
        (&["--shutdown-on-sigint", "save", "force"], "shutdown-on-sigint", "save force"),
        (&["--hz", "0"], "hz", "1"),
        (&["--hz", "1000"], "hz", "500"),
        (&["", "--hz", "7"], "hz", "7"),
        (&["--"], "hz", "10"),
    ] {
        assert_eq!(get(&loaded(&[], args, ""), name), value, "{args:?}");
    }
    let many = "wrong number of arguments";
    for (args, stdin, line, text, message) in [
        (&["--maxmemory", "--port", "1"][..], "", 2, "maxmemory \"--port\" \"1\"", many),
        (&["-x", "--port", "1"], "", 2, "\"-x\"", "Bad directive or wrong number of arguments"),
        (&["/a.conf", "-", "--hz", "1"], "", 4, "\"-\"", "Bad directive or wrong number of arguments"),
        (&["--hz", "10", "--", "20"], "", 3, "\"20\"", "Bad directive or wrong number of arguments"),
        (&["--hz 20 --port 1"], "", 2, "hz 20 --port 1", many),
        (&["--hz", "a\\\"\n\u{1}é", "z"], "", 2, "hz \"a\\\\\\\"\\n\\x01\\xc3\\xa9\" \"z\"", many),
        (&["--hz \"20", "x"], "", 2, "hz \"20 \"x\"", "Unbalanced quotes in configuration line"),
        (&["--save 10 1", "20 2"], "", 2, "save 10 1 \"20 2\"", "Invalid save parameters"),
        (&["-", "--maxmemory", "x"], "hz 30\nhz 40", 3, "maxmemory \"x\"", "argument must be a memory value"),
        (&["-", "--maxmemory", "x"], "hz 30\nhz 40\n", 4, "maxmemory \"x\"", "argument must be a memory value"),
        (
            &["/a.conf", "--maxmemory", "4mb", "-"],
            "hz 3\nmaxmemory z\n",
            4,
            "maxmemory z",
            "argument must be a memory value",
        ),
    ] {
        assert_eq!(fails(files, args, stdin), (line, text.into(), message.into()), "{args:?}");
    }
    let mode = |args: &[&str]| start_mode(&args.iter().map(|a| a.as_bytes().to_vec()).collect::<Vec<_>>());
    assert_eq!(mode(&["-v", "x"]), StartMode::Version);
    assert_eq!(mode(&["a.conf", "--sentinel"]), StartMode::Sentinel);
    assert_eq!(mode(&["--hz", "10", "--help"]), StartMode::Server);
    assert_eq!(start(&[], &["--check-system"], ""), Err(LoadError::Mode(StartMode::CheckSystem)));
}

#[test]
fn include() {
    let files = &[
        ("/d/1.conf", "maxmemory 3mb\nhz 20\n"),
        ("/d/2.conf", "hz 30\n"),
        ("/d/.hidden.conf", "hz 1\n"),
        ("/e/bad.conf", "\n\nhz x\n"),
        ("/loop.conf", "include /loop.conf\n"),
    ];
    let config = loaded(files, &["-"], "include /d/*.conf\nmaxmemory 2mb\ninclude /none*/x\n");
    assert_eq!((config.maxmemory, config.hz), (2 << 20, 30));
    assert_eq!(loaded(files, &["-"], "dir /d\ninclude 1.conf").hz, 20);
    assert_eq!(loaded(files, &["--include", "/?/[2].conf"], "").hz, 30);
    let integer = "argument couldn't be parsed into an integer";
    assert_eq!(fails(files, &["-"], "\ninclude /e/bad.conf"), (3, "hz x".into(), integer.into()));
    assert_eq!(fails(files, &["-"], "include /loop.conf").2, "Too many files included");
    assert_eq!(
        start(files, &["-"], "include /none.conf").unwrap_err(),
        LoadError::Unreadable { path: "/none.conf".into(), error: "No such file or directory".into() }
    );
}

/// CONFIG REWRITE after CONFIG SET.
fn rewritten(text: &'static str, pairs: &[(&str, &str)], users: &[&str]) -> String {
    let config = set(&loaded(&[], &["-"], text), pairs).unwrap().config;
    let users: Vec<_> = users.iter().map(|u| u.as_bytes().to_vec()).collect();
    String::from_utf8(rewrite(Some(text.as_bytes()), &config, &Config::default(), &users)).unwrap()
}

/// What the reference writes as well, in this order here.
const ALWAYS: &str = "dir \"\"\nlatency-tracking-info-percentiles 50 99 99.9\n";
const SAVE: &str = "save 3600 1\nsave 300 100\nsave 60 10000\n";

#[test]
fn rewrite_keeps_comments_and_order() {
    assert_eq!(
        rewritten(
            "# hello\nport 21103\n\nmaxmemory 100mb\n   # mid\nsave 900 1\nsave 300 10\nhz 10\n\n# end\n",
            &[("maxmemory", "200mb"), ("save", "10 1"), ("appendonly", "yes"), ("timeout", "5")],
            &["user default on"]
        ),
        "# hello\nport 21103\n\nmaxmemory 200mb\n# mid\nsave 10 1\n\nhz 10\n\n# end\n\n# Generated by CONFIG REWRITE\n\
         appendonly yes\ndir \"\"\nlatency-tracking-info-percentiles 50 99 99.9\ntimeout 5\nuser default on\n"
    );
    assert_eq!(
        rewritten(
            "port 21103\nmaxmemory 1mb\nmaxmemory 100mb\nhz 20\n# x\nhz 30\nslave-priority 50\nsave 5 5\n",
            &[("maxmemory", "0"), ("hz", "10"), ("save", "")],
            &[]
        ),
        format!(
            "port 21103\nmaxmemory 0\n\nhz 10\n# x\n\nreplica-priority 50\nsave \"\"\n\n# Generated by CONFIG REWRITE\n{ALWAYS}"
        )
    );
    assert_eq!(
        rewritten("hz 10", &[("hz", "20")], &[]),
        format!("hz 20\n# Generated by CONFIG REWRITE\n{ALWAYS}{SAVE}")
    );
    assert_eq!(
        rewritten("port 1\n# Generated by CONFIG REWRITE\nhz 20\n", &[("timeout", "20"), ("hz", "10")], &[]),
        format!("port 1\n# Generated by CONFIG REWRITE\nhz 10\n\n{ALWAYS}{SAVE}timeout 20\n")
    );
    assert_eq!(
        rewritten(
            "save 1 1\n# a\n\n\n\n\"timeout\" 5\nuser a on\nuser b on\nrename-command  get   foo\n",
            &[("save", "5 5 6 6")],
            &["user c on"]
        ),
        format!(
            "save 5 5\n# a\n\ntimeout 5\nuser c on\n\nrename-command  get   foo\n\n# Generated by CONFIG REWRITE\n{ALWAYS}save 6 6\n"
        )
    );
}

#[test]
fn rewrite_of_each_kind_of_value() {
    let text = "MaxMemory 100MB\nlist-max-ziplist-size -2\nbind 127.0.0.1\nclient-output-buffer-limit normal 1mb 1mb 1\n\
                client-output-buffer-limit pubsub 1mb 1mb 1\nrequirepass \"a b\"\nnotify-keyspace-events KEA\nsave \"\"\n\
                unixsocketperm 700\nlogfile \"\"\ndir .\noom-score-adj-values 1 2 3\nshutdown-on-sigint save force\n\
                latency-tracking-info-percentiles 50 60\nreplicaof 127.0.0.1 1\nproc-title-template \"x\"\n\
                maxmemory-clients 10%\nmasterauth abc\noom-score-adj relative";
    assert_eq!(
        rewritten(text, &[], &[]),
        "maxmemory 100mb\nlist-max-listpack-size -2\nbind 127.0.0.1\nclient-output-buffer-limit normal 1mb 1mb 1\n\
         client-output-buffer-limit replica 256mb 64mb 60\nrequirepass \"a b\"\nnotify-keyspace-events \"AKE\"\nsave \"\"\n\
         unixsocketperm 700\nlogfile \"\"\ndir \".\"\noom-score-adj-values 1 2 3\nshutdown-on-sigint save force\n\
         latency-tracking-info-percentiles 50 60\nreplicaof 127.0.0.1 1\nproc-title-template \"x\"\n\
         maxmemory-clients 10%\nmasterauth \"abc\"\noom-score-adj yes\n# Generated by CONFIG REWRITE\n\
         client-output-buffer-limit pubsub 1mb 1mb 1\n"
    );
    let text = "cluster-announce-ip 1.1.1.1\nmasterauth x\nignore-warnings ARM64-COW-BUG\nnotify-keyspace-events KEA\n\
                latency-tracking-info-percentiles 5\nlocale-collate C\nbind 1.1.1.1\nsave \"\"\ndir x";
    let emptied = [
        ("cluster-announce-ip", ""),
        ("masterauth", ""),
        ("ignore-warnings", ""),
        ("notify-keyspace-events", ""),
        ("latency-tracking-info-percentiles", ""),
        ("locale-collate", ""),
        ("bind", "* -::*"),
        ("slowlog-log-slower-than", "-1"),
        ("masteruser", "a\"b\\\u{1} c"),
        ("repl-backlog-size", "2048"),
        ("prefetch-batch-max-size", "5"),
    ];
    assert_eq!(
        rewritten(text, &emptied, &[]),
        "\nignore-warnings \"\"\nnotify-keyspace-events \"\"\nlatency-tracking-info-percentiles \"\"\nlocale-collate \"\"\n\n\
         save \"\"\ndir \"x\"\n# Generated by CONFIG REWRITE\nmasteruser \"a\\\"b\\\\\\x01 c\"\nprefetch-batch-max-size 5\n\
         repl-backlog-size 16kb\nslowlog-log-slower-than -1\n"
    );
    assert!(rewritten("port 1\n", &[("bind", "")], &[]).contains("\nbind \"\"\n"));
    assert!(rewritten("user a on\n", &[], &[]).starts_with("user a on\n"));
}

#[test]
fn expand_titles() {
    let value = |v: &str| v.to_uppercase();
    assert_eq!(expand_title("{title} {listen-addr} x}", value).as_deref(), Some("TITLE LISTEN-ADDR x}"));
    assert_eq!(expand_title("{title", value), None);
    assert_eq!(expand_title("{foo}", value), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever CONFIG SET takes, CONFIG REWRITE writes so that the server starts with it.
    #[test]
    fn what_is_set_survives_a_rewrite(picks in prop::collection::vec((0..DIRECTIVES.len(), "[ -~]{0,6}|[0-9]{1,6}(kb)?|yes|no|[KEAgx]{1,3}"), 1..60)) {
        let mut config = Config::default();
        for (i, value) in &picks {
            if let Ok(updated) = set(&config, &[(DIRECTIVES[*i].name, value)]) {
                config = updated.config;
            }
        }
        // An address is written as it is, and `A` hides some classes.
        config.bind.retain(|a| !a.is_empty() && a.bytes().all(|b| b.is_ascii_alphanumeric()));
        config.notify_keyspace_events = NotifyFlags::parse(config.notify_keyspace_events.letters().as_bytes()).unwrap();
        let file = rewrite(None, &config, &Config::default(), &[]);
        let again = load(&[b"-".to_vec()], &Files(BTreeMap::new()), &mut file.as_slice()).unwrap().config;
        for d in DIRECTIVES {
            prop_assert_eq!(d.get(&again), d.get(&config), "{}", d.name);
        }
    }

    /// No file, however odd, does more than fail.
    #[test]
    fn any_file_is_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..200), line in "(save|bind|user|include|hz|client-output-buffer-limit|replicaof) [ -~]{0,20}") {
        let text = [text.as_slice(), b"\n", line.as_bytes()].concat();
        if let Ok(started) = load(&[b"-".to_vec()], &Files(BTreeMap::new()), &mut text.as_slice()) {
            let first = rewrite(Some(&text), &started.config, &Config::default(), &[]);
            prop_assert_eq!(&rewrite(Some(&first), &started.config, &Config::default(), &[]), &trimmed(&first));
        }
    }
}

/// A further rewrite finds one more empty line at the end of what ends in none.
fn trimmed(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    if !text.ends_with(b"\n\n") && text != b"\n" {
        text.push(b'\n');
    }
    text
}
