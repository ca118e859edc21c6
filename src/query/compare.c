/* SPDX-License-Identifier: Apache-2.0 */
#include "query/compare.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/assert.h"
#include "query/answer.h"

enum { DIFFERENCES_DEFAULT = 100, TABLES_MAX = 1000, ROWS_A_LOOK = 1000 };

/* A table as a place's question describes it. */
struct table {
    varve_str name, columns, question;
};

struct tables {
    struct table *all; /* in order of name */
    size_t count;
    struct arena memory;
};

/* A comparison under way. */
struct comparison {
    const struct sql_driver *sql;
    const varve_projection_check_options *options;
    varve_projection_check_summary *summary;
    uint64_t told;
    varve_buf live, fresh; /* the rows of the difference at hand */
};

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "no memory to compare read models");
}

static int order(varve_str a, varve_str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int result = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
    return result != 0 ? result : a.len < b.len ? -1 : a.len > b.len;
}

static int by_name(const void *a, const void *b)
{
    return order(((const struct table *)a)->name, ((const struct table *)b)->name);
}

/* Is there a line of a kind, a tab and this name? */
static bool is_named(varve_str lines, varve_str name)
{
    while (lines.len > 0) {
        const char *end = memchr(lines.ptr, '\n', lines.len), *tab = memchr(lines.ptr, '\t', lines.len);
        size_t len = end == NULL ? lines.len : (size_t)(end - lines.ptr);
        size_t kind = tab == NULL || tab >= lines.ptr + len ? len : (size_t)(tab - lines.ptr) + 1;
        if (varve_str_eq((varve_str){ lines.ptr + kind, len - kind }, name)) {
            return true;
        }
        len += end != NULL;
        lines = (varve_str){ lines.ptr + len, lines.len - len };
    }
    return false;
}

static varve_status keep_table(const struct sql_driver *sql, struct sql_statement *list, varve_str only,
                               struct tables *tables, varve_error *error)
{
    struct sql_value values[3];
    for (int i = 0; i < 3; i++) {
        sql->column(list, i, &values[i]);
    }
    if (only.len > 0 && !is_named(only, values[0].text)) {
        return VARVE_OK;
    }
    if (tables->count == TABLES_MAX) {
        return varve_error_set(error, VARVE_TOO_LARGE, "a model of more than %d tables cannot be checked", TABLES_MAX);
    }
    struct table *table = &tables->all[tables->count];
    if (!arena_copy(&tables->memory, values[0].text, &table->name) ||
        !arena_copy(&tables->memory, values[1].text, &table->columns) ||
        !arena_copy(&tables->memory, values[2].text, &table->question)) {
        return no_memory(error);
    }
    tables->count++;
    return VARVE_OK;
}

static varve_status list_tables(const struct place *place, const struct compare_side *side, struct tables *tables,
                                varve_error *error)
{
    const struct sql_driver *sql = place->sql;
    struct sql_statement *list = NULL;
    tables->all = arena_array(&tables->memory, TABLES_MAX, sizeof *tables->all);
    if (tables->all == NULL) {
        return no_memory(error);
    }
    varve_status status = sql->prepare(&list, side->session, varve_str_of(place->kind->tables), SQL_OURS, error);
    while (status == VARVE_OK && (status = sql->step(list, error)) == VARVE_OK) {
        status = keep_table(sql, list, side->only, tables, error);
    }
    sql->finalize(list);
    if (status >= 0 && tables->count > 0) {
        qsort(tables->all, tables->count, sizeof *tables->all, by_name);
    }
    return status < 0 ? status : VARVE_OK;
}

