"""A connection to the engine that carries a container's streams in both directions.

The connection is upgraded here rather than by the SDK, which drops bytes that arrive in the
same segment as the response's header (docker SDK 7.2, `exec_start(socket=True)`). No end of
stdin is ever signalled by half-closing: TLS has none.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.transport import open_socket

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

_CHUNK_BYTES = 1 << 16
_CONNECT_TIMEOUT_SECONDS = 10.0
_MAX_HEADER_BYTES = 1 << 16
_SWITCHING_PROTOCOLS = b"101"
_OK = b"200"


class Connection:
    """Bytes in both directions over a plain or encrypted socket, from two threads at once."""

    def __init__(self, plain: socket.socket) -> None:
        self._socket = plain
        self._is_encrypted = isinstance(plain, ssl.SSLSocket)
        self._send_lock = threading.Lock()
        # OpenSSL's connection objects are not to be entered by two threads at a time.
        self._tls_lock = threading.Lock()
        self._is_closed = False
        self._readable = select.poll()
        self._readable.register(plain, select.POLLIN)
        plain.settimeout(None)
        if self._is_encrypted:
            plain.setblocking(False)

    def receive(self, timeout_seconds: float | None = None) -> bytes:
        """Some bytes; empty when the other side, or `close`, ended the connection.

        Raises:
            TimeoutError: Nothing came in this time.
        """
        milliseconds = None if timeout_seconds is None else timeout_seconds * 1000
        while True:
            try:
                if self._is_encrypted:
                    with self._tls_lock:
                        return self._socket.recv(_CHUNK_BYTES)
                if self._readable.poll(milliseconds):
                    return self._socket.recv(_CHUNK_BYTES)
            except ssl.SSLWantReadError:
                if self._readable.poll(milliseconds):
                    continue
            except (OSError, ValueError):
                return b""
            raise TimeoutError

    def send(self, data: bytes) -> None:
        """Send all of it."""
        with self._send_lock:
            if not self._is_encrypted:
                self._socket.sendall(data)
                return
            view = memoryview(data)
            while view:
                try:
                    with self._tls_lock:
                        view = view[self._socket.send(view) :]
                except (ssl.SSLWantWriteError, ssl.SSLWantReadError):  # noqa: PERF203 - how TLS says "later"
                    select.select([], [self._socket], [], 1.0)

    def close(self) -> None:
        """End the connection; `receive` in another thread returns."""
        if self._is_closed:
            return
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def upgrade(engine: Engine, path: str, values: Mapping[str, Any]) -> tuple[Connection, bytes]:
    """Post a request whose connection then carries a container's streams.

    Args:
        engine: The engine.
        path: Below the API's version, with its query.
        values: The request's body.

    Returns:
        The connection, and the bytes of the streams that came with the answer.

    Raises:
        OSError: The engine refuses, or hangs up.
    """
    body = json.dumps(values).encode()
    version = ".".join(map(str, engine.api_version))
    request = (
        f"POST /v{version}/{path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    plain = open_socket(engine.target, _CONNECT_TIMEOUT_SECONDS)
    try:
        plain.sendall(request)
        _, rest = _read_header(plain)
    except BaseException:
        plain.close()
        raise
    return Connection(plain), rest


def _read_header(plain: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = plain.recv(_CHUNK_BYTES)
        if not chunk or len(data) > _MAX_HEADER_BYTES:
            raise ConnectionError("the engine hung up")
        data += chunk
    header, _, rest = data.partition(b"\r\n\r\n")
    if header.split(b" ", 2)[1:2] not in ([_SWITCHING_PROTOCOLS], [_OK]):
        said = rest.decode("utf-8", "replace").strip()
        raise ConnectionError(f"{header.splitlines()[0].decode('latin-1')} {said}".strip())
    return header, rest
