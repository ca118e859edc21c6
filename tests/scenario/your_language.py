#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the programs of docs/your-language.md against a server, and holds them to what the page says.

usage: your_language.py VARVE DOCUMENT NODE_FOLDER

NODE_FOLDER gets the TypeScript compiler, as node/package-lock.json beside this file has it, and keeps it for the next
run. The store is a file, or on PostgreSQL where VARVE_TEST_STORE says so (VARVE_TEST_POSTGRES: tests/support/postgres).
"""

import concurrent.futures
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import urllib.request
import uuid

from documents import HERE, blocks, fail, node_modules, run

sys.path.append(os.path.join(HERE, "your_language"))
from gateway import Gateway  # noqa: E402  pylint: disable=wrong-import-position

FILES = ["bank/projections/balances.sql", "bank/queries/balance.sql", "account.py", "client.py", "try.py", "account.ts",
         "client.ts", "try.ts", "balances.py", "balances.ts"]
LANGUAGES = {"python": [sys.executable, "-B", "driver.py"], "typescript": ["node", "driver.js"]}
LIMIT_S = 270
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def check(holds, what):
    if not holds:
        fail(what)


class Server:
    """varve serve, on a free port."""

    def __init__(self, varve, app, store):
        self.command = [varve, "serve", app, "--store", store, "--listen", "127.0.0.1:0"]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = ""
        for line in self.process.stderr:
            said += line
            if line.startswith("listening on "):
                self.url = line.split()[2]
                return
        fail(f"varve does not serve: {said}")

    def stop(self):
        self.process.terminate()
        said = self.process.communicate()[1]
        check(self.process.returncode == 0, f"the server ended with {self.process.returncode}: {said}")


class Bank:
    """What the test does without the page's programs, and how it runs them."""

    def __init__(self, url, folder):
        self.url, self.folder = url, folder

    def request(self, path, body=None):
        asked = urllib.request.Request(self.url + path, body and json.dumps(body).encode(),
                                       {"Content-Type": "application/json"} if body else {})
        with opener.open(asked, timeout=60) as answer:
            return json.load(answer)

    def head(self):
        after, answer = 0, {"next": 0}
        while answer["next"] is not None:
            answer = self.request(f"/log?limit=1000&after={after}")
            after = answer["last_position"]
        return after

    def stream(self, stream):
        """All events of a stream, whose versions are 1, 2, 3 …"""
        events, following = [], 1
        while following is not None:
            page = self.request(f"/streams/{stream}?limit=1000&from={following}")
            events, following = events + page["events"], page["next"]
        check([event["version"] for event in events] == list(range(1, len(events) + 1)), f"{stream} has a gap")
        return events

    def balances(self):
        """Every account's balance by its events, none of which may have left it below zero."""
        found = {}
        for stream in self.request("/streams?category=account&limit=1000")["streams"]:
            balance = 0
            for event in self.stream(stream["stream"]):
                sign = {"MoneyDeposited": 1, "MoneyWithdrawn": -1}.get(event["type"], 0)
                balance += sign * event["data"].get("amount", 0)
                check(balance >= 0, f"{stream} is below zero at version {event['version']}")
            found[stream["stream"]] = balance
        return found

    def execute(self, orders, url=None, timeout=30, seconds=60):
        """The outcomes of {language: [[stream, command], …]}, all sent at the same moment, in the same shape."""
        drivers = {}
        for language in orders:
            command = LANGUAGES[language] + [url or self.url, str(timeout), str(seconds)]
            drivers[language] = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.PIPE,
                                                 stdout=subprocess.PIPE, text=True)
        try:
            for language, driver in drivers.items():
                check(driver.stdout.readline() == "ready\n", f"the {language} program does not start")
            for language, driver in drivers.items():
                driver.stdin.write("".join(json.dumps(order) + "\n" for order in orders[language]))
                driver.stdin.close()
            outcomes = {language: [json.loads(line) for line in driver.stdout] for language, driver in drivers.items()}
            for language, driver in drivers.items():
                check(driver.wait() == 0 and len(outcomes[language]) == len(orders[language]), f"{language} failed")
        finally:
            for driver in drivers.values():
                driver.kill()
                driver.wait()
        return outcomes

    def one(self, language, stream, command, **options):
        return self.execute({language: [[stream, command]]}, **options)[language][0]

    def open(self, stream, balance):
        """An account with so much money on it; each language does one half."""
        check(self.one("typescript", stream, order("OpenAccount", owner="ann"))["version"] == 1, "it is not open")
        check(self.one("python", stream, order("Deposit", amount=balance))["version"] == 2, "it has no money")


