"""The relay's program, as a process, between this test and a real listener."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_dockerci.relay import program


@contextmanager
def relayed() -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """A relay, and the service's end of its connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        process = start(listener.getsockname()[1])
        service, _ = listener.accept()
        service.settimeout(20)
        with service, process:
            yield process, service
            if process.poll() is None:
                process.kill()


def start(port: int) -> subprocess.Popen[bytes]:
    """A relay to a port."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", program.__file__, "127.0.0.1", str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )


def say(process: subprocess.Popen[bytes], data: bytes) -> None:
    """Send a piece; an empty one is the end."""
    assert process.stdin is not None
    process.stdin.write(struct.pack(">I", len(data)) + data)


def hear(process: subprocess.Popen[bytes]) -> bytes:
    """The next piece, whole."""
    assert process.stdout is not None
    (length,) = struct.unpack(">I", process.stdout.read(4))
    data = b""
    while len(data) < length:
        data += process.stdout.read(length - len(data))
    return data


def test_each_direction_ends_by_itself() -> None:
    """A service that answers after the end of the request, as many do, is heard."""
    with relayed() as (process, service):
        say(process, b"request")
        say(process, b"")
        assert service.recv(100) == b"request"
        assert service.recv(100) == b""
        service.sendall(b"answer")
        assert hear(process) == b"answer"
        service.shutdown(socket.SHUT_WR)
        assert hear(process) == b""
        assert process.wait(20) == 0


def test_the_service_may_end_first() -> None:
    """What the host still says arrives."""
    with relayed() as (process, service):
        service.shutdown(socket.SHUT_WR)
        assert hear(process) == b""
        say(process, b"more")
        assert service.recv(100) == b"more"
        say(process, b"")
        assert service.recv(100) == b""
        assert process.wait(20) == 0


def test_much_is_carried_whole() -> None:
    """Pieces of any size, in both directions."""
    data = bytes(range(256)) * 8192
    with relayed() as (process, service):
        say(process, data)
        seen = b""
        while len(seen) < len(data):
            seen += service.recv(1 << 16)
        assert seen == data
        service.sendall(data[:100_000])
        heard = b""
        while len(heard) < 100_000:
            heard += hear(process)
        assert heard == data[:100_000]


def test_a_host_that_is_gone_breaks_the_connection() -> None:
    """The service sees a broken one, not an orderly end: it may not take half a request for a whole one."""
    with relayed() as (process, service):
        say(process, b"half")
        assert service.recv(100) == b"half"
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 1
        try:
            seen = service.recv(100)
        except ConnectionResetError:
            seen = b"broken"
        assert seen == b"broken"


def test_a_service_that_breaks_off_is_no_orderly_end() -> None:
    """The stream ends without the piece that says so."""
    with relayed() as (process, service):
        say(process, b"x")
        assert service.recv(1) == b"x"
        service.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        service.close()
        assert process.stdout is not None
        assert process.stdout.read() == b""
        assert process.wait(20) == 1


def test_nobody_listens() -> None:
    """It is said, and nothing is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with start(port) as process:
        assert process.wait(20) == 3
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read() == b""
        assert b"refused" in process.stderr.read()
