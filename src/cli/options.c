/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <stdlib.h>

#include "cli/help.h"

static const char *environment(enum option option)
{
    const char *name = option_specs[option].environment;
    const char *value = name == NULL ? NULL : getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

const char *call_option(const struct call *call, enum option option)
{
    size_t count = call_option_count(call, option);
    if (count > 0) {
        return call_option_at(call, option, count - 1);
    }
    return verb_takes(call->verb, option) ? environment(option) : NULL;
}

size_t call_option_count(const struct call *call, enum option option)
{
    size_t count = 0;
    for (size_t i = 0; i < call->given_count; i++) {
        count += call->given[i].option == option ? 1 : 0;
    }
    return count;
}

const char *call_option_at(const struct call *call, enum option option, size_t index)
{
    for (size_t i = 0; i < call->given_count; i++) {
        if (call->given[i].option == option && index-- == 0) {
            return call->given[i].value;
        }
    }
    return NULL;
}

varve_str call_text(const struct call *call, enum option option)
{
    return varve_str_of(call_option(call, option));
}

varve_status call_number(const struct call *call, enum option option, uint64_t *number, varve_error *error)
{
    const char *text = call_option(call, option);
    if (text == NULL) {
        return VARVE_OK;
    }
    uint64_t value = 0;
    size_t digits = 0;
    while (text[digits] >= '0' && text[digits] <= '9' && digits < 19) {
        value = value * 10 + (uint64_t)(text[digits] - '0');
        digits++;
    }
    if (digits == 0 || text[digits] != '\0' || value > INT64_MAX) {
        return varve_error_set(error, VARVE_INVALID, "--%s takes a whole number, not '%s'", option_specs[option].name,
                               text);
    }
    *number = value;
    return VARVE_OK;
}

varve_status call_time(const struct call *call, enum option option, varve_time *time, varve_error *error)
{
    const char *text = call_option(call, option);
    if (text == NULL) {
        return VARVE_OK;
    }
    if (varve_time_parse(time, varve_str_of(text), NULL) < 0 || *time <= 0) {
        return varve_error_set(error, VARVE_INVALID, "--%s takes a time after 1970 like 2026-01-02T03:04:05Z, not '%s'",
                               option_specs[option].name, text);
    }
    return VARVE_OK;
}

varve_status call_clock(const struct call *call, varve_clock *clock, varve_error *error)
{
    const char *text = call_option(call, OPTION_CLOCK);
    if (text == NULL) {
        return VARVE_OK;
    }
    bool occurred = strcmp(text, "occurred") == 0;
    if (!occurred && strcmp(text, "recorded") != 0) {
        return varve_error_set(error, VARVE_INVALID, "--clock takes recorded or occurred, not '%s'", text);
    }
    *clock = occurred ? VARVE_CLOCK_OCCURRED : VARVE_CLOCK_RECORDED;
    return VARVE_OK;
}

static bool find_option(const char *name, size_t len, enum option *option)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strlen(option_specs[i].name) == len && memcmp(option_specs[i].name, name, len) == 0) {
            *option = (enum option)i;
            return true;
        }
    }
    return false;
}

/* Reads the option at argv[*at], moving on over its value when that stands apart. */
static varve_status take_option(struct call *call, int argc, char **argv, int *at, varve_error *error)
{
    const char *text = argv[*at];
    const char *name = text + 2;
    if (strcmp(text, "-o") == 0) {
        name = "output";
    } else if (strcmp(text, "-h") == 0) {
        name = "help";
    } else if (text[1] != '-') {
        return varve_error_set(error, VARVE_INVALID, "unknown option %s; see `varve help`", text);
    }
    const char *equals = strchr(name, '=');
    size_t len = equals == NULL ? strlen(name) : (size_t)(equals - name);
    struct given given = { .value = "" };
    if (!find_option(name, len, &given.option)) {
        return varve_error_set(error, VARVE_INVALID, "unknown option --%.*s; see `varve help`", (int)len, name);
    }
    const struct option_spec *spec = &option_specs[given.option];
    if (spec->value == NULL && equals != NULL) {
        return varve_error_set(error, VARVE_INVALID, "--%s takes no value", spec->name);
    }
    if (spec->value != NULL && equals != NULL) {
        given.value = equals + 1;
    } else if (spec->value != NULL) {
        if (*at + 1 == argc) {
            return varve_error_set(error, VARVE_INVALID, "--%s needs a value: --%s %s", spec->name, spec->name,
                                   spec->value);
        }
        given.value = argv[++*at];
    }
    if (!spec->repeatable && call_option_count(call, given.option) > 0) {
        return varve_error_set(error, VARVE_INVALID, "--%s is given twice", spec->name);
    }
    call->given[call->given_count++] = given;
    return VARVE_OK;
}

