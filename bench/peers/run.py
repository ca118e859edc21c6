#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures varve beside other event stores, in turns; `make bench-peers` has built and installed what is needed.

usage: run.py BUILD [--quick] [PEER…]

BUILD is varve's build folder; what came from npm and PyPI is below BUILD/peers. Every append is one event of about 250
bytes, and is answered when it is durable; before anything is measured, the flushes are counted.
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
PYTHON = BUILD / "peers/venv/bin/python"
os.environ.setdefault("VARVE_MODULES", str(BUILD / "lib/varve"))
ROUNDS = 1 if QUICK else 5
COUNTS = {1: 100, 16: 600, 64: 1200} if QUICK else {1: 500, 16: 4000, 64: 10000}
TRIED = 50  # appends that flushes are counted with
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
    app = BUILD / "peers/app"
    # An application there has to be; this one has nothing to do with orders.
    (app / "aggregates").mkdir(parents=True, exist_ok=True)
    (app / "aggregates/nothing.lua").write_text("return { category = 'nothing', decide = {}, evolve = {} }\n")
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
    """Something that appends: a script (or varve-peer), what it is given as its target, and how its flushes show."""

    def __init__(self, command, target, server=None, postgres=None):
        self.command, self.target, self.server, self.postgres = command, target, server, postgres
        self.first = 0

    def run(self, callers, count, events, trace=None):
        with contextlib.ExitStack() as stack:
            target, prefix = self.target, []
            if self.server is not None:
                target = stack.enter_context(self.server(self.target, trace))
            elif trace is not None:
                prefix = STRACE + [str(trace)]
            said = check(prefix + self.command + [target, events, callers, count, self.first])
        self.first += count
        return json.loads(said.strip().splitlines()[-1])

    def flushes(self, events, folder):
        """How many there are for an append of one caller, and what was counted."""
        if self.postgres is not None:
            self.run(1, 1, events)  # makes the tables
            before = self.postgres.flushes()
            self.run(1, TRIED, events)
            return (self.postgres.flushes() - before) / TRIED
        if shutil.which("strace") is None:
            raise Missing("strace is not there, so that its flushes cannot be counted")
        trace = folder / "trace"
        self.run(1, 1, events)
        self.run(1, TRIED, events, trace)
        return count_lines(trace) / TRIED


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


# What each is measured beside: on PostgreSQL varve is there too.
PEERS = {
    "emmett_postgresql": "node",
    "message_db": "node",
    "eventsourcing_postgresql": "python",
    "emmett_sqlite": "node",
    "eventsourcing_sqlite": "python",
    "umadb": "python",
}


def make_ours(name, folder, postgres):
    """varve as a library in C, and its server with a client in the peer's language."""
    on_postgres = postgres if name in ("emmett_postgresql", "message_db", "eventsourcing_postgresql") else None

    def store(suffix):
        if on_postgres:
            return on_postgres.database(f"varve_{name}_{suffix}")
        return f"sqlite:{folder}/varve-{name}-{suffix}.db"

    client = ["node", HERE / "varve_http.mjs"] if PEERS[name] == "node" else python("varve_http")
    return {
        "varve, in C": Side([BUILD / "bench/varve-peer"], store("c"), postgres=on_postgres),
        "varve, HTTP": Side(client, store("http"), server=serve_varve, postgres=on_postgres),
    }


# ---- the table ----


def say(*words):
    print(*words, flush=True)


def measure(name, folder, postgres, events):
    sides = {name: make_peer(name, folder, postgres), **make_ours(name, folder, postgres)}
    flushed = {side: sides[side].flushes(events, folder) for side in sides}
    for callers, count in COUNTS.items():
        rounds = []
        for number in range(ROUNDS):
            print(f"bench-peers: {name}, {callers} callers, round {number + 1} of {ROUNDS}", file=sys.stderr)
            rounds.append({side: sides[side].run(callers, count, events) for side in sides})
        for side in sides:
            rates = [each[side]["count"] / each[side]["seconds"] for each in rounds]
            ratios = [rate / (each[name]["count"] / each[name]["seconds"]) for rate, each in zip(rates, rounds)]
            p50, p99 = (statistics.median(each[side][key] for each in rounds) for key in ("p50_ms", "p99_ms"))
            ratio = "" if side == name else f"{statistics.median(ratios):6.1f}x  {min(ratios):.1f}-{max(ratios):.1f}"
            say(
                f"{'  ' if side != name else ''}{side:<{26 if side == name else 24}} {callers:>7}"
                f" {statistics.median(rates):>9,.0f} {p50:>9.2f} {p99:>9.2f} {flushed[side]:>8.2f}  {ratio}"
            )
    weak = [side for side in sides if flushed[side] < 0.95]
    if weak:
        say(f"  not every append was flushed by: {', '.join(weak)}; the ratio says little")


def main():
    names = ONLY or list(PEERS)
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        sys.exit(f"bench-peers: there is no peer {unknown[0]}; there are {', '.join(PEERS)}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=BUILD / "peers"))
    events, postgres = folder / "events", None
    try:
        events.write_text(check([BUILD / "bench/varve-peer", "events"]))
        postgres = Postgres(folder)
        now = datetime.datetime.now(datetime.timezone.utc)
        say(f"{now:%Y-%m-%dT%H:%MZ}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, PostgreSQL",
            postgres.ask("SHOW server_version"), "with fsync and synchronous_commit on")
        say(f"one event of about 250 bytes an append; medians of {ROUNDS} rounds; ratio: varve through the peer\n")
        heads = f"{'callers':>7} {'appends/s':>9} {'p50, ms':>9} {'p99, ms':>9} {'flushes':>8}  {'ratio':>7}  from-to"
        say(f"{'':<26} {heads}")
        for name in names:
            try:
                measure(name, folder, postgres, events)
            except (Missing, subprocess.TimeoutExpired) as why:
                say(f"{name:<26} not measured: {why}")
    finally:
        if postgres is not None:
            postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


main()
