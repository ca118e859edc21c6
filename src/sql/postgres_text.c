/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/postgres_text.h"

#include <stdlib.h>

#include "base/sql_words.h"

/* The statement as words, read one ahead; enough before it to see what a name is the object of. */
struct reading {
    const char *at, *start, *end;
    struct word before, last, word, next; /* `word` is the one at hand */
    unsigned depth;                       /* of parentheses, at `word` */
};

static void advance(struct reading *reading)
{
    if (word_sign(reading->word, '(')) reading->depth++;
    if (word_sign(reading->word, ')') && reading->depth > 0) reading->depth--;
    reading->before = reading->last;
    reading->last = reading->word;
    reading->word = reading->next;
    reading->next = word_next(&reading->at, reading->end);
}

static void start(struct reading *reading, varve_str source)
{
    *reading = (struct reading){ .at = source.ptr, .start = source.ptr, .end = source.ptr + source.len };
    reading->before.kind = reading->last.kind = WORD_END;
    reading->word = word_next(&reading->at, reading->end);
    reading->next = word_next(&reading->at, reading->end);
}

static bool any_of(struct word word, const char *const *keywords)
{
    for (; *keywords != NULL; keywords++) {
        if (word_is(word, *keywords)) return true;
    }
    return false;
}

static varve_status refuse(const struct reading *reading, varve_status status, const char *message, varve_error *error)
{
    varve_error_set(error, status, "%s", message);
    if (error != NULL) error->detail = reading == NULL ? -1 : (int64_t)(reading->word.text.ptr - reading->start);
    return status;
}

/* What a statement does, as its words tell. */
enum deed { READS, WRITES_ROWS, DEFINES, ANYTHING };

static const char *const changes[] = { "INSERT", "UPDATE", "DELETE", "MERGE", NULL };

/* CREATE [OR REPLACE] [UNIQUE …] TABLE …: does it make what a projection may make? `*owner` is set where its ON names
 * what the new thing belongs to. */
static enum deed creation(struct reading *reading, bool *owner)
{
    static const char *const fillers[] = { "OR",           "REPLACE",    "UNIQUE",    "UNLOGGED",
                                           "MATERIALIZED", "CONSTRAINT", "RECURSIVE", NULL };
    static const char *const things[] = { "TABLE", "INDEX", "VIEW", "TRIGGER", "FUNCTION", "SEQUENCE", "TYPE", NULL };
    struct reading ahead = *reading;
    do {
        advance(&ahead);
    } while (any_of(ahead.word, fillers));
    *owner = word_is(ahead.word, "INDEX") || word_is(ahead.word, "TRIGGER");
    return any_of(ahead.word, things) ? DEFINES : ANYTHING;
}

static enum deed deed_of(struct reading *reading, bool *owner)
{
    static const char *const questions[] = { "SELECT", "VALUES", "TABLE", "WITH", NULL };
    struct reading ahead = *reading;
    while (word_sign(ahead.word, '(')) advance(&ahead);
    if (any_of(ahead.word, questions)) return READS;
    if (any_of(ahead.word, changes)) return WRITES_ROWS;
    return word_is(ahead.word, "CREATE") ? creation(&ahead, owner) : ANYTHING;
}

/* Does a statement that began as a question turn out to be more here? */
static enum deed turn(const struct reading *reading, bool with)
{
    bool opens = word_sign(reading->last, '(') || (with && word_sign(reading->last, ')'));
    bool goes_on = reading->next.kind == WORD_PLAIN || reading->next.kind == WORD_QUOTED;
    if (opens && goes_on && any_of(reading->word, changes)) return WRITES_ROWS;
    if (word_is(reading->word, "INTO") && !any_of(reading->last, changes)) return DEFINES; /* SELECT … INTO */
    return READS;
}

