#!/usr/bin/env python3
"""Measures Viator against Redis 8.2 and Valkey 9.1 on this machine and prints Markdown tables.

usage: benches/run.py [--quick] [--server PATH] [--only NAME...] [--rounds N] [--port BASE] [--write]

Needs Linux, two cores, redis-benchmark on PATH, and the peers that tests/fetch-peers.sh fetches. Build the server and the
load generator first: cargo build --release && cargo build --release --example load. What is measured, and how, is in docs/performance.md; --write puts the tables there.
"""

import argparse
import array
import csv
import gc
import multiprocessing
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "performance.md"
OURS = "Viator"
PEERS = {"Redis 8.2": "redis-8.2", "Valkey 9.1": "valkey-9.1"}
NAMES = [OURS, *PEERS]

KEYS = 1_000_000  # keys in the database for the throughput loads, and redis-benchmark's -r
VALUE = "x" * 64
MEMORY_SIZES = [1_000_000, 1_400_000, 2_000_000]  # below, in the middle and above a doubling of a table
# jemalloc gives pages back over 10 s; measured sooner, a server would be charged for what it has already freed.
MEMORY_REST = 11.0

SET = "*3\r\n$3\r\nSET\r\n$16\r\nkey:%s\r\n"
TEN_KEYS = ["key:__rand_int__"] * 10
# name: (title, arguments of redis-benchmark, pipeline, workers)
LOADS = {
    "get": ("GET", ["-t", "get"], 1, 1),
    "set": ("SET", ["-t", "set"], 1, 1),
    "get-p16": ("GET, pipeline 16", ["-t", "get"], 16, 1),
    "set-p16": ("SET, pipeline 16", ["-t", "set"], 16, 1),
    "mset-p16": ("MSET of 10 keys, pipeline 16", ["MSET", *[word for key in TEN_KEYS for word in (key, VALUE)]], 16, 1),
    "mget-p16": ("MGET of 10 keys, pipeline 16", ["MGET", *TEN_KEYS], 16, 1),
    "incr-p16": ("INCR, pipeline 16", ["-t", "incr"], 16, 1),
    "get-p16-w2": ("GET, pipeline 16, two workers", ["-t", "get"], 16, 2),
    "set-p16-w2": ("SET, pipeline 16, two workers", ["-t", "set"], 16, 2),
}
# name: (title, command); {} is the key's decimal number: {hi} all digits but the last three, {lo} the last three
CONTENTS = {
    "string": ("64-byte values", SET % "{hi:9}{lo}" + "$64\r\n" + VALUE + "\r\n"),
    "integer": ("8-digit integers", SET % "{hi:9}{lo}" + "$8\r\n1{hi:4}{lo}\r\n"),
    "ttl": (
        "64-byte values with a TTL",
        SET.replace("*3", "*5", 1) % "{hi:9}{lo}" + "$64\r\n" + VALUE + "\r\n$2\r\nEX\r\n$6\r\n864000\r\n",
    ),
}
COUNTER = "*2\r\n$4\r\nINCR\r\n$20\r\ncounter:{hi:9}{lo}\r\n"
EXISTS = "*2\r\n$6\r\nEXISTS\r\n$16\r\nkey:{hi:9}{lo}\r\n"

GROUPS = {
    "throughput": [name for name, load in LOADS.items() if load[3] == 1],
    "workers": [name for name, load in LOADS.items() if load[3] == 2],
    "memory": ["memory"],
    "pause": ["pause"],
    # benches/families.py
    "types": ["types"],
    "algebra": ["algebra"],
    "collections": ["collections"],
    "encodings": ["encodings"],
    "scripts": ["scripts"],
    "durability": ["durability"],
}


def say(text):
    print(f"[{time.monotonic() - START:5.0f} s] {text}", file=sys.stderr, flush=True)


def die(text):
    sys.exit(f"benches/run.py: {text}")


# ---------------------------------------------------------------------------------------------------------- servers


