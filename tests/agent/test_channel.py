"""One end of a pair of pipes, in this process: whole messages, whoever forks."""

from __future__ import annotations

import fcntl
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from pytest_dockerci.agent import channel, wire
from pytest_dockerci.agent.channel import (
    DESCRIPTORS_LOST,
    Channel,
    WorkerChannel,
    claim_descriptor,
    write_all,
)


@dataclass
class Pipes:
    """A channel and the raw ends of what it talks to."""

    channel: Channel
    to_channel: int
    from_channel: int

    def heard(self) -> list[wire.Message]:
        """What the channel has sent by now."""
        os.set_blocking(self.from_channel, False)
        decoder = wire.Decoder()
        try:
            while data := os.read(self.from_channel, 1 << 20):
                decoder.feed(data)
        except BlockingIOError:
            pass
        return list(decoder.messages())


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    """A channel over two pipes."""
    (inner_read, outer_write), (outer_read, inner_write) = os.pipe(), os.pipe()
    yield Pipes(Channel(inner_read, inner_write), outer_write, outer_read)
    for descriptor in (inner_read, outer_write, outer_read, inner_write):
        with suppress(OSError):  # a test has closed it
            os.close(descriptor)


def test_what_is_sent_arrives_in_order(pipes: Pipes) -> None:
    """Messages, and payloads that were messages already."""
    pipes.channel.send(wire.Done(index=1))
    pipes.channel.send_payload(wire.payload_of(wire.Done(index=2)))
    assert pipes.heard() == [wire.Done(index=1), wire.Done(index=2)]


def test_what_came_is_received_one_by_one(pipes: Pipes) -> None:
    """Several that came in one piece too; without waiting there is nothing after the last."""
    encoder = wire.Encoder()
    os.write(pipes.to_channel, b"".join(encoder.encode(wire.Done(index=n)) for n in range(3)))
    received = [pipes.channel.receive(wait=False) for _ in range(4)]
    assert received == [wire.Done(index=0), wire.Done(index=1), wire.Done(index=2), None]


def test_nothing_is_received_when_nothing_came(pipes: Pipes) -> None:
    """It does not wait for what it was not asked to wait for."""
    began = time.monotonic()
    assert pipes.channel.receive(wait=False) is None
    assert time.monotonic() - began < 1


def test_a_part_of_a_message_is_waited_for(pipes: Pipes) -> None:
    """Up to its last byte."""
    frame = wire.Encoder().encode(wire.Done(index=7))
    os.write(pipes.to_channel, frame[:5])
    assert pipes.channel.receive(wait=False) is None
    threading.Timer(0.1, os.write, (pipes.to_channel, frame[5:])).start()
    assert pipes.channel.receive(wait=True) == wire.Done(index=7)


@pytest.mark.parametrize("wait", [True, False])
def test_the_end_of_the_other_side(pipes: Pipes, *, wait: bool) -> None:
    """It is an error, not silence."""
    os.close(pipes.to_channel)
    with pytest.raises(EOFError):
        pipes.channel.receive(wait=wait)


def test_a_broken_protocol(pipes: Pipes) -> None:
    """It is said so."""
    os.write(pipes.to_channel, b"x" * 16)
    with pytest.raises(wire.WireError, match="the header of frame 0 is damaged"):
        pipes.channel.receive(wait=True)


def test_how_long_nothing_was_sent(pipes: Pipes) -> None:
    """From the start, and from each message on."""
    time.sleep(0.15)
    assert 0.15 <= pipes.channel.idle_seconds < 5
    pipes.channel.send(wire.Finish())
    assert pipes.channel.idle_seconds < 0.15


def test_a_forked_child_neither_speaks_nor_takes(pipes: Pipes) -> None:
    """It would speak for its parent, with the parent's numbers; it is told to finish."""
    os.write(pipes.to_channel, wire.Encoder().encode(wire.Done(index=1)))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            pipes.channel.send(wire.Done(index=99))
            code = 0 if pipes.channel.receive(wait=True) == wire.Finish() else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pipes.channel.receive(wait=True) == wire.Done(index=1)
    pipes.channel.send(wire.Done(index=3))
    assert pipes.heard() == [wire.Done(index=3)]


def test_more_than_a_pipe_holds(pipes: Pipes) -> None:
    """Every byte is written, however often that takes."""
    data = os.urandom(1 << 18)
    got = bytearray()

    def read() -> None:
        while len(got) < len(data):
            got.extend(os.read(pipes.from_channel, 4096))

    reader = threading.Thread(target=read)
    reader.start()
    write_all(pipes.channel._write_descriptor, data)
    reader.join(20)
    assert bytes(got) == data


