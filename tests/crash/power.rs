//! Power failures, played: the server is killed, which leaves all that it gave to the system, and then the increments lose what
//! need not have been on the disk: by the journal's layout (`crates/viator-persist/src/aof/journal.rs`) what it has.

use super::*;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What the journal has of an increment: number of the increment, place in it, bytes.
type Piece = (i64, usize, Vec<u8>);

const BLOCK: usize = 4096;
const SETTLED: usize = usize::MAX;

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// The records since the last that says that all before it is durable in the increments.
fn pieces(journal: &Path) -> Vec<Piece> {
    let Ok(bytes) = fs::read(journal) else { return Vec::new() };
    let (half, generation) = (u64_at(&bytes, 8) as usize, u64_at(&bytes, 16));
    assert_eq!(bytes.len(), BLOCK + 2 * half);
    let mut found: Vec<(u64, Piece)> = Vec::new();
    for k in 0..2 {
        let (mut at, end) = (BLOCK + k * half, BLOCK + (k + 1) * half);
        let mut number = None;
        while at < end && u64_at(&bytes, at + 8) == generation {
            let field = |i: usize| u64_at(&bytes, at + 16 + 8 * i);
            if number.is_some_and(|n| n + 1 != field(0)) {
                break;
            }
            number = Some(field(0));
            let length = u32::from_le_bytes(bytes[at + 48..at + 52].try_into().unwrap());
            let bytes = bytes[at + 52..at + 52 + length as usize].to_vec();
            found.push((field(0), (field(1) as i64, field(2) as usize, bytes)));
            at += (52 + length as usize).next_multiple_of(BLOCK);
        }
    }
    found.sort_unstable();
    let settled = found.iter().rposition(|(_, (_, offset, _))| *offset == SETTLED).map_or(0, |i| i + 1);
    found.drain(..settled);
    found.into_iter().map(|(_, piece)| piece).collect()
}

/// From where on an increment may have lost what it has: what is before the first record, or between two, is in no other place.
/// And what it has then with all that the journal has: the server may have been killed before it wrote the last group to the
/// increment. `None`: there is nothing that it may have lost.
fn may_lose(pieces: &[Piece], part: i64, increment: &[u8]) -> Option<(usize, Vec<u8>)> {
    let mut from = None;
    let mut whole = Vec::new();
    for (_, offset, bytes) in pieces.iter().filter(|p| p.0 == part) {
        if from.is_none() || whole.len() != *offset {
            from = Some(*offset);
            whole = increment.get(..*offset)?.to_vec();
        }
        whole.extend_from_slice(bytes);
    }
    from.filter(|from| whole.starts_with(increment) && *from < whole.len()).map(|from| (from, whole))
}

/// What the manifest names: the number and the path of each increment.
fn increments(server: &Server) -> Vec<(i64, PathBuf)> {
    let dir = server.dir().join("appendonlydir");
    let manifest = fs::read_to_string(dir.join("appendonly.aof.manifest")).unwrap();
    let lines = manifest.lines().filter(|l| l.contains(" type i"));
    lines
        .map(|l| {
            let words: Vec<&str> = l.split(' ').collect();
            (words[3].parse().unwrap(), dir.join(words[1]))
        })
        .collect()
}

pub fn journal(server: &Server) -> PathBuf {
    server.dir().join("appendonlydir/appendonly.aof.journal")
}

/// Writes a file as if that had happened when it was written last.
pub fn rewrite_unseen(path: &Path, bytes: &[u8]) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    fs::write(path, bytes).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}

/// The increments lose something of what they may: their ends, or blocks. Returns what is to be in those that have.
fn fail(server: &Server, rng: &mut Rng) -> Vec<(PathBuf, Vec<u8>)> {
    let pieces = pieces(&journal(server));
    let mut changed = Vec::new();
    for (part, path) in increments(server) {
        let mut bytes = fs::read(&path).unwrap();
        let Some((from, whole)) = may_lose(&pieces, part, &bytes) else { continue };
        if rng.chance(70) {
            bytes.truncate(from + rng.below(whole.len() - from));
        }
        if rng.chance(50) {
            // blocks that were not written, which begin anywhere here
            let mut at = from;
            while at < bytes.len() {
                let end = (at + 1 + rng.below(2000)).min(bytes.len());
                if rng.chance(30) {
                    bytes[at..end].fill(0);
                }
                at = end;
            }
        }
        if bytes != whole {
            rewrite_unseen(&path, &bytes);
            changed.push((path, whole));
        }
    }
    changed
}

