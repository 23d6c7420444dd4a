"""Commands in a container as streams, over a socket, a port and TLS."""

from __future__ import annotations

import contextlib
import dataclasses
import select
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

import docker.errors
import pytest

from pytest_dockerci.engine.connection import Connection
from pytest_dockerci.engine.container import run_in_container
from pytest_dockerci.engine.endpoint import Endpoint
from pytest_dockerci.engine.exec_stream import ExecStream, open_exec
from pytest_dockerci.errors import AgentLostError, DockerCIError

from .engine_project import PYTHON_IMAGE

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

pytestmark = pytest.mark.engine

ECHO = (
    "import sys\n"
    "print('ready', flush=True)\n"
    "while True:\n"
    "    size = int(sys.stdin.readline())\n"
    "    if not size: break\n"
    "    sys.stdout.write(sys.stdin.read(size)); sys.stdout.flush()\n"
    "sys.stderr.write('bye'); sys.exit(7)\n"
)


@pytest.fixture(scope="module")
def container(engine: Engine) -> Iterator[str]:
    """A container that does nothing."""
    created = engine.client.containers.create(PYTHON_IMAGE, ["sleep", "600"], init=True)
    created.start()
    yield str(created.id)
    created.remove(force=True, v=True)


def echo_through(engine: Engine, container: str) -> None:
    """Write while reading, a lot of it, and see the end."""
    stream = open_exec(engine, container, ["python3", "-c", ECHO])
    assert stream.read() == b"ready\n"
    payload = "0123456789abcdef" * 60_000
    writer = threading.Thread(target=lambda: stream.write(f"{len(payload)}\n{payload}".encode()))
    writer.start()
    received = bytearray()
    while len(received) < len(payload):
        data = stream.read()
        assert data
        received += data
    writer.join()
    assert received.decode() == payload
    stream.write(b"0\n")
    assert stream.read() == b""
    assert (stream.exit_code(), stream.stderr_tail()) == (7, "bye")
    stream.close()


def test_a_command_is_talked_to_over_the_engines_own_endpoint(engine: Engine, container: str) -> None:
    """Both directions at once, and end, exit code and standard error are seen."""
    echo_through(engine, container)


def test_output_that_comes_with_the_header_is_not_lost(engine: Engine, container: str) -> None:
    """A command that prints and ends at once, many times over."""
    for _ in range(20):
        stream = open_exec(engine, container, ["echo", "at once"])
        assert stream.read() == b"at once\n"
        assert stream.read() == b""
        stream.close()


def test_what_comes_with_the_header_may_be_damaged(engine: Engine) -> None:
    """It is told where the stream is read, as what comes later is."""
    near, far = socket.socketpair()
    with far:
        stream = ExecStream(engine, "exec", "container", Connection(near, b"Server: Docker"))
        with pytest.raises(AgentLostError, match="the stream from the container is damaged"):
            stream.read()
        stream.close()


def test_hanging_up_ends_a_blocked_read(engine: Engine, container: str) -> None:
    """From another thread."""
    stream = open_exec(engine, container, ["sleep", "30"])
    threading.Timer(0.2, stream.close).start()
    started = time.monotonic()
    assert stream.read() == b""
    assert time.monotonic() - started < 5
    with pytest.raises(AgentLostError, match="standard input is closed"):
        stream.write(b"x")


def test_a_killed_container_ends_the_stream(engine: Engine, request: pytest.FixtureRequest) -> None:
    """There is no exit code then, or the signal's."""
    created = engine.client.containers.create(
        PYTHON_IMAGE, ["sleep", "600"], init=True, name=f"dockerci-{uuid4().hex}"
    )
    request.addfinalizer(lambda: remove_quietly(engine, str(created.id)))
    created.start()
    stream = open_exec(engine, str(created.id), ["python3", "-uc", "import time; print(1); time.sleep(30)"])
    assert stream.read().startswith(b"1")
    remove_quietly(engine, str(created.id))
    while stream.read():
        pass
    assert stream.exit_code() in (None, 137)
    stream.close()
    with pytest.raises(DockerCIError, match=f"no command can be started in container {str(created.id)[:12]}"):
        open_exec(engine, str(created.id), ["true"])


def remove_quietly(engine: Engine, container_id: str) -> None:
    """Remove a container that may be gone."""
    with contextlib.suppress(docker.errors.NotFound):
        engine.client.api.remove_container(container_id, force=True, v=True)


def test_user_environment_and_folder_are_as_asked(engine: Engine, container: str) -> None:
    """And both outputs come apart and together."""
    program = "import os, sys; print(os.getuid(), os.getcwd(), os.environ['A'], flush=True); sys.exit('bad')"
    stream = open_exec(
        engine, container, ["python3", "-c", program], user="1234", environ={"A": "1"}, workdir="/etc"
    )
    assert stream.read() == b"1234 /etc 1\n"
    assert stream.read() == b""
    assert stream.stderr_tail() == "bad\n"
    stream.close()
    result = run_in_container(engine, container, ["python3", "-c", "print(1); exit('bad')"], name="x")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "1\n", "bad\n")
    assert sorted(result.output.splitlines()) == ["1", "bad"]


def test_a_command_that_takes_too_long_is_left(engine: Engine, container: str) -> None:
    """With what it printed so far."""
    argv = ["python3", "-u", "-c", "import time; print('working'); time.sleep(30)"]
    with pytest.raises(DockerCIError, match=r"in db did not end within 1 s(.|\n)*working"):
        run_in_container(engine, container, argv, name="db", timeout_seconds=1.0)


@contextlib.contextmanager
def relay(engine: Engine, context: ssl.SSLContext | None) -> Iterator[int]:
    """A port that leads to the engine's socket, encrypted or not."""
    path = urlsplit(engine.target.url).path
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(near: socket.socket) -> None:
        far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if context is not None:
            near = context.wrap_socket(near, server_side=True)
        with contextlib.suppress(OSError), near, far:
            far.connect(path)
            while True:
                pending = isinstance(near, ssl.SSLSocket) and near.pending()
                readable = [near] if pending else select.select([near, far], [], [])[0]
                for source, target in ((near, far), (far, near)):
                    if source in readable:
                        data = source.recv(65536)
                        if not data:
                            return
                        target.sendall(data)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                threading.Thread(target=pump, args=(near,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_a_port_is_as_good_as_a_socket(engine: Engine, container: str) -> None:
    """Plain TCP, as to a forwarded engine."""
    with relay(engine, None) as port:
        target = Endpoint(url=f"tcp://127.0.0.1:{port}", source="test")
        echo_through(dataclasses.replace(engine, target=target), container)


def test_tls_carries_both_directions_at_once(engine: Engine, container: str, tmp_path: Path) -> None:
    """With certificates as the CLI keeps them; a wrong authority is refused."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / "ca.pem").write_bytes((tmp_path / "cert.pem").read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with relay(engine, context) as port:
        target = Endpoint(url=f"tcp://127.0.0.1:{port}", source="test", certificates=tmp_path)
        echo_through(dataclasses.replace(engine, target=target), container)
