/* SPDX-License-Identifier: Apache-2.0 */
/* A lexer for as much of either dialect as it takes to find statements and placeholders. */
#include "query/sqltext.h"

#include <strings.h>

#define INDEX_DIGITS_MAX 9u

bool sqltext_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f' || c == '\r' || c == '\n';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c);
}

void sqltext_start(struct sqltext *text, struct sqlfile *file, enum sqlfile_kind kind, const char *dialect,
                   varve_str source)
{
    const char *end = source.ptr + source.len;
    *text = (struct sqltext){ .file = file, .kind = kind, .start = source.ptr, .end = end, .line = 1 };
    text->at = text->start;
    sqltext_speak(text, varve_str_of(dialect), true);
}

void sqltext_speak(struct sqltext *text, varve_str dialect, bool heeded)
{
    text->unheeded = !heeded;
    text->postgres = varve_str_is(dialect, "postgres");
}

void sqltext_fini(struct sqltext *text)
{
    varve_buf_fini(&text->sql);
}

static char peek(const struct sqltext *text, size_t ahead)
{
    return (size_t)(text->end - text->at) > ahead ? text->at[ahead] : '\0';
}

static const enum sqltext_trigger behind_others[] = {
    [SQLTEXT_BEGINS] = SQLTEXT_NO_TRIGGER,   [SQLTEXT_CREATES] = SQLTEXT_NO_TRIGGER,
    [SQLTEXT_TRIGGER] = SQLTEXT_TRIGGER,     [SQLTEXT_TRIGGER_STEP] = SQLTEXT_TRIGGER,
    [SQLTEXT_TRIGGER_END] = SQLTEXT_TRIGGER, [SQLTEXT_NO_TRIGGER] = SQLTEXT_NO_TRIGGER,
};

static bool in_trigger(const struct sqltext *text)
{
    return text->trigger == SQLTEXT_TRIGGER || text->trigger == SQLTEXT_TRIGGER_STEP;
}

/* Marks that the statement has begun, on this line, and is not at a word. */
static void touch(struct sqltext *text)
{
    if (!text->begun) {
        text->begun = true;
        text->statement.line = text->line;
        varve_buf_reset(&text->sql);
    }
    text->trigger = behind_others[text->trigger];
    text->escapes = SQLTEXT_NO_ESCAPES;
}

/* A line break that the server sees may divide an E'…'. */
static void break_escapes(struct sqltext *text, char c)
{
    if (text->escapes == SQLTEXT_ESCAPED && (c == '\n' || c == '\r')) {
        text->escapes = SQLTEXT_ESCAPED_AND_BROKEN;
    }
}

/* Copies `len` bytes into the statement and goes past them. */
static void copy(struct sqltext *text, size_t len)
{
    varve_buf_add(&text->sql, text->at, len);
    for (size_t i = 0; i < len; i++) {
        text->line += text->at[i] == '\n';
    }
    text->at += len;
}

static varve_status unclosed(const struct sqltext *text, uint32_t line, const char *what, varve_error *error)
{
    return sqlfile_fail(text->file, line, VARVE_INVALID, error, "%s is not closed", what);
}

/*
 * '…', "…" or `…`, in which a doubled quote stands for itself, or […]; in E'…' a backslash takes the next character
 * along.
 */
static varve_status read_quoted(struct sqltext *text, bool escapes, varve_error *error)
{
    bool bracket = *text->at == '[';
    char quote = bracket ? ']' : *text->at;
    const char *p = text->at + 1;
    while (p < text->end) {
        if (escapes && *p == '\\' && text->end - p > 1) {
            p += 2;
        } else if (*p != quote) {
            p++;
        } else if (!bracket && text->end - p > 1 && p[1] == quote) {
            p += 2;
        } else {
            copy(text, (size_t)(p + 1 - text->at));
            text->escapes = escapes ? SQLTEXT_ESCAPED : SQLTEXT_NO_ESCAPES;
            return VARVE_OK;
        }
    }
    return unclosed(text, text->line, quote == '\'' ? "a string" : "a quoted name", error);
}

/* The length of "$tag$" or "$$" here; 0 when it is none. */
static size_t dollar_tag(const struct sqltext *text)
{
    size_t len = 1;
    if (is_letter(peek(text, len))) {
        while (is_word(peek(text, len))) {
            len++;
        }
    }
    return peek(text, len) == '$' ? len + 1 : 0;
}