/* Counts a difference, and tells it while there are not too many. */
static varve_status tell(struct comparison *comparison, varve_projection_difference_kind kind, varve_str table,
                         const struct compare_side *live, const struct compare_side *fresh, varve_error *error)
{
    const varve_projection_check_options *options = comparison->options;
    uint64_t limit = options->limit == 0 ? DIFFERENCES_DEFAULT : options->limit;
    uint64_t *const counts[] = {
        [VARVE_ROW_DIFFERS] = &comparison->summary->differing,
        [VARVE_ROW_MISSING] = &comparison->summary->missing,
        [VARVE_ROW_EXTRA] = &comparison->summary->extra,
        [VARVE_TABLE_DIFFERS] = &comparison->summary->tables_differing,
    };
    ++*counts[kind];
    if (options->visit == NULL || comparison->told == limit) {
        return VARVE_OK;
    }
    comparison->told++;
    varve_buf_reset(&comparison->live);
    varve_buf_reset(&comparison->fresh);
    if (live != NULL) {
        answer_add_columns(comparison->sql, live->rows, 2, comparison->sql->column_count(live->rows),
                           &comparison->live);
    }
    if (fresh != NULL) {
        answer_add_columns(comparison->sql, fresh->rows, 2, comparison->sql->column_count(fresh->rows),
                           &comparison->fresh);
    }
    if (comparison->live.failed || comparison->fresh.failed) {
        return no_memory(error);
    }
    const varve_projection_difference difference = {
        .kind = kind,
        .table = table,
        .live = varve_buf_view(&comparison->live),
        .fresh = varve_buf_view(&comparison->fresh),
    };
    return options->visit(options->ctx, &difference);
}

/* Goes to the next row. */
static varve_status advance(const struct sql_driver *sql, struct compare_side *side, varve_error *error)
{
    struct sql_value key, row;
    varve_status status = sql->step(side->rows, error);
    side->ready = status == VARVE_OK;
    if (side->ready) {
        sql->column(side->rows, 0, &key);
        sql->column(side->rows, 1, &row);
        side->key = key.text;
        side->row = row.text;
    }
    return status < 0 ? status : VARVE_OK;
}

/* Looks at the two rows that are next, of which one may be missing, and goes on from there. */
static varve_status compare_rows(struct comparison *comparison, varve_str table, struct compare_side *live,
                                 struct compare_side *fresh, varve_error *error)
{
    int which = !live->ready ? 1 : !fresh->ready ? -1 : order(live->key, fresh->key);
    varve_status status = VARVE_OK;
    comparison->summary->rows_compared++;
    if (which < 0) {
        status = tell(comparison, VARVE_ROW_EXTRA, table, live, NULL, error);
    } else if (which > 0) {
        status = tell(comparison, VARVE_ROW_MISSING, table, NULL, fresh, error);
    } else if (order(live->row, fresh->row) != 0) {
        status = tell(comparison, VARVE_ROW_DIFFERS, table, live, fresh, error);
    }
    if (status == VARVE_OK && which <= 0) {
        status = advance(comparison->sql, live, error);
    }
    if (status == VARVE_OK && which >= 0) {
        status = advance(comparison->sql, fresh, error);
    }
    return status;
}

/* Is it to go on? */
static varve_status look_up(const struct comparison *comparison)
{
    const varve_projection_check_options *options = comparison->options;
    uint64_t position = comparison->summary->position;
    return options->progress != NULL && options->progress(options->ctx, position, position) > 0 ? VARVE_DONE : VARVE_OK;
}

static varve_status compare_table(struct comparison *comparison, const struct table *table, struct compare_side *live,
                                  struct compare_side *fresh, varve_error *error)
{
    const struct sql_driver *sql = comparison->sql;
    struct compare_side *const sides[] = { live, fresh };
    varve_status status = VARVE_OK;
    for (int i = 0; status == VARVE_OK && i < 2; i++) {
        status = sql->prepare(&sides[i]->rows, sides[i]->session, table->question, SQL_OURS, error);
        if (status == VARVE_OK) {
            status = advance(sql, sides[i], error);
        }
    }
    while (status == VARVE_OK && (live->ready || fresh->ready)) {
        status = compare_rows(comparison, table->name, live, fresh, error);
        if (status == VARVE_OK && comparison->summary->rows_compared % ROWS_A_LOOK == 0) {
            status = look_up(comparison);
        }
    }
    for (int i = 0; i < 2; i++) {
        sql->finalize(sides[i]->rows);
        sides[i]->rows = NULL;
    }
    return status;
}

