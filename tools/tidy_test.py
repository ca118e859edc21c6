# SPDX-License-Identifier: Apache-2.0
"""tools/tidy --self-test: a small repository in order, and what each rule finds in it once something is wrong."""

import sys

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


def header(guard, body=""):
    return f"{SPDX}#ifndef {guard}\n#define {guard}\n{body}#endif\n"


CLEAN = {
    "include/varve.h": header("VARVE_H"),
    "include/varve/event.h": header("VARVE_EVENT_H"),
    "include/varve/store.h": header("VARVE_STORE_H", "#include <varve/event.h>\n"),
    "include/varve/command.h": header("VARVE_COMMAND_H", "#include <varve/store.h>\n"),
    "src/base/id.h": header("VARVE_BASE_ID_H", "#include <varve/event.h>\n"),
    "src/event/codec.h": header("VARVE_EVENT_CODEC_H"),
    "src/sql/sql.h": header("VARVE_SQL_SQL_H", "extern const struct sql_driver sql_sqlite;\n"),
    "src/sql/sqlite.c": SPDX + '#include "sql/sql.h"\n#include <sqlite3.h>\nconst struct sql_driver sql_sqlite;\n',
    "src/sql/postgres_uri.h": header("VARVE_SQL_POSTGRES_URI_H"),
    "src/store/postgres/log.c": SPDX + '#include "sql/postgres_uri.h"\n#include <libpq-fe.h>\n',
    "src/engine/module_postgres.c": SPDX + "static const void *module[] = { &store_postgres, &sql_postgres };\n",
    "src/store/store.h": header("VARVE_STORE_STORE_H", "extern const struct store_driver store_sqlite;\n"),
    "src/store/writer.h": header("VARVE_STORE_WRITER_H"),
    "src/store/writer.c": SPDX + '#include <varve/store.h>\n#include "store/writer.h"\n#include "event/codec.h"\n',
    "src/store/sqlite/pages.h": header("VARVE_STORE_SQLITE_PAGES_H"),
    "src/store/sqlite/log.c": SPDX + '#include "base/id.h"\n#include "store/sqlite/pages.h"\n',
    "src/command/lanes.c": SPDX + '#include <varve/command.h>\n#include "store/store.h"\n/* sleep(1) */\n',
    "src/command/lanes_test.c": SPDX + "static const void *driver = &store_sqlite;\n",
    "src/command/bank_fixture.c": SPDX + "const void *const bank_driver = &store_sqlite;\n",
    "src/query/models.h": header("VARVE_QUERY_MODELS_H"),
    "src/engine/drivers.c": SPDX + "static const void *drivers[] = { &store_sqlite, &sql_sqlite };\n",
    "src/server/server.h": header("VARVE_SERVER_SERVER_H", "#include <varve.h>\n"),
    "src/cli/serve.c": SPDX + '#include "server/server.h"\n\nint serve(void)\n{\n    return puts("ready");\n}\n',
    "src/store/CMakeLists.txt": "# SPDX-License-Identifier: Apache-2.0\nadd(writer.c sqlite/log.c postgres/log.c)\n",
    "CMakeLists.txt": "# SPDX-License-Identifier: Apache-2.0\n"
                      "add(src/sql/sqlite.c src/command/lanes.c src/engine/drivers.c src/engine/module_postgres.c\n"
                      "    src/cli/serve.c)\n",
    "src/command/CMakeLists.txt":
        "# SPDX-License-Identifier: Apache-2.0\nvarve_unit_test(lanes SOURCES bank_fixture.c)\n",
    "fuzz/fuzz.h": header("VARVE_FUZZ_FUZZ_H"),
    "fuzz/json.c": SPDX + '#include "fuzz/fuzz.h"\n#include "base/id.h"\n',
    "fuzz/CMakeLists.txt": "# SPDX-License-Identifier: Apache-2.0\nvarve_fuzz_target(json)\n",
    "fuzz/corpus/json/blanks_alone": " \t\r",
    "README.md": "# varve\n",
}

