/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a projection's function gets beside the event: a table of three functions on its own read model.
 *
 *   db.run(statement, params?)    runs it
 *   db.one(statement, params?)    its first row, or nil
 *   db.rows(statement, params?)   its rows, an array
 *
 * A statement is SQL with parameters `:name`, which get the value of that name in params, or NULL. Texts, integers,
 * floats, booleans and null are what they are in SQL; tables are written as JSON. A row is a table by column: NULL is
 * null, and where the database has such types, booleans are booleans and JSON is what it says. A failure is a Lua
 * error, after which the event has failed, even when the error is caught. They work only while the event that they
 * were given for is applied.
 */
#ifndef VARVE_LUA_CHANGES_H
#define VARVE_LUA_CHANGES_H

#include <lua.h>
#include <varve/projector.h>

/* Pushes the table, which cannot be changed. It works on the varve_model in the interpreter's vm->asking. */
void changes_push(lua_State *lua);

#endif
