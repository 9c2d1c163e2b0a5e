"""The sections of benches/run.py beyond strings: the families' commands, scripts, large set operations, memory of
collections, and durability. The base is Redis 8.2 (with `scripts` on two workers: with io-threads 2)."""

import hashlib
import os
import re
import signal
import statistics
import subprocess
import time
from pathlib import Path

import run

PEER = "Redis 8.2"
PAIR = [run.OURS, PEER]
VALUE = run.VALUE
SCRIPT = "return redis.call('GET', KEYS[1])"
# Lua has to run it: Viator runs the one above without
LENGTH = "local v = redis.call('GET', KEYS[1]) if v then return #v + tonumber(ARGV[1]) end return 0"
LOOP = "for i = 1, 1000 do redis.call('SET', KEYS[1], i) end"


def sha1(text):
    return hashlib.sha1(text.encode()).hexdigest()


def resp(*words):
    words = [w.encode() if isinstance(w, str) else w for w in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def send_all(server, commands, window=200):
    """Sends commands that each have a one-line reply, some of them under way."""
    sock = run.Connection(server.port).socket
    batch, count = bytearray(), 0

    def flush():
        nonlocal batch, count
        if not count:
            return
        sock.sendall(batch)
        seen = 0
        while seen < count:
            data = sock.recv(1 << 16)
            if not data or data.startswith(b"-"):
                raise RuntimeError(f"loading {server.name} failed: {data[:200]!r}")
            seen += data.count(b"\n")
        batch, count = bytearray(), 0

    for command in commands:
        batch += command
        count += 1
        if count >= window or len(batch) > 1 << 18:
            flush()
    flush()


def grow(name, what, total, per=500):
    """Commands that add `total` elements to one key: `what(i)` gives the words of element i."""
    for first in range(0, total, per):
        words = []
        for i in range(first, min(first + per, total)):
            words += what(i)
        yield resp(*name, *words)


def element(i):
    return [f"element:{i:012d}"]


# name: (title, what redis-benchmark sends, -r, what is there before, pipeline)
LOADS = {
    "lpush": ("LPUSH", ["LPUSH", "mylist", VALUE], 1_000_000, [], 16),
    "rpop": ("RPOP", ["RPOP", "mylist"], 1_000_000, ["list"], 16),
    "lrange-100": ("LRANGE, 100 elements", ["LRANGE", "mylist", "0", "99"], 1, ["short-list"], 16),
    "lrange-300": ("LRANGE, 300 elements", ["LRANGE", "mylist", "0", "299"], 1, ["short-list"], 16),
    "lrange-600": ("LRANGE, 600 elements", ["LRANGE", "mylist", "0", "599"], 1, ["short-list"], 16),
    "sadd": ("SADD", ["SADD", "myset", "element:__rand_int__"], 1_000_000, [], 16),
    "spop": ("SPOP", ["SPOP", "myset"], 1_000_000, ["set"], 16),
    "hset": ("HSET", ["HSET", "myhash", "element:__rand_int__", VALUE], 1_000_000, [], 16),
    "zadd": ("ZADD", ["ZADD", "myzset", "__rand_int__", "element:__rand_int__"], 1_000_000, [], 16),
    "zrangebyscore": (
        "ZRANGEBYSCORE, 10 of 100,000",
        ["ZRANGEBYSCORE", "myzset", "__rand_int__", "+inf", "LIMIT", "0", "10"], 100_000, ["zset"], 16,
    ),
    "xadd": ("XADD, 3 fields", ["XADD", "mystream", "*", "f1", "value1", "f2", "value2", "f3", "value3"], 1, [], 16),
    "pfadd": ("PFADD", ["PFADD", "hll", "element:__rand_int__"], 1_000_000, [], 16),
}
SCRIPTS = {
    "evalsha": ("EVALSHA of a GET", ["EVALSHA", sha1(SCRIPT), "1", "key:__rand_int__"], 100_000, ["keys", "scripts"], 16),
    "length": (
        "EVALSHA of a GET and arithmetic", ["EVALSHA", sha1(LENGTH), "1", "key:__rand_int__", "7"], 100_000, ["keys", "scripts"], 16,
    ),
    "loop": ("1,000 calls in one script", ["EVALSHA", sha1(LOOP), "1", "counter"], 1, ["scripts"], 1),
}
POPPED = 2_000_000  # elements that RPOP and SPOP find


def prepare(server, what):
    if run.Connection(server.port).call("FLUSHALL") != b"+OK\r\n":
        run.die(f"FLUSHALL failed on {server.name}")
    for part in what:
        if part == "list":
            send_all(server, grow(["RPUSH", "mylist"], lambda i: [VALUE], POPPED))
        elif part == "short-list":
            send_all(server, grow(["RPUSH", "mylist"], lambda i: [VALUE], 1000))
        elif part == "set":
            send_all(server, grow(["SADD", "myset"], element, POPPED))
        elif part == "zset":
            send_all(server, grow(["ZADD", "myzset"], lambda i: [str(i), *element(i)], 100_000))
        elif part == "keys":
            server.load(run.CONTENTS["string"][1], 0, 100_000)
        elif part == "scripts":
            for script in (SCRIPT, LENGTH, LOOP):
                run.Connection(server.port).call("SCRIPT", "LOAD", script)
    server.settle()


def bench(setup, server, load, requests, cores):
    _, what, spread, _, pipeline = load
    command = [setup.load_generator, str(server.port), "50", str(requests), str(pipeline), str(spread), *what]
    before = server.cpu()
    done = subprocess.run([*run.pin(cores), *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    cpu = server.cpu() - before
    rate, _, errors = done.stdout.strip().partition(",")
    if done.returncode != 0 or errors != "0":
        run.die(f"load {' '.join(what)[:60]} on {server.name} failed: {done.stdout}{done.stderr}")
    return float(rate), cpu * 1e6 / requests


def measure(setup, loads, workers=1, arguments=()):
    """{load: [{server: (requests per second, CPU µs)} for each round]}"""
    results = {name: [] for name in loads}
    cores = (setup.server_core, setup.load_core) if workers == 1 else (None, None)
    requests = {}
    for turn in range(setup.rounds):
        with run.Servers(setup, workers, cores[0], PAIR, arguments) as servers:
            for index, (name, load) in enumerate(loads.items()):
                taken = {}
                for server in run.rotated(servers, turn + index):
                    prepare(server, load[3])
                    if name not in requests:
                        rate, _ = bench(setup, server, load, 2000 * load[4], cores[1])
                        most = POPPED - 2000 * load[4] if "pop" in name else 1 << 40
                        requests[name] = min(max(int(rate * setup.seconds) // 1000 * 1000, 2000), most)
                        prepare(server, load[3])
                    taken[server.name] = bench(setup, server, load, requests[name], cores[1])
                results[name].append(taken)
                run.say(f"round {turn + 1}/{setup.rounds} {name}: " + ", ".join(
                    f"{n} {taken[n][0] / 1000:.1f}k/s {taken[n][1]:.2f} µs" for n in PAIR))
    return results


def ratio(rounds, index):
    return run.spread([taken[run.OURS][index] / taken[PEER][index] for taken in rounds])


def rate_table(loads, results):
    rows = []
    for name, (title, *_) in loads.items():
        rounds = results[name]
        mid = {n: [statistics.median(t[n][i] for t in rounds) for i in (0, 1)] for n in PAIR}
        rows.append([title, *[f"{mid[n][0] / 1000:.1f}" for n in PAIR], ratio(rounds, 0),
                     *[f"{mid[n][1]:.2f}" for n in PAIR], ratio(rounds, 1)])
    head = ["Load", "Viator, thousands/s", f"{PEER}", "ratio (more is better)", "Viator, CPU µs", f"{PEER}",
            "ratio (less is better)"]
    return run.table(head, rows)


def types(setup):
    return rate_table(LOADS, measure(setup, LOADS))


def scripts(setup):
    lines = ["One worker:", "", *rate_table(SCRIPTS, measure(setup, SCRIPTS))]
    two = {name: SCRIPTS[name] for name in ("evalsha", "length")}
    return [*lines, "", "Two workers, nothing pinned:", "", *rate_table(two, measure(setup, two, workers=2))]


def algebra(setup):
    """Milliseconds of operations over sets of 100,000 elements, half of them shared."""
    commands = {
        "SINTER": ["SINTER", "s1", "s2"],
        "SUNIONSTORE": ["SUNIONSTORE", "out", "s1", "s2"],
        "SDIFF": ["SDIFF", "s1", "s2"],
        "ZUNIONSTORE": ["ZUNIONSTORE", "out", "2", "z1", "z2"],
        "ZINTERSTORE": ["ZINTERSTORE", "out", "2", "z1", "z2"],
    }
    rounds = {name: [] for name in commands}
    for turn in range(setup.rounds):
        with run.Servers(setup, 1, setup.server_core, PAIR) as servers:
            for server in servers:
                for n, start in ((1, 0), (2, 50_000)):
                    send_all(server, grow(["SADD", f"s{n}"], lambda i: element(i + start), 100_000))
                    send_all(server, grow(["ZADD", f"z{n}"], lambda i: [str(i * 7 % 1000), *element(i + start)], 100_000))
                server.settle()
            for name, words in commands.items():
                taken = {}
                for server in run.rotated(servers, turn):
                    before = server.cpu()
                    for _ in range(10):
                        done = subprocess.run(
                            [*run.pin(setup.load_core), "redis-cli", "-p", str(server.port), *words],
                            capture_output=True, timeout=60)
                        assert done.returncode == 0
                    taken[server.name] = ((server.cpu() - before) * 100,)
                rounds[name].append(taken)
        run.say(f"round {turn + 1}/{setup.rounds} algebra")
    rows = [[name, *[f"{statistics.median(t[n][0] for t in r):.1f}" for n in PAIR], ratio(r, 0)] for name, r in rounds.items()]
    return ["CPU milliseconds of one operation over two sets of 100,000 elements, half of them shared (less is better):", "",
            *run.table(["Operation", *PAIR, "ratio"], rows)]


def used_memory(server):
    reply = b""
    conn = run.Connection(server.port).socket
    conn.sendall(resp("INFO", "memory"))
    while not reply.endswith(b"\r\n\r\n") and b"lazyfreed_objects" not in reply:
        reply += conn.recv(1 << 16)
    return int(re.search(rb"used_memory:(\d+)", reply)[1])


COLLECTIONS = {
    "1M hashes of 5 short fields": lambda: (
        resp("HSET", f"hash:{i:09d}", *[w for f in range(5) for w in (f"field{f}", f"v{i % 100_000}")])
        for i in range(1_000_000)),
    "100k lists of 100 short items": lambda: (
        resp("RPUSH", f"list:{i:09d}", *[f"item{i % 1000}:{k}" for k in range(100)]) for i in range(100_000)),
    "1k sets of 10k integers": lambda: (
        resp("SADD", f"set:{i:09d}", *[str(k * 7 + i) for k in range(part, part + 1000)])
        for i in range(1000) for part in range(0, 10_000, 1000)),
    "1k sorted sets of 10k members": lambda: (
        resp("ZADD", f"zset:{i:09d}", *[w for k in range(part, part + 500) for w in (str(k), f"member:{k}")])
        for i in range(1000) for part in range(0, 10_000, 500)),
}


def stream(server):
    """XADD answers with two lines, so it is sent by itself."""
    sock = run.Connection(server.port).socket
    for first in range(0, 1_000_000, 500):
        sock.sendall(b"".join(
            resp("XADD", "stream", "*", "sensor", str(i % 1000), "temperature", str(i % 97), "humidity", str(i % 89))
            for i in range(first, first + 500)))
        seen = 0
        while seen < 1000:
            seen += sock.recv(1 << 16).count(b"\n")


def collections(setup):
    rows = []
    for title in [*COLLECTIONS, "one stream of 1M entries of 3 fields"]:
        taken = {}
        for name in PAIR:
            with run.Servers(setup, 1, None, [name]) as (server,):
                empty = used_memory(server)
                if title in COLLECTIONS:
                    send_all(server, COLLECTIONS[title]())
                else:
                    stream(server)
                server.settle()
                taken[name] = used_memory(server) - empty
        run.say(f"collections, {title}: " + ", ".join(f"{n} {taken[n] / 2**20:.1f} MiB" for n in PAIR))
        rows.append([title, *[f"{taken[n] / 2**20:.1f}" for n in PAIR], f"**{taken[run.OURS] / taken[PEER]:.2f}**"])
    return ["`used_memory`, MiB (less is better):", "", *run.table(["Data", *PAIR, "ratio"], rows)]


def filled(count, per_key, command, element, prefix="key", per=250):
    """Commands that make `count` keys of `per_key` elements each; `element(i)` gives an element's words."""
    for key in range(count):
        for first in range(0, per_key, per):
            words = [w for i in range(first, min(first + per, per_key)) for w in element(i)]
            yield resp(*command, f"{prefix}:{key:09d}", *words)


def expiring(commands):
    """The same, and then every field of each of these hashes gets an expiration time."""
    keys = {}
    for command in commands:
        yield command
        words = command.split(b"\r\n")[2::2]
        keys.setdefault(words[1], []).extend(words[2::2])
    script = "redis.call('HPEXPIREAT', KEYS[1], '4000000000000', 'FIELDS', #ARGV, unpack(ARGV)) return 1"
    for key, fields in keys.items():
        yield resp("EVAL", script, "1", key, *fields)


def item(i):
    return [f"item:{i:05d}"]


def field(i):
    return [f"field:{i:04d}", f"v{i}"]


def member(i):
    return [str(i * 7 % 10_007), f"member:{i:05d}"]


# title: (encoding, keys, elements of each, commands)
ENCODINGS = {
    "list": [
        ("listpack", 100_000, 5, lambda n, m: filled(n, m, ["RPUSH"], item)),
        ("listpack", 10_000, 100, lambda n, m: filled(n, m, ["RPUSH"], item)),
        ("listpack", 2_000, 700, lambda n, m: filled(n, m, ["RPUSH"], item)),
        ("quicklist", 1_000, 1000, lambda n, m: filled(n, m, ["RPUSH"], item)),
        ("quicklist", 20, 50_000, lambda n, m: filled(n, m, ["RPUSH"], item)),
    ],
    "set": [
        ("intset", 100_000, 5, lambda n, m: filled(n, m, ["SADD"], lambda i: [str(i)])),
        ("intset", 2_000, 512, lambda n, m: filled(n, m, ["SADD"], lambda i: [str(i * 1000)])),
        ("listpack", 100_000, 5, lambda n, m: filled(n, m, ["SADD"], item)),
        ("listpack", 10_000, 128, lambda n, m: filled(n, m, ["SADD"], item)),
        ("hashtable", 10_000, 129, lambda n, m: filled(n, m, ["SADD"], item)),
        ("hashtable", 20, 50_000, lambda n, m: filled(n, m, ["SADD"], item)),
    ],
    "hash": [
        ("listpack", 100_000, 5, lambda n, m: filled(n, m, ["HSET"], field)),
        ("listpack", 2_000, 512, lambda n, m: filled(n, m, ["HSET"], field)),
        ("listpackex", 100_000, 5, lambda n, m: expiring(filled(n, m, ["HSET"], field))),
        ("listpackex", 2_000, 512, lambda n, m: expiring(filled(n, m, ["HSET"], field))),
        ("hashtable", 2_000, 513, lambda n, m: filled(n, m, ["HSET"], field)),
        ("hashtable", 20, 50_000, lambda n, m: filled(n, m, ["HSET"], field)),
        ("hashtable", 2_000, 513, lambda n, m: expiring(filled(n, m, ["HSET"], field))),
    ],
    "sorted set": [
        ("listpack", 100_000, 5, lambda n, m: filled(n, m, ["ZADD"], member)),
        ("listpack", 10_000, 128, lambda n, m: filled(n, m, ["ZADD"], member)),
        ("skiplist", 10_000, 129, lambda n, m: filled(n, m, ["ZADD"], member)),
        ("skiplist", 20, 50_000, lambda n, m: filled(n, m, ["ZADD"], member)),
    ],
    "stream": [
        ("stream", 20_000, 1, lambda n, m: entries(n, m)),
        ("stream", 2_000, 100, lambda n, m: entries(n, m)),
        ("stream", 20, 10_000, lambda n, m: entries(n, m)),
        ("stream", 20, 10_000, lambda n, m: pending(n, m)),
    ],
    "HyperLogLog": [
        ("raw", 20_000, 10, lambda n, m: filled(n, m, ["PFADD"], item)),
        ("raw", 200, 20_000, lambda n, m: filled(n, m, ["PFADD"], item)),
    ],
}


# of the second row of the same name
NOTES = {("hash", 513): ", every field with a TTL", ("stream", 10_000): ", all pending in a group"}


def entries(count, per_key):
    """XADD within a script, which answers with one line."""
    script = "for i = ARGV[1], ARGV[2] do redis.call('XADD', KEYS[1], 1700000000000 + i .. '-0', 'sensor', i % 1000, " \
             "'temperature', i % 97, 'humidity', i % 89) end return 1"
    for key in range(count):
        for first in range(0, per_key, 1000):
            yield resp("EVAL", script, "1", f"key:{key:09d}", str(first), str(min(first + 1000, per_key) - 1))


def pending(count, per_key):
    yield from entries(count, per_key)
    script = "redis.call('XGROUP', 'CREATE', KEYS[1], 'group', 0) " \
             "redis.call('XREADGROUP', 'GROUP', 'group', 'consumer', 'STREAMS', KEYS[1], '>') return 1"
    for key in range(count):
        yield resp("EVAL", script, "1", f"key:{key:09d}")


def encodings(setup):
    """Memory for each key in each encoding, at sizes where it begins, is common, and ends."""
    rows = []
    for kind, cases in ENCODINGS.items():
        seen = set()
        for encoding, count, per_key, commands in cases:
            taken = {}
            for name in PAIR:
                with run.Servers(setup, 1, None, [name]) as (server,):
                    # what a server allocates once, with its first keys and scripts
                    send_all(server, pending(1, 1))
                    send_all(server, [resp("DEL", "key:000000000"), *(resp("SET", f"warm:{i}", "x") for i in range(1000))])
                    # what scripts leave in their interpreter is no part of the data
                    send_all(server, [resp("SCRIPT", "FLUSH")])
                    server.settle()
                    empty = used_memory(server)
                    send_all(server, commands(count, per_key))
                    send_all(server, [resp("SCRIPT", "FLUSH")])
                    server.settle()
                    taken[name] = (used_memory(server) - empty) / count
                    found = subprocess.run(["redis-cli", "-p", str(server.port), "OBJECT", "ENCODING", "key:000000001"],
                                           capture_output=True, text=True, timeout=60).stdout.strip()
                    if found != encoding:
                        run.die(f"{kind} of {per_key} elements on {name}: {found}, not {encoding}")
            title = f"{kind}, {encoding}" if kind not in ("stream", "HyperLogLog") else kind
            if (title, per_key) in seen:
                title += NOTES.get((kind, per_key), "")
            seen.add((title, per_key))
            run.say(f"encodings, {title} of {per_key}: " + ", ".join(f"{n} {taken[n]:.0f}" for n in PAIR))
            rows.append([title, f"{per_key:,}", *[f"{taken[n]:,.0f}" for n in PAIR],
                         *[f"{taken[n] / per_key:.1f}" for n in PAIR], f"**{taken[run.OURS] / taken[PEER]:.2f}**"])
    head = ["Type, encoding", "Elements", *[f"{n}, bytes/key" for n in PAIR], *[f"{n}, bytes/element" for n in PAIR], "ratio"]
    return ["`used_memory` for each key (of 13 bytes) and each element, bytes (less is better):", "", *run.table(head, rows)]


# ------------------------------------------------------------------------------------------------------- durability


def info(server, section, field):
    done = subprocess.run(["redis-cli", "-p", str(server.port), "INFO", section], capture_output=True, text=True, timeout=60)
    found = re.search(rf"^{field}:(.*)$", done.stdout, re.M)
    return found[1].strip() if found else ""


def expect_saved(server):
    """That one save has been made, and well: else it was nothing that was measured."""
    found = [info(server, "persistence", field) for field in ("rdb_saves", "rdb_last_bgsave_status")]
    if found != ["1", "ok"]:
        run.die(f"{server.name} should have saved once: {found}")


def pss(server):
    """Proportional resident bytes of a server and of its children."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            pid = int(stat.parent.name)
            if pid == server.pid or int(fields[1]) == server.pid:
                text = (stat.parent / "smaps_rollup").read_text()
                total += int(re.search(r"^Pss:\s+(\d+) kB", text, re.M)[1]) * 1024
        except (OSError, TypeError, ValueError):
            continue
    return total


def save_and_load(setup):
    """Seconds of BGSAVE of 10M small keys, of starting on that file, and its bytes."""
    keys = 1_000_000 if setup.rounds == 1 else 10_000_000
    rounds = []
    for turn in range(min(setup.rounds, 2)):
        taken = {}
        for name in run.rotated(PAIR, turn):
            with run.Servers(setup, 1, None, [name]) as (server,):
                server.load(run.CONTENTS["string"][1], 0, keys).settle().expect_keys(keys)
                begin = time.monotonic()
                subprocess.run(["redis-cli", "-p", str(server.port), "BGSAVE"], capture_output=True, check=True)
                while info(server, "persistence", "rdb_bgsave_in_progress") != "0":
                    time.sleep(0.02)
                saved = time.monotonic() - begin
                expect_saved(server)
                file = Path(server.folder) / "dump.rdb"
                size = file.stat().st_size
                begin = time.monotonic()
                again = run.Server(name, setup, 1, None, dump=file)
                try:
                    loaded = time.monotonic() - begin
                    again.expect_keys(keys)
                finally:
                    again.stop()
            taken[name] = (saved, loaded, size)
            run.say(f"save and load, {name}: {saved:.2f} s, {loaded:.2f} s, {size / 2**20:.0f} MiB")
        rounds.append(taken)
    titles = [f"BGSAVE of {keys / 1e6:.0f}M keys, seconds", "starting on that file, seconds", "its size, MiB"]
    scale = [1, 1, 2**20]
    return [[t, *[f"{statistics.median(r[n][i] for r in rounds) / scale[i]:.2f}" for n in PAIR], ratio(rounds, i)]
            for i, t in enumerate(titles)]


def stalls(setup):
    """A prober's latencies while a large dataset is saved under write load, and the memory that takes."""
    gib = float(os.environ.get("VIATOR_BENCH_GIB", "0.5" if setup.rounds == 1 else "2"))
    keys = int(gib * 2**30 / 1100) // 1000 * 1000
    big = run.SET % "{hi:9}{lo}" + "$1000\r\n" + "y" * 1000 + "\r\n"
    taken = {}
    for name in PAIR:
        with run.Servers(setup, 1, None, [name]) as (server,):
            server.load(big, 0, keys).settle()
            writer = subprocess.Popen(
                ["redis-benchmark", "-p", str(server.port), "-c", "8", "-r", str(keys), "-n", "1000000000", "-d", "1000",
                 "-q", "SET", "key:__rand_int__", "z" * 1000], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                time.sleep(1)
                end = time.monotonic() + 5
                idle = run.longest(run.probe(server, setup.load_core, lambda: time.monotonic() < end))
                before, peak = pss(server), 0
                # while the prober runs: a fork is over when BGSAVE has answered
                begun, looked = None, 0.0

                def saving():
                    nonlocal begun, peak, looked
                    if begun is None:
                        begun = subprocess.Popen(["redis-cli", "-p", str(server.port), "BGSAVE"], stdout=subprocess.DEVNULL)
                        looked = time.monotonic()
                    elif time.monotonic() - looked > 0.2 and begun.poll() is not None:
                        looked = time.monotonic()
                        peak = max(peak, pss(server))
                        return info(server, "persistence", "rdb_bgsave_in_progress") != "0"
                    return True

                busy = run.longest(run.probe(server, setup.load_core, saving))
                expect_saved(server)
            finally:
                writer.send_signal(signal.SIGKILL)
                writer.wait()
        taken[name] = (busy[1] / idle[1], busy[0], (peak - before) / 2**20)
        run.say(f"stalls, {name}: idle {idle}, saving {busy}, {taken[name][2]:.0f} MiB more")
    titles = [f"p99.9 during BGSAVE of {gib:g} GiB under write load, by p99.9 before it", "longest stall, ms",
              "memory it takes, MiB"]
    return [[t, *[f"{taken[n][i]:.2f}" for n in PAIR], ratio([taken], i)] for i, t in enumerate(titles)]


def durability(setup):
    sync = {"always": ("SET, `appendfsync always`", ["SET", "key:__rand_int__", VALUE], 1_000_000, [], 1)}
    every = {"everysec": ("SET, `everysec`, pipeline 16", ["SET", "key:__rand_int__", VALUE], 1_000_000, [], 16)}
    aof = ["--appendonly", "yes", "--appendfsync"]
    a = measure(setup, sync, 1, [*aof, "always"])
    b = measure(setup, every, 1, [*aof, "everysec"])
    two = measure(setup, sync, 2, [*aof, "always"])
    rows = [*save_and_load(setup), *stalls(setup)]
    both = {"two": ("SET, `always`, two workers, nothing pinned", *sync["always"][1:])}
    return [*rate_table({**sync, **every, **both}, {**a, **b, "two": two["always"]}), "", *run.table(["Measure", *PAIR, "ratio (less is better)"], rows)]


SECTIONS = {"types": types, "algebra": algebra, "collections": collections, "encodings": encodings,
            "scripts": scripts, "durability": durability}
