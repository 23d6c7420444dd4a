"""One command in a container, as a stream in both directions.

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
import time
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import docker.errors

from pytest_dockerci.engine.frames import STDERR, Demultiplexer, FrameError
from pytest_dockerci.errors import AgentLostError, DockerCIError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

_CHUNK_BYTES = 1 << 16
_STDERR_TAIL_BYTES = 64 << 10
_CONNECT_TIMEOUT_SECONDS = 10.0
_MAX_HEADER_BYTES = 1 << 16
_SWITCHING_PROTOCOLS = b"101"
_OK = b"200"


class ExecStream:
    """A running command: its standard output to read, its standard input to write.

    One thread may read while others write.

    Attributes:
        exec_id: The engine's name for it.
    """

    def __init__(self, engine: Engine, exec_id: str, connection: Connection, first_bytes: bytes) -> None:
        self.exec_id = exec_id
        self._engine = engine
        self._connection = connection
        self._demultiplexer = Demultiplexer()
        self._pieces: list[tuple[int, bytes]] = list(self._demultiplexer.feed(first_bytes))
        self._stderr = bytearray()

    def read(self) -> bytes:
        """The next bytes of standard output; empty at the end. Blocks."""
        while piece := self.read_piece():
            number, payload = piece
            if number != STDERR:
                return payload
        return b""

    def read_piece(self) -> tuple[int, bytes] | None:
        """The next bytes of either output with the number of their stream; None at the end. Blocks.

        Raises:
            AgentLostError: The engine sent what its API does not allow.
        """
        while not self._pieces:
            data = self._connection.receive()
            if not data:
                return None
            try:
                self._pieces = list(self._demultiplexer.feed(data))
            except FrameError as error:
                raise AgentLostError("the stream from the container is damaged", why=str(error)) from error
        number, payload = self._pieces.pop(0)
        if number == STDERR:
            self._stderr += payload
            del self._stderr[:-_STDERR_TAIL_BYTES]
        return number, payload

    def write(self, data: bytes, /) -> None:
        """Send all of it to standard input.

        Raises:
            AgentLostError: The connection is gone.
        """
        try:
            self._connection.send(data)
        except OSError as error:
            raise AgentLostError("the container's standard input is closed", why=str(error)) from error

    def close(self) -> None:
        """Hang up; a blocked `read` returns. The command is not ended by this alone."""
        self._connection.close()

    def stderr_tail(self) -> str:
        """The last 64 KiB that were read of standard error."""
        return bytes(self._stderr).decode("utf-8", "replace")

    def exit_code(self, *, timeout_seconds: float = 2.0) -> int | None:
        """The exit code; None while it runs, or when the container is gone.

        The engine records it a moment after the stream's end, hence the time limit.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                state = self._engine.client.api.exec_inspect(self.exec_id)
            except docker.errors.APIError:
                return None
            if not state["Running"]:
                code = state["ExitCode"]
                return None if code is None else int(code)
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.01)


class Connection:
    """Bytes in both directions over a plain or encrypted socket, from two threads at once."""

    def __init__(self, plain: socket.socket) -> None:
        self._socket = plain
        self._is_encrypted = isinstance(plain, ssl.SSLSocket)
        self._send_lock = threading.Lock()
        # OpenSSL's connection objects are not to be entered by two threads at a time.
        self._tls_lock = threading.Lock()
        self._is_closed = False
        plain.settimeout(None)
        if self._is_encrypted:
            plain.setblocking(False)

    def receive(self) -> bytes:
        """Some bytes; empty when the other side, or `close`, ended the connection."""
        try:
            while True:
                if not self._is_encrypted:
                    return self._socket.recv(_CHUNK_BYTES)
                try:
                    with self._tls_lock:
                        return self._socket.recv(_CHUNK_BYTES)
                except ssl.SSLWantReadError:
                    select.select([self._socket], [], [])
        except (OSError, ValueError):
            return b""

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


def open_exec(
    engine: Engine,
    container_id: str,
    argv: Sequence[str],
    *,
    user: str | None = None,
    environ: Mapping[str, str] | None = None,
    workdir: PurePosixPath | str | None = None,
) -> ExecStream:
    """Start a command in a running container.

    Args:
        engine: The engine.
        container_id: The container.
        argv: Program and arguments; no shell takes part.
        user: None for the container's own.
        environ: Added to the container's environment.
        workdir: None for the container's own.

    Raises:
        DockerCIError: The container is gone or does not run.
    """
    try:
        exec_id = engine.client.api.exec_create(
            container_id,
            list(argv),
            stdin=True,
            user=user or "",
            environment=dict(environ) if environ else None,
            workdir=str(workdir) if workdir is not None else None,
        )["Id"]
        connection, first_bytes = _upgrade(engine, exec_id)
    except (docker.errors.APIError, OSError) as error:
        why = getattr(error, "explanation", None) or str(error)
        raise DockerCIError(
            f"no command can be started in container {container_id[:12]}", why=str(why)
        ) from error
    return ExecStream(engine, exec_id, connection, first_bytes)


def _upgrade(engine: Engine, exec_id: str) -> tuple[Connection, bytes]:
    body = json.dumps({"Detach": False, "Tty": False}).encode()
    path = f"/v{'.'.join(map(str, engine.api_version))}/exec/{exec_id}/start"
    request = (
        f"POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    plain = _open_socket(engine)
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


def _open_socket(engine: Engine) -> socket.socket:
    target = engine.target
    parts = urlsplit(target.url)
    if target.scheme == "unix":
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        plain.settimeout(_CONNECT_TIMEOUT_SECONDS)
        plain.connect(parts.path)
        return plain
    encrypted = target.certificates is not None or target.scheme == "https"
    port = parts.port or (2376 if encrypted else 2375)
    plain = socket.create_connection((parts.hostname or "localhost", port), _CONNECT_TIMEOUT_SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not encrypted:
        return plain
    return _tls_context(engine).wrap_socket(plain, server_hostname=parts.hostname)


def _tls_context(engine: Engine) -> ssl.SSLContext:
    folder = engine.target.certificates
    context = ssl.create_default_context(cafile=str(folder / "ca.pem") if folder else None)
    if not engine.target.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if folder and (folder / "cert.pem").exists():
        context.load_cert_chain(str(folder / "cert.pem"), str(folder / "key.pem"))
    return context