# Each case: the rule that must find something, the file, and its text or what is added to it.
ADDED = [
    ("floors", "src/base/id.h", '#include "event/codec.h"\n'),
    ("floors", "src/base/id.h", '#include "fuzz/fuzz.h"\n'),
    ("floors", "fuzz/json.c", '#include "fuzz/nothing.h"\n'),
    ("floors", "src/store/writer.c", '#include "query/models.h"\n'),
    ("floors", "src/command/lanes.c", '#include "query/models.h"\n'),
    ("floors", "src/event/codec.h", '#include "sql/sql.h"\n'),
    ("floors", "src/server/server.h", '#include "store/store.h"\n'),
    ("floors", "src/cli/serve.c", '#include "event/codec.h"\n'),
    ("floors", "src/store/sqlite/log.c", '#include "store/writer.h"\n'),
    ("floors", "src/store/sqlite/log.c", '#include "sql/sql.h"\n'),
    ("floors", "src/sql/sqlite.c", '#include "event/codec.h"\n'),
    ("floors", "src/store/sqlite/log.c", '#include "sql/postgres_uri.h"\n'),
    ("floors", "src/store/writer.c", '#include "sql/postgres_uri.h"\n'),
    ("floors", "src/store/writer.c", "#include <libpq-fe.h>\n"),
    ("floors", "src/store/writer.c", '#include "store/sqlite/pages.h"\n'),
    ("floors", "src/engine/drivers.c", '#include "store/sqlite/pages.h"\n'),
    ("floors", "src/store/writer.c", '#include "../event/codec.h"\n'),
    ("floors", "src/store/writer.c", '#include "writer.h"\n'),
    ("floors", "src/store/writer.c", "#include <varve/command.h>\n"),
    ("floors", "src/store/writer.c", "#include <varve.h>\n"),
    ("floors", "src/store/writer.c", "#include <varve/nothing.h>\n"),
    ("floors", "src/store/writer.c", "#include <sqlite3.h>\n"),
    ("floors", "src/store/writer.c", '#include "tests/support/scratch.h"\n'),
    ("floors", "include/varve/event.h", '#include "base/id.h"\n'),
    ("drivers", "src/store/writer.c", "static const void *driver = &store_sqlite;\n"),
    ("calls", "src/store/writer.c", "int a = sprintf(b, c);\n"),
    ("calls", "src/command/lanes_test.c", "int a = atoi(b);\n"),
    ("calls", "src/store/writer.c", "int a = rand();\n"),
    ("calls", "src/cli/serve.c", "int a = system(b);\n"),
    ("calls", "src/cli/serve.c", "int a = usleep(1);\n"),
    ("calls", "src/store/writer.c", "void *a = signal(1, b);\n"),
    ("calls", "src/store/writer.c", "static _Thread_local int a;\n"),
    ("calls", "src/server/server.h", "static FILE *a = stderr;\n"),
    ("marks", "src/store/writer.c", "\tint a;\n"),
    ("marks", "src/store/writer.c", "int a; \n"),
    ("marks", "src/store/writer.c", "int a;"),
    ("marks", "src/store/writer.c", f"int {'a' * 120};\n"),
    ("marks", "README.md", "TO" + "DO\n"),
    ("sizes", "src/store/writer.c", "void f(void)\n{\n" + "    a();\n" * 81 + "}\n"),
    ("sizes", "src/store/writer.c", "int a;\n" * 800),
    ("sizes", "src/store/writer.h", "int a;\n" * 150),
    ("sizes", "include/varve/event.h", "int a;\n" * 250),
]
REPLACED = [
    ("marks", "src/store/writer.c", "int a;\n"),
    ("marks", "tools/run", "#!/bin/sh\n"),
    ("guards", "src/store/writer.h", header("VARVE_WRITER_H")),
    ("listed", "src/store/reader.c", SPDX),
    ("listed", "src/store/writer_test.c", SPDX),
    ("listed", "fuzz/target.c", SPDX),
    ("layout", "notes.txt", "a\n"),
    ("layout", "stuff/a.md", "a\n"),
    ("layout", "src/misc/a.h", header("VARVE_MISC_A_H")),
    ("layout", "src/store/notes.md", "a\n"),
    ("layout", "src/base/utils.h", header("VARVE_BASE_UTILS_H")),
    ("layout", "tests/other/a.sh", "# SPDX-License-Identifier: Apache-2.0\n"),
]


def run(check):
    """Returns the exit code: 0 when the clean repository is clean and every case is found by its rule."""
    cases = [(rule, path, CLEAN[path] + text) for rule, path, text in ADDED] + REPLACED
    failures = [f"in a clean repository: {finding}" for finding in check(CLEAN)]
    for rule, path, text in cases:
        found = {finding[:3:2] for finding in check({**CLEAN, path: text})}
        if found != {(path, rule)}:
            failures.append(f"{rule} should find {text[-60:]!r} in {path}, alone; found by {sorted(found)}")
    for failure in failures:
        print(f"tidy --self-test: {failure}", file=sys.stderr)
    print(f"tidy --self-test: {len(cases)} cases, {len(failures)} failures", file=sys.stderr)
    return 1 if failures else 0
