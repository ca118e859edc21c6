/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/run.h"

#include <stdio.h>

struct running {
    const struct spec_example *example;
    struct spec_result *result;
    varve_trial *trial;
    varve_outcome outcome;
    bool is_rejected;
    varve_buf path, expected, got; /* scratch of one comparison */
    varve_error *error;
};

static varve_status no_memory(const struct running *running)
{
    return varve_error_set(running->error, VARVE_NOMEM, "no memory to run an example");
}

/* Why the example cannot be gone through with. Memory that ran out says nothing about it. */
static varve_status give_up(struct running *running, const char *where, const varve_error *cause)
{
    struct spec_result *result = running->result;
    if (cause->status == VARVE_NOMEM) return no_memory(running);
    varve_buf_reset(&running->got);
    varve_buf_printf(&running->got, "%s: %s", where, cause->message);
    return !running->got.failed && arena_copy(&result->arena, varve_buf_view(&running->got), &result->problem)
               ? VARVE_DONE
               : no_memory(running);
}

/* ---- a comparison of what was written into the scratch ---- */

static void begin(struct running *running)
{
    varve_buf_reset(&running->path);
    varve_buf_reset(&running->expected);
    varve_buf_reset(&running->got);
}

static bool has_failed(const struct running *running)
{
    return running->path.failed || running->expected.failed || running->got.failed;
}

/* The two are different as they stand. */
static varve_status differ(struct running *running)
{
    if (has_failed(running)) return no_memory(running);
    return spec_differ(&running->result->differences, varve_buf_view(&running->path),
                       varve_buf_view(&running->expected), varve_buf_view(&running->got), running->error);
}

static varve_status compare(struct running *running)
{
    struct spec_json expected = { varve_buf_view(&running->expected), false };
    if (has_failed(running)) return no_memory(running);
    return spec_compare(&running->result->differences, varve_buf_view(&running->path), &expected,
                        varve_buf_view(&running->got), running->error);
}

/* ---- events ---- */

static void write_event(const varve_event *event, varve_buf *out)
{
    varve_buf_str(out, VARVE_STR("{"));
    varve_buf_json_string(out, event->type);
    varve_buf_str(out, VARVE_STR(":"));
    varve_buf_str(out, event->data);
    varve_buf_str(out, VARVE_STR("}"));
}

/* What else an event has, of it what `asked` gives. */
static void write_rest(const varve_event *event, const varve_event *asked, varve_buf *out)
{
    char time[VARVE_TIME_TEXT_BYTES];
    varve_buf_str(out, VARVE_STR("{"));
    if (asked->schema_version != 0) varve_buf_printf(out, "\"schema_version\":%u,", event->schema_version);
    if (asked->occurred_at != 0 && event->occurred_at != 0) {
        varve_time_format(event->occurred_at, time);
        varve_buf_printf(out, "\"occurred_at\":\"%s\",", time);
    }
    if (asked->tags != NULL) {
        varve_buf_str(out, VARVE_STR("\"tags\":["));
        for (size_t i = 0; i < event->tag_count; i++) {
            if (i > 0) varve_buf_str(out, VARVE_STR(","));
            varve_buf_json_string(out, event->tags[i]);
        }
        varve_buf_str(out, VARVE_STR("],"));
    }
    if (out->len > 1) out->len--;
    varve_buf_str(out, VARVE_STR("}"));
}

/* Either may be NULL: there is none in that place. */
static varve_status compare_event(struct running *running, size_t index, const struct spec_event *expected,
                                  const varve_event *got)
{
    begin(running);
    varve_buf_printf(&running->path, "events[%zu]", index);
    if (expected == NULL || got == NULL || !varve_str_eq(expected->event.type, got->type)) {
        if (expected != NULL) write_event(&expected->event, &running->expected);
        if (got != NULL) write_event(got, &running->got);
        return differ(running);
    }
    write_rest(&expected->event, &expected->event, &running->expected);
    write_rest(got, &expected->event, &running->got);
    varve_status status = compare(running);
    varve_buf_str(&running->path, VARVE_STR(".data"));
    if (status == VARVE_OK && running->path.failed) status = no_memory(running);
    if (status == VARVE_OK)
        status = spec_compare(&running->result->differences, varve_buf_view(&running->path), &expected->data, got->data,
                              running->error);
    return status;
}

static varve_status compare_events(struct running *running)
{
    const struct spec_example *example = running->example;
    const varve_outcome *outcome = &running->outcome;
    size_t longer = example->event_count > outcome->event_count ? example->event_count : outcome->event_count;
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < longer && status == VARVE_OK; i++)
        status = compare_event(running, i, i < example->event_count ? &example->events[i] : NULL,
                               i < outcome->event_count ? &outcome->events[i] : NULL);
    return status;
}

/* ---- rejections ---- */

static void write_rejection(varve_str code, bool has_message, varve_str message, varve_buf *out)
{
    varve_buf_str(out, VARVE_STR("{"));
    if (code.len > 0) {
        varve_buf_str(out, VARVE_STR("\"code\":"));
        varve_buf_json_string(out, code);
    }
    if (has_message) {
        varve_buf_str(out, code.len > 0 ? VARVE_STR(",\"message\":") : VARVE_STR("\"message\":"));
        varve_buf_json_string(out, message);
    }
    varve_buf_str(out, VARVE_STR("}"));
}