static varve_status read_dollar_quoted(struct sqltext *text, size_t tag, varve_error *error)
{
    const char *close = memmem(text->at + tag, (size_t)(text->end - text->at) - tag, text->at, tag);
    if (close == NULL) {
        return unclosed(text, text->line, "a dollar-quoted string", error);
    }
    copy(text, (size_t)(close - text->at) + tag);
    return VARVE_OK;
}

/* Leaves out a comment, but for its line breaks; PostgreSQL's may hold others. */
static varve_status skip_comment(struct sqltext *text, varve_error *error)
{
    uint32_t line = text->line;
    unsigned depth = 0;
    do {
        if (text->end - text->at < 2) {
            return unclosed(text, line, "a comment", error);
        }
        if (text->at[0] == '/' && text->at[1] == '*' && (depth == 0 || text->postgres)) {
            depth++;
            text->at += 2;
        } else if (text->at[0] == '*' && text->at[1] == '/') {
            depth--;
            text->at += 2;
        } else {
            text->line += *text->at == '\n';
            if (*text->at == '\n') {
                varve_buf_add(&text->sql, "\n", 1);
                break_escapes(text, '\n');
            }
            text->at++;
        }
    } while (depth > 0);
    varve_buf_add(&text->sql, " ", 1);
    return VARVE_OK;
}

/* What the word comes to in this state. */
static enum sqltext_trigger behind_word(enum sqltext_trigger state, varve_str word)
{
    static const struct {
        enum sqltext_trigger from;
        const char *word;
        enum sqltext_trigger to;
    } steps[] = {
        { SQLTEXT_BEGINS, "create", SQLTEXT_CREATES },        { SQLTEXT_CREATES, "temp", SQLTEXT_CREATES },
        { SQLTEXT_CREATES, "temporary", SQLTEXT_CREATES },    { SQLTEXT_CREATES, "trigger", SQLTEXT_TRIGGER },
        { SQLTEXT_TRIGGER_STEP, "end", SQLTEXT_TRIGGER_END },
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (steps[i].from == state && word.len == strlen(steps[i].word) &&
            strncasecmp(word.ptr, steps[i].word, word.len) == 0) {
            return steps[i].to;
        }
    }
    return behind_others[state];
}

static varve_status read_word(struct sqltext *text, varve_error *error)
{
    size_t len = 1;
    enum sqltext_trigger state = text->trigger;
    /* Of PostgreSQL's names, not of its numbers: behind one a dollar is the next thing. */
    bool dollars = !text->postgres || is_letter(*text->at);
    touch(text);
    while (is_word(peek(text, len)) || (dollars && peek(text, len) == '$')) {
        len++;
    }
    bool escapes = text->postgres && len == 1 && (*text->at == 'e' || *text->at == 'E') && peek(text, 1) == '\'';
    if (!text->postgres) {
        text->trigger = behind_word(state, (varve_str){ text->at, len });
    }
    copy(text, len);
    return escapes ? read_quoted(text, true, error) : VARVE_OK;
}

/* The length of ".name" or "[12]" at `from` bytes from here; 0 when there is neither. */
static size_t path_step(const struct sqltext *text, size_t from)
{
    size_t len = from;
    if (peek(text, len) == '.' && is_letter(peek(text, len + 1))) {
        for (len++; is_word(peek(text, len)); len++) {
        }
        return len - from;
    }
    if (peek(text, len) == '[' && is_digit(peek(text, len + 1))) {
        for (len++; is_digit(peek(text, len)); len++) {
        }
        return peek(text, len) == ']' && len - from <= INDEX_DIGITS_MAX + 1 ? len + 1 - from : 0;
    }
    return 0;
}

/* Of a query a parameter that it has declared; a statement of code declares them by using them. */
static bool find_param(struct sqltext *text, varve_str name, struct sqlfile_placeholder *place)
{
    struct sqlfile_param **end = &text->file->params;
    place->source = SQLFILE_PARAM;
    for (; *end != NULL; end = &(*end)->next, place->param++) {
        if (varve_str_eq((*end)->name, name)) {
            return true;
        }
    }
    if (text->kind == SQLFILE_STATEMENT && text->unheeded) {
        return true;
    }
    if (text->kind != SQLFILE_STATEMENT || (*end = arena_array(&text->file->arena, 1, sizeof **end)) == NULL) {
        return false;
    }
    (*end)->name = name;
    text->file->param_count++;
    return true;
}

