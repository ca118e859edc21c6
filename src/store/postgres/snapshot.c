/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots: rows beside the log that may be lost, damaged or superfluous without harm. */
#include "base/crc32c.h"
#include "store/postgres/upkeep.h"

/* Over everything that a snapshot is used by, so that a damaged version or stream is noticed as well as a state. */
static uint32_t checksum(varve_str stream, uint64_t version, uint64_t state_version, varve_str state)
{
    uint64_t numbers[] = { version, state_version };
    unsigned char bytes[sizeof numbers];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(numbers[i / 8] >> i % 8 * 8);
    uint32_t crc = crc32c(0, bytes, sizeof bytes);
    crc = crc32c(crc32c(crc, stream.ptr, stream.len), "", 1);
    return crc32c(crc, state.ptr, state.len);
}

varve_status postgres_snapshot(struct store_log *log, varve_str stream, uint64_t state_version, uint64_t max_version,
                               uint64_t *version, varve_buf *state, varve_error *error)
{
    PGresult *rows = NULL;
    struct values values = { 0 };
    values_text(&values, stream);
    values_int(&values, (int64_t)state_version);
    values_int(&values, max_version > INT64_MAX ? INT64_MAX : (int64_t)max_version);
    varve_status status = log_query(log, S_SNAPSHOT, &values, "reading a snapshot", &rows, error);
    if (status < 0) return status;
    int found = 0;
    while (found < PQntuples(rows) && checksum(stream, (uint64_t)result_int(rows, found, 0), state_version,
                                               result_text(rows, found, 1)) != (uint32_t)result_int(rows, found, 2))
        found++;
    if (found == PQntuples(rows)) {
        status = varve_error_set(error, VARVE_NOT_FOUND, "there is no snapshot");
    } else {
        *version = (uint64_t)result_int(rows, found, 0);
        varve_buf_str(state, result_text(rows, found, 1));
        if (state->failed) status = varve_error_set(error, VARVE_NOMEM, "no memory for a snapshot");
    }
    PQclear(rows);
    return status;
}

/* ---- writing ---- */

/* Adds to `going` what is of another state version, what is surplus, what lies beyond any sensible number. */
static void list_surplus(const PGresult *rows, uint64_t state_version, struct array *going)
{
    uint64_t versions[THINNING_SNAPSHOTS_MAX];
    bool surplus[THINNING_SNAPSHOTS_MAX];
    size_t count = 0;
    for (int i = 0; i < PQntuples(rows); i++) {
        if (result_int(rows, i, 1) != (int64_t)state_version || count == THINNING_SNAPSHOTS_MAX)
            array_int(going, result_int(rows, i, 0));
        else
            versions[count++] = (uint64_t)result_int(rows, i, 0);
    }
    thinning_choose(versions, count, surplus);
    for (size_t i = 0; i < count; i++)
        if (surplus[i]) array_int(going, (int64_t)versions[i]);
}

enum { BEFORE = 2, PUT_AT_ONCE = 64 };

static bool send_snapshot(struct connection *writer, const struct store_snapshot *snapshot)
{
    struct values values = { 0 }, listed = { 0 };
    values_text(&values, snapshot->stream);
    values_int(&values, (int64_t)snapshot->version);
    values_int(&values, (int64_t)snapshot->state_version);
    values_text(&values, snapshot->state);
    values_int(&values, checksum(snapshot->stream, snapshot->version, snapshot->state_version, snapshot->state));
    values_text(&listed, snapshot->stream);
    return connection_send(writer, S_ADD_SNAPSHOT, &values) && connection_send(writer, S_LIST_SNAPSHOTS, &listed);
}

static void send_drops(struct connection *writer, const struct store_snapshot *snapshot, const PGresult *rows)
{
    struct values values = { 0 };
    struct array going = { 0 };
    array_begin(&going, TYPE_INT8);
    list_surplus(rows, snapshot->state_version, &going);
    values_text(&values, snapshot->stream);
    if (going.count > 0 && values_array(&values, &going)) (void)connection_send(writer, S_DROP_SNAPSHOTS, &values);
    varve_buf_fini(&going.bytes);
}

static varve_status put_snapshots(struct connection *writer, const struct store_snapshot *snapshots, size_t count,
                                  varve_error *error)
{
    PGresult *results[BEFORE + 2 * PUT_AT_ONCE] = { 0 };
    (void)connection_send(writer, S_BEGIN, NULL);
    (void)connection_send(writer, S_NO_WAIT, NULL);
    for (size_t i = 0; i < count; i++) (void)send_snapshot(writer, &snapshots[i]);
    varve_status status = connection_round(writer, results, BEFORE + 2 * count, "writing snapshots", error);
    if (status < 0) {
        (void)connection_send(writer, S_ROLLBACK, NULL);
        (void)connection_round(writer, NULL, 0, "writing snapshots", NULL);
        return status;
    }
    for (size_t i = 0; i < count; i++) send_drops(writer, &snapshots[i], results[BEFORE + 2 * i + 1]);
    results_clear(results, BEFORE + 2 * count);
    (void)connection_send(writer, S_COMMIT, NULL);
    return connection_round(writer, NULL, 0, "writing snapshots", error);
}

/* After everybody is answered, and in transactions that nobody waits for. */
void postgres_put_snapshots(struct store_log *log, const struct store_snapshot *snapshots, size_t total)
{
    varve_error error = { 0 };
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < total && status >= 0 && log->writer != NULL; i += PUT_AT_ONCE) {
        size_t count = total - i < PUT_AT_ONCE ? total - i : PUT_AT_ONCE;
        status = put_snapshots(log->writer, &snapshots[i], count, &error);
    }
    if (status < 0) log_line(&log->diagnostics, VARVE_LOG_WARNING, "snapshots are left out: %s", error.message);
}
