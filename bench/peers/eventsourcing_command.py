# SPDX-License-Identifier: Apache-2.0
"""`eventsourcing`: an application with aggregates, on PostgreSQL or SQLite, with a connection for each caller. It takes
a snapshot every 50 events and caches aggregates, which are brought up to date from the store before each command."""

import uuid
from urllib.parse import parse_qs, urlsplit

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import IntegrityError
from eventsourcing.sqlite import SQLiteDatastore, SQLiteFactory
from eventsourcing.utils import retry
from load import CALLERS, TARGET, measure

MOST = 10**12  # an order's total, which none comes to: so that a decision looks at the state
CACHED = 10000  # aggregates: all of them
ATTEMPTS = 100  # as many as the library's own sources name where they speak of trying a conflict again


class Order(Aggregate):
    """The aggregate of order.lua. What the others call an order's first event creates the aggregate here."""

    @staticmethod
    def create_id(name):
        return uuid.uuid5(uuid.NAMESPACE_URL, name)

    @event("OrderOpened")
    def __init__(self, name, data):
        self.events = 1
        self.total_amount = data["total_amount"]

    def handle(self, command):
        if self.total_amount > MOST:
            raise ValueError("the order is too large")
        getattr(self, command["type"])(command["data"])

    def add(self, data):
        self.events += 1
        self.total_amount += data["total_amount"]

    @event("OrderPlaced")
    def PlaceOrder(self, data):
        self.add(data)

    @event("OrderAmended")
    def AmendOrder(self, data):
        self.add(data)

    @event("OrderPaid")
    def PayOrder(self, data):
        self.add(data)

    @event("OrderShipped")
    def ShipOrder(self, data):
        self.add(data)


class Pooled(SQLiteFactory):
    """The settings of an application cannot say how many connections it has."""

    def __init__(self, env):
        super().__init__(env)
        self.datastore = SQLiteDatastore(TARGET, pool_size=CALLERS, pool_timeout=60, lock_timeout=60)


class Orders(Application):
    snapshotting_intervals = {Order: 50}

    def construct_factory(self, env):
        return super().construct_factory(env) if TARGET.startswith("postgresql:") else Pooled(env)

    @retry(IntegrityError, max_attempts=ATTEMPTS)
    def execute(self, command):
        try:
            order = self.repository.get(Order.create_id(command["stream"]))
            order.handle(command)
        except AggregateNotFoundError:
            order = Order(command["stream"], command["data"])
        self.save(order)


def settings():
    if not TARGET.startswith("postgresql:"):
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": TARGET}
    place = urlsplit(TARGET)
    words = {name: values[-1] for name, values in parse_qs(place.query).items()}
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": place.path.lstrip("/"),
        "POSTGRES_HOST": words["host"],
        "POSTGRES_PORT": words["port"],
        "POSTGRES_USER": place.username,
        "POSTGRES_PASSWORD": "",
        "POSTGRES_POOL_SIZE": str(CALLERS),
        "POSTGRES_MAX_OVERFLOW": "0",
    }


application = Orders({**settings(), "AGGREGATE_CACHE_MAXSIZE": str(CACHED)})


def execute(command, _caller):
    try:
        application.execute(command)
    except IntegrityError:
        return False
    return True


measure(execute)
application.close()
