/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verbs.h"

#define BIT(option) (UINT64_C(1) << OPTION_##option)

const struct option_spec option_specs[OPTION_COUNT] = {
    [OPTION_STORE] = { "store", "URI", "VARVE_STORE", false, "the store: sqlite:PATH or postgresql://…" },
    [OPTION_APP] = { "app", "DIR", "VARVE_APP", false, "the application's folder" },
    [OPTION_SERVER] = { "server", "URL", "VARVE_SERVER", false, "a running server: http://127.0.0.1:8080" },
    [OPTION_LISTEN] = { "listen", "ADDRESS", "VARVE_LISTEN", false, "address and port; default 127.0.0.1:8080" },
    [OPTION_OUTPUT] = { "output", "FORMAT", "VARVE_OUTPUT", false,
                        "table, json or ndjson; default: table on a terminal, otherwise ndjson" },
    [OPTION_QUIET] = { "quiet", NULL, NULL, false, "no notes and no progress on standard error" },
    [OPTION_ACTOR] = { "actor", "NAME", NULL, false, "who does this; for an event: for its metadata" },
    [OPTION_TYPE] = { "type", "TYPE", NULL, true, "the event's type, such as OrderPlaced" },
    [OPTION_CATEGORY] = { "category", "NAME", NULL, true,
                          "streams of this category: what stands before the first '-'" },
    [OPTION_CORRELATION_ID] = { "correlation-id", "ID", NULL, false,
                                "of which the events are that are wanted, or that come of the command" },
    [OPTION_CAUSATION_ID] = { "causation-id", "ID", NULL, false, "what caused the command" },
    [OPTION_TRACEPARENT] = { "traceparent", "TEXT", NULL, false, "the W3C trace context, for the events' metadata" },
    [OPTION_DATA] = { "data", "JSON", NULL, false, "the payload; @FILE reads it from a file, - from standard input" },
    [OPTION_METADATA] = { "metadata", "JSON", NULL, false, "the event's metadata, an object" },
    [OPTION_TAG] = { "tag", "TAG", NULL, true, "a tag" },
    [OPTION_ID] = { "id", "UUID", NULL, false, "makes a repetition answer with the first result; default: a new one" },
    [OPTION_OCCURRED_AT] = { "occurred-at", "TIME", NULL, false, "domain time; default: when it is recorded" },
    [OPTION_EXPECTED_VERSION] = { "expected-version", "VERSION", NULL, false,
                                  "any (default), none, exists or a number" },
    [OPTION_FROM] = { "from", "VERSION", NULL, false, "the version to begin with" },
    [OPTION_FROM_AT] = { "from-at", "TIME", NULL, false, "or the time to begin with" },
    [OPTION_TO] = { "to", "VERSION", NULL, false, "the version to end with; default: the newest" },
    [OPTION_TO_AT] = { "to-at", "TIME", NULL, false, "or the time to end with" },
    [OPTION_UNTIL_VERSION] = { "until-version", "VERSION", NULL, false, "the last version to read" },
    [OPTION_DIRECTION] = { "direction", "WAY", NULL, false, "forward (default) or backward" },
    [OPTION_AFTER] = { "after", "WHERE", NULL, false,
                       "begin behind this: a position in the log, a name or place in a list" },
    [OPTION_INCARNATION] = { "incarnation", "UUID", NULL, false,
                             "the store's when --after was noted: fails when its history has changed since" },
    [OPTION_LIMIT] = { "limit", "N", NULL, false, "at most so many" },
    [OPTION_FOLLOW] = { "follow", NULL, NULL, false, "wait for what comes, until interrupted" },
    [OPTION_SHAPES] = { "shapes", "WHICH", NULL, false,
                        "events as they are stored (default), or as --app's upcasters have them: current" },
    [OPTION_VERSION] = { "version", "N", NULL, false, "as of this version" },
    [OPTION_AT] = { "at", "TIME", NULL, false, "as of this time, such as 2026-01-02T03:04:05Z" },
    [OPTION_CLOCK] = { "clock", "CLOCK", NULL, false, "which time is meant: recorded (default) or occurred" },
    [OPTION_CURSOR] = { "cursor", "CURSOR", NULL, false, "\"next\" of the page before" },
    [OPTION_AFTER_POSITION] = { "after-position", "P", NULL, false,
                                "wait until the answer reflects this position of the log" },
    [OPTION_WAIT] = { "wait", NULL, NULL, false, "come back when it is finished" },
    [OPTION_ALL] = { "all", NULL, NULL, false, "all of them" },
    [OPTION_REBUILDS] = { "rebuilds", "N", "VARVE_REBUILDS", false,
                          "rebuild so many read models at once, 64 at most; default 2" },
    [OPTION_MEMBERS] = { "members", "N", NULL, false, "how many members split the streams: 1 (default) to 64" },
    [OPTION_MAX_ATTEMPTS] = { "max-attempts", "N", NULL, false, "so many failed attempts park an event; default: any" },
    [OPTION_MEMBER] = { "member", "N", NULL, false, "which member, from 1" },
    [OPTION_CONSUMER] = { "consumer", "NAME", NULL, false, "who reads the member and settles its events" },
    [OPTION_WAIT_MS] = { "wait-ms", "N", NULL, false, "wait so long for an event, 60000 at most" },
    [OPTION_LEASE_MS] = { "lease-ms", "N", NULL, false, "hold the member for so long; default 30000" },
    [OPTION_THROUGH] = { "through", "P", NULL, false, "all that was read up to this position" },
    [OPTION_DELAY_MS] = { "delay-ms", "N", NULL, false, "not again before so long" },
    [OPTION_REASON] = { "reason", "TEXT", NULL, false, "why" },
    [OPTION_FILTER] = { "filter", "TEXT", NULL, false, "only examples whose name has this in it" },
    [OPTION_AGAINST] = { "against", "DIR", NULL, false, "the folder of the version to compare the states with" },
    [OPTION_WORKERS] = { "workers", "N", NULL, false, "streams folded at once, 16 at most; default: one a processor" },
    [OPTION_NOT_BEFORE] = { "not-before", "TIME", NULL, false,
                            "keep the command until then: 2026-01-02T03:04:05Z, or from now: +90s, +15m, +8h, +30d" },
    [OPTION_ALLOW_PRIVATE_ADDRESSES] = { "allow-private-addresses", NULL, NULL, false,
                                         "enrich may ask private, loopback and link-local addresses over HTTP" },
    [OPTION_HELP] = { "help", NULL, NULL, false, "this" },
};

