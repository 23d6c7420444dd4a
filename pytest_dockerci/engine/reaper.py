"""The reaper's host side: a container on the engine that removes the run when this host is gone.

It is the net for what no process on the host can see to: the host, or the CI job's container, is gone
as a whole. What runs there is `pytest_dockerci.reaper.program`.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import docker.errors
import requests.exceptions
from docker.types import Mount

from pytest_dockerci.engine.connection import Connection, upgrade
from pytest_dockerci.engine.frames import STDERR, Demultiplexer, FrameError
from pytest_dockerci.engine.images import inspect_image, pull_image
from pytest_dockerci.engine.labels import REAPER_NAME
from pytest_dockerci.errors import DockerCIError, ReaperError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.labels import RunIdentity
    from pytest_dockerci.progress import Progress

HEARTBEAT_SECONDS = 5.0
LEASE_SECONDS = 30.0
SOCKET = "/var/run/docker.sock"
_READY = b"ready\n"
_MAX_PROCESSES = 32
_MEMORY_BYTES = 128 << 20


class Reaper:
    """A run's reaper.

    Args:
        engine: The engine.
        identity: The run; the reaper's container belongs to it as well.
        image: Any with Python 3.8 or newer, as ``python3`` on its PATH.
        progress: Told how a missing image is pulled.
    """

    def __init__(self, engine: Engine, identity: RunIdentity, image: str, progress: Progress) -> None:
        self._engine = engine
        self._identity = identity
        self._image = image
        self._progress = progress
        self._connection: Connection | None = None
        self._is_closed = threading.Event()
        self._is_begun = threading.Event()

    @cached_property
    def has_image(self) -> bool:
        """The image need not be pulled."""
        return inspect_image(self._engine, self._image) is not None

    def start(self) -> None:
        """Start it; returns when it has seen the engine.

        Raises:
            ReaperError: It cannot be had, and why.
        """
        try:
            if not self.has_image:
                pull_image(self._engine, self._image, None, self._progress, service="reaper")
            container_id = self._create()
            path = f"containers/{container_id}/attach?stream=1&stdin=1&stdout=1&stderr=1"
            self._connection = upgrade(self._engine, path, {})
            self._engine.client.api.start(container_id)
            plan = {
                "labels": self._identity.filters["label"],
                "socket": SOCKET,
                "lease_seconds": LEASE_SECONDS,
            }
            self._connection.send(json.dumps(plan).encode("ascii") + b"\n")
            self._is_begun.set()
            self._await_ready(self._connection)
        except DockerCIError as error:
            raise ReaperError(f"there is no image {self._image}", why=error.why) from error
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            said = getattr(error, "explanation", None) or str(error)
            raise ReaperError(
                f"its container of {self._image} could not be started", why=str(said)
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

    def _create(self) -> str:
        *likely, last = sockets_on_engine(self._engine.target.named.url, sys.platform)
        for path in likely:
            with contextlib.suppress(docker.errors.APIError):
                return self._create_with(path)
        return self._create_with(last)

    def _create_with(self, socket_path: str) -> str:
        api = self._engine.client.api
        program = resources.files("pytest_dockerci.reaper").joinpath("program.py").read_text("utf-8")
        container = api.create_container(
            self._image,
            name=f"{self._identity.project}{REAPER_NAME}",
            # An image without python3 fails here and now, with the engine's words.
            entrypoint=["python3", "-I", "-S", "-c", program],
            command=[],
            labels=self._identity.labels,
            user="0:0",
            stdin_open=True,
            healthcheck={"test": ["NONE"]},
            host_config=api.create_host_config(
                auto_remove=True,
                network_mode="none",
                read_only=True,
                cap_drop=["ALL"],
                # SELinux would keep any container from the socket.
                security_opt=["no-new-privileges", "label=disable"],
                pids_limit=_MAX_PROCESSES,
                mem_limit=_MEMORY_BYTES,
                mounts=[Mount(target=SOCKET, source=socket_path, type="bind")],
            ),
        )
        return str(container["Id"])

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
