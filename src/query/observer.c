/* SPDX-License-Identifier: Apache-2.0 */
#include "query/observer.h"

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "no memory to watch a read model");
}

void observer_close(struct observer *observer, const struct generation_home *home)
{
    const struct sql_driver *sql = home->place.sql;
    sql->finalize(observer->checkpoint);
    sql->finalize(observer->lookup);
    sql->close(observer->session);
    *observer = (struct observer){ 0 };
}

static varve_status open_session(struct observer *observer, const struct place *place, varve_error *error)
{
    varve_buf location = { 0 };
    place->kind->locate_reader(place, &location);
    varve_status status =
        location.failed ? no_memory(error) : place->sql->open(&observer->session, location.ptr, SQL_READ_ONLY, error);
    varve_buf_fini(&location);
    return status;
}

static varve_status attach(struct observer *observer, const struct generation_home *home, uint64_t number,
                           varve_error *error)
{
    const struct place *place = &home->place;
    varve_buf location = { 0 };
    place->kind->locate(place, home->file->name, number, &location);
    varve_status status =
        location.failed ? no_memory(error) : place->sql->attach(observer->session, location.ptr, "model", error);
    if (status == VARVE_OK) {
        status = checkpoint_prepare(&observer->checkpoint, place->sql, observer->session, "model", error);
    }
    varve_buf_fini(&location);
    observer->number = number;
    return status;
}

varve_status observer_look(struct observer *observer, const struct generation_home *home, uint64_t *position,
                           varve_error *error)
{
    const struct place *place = &home->place;
    struct checkpoint checkpoint = { 0 };
    uint64_t number = 0;
    varve_status status = observer->session == NULL ? open_session(observer, place, error) : VARVE_OK;
    if (status == VARVE_OK) {
        status = place->kind->serving(place, observer->session, &observer->lookup, home->file->name, &number, error);
    }
    if (status == VARVE_OK && observer->number != 0 && number != observer->number) {
        observer_close(observer, home); /* what is attached stays so */
        status = open_session(observer, place, error);
    }
    if (status == VARVE_OK && number != 0 && observer->number == 0) {
        status = attach(observer, home, number, error);
    }
    if (status == VARVE_OK && number != 0) {
        status = checkpoint_read(observer->checkpoint, place->sql, home->incarnation, &checkpoint, error);
    }
    if (status < 0) {
        observer_close(observer, home);
        return status;
    }
    *position = checkpoint.ours ? checkpoint.position : 0;
    return VARVE_OK;
}