/// Clients write, the key `large` too, which does not fit into the journal, until so many writes were acknowledged; then the
/// server is killed. `meanwhile` does something else. Returns what the clients know, and the number in `large`.
pub fn killed_under_load(
    server: &mut Server,
    from: &[i64],
    writes: u64,
    rng: &mut Rng,
    meanwhile: &impl Fn(&Server, &mut Client, &mut Rng),
) -> (Vec<Known>, i64) {
    let load = load(server, from);
    let mut client = server.client();
    let begun = Instant::now();
    let (mut next, mut large) = (0, 0);
    while load.total.load(Ordering::Relaxed) < writes && begun.elapsed() < Duration::from_secs(60) {
        if load.total.load(Ordering::Relaxed) >= next {
            next += writes / 4 + 1;
            meanwhile(server, &mut client, rng);
            if large == 0 || rng.chance(50) {
                large += 1;
                ok(&mut client, &["SET", "large", &format!("{large}:{}", "x".repeat(300_000))]);
            }
        }
        thread::yield_now();
    }
    server.kill();
    load.stop.store(true, Ordering::Relaxed);
    (load.threads.into_iter().map(|t| t.join().unwrap()).collect(), large)
}

/// Rounds of load, power failure, start. `meanwhile` does something else under load.
fn power_failures(launch: Launch, meanwhile: impl Fn(&Server, &mut Client, &mut Rng)) {
    let first = seed();
    println!("VIATOR_SEED={first}");
    let mut server = launch.start();
    ok(&mut server.client(), &["DEBUG", "POPULATE", "2000", "ballast", "200"]);
    let mut from = vec![0; CLIENTS];
    let mut losses = 0;
    for round in 0..rounds().max(5) {
        let mut rng = Rng::new(first.wrapping_add(round));
        let writes = 20 + rng.below(400) as u64;
        let (known, large) = killed_under_load(&mut server, &from, writes, &mut rng, &meanwhile);
        let changed = fail(&server, &mut rng);
        losses += changed.len();
        // killed again while it adds what is missing, or later
        while rng.chance(40) {
            server.run_for(Duration::from_millis(rng.below(60) as u64));
        }
        let lacks = changed.iter().any(|(path, whole)| fs::read(path).unwrap() != *whole);
        server.restart();
        assert_eq!(server.log().contains("lacked"), lacks, "{}", server.log());
        assert!(!server.log().contains("is not used"), "{}", server.log());
        for (path, whole) in &changed {
            assert!(fs::read(path).unwrap() == *whole, "{} is not what it should be: {}", path.display(), server.log());
        }
        from = verify(&server, &known, &[], Promise::Everything);
        let text = ok(&mut server.client(), &["GETRANGE", "large", "0", "9"]).as_text().unwrap();
        assert_eq!(text.split(':').next().unwrap(), large.to_string());
        ok(&mut server.client(), &["DEL", "large"]);
    }
    assert!(losses > 0, "nothing was ever lost");
}

pub fn always() -> Launch {
    with_aof("always").directive("auto-aof-rewrite-percentage", "0")
}

#[test]
fn a_power_failure_loses_nothing_that_was_acknowledged() {
    power_failures(always(), |_, _, _| {});
}

#[test]
fn a_power_failure_while_the_file_is_rewritten_loses_nothing_that_was_acknowledged() {
    power_failures(always(), |_, client, rng| {
        if rng.chance(60) {
            let _ = client.cmd(&["BGREWRITEAOF"]); // one may be running
        }
    });
}

/// What was written before the journal, without being synced, is on the disk before the journal is relied on.
#[test]
fn a_power_failure_after_changes_of_the_policy_loses_nothing_that_was_acknowledged() {
    power_failures(always(), |server, client, rng| {
        ok(client, &["CONFIG", "SET", "appendfsync", ["everysec", "no"][rng.below(2)]]);
        common::wait_until("no journal", || !journal(server).exists());
        ok(client, &["CONFIG", "SET", "appendfsync", "always"]);
        common::wait_until("the journal", || journal(server).exists());
    });
}

/// What there is of journals.
fn journals(server: &Server) -> Vec<String> {
    let names = fs::read_dir(server.dir().join("appendonlydir")).unwrap();
    let names = names.map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|n| n.contains("journal")).collect()
}

/// The server ends while a journal is being made.
#[test]
fn a_good_end_leaves_nothing_of_a_journal() {
    let mut server = with_aof("everysec").start();
    for _ in 0..3 {
        ok(&mut server.client(), &["CONFIG", "SET", "appendfsync", "always"]);
        assert!(server.terminate());
        assert_eq!(journals(&server), Vec::<String>::new());
        server.restart();
    }
}

/// The journal belongs to `always`, and to a server that runs, or has not ended well.
#[test]
fn there_is_a_journal_with_always_only() {
    let mut server = always().start();
    let mut client = server.client();
    let there = vec!["appendonly.aof.journal".to_owned()];
    assert_eq!(journals(&server), there, "from the start on");
    for (off, on) in
        [(["appendfsync", "everysec"], ["appendfsync", "always"]), (["appendonly", "no"], ["appendonly", "yes"])]
    {
        ok(&mut client, &["INCR", "n"]);
        ok(&mut client, &["CONFIG", "SET", off[0], off[1]]);
        common::wait_until("no journal", || journals(&server).is_empty());
        ok(&mut client, &["INCR", "n"]);
        ok(&mut client, &["CONFIG", "SET", on[0], on[1]]);
        common::wait_until("a journal", || journals(&server) == there);
        ok(&mut client, &["INCR", "n"]);
    }
    server.kill();
    assert_eq!(journals(&server), there);
    server.restart();
    assert_eq!(journals(&server), there);
    assert_eq!(number(&mut server.client(), "n"), 6);
    assert!(server.terminate());
    assert!(journals(&server).is_empty(), "after a good end");
    server.restart();
    assert_eq!(number(&mut server.client(), "n"), 6);
    assert_eq!(journals(&server), there);
}

