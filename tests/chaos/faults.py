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

from chaos.place import SUITE, clear, engine_here, left_of, output_of, project_in
from chaos.trial import Family, Finding, Trial
from whole_run.project import Outcome, Project

_PIECE_BYTES = 1 << 16
_KINDS = ("cut", "changed", "dropped", "doubled", "held up")
# One in fifty trials: the silence is told only after four times twelve seconds, as the container is all right.
_SILENT_EVERY = 50
_SECONDS = 30.0
_SILENT_SECONDS = 75.0
_GREEN = SUITE.replace("def test_fails(): assert 1 == 2\n", "")


class _Fault:
    """What happens to the bytes of the agent, once, from a byte on."""

    def __init__(self, chance: random.Random, kind: str, last_byte: int) -> None:
        self._kind = kind
        self._at = chance.randrange(last_byte)
        self._length = chance.randrange(1, 200)
        self._chance = chance
        self.has_happened = False

    def pass_on(self, data: bytes, position: int) -> bytes | None:
        """The bytes as they arrive; None for the end of the connection."""
        if self.has_happened:
            return b"" if self._kind == "silent" else data
        if position + len(data) <= self._at:
            return data
        self.has_happened = True
        begin = max(0, self._at - position)
        before, hit, after = data[:begin], data[begin : begin + self._length], data[begin + self._length :]
        match self._kind:
            case "cut":
                return None
            case "changed":
                hit = bytes(byte ^ self._chance.randrange(1, 256) for byte in hit)
            case "dropped":
                hit = b""
            case "doubled":
                hit += hit
            case "silent":
                hit = after = b""
            case _:  # held up
                time.sleep(2)
        return before + hit + after


class _Meter:
    """Counts what an agent says, and changes nothing."""

    def __init__(self) -> None:
        self.bytes = 0

    def pass_on(self, data: bytes, position: int) -> bytes:
        """The bytes as they are."""
        self.bytes = position + len(data)
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
            with (
                project_in(folder / "red", engine) as red,
                project_in(folder / "green", engine, _GREEN) as green,
            ):
                plain: dict[Path, tuple[dict[str, str], int]] = {}

                def make(trial: Trial) -> Finding:
                    project = green if trial.number % 2 else red
                    if project.root not in plain:
                        plain[project.root] = _plain(project, proxy, path)
                    return _faulty(project, proxy, path, trial, *plain[project.root])

                yield make
        finally:
            proxy.close()


def _plain(project: Project, proxy: Proxy, path: Path) -> tuple[dict[str, str], int]:
    """The verdicts without a fault, and how many bytes the agent says for them."""
    proxy.fault = meter = _Meter()
    output = output_of(project.start("-v", DOCKER_HOST=f"unix://{path}"))
    assert output is not None
    return Outcome(0, output).verdicts(), meter.bytes


def _faulty(
    project: Project, proxy: Proxy, path: Path, trial: Trial, expected: dict[str, str], last_byte: int
) -> Finding:
    chance = trial.random
    kind = "silent" if trial.number % _SILENT_EVERY == _SILENT_EVERY - 1 else chance.choice(_KINDS)
    while True:
        proxy.fault = fault = _Fault(chance, kind, last_byte)
        began = time.monotonic()
        process = project.start("-v", DOCKER_HOST=f"unix://{path}")
        output = output_of(process)
        seconds = time.monotonic() - began
        if fault.has_happened:  # else the agent said less this time: once more
            break
    problems = [f"left: {each}" for each in left_of(project)]
    if output is None:
        problems.append("it hangs")
    else:
        problems += _wrong(Outcome(process.returncode, output), expected, kind)
    if problems:
        clear(project)
    limit = _SILENT_SECONDS if kind == "silent" else _SECONDS
    late = (f"it took {seconds:.0f} s",) if seconds > limit else ()
    colour = "green" if "FAILED" not in expected.values() else "red"
    figures = {"seconds_of_the_run": seconds} if kind != "silent" else {"seconds_of_a_silent_run": seconds}
    return Finding(kind=f"{kind}, {colour} suite", problems=tuple(problems), late=late, figures=figures)


def _wrong(outcome: Outcome, expected: dict[str, str], kind: str) -> Iterator[str]:
    """What a run may not say: a verdict that is better than the test's own, or a good end that is none.

    Args:
        outcome: Of the run.
        expected: The verdicts without a fault.
        kind: Of the fault.
    """
    verdicts = outcome.verdicts()
    for node_id, verdict in verdicts.items():
        if verdict not in (expected.get(node_id), "FAILED", "ERROR"):
            yield f"{node_id} is {verdict}, not {expected.get(node_id)}"
    own = 1 if "FAILED" in expected.values() else 0
    # 6: it was the engine's own answer, before the agent said anything. 1: it was in the last test, which is blamed.
    allowed = {"held up": (own,), "silent": (7,)}.get(kind, (own, 1, 6, 7))
    if outcome.exit_code not in allowed:
        yield f"exit code {outcome.exit_code}: {outcome.output[-3000:]}"
    if outcome.exit_code == 0 and verdicts != expected:
        yield f"exit code 0, and not every test has its verdict: {outcome.output[-3000:]}"
    if "Traceback (most" in outcome.output.partition("FAILURES")[0]:
        yield f"a traceback: {outcome.output[-3000:]}"


FAULTS = Family(
    name="faults",
    promise="the live connection to the agent is cut, changed, held up, silent: nothing is green that is not, no hang",
    trials=500,
    small=1,
    opened=_opened,
)