static const char serve_details[] =
    "The whole application is checked before the port opens. Without --store it is kept in varve.db in\n"
    "the current folder. SIGTERM and SIGINT finish what is under way and end with exit code 0.";
static const char test_details[] =
    "Given these events, when this command comes, then that: APP/specs/NAME.yaml, or FILE, hold examples, which\n"
    "are run on the application's aggregates. No store is needed, and nothing else of the application is\n"
    "loaded. Exit code 0 when all passed, 1 when one failed, 2 when a file is no file of examples: then none\n"
    "is run. Without -o the report is for people, on a terminal or not.";
static const char append_details[] =
    "The append is {\"events\":[{\"stream\",\"type\",\"data\",…}],\n"
    "\"conditions\":[{\"stream\",\"expected_version\"}]}, read from FILE or, with -, from\n"
    "standard input. All of it happens, or nothing.";
static const char batch_details[] =
    "TYPE STREAM sends one command. FILE, or - for standard input, sends a batch: one\n"
    "{\"type\",\"stream\",\"data\"?,\"id\"?} a line, answered line by line in the same order. A line is answered\n"
    "with what was appended, with {\"code\",\"message\"} when it was rejected, or with {\"error\",\"message\"} when\n"
    "it failed; neither stops the rest. The exit code of a batch is 0 when every line was accepted or\n"
    "rejected, otherwise that of the first line that failed; of one rejected command it is 9.\n"
    "With --not-before, or \"not_before\" in a line, it is kept in the store and executed once when it is due, by\n"
    "a server that runs on it. One command may be put into a --store without an --app, which is then not asked\n"
    "whether it knows it.";
static const char cancel_details[] =
    "One that waits will not be executed; one that was rejected or failed is not shown any more. One that is\n"
    "running cannot be cancelled (exit code 4).";
