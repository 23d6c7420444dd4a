"""Whether a service takes connections: asked from inside its network.

The image under test has a Python, and its containers see the services as the tests will. A service
with a health check is asked as well: a database that fills a new volume is healthy by its socket
while no port is open yet, and restarts before one is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pytest_dockerci.engine.container import run_in_container
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
    """Asks one service's ports until one answers.

    Args:
        engine: The engine.
        host: The service's name in the network.
        ports: TCP ports.
        limit_seconds: When to give up asking.
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
        where = self._ask_from()
        if where is None:
            return False
        if not self._is_asking:
            self._is_asking = True
            threading.Thread(
                target=self._ask, args=where, name=f"dockerci asks {self._host}", daemon=True
            ).start()
        return self._answer

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
