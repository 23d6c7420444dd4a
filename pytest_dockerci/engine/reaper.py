"""The reaper's host side: a container on the engine that removes the run when this host is gone.

It is the net for what no process on the host can see to: the host, or the CI job's container, is gone
as a whole. What runs there is `pytest_dockerci.reaper.program`.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable
from functools import cached_property
from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from pytest_dockerci.engine.connection import Connection, Reachable, ask, require_answer, upgrade
from pytest_dockerci.engine.frames import STDERR, Demultiplexer, FrameError
from pytest_dockerci.engine.labels import REAPER_NAME
from pytest_dockerci.errors import DockerCIError, ReaperError

if TYPE_CHECKING:
    from pytest_dockerci.engine.labels import RunIdentity

HEARTBEAT_SECONDS = 5.0
LEASE_SECONDS = 30.0
SOCKET = "/var/run/docker.sock"
_READY = b"ready\n"
_MAX_PROCESSES = 32
_MEMORY_BYTES = 128 << 20
_CALL_TIMEOUT_SECONDS = 60.0


class Reaper:
    """A run's reaper. Starts before Docker's client is loaded, so it does without.

    Args:
        engine: The engine.
        identity: The run; the reaper's container belongs to it as well.
        image: Any with Python 3.8 or newer, as ``python3`` on its PATH.
    """

    def __init__(self, engine: Reachable, identity: RunIdentity, image: str) -> None:
        self._engine = engine
        self._identity = identity
        self._image = image
        self._container_id = ""
        self._connection: Connection | None = None
        self._is_closed = threading.Event()
        self._is_begun = threading.Event()

    @cached_property
    def has_image(self) -> bool:
        """The image need not be pulled.

        Raises:
            OSError: The engine does not answer.
        """
        status, _ = ask(self._engine, "GET", f"images/{quote(self._image, safe='/:@')}/json")
        return status == HTTPStatus.OK

    def start(self, pull: Callable[[], None] | None) -> None:
        """Start it; returns when it has seen the engine.

        Args:
            pull: Brings the image, where it is not there; None where it is.

        Raises:
            ReaperError: It cannot be had, and why.
        """
        try:
            if pull is not None and not self.has_image:
                pull()
            self._container_id = self._create()
            path = f"containers/{self._container_id}/attach?stream=1&stdin=1&stdout=1&stderr=1"
            self._connection = upgrade(self._engine, path, {})
            require_answer(
                self._engine,
                "POST",
                f"containers/{self._container_id}/start",
                timeout_seconds=_CALL_TIMEOUT_SECONDS,
            )
            plan = {
                "labels": self._identity.filters["label"],
                "socket": SOCKET,
                "lease_seconds": LEASE_SECONDS,
            }
            self._connection.send(json.dumps(plan).encode("ascii") + b"\n")
            self._is_begun.set()
            self._await_ready(self._connection)
        except ReaperError:
            raise
        except DockerCIError as error:
            raise ReaperError(f"there is no image {self._image}", why=error.why) from error
        except OSError as error:
            raise ReaperError(
                f"its container of {self._image} could not be started", why=str(error)
            ) from error
        finally:
            self._is_begun.set()
        threading.Thread(target=self._beat, name="dockerci heartbeat", daemon=True).start()

    def await_begin(self, timeout_seconds: float) -> None:
        """Block until its container runs and has its plan, or `start` has failed.

        If this host is gone from then on, it removes the run, though it has not seen the engine yet.
        """
        self._is_begun.wait(timeout_seconds)

    def keep(self, seconds: float) -> None:
        """From now on it waits until no run has used the stack for so long (`renew`), and removes it then."""
        self._is_closed.set()
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.send(f"keep {seconds:.3f}\n".encode("ascii"))
            self._connection.close()

    def close(self) -> None:
        """Hang up; its container is removed as all others of the run are."""
        self._is_closed.set()
        if self._connection is not None:
            self._connection.close()

    def remove(self) -> bool:
        """Hang up, and remove its container: nothing else of the run exists yet. False where it may still be there."""
        self.close()
        if not self._container_id:
            return True
        try:
            status, _ = ask(self._engine, "DELETE", f"containers/{self._container_id}?force=1")
        except OSError:
            return False
        return status < HTTPStatus.BAD_REQUEST or status == HTTPStatus.NOT_FOUND

    def _create(self) -> str:
        *likely, last = sockets_on_engine(self._engine.target.named.url, sys.platform)
        for path in likely:
            with contextlib.suppress(OSError):
                return self._create_with(path)
        return self._create_with(last)

    def _create_with(self, socket_path: str) -> str:
        program = resources.files("pytest_dockerci.reaper").joinpath("program.py").read_text("utf-8")
        name = quote(f"{self._identity.project}{REAPER_NAME}")
        definition = {
            "Image": self._image,
            # An image without python3 fails here and now, with the engine's words.
            "Entrypoint": ["python3", "-I", "-S", "-c", program],
            "Cmd": [],
            "Labels": self._identity.labels,
            "User": "0:0",
            "OpenStdin": True,
            "StdinOnce": True,
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "Healthcheck": {"Test": ["NONE"]},
            "HostConfig": {
                "AutoRemove": True,
                "NetworkMode": "none",
                "ReadonlyRootfs": True,
                "CapDrop": ["ALL"],
                # SELinux would keep any container from the socket.
                "SecurityOpt": ["no-new-privileges", "label=disable"],
                "PidsLimit": _MAX_PROCESSES,
                "Memory": _MEMORY_BYTES,
                "Mounts": [{"Type": "bind", "Source": socket_path, "Target": SOCKET}],
            },
        }
        created = require_answer(
            self._engine,
            "POST",
            f"containers/create?name={name}",
            definition,
            timeout_seconds=_CALL_TIMEOUT_SECONDS,
        )
        return str(created["Id"])

    def _await_ready(self, connection: Connection) -> None:
        demultiplexer = Demultiplexer()
        said = {True: b"", False: b""}  # by whether it came on standard error
        while data := connection.receive():
            try:
                for number, payload in demultiplexer.feed(data):
                    said[number == STDERR] += payload
            except FrameError as error:
                raise ReaperError("its connection is damaged", why=str(error)) from error
            if _READY in said[False]:
                return
        lines = (said[True] + said[False]).decode("utf-8", "replace").strip().splitlines()
        why = lines[-1] if lines else "it ended without a word"
        raise ReaperError("its program could not see the engine", why=why)

    def _beat(self) -> None:
        with contextlib.suppress(OSError):
            while self._connection is not None and not self._is_closed.wait(HEARTBEAT_SECONDS):
                self._connection.send(b".")


def sockets_on_engine(url: str, platform: str) -> tuple[str, ...]:
    """Where the engine's own machine may have its socket, the likeliest first. Pure.

    A Unix socket here is that machine's as well, unless it leads elsewhere: into Docker Desktop's
    virtual machine, or through a tunnel.

    Args:
        url: The engine's address, as the user named it.
        platform: As `sys.platform` has it.
    """
    parts = urlsplit(url)
    is_there = parts.scheme == "ssh" or (parts.scheme == "unix" and platform == "linux")
    named = (parts.path,) if is_there and parts.path not in ("", "/") else ()
    return tuple(dict.fromkeys((*named, SOCKET)))
