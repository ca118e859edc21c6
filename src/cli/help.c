/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include <varve.h>

static void print_name(const struct verb *verb, varve_buf *out)
{
    varve_buf_printf(out, "%s", verb->noun);
    if (verb->name != NULL) {
        varve_buf_printf(out, " %s", verb->name);
    }
    if (verb->arguments != NULL) {
        varve_buf_printf(out, " %s", verb->arguments);
    }
}

static void print_options(const struct verb *verb, varve_buf *out)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_spec *spec = &option_specs[i];
        if (!verb_takes(verb, (enum option)i)) {
            continue;
        }
        size_t start = out->len;
        const char *dashes = i == OPTION_OUTPUT ? "-o, --" : i == OPTION_HELP ? "-h, --" : "--";
        varve_buf_printf(out, "  %s%s", dashes, spec->name);
        if (spec->value != NULL) {
            varve_buf_printf(out, " %s", spec->value);
        }
        size_t width = out->len - start;
        varve_buf_printf(out, "%*s%s", width < 30 ? (int)(30 - width) : 2, "", spec->help);
        if (spec->environment != NULL) {
            varve_buf_printf(out, " (%s)", spec->environment);
        }
        varve_buf_printf(out, "%s\n", spec->repeatable ? "; may be repeated" : "");
    }
}

static void print_verb(const struct verb *verb, varve_buf *out)
{
    varve_buf_printf(out, "varve ");
    print_name(verb, out);
    varve_buf_printf(out, "\n    %s.\n", verb->summary);
    if (verb->details != NULL) {
        varve_buf_printf(out, "\n%s\n", verb->details);
    }
    varve_buf_printf(out, "\n");
    print_options(verb, out);
}

static void print_overview(varve_buf *out)
{
    varve_buf_printf(out, "varve %s: CQRS and event sourcing on an append-only log\n\nusage: varve NOUN VERB …\n\n",
                     VARVE_VERSION);
    for (const struct verb *verb = verb_table; verb->noun != NULL; verb++) {
        size_t start = out->len;
        varve_buf_printf(out, "  ");
        print_name(verb, out);
        size_t width = out->len - start;
        varve_buf_printf(out, "%*s%s\n", width < 40 ? (int)(40 - width) : 2, "", verb->summary);
    }
    varve_buf_printf(out,
                     "\nWork on a store itself with --store sqlite:PATH (VARVE_STORE) and, where the application is\n"
                     "needed, --app DIR (VARVE_APP); or through a running server with --server URL (VARVE_SERVER).\n"
                     "Data goes to standard output, everything else to standard error. `varve help NOUN VERB` has\n"
                     "the options of a verb, `varve help exit-codes` what the exit code means.\n");
}

static void print_exit_codes(varve_buf *out)
{
    varve_buf_printf(out, "0  done; of a batch of commands: every line was accepted or rejected\n"
                          "1  failure\n"
                          "2  usage: the command line or the input is wrong, or asks for what is not built yet\n"
                          "3  not found\n"
                          "4  version conflict\n"
                          "5  unavailable: busy, locked by another process, not reachable, not in time\n"
                          "6  not allowed\n"
                          "7  integrity failure\n"
                          "8  outcome unknown: it may have happened; repeat it with the same id\n"
                          "9  command rejected\n");
}

varve_status help_print(const char *noun, const char *name, FILE *file, varve_error *error)
{
    varve_buf out = { 0 };
    varve_status status = VARVE_DONE;
    const struct verb *one = NULL;
    if (noun == NULL) {
        print_overview(&out);
    } else if (strcmp(noun, "exit-codes") == 0) {
        print_exit_codes(&out);
    } else if (name == NULL) {
        for (const struct verb *verb = verb_table; verb->noun != NULL; verb++) {
            if (strcmp(verb->noun, noun) == 0) {
                varve_buf_printf(&out, "%s", out.len > 0 ? "\n" : "");
                print_verb(verb, &out);
            }
        }
    }
    if (out.len == 0) {
        status = verb_choose(noun, name, &one, error);
        if (status == VARVE_OK) {
            print_verb(one, &out);
            status = VARVE_DONE;
        }
    }
    if (out.failed) {
        status = varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    if (status == VARVE_DONE) {
        fwrite(out.ptr, 1, out.len, file);
    }
    varve_buf_fini(&out);
    return status;
}
