"""The bytes that an agent sent, changed on their way: the host believes the truth or nothing."""

from __future__ import annotations

import os
import random
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.trial import Family, Finding, Trial
from local_environment import LocalStream
from pytest_dockerci.agent import frames, wire
from pytest_dockerci.agent_program import agent_arguments
from pytest_dockerci.errors import DockerCIError
from pytest_dockerci.listener import Listener, refuse_coverage
from pytest_dockerci.remote_run import RemoteRun
from pytest_dockerci.worker_ledger import TestRecord

_STREAMS = 10_000
_HEADER = struct.Struct(">IIII")
_SUITE = """\
import pytest
@pytest.mark.parametrize("n", range(3))
def test_passes(n): pass
def test_fails(): assert 1 == 2
def test_prints(): print("printed")
def test_skips(): pytest.skip("not today")
@pytest.fixture
def broken():
    yield
    raise LookupError("at the end")
def test_breaks(broken): pass
def test_last(): pass
"""


class _Tape:
    """A stream that keeps what it carries.

    Attributes:
        heard: What the agent has said before the host asked for tests, and after that.
    """

    def __init__(self, stream: LocalStream) -> None:
        self._stream = stream
        self.heard = [b"", b""]
        self.has_asked = False

    def read(self, timeout_seconds: float) -> bytes:
        data = self._stream.read(timeout_seconds)
        self.heard[self.has_asked] += data
        return data

    def write(self, data: bytes, /) -> None:
        self._stream.write(data)

    def close(self) -> None:
        self._stream.close()

    def trouble(self) -> str:
        return ""

    def stderr_tail(self) -> str:
        return ""


class Replay:
    """A stream that says what it is given: a part, and one when the host has asked for tests.

    Args:
        parts: The two parts.
        waits: False to say the second part at once: what is wrong with the first one may keep the host from asking.
    """

    def __init__(self, parts: tuple[bytes, bytes], *, waits: bool) -> None:
        self._parts = iter(parts)
        self._has_begun = False
        self._has_asked = threading.Event()
        if not waits:
            self._has_asked.set()

    def read(self, timeout_seconds: float) -> bytes:
        """As `ByteStream.read`."""
        if self._has_begun:
            assert self._has_asked.wait(60)
        self._has_begun = True
        return next(self._parts, b"")

    def write(self, data: bytes, /) -> None:
        """Only that something is written matters."""

    def ask(self) -> None:
        """The host asks for tests."""
        self._has_asked.set()

    def close(self) -> None:
        """As `ByteStream.close`."""
        self._has_asked.set()

    def trouble(self) -> str:
        """As `ByteStream.trouble`."""
        return ""

    def stderr_tail(self) -> str:
        """As `ByteStream.stderr_tail`."""
        return ""


@contextmanager
def _opened(folder: Path) -> Iterator[Callable[[Trial], Finding]]:
    truth, parts = recorded(folder)

    def make(trial: Trial) -> Finding:
        chance = trial.random
        kinds = dict.fromkeys(_CHANGES, 0)
        problems = []
        for _ in range(_STREAMS):
            kind = chance.choice(list(_CHANGES))
            changed = _changed(chance, kind, parts)
            try:
                replay = Replay(changed, waits=changed[0] == parts[0])
                taken = believed(replay, len(truth))
            except DockerCIError:
                continue
            kinds[kind] += 1
            if taken != truth:
                problems.append(f"{kind}: believed {taken} of {changed!r}")
        return Finding(
            kind="bytes and frames",
            problems=tuple(problems),
            figures={f"{kind}_without_effect": float(count) for kind, count in kinds.items() if count},
            cases=_STREAMS,
        )

    yield make


