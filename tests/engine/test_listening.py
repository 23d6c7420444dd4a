"""Whether something in a container takes connections: looked at from here, or asked from its network."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_dockerci.engine.endpoint import Endpoint
from pytest_dockerci.engine.listening import Listening
from pytest_dockerci.engine.listening_sockets import listening_ports, parse_sockets
from pytest_dockerci.engine.stack import observe

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.labels import RunIdentity

PYTHON_IMAGE = os.environ.get("PYTHON_IMAGE", "python:3.13-slim")
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LISTENS = """
import http.server, socketserver, sys, time
time.sleep(float(sys.argv[1]))
http.server.ThreadingHTTPServer((sys.argv[2], 8000), http.server.BaseHTTPRequestHandler).serve_forever()
"""


def line(address: str, port: int, state: str = "0A") -> str:
    """A line of the kernel's, with words in the byte order of this machine; `address` is in that of the network."""
    words = [address[at : at + 8] for at in range(0, len(address), 8)]
    local = "".join(f"{int.from_bytes(bytes.fromhex(word), sys.byteorder):08X}" for word in words)
    remote = f"{'0' * len(local)}:0000"
    return (
        f"   0: {local}:{port:04X} {remote} {state} 00000000:00000000 00:00000000 00000000   999        0 1\n"
    )


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        pytest.param("", set(), id="nothing"),
        pytest.param(HEAD, set(), id="no socket"),
        pytest.param(HEAD + line("00000000", 5432), {5432}, id="every address"),
        pytest.param(HEAD + line("AC110002", 80) + line("AC110002", 81), {80, 81}, id="its own address"),
        pytest.param(HEAD + line("7F000001", 5432), set(), id="itself alone"),
        pytest.param(HEAD + line("7F00000B", 53), set(), id="the engine's names"),
        pytest.param(HEAD + line("AC110002", 5432, "01"), set(), id="a connection"),
        pytest.param(HEAD + line("0" * 32, 6379), {6379}, id="every address of IPv6"),
        pytest.param(HEAD + line("0" * 31 + "1", 6379), set(), id="itself alone, of IPv6"),
        pytest.param(HEAD + line("0" * 20 + "FFFF7F000001", 6379), set(), id="itself, written as IPv6"),
        pytest.param(HEAD + line("0" * 20 + "FFFFAC110002", 6379), {6379}, id="its address, written as IPv6"),
    ],
)
def test_which_sockets_count(text: str, ports: set[int]) -> None:
    """Those that take connections from other containers."""
    assert parse_sockets(text) == ports


@pytest.mark.parametrize(
    "cgroup", ["0::/docker/abc", "0::/system.slice/docker-abc.scope", "3:cpu:/docker/abc"]
)
def test_a_process_of_the_container(tmp_path: Path, cgroup: str) -> None:
    """It is in the container's control group, as every version of the engine names it; both files count."""
    (tmp_path / "7/net").mkdir(parents=True)
    (tmp_path / "7/cgroup").write_text(f"{cgroup}\n")
    (tmp_path / "7/net/tcp").write_text(HEAD + line("00000000", 80))
    assert listening_ports(7, "abc", tmp_path) == frozenset({80})
    (tmp_path / "7/net/tcp6").write_text(HEAD + line("0" * 32, 443))
    assert listening_ports(7, "abc", tmp_path) == frozenset({80, 443})


def test_a_process_of_somebody_else(tmp_path: Path) -> None:
    """The engine's numbers mean nothing here, or the container has ended: nothing is known."""
    (tmp_path / "7/net").mkdir(parents=True)
    (tmp_path / "7/cgroup").write_text("0::/user.slice\n")
    (tmp_path / "7/net/tcp").write_text(HEAD + line("00000000", 80))
    assert listening_ports(7, "abc", tmp_path) is None
    assert listening_ports(7, "", tmp_path) is None
    assert listening_ports(8, "abc", tmp_path) is None
    (tmp_path / "7/cgroup").write_text("0::/docker/abc\n")
    (tmp_path / "7/net/tcp").write_text("head\nwhat is this\n")
    assert listening_ports(7, "abc", tmp_path) is None


