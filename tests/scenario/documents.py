# SPDX-License-Identifier: Apache-2.0
"""What the tests of documents' examples share: their code blocks, the npm packages they need, running programs."""

import fcntl
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def fail(message):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {message}")


def run(command, env=None, folder=None, given=None):
    """Standard output of what has to succeed."""
    done = subprocess.run(command, env=env, cwd=folder, input=given, stdin=None if given else subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=250, check=False)
    if done.returncode != 0:
        fail(f"{command} ended with {done.returncode}:\n{done.stdout.decode()}{done.stderr.decode()}")
    return done.stdout.decode()


def blocks(document):
    """(language, role, code, the text block that follows or None) of every block with a role or a file's name."""
    with open(document, encoding="utf-8") as file:
        fences = re.findall(r"^```(\w+) ?([\w./]*)\n(.*?)^```$", file.read(), re.M | re.S)
    for at, (language, role, code) in enumerate(fences):
        expected = fences[at + 1] if at + 1 < len(fences) else ("", "", "")
        if role:
            yield language, role, code, expected[2] if expected[0] == "text" else None


def node_modules(folder):
    """Installs what node/package-lock.json beside this file says, unless that is there already. One at a time."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install(folder)


def install(folder):
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, "node", name), folder)
    with open(os.path.join(folder, "package-lock.json"), encoding="utf-8") as file:
        wanted = file.read()
    mark = os.path.join(folder, "node_modules", ".installed")
    if not os.path.exists(mark) or open(mark, encoding="utf-8").read() != wanted:
        run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder=folder)
        with open(mark, "w", encoding="utf-8") as file:
            file.write(wanted)
