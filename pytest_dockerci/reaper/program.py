"""The reaper: removes what a run has on the engine when the host that owns the run is gone.

It runs in a container of its own, with the engine's socket and without a network, and listens to
nothing but its standard input: first a line of JSON that says whose objects they are, then a byte
from the host now and then. The end of the input, or silence for longer than the lease, means that
the host is gone. A run that ends in good order removes this container with all its others.

A run that leaves its stack for the next one says so at its end (``keep SECONDS``). Then nothing is removed
until that time has passed without a run: each sends the signal USR1, and the time begins anew.
"""

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import sys
import time
import urllib.parse
from typing import Any, Callable, Dict, List, Tuple

READY = b"ready\n"
RENEWAL = signal.SIGUSR1
_EMPTY_PASSES = 3
_PAUSE_SECONDS = 0.7
_LONGEST_SECONDS = 300.0
_CALL_TIMEOUT_SECONDS = 60.0
_CHUNK_BYTES = 4096
_LINE_BYTES = 64

# Kind and key of something on the engine, in the order of removal.
Thing = Tuple[str, str]
Request = Callable[[str, str], Tuple[int, Any]]


class EngineConnection(http.client.HTTPConnection):
    """A connection to the engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=_CALL_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def requester(socket_path: str) -> Request:
    """Makes the function that sends a request and gives status and decoded answer (None for an empty one).

    Raises of that function:
        OSError, http.client.HTTPException: The engine does not answer.
    """

    def request(method: str, path: str) -> Tuple[int, Any]:
        connection = EngineConnection(socket_path)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        try:
            return response.status, json.loads(body) if body else None
        except ValueError:
            return response.status, None

    return request


def wait_for_end(descriptor: int, lease_seconds: float) -> str:
    """Block until the host is gone; how that is known: ``end``, ``silence``, or its last line, ``keep SECONDS``.

    Args:
        descriptor: What the host writes to.
        lease_seconds: How long it may be silent.
    """
    deadline = time.monotonic() + lease_seconds
    said = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return "silence"
        if not select.select([descriptor], [], [], left)[0]:
            continue
        data = os.read(descriptor, _CHUNK_BYTES)
        if not data:
            return "end"
        said = (said + data)[-_LINE_BYTES:]
        line = said.lstrip(b".").partition(b"\n")
        if line[1] and line[0].startswith(b"keep "):
            return line[0].decode("ascii")
        deadline = time.monotonic() + lease_seconds


def wait_for_expiry(seconds: float) -> None:
    """Block until no run has used the stack for so long; each that does sends `RENEWAL`."""
    while signal.sigtimedwait([RENEWAL], seconds) is not None:
        pass


def list_things(request: Request, labels: List[str], own_id: str) -> List[Thing]:
    """The containers, networks and volumes that carry all labels, but for the reaper's own container.

    Args:
        request: Asks the engine.
        labels: Each ``name=value``; an object needs every one of them.
        own_id: Id of the reaper's container, or its first 12 characters.

    Raises:
        OSError: The engine does not answer, or refuses.
    """
    filters = urllib.parse.quote(json.dumps({"label": labels}))
    containers = _ask(request, "/containers/json?all=1&filters=" + filters) or []
    networks = _ask(request, "/networks?filters=" + filters) or []
    volumes = (_ask(request, "/volumes?filters=" + filters) or {}).get("Volumes") or []
    return (
        [("containers", str(each["Id"])) for each in containers if not str(each["Id"]).startswith(own_id)]
        + [("networks", str(each["Id"])) for each in networks]
        + [("volumes", str(each["Name"])) for each in volumes]
    )


def _ask(request: Request, path: str) -> Any:
    status, answer = request("GET", path)
    if status != http.client.OK:
        raise OSError("GET %s: %s" % (path.partition("?")[0], status))
    return answer


def removal_path(thing: Thing) -> str:
    """What to ask the engine for to remove something, with the anonymous volumes of a container."""
    kind, key = thing
    options = {"containers": "?force=1&v=1", "volumes": "?force=1"}.get(kind, "")
    return "/%s/%s%s" % (kind, urllib.parse.quote(key, safe=""), options)


def sweep(
    request: Request, labels: List[str], own_id: str, pause: Callable[[float], None] = time.sleep
) -> List[Thing]:
    """Remove, pass by pass, until several passes in a row have found nothing: a killed client's requests go on.

    Returns:
        What is left when the time is up; normally nothing.
    """
    deadline = time.monotonic() + _LONGEST_SECONDS
    empty_passes = 0
    things: List[Thing] = []
    while empty_passes < _EMPTY_PASSES and time.monotonic() < deadline:
        try:
            things = list_things(request, labels, own_id)
            for thing in things:
                request("DELETE", removal_path(thing))
        except (OSError, http.client.HTTPException):
            empty_passes = 0
        else:
            empty_passes = 0 if things else empty_passes + 1
        # What was there is looked at again at once: a network goes when its containers have gone.
        pause(_PAUSE_SECONDS if empty_passes else 0.1)
    return things


def read_line(descriptor: int) -> Dict[str, Any]:
    """The first line of the input, decoded."""
    data = b""
    while not data.endswith(b"\n"):
        byte = os.read(descriptor, 1)
        if not byte:
            raise SystemExit("dockerci: the host hung up before it said whose objects these are")
        data += byte
    values: Dict[str, Any] = json.loads(data)
    return values


def main() -> None:
    """Wait, and remove."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [RENEWAL])
    descriptor = sys.stdin.fileno()
    plan = read_line(descriptor)
    request = requester(plan["socket"])
    own_id = socket.gethostname()
    list_things(request, plan["labels"], own_id)
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), READY)
    end = wait_for_end(descriptor, float(plan["lease_seconds"]))
    if end.startswith("keep "):
        wait_for_expiry(float(end.partition(" ")[2]))
    sweep(request, plan["labels"], own_id)


if __name__ == "__main__":
    main()
