#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures varve beside other event stores, in turns; `make bench-peers` has built and installed what is needed.

usage: run.py BUILD [--quick] [--appends] [--commands] [--projections] [PEER…]

BUILD is varve's build folder; what came from npm and PyPI is below BUILD/peers. Every append, and every command, is one
event of about 250 bytes, and is answered when it is durable; before anything is measured, the flushes are counted.
Without an option of theirs, all three tables are made.
"""

import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
QUICK = "--quick" in sys.argv
WORDS = [word for word in sys.argv[1:] if not word.startswith("--")]
BUILD = pathlib.Path(WORDS[0] if WORDS else ROOT / "build").resolve()
ONLY = WORDS[1:]
TABLES = ("--appends", "--commands", "--projections")
PYTHON = BUILD / "peers/venv/bin/python"
os.environ.setdefault("VARVE_MODULES", str(BUILD / "lib/varve"))
ROUNDS = 1 if QUICK else 5
# How many by one caller, by 16, by 64.
COUNTS = {1: 100, 16: 600, 64: 1200} if QUICK else {1: 500, 16: 4000, 64: 10000}
COMMANDS = {1: 50, 16: 200, 64: 400} if QUICK else {1: 200, 16: 1000, 64: 3000}
HOT_COMMANDS = {1: 50, 16: 100, 64: 200} if QUICK else {1: 200, 16: 400, 64: 800}
AGGREGATES = 1000
FOLLOWED = 2000 if QUICK else 20000  # the events of the log that a projection follows
TRIED = 50  # appends or commands that flushes are counted with
STRACE = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,msync,sync_file_range", "-o"]


class Missing(Exception):
    """Why something cannot be measured."""


def check(arguments, **more):
    done = subprocess.run([str(each) for each in arguments], capture_output=True, text=True, timeout=300, **more)
    if done.returncode != 0:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        telling = [line for line in said if re.search(r"error:|cannot|not found|failed", line, re.IGNORECASE)]
        raise Missing((telling or said or ["no word of why"])[-1].strip()[:150])
    return done.stdout


def count_lines(path):
    """The flushes in a trace. A call that was interrupted has two lines, and one of them has the opening bracket."""
    return len(re.findall(r"\b(?:fsync|fdatasync|msync|sync_file_range)\(", pathlib.Path(path).read_text()))


# ---- the servers ----


class Postgres:
    """A server of our own, started by tests/support/postgres."""

    def __init__(self, folder):
        self.folder = folder / "postgres"
        self.script = ROOT / "tests/support/postgres"
        check([self.script, "start", self.folder, "fsync=on", "synchronous_commit=on"])
        self.base = (self.folder / "uri").read_text().strip()
        self.made = set()
        if [self.ask("SHOW fsync"), self.ask("SHOW synchronous_commit")] != ["on", "on"]:
            raise Missing("the server does not flush")

    def uri(self, database):
        return self.base.replace("/postgres?", f"/{database}?")

    def ask(self, sql, database="postgres"):
        return check(["psql", "-XAtq", "-c", sql, self.uri(database)]).strip()

    def database(self, name, prepare=None):
        if name not in self.made:
            self.ask(f"CREATE DATABASE {name}")
            if prepare is not None:
                prepare(self, name)
            self.made.add(name)
        return self.uri(name)

    def flushes(self):
        time.sleep(1.5)  # a process that ended has told of its flushes by then
        return int(self.ask("SELECT wal_sync FROM pg_stat_wal"))

    def stop(self):
        subprocess.run([str(self.script), "stop", str(self.folder)], check=False)


@contextlib.contextmanager
def serving(arguments, address, trace=None):
    """A server that says where it listens; ended behind it."""
    words = [str(each) for each in arguments]
    log = tempfile.TemporaryFile("w+")  # a pipe that nobody reads would fill
    server = subprocess.Popen((STRACE + [str(trace)] if trace else []) + words, stdout=log, stderr=log)
    try:
        for _ in range(300):
            log.seek(0)
            said = log.read()
            found = re.search(address, said)
            if found:
                yield "http://" + found.group(1)
                return
            if server.poll() is not None:
                break
            time.sleep(0.1)
        raise Missing(f"{words[0]} does not listen: {said.strip()[-120:]}")
    finally:
        # strace passes no signal on: its child is the server.
        children = pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children")
        pids = children.read_text().split() if trace and server.poll() is None else []
        for pid in pids or ([str(server.pid)] if server.poll() is None else []):
            os.kill(int(pid), signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def serve_varve(store, trace=None):
    # The aggregate of commands; appends have nothing to do with it.
    app = BUILD / "peers/app"
    shutil.rmtree(app, ignore_errors=True)
    (app / "aggregates").mkdir(parents=True)
    shutil.copy(HERE / "order.lua", app / "aggregates/order.lua")
    return serving(
        [BUILD / "varve", "serve", app, "--store", store, "--listen", "127.0.0.1:0"],
        r"listening on http://(127\.0\.0\.1:\d+)",
        trace,
    )


def serve_umadb(folder, trace=None):
    # It does not say which port it was given, so that one has to be found first.
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(exist_ok=True)
    return serving(
        [BUILD / "peers/venv/bin/umadb", "--listen", f"127.0.0.1:{port}", "--db-path", folder],
        r"listening on (?:http://)?(127\.0\.0\.1:\d+)",
        trace,
    )


# ---- the sides ----


def install_message_db(postgres, name):
    place = pathlib.Path(re.search(r"host=([^&]*)", postgres.base).group(1))
    words = {
        "PGHOST": str(place),
        "PGPORT": re.search(r"port=(\d+)", postgres.base).group(1),
        "PGUSER": "varve",
        "DATABASE_NAME": name,
        "CREATE_DATABASE": "off",
    }
    script = BUILD / "peers/postgresql/node_modules/@eventide/message-db/database/install.sh"
    check(["bash", script], env={**os.environ, **words})


class Side:
    """Something that appends, or executes commands: a script (or varve-peer), what it is given as its target, and how
    its flushes show. `first` goes on from run to run, because they share a store."""

    def __init__(self, command, target, server=None, postgres=None):
        self.command, self.target, self.server, self.postgres = command, target, server, postgres
        self.first = 0

    def run(self, callers, count, lines, trace=None):
        with contextlib.ExitStack() as stack:
            target, prefix = self.target, []
            if self.server is not None:
                target = stack.enter_context(self.server(self.target, trace))
            elif trace is not None:
                prefix = STRACE + [str(trace)]
            said = check(prefix + self.command + [target, lines, callers, count, self.first])
        self.first += count
        return json.loads(said.strip().splitlines()[-1])

    def flushes(self, lines, folder):
        """How many there are for an append, or a command, of one caller."""
        if self.postgres is not None:
            self.run(1, 1, lines)  # makes the tables
            before = self.postgres.flushes()
            self.run(1, TRIED, lines)
            return (self.postgres.flushes() - before) / TRIED
        if shutil.which("strace") is None:
            raise Missing("strace is not there, so that its flushes cannot be counted")
        trace = folder / "trace"
        self.run(1, 1, lines)
        self.run(1, TRIED, lines, trace)
        return count_lines(trace) / TRIED


class PostgresLog:
    """A database with the log that projections follow, each time in a copy of it."""

    def __init__(self, postgres, name):
        self.postgres, self.name = postgres, name

    def fill(self, command, callers, events):
        uri = self.postgres.database(self.name)
        # Filling is not what is measured; copies do not have the setting.
        self.postgres.ask(f"ALTER DATABASE {self.name} SET synchronous_commit = off")
        Side(command, uri).run(callers, FOLLOWED, events)
        self.postgres.ask("VACUUM ANALYZE", self.name)  # not while something is measured

    def copy(self):
        self.postgres.ask(f"DROP DATABASE IF EXISTS {self.name}_copy")
        self.postgres.ask(f"CREATE DATABASE {self.name}_copy TEMPLATE {self.name}")
        self.postgres.ask("CHECKPOINT")
        return self.postgres.uri(f"{self.name}_copy")


class FileLog:
    """The same in a file."""

    postgres = None

    def __init__(self, folder, name, prefix=""):
        self.folder, self.name, self.prefix = folder, name, prefix

    def fill(self, command, callers, events):
        # In memory, where flushes are free.
        place = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else self.folder))
        try:
            Side(command, f"{self.prefix}{place}/log.db").run(callers, FOLLOWED, events)
            shutil.copytree(place, self.folder / self.name)
        finally:
            shutil.rmtree(place)

    def copy(self):
        to = self.folder / f"{self.name}-copy"
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.folder / self.name, to)
        os.sync()
        return f"{self.prefix}{to}/log.db"


class Follower:
    """Something that follows a log by a projection until its model has all events, which it checks itself."""

    def __init__(self, command, log, *settings):
        self.command, self.log, self.settings = command, log, settings

    def follow(self, target, trace=None):
        prefix = STRACE + [str(trace)] if trace else []
        said = check(prefix + self.command + [target, FOLLOWED, *self.settings])
        return json.loads(said.strip().splitlines()[-1])

    def run(self):
        return self.follow(self.log.copy())

    def flushes(self, folder):
        """How many there are for an event."""
        target, postgres = self.log.copy(), self.log.postgres
        if postgres is not None:
            before = postgres.flushes()
            self.follow(target)
            return (postgres.flushes() - before) / FOLLOWED
        if shutil.which("strace") is None:
            raise Missing("strace is not there, so that its flushes cannot be counted")
        self.follow(target, folder / "trace")
        return count_lines(folder / "trace") / FOLLOWED


def node(folder, script):
    if not (BUILD / "peers" / folder / "node_modules").is_dir():
        why = BUILD / "peers" / folder / "why"
        raise Missing(why.read_text().strip() if why.is_file() else "npm has not installed it")
    return ["node", BUILD / "peers" / folder / f"{script}.mjs"]


def python(script):
    if not PYTHON.is_file():
        raise Missing("pip has not installed it")
    return [PYTHON, HERE / f"{script}.py"]


def make_peer(name, folder, postgres):
    if name == "emmett_postgresql":
        return Side(node("postgresql", name), postgres.database("emmett"), postgres=postgres)
    if name == "message_db":
        return Side(node("postgresql", name), postgres.database("messages", install_message_db), postgres=postgres)
    if name == "eventsourcing_postgresql":
        return Side(python("eventsourcing_peer"), postgres.database("eventsourcing"), postgres=postgres)
    if name == "emmett_sqlite":
        return Side(node("sqlite", name), folder / "emmett.db")
    if name == "eventsourcing_sqlite":
        return Side(python("eventsourcing_peer"), folder / "eventsourcing.db")
    return Side(python("umadb_peer"), folder / "umadb", server=serve_umadb)


def make_commanded(name, folder, postgres):
    """The peer with a command handler, or with aggregates; on stores that appends have not seen."""
    if name == "emmett_postgresql":
        return Side(node("postgresql", f"{name}_command"), postgres.database("emmett_commands"), postgres=postgres)
    if name == "eventsourcing_postgresql":
        place = postgres.database("eventsourcing_commands")
        return Side(python("eventsourcing_command"), place, postgres=postgres)
    if name == "emmett_sqlite":
        return Side(node("sqlite", f"{name}_command"), folder / "emmett-commands.db")
    return Side(python("eventsourcing_command"), folder / "eventsourcing-commands.db")


def make_followers(name, folder, postgres, events):
    """The peer's consumer with batches as large as varve's and no pauses, and as it is by default; and varve."""
    on_postgres = name == "emmett_postgresql"
    kind = "postgresql" if on_postgres else "sqlite"
    theirs = PostgresLog(postgres, "emmett_log") if on_postgres else FileLog(folder, "emmett-log")
    ours = PostgresLog(postgres, "varve_log") if on_postgres else FileLog(folder, "varve-log", "sqlite:")
    # By one caller: Emmett's consumer leaves out some of what was appended at once (README.md).
    theirs.fill(node(kind, name), 1, events)
    ours.fill([BUILD / "bench/varve-peer"], 16, events)
    follow = node(kind, f"{name}_projection")
    return {
        name: Follower(follow, theirs, 1000, 0),
        "as by default": Follower(follow, theirs),
        "varve, SQL": Follower([BUILD / "bench/varve-peer", "projection"], ours),
    }


def make_inlined(name, folder, postgres):
    """Appends under an inline projection; on stores that nothing else has seen."""
    peer = [BUILD / "bench/varve-peer", "inline"]
    if name == "emmett_postgresql":
        theirs = Side(node("postgresql", f"{name}_inline"), postgres.database("emmett_inline"), postgres=postgres)
        return {name: theirs, "varve, SQL": Side(peer, postgres.database("varve_inline"), postgres=postgres)}
    theirs = Side(node("sqlite", f"{name}_inline"), folder / "emmett-inline.db")
    return {name: theirs, "varve, SQL": Side(peer, f"sqlite:{folder}/varve-inline.db")}


# What each is measured beside: on PostgreSQL varve is there too.
PEERS = {
    "emmett_postgresql": "node",
    "message_db": "node",
    "eventsourcing_postgresql": "python",
    "emmett_sqlite": "node",
    "eventsourcing_sqlite": "python",
    "umadb": "python",
}
PROJECTED = ["emmett_postgresql", "emmett_sqlite"]
COMMANDED = ["emmett_postgresql", "eventsourcing_postgresql", "emmett_sqlite", "eventsourcing_sqlite"]


def make_ours(name, folder, postgres, commands):
    """varve as a library in C, and its server with a client in the peer's language; commands also decided in Lua."""
    on_postgres = postgres if name in ("emmett_postgresql", "message_db", "eventsourcing_postgresql") else None

    def side(words, suffix, server=None):
        what = f"{suffix}_commands" if commands else suffix
        if on_postgres:
            return Side(words, on_postgres.database(f"varve_{name}_{what}"), server, on_postgres)
        return Side(words, f"sqlite:{folder}/varve-{name}-{what}.db", server)

    peer = BUILD / "bench/varve-peer"
    script = "varve_http_command" if commands else "varve_http"
    client = ["node", HERE / f"{script}.mjs"] if PEERS[name] == "node" else python(script)
    if not commands:
        return {"varve, in C": side([peer], "c"), "varve, HTTP": side(client, "http", serve_varve)}
    return {
        "varve, in C": side([peer, "command", "C"], "c"),
        "varve, in Lua": side([peer, "command", HERE / "order.lua"], "lua"),
        "varve, HTTP and Lua": side(client, "http", serve_varve),
    }