def order(command_type, **fields):
    return {"id": str(uuid.uuid4()), "type": command_type} | fields


def documented_output(bank, examples):
    """The page's own examples: the second language finds what the first one did."""
    env = dict(os.environ, VARVE_SERVER=bank.url)
    for name, command in (("try.py", [sys.executable, "-B", "try.py"]), ("try.ts", ["node", "try.js"])):
        printed = run(command, env, bank.folder)
        check(printed == examples[name], f"{name} prints\n{printed}and not\n{examples[name]}")
    first = bank.stream("account-1")[0]
    check(first["occurred_at"] == "2026-11-27T16:30:00.000000Z" and first["tags"] == ["owner:ann"] and
          first["metadata"]["correlation_id"] == first["metadata"]["causation_id"], f"the first event is {first}")


def concurrent_withdrawals(bank):
    """64 at once, half of them in each language, and money for 24: as many happen, each once.

    Each language alone asks for more than there is, so that none can do without its condition.
    """
    bank.open("account-busy", 2400)
    orders = {language: [["account-busy", order("Withdraw", amount=100)] for _ in range(32)] for language in LANGUAGES}
    accepted, rejected, left = set(), set(), orders
    while any(left.values()):  # who is told to try again does, as a caller would
        outcomes = bank.execute({language: lines for language, lines in left.items() if lines})
        again = {}
        for language, results in outcomes.items():
            for line, result in zip(left[language], results):
                kinds = {"accepted": accepted, "rejected": rejected}
                if result["outcome"] == "try again":
                    again.setdefault(language, []).append(line)
                else:
                    kinds[result["outcome"]].add(line[1]["id"])
        left = again
    events = bank.stream("account-busy")[2:]
    check(len(accepted) == 24 and len(rejected) == 40, f"{len(accepted)} accepted, {len(rejected)} rejected")
    check(sorted(event["metadata"]["causation_id"] for event in events) == sorted(accepted),
          "not every accepted withdrawal happened exactly once")
    check(bank.balances()["account-busy"] == 0, "money is left")


def lost_answers(bank, gateway):
    """A repeat after a lost answer sends the same bytes, and it is written once."""
    bank.open("account-lost", 10000)
    version = 2
    for language in LANGUAGES:
        for plan in ("cut", "hold", "busy"):
            gateway.plans, gateway.seen = [("/streams/account-lost", plan)], []
            done = bank.one(language, "account-lost", order("Withdraw", amount=1), url=gateway.url, timeout=1)
            version += 1
            check(done["outcome"] == "accepted" and done["version"] == version and not done["repeated"],
                  f"{language}, {plan}: {done}")
            bodies = [body for method, _, _, body in gateway.seen if method == "POST"]
            check(len(bodies) >= 2 and len(set(bodies)) == 1, f"{language}, {plan}: it sent {bodies}")
            check(len(bank.stream("account-lost")) == version, f"{language}, {plan}: it was written twice, or never")


def server_comes_back(bank, gateway, server):
    """A server that is away when a command is to be appended: it is accepted when there is one again."""
    bank.open("account-away", 10)
    for version, language in enumerate(LANGUAGES, 3):
        gateway.expect("/streams/account-away")
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            asked = threads.submit(bank.one, language, "account-away", order("Withdraw", amount=1), url=gateway.url)
            check(gateway.reached.wait(60), f"{language} appends nothing")
            server.stop()
            gateway.release.set()
            server.start()
            gateway.point_to(server.url)
            check(asked.result()["version"] == version, f"{language}: {asked.result()}")
        bank.url = server.url


