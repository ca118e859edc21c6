# SPDX-License-Identifier: Apache-2.0
from load import measure
from varve_client import post


def append(event, caller):
    post(caller, f"/streams/{event['stream']}", {"events": [{"type": event["type"], "data": event["data"]}]})


measure(append)