class Server:
    """A running server with an empty database, nothing saved to disk, on a port and in a folder of its own."""

    def __init__(self, name, setup, workers, cores, arguments=(), dump=None):
        self.name = name
        self.port = setup.free_port()
        self.folder = tempfile.mkdtemp(prefix="viator-bench-")
        self.log = Path(self.folder) / "log"
        command = [setup.binaries[name], "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder]
        command += ["--save", "", "--appendonly", "no", "--loglevel", "warning", "--io-threads", str(workers)]
        command += arguments
        if dump:
            shutil.copy(dump, Path(self.folder) / "dump.rdb")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*pin(cores), *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        self.pid = self.process.pid
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def wait_ready(self):
        deadline = time.monotonic() + 120
        while True:
            try:
                if Connection(self.port).call("PING") == b"+PONG\r\n":
                    return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                die(f"{self.name} does not start:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.02)

    def cpu(self):
        """User and system time of all its threads so far, in seconds: utime + stime of /proc/PID/stat, but not
        rounded to hundredths of a second (the clock of clock_getcpuclockid(3))."""
        return time.clock_gettime_ns((~self.pid << 3) | 2) / 1e9

    def resident(self):
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Rss:\s+(\d+) kB", text, re.M)[1]) * 1024

    def load(self, command, first, end):
        """Sends the command for the numbers first..end, a thousand at a time, two thousand under way."""
        load(self.port, command, first, end, 1000)
        return self

    def expect_keys(self, count):
        reply = Connection(self.port).call("DBSIZE")
        if reply != b":%d\r\n" % count:
            die(f"{self.name} should hold {count} keys and answers {reply!r} to DBSIZE")

    def settle(self, limit=15.0):
        """Waits until the server has nothing left to do by itself."""
        deadline = time.monotonic() + limit
        calm = 0
        while calm < 2 and time.monotonic() < deadline:
            before = self.cpu()
            time.sleep(0.2)
            calm = calm + 1 if self.cpu() - before < 0.2 * 0.03 else 0
        return self

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Servers:
    """One server of each kind; gone at the end of the block."""

    def __init__(self, setup, workers=1, cores=None, names=NAMES, arguments=()):
        self.args = (setup, workers, cores, arguments)
        self.names = names
        self.running = []

    def __enter__(self):
        try:
            for name in self.names:
                self.running.append(Server(name, *self.args))
        except BaseException:
            self.__exit__()
            raise
        return self.running

    def __exit__(self, *_):
        for server in self.running:
            server.stop()


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, *words):
        """One command with a one-line reply."""
        command = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words)
        self.socket.sendall(command)
        reply = b""
        while not reply.endswith(b"\r\n"):
            piece = self.socket.recv(4096)
            if not piece:
                raise ConnectionError("closed by the server")
            reply += piece
        return reply


