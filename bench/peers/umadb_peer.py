# SPDX-License-Identifier: Apache-2.0
"""UmaDB by its own client: one for all threads, as its connection carries many calls at once. A stream is a tag."""

import json
import uuid

from load import TARGET, measure
from umadb import Client, Event

client = Client(TARGET)


def append(event, _caller):
    data = json.dumps(event["data"]).encode()
    client.append([Event(event["type"], data, [event["stream"]], uuid.uuid4())])


measure(append)