def commands_sent_again(bank, gateway):
    """Who gave up without an answer asks the other program: it knows what was done, two events here."""
    for language, other in (("python", "typescript"), ("typescript", "python")):
        stream = f"account-again-{language}"
        bank.open(stream, 700)
        closing = order("CloseAccount")
        gateway.plans = [(f"/streams/{stream}", "cut")] * 1000
        given_up = bank.one(language, stream, closing, url=gateway.url, seconds=0.5)
        check(given_up == {"outcome": "try again"}, f"{language} knows better: {given_up}")
        gateway.plans = []
        done = bank.one(other, stream, closing)
        check(done["repeated"] and done["version"] == 4, f"{other} does not know what was done: {done}")
        check([event["type"] for event in bank.stream(stream)[2:]] == ["MoneyWithdrawn", "AccountClosed"],
              f"{stream} was not closed once")


def what_writes_nothing(bank):
    bank.open("account-plain", 500)
    used = order("Deposit", amount=1)
    check(bank.one("python", "account-plain", used)["outcome"] == "accepted", "a deposit is not accepted")
    bank.open("account-other", 500)
    before = bank.head()
    wanted = [("account-plain", order("Withdraw", amount=502), "too_little_money"),
              ("account-plain", order("Withdraw", amount=0), "bad_amount"),
              ("account-plain", order("Deposit", amount=0.5), "bad_amount"),
              ("account-plain", order("OpenAccount", owner="bob"), "account_exists"),
              ("account-nobody", order("Withdraw", amount=1), "account_not_open"),
              ("account-other", used, "urn:varve:problem:id-conflict")]
    outcomes = bank.execute({language: [[stream, command] for stream, command, _ in wanted] for language in LANGUAGES})
    for language, results in outcomes.items():
        got = [result["problem"]["type"] if "problem" in result else result.get("code") for result in results]
        check(got == [code for _, _, code in wanted], f"{language} says {results}")
    check(bank.head() == before, "a rejection or a refusal wrote something")


def long_streams(bank, gateway):
    """More than a page of a thousand events: all are read before anything is decided and sent."""
    bank.open("account-long", 1)
    coin = {"type": "MoneyDeposited", "data": {"amount": 1}}
    for count in (1000, 998):
        bank.request("/streams/account-long", {"events": [coin] * count})
    for version, language, pages in ((2001, "python", 2), (2002, "typescript", 3)):
        gateway.plans, gateway.seen = [], []
        done = bank.one(language, "account-long", order("Withdraw", amount=900), url=gateway.url)
        methods = [method for method, _, _, _ in gateway.seen]
        check(done["version"] == version and methods == ["GET"] * pages + ["POST"], f"{language}: {methods}, {done}")


def durable_consumer(bank, gateway):
    """Killed between its commit and its acknowledgement, and with an answer lost: every event counts once."""
    path = os.path.join(bank.folder, "own.db")
    command = [sys.executable, "-B", "balances.py", path, "one"]
    env = dict(os.environ, VARVE_SERVER=gateway.url)

    def start():
        return subprocess.Popen(command, env=env, cwd=bank.folder, stdout=subprocess.PIPE, text=True)

    def caught_up(consumer, position):
        for line in consumer.stdout:
            if int(line.split()[-1]) >= position:
                break
        with sqlite3.connect(path) as database:
            rows = dict(database.execute("SELECT account, balance FROM balances"))
        check(rows == bank.balances(), f"the consumer has {rows}")

    gateway.expect("/ack")
    consumer = start()
    try:
        check(gateway.reached.wait(120), "the consumer acknowledges nothing")
        consumer.kill()
        consumer.wait()
        gateway.release.set()
        with sqlite3.connect(path) as database:
            check(database.execute("SELECT count(*) FROM balances").fetchone()[0] > 0, "it did not commit before")
        gateway.plans = [("/ack", "cut"), ("/read", "cut")]
        consumer = start()
        caught_up(consumer, bank.head())
        check(gateway.plans == [], "the consumer did not acknowledge through the gateway")
        caught_up(consumer, bank.one("typescript", "account-busy", order("Deposit", amount=7))["position"])
    finally:
        consumer.kill()
        consumer.wait()


