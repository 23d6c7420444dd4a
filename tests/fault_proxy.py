"""An HTTP proxy in front of a registry that lets requests fail, one or all from one on."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_TLS_HANDSHAKE = b"\x16"
_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}
# What becomes of a request: an HTTP status, or one of these.
CUT = "cut"  # half of the request is read, then the connection is gone
LOST = "lost"  # the registry does it, and its answer is lost
HANG = "hang"  # nothing happens, for as long as the client waits


@dataclass
class FaultProxy:
    """What the proxy does.

    Attributes:
        address: ``127.0.0.1:PORT``.
        fault: `CUT`, `LOST`, `HANG` or an HTTP status; empty: none.
        first: Number of the first request that fails, from 1.
        only_once: Just that one fails.
        seen: ``METHOD path`` of every request, in order.
        before: Called with each of these, before it is forwarded.
    """

    address: str = ""
    fault: str = ""
    first: int = 1
    only_once: bool = False
    seen: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda request: None
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(self, fault: str, first: int = 1, *, only_once: bool = False) -> None:
        """Count from the start, and let requests fail; those that hang are cut."""
        with self.lock:
            self.ended.set()
            self.ended = threading.Event()
            self.seen.clear()
            self.fault, self.first, self.only_once = fault, first, only_once

    def next_fault(self, request: str) -> str:
        """What becomes of the request that has just come."""
        with self.lock:
            self.seen.append(request)
            number = len(self.seen)
            fails = number == self.first if self.only_once else number >= self.first
        self.before(request)
        return self.fault if fails else ""


@contextlib.contextmanager
def running_proxy(upstream: str) -> Iterator[FaultProxy]:
    """A proxy in front of ``host:port``."""
    proxy = FaultProxy()

    class Handler(_Handler):
        control = proxy
        target = upstream

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.ended.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    control: FaultProxy
    target: str
    protocol_version = "HTTP/1.1"
    timeout = 30

    def handle(self) -> None:
        """Answer one connection; one that begins with TLS is told that there is none, as Go's server does."""
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):  # it hung up in the middle
            if self.connection.recv(1, socket.MSG_PEEK) == _TLS_HANDSHAKE:
                self.connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
                return
            super().handle()

    def _any(self) -> None:
        fault = self.control.next_fault(f"{self.command} {self.path}")
        if fault == HANG:
            self.control.ended.wait(self.timeout)
            self._cut()
        elif fault == CUT:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length // 2) if length else None
            self._cut()
        elif fault.isdecimal():
            self._body()
            self._answer(int(fault), {}, b'{"errors":[{"code":"TEST","message":"the test said so"}]}')
        else:
            self._forward(answers=fault != LOST)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815 - the server's names

    def _forward(self, *, answers: bool) -> None:
        body = self._body()
        upstream = http.client.HTTPConnection(self.target, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        upstream.request(self.command, self.path, body=body or None, headers=headers)
        response = upstream.getresponse()
        data = response.read()
        said = dict(response.getheaders())
        upstream.close()
        if answers:
            self._answer(response.status, said, data)
        else:
            self._cut()

    def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response_only(status)
        length = headers.get("Content-Length", str(len(data))) if self.command == "HEAD" else str(len(data))
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the server's name
        """Say nothing."""
