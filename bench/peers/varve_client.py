# SPDX-License-Identifier: Apache-2.0
"""varve's server, from the same language: a connection that is kept open for each caller."""

import http.client
import json
from urllib.parse import urlsplit

from load import CALLERS, TARGET

connections = [http.client.HTTPConnection(urlsplit(TARGET).netloc) for _ in range(CALLERS)]


def post(caller, path, content):
    connection = connections[caller]
    connection.request("POST", path, json.dumps(content), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"HTTP {answer.status}")
