"""Ports of the engine's 127.0.0.1, through a container in its network; here, on an engine that would not need it."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dockerci.engine.cleanup import list_objects, remove_objects
from pytest_dockerci.engine.labels import RunIdentity
from pytest_dockerci.engine.relay import Relay
from pytest_dockerci.errors import DockerCIError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

pytestmark = pytest.mark.engine

IMAGE = SimpleNamespace(
    id=os.environ.get("PYTHON_IMAGE", "python:3.13-slim"), python=SimpleNamespace(executable="python3")
)


@pytest.fixture
def relay(engine: Engine, identity: RunIdentity) -> Iterator[Relay]:
    """A relay of its own; nothing of it is left."""
    image: Any = IMAGE
    made = Relay(engine, identity, lambda: image, "none")
    before = set(threading.enumerate())
    try:
        yield made
    finally:
        made.close()
        left = remove_objects(engine, lambda: list_objects(engine, identity.filters), quiet_seconds=0)
    assert left == ()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), thread.name


@pytest.fixture
def service() -> Iterator[socket.socket]:
    """Something that listens on the engine's 127.0.0.1, which is this machine's, too."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        yield listener


def connected(relay: Relay, service: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Both ends of a new connection: the test's, the service's."""
    near = socket.create_connection(relay.address(service.getsockname()[1]), 20)
    far, _ = service.accept()
    far.settimeout(20)
    return near, far


def receive_all(end: socket.socket) -> bytes:
    """Everything until the end."""
    data = b""
    while piece := end.recv(1 << 16):
        data += piece
    return data


def send_all(end: socket.socket, data: bytes) -> None:
    """Everything, and that it is all."""
    end.sendall(data)
    end.shutdown(socket.SHUT_WR)


def test_processes_of_a_run_share_one_container(engine: Engine, identity: RunIdentity) -> None:
    """Though they ask for it at once: a name is taken before there is a container of it."""
    image: Any = IMAGE
    for _ in range(5):
        relays = [Relay(engine, identity, lambda: image, "none") for _ in range(8)]
        begin = threading.Barrier(len(relays))

        def ask(relay: Relay, begin: threading.Barrier = begin) -> tuple[str, int]:
            begin.wait()
            return relay.address(7000)

        try:
            with ThreadPoolExecutor(len(relays)) as pool:
                assert len(set(pool.map(ask, relays))) == len(relays)
            assert len({relay._container_id for relay in relays}) == 1
        finally:
            for relay in relays:
                relay.close()
            left = remove_objects(engine, lambda: list_objects(engine, identity.filters), quiet_seconds=0)
        assert left == ()


def test_each_direction_ends_by_itself(relay: Relay, service: socket.socket) -> None:
    """Much is carried whole; the answer comes after the end of the question."""
    question = bytes(range(256)) * 4096
    near, far = connected(relay, service)
    with near, far:
        sender = threading.Thread(target=send_all, args=(near, question))
        sender.start()
        assert receive_all(far) == question
        sender.join()
        far.sendall(b"answer")
        far.close()
        assert receive_all(near) == b"answer"


def test_a_broken_connection_is_broken_on_the_other_side(relay: Relay, service: socket.socket) -> None:
    """Neither side takes half of something for all of it; nor is that a matter of luck."""
    with contextlib.ExitStack() as ends:
        pairs = [connected(relay, service) for _ in range(5)]
        for near, far in pairs:
            ends.enter_context(near)
            ends.enter_context(far)
            near.sendall(b"half")
            assert far.recv(4) == b"half"
        relay.close()
        for end in itertools.chain(*pairs):
            with pytest.raises(ConnectionResetError):
                receive_all(end)


def test_nobody_listens(relay: Relay) -> None:
    """The connection is broken, as soon as that is known."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with (
            socket.create_connection(relay.address(unused.getsockname()[1]), 20) as near,
            pytest.raises(ConnectionResetError),
        ):
            near.recv(1)


def test_an_image_without_python(engine: Engine, identity: RunIdentity, service: socket.socket) -> None:
    """Another one has to do, that of the reaper; where there is none, the error says what to set."""
    without: Any = SimpleNamespace(id="sha256:none", python=None)
    relay = Relay(engine, identity, lambda: without, IMAGE.id)
    try:
        near, far = connected(relay, service)
        with near, far:
            near.sendall(b"x")
            assert far.recv(1) == b"x"
    finally:
        relay.close()
        assert remove_objects(engine, lambda: list_objects(engine, identity.filters), quiet_seconds=0) == ()
    with pytest.raises(DockerCIError) as caught:
        Relay(engine, identity, lambda: without, "none").address(1)
    assert str(caught.value) == (
        f"the ports of services on {engine.endpoint} cannot be reached from here\n"
        "  why: a container in its network is refused: No such image: none:latest\n"
        "  try: set dockerci_reaper_image to an image with python3 that this engine has"
    )


def test_processes_of_a_run_share_the_container(
    relay: Relay, engine: Engine, identity: RunIdentity, service: socket.socket
) -> None:
    """As those of pytest-xdist do; each has ports of its own, which stay the same."""
    port = service.getsockname()[1]
    image: Any = IMAGE
    other = Relay(engine, identity, lambda: image, "none")
    try:
        assert relay.address(port) == relay.address(port) != other.address(port)
        assert [thing.kind for thing in list_objects(engine, identity.filters)] == ["container"]
        for each in (relay, other):
            near, far = connected(each, service)
            with near, far:
                near.sendall(b"x")
                assert far.recv(1) == b"x"
    finally:
        other.close()
