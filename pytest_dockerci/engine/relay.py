"""Ports that the engine publishes on its own 127.0.0.1, as addresses of this machine.

On an engine here they are that already. Elsewhere, nothing listens on the network, and nothing has to: each
connection travels over the engine's own API, as a command in a container that is in the engine's network.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol

import docker.errors

from pytest_dockerci.engine.exec_stream import ExecStream, open_exec
from pytest_dockerci.engine.stack_model import FIRST_PROCESS
from pytest_dockerci.errors import DockerCIError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.image import ImageUnderTest
    from pytest_dockerci.engine.labels import RunIdentity

LOOPBACK = "127.0.0.1"
RELAY_NAME = "-relay"
_SOME_PYTHON = "python3"
_NOBODY = "65534:65534"
_MAX_PROCESSES = 4096
_CHUNK_BYTES = 1 << 16
_BACKLOG = 128
_LOOK_SECONDS = 1.0
_CREATE_SECONDS = 20.0
_NAME_TAKEN_SECONDS = 0.05
_CONFLICT = 409
_BREAK = struct.pack("ii", 1, 0)


class PublishedPorts(Protocol):
    """How ports that the engine publishes are reached from here."""

    def address(self, port: int) -> tuple[str, int]:
        """Host and port on this machine for a TCP port of the engine's 127.0.0.1."""

    def close(self) -> None:
        """Forget about them. Safe to repeat."""


class LocalPorts:
    """Those of an engine on this machine."""

    def address(self, port: int) -> tuple[str, int]:
        """The same port."""
        return LOOPBACK, port

    def close(self) -> None:
        """There is nothing to forget."""


class Relay:
    """Those of an engine elsewhere; begins with the first address that is asked for.

    Args:
        engine: The engine.
        identity: Labels the container; all processes of a run share it.
        image: Gives the image under test: that of the container, if it has a Python, for it is there for sure.
        other_image: One with ``python3``, for when it has none.
    """

    def __init__(
        self, engine: Engine, identity: RunIdentity, image: Callable[[], ImageUnderTest], other_image: str
    ) -> None:
        self._engine = engine
        self._identity = identity
        self._image = image
        self._other_image = other_image
        self._lock = threading.Lock()
        self._container_id = ""
        self._listeners: dict[int, socket.socket] = {}
        self._connections: set[_Connection] = set()
        self._is_closed = False

    def address(self, port: int) -> tuple[str, int]:
        """A port of this machine that leads there; always the same one.

        Raises:
            DockerCIError: The engine refuses the container.
        """
        with self._lock:
            if not self._container_id:
                self._container_id = self._start_container()
            listener = self._listeners.get(port)
            if listener is None:
                listener = socket.create_server((LOOPBACK, 0), backlog=_BACKLOG)
                listener.settimeout(_LOOK_SECONDS)
                self._listeners[port] = listener
                threading.Thread(
                    target=self._accept, args=(listener, port), name="dockerci relay", daemon=True
                ).start()
            host, local_port = listener.getsockname()
            return str(host), int(local_port)

    def close(self) -> None:
        """Hang up; the container goes with the run."""
        with self._lock:
            self._is_closed = True
            listeners, self._listeners = list(self._listeners.values()), {}
            connections = list(self._connections)
        for listener in listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in connections:
            connection.break_off()

    def _start_container(self) -> str:
        api = self._engine.client.api
        image, python = self._image_and_python()
        name = f"{self._identity.project}{RELAY_NAME}"
        config: dict[str, Any] = {
            "name": name,
            "entrypoint": [python],
            "command": ["-I", "-S", "-c", FIRST_PROCESS],
            "labels": self._identity.labels,
            "user": _NOBODY,
            "healthcheck": {"test": ["NONE"]},
            "host_config": api.create_host_config(
                network_mode="host",
                userns_mode="host",  # an engine with user namespaces has no host network otherwise
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                pids_limit=_MAX_PROCESSES,
            ),
        }
        try:
            container_id = self._create_or_find(image, config)
            api.start(container_id)
        except docker.errors.APIError as error:
            raise DockerCIError(
                f"the ports of services on {self._engine.endpoint} cannot be reached from here",
                why=f"a container in its network is refused: {error.explanation or error}",
                fix="test from inside the container: there, services are reached by name"
                if python != _SOME_PYTHON
                else "set dockerci_reaper_image to an image with python3 that this engine has",
            ) from error
        return container_id

    def _create_or_find(self, image: str, config: dict[str, Any]) -> str:
        """The container of this run, made by whichever of its processes is first."""
        api = self._engine.client.api
        deadline = time.monotonic() + _CREATE_SECONDS
        while True:
            try:
                return str(api.create_container(image, **config)["Id"])
            except docker.errors.APIError as error:
                if error.status_code != _CONFLICT or time.monotonic() > deadline:
                    raise
            # The engine takes the name first, and has the container a moment later.
            with contextlib.suppress(docker.errors.NotFound):
                return str(api.inspect_container(config["name"])["Id"])
            time.sleep(_NAME_TAKEN_SECONDS)

    def _image_and_python(self) -> tuple[str, str]:
        """Of the container. A suite that is not pytest's may have an image without any."""
        image = self._image()
        if image.python is None:
            return self._other_image, _SOME_PYTHON
        return image.id, image.python.executable

    def _accept(self, listener: socket.socket, port: int) -> None:
        while not self._is_closed:
            try:
                accepted, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(
                target=self._serve, args=(accepted, port), name="dockerci relayed", daemon=True
            ).start()

    def _serve(self, accepted: socket.socket, port: int) -> None:
        argv = [self._image_and_python()[1], "-I", "-S", "-c", _program(), LOOPBACK, str(port)]
        try:
            stream = open_exec(self._engine, self._container_id, argv)
        except DockerCIError:  # the connection's end is what its user can see of it
            _break(accepted)
            return
        connection = _Connection(accepted, stream)
        with self._lock:
            self._connections.add(connection)
            is_late = self._is_closed
        if is_late:
            connection.break_off()
        connection.run()
        with self._lock:
            self._connections.discard(connection)


