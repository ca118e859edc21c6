# SPDX-License-Identifier: Apache-2.0
"""The load that every peer in Python is put under: threads append one event, or execute one command, each at a time,
and each waits until that is answered. Prints one line of JSON."""

import itertools
import json
import math
import sys
import threading
import time

# python SCRIPT TARGET LINES CALLERS COUNT FIRST
TARGET = sys.argv[1]
CALLERS, COUNT, FIRST = (int(word) for word in sys.argv[3:6])


def measure(call):
    """`call` is given an event or a command from each of the threads, and the number of the thread. False: it was given
    up, because others were faster each time."""
    with open(sys.argv[2], encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    numbers = itertools.count()  # its next() is atomic in CPython
    times, given_up, failures = [], [], []
    ready = threading.Barrier(CALLERS + 1)

    def run(caller):
        ready.wait()
        try:
            while (number := next(numbers)) < COUNT:
                start = time.perf_counter()
                if call(lines[(FIRST + number) % len(lines)], caller) is False:
                    given_up.append(number)
                times.append(time.perf_counter() - start)
        except Exception as failure:  # a thread's failure is the run's
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(caller,)) for caller in range(CALLERS)]
    for thread in threads:
        thread.start()
    ready.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    if failures:
        raise failures[0]
    times.sort()
    p50, p99 = (times[max(0, math.ceil(part * len(times)) - 1)] * 1000 for part in (0.5, 0.99))
    done = COUNT - len(given_up)
    print(json.dumps({"seconds": seconds, "count": COUNT, "done": done, "p50_ms": p50, "p99_ms": p99}), flush=True)
