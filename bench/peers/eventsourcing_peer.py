# SPDX-License-Identifier: Apache-2.0
"""`eventsourcing`: its recorder for applications, on PostgreSQL or SQLite. A connection for each caller."""

import collections
import itertools
import json
import uuid
from urllib.parse import parse_qs, urlsplit

from eventsourcing.persistence import StoredEvent
from load import CALLERS, FIRST, TARGET, measure

# An aggregate's next version; its writers would know it from having read it. Runs follow one another in one store.
versions = collections.defaultdict(lambda: itertools.count(FIRST))


def stored(event, _caller):
    stream = event["stream"]
    return StoredEvent(
        originator_id=uuid.uuid5(uuid.NAMESPACE_URL, stream),
        originator_version=next(versions[stream]),
        topic=event["type"],
        state=json.dumps(event["data"]).encode(),
    )


def open_postgres():
    from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

    place = urlsplit(TARGET)
    words = {name: values[-1] for name, values in parse_qs(place.query).items()}
    datastore = PostgresDatastore(
        place.path.lstrip("/"), words["host"], words["port"], place.username, "", pool_size=CALLERS, max_overflow=0
    )
    return PostgresApplicationRecorder(datastore), datastore


def open_sqlite():
    from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

    datastore = SQLiteDatastore(TARGET, pool_size=CALLERS, pool_timeout=60, lock_timeout=60)
    return SQLiteApplicationRecorder(datastore), datastore


recorder, datastore = open_postgres() if TARGET.startswith("postgresql:") else open_sqlite()
recorder.create_table()
measure(lambda event, caller: recorder.insert_events([stored(event, caller)]))
datastore.close()
