#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a store through TLS whose records are as large as TLS allows.

usage: encrypted.py VARVE

A server's own records are small, up to PostgreSQL 16; those of later ones and of what stands in front of a server need
not be. libpq then takes a record off the socket that its buffer has no room for, and no poll tells of the rest. So the
answers to reads of many sizes come here in the largest records, and have to come at once. VARVE_TEST_POSTGRES names the
folder of a running server (tests/support/postgres).
"""

import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

SIZES = range(4600, 5800, 100)  # of a stream's events
EVENTS = 6
WITHIN_S = 9  # a server that is silent is knocked at after ten
GATHER_S = 0.02  # what comes within this time goes on together
SSL_REQUEST = 80877103

# Made for this test; they guard nothing and are not looked at.
KEY_AND_CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgwkkFWe3yR20TmJiE
qGBShxdNvWjKcHbNuyYfXdapyjihRANCAAQKst/SO0t7/cOkz3cTdMYupy196PuH
mXZaGfbT1KAxYt63h4F+ZiRo2QJz6aQsAR+sFD0cR1GCCYlRkFVfQhUb
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBgDCCASWgAwIBAgIUJ45ScvSQaT4cgTp+/rD/DJav/dkwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyODAwMDc0OFoYDzIxMjYxMTA0
MDAwNzQ4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQKst/SO0t7/cOkz3cTdMYupy196PuHmXZaGfbT1KAxYt63h4F+ZiRo
2QJz6aQsAR+sFD0cR1GCCYlRkFVfQhUbo1MwUTAdBgNVHQ4EFgQUGr3JBXaDLNLJ
TsQQx2JmYD0YlVMwHwYDVR0jBBgwFoAUGr3JBXaDLNLJTsQQx2JmYD0YlVMwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAoBnXlxqESH2eX0RBo1zu
l480/Xe1CNcaROQ+tpFhwjECIQD/536XIWaaEuL5rHgfuifJ9+xkNFXXszribyXr
Y3zLWA==
-----END CERTIFICATE-----
"""


def pass_on(source, target, gather):
    try:
        while data := source.recv(1 << 16):
            if gather:
                data += rest_of(source)
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def rest_of(source):
    rest = b""
    source.settimeout(GATHER_S)
    try:
        while data := source.recv(1 << 16):
            rest += data
    except socket.timeout:
        pass
    source.settimeout(None)
    return rest


def serve(context, client, server_port):
    """Takes the encryption off one connection; what is asked for besides (GSS) is declined."""
    while struct.unpack("!II", client.recv(8, socket.MSG_WAITALL))[1] != SSL_REQUEST:
        client.sendall(b"N")
    client.sendall(b"S")
    client = context.wrap_socket(client, server_side=True)
    server = socket.create_connection(("127.0.0.1", server_port))
    for end in (client, server):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=pass_on, args=(server, client, True), daemon=True).start()
    pass_on(client, server, False)


def listen(server_port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(KEY_AND_CERTIFICATE)
        file.flush()
        context.load_cert_chain(file.name)
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(context, client, server_port), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def run(varve, uri, *arguments, text=None):
    """Standard output of what has to succeed, and soon."""
    began = time.monotonic()
    done = subprocess.run([varve, *arguments, "--store", uri], input=text, stdout=subprocess.PIPE, check=True,
                          timeout=60, text=True)
    return done.stdout, time.monotonic() - began


def main():
    varve = sys.argv[1]
    with open(os.path.join(os.environ["VARVE_TEST_POSTGRES"], "uri"), encoding="utf-8") as file:
        query = urllib.parse.urlsplit(file.read().strip()).query
    port = listen(int(urllib.parse.parse_qs(query)["port"][0]))
    uri = f"postgresql://varve@127.0.0.1:{port}/postgres?sslmode=require&schema=encrypted_{os.getpid()}"
    slowest = 0.0
    for size in SIZES:
        events = [{"stream": f"s-{size}", "type": "Noted", "data": {"text": "x" * size}} for _ in range(EVENTS)]
        run(varve, uri, "append", "-", text=json.dumps({"events": events}))
        output, seconds = run(varve, uri, "stream", "read", f"s-{size}", "-o", "ndjson")
        slowest = max(slowest, seconds)
        if len(output.splitlines()) != EVENTS or seconds > WITHIN_S:
            sys.exit(f"encrypted: events of {size} bytes: {len(output.splitlines())} after {seconds:.1f} s")
    print(f"pg_encrypted sizes={len(SIZES)} slowest_s={slowest:.1f}")


if __name__ == "__main__":
    main()
