"""Why a channel ended, from scripted streams."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import pytest

from pytest_dockerci.agent import frames, wire
from pytest_dockerci.channel_reader import SILENT_SECONDS, ChannelReader
from pytest_dockerci.errors import AgentLostError, DockerCIError, ProtocolError

SILENCE = None
ENCODER = wire.Encoder()
HELLO = ENCODER.encode(wire.Hello(protocol=1, python="3.13.1"))
ALIVE = ENCODER.encode(wire.Alive())


class Script:
    """A stream that says what it is told to, then ends.

    Args:
        pieces: What comes; `SILENCE` for nothing in time, an exception to raise it.
        troubles: What is wrong, each time when that is asked.
    """

    def __init__(self, pieces: list[bytes | Exception | None], troubles: list[str]) -> None:
        self._pieces = deque(pieces)
        self._troubles = deque(troubles)
        self.waited_seconds: list[float] = []

    def read(self, timeout_seconds: float) -> bytes:
        """The next piece."""
        self.waited_seconds.append(timeout_seconds)
        piece = self._pieces.popleft() if self._pieces else b""
        if piece is None:
            raise TimeoutError
        if isinstance(piece, Exception):
            raise piece
        return piece

    def trouble(self) -> str:
        """The next trouble."""
        return self._troubles.popleft() if self._troubles else ""

    def write(self, data: bytes, /) -> None:
        """Nobody writes."""

    def close(self) -> None:
        """Nobody closes."""

    def stderr_tail(self) -> str:
        """What an interpreter says that cannot start."""
        return "last words"


def read(script: Script) -> tuple[list[wire.Message], DockerCIError]:
    """All that came, and why no more."""
    taken: list[wire.Message] = []

    def take(messages: Iterator[wire.Message]) -> None:
        taken.extend(messages)

    reader = ChannelReader(script, name="container 0", take=take, output_tail=lambda: "printed\n")
    return taken, reader.read()


def test_messages_and_the_end() -> None:
    """What came is kept; the end is told with what was printed before it, in every way."""
    taken, error = read(Script([b"noise" + frames.PREAMBLE + HELLO[:5], HELLO[5:]], []))
    assert taken == [wire.Hello(protocol=1, python="3.13.1")]
    assert isinstance(error, AgentLostError)
    assert str(error) == (
        "container 0: the connection to the agent ended\n"
        "  why: the agent was killed; its container runs\n"
        "  try: find what ends processes there: a limit of memory, a test that kills others\n"
        "  what was printed before:\n"
        "    printed\n"
        "    last words"
    )


def test_an_end_before_anything_came() -> None:
    """What came in the agent's place is told."""
    _, error = read(Script([b"python3: not found\n"], []))
    assert "  python3: not found\n" in str(error)


@pytest.mark.parametrize(
    ("pieces", "troubles", "what", "why"),
    [
        (
            [b""],
            ["the container was removed"],
            "the connection to the agent ended",
            "the container was removed",
        ),
        ([OSError("no route")], [], "the connection to the agent ended", "no route"),
        (
            [OSError("no route")],
            ["the container is dead"],
            "connection to the agent ended",
            "the container is dead",
        ),
        ([SILENCE], ["the container is paused"], "has said nothing for 12 s", "the container is paused"),
        (
            [SILENCE, SILENCE],
            ["", "the engine does not answer"],
            "has said nothing for 24 s",
            "the engine does not answer",
        ),
        ([SILENCE] * 4, [], "has said nothing for 48 s", "its container runs, and does nothing"),
    ],
)
def test_ends(pieces: list[bytes | Exception | None], troubles: list[str], what: str, why: str) -> None:
    """Each with what the engine knows of it."""
    script = Script([frames.PREAMBLE, *pieces], troubles)
    _, error = read(script)
    assert isinstance(error, AgentLostError)
    assert what in error.what
    assert error.why == why
    assert all(SILENT_SECONDS - 1 < each <= SILENT_SECONDS for each in script.waited_seconds)