class _Connection:
    """One connection, between a socket of this machine and the relay's stream."""

    def __init__(self, near: socket.socket, far: ExecStream) -> None:
        self._near = near
        self._far = far

    def run(self) -> None:
        """Carry both directions until both have ended, or either is broken."""
        sender = threading.Thread(target=self._carry_out, name="dockerci relayed", daemon=True)
        sender.start()
        if self._carry_in():
            sender.join()
            self._near.close()
            self._far.close()
        else:
            self.break_off()
        sender.join(_LOOK_SECONDS)

    def break_off(self) -> None:
        """Break both sides at once; its threads end."""
        # In this order: a sender that wakes up first would take the near side's end for one in good order.
        self._far.close()
        _break(self._near)

    def _carry_out(self) -> None:
        """What is said here, to the service."""
        try:
            while data := self._near.recv(_CHUNK_BYTES):
                self._far.write(struct.pack(">I", len(data)) + data)
            self._far.write(struct.pack(">I", 0))
        except (OSError, DockerCIError):
            # Broken on this side: without a word of its end, the service's side is broken as well.
            self._far.close()

    def _carry_in(self) -> bool:
        """What the service says; True when it came to its end in good order."""
        buffer = bytearray()
        try:
            while data := self._far.read():
                buffer += data
                while len(buffer) >= 4:  # noqa: PLR2004 - the length's own size
                    (length,) = struct.unpack_from(">I", buffer)
                    if length == 0:
                        self._near.shutdown(socket.SHUT_WR)
                        return True
                    if len(buffer) < 4 + length:
                        break
                    self._near.sendall(bytes(buffer[4 : 4 + length]))
                    del buffer[: 4 + length]
        except (OSError, DockerCIError):
            pass
        return False


def _break(near: socket.socket) -> None:
    """Close it so that the other side sees a broken connection rather than an orderly end."""
    with contextlib.suppress(OSError):
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _BREAK)
        # A thread that reads from it holds it open otherwise.
        near.shutdown(socket.SHUT_RD)
    near.close()


def _program() -> str:
    return resources.files("pytest_dockerci.relay").joinpath("program.py").read_text(encoding="utf-8")


def published_ports(
    engine: Engine, identity: RunIdentity, image: Callable[[], ImageUnderTest], other_image: str
) -> PublishedPorts:
    """How the ports of services on this engine are reached.

    Args:
        engine: The engine.
        identity: The run.
        image: Gives the image under test; asked when the first address is.
        other_image: One with ``python3``, for when that has none: the reaper's.
    """
    return LocalPorts() if engine.target.is_local else Relay(engine, identity, image, other_image)
