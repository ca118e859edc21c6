/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/test_report.h"

#include <inttypes.h>

/* Bytes of a value that people are shown. */
enum { SHOWN_BYTES = 2000 };

void test_report_init(struct test_report *report, const struct call *call)
{
    *report = (struct test_report){ .call = call };
    if (call->output.format != OUTPUT_TABLE) {
        items_init(&report->items, &call->output, VARVE_STR("{\"examples\":["), NULL);
    }
}

/* ---- JSON ---- */

static void add_member(varve_buf *json, const char *name, varve_str value)
{
    varve_buf_printf(json, "\"%s\":", name);
    varve_buf_json_string(json, value);
}

/* What is not there has no member: null is a value. */
static void add_difference(varve_buf *json, const struct spec_difference *difference)
{
    varve_buf_str(json, VARVE_STR("{"));
    add_member(json, "path", difference->path);
    if (difference->expected.len > 0) {
        varve_buf_str(json, VARVE_STR(",\"expected\":"));
        varve_buf_str(json, difference->expected);
    }
    if (difference->got.len > 0) {
        varve_buf_str(json, VARVE_STR(",\"got\":"));
        varve_buf_str(json, difference->got);
    }
    varve_buf_str(json, VARVE_STR("}"));
}

static varve_status add_json(struct test_report *report, const char *file, const struct spec_example *example,
                             const struct spec_result *result, varve_error *error)
{
    varve_buf *json = &report->text;
    varve_buf_str(json, VARVE_STR("{"));
    add_member(json, "file", varve_str_of(file));
    varve_buf_printf(json, ",\"line\":%u,", example->place.line);
    add_member(json, "name", example->name);
    varve_buf_str(json, VARVE_STR(","));
    add_member(json, "result", result->has_passed ? VARVE_STR("passed") : VARVE_STR("failed"));
    if (result->problem.len > 0) {
        varve_buf_str(json, VARVE_STR(","));
        add_member(json, "problem", result->problem);
    }
    varve_buf_str(json, VARVE_STR(",\"differences\":["));
    for (size_t i = 0; i < result->differences.count; i++) {
        varve_buf_str(json, i > 0 ? VARVE_STR(",") : VARVE_STR(""));
        add_difference(json, &result->differences.list[i]);
    }
    varve_buf_printf(json, "],\"more_differences\":%zu}", result->differences.more);
    if (json->failed) {
        return varve_error_set(error, VARVE_NOMEM, "out of memory for a report");
    }
    return items_add(&report->items, varve_buf_view(json), error);
}

/* ---- for people ---- */

/* Text that may be long and hold anything, as the terminal can take it. */
static void add_shown(varve_buf *out, varve_str text)
{
    size_t len = text.len;
    if (len > SHOWN_BYTES) {
        len = SHOWN_BYTES;
        while (len > 0 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80) {
            len--;
        }
    }
    table_text((varve_str){ text.ptr, len }, out);
    if (len < text.len) {
        varve_buf_printf(out, "… (%zu bytes)", text.len);
    }
}

static void add_side(varve_buf *out, const char *what, varve_str value)
{
    varve_buf_printf(out, "            %-10s", what);
    if (value.len == 0) {
        varve_buf_str(out, VARVE_STR("(nothing)"));
    } else {
        add_shown(out, value);
    }
    varve_buf_str(out, VARVE_STR("\n"));
}

static void add_failure(varve_buf *out, const char *file, const struct spec_example *example,
                        const struct spec_result *result)
{
    varve_buf_printf(out, "          %s:%u:%u\n", file, example->place.line, example->place.column);
    if (result->problem.len > 0) {
        varve_buf_str(out, VARVE_STR("          "));
        add_shown(out, result->problem);
        varve_buf_str(out, VARVE_STR("\n"));
    }
    for (size_t i = 0; i < result->differences.count; i++) {
        const struct spec_difference *difference = &result->differences.list[i];
        varve_buf_str(out, VARVE_STR("          "));
        add_shown(out, difference->path.len == 0 ? VARVE_STR("then") : difference->path);
        varve_buf_str(out, VARVE_STR("\n"));
        add_side(out, "expected", difference->expected);
        add_side(out, "got", difference->got);
    }
    if (result->differences.more > 0) {
        varve_buf_printf(out, "          and %zu more differences\n", result->differences.more);
    }
}

static varve_status add_lines(struct test_report *report, const char *file, const struct spec_example *example,
                              const struct spec_result *result, varve_error *error)
{
    bool colour = report->call->output.colour;
    varve_buf *out = &report->text;
    if (report->file != file) {
        varve_buf_printf(out, "%s%s\n", report->file == NULL ? "" : "\n", file);
        report->file = file;
    }
    const char *on = !colour ? "" : result->has_passed ? "\033[32m" : "\033[1;31m";
    varve_buf_printf(out, "  %s%-6s%s  ", on, result->has_passed ? "ok" : "FAILED", colour ? "\033[0m" : "");
    add_shown(out, example->name);
    varve_buf_str(out, VARVE_STR("\n"));
    if (!result->has_passed) {
        add_failure(out, file, example, result);
    }
    if (out->failed) {
        return varve_error_set(error, VARVE_NOMEM, "out of memory for a report");
    }
    fwrite(out->ptr, 1, out->len, report->call->output.file);
    return VARVE_OK;
}

/* ---- both ---- */

varve_status test_report_add(struct test_report *report, const char *file, const struct spec_example *example,
                             const struct spec_result *result, varve_error *error)
{
    report->passed += result->has_passed ? 1 : 0;
    report->failed += result->has_passed ? 0 : 1;
    varve_buf_reset(&report->text);
    return report->call->output.format == OUTPUT_TABLE ? add_lines(report, file, example, result, error)
                                                       : add_json(report, file, example, result, error);
}

varve_status test_report_end(struct test_report *report, varve_error *error)
{
    varve_status status = VARVE_OK;
    if (report->call->output.format == OUTPUT_TABLE) {
        fprintf(report->call->output.file, "\n%" PRIu64 " passed, %" PRIu64 " failed\n", report->passed,
                report->failed);
    } else {
        char tail[96];
        snprintf(tail, sizeof(tail), "],\"passed\":%" PRIu64 ",\"failed\":%" PRIu64 "}", report->passed,
                 report->failed);
        status = items_end(&report->items, varve_str_of(tail), error);
    }
    if (status == VARVE_OK && report->failed > 0) {
        status = varve_error_set(error, VARVE_APPLICATION, "%" PRIu64 " of %" PRIu64 " examples failed", report->failed,
                                 report->passed + report->failed);
    }
    return status;
}

void test_report_fini(struct test_report *report)
{
    items_fini(&report->items);
    varve_buf_fini(&report->text);
}
