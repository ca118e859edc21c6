# SPDX-License-Identifier: Apache-2.0
"""varve's server, from the same language: a connection that is kept open for each caller."""

import http.client
import json
from urllib.parse import urlsplit

from load import CALLERS, TARGET, measure

connections = [http.client.HTTPConnection(urlsplit(TARGET).netloc) for _ in range(CALLERS)]


def append(event, caller):
    body = json.dumps({"events": [{"type": event["type"], "data": event["data"]}]})
    connection = connections[caller]
    connection.request("POST", f"/streams/{event['stream']}", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"HTTP {answer.status}")


measure(append)