def recorded(folder: Path) -> tuple[list[TestRecord], tuple[bytes, bytes]]:
    """What the tests really came to, and the bytes that said so."""
    (folder / "test_it.py").write_text(_SUITE)
    tape = _Tape(LocalStream([sys.executable, *agent_arguments()], dict(os.environ), folder))
    run = _run(tape)
    run.open()
    run.start(
        wire.Start(
            args=["-p", "no:dockerci", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"],
            cwd=str(folder),
            environ={},
            toolkit="",
            hidden_conftests=[],
            known_ini=[],
            phase_timeout_seconds=0.0,
        )
    )
    count = len(run.collection().items)
    tape.has_asked = True
    records = _records(run, count)
    run.close()
    return records, (tape.heard[0], tape.heard[1])


def _run(stream: _Tape | Replay) -> RemoteRun:
    return RemoteRun(
        stream,
        name="container 0",
        listener=Listener(
            show_output=lambda *_: None,
            record_warning=lambda _: None,
            measured=refuse_coverage,
            lend_terminal=lambda *_: None,
        ),
        changed=threading.Condition(),
        arrived=lambda _: None,
    )


def _records(run: RemoteRun, count: int) -> list[TestRecord]:
    run.dispatch(range(count), wire.THEN_END)
    records = []
    for index in range(count):
        records.append(run.record(index))
        run.proceed()
    run.finish()
    run.wait_finished(60.0)
    return records


def believed(replay: Replay, count: int) -> list[TestRecord]:
    """What the host takes for true.

    Raises:
        DockerCIError: It believes nothing.
    """
    run = _run(replay)
    run.open()
    try:
        collected = len(run.collection().items)
        if collected != count:
            return []
        run.dispatch(range(count), wire.THEN_END)
        replay.ask()
        records = [run.record(index) for index in range(count)]
        run.wait_finished(60.0)
        return records
    finally:
        run.close()


# How a stream is changed


def _changed(chance: random.Random, kind: str, parts: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    number = chance.choice((0, 1, 1, 1))
    changed = list(parts)
    changed[number] = _CHANGES[kind](chance, parts[number])
    return changed[0], changed[1]


def _cut(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data))]


def _flip(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _drop(chance: random.Random, data: bytes) -> bytes:
    begin = chance.randrange(len(data))
    return data[:begin] + data[begin + chance.randrange(1, 64) :]


def _double(chance: random.Random, data: bytes) -> bytes:
    begin = chance.randrange(len(data))
    end = begin + chance.randrange(1, 64)
    return data[:end] + data[begin:]


def _insert(chance: random.Random, data: bytes) -> bytes:
    begin = chance.randrange(len(data))
    return data[:begin] + chance.randbytes(chance.randrange(1, 32)) + data[begin:]


def _swap(chance: random.Random, data: bytes) -> bytes:
    first, second = sorted(chance.sample(range(len(data)), 2))
    middle = first + (second - first) // 2
    return data[:first] + data[middle:second] + data[first:middle] + data[second:]


def _lose_frame(chance: random.Random, data: bytes) -> bytes:
    pieces = _frames(data)
    del pieces[chance.randrange(len(pieces))]
    return b"".join(pieces)


def _double_frame(chance: random.Random, data: bytes) -> bytes:
    pieces = _frames(data)
    pieces.insert(chance.randrange(len(pieces)), chance.choice(pieces))
    return b"".join(pieces)


def _swap_frames(chance: random.Random, data: bytes) -> bytes:
    pieces = _frames(data)
    first, second = chance.randrange(len(pieces)), chance.randrange(len(pieces))
    pieces[first], pieces[second] = pieces[second], pieces[first]
    return b"".join(pieces)


_CHANGES: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "cut": _cut,
    "bits_flipped": _flip,
    "bytes_dropped": _drop,
    "bytes_doubled": _double,
    "bytes_inserted": _insert,
    "bytes_swapped": _swap,
    "frame_lost": _lose_frame,
    "frame_doubled": _double_frame,
    "frames_swapped": _swap_frames,
}


def _frames(data: bytes) -> list[bytes]:
    """The frames of a stream; what comes before the first one goes with it."""
    begin = data.find(frames.PREAMBLE) + len(frames.PREAMBLE) if frames.PREAMBLE in data else 0
    pieces, start = [], 0
    while begin < len(data):
        end = begin + _HEADER.size + _HEADER.unpack_from(data, begin)[0]
        pieces.append(data[start:end])
        start = begin = end
    return pieces


STREAMS = Family(
    name="streams",
    promise="the agent's bytes are changed on their way: the host believes what was true, or nothing",
    trials=100,
    small=1,
    opened=_opened,
)
