/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/findings.h"

#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/history.h"

/* Rows of the table held back to find the width of its columns, and for how long. */
enum { ROWS_HELD = 200 };
static const uint64_t held_ns = UINT64_C(1000000000);

varve_status findings_init(struct findings *findings, const struct call *call, varve_error *error)
{
    static const char *const columns[] = { "stream", "version", "change" };
    findings->call = call;
    if (call->output.format == OUTPUT_TABLE) {
        findings->flushed_ns = clock_ns();
        for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
            table_column(&findings->table, varve_str_of(columns[i]));
        }
        return VARVE_OK;
    }
    if (call->output.format == OUTPUT_JSON) {
        findings->failed = tmpfile();
        if (findings->failed == NULL) {
            return varve_error_set(error, VARVE_IO, "no place for what is found until it is printed: %s",
                                   strerror(errno));
        }
    }
    items_init(&findings->items, &call->output, VARVE_STR("{\"differing\":["), NULL);
    return VARVE_OK;
}

/* ---- for people ---- */

static void add_place(struct table *table, const varve_replay_finding *finding)
{
    char version[24];
    snprintf(version, sizeof(version), "%" PRIu64, finding->version);
    table_cell(table, finding->stream, false);
    table_cell(table, varve_str_of(version), true);
}

static varve_status add_changes(struct table *table, const varve_replay_finding *finding, varve_error *error)
{
    struct json_scanner scanner;
    varve_status status = VARVE_OK;
    bool first = true;
    json_start_around(&scanner, finding->patch);
    json_next(&scanner);
    for (enum json_token token = json_next(&scanner); status == VARVE_OK && token == JSON_OBJECT;
         token = json_next(&scanner)) {
        varve_str operation = { 0 };
        if (json_skip(&scanner, token, &operation) == JSON_ERROR) {
            break;
        }
        if (first) {
            add_place(table, finding);
        } else {
            table_cell(table, VARVE_STR(""), false);
            table_cell(table, VARVE_STR(""), false);
        }
        first = false;
        status = history_change(table, operation, error);
    }
    return status;
}

static void add_failure(struct table *table, const varve_replay_finding *finding, varve_buf *text)
{
    add_place(table, finding);
    varve_buf_printf(text, "! ");
    if (finding->is_other) {
        varve_buf_printf(text, "(--against) ");
    }
    if (finding->position > 0) {
        varve_buf_printf(text, "position %" PRIu64 ": ", finding->position);
    }
    varve_buf_printf(text, "%s", finding->error->message);
    table->failed |= text->failed;
    table_cell(table, varve_buf_view(text), false);
}

static varve_status flush(struct findings *findings, varve_error *error)
{
    const struct output *output = &findings->call->output;
    varve_status status = table_flush(&findings->table, output->file, output->width, output->colour, error);
    findings->flushed_ns = clock_ns();
    if (status == VARVE_OK && fflush(output->file) != 0) {
        status = varve_error_set(error, VARVE_IO, "cannot write to standard output");
    }
    return status;
}

static varve_status add_rows(struct findings *findings, const varve_replay_finding *finding, varve_error *error)
{
    varve_status status = VARVE_OK;
    if (finding->kind == VARVE_REPLAY_DIFFERS) {
        status = add_changes(&findings->table, finding, error);
    } else {
        add_failure(&findings->table, finding, &findings->text);
    }
    bool is_due = table_rows(&findings->table) >= ROWS_HELD || clock_ns() - findings->flushed_ns > held_ns;
    return status == VARVE_OK && is_due ? flush(findings, error) : status;
}

/* ---- JSON ---- */

static void write_finding(const varve_replay_finding *finding, varve_buf *json)
{
    varve_buf_str(json, VARVE_STR("{\"stream\":"));
    varve_buf_json_string(json, finding->stream);
    varve_buf_printf(json, ",\"version\":%" PRIu64, finding->version);
    if (finding->kind == VARVE_REPLAY_DIFFERS) {
        varve_buf_str(json, VARVE_STR(",\"patch\":"));
        varve_buf_str(json, finding->patch);
    } else {
        varve_buf_printf(json, ",\"position\":%" PRIu64 ",\"type\":", finding->position);
        varve_buf_json_string(json, finding->type);
        varve_buf_printf(json, ",\"against\":%s,\"message\":", finding->is_other ? "true" : "false");
        varve_buf_json_string(json, varve_str_of(finding->error->message));
    }
    varve_buf_str(json, VARVE_STR("}"));
}

static varve_status spool_failed(varve_error *error)
{
    return varve_error_set(error, VARVE_IO, "cannot keep what is found until it is printed");
}

static varve_status add_json(struct findings *findings, const varve_replay_finding *finding, varve_error *error)
{
    write_finding(finding, &findings->text);
    if (findings->text.failed) {
        return varve_error_set(error, VARVE_NOMEM, "out of memory for a finding");
    }
    if (findings->failed == NULL || finding->kind == VARVE_REPLAY_DIFFERS) {
        return items_add(&findings->items, varve_buf_view(&findings->text), error);
    }
    fputs(findings->failed_count++ > 0 ? "," : "", findings->failed);
    fwrite(findings->text.ptr, 1, findings->text.len, findings->failed);
    return ferror(findings->failed) ? spool_failed(error) : VARVE_OK;
}

static varve_status end_json(struct findings *findings, const varve_replay_summary *summary, varve_error *error)
{
    FILE *file = findings->call->output.file;
    char block[16384];
    size_t got = 0;
    rewind(findings->failed);
    fputs("],\"failed\":[", file);
    while ((got = fread(block, 1, sizeof(block), findings->failed)) > 0) {
        fwrite(block, 1, got, file);
    }
    fprintf(file, "],\"streams\":%" PRIu64 ",\"events\":%" PRIu64 "}\n", summary->streams, summary->events);
    return ferror(findings->failed) ? spool_failed(error) : VARVE_OK;
}

/* ---- both ---- */

varve_status findings_add(struct findings *findings, const varve_replay_finding *finding, varve_error *error)
{
    varve_buf_reset(&findings->text);
    return findings->call->output.format == OUTPUT_TABLE ? add_rows(findings, finding, error)
                                                         : add_json(findings, finding, error);
}

varve_status findings_end(struct findings *findings, const varve_replay_summary *summary, varve_error *error)
{
    varve_status status = VARVE_OK;
    if (findings->call->output.format == OUTPUT_JSON) {
        status = end_json(findings, summary, error);
    } else if (findings->call->output.format == OUTPUT_TABLE && table_rows(&findings->table) > 0) {
        status = flush(findings, error);
    }
    if (status == VARVE_OK && !findings->call->quiet) {
        fprintf(stderr, "%" PRIu64 " streams, %" PRIu64 " events: %" PRIu64 " differ, %" PRIu64 " failed\n",
                summary->streams, summary->events, summary->differing, summary->failed);
    }
    return status;
}

void findings_fini(struct findings *findings)
{
    if (findings->failed != NULL) {
        fclose(findings->failed);
    }
    items_fini(&findings->items);
    table_fini(&findings->table);
    varve_buf_fini(&findings->text);
}