# ---- what is done ----


class Commands:
    """The lines of commands, made of the events that they are to emit: over many aggregates in turn, or over one that
    is new in each round."""

    NAMES = {"OrderPlaced": "PlaceOrder", "OrderAmended": "AmendOrder", "OrderPaid": "PayOrder",
             "OrderShipped": "ShipOrder"}

    def __init__(self, folder, events):
        self.folder = folder
        self.events = [json.loads(line) for line in events.splitlines()]
        self.hot = 0
        self.many = self.write("commands", lambda number: f"order-{number % AGGREGATES}", len(self.events))

    def write(self, name, stream_of, count):
        path = self.folder / name
        with open(path, "w", encoding="utf-8") as file:
            for number, event in enumerate(self.events[:count]):
                command = {"type": self.NAMES[event["type"]], "stream": stream_of(number), "data": event["data"]}
                file.write(json.dumps(command) + "\n")
        return path

    def one(self, count):
        self.hot += 1
        return self.write("hot", lambda _: f"order-hot{self.hot}", count)


# ---- the table ----


def say(*words):
    print(*words, flush=True)


def print_cell(name, sides, rounds, label, flushed, commands):
    """The medians of a cell, a line for each side."""
    for side in sides:
        rates = [each[side]["done"] / each[side]["seconds"] for each in rounds]
        peer = [each[name]["done"] / each[name]["seconds"] for each in rounds]
        ratios = [ours / theirs for ours, theirs in zip(rates, peer) if theirs > 0]
        p50, p99 = (
            f"{statistics.median(each[side][key] for each in rounds):9.2f}" if key in rounds[0][side] else f"{'-':>9}"
            for key in ("p50_ms", "p99_ms")
        )
        ratio = f"{statistics.median(ratios):6.1f}x  {min(ratios):.1f}-{max(ratios):.1f}" if ratios else ""
        lost = statistics.median(1 - each[side]["done"] / each[side]["count"] for each in rounds)
        given_up = f" {lost:>8.0%}" if commands else ""
        say(
            f"{'  ' if side != name else ''}{side:<{26 if side == name else 24}} {label}"
            f" {statistics.median(rates):>9,.0f} {p50} {p99} {flushed[side]:>8.2f}{given_up}"
            f"  {ratio if side.startswith('varve') else ''}".rstrip()
        )


