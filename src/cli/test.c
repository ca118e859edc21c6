/* SPDX-License-Identifier: Apache-2.0 */
/* An application's examples: found, read, run on its aggregates. No store is opened. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "cli/input.h"
#include "cli/test_report.h"
#include "cli/verbs.h"
#include "lua/app.h"

struct suite {
    const struct call *call;
    struct app *app;
    char **names; /* of the files */
    struct spec_file *files;
    size_t count;
    struct test_report report;
};

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "out of memory for examples");
}

/* ---- which files ---- */

static int is_visible(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && entry->d_name[len - 1] != '~';
}

/* In order of bytes, whatever the locale. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t len = strlen(name);
    size_t suffix_len = strlen(suffix);
    return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static varve_status add_name(struct suite *suite, const char *folder, const char *name, varve_error *error)
{
    varve_buf path = { 0 };
    varve_buf_printf(&path, "%s%s%s", folder, folder[0] == '\0' ? "" : "/specs/", name);
    if (path.failed) {
        return no_memory(error);
    }
    suite->names[suite->count++] = path.ptr; /* which is freed with the suite */
    return VARVE_OK;
}

/* A file that would be passed over in silence is somebody's examples that do not run. */
static varve_status add_entry(struct suite *suite, const char *folder, const char *name, varve_error *error)
{
    if (ends_with(name, ".yaml")) {
        return add_name(suite, folder, name, error);
    }
    if (ends_with(name, ".md") || ends_with(name, ".txt") || strncmp(name, "README", 6) == 0) {
        return VARVE_OK;
    }
    return varve_error_set(error, VARVE_INVALID, "%s/specs/%s: no examples: in specs/ stand files NAME.yaml", folder,
                           name);
}

static varve_status make_room(struct suite *suite, size_t count, varve_error *error)
{
    suite->names = calloc(count + 1, sizeof(*suite->names));
    suite->files = calloc(count + 1, sizeof(*suite->files));
    return suite->names == NULL || suite->files == NULL ? no_memory(error) : VARVE_OK;
}

static varve_status list_folder(struct suite *suite, const char *app, varve_error *error)
{
    struct dirent **entries = NULL;
    varve_buf path = { 0 };
    varve_buf_printf(&path, "%s/specs", app);
    if (path.failed) {
        return no_memory(error);
    }
    int count = scandir(path.ptr, &entries, is_visible, compare_names);
    varve_status status = VARVE_OK;
    if (count < 0) {
        status = varve_error_set(error, VARVE_INVALID, "%s: %s", path.ptr, strerror(errno));
    } else {
        status = make_room(suite, (size_t)count, error);
    }
    for (int i = 0; i < count; i++) {
        if (status == VARVE_OK) {
            status = add_entry(suite, app, entries[i]->d_name, error);
        }
        free(entries[i]);
    }
    free(entries);
    if (status == VARVE_OK && suite->count == 0) {
        status = varve_error_set(error, VARVE_INVALID, "%s: there is no file with examples, NAME.yaml", path.ptr);
    }
    varve_buf_fini(&path);
    return status;
}

/* Those on the command line, or all of the application. */
static varve_status list_files(struct suite *suite, varve_error *error)
{
    const struct call *call = suite->call;
    if (call->argument_count == 1) {
        return list_folder(suite, call->arguments[0], error);
    }
    varve_status status = make_room(suite, call->argument_count - 1, error);
    for (size_t i = 1; i < call->argument_count && status == VARVE_OK; i++) {
        status = add_name(suite, "", call->arguments[i], error);
    }
    return status;
}

/* ---- what is in them ---- */

/* A file that cannot be read is a mistake of the command line, whatever the reason. */
static varve_status read_file(struct spec_file *file, const char *name, varve_error *error)
{
    varve_buf text = { 0 };
    varve_error cause = { 0 };
    varve_status status = input_read(name, YAML_BYTES_MAX, &text, &cause);
    if (status == VARVE_OK) {
        status = spec_file_read(file, name, varve_buf_view(&text), error);
    } else if (status == VARVE_NOMEM) {
        status = no_memory(error);
    } else {
        status = varve_error_set(error, VARVE_INVALID, "%s", cause.message);
    }
    varve_buf_fini(&text);
    return status;
}

