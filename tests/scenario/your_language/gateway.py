# SPDX-License-Identifier: Apache-2.0
"""A gateway before varve that loses answers: what a network or a proxy does, at a moment that the test chooses."""

import socket
import socketserver
import threading
import urllib.parse

BUSY = (b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Type: text/html\r\nContent-Length: 4\r\n"
        b"Connection: close\r\n\r\nbusy")


def read_request(client):
    """(method, path, head, body) of one request; None when the connection ends before."""
    text = b""
    while b"\r\n\r\n" not in text:
        more = client.recv(65536)
        if not more:
            return None
        text += more
    head, _, body = text.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields.get(b"content-length", 0)):
        body += client.recv(65536)
    method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
    return method, path, head, body


def until_closed(connection):
    """Everything that still comes."""
    text = b""
    while more := connection.recv(65536):
        text += more
    return text


class Gateway(socketserver.ThreadingTCPServer):
    """What is planned for a request, by the end of its path, happens to the next one of that kind:

    cut     varve does it, and the connection is closed before the answer
    hold    varve does it, and the answer does not come until the client gives up
    busy    varve never sees it; 503
    stop    varve never sees it; `reached` is set, and the connection stays until `release` is
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, url):
        super().__init__(("127.0.0.1", 0), None)
        self.point_to(url)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.guard = threading.Lock()
        self.plans, self.seen, self.relays = [], [], []
        self.reached, self.release = threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def point_to(self, url):
        self.varve = (urllib.parse.urlsplit(url).hostname, urllib.parse.urlsplit(url).port)

    def expect(self, path):
        """The next POST there is held back: `reached` tells that it came, and `release` drops it."""
        self.reached.clear()
        self.release.clear()
        self.plans = [(path, "stop")]

    def plan_for(self, method, path):
        with self.guard:
            for plan in self.plans:
                if method == "POST" and path.endswith(plan[0]):
                    self.plans.remove(plan)
                    return plan[1]
        return "pass"

    def finish_request(self, request, client_address):
        asked = read_request(request)
        if asked is None:
            return
        method, path, head, body = asked
        with self.guard:
            self.seen.append(asked)
        plan = self.plan_for(method, path)
        if plan == "busy":
            request.sendall(BUSY)
        elif plan == "stop":
            self.reached.set()
            self.release.wait()
        else:
            self.forward(request, plan, head + b"\r\nConnection: close\r\n\r\n" + body)

    def forward(self, client, plan, text):
        with socket.create_connection(self.varve) as varve:
            varve.sendall(text)
            if plan == "pass":
                with self.guard:
                    self.relays.append(varve)
                while more := varve.recv(65536):
                    client.sendall(more)
                return
            until_closed(varve)
            if plan == "hold":
                until_closed(client)

    def handle_error(self, request, client_address):
        """A side that went away is what this is for."""

    def cut_relays(self):
        """Closes every connection that answers still come through."""
        with self.guard:
            for varve in self.relays:
                try:
                    varve.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it had ended
            self.relays.clear()
