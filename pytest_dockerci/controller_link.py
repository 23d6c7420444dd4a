"""Questions of pytest-xdist's workers to their controller, which alone starts, waits for and removes things.

One question per connection, over a Unix socket in a folder that only its owner may enter: a line
of JSON each way. Both ends are processes of one user's run.
"""

from __future__ import annotations

import json
import shutil
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_dockerci.errors import DockerCIError

_CONNECT_SECONDS = 10.0

Answer = Callable[[str, dict[str, Any]], Any]


class ControllerServer:
    """Answers questions, each in a thread of its own.

    Args:
        answer: Called with a question's name and arguments; what it returns must be plain JSON
            values. A `DockerCIError` travels to the worker.

    Attributes:
        address: Path of the socket.
    """

    def __init__(self, answer: Answer) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="dockerci-"))
        self.address = str(self._folder / "socket")
        self._server = _Server(self.address, answer)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="dockerci controller", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answer no more; a question that is being answered is not waited for."""
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self._folder, ignore_errors=True)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: str, answer: Answer) -> None:
        self.answer = answer
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A worker that hung up before it had its answer is told of by pytest-xdist."""


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        name, arguments = json.loads(self.rfile.readline())
        try:
            answer = {"result": self.server.answer(name, arguments)}
        except DockerCIError as error:
            answer = {"error": error_as_json(error)}
        except Exception as error:  # noqa: BLE001 - the worker must not wait for an answer that never comes
            answer = {"error": error_as_json(DockerCIError(f"{name}: {type(error).__name__}: {error}"))}
        self.wfile.write(json.dumps(answer).encode() + b"\n")


class ControllerLink:
    """A worker's way to ask its controller.

    Args:
        address: Path of the controller's socket.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def ask(self, name: str, **arguments: Any) -> Any:
        """Ask, and wait for the answer as long as it takes.

        Raises:
            DockerCIError: The controller's own, or it is gone.
        """
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(_CONNECT_SECONDS)
                connection.connect(self._address)
                connection.settimeout(None)
                connection.sendall(json.dumps([name, arguments]).encode() + b"\n")
                with connection.makefile("rb") as file:
                    line = file.readline()
            answer = json.loads(line)
        except (OSError, ValueError) as error:
            raise DockerCIError(
                "the controller of pytest-xdist does not answer", why=str(error) or "it hung up"
            ) from error
        if "error" in answer:
            raise error_from_json(answer["error"])
        return answer["result"]


def error_as_json(error: DockerCIError) -> dict[str, Any]:
    """An error as plain JSON values."""
    names = ("what", "why", "fix", "output_title", "output")
    values = {name: getattr(error, name) for name in names}
    # execnet, which pytest-xdist's workers answer through, takes no enumeration for a number.
    return {**values, "exit_status": int(error.exit_status)}


def error_from_json(data: Mapping[str, Any]) -> DockerCIError:
    """The error that `error_as_json` wrote; its class is not restored, its exit status is."""
    details = dict(data)
    exit_status = int(details.pop("exit_status"))
    error = DockerCIError(details.pop("what"), **details)
    error.exit_status = exit_status
    return error