def chunks(command, first, end, size):
    """The command for the numbers first..end in pieces of `size` commands (10, 100 or 1000; first and end multiples of
    it). Made from a template in which only the leading digits change, so that Python is not what is measured."""
    digits = len(str(size)) - 1
    assert 10**digits == size <= 1000 and first % size == 0 and end % size == 0
    marks = {}

    def mark(match):
        # Longest part first: its last digits come out of the fixed part when a piece is shorter than a thousand.
        width = int(match[1]) + 3 - digits
        marks[width] = b"\0" * 2 + b"%02d" % width + b"\0" * 2
        return marks[width].decode() + "{lo}"

    text = re.sub(r"\{hi:(\d+)\}\{lo\}", mark, command)
    template = b"".join(text.replace("{lo}", "%0*d" % (digits, i)).encode() for i in range(size))
    for high in range(first // size, end // size):
        piece = template
        for width, placeholder in marks.items():
            piece = piece.replace(placeholder, b"%0*d" % (width, high))
        yield piece


def load(port, command, first, end, size):
    """Sends the command for the numbers first..end in pieces of `size`, at most two pieces unanswered."""
    sock = Connection(port).socket
    missing = 0

    def wait(most):
        nonlocal missing
        while missing > most:
            data = sock.recv(1 << 16)
            if not data or b"-" in data:
                raise RuntimeError(f"loading failed: {data[:200]!r}")
            missing -= data.count(b"\n")

    for piece in chunks(command, first, end, size):
        sock.sendall(piece)
        missing += size
        wait(size)
    wait(0)


def pin(cores):
    return ["taskset", "-c", cores] if cores else []


def rotated(items, by):
    by %= len(items)
    return items[by:] + items[:by]


# ------------------------------------------------------------------------------------------------------- throughput


def benchmark(server, load_name, requests, cores):
    """One run of redis-benchmark: requests per second, and the server's microseconds of CPU for each."""
    _, what, pipeline, _ = LOADS[load_name]
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), "-c", "50", "-d", "64", "-r", str(KEYS)]
    command += ["-n", str(requests), "-P", str(pipeline), "--csv", *what]
    before = server.cpu()
    done = subprocess.run([*pin(cores), *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    cpu = server.cpu() - before
    rows = list(csv.reader(done.stdout.splitlines()))
    if done.returncode != 0 or len(rows) != 2 or "rror" in done.stdout + done.stderr:
        die(f"redis-benchmark {' '.join(what)[:60]} on {server.name} failed: {done.stdout}{done.stderr}")
    return float(rows[1][1]), cpu * 1e6 / requests


def measure_loads(setup, names, results):
    """Runs the named loads, all of one number of workers, round by round; results[load] gets a list of rounds, each
    {server: (requests per second, CPU microseconds)}."""
    workers = LOADS[names[0]][3]
    server_core, load_core = (setup.server_core, setup.load_core) if workers == 1 else (None, None)
    requests = {}
    for turn in range(setup.rounds):
        with Servers(setup, workers, server_core) as servers:
            for server in servers:
                server.load(CONTENTS["string"][1], 0, KEYS).settle().expect_keys(KEYS)
            counters = False
            for index, name in enumerate(names):
                if name == "incr-p16" and not counters:
                    counters = True
                    for server in servers:
                        if Connection(server.port).call("FLUSHALL") != b"+OK\r\n":
                            die(f"FLUSHALL failed on {server.name}")
                        server.load(COUNTER, 0, KEYS).settle().expect_keys(KEYS)
                if name not in requests:  # how many requests take the time we want to spend, from a short run
                    rate, _ = benchmark(servers[-1], name, 20_000 * LOADS[name][2], load_core)
                    requests[name] = max(int(rate * setup.seconds) // 1000 * 1000, 20_000)
                taken = {}
                for server in rotated(servers, turn + index):
                    taken[server.name] = benchmark(server, name, requests[name], load_core)
                results.setdefault(name, []).append(taken)
                say(f"round {turn + 1}/{setup.rounds} {name}: " + ", ".join(
                    f"{n} {taken[n][0] / 1000:.0f}k/s {taken[n][1]:.2f} µs" for n in NAMES))


def ratios(rounds, index, better):
    """Ours by the better of the peers, in each round."""
    return [taken[OURS][index] / better(taken[peer][index] for peer in PEERS) for taken in rounds]


def spread(values):
    text = f"**{statistics.median(values):.2f}**"
    return text + f" ({min(values):.2f}–{max(values):.2f})" if len(values) > 1 else text


def load_table(names, results):
    def row(name, index, better, show):
        cells = [show(statistics.median(taken[server][index] for taken in results[name])) for server in NAMES]
        return [LOADS[name][0], *cells, spread(ratios(results[name], index, better))]

    lines = ["Requests per second, in thousands (more is better):", ""]
    lines += table(["Load", *NAMES, "Viator / better peer"],
                   [row(n, 0, max, lambda v: f"{v / 1000:.1f}") for n in names])
    lines += ["", "Server CPU for each request, in microseconds (less is better):", ""]
    lines += table(["Load", *NAMES, "Viator / better peer"], [row(n, 1, min, lambda v: f"{v:.2f}") for n in names])
    return lines


# ----------------------------------------------------------------------------------------------------------- memory


def finish_rehash(server, keys):
    """A chained table that is growing holds two arrays until enough commands have come by: lets that end, so that
    nobody is charged for a passing state."""
    for _ in range(4):
        conn = Connection(server.port)
        conn.socket.sendall(b"*2\r\n$6\r\nMEMORY\r\n$5\r\nSTATS\r\n")
        time.sleep(0.1)
        reply = conn.socket.recv(1 << 20)
        growing = re.search(rb"db\.dict\.rehashing\.count\r\n:(\d+)", reply)
        if not growing or growing[1] == b"0":
            return
        server.load(EXISTS, 0, keys)


def measure_memory(setup):
    """{contents: {server: [bytes per key for each of MEMORY_SIZES]}}"""
    result = {content: {name: [] for name in NAMES} for content in CONTENTS}
    running = []
    try:
        for content in CONTENTS:
            for name in NAMES:
                running.append((content, Server(name, setup, 1, None)))
        empty = {server: server.settle().resident() for _, server in running}
        held = 0
        for size in MEMORY_SIZES:
            for content, server in running:
                server.load(CONTENTS[content][1], held, size).expect_keys(size)
                finish_rehash(server, size)
            held = size
            say(f"memory: {size} keys loaded, waiting {MEMORY_REST:.0f} s for freed pages to go back")
            time.sleep(MEMORY_REST)
            for content, server in running:
                result[content][server.name].append((server.resident() - empty[server]) / size)
    finally:
        for _, server in running:
            server.stop()
    return result


def memory_table(result):
    sizes = " / ".join(f"{size / 1e6:.1f}M" for size in MEMORY_SIZES)
    rows = []
    for content, (title, _) in CONTENTS.items():
        average = {name: statistics.mean(values) for name, values in result[content].items()}
        cells = [f"{average[n]:.1f} ({' / '.join(f'{v:.0f}' for v in result[content][n])})" for n in NAMES]
        rows.append([title, *cells, f"**{average[OURS] / min(average[peer] for peer in PEERS):.2f}**"])
    return [
        f"Resident bytes for each key of 16 bytes: average over three sizes, in brackets at {sizes} keys (less is better):",
        "",
        *table(["Contents", *NAMES, "Viator / better peer"], rows),
    ]


# ------------------------------------------------------------------------------------------------------------ pause


def background_load(port, keys, core):
    """The loader of the pause measurement, in a process that gives way to the prober at once."""
    os.sched_setaffinity(0, {int(core)})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    load(port, CONTENTS["string"][1], 0, keys, 100)


def probe(server, core, go_on):
    """PING and GET in turn on one connection, each sent when the last was answered, while go_on(): latencies in ns."""
    sock = Connection(server.port).socket
    rng = random.Random(1)
    requests = []
    for _ in range(500):
        requests.append(b"*1\r\n$4\r\nPING\r\n")
        requests.append(b"*2\r\n$3\r\nGET\r\n$16\r\nkey:%012d\r\n" % rng.randrange(100_000))
    taken = array.array("q")
    clock = time.perf_counter_ns
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {int(core)})
    gc.collect()
    gc.disable()
    try:
        while go_on():
            for request in requests:
                begin = clock()
                sock.sendall(request)
                reply = sock.recv(4096)
                taken.append(clock() - begin)
                if reply[-2:] != b"\r\n" or reply[:1] == b"-":
                    die(f"{server.name} answers {reply!r} to {request!r}")
    finally:
        gc.enable()
        os.sched_setaffinity(0, before)
    return taken


def longest(latencies):
    """(longest, 99.9th percentile) in milliseconds"""
    ordered = sorted(latencies)
    return ordered[-1] / 1e6, ordered[int((len(ordered) - 1) * 0.999)] / 1e6


def measure_pause(setup):
    """A list of rounds: {server: (longest idle, p99.9 idle, longest, p99.9, keys per second)}, milliseconds."""
    rounds = []
    fork = multiprocessing.get_context("fork")
    for turn in range(setup.rounds):
        taken = {}
        for name in rotated(NAMES, turn):
            with Servers(setup, 1, setup.server_core, [name]) as (server,):
                end = time.monotonic() + setup.idle_seconds
                idle = longest(probe(server, setup.load_core, lambda: time.monotonic() < end))
                loader = fork.Process(target=background_load, args=(server.port, setup.pause_keys, setup.load_core))
                begin = time.monotonic()
                loader.start()
                try:
                    busy = longest(probe(server, setup.load_core, loader.is_alive))
                finally:
                    loader.kill()
                    loader.join()
                speed = setup.pause_keys / (time.monotonic() - begin)
                server.expect_keys(setup.pause_keys)
            taken[name] = (*idle, *busy, speed)
            say(f"round {turn + 1}/{setup.rounds} pause, {name}: idle max {idle[0]:.2f} p99.9 {idle[1]:.3f} ms, "
                f"inserting max {busy[0]:.2f} p99.9 {busy[1]:.3f} ms, {speed / 1000:.0f}k keys/s")
        rounds.append(taken)
    return rounds


def pause_table(setup, rounds):
    def row(title, index, digits, better=None, scale=1):
        cells = [f"{statistics.median(taken[n][index] for taken in rounds) * scale:.{digits}f}" for n in NAMES]
        return [title, *cells, spread(ratios(rounds, index, better)) if better else ""]

    return [
        f"Latency of PING and GET while {setup.pause_keys / 1e6:.0f}M keys with 64-byte values are inserted, in "
        "milliseconds (less is better):",
        "",
        *table(["", *NAMES, "Viator / better peer"], [
            row("longest, inserting", 2, 2, min),
            row("p99.9, inserting", 3, 3, min),
            row("longest, idle server (noise)", 0, 2),
            row("p99.9, idle server (noise)", 1, 3),
            row("keys inserted, thousands/s", 4, 0, scale=0.001),
        ]),
    ]


# ----------------------------------------------------------------------------------------------------------- report


def table(head, rows):
    rule = ["---", *["---:"] * (len(head) - 1)]
    return ["| " + " | ".join(row) + " |" for row in [head, rule, *rows]]


def version_of(binary):
    done = subprocess.run([binary, "--version"], capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().splitlines()[0] if done.stdout or done.stderr else "unknown"


def steal():
    """(stolen, all) processor time so far, in ticks"""
    fields = [int(f) for f in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return fields[7], sum(fields)


def environment(setup, stolen, load_before):
    model = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / 2**20
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    lines = [
        f"- {model[1] if model else 'unknown processor'}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Linux {os.uname().release}",
        f"- Rounds: {setup.rounds}, about {setup.seconds:g} s for each load and server; load average {load_before:.2f} at "
        f"the start, {stolen:.1%} of the processor time stolen by the host",
        f"- Viator: {version_of(setup.binaries[OURS])}" + (f", commit {commit.stdout.strip()}" if commit.stdout else ""),
    ]
    lines += [f"- {name}: {version_of(setup.binaries[name])}" for name in PEERS]
    lines.append(f"- {version_of('redis-benchmark')}")
    return lines


def write_docs(sections):
    text = DOCS.read_text()
    for name, lines in sections.items():
        begin, end = f"<!-- run.py: {name} -->", f"<!-- end of {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            die(f"{DOCS} has no place for {name}: {begin} … {end}")
        head, _, rest = text.partition(begin)
        _, _, tail = rest.partition(end)
        text = "\n".join([head + begin, "", *lines, "", end + tail])
    DOCS.write_text(text)
    say(f"wrote {', '.join(sections)} to {DOCS.relative_to(ROOT)}")


class Setup:
    def __init__(self, args):
        self.rounds = args.rounds or (1 if args.quick else 3)
        self.seconds = 1.0 if args.quick else 2.5
        self.pause_keys = 4_000_000 if args.quick else 10_000_000
        self.idle_seconds = 1.5 if args.quick else 4.0
        self.port = args.port
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            die("two cores are needed: one for the server, one for the load")
        # The first core usually serves the devices' interrupts: the server gets the other one.
        self.load_core, self.server_core = str(cores[0]), str(cores[-1])
        self.binaries = self.find(args.server)
        self.load_generator = str(self.target() / "examples" / "load")
        if not os.access(self.load_generator, os.X_OK):
            die("the load generator is not there: cargo build --release --example load")
        for tool in ("redis-benchmark", "taskset"):
            if not shutil.which(tool):
                die(f"{tool} is not on PATH (Debian: apt-get install redis-tools util-linux)")

    @staticmethod
    def target():
        return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"

    @classmethod
    def find(cls, ours):
        found = {OURS: Path(ours or cls.target() / "viator").resolve()}
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        peers = Path(os.environ.get("VIATOR_PEERS") or Path(cache) / "viator-peers") / "bin"
        found.update({name: peers / file for name, file in PEERS.items()})
        for name, path in found.items():
            if not os.access(path, os.X_OK):
                hint = "cargo build --release, or --server PATH" if name == OURS else "tests/fetch-peers.sh servers"
                die(f"{name} is not there: {path}\nGet it with: {hint}")
        return {name: str(path) for name, path in found.items()}

    def free_port(self):
        for _ in range(1000):
            port = self.port
            self.port += 1
            with socket.socket() as attempt:
                attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    attempt.bind(("127.0.0.1", port))
                    return port
                except OSError:
                    continue
        die(f"no free port from {self.port - 1000} on")


def main():
    parser = argparse.ArgumentParser(description="Measures Viator against Redis 8.2 and Valkey 9.1.")
    parser.add_argument("--quick", action="store_true", help="one round, short runs, 4M keys for the pause: to see that it works")
    parser.add_argument("--server", metavar="PATH", help="the server instead of target/release/viator")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[*GROUPS, *LOADS], default=list(GROUPS),
                        help=f"of {', '.join([*GROUPS, *LOADS])}")
    parser.add_argument("--rounds", type=int, metavar="N", help="instead of 3, or of 1 with --quick")
    parser.add_argument("--port", type=int, default=23000, metavar="BASE", help="first port to use (23000)")
    parser.add_argument("--write", action="store_true", help="also put the tables into docs/performance.md")
    args = parser.parse_args()
    if args.write and not set(args.only) <= set(GROUPS):
        die("--write takes whole sections: " + ", ".join(GROUPS))
    setup = Setup(args)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server stays behind
    load_before = os.getloadavg()[0]
    if load_before > 0.5:
        say(f"the load average is {load_before:.2f}: on a busy machine the figures mean little")

    sections = {}
    before = steal()
    results = {}
    for group, members in GROUPS.items():
        names = [name for name in members if group in args.only or name in args.only]
        if not names:
            continue
        if group == "memory":
            sections[group] = memory_table(measure_memory(setup))
        elif group == "pause":
            sections[group] = pause_table(setup, measure_pause(setup))
        elif group in families.SECTIONS:
            sections[group] = families.SECTIONS[group](setup)
        else:
            measure_loads(setup, names, results)
            sections[group] = load_table(names, results)
    after = steal()
    stolen = (after[0] - before[0]) / max(after[1] - before[1], 1)
    sections = {"environment": environment(setup, stolen, load_before), **sections}
    for name, lines in sections.items():
        print("\n".join([f"### {name.capitalize()}", "", *lines, ""]))
    if args.write:
        write_docs(sections)
    say("done")


START = time.monotonic()
if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]  # families.py uses what is here
    import families

    main()