static varve_status check_stream(const struct suite *suite, const struct spec_file *file,
                                 const struct spec_example *example, varve_error *error)
{
    varve_str category = varve_stream_category(example->stream);
    varve_candidate candidate = { 0 };
    if (app_find_decider(suite->app, example->stream, example->command.type, &candidate)) {
        return VARVE_OK;
    }
    return varve_error_set(error, VARVE_INVALID, "%s:%u:%u: the application has no aggregate of category '%.*s'",
                           file->name, example->place.line, example->place.column, (int)category.len, category.ptr);
}

/* All of it, before the first example runs. */
static varve_status read_files(struct suite *suite, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < suite->count && status == VARVE_OK; i++) {
        struct spec_file *file = &suite->files[i];
        status = read_file(file, suite->names[i], error);
        for (size_t j = 0; j < file->count && status == VARVE_OK; j++) {
            status = check_stream(suite, file, &file->examples[j], error);
        }
    }
    return status;
}

/* ---- running ---- */

static bool is_wanted(const struct suite *suite, const struct spec_example *example)
{
    varve_str filter = call_text(suite->call, OPTION_FILTER);
    return filter.len == 0 || memmem(example->name.ptr, example->name.len, filter.ptr, filter.len) != NULL;
}

static varve_status run_example(struct suite *suite, const struct spec_file *file, const struct spec_example *example,
                                varve_error *error)
{
    struct spec_result result = { 0 };
    varve_candidate candidate = { 0 };
    (void)app_find_decider(suite->app, example->stream, example->command.type, &candidate); /* as was checked */
    varve_status status = spec_run(example, &candidate, &result, error);
    if (status == VARVE_OK) {
        status = test_report_add(&suite->report, file->name, example, &result, error);
    }
    spec_result_fini(&result);
    return status;
}

static varve_status run_files(struct suite *suite, varve_error *error)
{
    varve_status status = VARVE_OK;
    test_report_init(&suite->report, suite->call);
    for (size_t i = 0; i < suite->count && status == VARVE_OK; i++) {
        const struct spec_file *file = &suite->files[i];
        for (size_t j = 0; j < file->count && status == VARVE_OK; j++) {
            if (is_wanted(suite, &file->examples[j])) {
                status = run_example(suite, file, &file->examples[j], error);
            }
        }
    }
    if (status == VARVE_OK && suite->report.passed + suite->report.failed == 0) {
        status = varve_error_set(error, VARVE_INVALID, "no example's name has '%s' in it",
                                 call_option(suite->call, OPTION_FILTER));
    } else if (status == VARVE_OK) {
        status = test_report_end(&suite->report, error);
    }
    test_report_fini(&suite->report);
    return status;
}

static void suite_fini(struct suite *suite)
{
    for (size_t i = 0; i < suite->count; i++) {
        spec_file_fini(&suite->files[i]);
        free(suite->names[i]);
    }
    free(suite->files);
    free(suite->names);
    app_close(suite->app);
}

varve_status run_test(struct call *call, varve_error *error)
{
    struct suite suite = { .call = call };
    if (call_option(call, OPTION_OUTPUT) == NULL) {
        call->output.format = OUTPUT_TABLE; /* a log is read by people too */
    }
    varve_status status = app_open_aggregates(&suite.app, call->arguments[0], error);
    if (status == VARVE_NOT_FOUND) {
        status = VARVE_INVALID; /* no such folder, which is a mistake of the command line */
    }
    if (status == VARVE_OK) {
        status = list_files(&suite, error);
    }
    if (status == VARVE_OK) {
        status = read_files(&suite, error);
    }
    if (status == VARVE_OK) {
        status = run_files(&suite, error);
    }
    suite_fini(&suite);
    return status;
}