def live_reader(bank, gateway):
    """The backlog, live events, and no gap and no repeat over a cut connection."""
    gateway.plans, gateway.seen = [], []
    reader = subprocess.Popen(["node", "watch.js", gateway.url], cwd=bank.folder, stdout=subprocess.PIPE, text=True)

    def caught_up(position):
        for line in reader.stdout:
            reached, accounts = json.loads(line)
            if reached >= position:
                break
        balances = {stream: account["balance"] for stream, account in accounts.items()}
        check(balances == bank.balances(), f"the reader has {accounts}")

    try:
        caught_up(bank.head())
        caught_up(bank.one("python", "account-busy", order("Deposit", amount=5))["position"])
        resumed = bank.head()
        gateway.cut_relays()
        caught_up(bank.one("python", "account-busy", order("Deposit", amount=5))["position"])
        heads = [head.decode().lower() for _, _, head, _ in gateway.seen]
        check(len(heads) == 2 and f"last-event-id: {resumed}\r\n" in heads[1] + "\r\n" and "incarnation=" in heads[1],
              f"the reader resumes with {heads}")
    finally:
        reader.kill()
        reader.wait()


def another_query_side(bank):
    """The read model in varve agrees with the events."""
    for account, balance in bank.balances().items():
        rows = bank.request(f"/queries/balance?account={account}&after_position={bank.head()}")["rows"]
        check(rows[0]["balance"] == balance, f"the query says {rows}")


def unpack(document, folder):
    """Writes the page's files; {file: what it has to print}."""
    examples = {}
    for _, name, code, expected in blocks(document):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(code)
        examples[name] = expected
    check(list(examples) == FILES, f"the page has other files: {list(examples)}")
    for name in ("driver.py", "driver.ts", "watch.ts"):
        shutil.copy(os.path.join(HERE, "your_language", name), folder)
    with open(os.path.join(folder, "package.json"), "w", encoding="utf-8") as file:
        file.write('{"type": "module"}\n')
    sources = [name for name in os.listdir(folder) if name.endswith(".ts")]
    run(["node", os.path.join("..", "node_modules", "typescript", "bin", "tsc"), "--strict", "--target", "es2022",
         "--module", "node16", *sources], folder=folder)
    return examples


def store_of(folder):
    if os.environ.get("VARVE_TEST_STORE") != "postgresql":
        return f"sqlite:{folder}/bank.db"
    with open(os.path.join(os.environ["VARVE_TEST_POSTGRES"], "uri"), encoding="utf-8") as file:
        return f"{file.read().strip()}&schema=your_language_{os.getpid()}"


def too_late(*_):
    raise TimeoutError(f"not done after {LIMIT_S} s")


def main():
    varve, document, node_folder = sys.argv[1:]
    signal.signal(signal.SIGALRM, too_late)  # so that what was started is ended, too
    signal.alarm(LIMIT_S)
    node_modules(node_folder)
    folder = tempfile.mkdtemp(dir=node_folder)
    server = None
    try:
        examples = unpack(document, folder)
        server = Server(varve, os.path.join(folder, "bank"), store_of(folder))
        bank, gateway = Bank(server.url, folder), Gateway(server.url)
        documented_output(bank, examples)
        concurrent_withdrawals(bank)
        lost_answers(bank, gateway)
        server_comes_back(bank, gateway, server)
        commands_sent_again(bank, gateway)
        what_writes_nothing(bank)
        long_streams(bank, gateway)
        durable_consumer(bank, gateway)
        live_reader(bank, gateway)
        another_query_side(bank)
        server.stop()
    finally:
        if server is not None and server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        shutil.rmtree(folder)


main()