def test_a_claimed_descriptor() -> None:
    """It has moved far up, nobody inherits it, and the old number is free."""
    reading, writing = os.pipe()
    claimed = claim_descriptor(writing)
    try:
        assert claimed >= channel.FIRST_DESCRIPTOR == 700
        assert fcntl.fcntl(claimed, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(writing)
        os.write(claimed, b"x")
        assert os.read(reading, 1) == b"x"
    finally:
        os.close(reading)
        os.close(claimed)


@pytest.mark.parametrize(("limit", "lowest"), [(256, 100), (60, 3)])
def test_where_few_descriptors_are_allowed(limit: int, lowest: int) -> None:
    """As far up as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reading, writing = os.pipe()
    free = fcntl.fcntl(reading, fcntl.F_DUPFD, lowest)  # whatever else this process has open, or is about to
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        claimed = claim_descriptor(writing)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    os.close(reading)
    os.close(claimed)
    assert claimed == free
    assert claimed != writing


def test_where_no_descriptor_is_left() -> None:
    """The old one stays in use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reading, writing = os.pipe()
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        claimed = claim_descriptor(writing)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert claimed == writing
    os.close(reading)
    os.close(writing)


# The worker's end


def exit_code_of(
    work: Callable[[WorkerChannel], object], to_worker: bytes = b"", *, is_orphan: bool = False
) -> int:
    """How a child process ends that has a worker's channel: 0 when it came through, 9 for an error."""
    (inner_read, outer_write), (outer_read, inner_write) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        code = 9
        try:
            os.close(outer_write)
            os.close(outer_read)
            channel = WorkerChannel(inner_read, inner_write)
            if is_orphan:
                channel._parent = 0
            work(channel)
            code = 0
        finally:
            os._exit(code)
    os.close(inner_read)
    os.close(inner_write)
    write_all(outer_write, to_worker)
    os.close(outer_write)
    _, status = os.waitpid(child, 0)
    os.close(outer_read)
    return os.waitstatus_to_exitcode(status)


def closing(number: str) -> Callable[[WorkerChannel], object]:
    """A worker one of whose descriptors is closed, and that speaks and listens then."""

    def work(channel: WorkerChannel) -> None:
        os.close(getattr(channel, number))
        if number == "_write_descriptor":
            channel.send(wire.Done(index=1))
        channel.receive(wait=False)

    return work


@pytest.mark.parametrize("number", ["read_descriptor", "_write_descriptor"])
def test_a_worker_without_its_descriptors_ends_with_a_code_of_its_own(number: str) -> None:
    """By which its supervisor knows what a test has done."""
    assert exit_code_of(closing(number)) == DESCRIPTORS_LOST == 231


def test_a_worker_that_is_told_nonsense_has_lost_them() -> None:
    """The supervisor sends frames; and it does not hang up before it ends."""
    listen = lambda channel: channel.receive(wait=True)  # noqa: E731 - one line
    assert exit_code_of(listen, b"nonsense" * 10) == DESCRIPTORS_LOST
    assert exit_code_of(listen) == DESCRIPTORS_LOST
    assert exit_code_of(listen, is_orphan=True) == 9
    assert exit_code_of(listen, wire.Encoder().encode(wire.Done(index=1))) == 0


def test_a_worker_whose_supervisor_is_gone_ends_as_it_would() -> None:
    """Its writing fails, and pytest takes its fixtures down."""

    def work(channel: WorkerChannel) -> None:
        with suppress(EOFError):
            channel._parent = 0
            channel.receive(wait=True)  # until the other ends are closed
        read_only = os.open("/dev/full", os.O_WRONLY)
        channel._write_descriptor = read_only
        channel.send(wire.Done(index=1))

    assert exit_code_of(work) == 9


def test_a_worker_that_cannot_read_for_another_reason() -> None:
    """That is told as what it is."""

    def work(channel: WorkerChannel) -> None:
        channel.read_descriptor = os.open("/", os.O_RDONLY)
        channel.receive(wait=True)

    assert exit_code_of(work) == 9


def test_what_a_worker_has_sent_is_counted(pipes: Pipes) -> None:
    """But for the news that it has; what a forked child sends does not count."""
    worker = WorkerChannel(pipes.channel.read_descriptor, pipes.channel._write_descriptor)
    assert worker.sent == 0
    worker.send(wire.Done(index=1))
    worker.tell_of_news()
    worker.send(wire.Done(index=2))
    assert worker.sent == 2
    assert pipes.heard() == [wire.Done(index=1), wire.Noted(), wire.Done(index=2)]
    worker._process = -1
    worker.send(wire.Done(index=3))
    worker.tell_of_news()
    assert worker.sent == 2


@pytest.mark.parametrize(
    ("harm", "code"),
    [("pass", 0), ("os.close(inner)", DESCRIPTORS_LOST), ("os.dup2(0, inner)", DESCRIPTORS_LOST)],
)
@pytest.mark.parametrize("is_child", [False, True])
def test_a_worker_looks_whether_it_can_speak(harm: str, code: int, *, is_child: bool) -> None:
    """One that cannot ends; a forked child of it does not, whose descriptors are not the point."""
    program = [
        "import os",
        "from pytest_dockerci.agent.channel import WorkerChannel",
        "outer, inner = os.pipe()",
        "channel = WorkerChannel(outer, inner)",
        f"channel._process += {int(is_child)}",
        harm,
        "channel.require_whole()",
    ]
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(program)], stdin=subprocess.DEVNULL, check=False, timeout=30
    )
    assert ended.returncode == (0 if is_child else code)
