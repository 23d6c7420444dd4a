"""Whether a service takes connections: looked at, where its processes are this machine's, else asked from its network.

The image under test has a Python, and its containers see the services as the tests will. A service
with a health check is looked at as well: a database that fills a new volume is healthy by its socket
while no port is open yet, and restarts before one is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pytest_dockerci.engine.container import run_in_container
from pytest_dockerci.engine.listening_sockets import listening_ports
from pytest_dockerci.errors import DockerCIError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.readiness import Observation

# Images declare more ports than they use, so one that answers is enough, and a service whose
# image alone declares some (a worker made from a web image) is not waited for longer than this.
IMAGE_PORTS_SECONDS = 3.0
# A port that the Compose file declares can be for other times (a debugger's): healthy counts after this.
HEALTHY_SECONDS = 10.0
_SPARE_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_PROGRAM = """
import socket, sys, time
host, ports, end = sys.argv[1], sys.argv[2].split(","), time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    for port in ports:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            continue
        sys.exit(0)
    time.sleep(0.05)
sys.exit(3)
"""


class Listening:
    """Looks at one service's ports, or asks them, until one takes connections.

    Args:
        engine: The engine.
        host: The service's name in the network.
        ports: TCP ports.
        limit_seconds: When to give up.
        healthy_seconds: For how long a service that is healthy is waited for.
        ask_from: ``(container id, interpreter)`` of a test container, as soon as there is one.
        wake: Called when the answer is there.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        host: str,
        ports: Sequence[int],
        limit_seconds: float,
        healthy_seconds: float,
        ask_from: Callable[[], tuple[str, str] | None],
        wake: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._host = host
        self._ports = tuple(ports)
        self._limit_seconds = limit_seconds
        self._healthy_seconds = healthy_seconds
        self._healthy_monotonic: float | None = None
        self._ask_from = ask_from
        self._wake = wake
        self._is_asking = False
        self._looked_at = 0  # the process in whose network was looked
        self._answer: bool | None = False

    def __call__(self, seen: Observation) -> bool | None:
        """True once a port has answered; None when asking led to nothing; False until then.

        Args:
            seen: The running container.
        """
        if seen.health == "healthy":
            self._healthy_monotonic = self._healthy_monotonic or time.monotonic()
            if not self._answer and time.monotonic() > self._healthy_monotonic + self._healthy_seconds:
                return None
        if not self._is_asking and not self._answer and not self._looks(seen):
            where = self._ask_from()
            if where is not None:
                self._begin(self._ask, *where)
        return self._answer

    def _looks(self, seen: Observation) -> bool:
        """Look, and go on looking beside the caller; False where it has to be asked."""
        if not self._engine.target.is_local or seen.pid in (0, self._looked_at):
            return False
        if seen.health not in ("", "healthy"):
            return True  # its health check comes first, and the engine tells of that
        self._looked_at = seen.pid
        is_open = self._is_open(seen.pid, seen.container_id)
        if is_open is None:
            return False
        if is_open:
            self._answer = True
        else:
            self._begin(self._look, seen.pid, seen.container_id)
        return True

    def _is_open(self, pid: int, container_id: str) -> bool | None:
        """One of the ports takes connections; None where this machine cannot tell."""
        ports = listening_ports(pid, container_id)
        return None if ports is None else not ports.isdisjoint(self._ports)

    def _begin(self, function: Callable[..., None], *arguments: object) -> None:
        self._is_asking = True
        name = f"dockerci asks {self._host}"
        threading.Thread(target=function, args=arguments, name=name, daemon=True).start()

    def _look(self, pid: int, container_id: str) -> None:
        deadline = time.monotonic() + self._limit_seconds
        while (is_open := self._is_open(pid, container_id)) is not None:
            if is_open:
                self._answer = True
                break
            if time.monotonic() > deadline:
                self._answer = None
                break
            time.sleep(_LOOK_SECONDS)
        else:
            self._is_asking = False  # it has been started anew; or nobody here knows it, and it is asked
        self._wake()

    def _ask(self, container_id: str, python: str) -> None:
        ports = ",".join(map(str, self._ports))
        argv = [python, "-I", "-S", "-c", _PROGRAM, self._host, ports, str(self._limit_seconds)]
        try:
            result = run_in_container(
                self._engine,
                container_id,
                argv,
                name="test container",
                timeout_seconds=self._limit_seconds + _SPARE_SECONDS,
            )
        except DockerCIError:
            self._answer = None
        else:
            self._answer = True if result.exit_code == 0 else None
        self._wake()
