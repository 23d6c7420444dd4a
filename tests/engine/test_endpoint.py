"""Which engine the environment names."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pytest_dockerci.engine.client import connect_engine
from pytest_dockerci.engine.endpoint import Endpoint, find_endpoint, require_safe
from pytest_dockerci.engine.tools import parse_version
from pytest_dockerci.errors import EngineUnreachableError, SettingsError
from socket_server import serving


def write_context(folder: Path, name: str, host: str, *, with_tls: bool = False) -> None:
    """A context as the CLI keeps it."""
    identity = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / identity / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(
        json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}})
    )
    if with_tls:
        (folder / "contexts" / "tls" / identity / "docker").mkdir(parents=True)


def test_docker_host_wins_over_contexts(tmp_path: Path) -> None:
    """As in Docker's own command line."""
    write_context(tmp_path, "far", "tcp://far:2375")
    (tmp_path / "config.json").write_text('{"currentContext": "far"}')
    base = {"DOCKER_CONFIG": str(tmp_path)}
    seen = [
        find_endpoint({**base, "DOCKER_HOST": "unix:///run/x.sock", "DOCKER_CONTEXT": "far"}).shown,
        find_endpoint({**base, "DOCKER_CONTEXT": "default"}).shown,
        find_endpoint(base).shown,
        find_endpoint({"DOCKER_CONFIG": str(tmp_path / "none")}).shown,
    ]
    assert seen == [
        "unix:///run/x.sock (DOCKER_HOST)",
        "unix:///var/run/docker.sock (default)",
        "tcp://far:2375 (context 'far')",
        "unix:///var/run/docker.sock (default)",
    ]


def test_children_are_pinned_to_the_same_engine(tmp_path: Path) -> None:
    """Whatever named it, they see DOCKER_HOST and its certificates."""
    write_context(tmp_path, "far", "tcp://user:pw@far:2376", with_tls=True)
    environ = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "far", "HOME": "/h"}
    endpoint = find_endpoint(environ)
    assert endpoint.certificates is not None
    assert endpoint.child_environ(environ) == {
        "DOCKER_CONFIG": str(tmp_path),
        "HOME": "/h",
        "DOCKER_HOST": "tcp://user:pw@far:2376",
        "DOCKER_CERT_PATH": str(endpoint.certificates),
        "DOCKER_TLS_VERIFY": "1",
    }
    assert endpoint.shown == "tcp://far:2376 (context 'far')"