static const char query_details[] =
    "With --store and nobody serving it, the read models are first brought up to the head of the log.\n"
    "Beside a running server they answer as that server leaves them.";
static const char rebuild_details[] =
    "A new generation is built beside the one that answers, which it then replaces. With --store it is\n"
    "built by this process, which waits for it in any case.";
static const char projection_check_details[] =
    "A fresh generation is built up to where the one that answers stands, and all tables of the two are compared.\n"
    "Works beside a running server, while events come in; nothing of the model is changed, and what was built is\n"
    "removed. It wants the room of another model, and as long as a rebuild. Exit code 7 when something differs:\n"
    "what the model has that the log does not make is extra, what it lacks is missing. Values that are not the\n"
    "events' own, such as the time of the database, differ as well.";
static const char projection_retry_details[] =
    "With a POSITION: a parked event is applied now, to the model as it is now, behind events that came after it.\n"
    "Without: a faulted projection tries the event again that it stopped at. Exit code 1 when it fails again.";
static const char projection_skip_details[] =
    "The model then lacks what the event would have changed. A rebuild meets the event again.";
static const char doctor_details[] =
    "Checks whatever is given: the store, the application, the server; with --store and --app the read models\n"
    "too. Exit code 1 when a check failed; a warning is none.";
static const char log_details[] =
    "A position means something in one incarnation of the log only: keep both, and give both back.";
static const char history_details[] =
    "A line for each change: + before what is new, ~ before what is replaced, - before what is gone.";
static const char diff_details[] =
    "Without --from or --from-at the state before the first event; without --to or --to-at the newest.";
static const char replay_details[] =
    "Folds every stream of the category from its first event with the aggregates of --app, and says which events\n"
    "cannot be applied; with --against also which states differ from those of that version, and how. Only reads:\n"
    "snapshots are neither used nor made, and a server may go on writing the store. Exit code 1 when something\n"
    "differs or fails.";
static const char backup_details[] =
    "Beside a running server too. The copy is the store as it was at one moment; PATH appears whole or not\n"
    "at all, and must not exist. A backup is a store: `store verify --store sqlite:PATH` checks it.";
static const char restore_details[] =
    "The backup is verified first; the store must not exist. It gets a new incarnation.";
static const char export_details[] =
    "A line that says what follows, one event a line with everything that is stored, a line that closes it\n"
    "with a checksum. FILE appears whole or not at all; - (default) is standard output.";
static const char import_details[] =
    "Into a store that does not exist or has no events. Positions, ids and times stay; the incarnation is new.\n"
    "All or nothing: an export that is damaged or ends early leaves nothing behind.";
static const char incarnation_details[] =
    "After the store's file was rolled back by other means than `store restore`, such as a disk snapshot: read\n"
    "models and readers that kept a position then notice. Nobody may have the store open.";

static const char subscription_details[] =
    "All events that are of one of the categories and of one of the types and have all of the tags, from behind\n"
    "--after on. Each stream belongs to one member. A subscription that is there with the same definition stays.";
static const char read_details[] =
    "The same events come until they are acknowledged. The consumer holds the member for --lease-ms, and another\n"
    "one is refused (exit code 5). -o json tells how far the member is and until when it is held.";
static const char ack_details[] =
    "Positions, or all --through one, which is refused when something up to there was retried or unparked.";
static const char retry_details[] =
    "With --consumer: an event that was read comes again, and those of its stream wait for it. Without: a parked\n"
    "event comes again, and then those of its stream that waited behind it.";
static const char park_details[] =
    "The later events of its stream wait behind it until it is retried or skipped; all others go on.";

