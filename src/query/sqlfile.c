/* SPDX-License-Identifier: Apache-2.0 */
/* The directives of SQL files, and what makes a file complete; see sqlfile.h. */
#include "query/sqlfile.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/stored_hash.h"
#include "base/utf8.h"
#include "query/sqltext.h"

#define NAME_MAX_BYTES 63u

struct parser {
    struct sqlfile *file;
    enum sqlfile_kind kind;
    const char *dialect;
    struct sqltext text;
    struct sqlfile_section *section;
    bool ours;           /* what follows is for our dialect */
    bool version;        /* was given */
    bool on_error, mode; /* were there */
    uint32_t partitions; /* the line of @partitions; 0: not there */
    uint32_t line;       /* of the text's beginning */
    varve_error *error;
};

varve_status sqlfile_fail(const struct sqlfile *parsed, uint32_t line, varve_status status, varve_error *error,
                          const char *format, ...)
{
    varve_error what = { 0 };
    va_list args;
    va_start(args, format);
    varve_error_setv(&what, status, format, args);
    va_end(args);
    varve_error_set(error, status, "%s:%u: %s", parsed->file, line, what.message);
    if (error != NULL) {
        error->detail = line;
    }
    return status;
}

/* PostgreSQL cannot tell a parameter's type, and names it by a number: the author knows it by another name. */
static varve_status ask_for_type(const struct sqlfile *parsed, const struct sqlfile_statement *statement, size_t number,
                                 varve_error *error)
{
    const struct sqlfile_placeholder *place = statement->placeholders;
    const struct sqlfile_param *param = parsed->params;
    char written[24];
    for (size_t i = 1; i < number; i++) {
        place = place->next;
    }
    for (size_t i = 0; place->source == SQLFILE_PARAM && i < place->param; i++) {
        param = param->next;
    }
    varve_str name = place->source == SQLFILE_PARAM ? param->name : varve_str_of(sqltext_source(place->source));
    const char *dot = place->path.len > 0 && *place->path.ptr != '[' ? "." : "";
    int len = snprintf(written, sizeof written, ":p%zu", number);
    const char *at = memmem(statement->text.ptr, statement->text.len, written, (size_t)len);
    uint32_t line = statement->line;
    for (const char *c = statement->text.ptr; at != NULL && c < at; c++) {
        line += *c == '\n';
    }
    return sqlfile_fail(parsed, line, VARVE_INVALID, error,
                        "nothing tells the type of :%.*s%s%.*s, or it is of two: write it behind, as in ::text",
                        (int)name.len, name.ptr, dot, (int)place->path.len, place->path.ptr);
}

varve_status sqlfile_refused(const struct sqlfile *parsed, const struct sqlfile_statement *statement,
                             const varve_error *refusal, varve_error *error)
{
    uint32_t line = statement->line;
    const char *parameter = strstr(refusal->message, "parameter $");
    size_t number = parameter == NULL ? 0 : strtoul(parameter + strlen("parameter $"), NULL, 10);
    if (number > 0 && number <= statement->placeholder_count) {
        return ask_for_type(parsed, statement, number, error);
    }
    for (int64_t i = 0; i < refusal->detail && i < (int64_t)statement->text.len; i++) {
        line += statement->text.ptr[i] == '\n';
    }
    bool author = refusal->status != VARVE_NOMEM && refusal->status != VARVE_IO && refusal->status != VARVE_FULL &&
                  refusal->status != VARVE_BUSY && refusal->status != VARVE_CORRUPT &&
                  refusal->status != VARVE_NOT_FOUND;
    return sqlfile_fail(parsed, line, author ? VARVE_INVALID : refusal->status, error, "%s", refusal->message);
}

static varve_status no_memory(struct parser *parser)
{
    return varve_error_set(parser->error, VARVE_NOMEM, "no memory to read %s", parser->file->file);
}

