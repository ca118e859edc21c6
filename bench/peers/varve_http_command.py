# SPDX-License-Identifier: Apache-2.0
from load import measure
from varve_client import post


def execute(command, caller):
    post(caller, f"/commands/{command['type']}", {"stream": command["stream"], "data": command["data"]})


measure(execute)