const struct verb verb_table[] = {
    { "serve", NULL, "APP", 1, 1, USES_ANY | USES_STORE, BIT(LISTEN) | BIT(ALLOW_PRIVATE_ADDRESSES) | BIT(REBUILDS),
      run_serve, "Run the application in folder APP and answer over HTTP", serve_details },
    { "test", NULL, "APP [FILE...]", 1, SIZE_MAX, 0, BIT(FILTER), run_test,
      "Run the examples of the application in folder APP", test_details },
    { "append", NULL, "-|FILE", 1, 1, USES_STORE | MAY_USE_APP | USES_SERVER, 0, run_append,
      "Append events to several streams under conditions", append_details },
    { "stream", "append", "STREAM", 1, 1, USES_STORE | MAY_USE_APP | USES_SERVER,
      BIT(TYPE) | BIT(DATA) | BIT(METADATA) | BIT(TAG) | BIT(ID) | BIT(OCCURRED_AT) | BIT(EXPECTED_VERSION) |
          BIT(ACTOR),
      run_stream_append, "Append one event to a stream", NULL },
    { "stream", "read", "STREAM", 1, 1, USES_STORE | MAY_USE_APP | USES_SERVER,
      BIT(FROM) | BIT(UNTIL_VERSION) | BIT(DIRECTION) | BIT(LIMIT) | BIT(AT) | BIT(CLOCK) | BIT(SHAPES),
      run_stream_read, "Show a stream's events", NULL },
    { "stream", "list", NULL, 0, 0, USES_STORE | USES_SERVER, BIT(CATEGORY) | BIT(AFTER) | BIT(LIMIT), run_stream_list,
      "Show which streams there are, by name", NULL },
    { "log", "read", NULL, 0, 0, USES_STORE | MAY_USE_APP | USES_SERVER,
      BIT(AFTER) | BIT(INCARNATION) | BIT(LIMIT) | BIT(TYPE) | BIT(CATEGORY) | BIT(TAG) | BIT(CORRELATION_ID) |
          BIT(FOLLOW) | BIT(SHAPES),
      run_log_read, "Show all events in order of position", log_details },
    { "event", "show", "ID", 1, 1, USES_STORE | USES_SERVER, 0, run_event_show, "Show one event", NULL },
    { "command", "send", "TYPE STREAM | -|FILE", 1, 2, USES_STORE | MAY_USE_APP | USES_SERVER,
      BIT(NOT_BEFORE) | BIT(DATA) | BIT(ID) | BIT(EXPECTED_VERSION) | BIT(ACTOR) | BIT(CORRELATION_ID) |
          BIT(CAUSATION_ID) | BIT(TRACEPARENT) | BIT(ALLOW_PRIVATE_ADDRESSES),
      run_command_send, "Execute a command, or a batch", batch_details },
    { "scheduled", "list", NULL, 0, 0, USES_STORE | USES_SERVER, BIT(AFTER) | BIT(LIMIT), run_scheduled_list,
      "Show the commands that wait for their time, or came to nothing", NULL },
    { "scheduled", "show", "ID", 1, 1, USES_STORE | USES_SERVER, 0, run_scheduled_show, "Show a scheduled command",
      NULL },
    { "scheduled", "cancel", "ID", 1, 1, USES_STORE | USES_SERVER, 0, run_scheduled_cancel,
      "Take a scheduled command away", cancel_details },
    { "aggregate", "show", "STREAM", 1, 1, USES_STORE | USES_APP | USES_SERVER, BIT(VERSION) | BIT(AT) | BIT(CLOCK),
      run_aggregate_show, "Show an aggregate's state, now or in the past", NULL },
    { "aggregate", "history", "STREAM", 1, 1, USES_STORE | USES_APP | USES_SERVER, BIT(FROM) | BIT(LIMIT),
      run_aggregate_history, "Show what happened to an aggregate, who did it and what it changed", history_details },
    { "aggregate", "diff", "STREAM", 1, 1, USES_STORE | USES_APP | USES_SERVER,
      BIT(FROM) | BIT(FROM_AT) | BIT(TO) | BIT(TO_AT) | BIT(CLOCK), run_aggregate_diff,
      "Show what differs between two points of an aggregate's history", diff_details },
    { "aggregate", "replay", "CATEGORY", 1, 1, USES_STORE | USES_APP, BIT(AGAINST) | BIT(WORKERS), run_aggregate_replay,
      "Try other code on all of a category's history", replay_details },
    { "query", NULL, "NAME [key=value...]", 1, SIZE_MAX, USES_STORE | USES_APP | USES_SERVER,
      BIT(LIMIT) | BIT(CURSOR) | BIT(AFTER_POSITION), run_query, "Ask a named query", query_details },
    { "projection", "list", NULL, 0, 0, USES_STORE | USES_APP | USES_SERVER, 0, run_projection_list,
      "Show how far each projection is", NULL },
    { "projection", "status", "NAME", 1, 1, USES_STORE | USES_APP | USES_SERVER, 0, run_projection_status,
      "Show how a projection stands", NULL },
    { "projection", "rebuild", "NAME | --all", 0, 1, USES_STORE | USES_APP | USES_SERVER, BIT(WAIT) | BIT(ALL),
      run_projection_rebuild, "Build a read model anew from the whole log", rebuild_details },
    { "projection", "check", "NAME", 1, 1, USES_STORE | USES_APP | USES_SERVER, BIT(LIMIT), run_projection_check,
      "Compare a read model with one built anew, row by row", projection_check_details },
    { "projection", "parked", "NAME", 1, 1, USES_STORE | USES_APP | USES_SERVER, BIT(AFTER) | BIT(LIMIT),
      run_projection_parked, "Show the events that could not be applied and were set aside", NULL },
    { "projection", "retry", "NAME [POSITION]", 1, 2, USES_STORE | USES_APP | USES_SERVER, BIT(ACTOR) | BIT(REASON),
      run_projection_retry, "Apply a parked event, or go on where a projection stopped", projection_retry_details },
    { "projection", "skip", "NAME POSITION", 2, 2, USES_STORE | USES_APP | USES_SERVER, BIT(ACTOR) | BIT(REASON),
      run_projection_skip, "Give up an event, parked or the one that a projection stopped at",
      projection_skip_details },
    { "subscription", "create", "NAME", 1, 1, USES_STORE | USES_SERVER,
      BIT(CATEGORY) | BIT(TYPE) | BIT(TAG) | BIT(AFTER) | BIT(MEMBERS) | BIT(MAX_ATTEMPTS), run_subscription_create,
      "Have the store keep which events were dealt with", subscription_details },
    { "subscription", "list", NULL, 0, 0, USES_STORE | USES_SERVER, 0, run_subscription_list,
      "Show which subscriptions there are and how far", NULL },
    { "subscription", "show", "NAME", 1, 1, USES_STORE | USES_SERVER, 0, run_subscription_show,
      "Show a subscription and how far its members are", NULL },
    { "subscription", "read", "NAME", 1, 1, USES_STORE | USES_SERVER,
      BIT(CONSUMER) | BIT(MEMBER) | BIT(LIMIT) | BIT(WAIT_MS) | BIT(LEASE_MS), run_subscription_read,
      "Get the next events to deal with", read_details },
    { "subscription", "ack", "NAME [POSITION...]", 1, SIZE_MAX, USES_STORE | USES_SERVER,
      BIT(CONSUMER) | BIT(MEMBER) | BIT(THROUGH), run_subscription_ack, "Say that events were dealt with",
      ack_details },
    { "subscription", "retry", "NAME POSITION", 2, 2, USES_STORE | USES_SERVER,
      BIT(CONSUMER) | BIT(MEMBER) | BIT(DELAY_MS) | BIT(REASON), run_subscription_retry,
      "Have an event delivered again", retry_details },
    { "subscription", "park", "NAME POSITION", 2, 2, USES_STORE | USES_SERVER,
      BIT(CONSUMER) | BIT(MEMBER) | BIT(REASON) | BIT(ACTOR), run_subscription_park, "Set an event aside",
      park_details },
    { "subscription", "skip", "NAME POSITION", 2, 2, USES_STORE | USES_SERVER, BIT(CONSUMER) | BIT(MEMBER),
      run_subscription_skip, "Give an event up, parked or not", NULL },
    { "subscription", "parked", "NAME", 1, 1, USES_STORE | USES_SERVER, BIT(MEMBER) | BIT(AFTER) | BIT(LIMIT),
      run_subscription_parked, "Show the parked events", NULL },
    { "subscription", "delete", "NAME", 1, 1, USES_STORE | USES_SERVER, 0, run_subscription_delete,
      "Take a subscription away with all it knows", NULL },
    { "store", "init", NULL, 0, 0, USES_STORE, 0, run_store_init, "Make a store, or bring its tables up to date",
      NULL },
    { "store", "info", NULL, 0, 0, USES_STORE, 0, run_store_info, "Show what a store is and holds", NULL },
    { "store", "verify", NULL, 0, 0, USES_STORE, 0, run_store_verify, "Check every event and index of a store",
      "Exit code 7 when something is wrong." },
    { "store", "backup", "PATH", 1, 1, USES_STORE, 0, run_store_backup, "Copy a store while it is in use",
      backup_details },
    { "store", "restore", "BACKUP", 1, 1, USES_STORE, 0, run_store_restore, "Make a new store out of a backup",
      restore_details },
    { "store", "export", "[FILE|-]", 0, 1, USES_STORE, 0, run_store_export, "Write the whole log as lines of JSON",
      export_details },
    { "store", "import", "[FILE|-]", 0, 1, USES_STORE, 0, run_store_import, "Make a new store out of an export",
      import_details },
    { "store", "new-incarnation", NULL, 0, 0, USES_STORE, 0, run_store_new_incarnation,
      "Say that a store's history is another one", incarnation_details },
    { "doctor", NULL, NULL, 0, 0, USES_ANY | USES_STORE | USES_APP | USES_SERVER, 0, run_doctor,
      "Check this machine, a store, an application or a server", doctor_details },
    { "version", NULL, NULL, 0, 0, USES_ANY, 0, run_version, "Show the version", NULL },
    { 0 },
};