static const char *const sources[] = {
    [SQLFILE_STREAM] = "stream",
    [SQLFILE_AGGREGATE_ID] = "aggregate_id",
    [SQLFILE_VERSION] = "version",
    [SQLFILE_POSITION] = "position",
    [SQLFILE_TYPE] = "type",
    [SQLFILE_ID] = "id",
    [SQLFILE_OCCURRED_AT] = "occurred_at",
    [SQLFILE_RECORDED_AT] = "recorded_at",
    [SQLFILE_DATA] = "data",
    [SQLFILE_METADATA] = "metadata",
};

const char *sqltext_source(enum sqlfile_source source)
{
    return sources[source];
}

static bool find_source(struct sqltext *text, varve_str name, struct sqlfile_placeholder *place)
{
    if (text->kind == SQLFILE_QUERY || text->kind == SQLFILE_STATEMENT) {
        return find_param(text, name, place);
    }
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        if (varve_str_is(name, sources[i])) {
            place->source = (enum sqlfile_source)i;
            return true;
        }
    }
    return false;
}

/* The number of this placeholder in the statement, which gets it when it is new; 0 when memory is out. */
static size_t number_of(struct sqltext *text, const struct sqlfile_placeholder *place)
{
    size_t number = 1;
    struct sqlfile_placeholder **end = &text->statement.placeholders;
    for (; *end != NULL; end = &(*end)->next, number++) {
        if ((*end)->source == place->source && (*end)->param == place->param &&
            varve_str_eq((*end)->path, place->path)) {
            return number;
        }
    }
    *end = arena_array(&text->file->arena, 1, sizeof **end);
    if (*end == NULL) {
        return 0;
    }
    **end = *place;
    text->statement.placeholder_count++;
    return number;
}

/*
 * Where a value is what the statement's types make of it, a parameter of a query is of the type that it is declared
 * with: a number beyond an integer column is then a number that no row has, and not a failure. NULL: the first use
 * decides.
 */
static const char *type_of(const struct sqltext *text, size_t number_of_param)
{
    const struct sqlfile_param *param = text->file->params;
    if (!text->typed) {
        return NULL;
    }
    while (number_of_param-- > 0) {
        param = param->next;
    }
    return param->type == SQLFILE_INTEGER ? "bigint" : param->type == SQLFILE_NUMBER ? "numeric" : NULL;
}

static varve_status read_placeholder(struct sqltext *text, varve_error *error)
{
    struct sqlfile_placeholder place = { 0 };
    varve_str name = { text->at + 1, 0 };
    touch(text);
    while (is_word(peek(text, 1 + name.len))) {
        name.len++;
    }
    size_t len = 1 + name.len;
    if (!find_source(text, name, &place)) {
        if (text->kind == SQLFILE_STATEMENT) {
            return varve_error_set(error, VARVE_NOMEM, "no memory to read %s", text->file->file);
        }
        bool query = text->kind == SQLFILE_QUERY;
        return sqlfile_fail(text->file, text->line, VARVE_INVALID, error, "unknown parameter :%.*s%s",
                            (int)(name.len > 80 ? 80 : name.len), name.ptr, query ? ", declare it with -- @param" : "");
    }
    if (place.source == SQLFILE_DATA || place.source == SQLFILE_METADATA) {
        for (size_t step; (step = path_step(text, len)) > 0;) {
            len += step;
        }
        place.path = (varve_str){ text->at + 1 + name.len, len - 1 - name.len };
        if (place.path.len > 0 && *place.path.ptr == '.') {
            place.path.ptr++;
            place.path.len--;
        }
    }
    /* The number that takes its place would be read together with these. */
    if (is_word(peek(text, len)) || peek(text, len) == '$') {
        return sqlfile_fail(text->file, text->line, VARVE_INVALID, error,
                            "the parameter %.*s runs into what follows it", (int)(len > 80 ? 80 : len), text->at);
    }
    size_t number = number_of(text, &place);
    if (number == 0) {
        return varve_error_set(error, VARVE_NOMEM, "no memory to read %s", text->file->file);
    }
    const char *type = type_of(text, place.param);
    /* LIMIT:n has no blank, and wants one before a word. */
    if (type != NULL && text->at > text->start && (is_word(text->at[-1]) || text->at[-1] == '$')) {
        varve_buf_add(&text->sql, " ", 1);
    }
    varve_buf_printf(&text->sql, type == NULL ? ":p%zu" : "CAST(:p%zu AS %s)", number, type);
    text->at += len;
    return VARVE_OK;
}

