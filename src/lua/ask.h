/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `enrich` gets beside the command: a table of two functions.
 *
 *   ask.query(name, params?, options?)   { rows, position, next }
 *   ask.http(url)                        { status, content_type, body, json }; or with a table of
 *                                        { url, method, headers, body, json, timeout_ms, retries }
 *
 * A failure is a Lua error. They work only while the enrichment that they were given for is under way.
 */
#ifndef VARVE_LUA_ASK_H
#define VARVE_LUA_ASK_H

#include <lua.h>
#include <varve/enrich.h>

/* An enrichment under way, and memory that a Lua error does not leak. From { enrichment } to ask_fini. */
struct ask {
    varve_enrichment *enrichment;
    varve_answer answer;
    varve_http_response response;
    varve_buf body;
};

/* Pushes the table. It asks for the `struct ask` in the interpreter's vm->asking. */
void ask_push(lua_State *lua);

void ask_fini(struct ask *ask);

#endif