/// A list of ten elements, whose server was killed; the journal has at least the last ones.
fn killed() -> (Server, PathBuf, Vec<u8>) {
    for _ in 0..20 {
        let mut server = written(10);
        server.kill();
        let path = last_increment(&server);
        let whole = fs::read(&path).unwrap();
        // else it was synced at this moment
        if may_lose(&pieces(&journal(&server)), 1, &whole).is_some() {
            return (server, path, whole);
        }
    }
    panic!("the journal never has anything");
}

fn list(server: &Server) -> Vec<String> {
    let list = ok(&mut server.client(), &["LRANGE", "list", "0", "-1"]);
    list.as_slice().unwrap().iter().map(|v| v.as_text().unwrap()).collect()
}

/// What somebody else has made of an increment counts; the journal is kept aside.
#[test]
fn a_journal_that_does_not_fit_is_not_used() {
    type Change = fn(&[u8]) -> Vec<u8>;
    let cases: &[(&str, Change, &[&str])] = &[
        ("replaced", |_| [encode_command(&["SELECT", "0"]), encode_command(&["RPUSH", "list", "x"])].concat(), &["x"]),
        (
            "edited",
            |whole| String::from_utf8(whole.to_vec()).unwrap().replace("\r\n9\r\n", "\r\nx\r\n").into_bytes(),
            &["0", "1", "2", "3", "4", "5", "6", "7", "8", "x"],
        ),
    ];
    for (what, change, expected) in cases {
        let (mut server, path, whole) = killed();
        rewrite_unseen(&path, &change(&whole));
        server.restart();
        assert_eq!(list(&server), *expected, "{what}: {}", server.log());
        assert!(server.log().contains("which is not used"), "{what}: {}", server.log());
        let unused = server.dir().join("appendonlydir/appendonly.aof.journal.unused");
        assert!(unused.exists(), "{what}");
        assert!(journal(&server).exists(), "{what}: another one");
        server.kill();
        server.restart();
        assert_eq!(list(&server), *expected, "{what}, once more");
    }
}

/// An increment that was cut long after the crash stays as it is.
#[test]
fn what_was_cut_later_stays_cut() {
    let (mut server, path, whole) = killed();
    let last = encode_command(&["RPUSH", "list", "9"]).len();
    fs::write(&path, &whole[..whole.len() - last]).unwrap();
    let later = fs::metadata(&path).unwrap().modified().unwrap() + Duration::from_secs(60);
    File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    server.restart();
    assert_eq!(list(&server).len(), 9, "{}", server.log());
    assert!(server.log().contains("which is not used"), "{}", server.log());
}

/// A cut of what was durable, whenever it was: the journal has forgotten it. So a restored backup stays what it is.
#[test]
fn what_is_on_the_disk_is_not_added_again() {
    let mut server = written(10);
    let path = last_increment(&server);
    let whole = fs::read(&path).unwrap();
    common::wait_until("the increment is synced", || may_lose(&pieces(&journal(&server)), 1, &whole).is_none());
    server.kill();
    rewrite_unseen(&path, &whole[..whole.len() - encode_command(&["RPUSH", "list", "9"]).len()]);
    server.restart();
    assert_eq!(list(&server).len(), 9, "{}", server.log());
}

/// Redis knows nothing of the journal: what it wrote meanwhile counts.
#[test]
fn redis_may_have_written_meanwhile() {
    let Some(theirs) = Launch::reference() else { return };
    let (mut server, ..) = killed();
    let mut redis = theirs.directive("appendonly", "yes").start();
    redis.kill();
    let copy = |from: &Server, to: &Server| {
        let (from, to) = (from.dir().join("appendonlydir"), to.dir().join("appendonlydir"));
        fs::remove_dir_all(&to).unwrap();
        fs::create_dir(&to).unwrap();
        for e in fs::read_dir(from).unwrap() {
            let e = e.unwrap();
            fs::copy(e.path(), to.join(e.file_name())).unwrap();
        }
    };
    copy(&server, &redis);
    redis.restart();
    ok(&mut redis.client(), &["RPUSH", "list", "theirs"]);
    ok(&mut redis.client(), &["LPOP", "list"]);
    redis.terminate();
    copy(&redis, &server);
    server.restart();
    assert_eq!(list(&server), ["1", "2", "3", "4", "5", "6", "7", "8", "9", "theirs"], "{}", server.log());
}