/* The directive in the `--` comment here, if it stands alone on its line and begins with '@'; else goes past it. */
static varve_str read_line_comment(struct sqltext *text)
{
    const char *before = text->at;
    while (before > text->start && before[-1] != '\n' && sqltext_is_blank(before[-1])) {
        before--;
    }
    bool alone = before == text->start || before[-1] == '\n';
    const char *stop = text->at;
    while (stop < text->end && *stop != '\n' && !(text->postgres && *stop == '\r')) {
        stop++;
    }
    const char *p = text->at + 2;
    while (p < stop && sqltext_is_blank(*p)) {
        p++;
    }
    varve_str directive = { 0 };
    if (alone && p < stop && *p == '@') {
        directive = (varve_str){ p, (size_t)(stop - p) };
    } else {
        text->at = stop;
    }
    return directive;
}

/* Hands out the statement read so far, without the blanks behind it. */
static varve_status finish(struct sqltext *text, struct sqlfile_statement *statement, varve_error *error)
{
    while (text->sql.len > 0 && sqltext_is_blank(text->sql.ptr[text->sql.len - 1])) {
        text->sql.len--;
    }
    *statement = text->statement;
    bool copied = !text->sql.failed && arena_copy(&text->file->arena, varve_buf_view(&text->sql), &statement->text);
    text->statement = (struct sqlfile_statement){ 0 };
    text->begun = false;
    text->trigger = SQLTEXT_BEGINS;
    text->escapes = SQLTEXT_NO_ESCAPES;
    return copied ? VARVE_OK : varve_error_set(error, VARVE_NOMEM, "no memory to read %s", text->file->file);
}

/* Reads one lexical piece of a statement. */
static varve_status read_piece(struct sqltext *text, varve_error *error)
{
    char c = *text->at;
    size_t tag = c == '$' && text->postgres ? dollar_tag(text) : 0;
    if (sqltext_is_blank(c)) {
        break_escapes(text, c);
        copy(text, 1);
        return VARVE_OK;
    }
    if (is_word(c)) {
        return read_word(text, error);
    }
    if (c == '/' && peek(text, 1) == '*') {
        return skip_comment(text, error);
    }
    if (c == ':' && is_letter(peek(text, 1))) {
        return read_placeholder(text, error);
    }
    bool escapes = c == '\'' && text->escapes == SQLTEXT_ESCAPED_AND_BROKEN;
    touch(text);
    if (c == '\'' || c == '"' || (!text->postgres && (c == '`' || c == '['))) {
        return read_quoted(text, escapes, error);
    }
    if (tag > 0) {
        return read_dollar_quoted(text, tag, error);
    }
    copy(text, c == ':' && peek(text, 1) == ':' ? 2 : 1);
    return VARVE_OK;
}

varve_status sqltext_next(struct sqltext *text, struct sqlfile_statement *statement, varve_str *directive,
                          varve_error *error)
{
    varve_status status = VARVE_OK;
    while (status == VARVE_OK && text->at < text->end) {
        if (*text->at == '-' && peek(text, 1) == '-') {
            varve_str found = read_line_comment(text);
            if (found.len == 0) {
                continue;
            }
            if (text->begun) {
                return finish(text, statement, error);
            }
            *directive = found;
            text->at = found.ptr + found.len;
            return VARVE_OK;
        }
        if (*text->at != ';') {
            status = read_piece(text, error);
        } else if (in_trigger(text)) {
            copy(text, 1);
            text->trigger = SQLTEXT_TRIGGER_STEP;
        } else {
            text->at++;
            if (text->begun) {
                return finish(text, statement, error);
            }
        }
    }
    if (status == VARVE_OK) {
        status = text->begun ? finish(text, statement, error) : VARVE_DONE;
    }
    return status;
}
