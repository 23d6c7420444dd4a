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
from typing import TYPE_CHECKING, Any, Protocol

from pytest_dockerci.engine.transport import open_socket

if TYPE_CHECKING:
    from pytest_dockerci.engine.endpoint import Endpoint

_CHUNK_BYTES = 1 << 16
_CONNECT_TIMEOUT_SECONDS = 10.0
_MAX_HEADER_BYTES = 1 << 16
_SWITCHING_PROTOCOLS = b"101"
_OK = b"200"
_FIRST_ERROR = 400


class Reachable(Protocol):
    """What has to be known of an engine to talk to it."""

    @property
    def target(self) -> Endpoint:
        """Where it listens."""

    @property
    def api_version(self) -> tuple[int, ...]:
        """The newest API that it speaks."""


class Connection:
    """Bytes in both directions over a plain or encrypted socket, from two threads at once.

    Args:
        plain: The socket.
        first_bytes: What has been read of it already; the first that is received.
    """

    def __init__(self, plain: socket.socket, first_bytes: bytes = b"") -> None:
        self._socket = plain
        self._first_bytes = first_bytes
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
        if self._first_bytes:
            first, self._first_bytes = self._first_bytes, b""
            return first
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


def upgrade(engine: Reachable, path: str, values: Mapping[str, Any]) -> Connection:
    """Post a request whose connection then carries a container's streams.

    Args:
        engine: The engine.
        path: Below the API's version, with its query.
        values: The request's body.

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
    return Connection(plain, rest)


def ask(
    engine: Reachable,
    method: str,
    path: str,
    values: Any = None,
    *,
    timeout_seconds: float = _CONNECT_TIMEOUT_SECONDS,
) -> tuple[int, Any]:
    """One question and its answer, where loading the SDK would take longer than both.

    Args:
        engine: The engine.
        method: Of HTTP.
        path: Below the API's version, with its query.
        values: The request's body: bytes of a tar archive, or what becomes JSON; None for no body.
        timeout_seconds: For each step of it.

    Returns:
        Status and decoded answer; the engine's own message where that is an error.

    Raises:
        OSError: The engine does not answer.
    """
    body = values if isinstance(values, bytes) else b"" if values is None else json.dumps(values).encode()
    kind = "application/x-tar" if isinstance(values, bytes) else "application/json"
    version = ".".join(map(str, engine.api_version))
    # Version 1.0, so that the answer ends with the connection and is not chunked.
    head = (
        f"{method} /v{version}/{path} HTTP/1.0\r\nHost: docker\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with contextlib.closing(open_socket(engine.target, timeout_seconds)) as plain:
        plain.sendall(head.encode() + body)
        data = b""
        try:
            while chunk := plain.recv(_CHUNK_BYTES):
                data += chunk
        except ConnectionResetError:
            # It hangs up without reading what follows the end of an archive; its answer has come by then.
            if not data:
                raise
    header, _, text = data.partition(b"\r\n\r\n")
    words = header.split(b" ", 2)
    if len(words) < 3 or not words[1].isdigit():  # noqa: PLR2004 - a status line has three parts
        raise ConnectionError("the engine hung up")
    try:
        answer = json.loads(text) if text.strip() else None
    except ValueError:
        answer = text.decode("utf-8", "replace")
    status = int(words[1])
    if status >= _FIRST_ERROR and isinstance(answer, dict):
        answer = str(answer.get("message") or answer)
    return status, answer


def require_answer(
    engine: Reachable,
    method: str,
    path: str,
    values: Any = None,
    *,
    timeout_seconds: float = _CONNECT_TIMEOUT_SECONDS,
) -> Any:
    """As `ask`, where a refusal ends it; the decoded answer.

    Raises:
        OSError: The engine does not answer, or refuses; the text is its own.
    """
    status, answer = ask(engine, method, path, values, timeout_seconds=timeout_seconds)
    if status >= _FIRST_ERROR:
        raise ConnectionError(str(answer))
    return answer


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