def measure(name, sides, cells, tried, folder, commands):
    """Cells are (label, callers, count, what gives the lines of a round)."""
    flushed = {side: sides[side].flushes(tried, folder) for side in sides}
    for label, callers, count, lines_of in cells:
        rounds = []
        for number in range(ROUNDS):
            print(f"bench-peers: {name}, {' '.join(label.split())}, round {number + 1} of {ROUNDS}", file=sys.stderr)
            lines = lines_of()
            rounds.append({side: sides[side].run(callers, count, lines) for side in sides})
        print_cell(name, sides, rounds, label, flushed, commands)
    weak = [side for side in sides if flushed[side] < 0.95]
    if weak:
        what = "command" if commands else "append"
        say(f"  not every {what} was flushed by: {', '.join(weak)}; the ratio says little")


def measure_appends(names, folder, postgres, events):
    say(f"one event of about 250 bytes an append; medians of {ROUNDS} rounds; ratio: varve through the peer\n")
    heads = f"{'callers':>7} {'appends/s':>9} {'p50, ms':>9} {'p99, ms':>9} {'flushes':>8}  {'ratio':>7}  from-to"
    say(f"{'':<26} {heads}")
    cells = [(f"{callers:>7}", callers, count, lambda: events) for callers, count in COUNTS.items()]
    for name in names:
        try:
            sides = {name: make_peer(name, folder, postgres), **make_ours(name, folder, postgres, False)}
            measure(name, sides, cells, events, folder, False)
        except (Missing, subprocess.TimeoutExpired) as why:
            say(f"{name:<26} not measured: {why}")