/* Words that belong to the design; whoever types them should learn that they are not there yet. */
static const struct {
    const char *noun, *name; /* name NULL: all of the noun */
} not_built[] = {
    { "new", NULL },    { "relay", NULL },      { "outbox", NULL },        { "slot", NULL },
    { "inbox", NULL },  { "saga", NULL },       { "flow", NULL },          { "token", NULL },
    { "config", NULL }, { "completion", NULL }, { "projection", "pause" }, { "projection", "resume" },
};

bool verb_takes(const struct verb *verb, enum option option)
{
    switch (option) {
    case OPTION_OUTPUT:
    case OPTION_QUIET:
    case OPTION_HELP:
        return true;
    case OPTION_STORE:
        return (verb->uses & USES_STORE) != 0;
    case OPTION_APP:
        return (verb->uses & (USES_APP | MAY_USE_APP)) != 0;
    case OPTION_SERVER:
        return (verb->uses & USES_SERVER) != 0;
    default:
        return ((verb->options >> option) & 1) != 0;
    }
}

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

const struct verb *verb_find(const char *noun, const char *name)
{
    for (const struct verb *verb = verb_table; verb->noun != NULL; verb++) {
        if (same(verb->noun, noun) && same(verb->name, name)) {
            return verb;
        }
    }
    return NULL;
}