/* Is the word the name of what is written to, or made, and one with a schema before it? */
static bool is_elsewhere(const struct reading *reading, bool owner)
{
    static const char *const leads[] = { "INTO",  "UPDATE",  "ONLY",     "TABLE",    "EXISTS", "VIEW",
                                         "INDEX", "TRIGGER", "FUNCTION", "SEQUENCE", "TYPE",   NULL };
    if (!word_sign(reading->next, '.')) return false;
    return any_of(reading->last, leads) || (owner && word_is(reading->last, "ON")) ||
           (word_is(reading->last, "FROM") && word_is(reading->before, "DELETE"));
}

static varve_status check_trust(varve_str source, enum sql_trust trust, varve_error *error)
{
    static const enum deed most[] = {
        [SQL_OURS] = ANYTHING, [SQL_DEFINITION] = DEFINES, [SQL_CHANGE] = WRITES_ROWS, [SQL_QUESTION] = READS
    };
    struct reading reading;
    bool owner = false;
    if (trust == SQL_OURS) return VARVE_OK;
    start(&reading, source);
    enum deed deed = deed_of(&reading, &owner);
    bool asks = deed == READS, with = word_is(reading.word, "WITH");
    for (struct reading ahead = reading; asks && ahead.word.kind != WORD_END; advance(&ahead)) {
        enum deed found = turn(&ahead, with);
        deed = found > deed ? found : deed;
    }
    if (deed > most[trust])
        return refuse(&reading, VARVE_DENIED, "not authorized: the statement may not do this", error);
    for (; reading.word.kind != WORD_END; advance(&reading)) {
        if ((deed != READS || trust == SQL_QUESTION) && word_begins(reading.word, "varve_"))
            return refuse(&reading, VARVE_DENIED, "not authorized: names that begin with varve_ are varve's own",
                          error);
        if (deed != READS && is_elsewhere(&reading, owner))
            return refuse(&reading, VARVE_DENIED, "not authorized: a projection keeps to its own schema", error);
    }
    return VARVE_OK;
}

/* A name is what it stands behind: a column may be called like a table of ours. */
varve_status postgres_text_spares(varve_str source, const char *const *reserved, varve_error *error)
{
    static const char *const leads[] = { "INTO", "UPDATE", "ONLY",       "TABLE", "EXISTS", "FROM",
                                         "JOIN", "USING",  "REFERENCES", "ON",    "VIEW",   NULL };
    struct reading reading;
    for (start(&reading, source); reading.word.kind != WORD_END; advance(&reading)) {
        if (!any_of(reading.last, leads)) continue;
        for (const char *const *name = reserved; *name != NULL; name++)
            if (word_names(reading.word, *name))
                return refuse(&reading, VARVE_DENIED, "not authorized: the table is the log's own", error);
    }
    return VARVE_OK;
}

/* The text from here on belongs to this place of the source. */
static bool note_shift(struct postgres_text *text, size_t in)
{
    struct postgres_shift *grown = realloc(text->shifts, (text->shift_count + 1) * sizeof *grown);
    if (grown == NULL) return false;
    text->shifts = grown;
    grown[text->shift_count++] = (struct postgres_shift){ text->sql.len, in };
    return true;
}

/* The number of the parameter, which gets one when it is new. */
static int number_of(struct postgres_text *text, varve_str name)
{
    int number = 1;
    const char *at = text->names.ptr;
    for (; number <= text->parameter_count; number++, at += strlen(at) + 1) {
        if (varve_str_is(name, at)) return number;
    }
    varve_buf_str(&text->names, name);
    varve_buf_add(&text->names, "", 1);
    text->parameter_count = number;
    return number;
}

/* $1, which would get the value of whichever parameter is sent as the first. */
static bool is_numbered(const struct reading *reading)
{
    const char *behind = reading->word.text.ptr + 1;
    return word_sign(reading->word, '$') && reading->next.kind == WORD_OPAQUE && reading->next.text.ptr == behind &&
           *behind >= '0' && *behind <= '9';
}

