/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document on its way into Lua and out again: what the scanner accepts, Lua can hold; what comes
 * out means the same to jansson as what went in; and written twice it is the same text.
 */
#include "lua/document.h"

#include <lauxlib.h>

#include "base/json.h"
#include "base/json_corpus.h"
#include "fuzz/fuzz.h"
#include "lua/vm.h"

struct trip {
    varve_str json;
    varve_buf out;
};

static int run_trip(lua_State *lua)
{
    struct trip *trip = lua_touserdata(lua, 1);

    document_init(lua);
    document_push(lua, trip->json, "the text");
    const char *problem = document_write(lua, -1, &trip->out);
    return problem == NULL ? 0 : luaL_error(lua, "%s", problem);
}

/* In an interpreter of its own, since what one input leaves there must not matter to the next. */
static varve_status through_lua(struct trip *trip, varve_error *error)
{
    struct vm *vm = NULL;

    ASSERT(vm_open(&vm, "document", error) == VARVE_OK);
    varve_status status = vm_run(vm, run_trip, trip, VARVE_INVALID, error);
    vm_close(vm);
    return status;
}

static void check_same(varve_str before, varve_str after)
{
    char problem[160];
    struct tree *given = tree_load(before, problem), *got = tree_load(after, problem);

    ASSERT(given != NULL && got != NULL && tree_equal(given, got));
    tree_free(given);
    tree_free(got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trip once = { .json = fuzz_text(data, size) }, twice = { 0 };
    varve_error error = { 0 };
    bool is_json = json_check(once.json, "the text", NULL) == VARVE_OK;
    varve_status status = through_lua(&once, &error);

    ASSERT(is_json == (status == VARVE_OK));
    if (status < 0) {
        fuzz_refused(status, &error);
    } else {
        twice.json = varve_buf_view(&once.out);
        check_same(once.json, twice.json);
        ASSERT(through_lua(&twice, &error) == VARVE_OK);
        ASSERT(varve_str_eq(varve_buf_view(&twice.out), twice.json));
    }
    varve_buf_fini(&once.out);
    varve_buf_fini(&twice.out);
    return 0;
}
