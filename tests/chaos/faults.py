"""The connection to the agent is cut, changed or held up on its way, by a proxy before the engine's socket."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from chaos.place import clear, engine_here, left_of, output_of, project_in
from chaos.trial import Family, Finding, Trial
from whole_run.project import Project

_PIECE_BYTES = 1 << 16
# About what the agent says in a run of this suite; later instants are never reached.
_LAST_BYTE = 9_000
_SECONDS = 30.0


class _Fault:
    """What happens to the bytes of the agent, once, from a byte on."""

    def __init__(self, chance: random.Random, kind: str) -> None:
        self._kind = kind
        self._at = chance.randrange(_LAST_BYTE)
        self._length = chance.randrange(1, 200)
        self._chance = chance
        self.has_happened = False

    def pass_on(self, data: bytes, position: int) -> bytes | None:
        """The bytes as they arrive; None for the end of the connection."""
        if self.has_happened or position + len(data) <= self._at:
            return data
        self.has_happened = True
        begin = max(0, self._at - position)
        before, hit, after = data[:begin], data[begin : begin + self._length], data[begin + self._length :]
        match self._kind:
            case "cut":
                return None
            case "changed":
                return before + self._chance.randbytes(len(hit)) + after
            case "dropped":
                return before + after
            case "doubled":
                return before + hit + hit + after
            case _:  # held up
                time.sleep(2)
                return data


class Fault(Protocol):
    """What happens to the bytes of an agent on their way."""

    def pass_on(self, data: bytes, position: int) -> bytes | None:
        """The bytes as they arrive; None for the end of the connection."""


class Proxy:
    """Passes connections on to the engine; the agents' ones through a fault.

    Args:
        path: Of its socket.
        engine_path: Of the engine's.

    Attributes:
        fault: What it does from the next connection on; None for nothing.
    """

    def __init__(self, path: Path, engine_path: str) -> None:
        self._engine_path = engine_path
        self.fault: Fault | None = None
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """No connection is taken any more."""
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as engine, suppress(OSError):
            engine.connect(self._engine_path)
            first = client.recv(_PIECE_BYTES)
            engine.sendall(first)
            is_agent = b"/exec/" in first.partition(b"\r\n")[0] and b"/start" in first.partition(b"\r\n")[0]
            upward = threading.Thread(target=self._copy, args=(client, engine, None), daemon=True)
            upward.start()
            self._copy(engine, client, self.fault if is_agent else None)
            upward.join(1)

    def _copy(self, source: socket.socket, target: socket.socket, fault: Fault | None) -> None:
        position = 0
        with suppress(OSError):
            while data := source.recv(_PIECE_BYTES):
                passed = data if fault is None else fault.pass_on(data, position)
                if passed is None:
                    break
                target.sendall(passed)
                position += len(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def _opened(folder: Path) -> Iterator[Callable[[Trial], Finding]]:
    with engine_here() as engine:
        path = folder / "proxy.sock"
        proxy = Proxy(path, urlsplit(engine.target.url).path)
        try:
            with project_in(folder / "faults", engine) as project:
                yield lambda trial: _faulty(project, proxy, path, trial)
        finally:
            proxy.close()


def _faulty(project: Project, proxy: Proxy, path: Path, trial: Trial) -> Finding:
    chance = trial.random
    kind = chance.choice(("cut", "changed", "dropped", "doubled", "held up"))
    fault = _Fault(chance, kind)
    proxy.fault = fault
    began = time.monotonic()
    process = project.start("-v", DOCKER_HOST=f"unix://{path}")
    output = output_of(process)
    seconds = time.monotonic() - began
    problems = [f"left: {each}" for each in left_of(project)]
    if output is None:
        problems.append("it hangs")
    else:
        # The suite is red: one test fails.
        expected = (1,) if kind == "held up" or not fault.has_happened else (1, 7)
        if process.returncode not in expected or "Traceback (most" in output.partition("FAILURES")[0]:
            problems.append(f"exit code {process.returncode}: {output[-3000:]}")
        if "test_fails PASSED" in output:
            problems.append("the failing test passed")
    if problems:
        clear(project)
    shown = kind if fault.has_happened else "not reached"
    late = (f"it took {seconds:.0f} s",) if seconds > _SECONDS else ()
    return Finding(kind=shown, problems=tuple(problems), late=late, figures={"seconds_of_the_run": seconds})


FAULTS = Family(
    name="faults",
    promise="the live connection to the agent is cut, changed, held up: never green, no hang, nothing left",
    trials=500,
    small=1,
    opened=_opened,
)
