# SPDX-License-Identifier: Apache-2.0
"""Executes commands with the Python program of docs/your-language.md, all at the same time.

usage: driver.py URL TIMEOUT_S SECONDS; it prints "ready". Then a line of standard input is [STREAM, COMMAND], and a
line of output its outcome, in the same order.
"""

import concurrent.futures
import json
import sys

import account
import client


def outcome(varve, seconds, line):
    stream, command = json.loads(line)
    try:
        return {"outcome": "accepted"} | varve.execute(account, stream, command, seconds)
    except account.Rejected as rejection:
        return {"outcome": "rejected", "code": rejection.args[0]}
    except client.TryAgain:
        return {"outcome": "try again"}
    except client.Refused as refused:
        return {"outcome": "refused", "problem": refused.args[0]}


def main():
    varve = client.Varve(sys.argv[1], float(sys.argv[2]))
    print("ready", flush=True)
    lines = sys.stdin.readlines()
    with concurrent.futures.ThreadPoolExecutor(len(lines)) as threads:
        for result in threads.map(lambda line: outcome(varve, float(sys.argv[3]), line), lines):
            print(json.dumps(result))


main()