def test_tls_comes_from_the_environment_beside_docker_host(tmp_path: Path) -> None:
    """A bare host is an address, and sockets have no TLS."""
    environ = {"DOCKER_HOST": "far:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    endpoint = find_endpoint(environ)
    assert (endpoint.url, endpoint.certificates, endpoint.verify) == ("tcp://far:2376", tmp_path, True)
    assert find_endpoint({**environ, "DOCKER_HOST": "unix:///x"}).certificates is None


def test_an_unknown_context_is_an_error_that_lists_the_known(tmp_path: Path) -> None:
    """With what to do."""
    write_context(tmp_path, "far", "tcp://far:2375")
    with pytest.raises(EngineUnreachableError) as caught:
        find_endpoint({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "fra"})
    assert str(caught.value) == (
        "there is no Docker context 'fra'\n"
        "  why: named by DOCKER_CONTEXT; known: default, far\n"
        "  try: choose one with `docker context use NAME`, or unset DOCKER_CONTEXT"
    )


def test_a_broken_configuration_file_is_named(tmp_path: Path) -> None:
    """Rather than ignored."""
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(
        EngineUnreachableError, match=f"configuration file {tmp_path}/config.json cannot be read"
    ):
        find_endpoint({"DOCKER_CONFIG": str(tmp_path)})


@pytest.mark.parametrize(
    ("host", "what"),
    [
        ("unix:///nowhere/docker.sock", "there is no socket /nowhere/docker.sock"),
        ("tcp://127.0.0.1:9", "connection refused"),
        ("ssh://host", "there is no ssh on PATH"),
        ("fd://host", "fd:// addresses are not supported"),
    ],
)
def test_an_engine_that_does_not_answer_is_one_clear_error(host: str, what: str) -> None:
    """What, where, why and what to try."""
    with pytest.raises(EngineUnreachableError) as caught:
        connect_engine({"DOCKER_HOST": host, "PATH": "/nowhere"})
    assert what in str(caught.value)
    assert f"{host} (DOCKER_HOST)" in str(caught.value)


def test_a_socket_that_may_not_be_used(tmp_path: Path) -> None:
    """The text as a whole."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        path.chmod(0)
        with another_user(), pytest.raises(EngineUnreachableError) as caught:
            connect_engine({"DOCKER_HOST": f"unix://{path}", "PATH": "/nowhere"})
    assert str(caught.value) == (
        f"the Docker Engine at unix://{path} (DOCKER_HOST) may not be used\n"
        "  why: permission denied on its socket\n"
        "  try: `sudo usermod -aG docker $USER` and log in again, or use rootless Docker"
    )


@contextmanager
def another_user() -> Iterator[None]:
    """Root may do anything: for a moment this process is somebody else, as far as files go."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_an_engine_that_is_too_old(tmp_path: Path) -> None:
    """The text as a whole; a server that says what Docker 20.10 says."""
    path = tmp_path / "docker.sock"
    answers = {
        "/version": {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"},
        "/info": {"ID": "x"},
    }

    def answer(_method: str, path: str) -> tuple[int, Any]:
        return 200, next(text for end, text in answers.items() if path.endswith(end))

    with serving(path, answer), pytest.raises(EngineUnreachableError) as caught:
        connect_engine({"DOCKER_HOST": f"unix://{path}", "PATH": "/nowhere"})
    assert str(caught.value) == (
        "Docker Engine 20.10.24 is too old\n"
        f"  why: unix://{path} (DOCKER_HOST) speaks API 1.41; 1.44 is needed\n"
        "  try: install Docker Engine 25 or newer"
    )


@pytest.mark.parametrize(
    ("host", "tls", "allow", "is_safe"),
    [
        ("tcp://far:2375", False, "", False),
        ("http://10.0.0.7:2375", False, "", False),
        ("tcp://[fe80::1]:2375", False, "", False),
        ("tcp://127.0.0.1.example.org:2375", False, "", False),
        ("tcp://far:2375", False, "plain-tcp", True),
        ("tcp://far:2376", True, "", True),
        ("tcp://127.0.0.1:2375", False, "", True),
        ("tcp://[::1]:2375", False, "", True),
        ("tcp://localhost:2375", False, "", True),
        ("ssh://far", False, "", True),
        ("unix:///run/docker.sock", False, "", True),
    ],
)
def test_a_network_in_between_needs_tls(host: str, tls: bool, allow: str, is_safe: bool) -> None:  # noqa: FBT001
    """Unless it is allowed: whoever is on the way would read and change all of it."""
    tls_variables = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certificates"} if tls else {}
    endpoint = find_endpoint({"DOCKER_HOST": host, **tls_variables})
    if is_safe:
        require_safe(endpoint, frozenset([allow]))
        return
    with pytest.raises(SettingsError) as caught:
        require_safe(endpoint, frozenset([allow]))
    assert str(caught.value) == (
        f"the engine at {host} (DOCKER_HOST) is not spoken to in clear\n"
        "  why: without TLS, everybody on the way reads and changes what is said, secrets included\n"
        "  try: use ssh://USER@HOST, or TLS (DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH); "
        "on a network that is yours alone: dockerci_allow = plain-tcp"
    )


def test_only_a_socket_is_local() -> None:
    """A port of this machine may be forwarded; a tunnel's own end is a socket and leads elsewhere all the same."""
    far = find_endpoint({"DOCKER_HOST": "ssh://me:secret@Far:22/run/docker.sock"})
    near = Endpoint(url="unix:///tmp/x/docker.sock", source="DOCKER_HOST", tunnel_to=far)
    assert [find_endpoint({"DOCKER_HOST": host}).is_local for host in ("unix:///x", "tcp://127.0.0.1:1")] == [
        True,
        False,
    ]
    assert (near.is_local, near.scheme, near.named) == (False, "unix", far)
    assert near.shown == far.shown == "ssh://me@Far:22/run/docker.sock (DOCKER_HOST)"
    assert near.child_environ({})["DOCKER_HOST"] == "unix:///tmp/x/docker.sock"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2.26.1-4", (2, 26, 1)),
        ("v2.40.3", (2, 40, 3)),
        ("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3", (0, 13, 1)),
        ("github.com/docker/buildx v0.29.1 a32761a", (0, 29, 1)),
        ("1.45", (1, 45)),
        ("nonsense", ()),
    ],
)
def test_versions_are_read_from_what_programs_print(text: str, version: tuple[int, ...]) -> None:
    """Distributions write them in several ways."""
    assert parse_version(text) == version
