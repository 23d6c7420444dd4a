"""Lets an engine in a network of its own reach one port of the machine, under the same number on its own loopback.

Bytes go through a Unix socket, which does not care about networks. Run as a program it is the end in the other
network: ``port_relay.py PORT SOCKET``.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

_CHUNK_BYTES = 1 << 16


def serve(listener: socket.socket, connect: Callable[[], socket.socket]) -> None:
    """Join every connection that comes with a new one, until the listener is closed."""
    with contextlib.suppress(OSError):
        while True:
            near, _ = listener.accept()
            threading.Thread(target=_join, args=(near, connect()), daemon=True).start()


def _join(near: socket.socket, far: socket.socket) -> None:
    with near, far:
        other_way = threading.Thread(target=_copy, args=(far, near), daemon=True)
        other_way.start()
        _copy(near, far)
        other_way.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _to_port(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port))


def _to_file(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


@contextlib.contextmanager
def relayed(port: int, pid: int, folder: Path) -> Iterator[None]:
    """The port of this machine can be reached from the network of a process.

    Args:
        port: On 127.0.0.1, here and there.
        pid: A process in the other network.
        folder: For the socket; its path is short enough for one.
    """
    path = str(folder / "relay.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        threading.Thread(target=serve, args=(listener, lambda: _to_port(port)), daemon=True).start()
        argv = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, __file__, str(port), path]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
                yield
            finally:
                process.terminate()
                listener.shutdown(socket.SHUT_RDWR)


def main() -> None:
    """The end in the other network."""
    port, path = int(sys.argv[1]), sys.argv[2]
    with socket.create_server(("127.0.0.1", port)) as listener:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        serve(listener, lambda: _to_file(path))


if __name__ == "__main__":
    main()