varve_status verb_choose(const char *noun, const char *name, const struct verb **verb, varve_error *error)
{
    *verb = verb_find(noun, name);
    if (*verb == NULL) {
        *verb = verb_find(noun, NULL);
    }
    if (*verb != NULL) {
        return VARVE_OK;
    }
    for (size_t i = 0; i < sizeof(not_built) / sizeof(not_built[0]); i++) {
        if (same(not_built[i].noun, noun) && (not_built[i].name == NULL || same(not_built[i].name, name))) {
            bool whole = not_built[i].name == NULL;
            return varve_error_set(error, VARVE_UNSUPPORTED, "`%s%s%s` is not built yet; `varve help` lists what is",
                                   noun, whole ? "" : " ", whole ? "" : name);
        }
    }
    varve_buf verbs = { 0 };
    for (const struct verb *each = verb_table; each->noun != NULL; each++) {
        if (same(each->noun, noun)) {
            varve_buf_printf(&verbs, "%s%s", verbs.len > 0 ? ", " : "", each->name);
        }
    }
    varve_status status = VARVE_INVALID;
    if (verbs.len == 0) {
        varve_error_set(error, status, "there is no `%s`; see `varve help`", noun);
    } else if (name == NULL) {
        varve_error_set(error, status, "`%s` needs a verb: %s", noun, verbs.ptr);
    } else {
        varve_error_set(error, status, "there is no `%s %s`, only: %s", noun, name, verbs.ptr);
    }
    varve_buf_fini(&verbs);
    return status;
}