static varve_str trim(varve_str text)
{
    while (text.len > 0 && sqltext_is_blank(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && sqltext_is_blank(text.ptr[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* Takes the first word, or what stands before a comma, off `rest`. */
static varve_str take(varve_str *rest, char separator)
{
    varve_str word = { rest->ptr, 0 };
    while (word.len < rest->len &&
           (separator == ' ' ? !sqltext_is_blank(rest->ptr[word.len]) : rest->ptr[word.len] != separator)) {
        word.len++;
    }
    size_t used = word.len < rest->len ? word.len + 1 : word.len;
    rest->ptr += used;
    rest->len -= used;
    return trim(word);
}

/* Names of projections, queries and parameters are snake_case: they become schema, file and field names. */
static varve_status check_name(struct parser *parser, uint32_t line, const char *what, varve_str name)
{
    bool good = name.len > 0 && name.len <= NAME_MAX_BYTES && name.ptr[0] >= 'a' && name.ptr[0] <= 'z';
    for (size_t i = 0; good && i < name.len; i++) {
        char c = name.ptr[i];
        good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    }
    if (!good) {
        return sqlfile_fail(parser->file, line, VARVE_INVALID, parser->error,
                            "the %s '%.*s' is not a snake_case name of at most %u bytes", what,
                            (int)(name.len > 80 ? 80 : name.len), name.ptr, NAME_MAX_BYTES);
    }
    static const char *const taken[] = { "main", "temp", NULL };
    for (const char *const *word = taken; *word != NULL; word++) {
        good = good && !varve_str_is(name, *word);
    }
    good = good && !(name.len >= 6 && memcmp(name.ptr, "varve_", 6) == 0) &&
           !(name.len >= 7 && memcmp(name.ptr, "sqlite_", 7) == 0) &&
           !(name.len >= 3 && memcmp(name.ptr, "pg_", 3) == 0);
    return good ? VARVE_OK
                : sqlfile_fail(parser->file, line, VARVE_INVALID, parser->error, "the %s '%.*s' is reserved", what,
                               (int)name.len, name.ptr);
}

static varve_status read_name(struct parser *parser, uint32_t line, varve_str rest)
{
    const char *what = parser->kind == SQLFILE_PROJECTION ? "projection" : "query";
    if (parser->file->name.len > 0) {
        return sqlfile_fail(parser->file, line, VARVE_INVALID, parser->error, "a second @%s: a file holds one", what);
    }
    varve_status status = check_name(parser, line, what, rest);
    if (status == VARVE_OK) {
        parser->file->name = rest;
        parser->file->line = line;
    }
    return status;
}

static varve_status read_version(struct parser *parser, uint32_t line, varve_str rest)
{
    uint64_t version = 0;
    bool good = rest.len > 0 && rest.len <= 10;
    for (size_t i = 0; good && i < rest.len; i++) {
        good = rest.ptr[i] >= '0' && rest.ptr[i] <= '9';
        version = version * 10 + (uint64_t)(rest.ptr[i] - '0');
    }
    if (!good || version == 0 || version > INT32_MAX) {
        return sqlfile_fail(parser->file, line, VARVE_INVALID, parser->error, "@version wants a number from 1 on");
    }
    if (parser->version || parser->section != NULL) {
        return sqlfile_fail(parser->file, line, VARVE_INVALID, parser->error,
                            "@version stands once, before the sections");
    }
    parser->version = true;
    parser->file->version = (uint32_t)version;
    return VARVE_OK;
}

/* Splits "a, b" at its commas into an array of the arena. */
static varve_status read_list(struct parser *parser, varve_str rest, varve_str **list, size_t *count)
{
    size_t capacity = 1;
    for (size_t i = 0; i < rest.len; i++) {
        capacity += rest.ptr[i] == ',';
    }
    *list = arena_array(&parser->file->arena, capacity, sizeof **list);
    if (*list == NULL) {
        return no_memory(parser);
    }
    for (*count = 0; *count < capacity; (*count)++) {
        (*list)[*count] = take(&rest, ',');
    }
    return VARVE_OK;
}

/* Is what follows, written in this dialect, for ours? */
static void speak(struct parser *parser, varve_str dialect)
{
    parser->ours = varve_str_is(dialect, parser->dialect);
    sqltext_speak(&parser->text, dialect, parser->ours);
}

static varve_status open_section(struct parser *parser, uint32_t line, struct sqlfile_section **list)
{
    while (*list != NULL) {
        list = &(*list)->next;
    }
    *list = parser->section = arena_array(&parser->file->arena, 1, sizeof **list);
    if (parser->section == NULL) {
        return no_memory(parser);
    }
    parser->section->line = line;
    speak(parser, varve_str_of(parser->dialect));
    return VARVE_OK;
}

static varve_status read_on(struct parser *parser, uint32_t line, varve_str rest)
{
    varve_status status = open_section(parser, line, &parser->file->handlers);
    struct sqlfile_section *section = parser->section;
    if (status == VARVE_OK) {
        status = read_list(parser, rest, &section->types, &section->type_count);
    }
    for (size_t i = 0; status == VARVE_OK && i < section->type_count; i++) {
        if (section->types[i].len == 0 || section->types[i].len > VARVE_NAME_BYTES_MAX) {
            status = sqlfile_fail(parser->file, line, VARVE_INVALID, parser->error,
                                  "@on wants event types, separated by commas");
        }
    }
    return status;
}

static varve_status read_reads(struct parser *parser, uint32_t line, varve_str rest)
{
    struct sqlfile *file = parser->file;
    if (file->read_count > 0) {
        return sqlfile_fail(file, line, VARVE_INVALID, parser->error, "@reads stands once");
    }
    varve_status status = read_list(parser, rest, &file->reads, &file->read_count);
    if (status == VARVE_OK && file->read_count > SQLFILE_READS_MAX) {
        status = sqlfile_fail(file, line, VARVE_INVALID, parser->error, "a query reads at most %u projections",
                              SQLFILE_READS_MAX);
    }
    for (size_t i = 0; status == VARVE_OK && i < file->read_count; i++) {
        status = check_name(parser, line, "projection", file->reads[i]);
        for (size_t j = 0; status == VARVE_OK && j < i; j++) {
            if (varve_str_eq(file->reads[i], file->reads[j])) {
                status = sqlfile_fail(file, line, VARVE_INVALID, parser->error, "'%.*s' is named twice",
                                      (int)file->reads[i].len, file->reads[i].ptr);
            }
        }
    }
    return status;
}

static varve_status read_param(struct parser *parser, uint32_t line, varve_str rest)
{
    static const char *const types[] = {
        [SQLFILE_TEXT] = "text",       [SQLFILE_INTEGER] = "integer",     [SQLFILE_NUMBER] = "number",
        [SQLFILE_BOOLEAN] = "boolean", [SQLFILE_TIMESTAMP] = "timestamp",
    };
    struct sqlfile *file = parser->file;
    varve_str name = take(&rest, ' ');
    varve_status status = check_name(parser, line, "parameter", name);
    if (status < 0) {
        return status;
    }
    /* What a request for a page is made of cannot be a parameter too. */
    static const char *const taken[] = { "limit", "cursor", "after_position", "wait_ms", "explain", NULL };
    for (const char *const *word = taken; *word != NULL; word++) {
        if (varve_str_is(name, *word)) {
            return sqlfile_fail(file, line, VARVE_INVALID, parser->error, "the parameter '%s' is reserved", *word);
        }
    }
    struct sqlfile_param **end = &file->params;
    for (; *end != NULL; end = &(*end)->next) {
        if (varve_str_eq((*end)->name, name)) {
            return sqlfile_fail(file, line, VARVE_INVALID, parser->error, "the parameter '%.*s' is declared twice",
                                (int)name.len, name.ptr);
        }
    }
    rest = trim(rest);
    bool has_default = rest.len > 0 && memchr(rest.ptr, '=', rest.len) != NULL;
    varve_str word = has_default ? take(&rest, '=') : rest;
    enum sqlfile_type type = SQLFILE_TEXT;
    while (type <= SQLFILE_TIMESTAMP && !varve_str_is(word, types[type])) {
        type++;
    }
    if (type > SQLFILE_TIMESTAMP) {
        return sqlfile_fail(file, line, VARVE_INVALID, parser->error,
                            "@param wants a name, a type (text, integer, number, boolean or timestamp), and perhaps "
                            "= and a default, or null");
    }
    *end = arena_array(&file->arena, 1, sizeof **end);
    if (*end == NULL) {
        return no_memory(parser);
    }
    rest = trim(rest);
    **end = (struct sqlfile_param){ .name = name,
                                    .type = type,
                                    .line = line,
                                    .has_default = has_default,
                                    .default_null = has_default && varve_str_is(rest, "null"),
                                    .default_value = rest };
    file->param_count++;
    return VARVE_OK;
}

static varve_status read_on_error(struct parser *parser, uint32_t line, varve_str rest)
{
    if (parser->on_error || parser->section != NULL) {
        return sqlfile_fail(parser->file, line, VARVE_INVALID, parser->error,
                            "@on_error stands once, before the sections");
    }
    if (!varve_str_is(rest, "stop") && !varve_str_is(rest, "park")) {
        return sqlfile_fail(parser->file, line, VARVE_INVALID, parser->error, "@on_error wants stop or park");
    }
    parser->on_error = true;
    parser->file->parks = varve_str_is(rest, "park");
    return VARVE_OK;
}

static varve_status read_mode(struct parser *parser, uint32_t line, varve_str rest)
{
    if (parser->mode || parser->section != NULL) {
        return sqlfile_fail(parser->file, line, VARVE_INVALID, parser->error, "@mode stands once, before the sections");
    }
    if (!varve_str_is(rest, "async") && !varve_str_is(rest, "inline")) {
        return sqlfile_fail(parser->file, line, VARVE_INVALID, parser->error, "@mode wants async or inline");
    }
    parser->mode = true;
    parser->file->is_inline = varve_str_is(rest, "inline");
    return VARVE_OK;
}

static varve_status check_partitions(struct parser *parser, uint32_t line)
{
    const struct sqlfile *file = parser->file;
    return file->partitions >= 2 && file->partitions <= VARVE_PARTITIONS_MAX
               ? VARVE_OK
               : sqlfile_fail(file, line, VARVE_INVALID, parser->error, "partitions are a number from 2 to %u",
                              VARVE_PARTITIONS_MAX);
}

static varve_status read_partitions(struct parser *parser, uint32_t line, varve_str rest)
{
    if (parser->partitions != 0 || parser->section != NULL) {
        return sqlfile_fail(parser->file, line, VARVE_INVALID, parser->error,
                            "@partitions stands once, before the sections");
    }
    size_t used = 0;
    parser->partitions = line;
    parser->file->partitions = 0;
    for (size_t i = 0; i < rest.len && i < 3 && rest.ptr[i] >= '0' && rest.ptr[i] <= '9'; i++) {
        parser->file->partitions = parser->file->partitions * 10 + (uint32_t)(rest.ptr[i] - '0');
        used++;
    }
    if (used < rest.len) {
        parser->file->partitions = 0;
    }
    return check_partitions(parser, line);
}

static varve_status read_projection_directive(struct parser *parser, uint32_t line, varve_str word, varve_str rest)
{
    struct sqlfile *file = parser->file;
    if (varve_str_is(word, "@version")) {
        return read_version(parser, line, rest);
    }
    if (varve_str_is(word, "@create")) {
        if (file->create != NULL || rest.len > 0) {
            return sqlfile_fail(file, line, VARVE_INVALID, parser->error, "@create stands once and alone on its line");
        }
        return open_section(parser, line, &file->create);
    }
    if (varve_str_is(word, "@on")) {
        return read_on(parser, line, rest);
    }
    if (varve_str_is(word, "@mode")) {
        return read_mode(parser, line, rest);
    }
    if (varve_str_is(word, "@on_error")) {
        return read_on_error(parser, line, rest);
    }
    if (varve_str_is(word, "@partitions")) {
        return read_partitions(parser, line, rest);
    }
    return VARVE_NOT_FOUND;
}

static varve_status read_query_directive(struct parser *parser, uint32_t line, varve_str word, varve_str rest)
{
    speak(parser, varve_str_of(parser->dialect));
    if (varve_str_is(word, "@reads")) {
        return read_reads(parser, line, rest);
    }
    if (varve_str_is(word, "@param")) {
        return read_param(parser, line, rest);
    }
    return VARVE_NOT_FOUND;
}

/* For code, which says the rest by other means. */
static bool is_of_code(enum sqlfile_kind kind)
{
    return kind == SQLFILE_TABLES || kind == SQLFILE_STATEMENT;
}

static varve_status read_directive(struct parser *parser, uint32_t line, varve_str rest)
{
    struct sqlfile *file = parser->file;
    varve_str word = take(&rest, ' ');
    rest = trim(rest);
    bool projection = parser->kind == SQLFILE_PROJECTION;
    if (is_of_code(parser->kind) && !varve_str_is(word, "@sqlite") && !varve_str_is(word, "@postgres")) {
        return sqlfile_fail(file, line, VARVE_INVALID, parser->error,
                            "%.*s: statements in code have @sqlite and @postgres, and no other directive",
                            (int)(word.len > 80 ? 80 : word.len), word.ptr);
    }
    if (varve_str_is(word, projection ? "@projection" : "@query")) {
        return read_name(parser, line, rest);
    }
    if (file->name.len == 0 && !is_of_code(parser->kind)) {
        return sqlfile_fail(file, line, VARVE_INVALID, parser->error, "the first directive is -- @%s NAME",
                            projection ? "projection" : "query");
    }
    if (varve_str_is(word, "@sqlite") || varve_str_is(word, "@postgres")) {
        if ((projection && parser->section == NULL) || rest.len > 0) {
            return sqlfile_fail(file, line, VARVE_INVALID, parser->error,
                                "%.*s stands alone on its line, inside a section", (int)word.len, word.ptr);
        }
        word.ptr++;
        word.len--;
        speak(parser, word);
        return VARVE_OK;
    }
    varve_status status = projection ? read_projection_directive(parser, line, word, rest)
                                     : read_query_directive(parser, line, word, rest);
    if (status == VARVE_NOT_FOUND) {
        status = sqlfile_fail(file, line, VARVE_INVALID, parser->error, "unknown directive %.*s %.*s",
                              (int)(word.len > 80 ? 80 : word.len), word.ptr, (int)(rest.len > 80 ? 80 : rest.len),
                              rest.ptr);
    }
    return status;
}

/* Keeps the statement that sqltext has just read, if it is for us. */
static varve_status keep_statement(struct parser *parser, const struct sqlfile_statement *read)
{
    struct sqlfile *file = parser->file;
    if (parser->section == NULL) {
        return sqlfile_fail(file, read->line, VARVE_INVALID, parser->error,
                            "SQL before the first -- @create or -- @on");
    }
    if (parser->section == file->create && read->placeholder_count > 0) {
        return sqlfile_fail(file, read->line, VARVE_INVALID, parser->error, "%s cannot have placeholders",
                            is_of_code(parser->kind) ? "create" : "@create");
    }
    if (!parser->ours) {
        return VARVE_OK;
    }
    struct sqlfile_statement **end = &parser->section->statements;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    if (parser->section == file->question && end != &parser->section->statements) {
        return sqlfile_fail(file, read->line, VARVE_INVALID, parser->error, "%s is one statement",
                            parser->kind == SQLFILE_QUERY ? "a query" : "what is run");
    }
    *end = arena_array(&file->arena, 1, sizeof **end);
    if (*end == NULL) {
        return no_memory(parser);
    }
    **end = *read;
    return VARVE_OK;
}

static varve_status check_complete(const struct parser *parser)
{
    const struct sqlfile *file = parser->file;
    const char *missing = NULL;
    uint32_t line = file->line;
    if (is_of_code(parser->kind)) {
        missing = parser->section->statements == NULL ? "a statement" : NULL;
    } else if (parser->kind == SQLFILE_QUERY) {
        missing = file->name.len == 0                  ? "-- @query NAME"
                  : file->read_count == 0              ? "-- @reads PROJECTION"
                  : file->question->statements == NULL ? "the statement"
                                                       : NULL;
    } else {
        missing = file->name.len == 0      ? "-- @projection NAME"
                  : !parser->version       ? "-- @version N"
                  : file->create == NULL   ? "-- @create"
                  : file->handlers == NULL ? "-- @on TYPE"
                                           : NULL;
        if (missing == NULL && file->is_inline && file->parks) {
            return sqlfile_fail(file, file->line, VARVE_INVALID, parser->error,
                                "an inline projection refuses the append: it cannot park its events");
        }
        if (missing == NULL && file->is_inline && file->partitions > 1) {
            return sqlfile_fail(file, parser->partitions, VARVE_INVALID, parser->error,
                                "an inline projection has no @partitions: its rows change in the append");
        }
        if (missing == NULL && file->create->statements == NULL) {
            missing = "a statement for @create";
            line = file->create->line;
        }
        for (const struct sqlfile_section *on = file->handlers; missing == NULL && on != NULL; on = on->next) {
            if (on->statements == NULL) {
                missing = "a statement for @on";
                line = on->line;
            }
        }
    }
    return missing == NULL ? VARVE_OK
                           : sqlfile_fail(file, line == 0 ? 1 : line, VARVE_INVALID, parser->error,
                                          "%s is missing (dialect %s)", missing, parser->dialect);
}

static varve_status parse(struct parser *parser, varve_str text)
{
    struct sqlfile *file = parser->file;
    if (!utf8_valid(text) || memchr(text.ptr, '\0', text.len) != NULL) {
        return sqlfile_fail(file, parser->line, VARVE_INVALID, parser->error, "the %s is not UTF-8 text",
                            is_of_code(parser->kind) ? "statement" : "file");
    }
    varve_status status = VARVE_OK;
    if (parser->kind != SQLFILE_PROJECTION) {
        status = open_section(parser, parser->line, parser->kind == SQLFILE_TABLES ? &file->create : &file->question);
    }
    sqltext_start(&parser->text, file, parser->kind, parser->dialect, text);
    parser->text.typed = parser->kind == SQLFILE_QUERY && strcmp(parser->dialect, "postgres") == 0;
    parser->text.line = parser->line;
    while (status == VARVE_OK) {
        struct sqlfile_statement statement = { 0 };
        varve_str directive = { 0 };
        status = sqltext_next(&parser->text, &statement, &directive, parser->error);
        if (status != VARVE_OK) {
            break;
        }
        status = directive.len > 0 ? read_directive(parser, parser->text.line, directive)
                                   : keep_statement(parser, &statement);
    }
    sqltext_fini(&parser->text);
    return status == VARVE_DONE ? check_complete(parser) : status;
}

/* Reads `text`, of which errors call line `line` the first, into a file that may have been begun. */
static varve_status read_text(struct parser *parser, const char *file, varve_str text)
{
    struct arena *arena = &parser->file->arena;
    varve_str name = { 0 };
    if (!arena_copy(arena, varve_str_of(file), &name) || !arena_copy(arena, text, &text)) {
        return varve_error_set(parser->error, VARVE_NOMEM, "no memory to read %s", file);
    }
    parser->file->file = name.ptr;
    return parse(parser, text);
}

static varve_status new_file(struct parser *parser, const char *file)
{
    parser->file = calloc(1, sizeof *parser->file);
    if (parser->file == NULL) {
        return varve_error_set(parser->error, VARVE_NOMEM, "no memory to read %s", file);
    }
    parser->file->partitions = 1;
    return VARVE_OK;
}

varve_status sqlfile_parse(struct sqlfile **parsed, enum sqlfile_kind kind, const char *file, varve_str text,
                           const char *dialect, varve_error *error)
{
    struct parser parser = { .kind = kind, .dialect = dialect, .ours = true, .line = 1, .error = error };
    *parsed = NULL;
    varve_status status = new_file(&parser, file);
    if (status == VARVE_OK) {
        status = read_text(&parser, file, text);
    }
    if (status == VARVE_OK) {
        *parsed = parser.file;
    } else {
        sqlfile_free(parser.file);
    }
    return status;
}

/* The one section of a projection in code: its types. */
static varve_status take_types(struct parser *parser, const char *const *types)
{
    struct sqlfile *file = parser->file;
    struct sqlfile_section *section = arena_array(&file->arena, 1, sizeof *section);
    size_t count = 0;
    while (types != NULL && types[count] != NULL) {
        count++;
    }
    if (count == 0) {
        return sqlfile_fail(file, file->line, VARVE_INVALID, parser->error, "a projection wants events of some type");
    }
    varve_str *copies = arena_array(&file->arena, count, sizeof *copies);
    if (section == NULL || copies == NULL) {
        return no_memory(parser);
    }
    *section = (struct sqlfile_section){ .line = file->line, .types = copies, .type_count = count };
    file->handlers = section;
    for (size_t i = 0; i < count; i++) {
        copies[i] = varve_str_of(types[i]);
        if (copies[i].len == 0 || copies[i].len > VARVE_NAME_BYTES_MAX) {
            return sqlfile_fail(file, file->line, VARVE_INVALID, parser->error, "an event type has 1 to %u bytes",
                                VARVE_NAME_BYTES_MAX);
        }
    }
    return VARVE_OK;
}

/* In whatever order the types stand. */
static uint64_t stamp_of(const varve_projector *code)
{
    uint64_t stamp = stored_hash(varve_str_of(code->create));
    for (const char *const *type = code->types; *type != NULL; type++) {
        stamp += stored_hash(varve_str_of(*type));
    }
    return stamp;
}

varve_status sqlfile_of_code(struct sqlfile **parsed, const varve_projector *code, void *ctx, const char *dialect,
                             varve_error *error)
{
    const char *name = code->name == NULL ? "" : code->name, *called = code->file == NULL ? name : code->file;
    struct parser parser = { .kind = SQLFILE_TABLES, .dialect = dialect, .ours = true, .error = error };
    *parsed = NULL;
    varve_status status = new_file(&parser, called);
    if (status < 0) {
        return status;
    }
    struct sqlfile *file = parser.file;
    file->file = called;
    file->line = parser.line = code->line == 0 ? 1 : code->line;
    file->name = varve_str_of(name);
    file->version = code->version;
    file->parks = code->parks;
    file->partitions = code->partitions == 0 ? 1 : code->partitions;
    file->code = code;
    file->code_ctx = ctx;
    if (code->create == NULL || code->apply == NULL || (code->worker_open == NULL) != (code->worker_close == NULL)) {
        status = sqlfile_fail(file, file->line, VARVE_INVALID, error,
                              "a projector has create and apply, and worker_open with worker_close or neither");
    } else if (code->version == 0 || code->version > INT32_MAX) {
        status = sqlfile_fail(file, file->line, VARVE_INVALID, error, "version wants a number from 1 on");
    } else {
        status = check_name(&parser, file->line, "projection", file->name);
    }
    if (status == VARVE_OK && file->partitions > 1) {
        status = check_partitions(&parser, file->line);
    }
    if (status == VARVE_OK) {
        status = take_types(&parser, code->types);
    }
    if (status == VARVE_OK) {
        file->code_stamp = stamp_of(code);
        status = read_text(&parser, called, varve_str_of(code->create));
    }
    if (status == VARVE_OK) {
        *parsed = file;
    } else {
        sqlfile_free(file);
    }
    return status;
}

void sqlfile_free(struct sqlfile *parsed)
{
    if (parsed != NULL) {
        arena_fini(&parsed->arena);
        free(parsed);
    }
}