def measure_commands(names, folder, postgres, commands):
    say(f"\ncommands of one event each; medians of {ROUNDS} rounds; ratio: what took effect, varve through the peer\n")
    heads = f"{'orders':>7} {'callers':>7} {'done/s':>9} {'p50, ms':>9} {'p99, ms':>9} {'flushes':>8} {'given up':>8}"
    say(f"{'':<26} {heads}  {'ratio':>7}  from-to")
    cells = [
        (f"{AGGREGATES:>7,} {callers:>7}", callers, count, lambda: commands.many) for callers, count in COMMANDS.items()
    ] + [
        (f"{1:>7} {callers:>7}", callers, count, lambda count=count: commands.one(count))
        for callers, count in HOT_COMMANDS.items()
    ]
    for name in names:
        try:
            sides = {name: make_commanded(name, folder, postgres), **make_ours(name, folder, postgres, True)}
            measure(name, sides, cells, commands.many, folder, True)
        except (Missing, subprocess.TimeoutExpired) as why:
            say(f"{name:<26} not measured: {why}")


def measure_projections(names, folder, postgres, events):
    say(f"\nprojections of one upsert an event: catching up with a log of {FOLLOWED:,} events; inline, under appends by"
        f" 16 callers;\nmedians of {ROUNDS} rounds; ratio: varve through the peer\n")
    heads = f"{'':>9} {'events/s':>9} {'p50, ms':>9} {'p99, ms':>9} {'flushes':>8}  {'ratio':>7}  from-to"
    say(f"{'':<26} {heads}")
    for name in names:
        try:
            sides = make_followers(name, folder, postgres, events)
            flushed = {side: sides[side].flushes(folder) for side in sides}
            rounds = []
            for number in range(ROUNDS):
                print(f"bench-peers: {name}, catch-up, round {number + 1} of {ROUNDS}", file=sys.stderr)
                rounds.append({side: sides[side].run() for side in sides})
            print_cell(name, sides, rounds, f"{'catch-up':>9}", flushed, False)
        except (Missing, subprocess.TimeoutExpired) as why:
            say(f"{name:<26} {'catch-up':>9} not measured: {why}")
        try:
            cells = [(f"{'inline':>9}", 16, COUNTS[16], lambda: events)]
            measure(name, make_inlined(name, folder, postgres), cells, events, folder, False)
        except (Missing, subprocess.TimeoutExpired) as why:
            say(f"{name:<26} {'inline':>9} not measured: {why}")