def test_a_silence_that_ends_is_forgotten() -> None:
    """A machine that is out of breath now and then is none that hangs."""
    silences: list[bytes | Exception | None] = [SILENCE] * 3
    pieces = [frames.PREAMBLE, *silences, HELLO, *silences, ALIVE]
    taken, error = read(Script(pieces, []))
    assert "the connection to the agent ended" in error.what
    assert len(taken) == 2


def test_parts_of_a_long_message_end_a_silence() -> None:
    """As whole messages do."""
    message = wire.Output(stream="stdout", text="x" * 40_000)
    data = frames.PREAMBLE + wire.Encoder().encode(message)
    pieces: list[bytes | Exception | None] = []
    for start in range(0, len(data), 8000):
        pieces += [SILENCE, SILENCE, data[start : start + 8000]]
    taken, error = read(Script(pieces, []))
    assert taken == [message]
    assert "the connection to the agent ended" in error.what


class Murmur(Script):
    """A stream of which a piece comes every four seconds, by a clock of its own."""

    now_seconds = 0.0

    def read(self, timeout_seconds: float) -> bytes:
        """The next piece, if it comes in time."""
        self.now_seconds += min(4.0, timeout_seconds)
        if timeout_seconds < 4.0:
            raise TimeoutError
        return super().read(timeout_seconds)


def murmured(pieces: list[bytes | Exception | None]) -> tuple[list[wire.Message], DockerCIError, float]:
    """As `read`, and how many seconds it took by the stream's clock."""
    taken: list[wire.Message] = []
    script = Murmur(pieces, [])
    reader = ChannelReader(
        script,
        name="container 0",
        take=taken.extend,
        output_tail=lambda: "",
        clock=lambda: script.now_seconds,
    )
    return taken, reader.read(), script.now_seconds


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([frames.PREAMBLE[3:] + HELLO], id="the preamble was damaged"),
        pytest.param(
            [frames.PREAMBLE + wire.Encoder().frame(b"x" * 100_000)[:99]], id="a long frame was cut"
        ),
    ],
)
def test_bytes_that_make_no_message(pieces: list[bytes | Exception | None]) -> None:
    """Else pytest would wait for as long as the agent says that it is alive."""
    taken, error, seconds = murmured([*pieces, *[ALIVE] * 999])
    assert taken == []
    assert str(error) == (
        "container 0: the channel to the agent is damaged\n"
        "  why: bytes come, and make no message\n"
        "  try: run again; if it happens again, report it with this text"
    )
    assert seconds <= 2 * SILENT_SECONDS


def test_a_long_message_on_a_slow_link() -> None:
    """Its parts are signs of life."""
    message = wire.Output(stream="stdout", text="x" * 500_000)
    data = frames.PREAMBLE + wire.Encoder().encode(message)
    pieces = [data[start : start + 2000] for start in range(0, len(data), 2000)]
    taken, error, _ = murmured([*pieces])
    assert taken == [message]
    assert "the connection to the agent ended" in error.what


def test_noise_before_a_slow_start() -> None:
    """An interpreter may say something, and be slow then."""
    taken, _, _ = murmured([b"warning\n", *[SILENCE] * 3, frames.PREAMBLE, HELLO])
    assert taken == [wire.Hello(protocol=1, python="3.13.1")]


def test_damage() -> None:
    """Whatever may not come ends the channel at once."""
    _, error = read(Script([frames.PREAMBLE, b"\xff" * 64, HELLO], []))
    assert isinstance(error, ProtocolError)
    assert error.what == "container 0: the channel to the agent is damaged"


def test_damage_below_the_frames() -> None:
    """As the engine's side tells it."""
    _, error = read(Script([AgentLostError("the stream is damaged", why="header 53657276")], []))
    assert isinstance(error, ProtocolError)
    assert error.why == "the stream is damaged: header 53657276"


def test_a_defect_of_ours_ends_the_channel_too() -> None:
    """Else pytest would wait for it forever."""
    _, error = read(Script([ZeroDivisionError("odd")], []))
    assert error.why == "ZeroDivisionError: odd"