/* Parts the words from the options; what they mean together is checked once the verb is known. */
static varve_status split(struct call *call, int argc, char **argv, varve_error *error)
{
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        if (only_words || argv[i][0] != '-' || argv[i][1] == '\0') {
            call->arguments[call->argument_count++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else {
            varve_status status = take_option(call, argc, argv, &i, error);
            if (status < 0) {
                return status;
            }
        }
    }
    return VARVE_OK;
}

varve_status call_needs_app(const struct call *call, varve_error *error)
{
    if (call->app != NULL || call->server != NULL) {
        return VARVE_OK;
    }
    return varve_error_set(error, VARVE_INVALID,
                           "which application? give --app DIR, the folder with aggregates/ and queries/");
}

/* Where to work: flags before the environment, and either a server or a store of one's own. */
static varve_status find_target(struct call *call, varve_error *error)
{
    bool own = call_option_count(call, OPTION_STORE) > 0 || call_option_count(call, OPTION_APP) > 0;
    bool remote = call_option_count(call, OPTION_SERVER) > 0;
    if (own && remote) {
        return varve_error_set(error, VARVE_INVALID,
                               "--server goes through a running server, --store to the store itself: give one of them");
    }
    call->server = own ? NULL : call_option(call, OPTION_SERVER);
    call->store = remote ? NULL : call_option(call, OPTION_STORE);
    call->app = remote ? NULL : call_option(call, OPTION_APP);
    if (call->server != NULL && call->store != NULL) {
        return varve_error_set(error, VARVE_INVALID,
                               "VARVE_STORE and VARVE_SERVER are both set: give --store or --server to choose");
    }
    if ((call->verb->uses & USES_ANY) != 0 || call->server != NULL) {
        return VARVE_OK;
    }
    bool or_server = (call->verb->uses & USES_SERVER) != 0;
    if ((call->verb->uses & USES_STORE) != 0 && call->store == NULL) {
        return varve_error_set(error, VARVE_INVALID, "which store? give --store sqlite:PATH%s",
                               or_server ? ", or --server http://127.0.0.1:8080 for a running server" : "");
    }
    return (call->verb->uses & USES_APP) != 0 ? call_needs_app(call, error) : VARVE_OK;
}

/* Checks options and arguments against the verb. */
static varve_status check(struct call *call, varve_error *error)
{
    const struct verb *verb = call->verb;
    const char *space = verb->name == NULL ? "" : " ";
    const char *name = verb->name == NULL ? "" : verb->name;
    for (size_t i = 0; i < call->given_count; i++) {
        if (!verb_takes(verb, call->given[i].option)) {
            return varve_error_set(error, VARVE_INVALID, "--%s does not apply to `%s%s%s`; see `varve help %s%s%s`",
                                   option_specs[call->given[i].option].name, verb->noun, space, name, verb->noun, space,
                                   name);
        }
    }
    if (call->argument_count < verb->arguments_min || call->argument_count > verb->arguments_max) {
        return varve_error_set(error, VARVE_INVALID, "usage: varve %s%s%s%s%s; see `varve help %s%s%s`", verb->noun,
                               space, name, verb->arguments == NULL ? "" : " ",
                               verb->arguments == NULL ? "" : verb->arguments, verb->noun, space, name);
    }
    const char *format = call_option(call, OPTION_OUTPUT);
    if (format != NULL) {
        varve_status status = output_format_parse(&call->output.format, format, error);
        if (status < 0) {
            return status;
        }
    }
    call->quiet = call_option(call, OPTION_QUIET) != NULL;
    return find_target(call, error);
}

varve_status call_init(struct call *call, int argc, char **argv, varve_error *error)
{
    output_init(&call->output, stdout);
    call->arguments = calloc((size_t)argc + 1, sizeof(*call->arguments));
    call->given = calloc((size_t)argc + 1, sizeof(*call->given));
    if (call->arguments == NULL || call->given == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    /* `varve --version` is what people try first. */
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        call->verb = verb_find("version", NULL);
        return VARVE_OK;
    }
    varve_status status = split(call, argc, argv, error);
    if (status < 0) {
        return status;
    }
    bool help = call_option_count(call, OPTION_HELP) > 0;
    const char *first = call->argument_count > 0 ? call->arguments[0] : NULL;
    if (first != NULL && strcmp(first, "help") == 0) {
        help = true;
        call->arguments++;
        call->argument_count--;
        call->skipped++;
    }
    const char *noun = call->argument_count > 0 ? call->arguments[0] : NULL;
    const char *name = call->argument_count > 1 ? call->arguments[1] : NULL;
    if (help) {
        return help_print(noun, name, stdout, error);
    }
    if (noun == NULL) {
        return varve_error_set(error, VARVE_INVALID, "say what to do: varve NOUN VERB; see `varve help`");
    }
    status = verb_choose(noun, name, &call->verb, error);
    if (status < 0) {
        return status;
    }
    size_t words = call->verb->name == NULL ? 1 : 2;
    call->arguments += words;
    call->argument_count -= words;
    call->skipped += words;
    return check(call, error);
}

void call_fini(struct call *call)
{
    if (call->arguments != NULL) {
        free(call->arguments - call->skipped);
    }
    free(call->given);
    *call = (struct call){ 0 };
}