def main():
    names = ONLY or list(PEERS)
    unknown = [name for name in names if name not in PEERS]
    neither = [word for word in sys.argv[1:] if word.startswith("--") and word not in ("--quick", *TABLES)]
    if neither:
        sys.exit(f"bench-peers: there is no option {neither[0]}")
    if unknown:
        sys.exit(f"bench-peers: there is no peer {unknown[0]}; there are {', '.join(PEERS)}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=BUILD / "peers"))
    events, postgres = folder / "events", None
    try:
        events.write_text(check([BUILD / "bench/varve-peer", "events"]), encoding="utf-8")
        postgres = Postgres(folder)
        now = datetime.datetime.now(datetime.timezone.utc)
        say(f"{now:%Y-%m-%dT%H:%MZ}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, PostgreSQL",
            postgres.ask("SHOW server_version"), "with fsync and synchronous_commit on")
        tables = [table for table in TABLES if table in sys.argv] or TABLES
        if "--appends" in tables:
            measure_appends(names, folder, postgres, events)
        if "--commands" in tables:
            commands = Commands(folder, events.read_text(encoding="utf-8"))
            measure_commands([name for name in names if name in COMMANDED], folder, postgres, commands)
        if "--projections" in tables:
            measure_projections([name for name in names if name in PROJECTED], folder, postgres, events)
    finally:
        if postgres is not None:
            postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


main()
