/* SPDX-License-Identifier: Apache-2.0 */
#include "query/answer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <varve/query.h>

#include "base/base64.h"
#include "base/utf8.h"

/* The shortest of the three usual precisions that reads back as the same number; always with a point or exponent. */
static void add_real(double real, varve_buf *out)
{
    char text[40];
    int precision = 15;
    if (!isfinite(real)) {
        varve_buf_str(out, VARVE_STR("null"));
        return;
    }
    do {
        snprintf(text, sizeof text, "%.*g", precision, real);
    } while (precision++ < 17 && strtod(text, NULL) != real);
    bool whole = true;
    for (char *p = text; *p != '\0'; p++) {
        if (*p == 'e') {
            whole = false;
        } else if ((*p < '0' || *p > '9') && *p != '-' && *p != '+') {
            *p = '.'; /* whatever the locale writes */
            whole = false;
        }
    }
    varve_buf_printf(out, "%s%s", text, whole ? ".0" : "");
}

static void add_bytes(varve_str bytes, varve_buf *out)
{
    varve_buf_add(out, "\"", 1);
    base64_encode(bytes, out);
    varve_buf_add(out, "\"", 1);
}

void answer_add_row(const struct sql_driver *sql, struct sql_statement *statement, varve_buf *rows)
{
    answer_add_columns(sql, statement, 0, sql->column_count(statement), rows);
}

void answer_add_columns(const struct sql_driver *sql, struct sql_statement *statement, int first, int end,
                        varve_buf *rows)
{
    varve_buf_add(rows, "{", 1);
    for (int i = first; i < end; i++) {
        struct sql_value value;
        sql->column(statement, i, &value);
        if (i > first) {
            varve_buf_add(rows, ",", 1);
        }
        varve_buf_json_string(rows, varve_str_of(sql->column_name(statement, i)));
        varve_buf_add(rows, ":", 1);
        switch (value.kind) {
        case SQL_NULL:
            varve_buf_str(rows, VARVE_STR("null"));
            break;
        case SQL_INTEGER:
            varve_buf_printf(rows, "%lld", (long long)value.integer);
            break;
        case SQL_BOOLEAN:
            varve_buf_str(rows, value.integer != 0 ? VARVE_STR("true") : VARVE_STR("false"));
            break;
        case SQL_REAL:
            add_real(value.real, rows);
            break;
        case SQL_JSON:
            varve_buf_str(rows, value.text);
            break;
        case SQL_TEXT:
            if (utf8_valid(value.text)) {
                varve_buf_json_string(rows, value.text);
            } else {
                add_bytes(value.text, rows);
            }
            break;
        case SQL_BLOB:
            add_bytes(value.text, rows);
            break;
        }
    }
    varve_buf_add(rows, "}", 1);
}

void varve_answer_fini(varve_answer *answer)
{
    free(answer->memory);
    *answer = (varve_answer){ 0 };
}

void varve_answer_write_json(const varve_answer *answer, varve_buf *out)
{
    varve_buf_str(out, VARVE_STR("{\"rows\":"));
    varve_buf_str(out, answer->rows.len == 0 ? VARVE_STR("[]") : answer->rows);
    varve_buf_printf(out, ",\"position\":%llu,\"next\":", (unsigned long long)answer->position);
    if (answer->next.len == 0) {
        varve_buf_str(out, VARVE_STR("null"));
    } else {
        varve_buf_json_string(out, answer->next);
    }
    varve_buf_add(out, "}", 1);
}

const char *varve_projection_state_word(varve_projection_state state)
{
    switch (state) {
    case VARVE_PROJECTION_CATCHING_UP:
        return "catching_up";
    case VARVE_PROJECTION_LIVE:
        return "live";
    case VARVE_PROJECTION_FAULTED:
        return "faulted";
    case VARVE_PROJECTION_STOPPED:
        return "stopped";
    case VARVE_PROJECTION_STANDBY:
        return "standby";
    }
    return "unknown";
}

void varve_projection_write_json(const varve_projection_status *status, varve_buf *out)
{
    uint64_t lag = status->head > status->position ? status->head - status->position : 0;
    varve_buf_str(out, VARVE_STR("{\"name\":"));
    varve_buf_json_string(out, status->name);
    varve_buf_printf(out, ",\"version\":%u,\"mode\":", status->version);
    varve_buf_json_string(out, status->mode);
    varve_buf_printf(out, ",\"state\":\"%s\",\"position\":%llu,\"head\":%llu,\"lag\":%llu,\"parked\":%llu,\"rebuild\":",
                     varve_projection_state_word(status->state), (unsigned long long)status->position,
                     (unsigned long long)status->head, (unsigned long long)lag, (unsigned long long)status->parked);
    if (status->rebuilding) {
        varve_buf_printf(out, "{\"done\":%llu,\"total\":%llu,\"rate\":", (unsigned long long)status->rebuild_done,
                         (unsigned long long)status->rebuild_total);
        add_real(status->rebuild_rate, out);
        varve_buf_str(out, VARVE_STR(",\"seconds_left\":"));
        add_real(status->rebuild_seconds_left, out);
        varve_buf_printf(out, ",\"queued\":%s}", status->rebuild_queued ? "true" : "false");
    } else {
        varve_buf_str(out, VARVE_STR("null"));
    }
    if (status->partitions > 1) {
        varve_buf_printf(out, ",\"partitions\":%u", status->partitions);
    }
    if (status->owner.len > 0) {
        varve_buf_str(out, VARVE_STR(",\"owner\":"));
        varve_buf_json_string(out, status->owner);
    }
    if (status->failed_position > 0) {
        varve_buf_printf(out, ",\"failed_position\":%llu", (unsigned long long)status->failed_position);
    }
    if (status->problem.len > 0) {
        varve_buf_str(out, VARVE_STR(",\"problem\":"));
        varve_buf_json_string(out, status->problem);
    }
    varve_buf_add(out, "}", 1);
}