static varve_status compare_all(struct comparison *comparison, const struct tables *live_tables,
                                const struct tables *fresh_tables, struct compare_side *live,
                                struct compare_side *fresh, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (size_t i = 0, j = 0; status == VARVE_OK && (i < live_tables->count || j < fresh_tables->count);) {
        const struct table *ours = i < live_tables->count ? &live_tables->all[i] : NULL;
        const struct table *theirs = j < fresh_tables->count ? &fresh_tables->all[j] : NULL;
        int which = ours == NULL ? 1 : theirs == NULL ? -1 : order(ours->name, theirs->name);
        const struct table *table = which <= 0 ? ours : theirs;
        ASSERT(table != NULL);
        i += which <= 0;
        j += which >= 0;
        comparison->summary->tables++;
        if (which == 0 && varve_str_eq(ours->columns, theirs->columns) &&
            varve_str_eq(ours->question, theirs->question)) {
            status = compare_table(comparison, table, live, fresh, error);
        } else {
            status = tell(comparison, VARVE_TABLE_DIFFERS, table->name, NULL, NULL, error);
        }
    }
    return status;
}

varve_status compare_models(const struct place *place, struct compare_side *live, struct compare_side *fresh,
                            const varve_projection_check_options *options, varve_projection_check_summary *summary,
                            varve_error *error)
{
    struct comparison comparison = { .sql = place->sql, .options = options, .summary = summary };
    struct tables live_tables = { 0 }, fresh_tables = { 0 };
    varve_status status = list_tables(place, live, &live_tables, error);
    if (status == VARVE_OK) {
        status = list_tables(place, fresh, &fresh_tables, error);
    }
    if (status == VARVE_OK) {
        status = compare_all(&comparison, &live_tables, &fresh_tables, live, fresh, error);
    }
    varve_buf_fini(&comparison.live);
    varve_buf_fini(&comparison.fresh);
    arena_fini(&live_tables.memory);
    arena_fini(&fresh_tables.memory);
    return status > 0 ? VARVE_DONE : status;
}

void varve_projection_check_write_json(varve_str name, const varve_projection_check_summary *summary, varve_buf *out)
{
    varve_buf_str(out, VARVE_STR("\"name\":"));
    varve_buf_json_string(out, name);
    varve_buf_printf(out,
                     ",\"position\":%" PRIu64 ",\"tables\":%" PRIu64 ",\"rows_compared\":%" PRIu64
                     ",\"differing\":%" PRIu64 ",\"missing\":%" PRIu64 ",\"extra\":%" PRIu64
                     ",\"tables_differing\":%" PRIu64 ",\"parked\":{\"live\":%" PRIu64 ",\"fresh\":%" PRIu64 "}",
                     summary->position, summary->tables, summary->rows_compared, summary->differing, summary->missing,
                     summary->extra, summary->tables_differing, summary->parked_live, summary->parked_fresh);
}

const char *varve_projection_difference_word(varve_projection_difference_kind kind)
{
    static const char *const words[] = {
        [VARVE_ROW_DIFFERS] = "differs",
        [VARVE_ROW_MISSING] = "missing",
        [VARVE_ROW_EXTRA] = "extra",
        [VARVE_TABLE_DIFFERS] = "table_differs",
    };
    return (size_t)kind < sizeof words / sizeof *words ? words[kind] : "unknown";
}

void varve_projection_difference_write_json(const varve_projection_difference *difference, varve_buf *out)
{
    varve_buf_str(out, VARVE_STR("{\"table\":"));
    varve_buf_json_string(out, difference->table);
    varve_buf_printf(out, ",\"kind\":\"%s\",\"live\":", varve_projection_difference_word(difference->kind));
    varve_buf_str(out, difference->live.len > 0 ? difference->live : VARVE_STR("null"));
    varve_buf_str(out, VARVE_STR(",\"fresh\":"));
    varve_buf_str(out, difference->fresh.len > 0 ? difference->fresh : VARVE_STR("null"));
    varve_buf_str(out, VARVE_STR("}"));
}