/* The schema that the word stands for: one that is attached under this name and has what follows the dot. */
static const char *schema_for(const struct reading *reading, const struct postgres_attached *attached, size_t count)
{
    if (!word_sign(reading->next, '.') || word_sign(reading->last, '.')) return NULL;
    const char *at = reading->at;
    struct word thing = word_next(&at, reading->end);
    for (size_t i = 0; i < count; i++) {
        if (!word_names(reading->word, attached[i].name)) continue;
        for (const char *name = attached[i].contents; *name != '\0'; name += strlen(name) + 1) {
            if (word_names(thing, name)) return attached[i].schema;
        }
    }
    return NULL;
}

varve_status postgres_text_read(struct postgres_text *text, varve_str source, enum sql_trust trust,
                                const struct postgres_attached *attached, size_t attached_count, varve_error *error)
{
    struct reading reading;
    const char *copied = source.ptr;
    struct reading numbered = { 0 }; /* there, when it has a start */
    bool any = false, ended = false, good = true;
    if (source.len > 0 && memchr(source.ptr, '\0', source.len) != NULL)
        return refuse(NULL, VARVE_INVALID, "the statement holds a NUL character", error);
    start(&reading, source);
    for (; good && reading.word.kind != WORD_END; advance(&reading)) {
        varve_str at = reading.word.text;
        if (reading.word.kind == WORD_UNCLOSED)
            return refuse(&reading, VARVE_INVALID, "what is quoted here does not end", error);
        if (word_sign(reading.word, ';')) {
            ended = any;
            continue;
        }
        if (ended) return refuse(&reading, VARVE_INVALID, "more than one statement", error);
        any = true;
        if (is_numbered(&reading)) numbered = reading;
        bool parameter = reading.word.kind == WORD_PARAMETER;
        const char *schema = parameter ? NULL : schema_for(&reading, attached, attached_count);
        if (!parameter && schema == NULL) continue;
        varve_buf_add(&text->sql, copied, (size_t)(at.ptr - copied));
        if (parameter) {
            /* x$1 would be a name, $$1 the beginning of a string. */
            bool runs_on = reading.last.kind != WORD_END && reading.last.text.ptr + reading.last.text.len == at.ptr &&
                           (reading.last.kind != WORD_SIGN || word_sign(reading.last, '$'));
            varve_buf_printf(&text->sql, "%s$%d", runs_on ? " " : "",
                             number_of(text, (varve_str){ at.ptr + 1, at.len - 1 }));
        } else {
            varve_buf_printf(&text->sql, "\"%s\"", schema);
        }
        copied = at.ptr + at.len;
        good = note_shift(text, (size_t)(copied - source.ptr));
    }
    varve_buf_add(&text->sql, copied, (size_t)(source.ptr + source.len - copied));
    if (!good || text->sql.failed || text->names.failed)
        return refuse(NULL, VARVE_NOMEM, "no memory for a statement", error);
    if (!any) return refuse(NULL, VARVE_INVALID, "there is no statement", error);
    if (numbered.start != NULL && text->parameter_count > 0) /* alone it is an argument of a function that is made */
        return refuse(&numbered, VARVE_INVALID, "parameters are written :name, and only so", error);
    return check_trust(source, trust, error);
}

void postgres_text_fini(struct postgres_text *text)
{
    varve_buf_fini(&text->sql);
    varve_buf_fini(&text->names);
    free(text->shifts);
    *text = (struct postgres_text){ 0 };
}

int64_t postgres_text_place(const struct postgres_text *text, const char *character)
{
    long number = character == NULL ? 0 : strtol(character, NULL, 10);
    size_t out = 0, in = 0, from = 0;
    if (number < 1) return -1;
    for (; number > 1 && out < text->sql.len; number--) {
        do {
            out++;
        } while (((unsigned char)text->sql.ptr[out] & 0xc0) == 0x80);
    }
    for (size_t i = 0; i < text->shift_count && text->shifts[i].out <= out; i++) {
        from = text->shifts[i].out;
        in = text->shifts[i].in;
    }
    return (int64_t)(in + (out - from));
}