@pytest.fixture
def start(engine: Engine, identity: RunIdentity) -> Iterator[Callable[..., str]]:
    """Starts containers of a small server in one network; their ids."""
    network = engine.client.api.create_network(f"{identity.project}-listening")["Id"]
    ids: list[str] = []

    def begin(name: str, delay_seconds: float, address: str) -> str:
        api = engine.client.api
        created = api.create_container(
            PYTHON_IMAGE,
            ["python3", "-c", LISTENS, str(delay_seconds), address],
            host_config=api.create_host_config(init=True, network_mode=network),
            networking_config={"EndpointsConfig": {network: {"Aliases": [name]}}},
        )
        ids.append(str(created["Id"]))
        api.start(created["Id"])
        return str(created["Id"])

    yield begin
    for container_id in ids:
        engine.client.api.remove_container(container_id, force=True)
    engine.client.api.remove_network(network)


def execs_of(engine: Engine, container_id: str) -> int:
    """How often a program was started in a container."""
    return len(engine.client.api.inspect_container(container_id).get("ExecIDs") or ())


@pytest.mark.engine
@pytest.mark.parametrize("is_here", [True, False])
def test_a_port_that_opens(engine: Engine, start: Callable[..., str], *, is_here: bool) -> None:
    """Whoever waits is woken up; nothing is started in a container where this machine can look."""
    service, asker = start("db", 1.0, "0.0.0.0"), start("web", 100, "0.0.0.0")  # noqa: S104 - inside a container
    woken = threading.Event()
    other = Endpoint(
        url=engine.target.url, source="test", tunnel_to=Endpoint(url="tcp://far:1", source="test")
    )
    listening = Listening(
        engine if is_here else replace(engine, target=other),
        host="db",
        ports=[1, 8000],
        limit_seconds=30,
        healthy_seconds=30,
        ask_from=lambda: (asker, "/usr/bin/python3"),
        wake=woken.set,
    )
    began = time.monotonic()
    assert listening(observe(engine, service)) is False
    seen = 0
    while not woken.is_set():
        assert time.monotonic() - began < 30
        seen = max(seen, execs_of(engine, asker))
        time.sleep(0.05)
    assert listening(observe(engine, service)) is True
    assert seen == (0 if is_here else 1)
    assert time.monotonic() - began > 0.5


def looking(engine: Engine, woken: threading.Event, *, limit_seconds: float) -> Listening:
    """Where there is no container to ask from."""
    return Listening(
        engine,
        host="db",
        ports=[8000],
        limit_seconds=limit_seconds,
        healthy_seconds=30,
        ask_from=lambda: None,
        wake=woken.set,
    )


@pytest.mark.engine
def test_a_port_for_the_container_alone(engine: Engine, start: Callable[..., str]) -> None:
    """Is none, as long as somebody wants to wait."""
    service = start("db", 0.0, "127.0.0.1")
    woken = threading.Event()
    listening = looking(engine, woken, limit_seconds=2)
    assert listening(observe(engine, service)) is False
    assert woken.wait(20)
    assert listening(observe(engine, service)) is None


@pytest.mark.engine
def test_a_container_that_is_started_anew(engine: Engine, start: Callable[..., str]) -> None:
    """Has another network: it is looked at once more."""
    service = start("db", 2.0, "0.0.0.0")  # noqa: S104 - inside a container
    woken = threading.Event()
    listening = looking(engine, woken, limit_seconds=30)
    assert listening(observe(engine, service)) is False
    engine.client.api.restart(service, timeout=0)
    assert woken.wait(20)
    woken.clear()
    assert listening(observe(engine, service)) is False
    assert woken.wait(20)
    assert listening(observe(engine, service)) is True
