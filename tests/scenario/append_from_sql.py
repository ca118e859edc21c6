#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the examples of docs/append-from-sql.md and holds them to the output that stands beside them.

usage: append_from_sql.py VARVE DOCUMENT NODE_FOLDER

VARVE_TEST_POSTGRES names the folder of a running server (tests/support/postgres). NODE_FOLDER gets the npm package
that the example in JavaScript needs, as node/package-lock.json beside this file has it, and keeps it for the next run.
"""

import os
import re
import shutil
import sys
import tempfile
import urllib.parse

from documents import blocks, fail, node_modules, run

DEBIAN_PYTHON = "/usr/bin/python3"  # the one that python3-psycopg2 is for; another one may come first in PATH


def connect(uri, database, user):
    """An environment in which every client finds the database."""
    parts = urllib.parse.urlsplit(uri)
    options = dict(urllib.parse.parse_qsl(parts.query))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return dict(kept, PGHOST=options["host"], PGPORT=options["port"], PGDATABASE=database, PGUSER=user)


def example(language, code, env, scratch, node_folder):
    """What the example prints."""
    if language == "sql":
        path = os.path.join(scratch, "example.sql")
        command = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--file", path]
    elif language == "python":
        path = os.path.join(scratch, "example.py")
        command = [DEBIAN_PYTHON if os.path.exists(DEBIAN_PYTHON) else sys.executable, path]
    else:
        path = os.path.join(node_folder, "example.cjs")
        command = ["node", path]
    with open(path, "w", encoding="utf-8") as file:
        file.write(code)
    return run(command, env)


def try_examples(varve, document, node_folder, owner, store, scratch):
    shop = dict(owner, PGUSER="shop")
    run([varve, "stream", "append", "setup-1", "--type", "SetUp", "--store", store])
    run(["psql", "-qc", "TRUNCATE varve.events"], owner)  # a store without events, as the document has it
    seen = []
    for language, role, code, expected in blocks(document):
        if role == "setup":
            run(["psql", "--no-psqlrc", "-q", "-v", "ON_ERROR_STOP=1", "-c", code], owner)
            continue
        printed = example(language, code, shop, scratch, node_folder)
        if printed != expected:
            fail(f"the {language} example prints\n{printed}and not\n{expected}")
        seen.append(language)
    if seen != ["sql", "python", "javascript"]:
        fail(f"the document has other examples: {seen}")
    rows = run(["psql", "-qAtc", "SELECT string_agg(id || status || version, ' ' ORDER BY id) FROM public.orders"],
               owner)
    if rows != "1placed1 2shipped2 3cancelled2 4placed1\n":
        fail(f"other rows: {rows}")
    log = run([varve, "log", "read", "--store", store])
    types = re.findall(r'"stream":"order-(\d)".*?"type":"Order(\w+)"', log)
    if types != [("1", "Placed"), ("2", "Placed"), ("3", "Placed"), ("2", "Shipped"), ("3", "Cancelled"),
                 ("4", "Placed")]:
        fail(f"other events: {types}")
    if '"data":{"customer" : "ann", "total" : 1250}' not in log:
        fail(f"a payload is not as it came: {log}")
    run([varve, "store", "verify", "--store", store])


def main():
    varve, document, node_folder = sys.argv[1:]
    with open(os.path.join(os.environ["VARVE_TEST_POSTGRES"], "uri"), encoding="utf-8") as file:
        uri = file.read().strip()
    database = f"t_append_from_sql_{os.getpid()}"
    admin = connect(uri, "postgres", "varve")
    node_modules(node_folder)
    run(["psql", "-qc", f"CREATE DATABASE {database}"], admin)
    scratch = tempfile.mkdtemp()
    try:
        try_examples(varve, document, node_folder, connect(uri, database, "varve"), f"{uri}&dbname={database}",
                     scratch)
    finally:
        shutil.rmtree(scratch)
        run(["psql", "-qc", f"DROP DATABASE {database} WITH (FORCE)", "-c", "DROP ROLE IF EXISTS shop"], admin)


main()