static varve_status compare_rejection(struct running *running)
{
    const struct spec_example *example = running->example;
    const varve_outcome *outcome = &running->outcome;
    begin(running);
    varve_buf_str(&running->path, VARVE_STR("rejected"));
    write_rejection(example->code, example->has_message, example->message, &running->expected);
    write_rejection(example->code.len > 0 ? outcome->code : (varve_str){ 0 }, example->has_message, outcome->message,
                    &running->got);
    return compare(running);
}

static void write_expected(const struct spec_example *example, varve_buf *out)
{
    if (example->expects_rejection) {
        varve_buf_str(out, VARVE_STR("{\"rejected\":"));
        write_rejection(example->code, example->has_message, example->message, out);
        varve_buf_str(out, VARVE_STR("}"));
    } else if (example->expects_events) {
        varve_buf_str(out, VARVE_STR("{\"events\":["));
        for (size_t i = 0; i < example->event_count; i++) {
            if (i > 0) varve_buf_str(out, VARVE_STR(","));
            write_event(&example->events[i].event, out);
        }
        varve_buf_str(out, VARVE_STR("]}"));
    }
}

static void write_got(const struct running *running, varve_buf *out)
{
    const varve_outcome *outcome = &running->outcome;
    if (running->is_rejected) {
        varve_buf_str(out, VARVE_STR("{\"rejected\":"));
        write_rejection(outcome->code, true, outcome->message, out);
        varve_buf_str(out, VARVE_STR("}"));
        return;
    }
    varve_buf_str(out, VARVE_STR("{\"events\":["));
    for (size_t i = 0; i < outcome->event_count; i++) {
        if (i > 0) varve_buf_str(out, VARVE_STR(","));
        write_event(&outcome->events[i], out);
    }
    varve_buf_str(out, VARVE_STR("]}"));
}

/* A rejection where none was expected, or the other way round, is one difference. */
static varve_status differ_in_kind(struct running *running)
{
    begin(running);
    write_expected(running->example, &running->expected);
    write_got(running, &running->got);
    return differ(running);
}

/* ---- given, when, then ---- */

static varve_status apply_given(struct running *running)
{
    const struct spec_example *example = running->example;
    varve_error cause = { 0 };
    char where[64];
    for (size_t i = 0; i < example->given_count; i++) {
        if (varve_trial_apply(running->trial, &example->given[i].event, &cause) < 0) {
            snprintf(where, sizeof where, "given[%zu] in line %u", i, example->given[i].place.line);
            return give_up(running, where, &cause);
        }
    }
    return VARVE_OK;
}

static varve_status execute(struct running *running)
{
    varve_error cause = { 0 };
    if (!running->example->has_command) return VARVE_OK;
    varve_status status = varve_trial_execute(running->trial, &running->example->command, &running->outcome, &cause);
    running->is_rejected = status == VARVE_REJECTED;
    return status < 0 ? give_up(running, "when", &cause) : VARVE_OK;
}

static varve_status compare_outcome(struct running *running)
{
    const struct spec_example *example = running->example;
    if (!example->has_command) return VARVE_OK;
    if (example->expects_rejection != running->is_rejected) return differ_in_kind(running);
    if (running->is_rejected) return compare_rejection(running);
    return example->expects_events ? compare_events(running) : VARVE_OK;
}

static varve_status compare_state(struct running *running)
{
    varve_error cause = { 0 };
    if (running->example->state.json.len == 0) return VARVE_OK;
    begin(running);
    if (varve_trial_show(running->trial, &running->got, &cause) < 0) return give_up(running, "state", &cause);
    return spec_compare(&running->result->differences, VARVE_STR("state"), &running->example->state,
                        varve_buf_view(&running->got), running->error);
}

varve_status spec_run(const struct spec_example *example, const varve_candidate *candidate, struct spec_result *result,
                      varve_error *error)
{
    struct running running = { .example = example, .result = result, .error = error };
    const varve_trial_options options = { .candidate = *candidate, .stream = example->stream };
    varve_error cause = { 0 };
    result->differences.arena = &result->arena;
    varve_status status = VARVE_OK;
    if (varve_trial_open(&running.trial, &options, &cause) < 0)
        status = give_up(&running, "before the first event", &cause);
    if (status == VARVE_OK) status = apply_given(&running);
    if (status == VARVE_OK) status = execute(&running);
    if (status == VARVE_OK) status = compare_outcome(&running);
    if (status == VARVE_OK) status = compare_state(&running);
    result->has_passed = status == VARVE_OK && result->differences.count == 0;
    varve_outcome_fini(&running.outcome);
    varve_trial_close(running.trial);
    varve_buf_fini(&running.path);
    varve_buf_fini(&running.expected);
    varve_buf_fini(&running.got);
    return status < 0 ? status : VARVE_OK;
}

void spec_result_fini(struct spec_result *result)
{
    arena_fini(&result->arena);
    *result = (struct spec_result){ 0 };
}
