"""Docker's multiplexed stream, taken apart."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dockerci.engine.frames import STDERR, STDOUT, Demultiplexer, FrameError


def frame(number: int, payload: bytes) -> bytes:
    """One frame as Docker sends it."""
    return struct.pack(">BxxxL", number, len(payload)) + payload


def joined(pieces: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Neighbouring pieces of one stream as one piece."""
    result: list[tuple[int, bytes]] = []
    for number, payload in pieces:
        if result and result[-1][0] == number:
            result[-1] = (number, result[-1][1] + payload)
        else:
            result.append((number, payload))
    return result


FRAMES = frame(STDOUT, b"one\n") + frame(STDERR, b"two") + frame(STDOUT, b"") + frame(STDOUT, b"three" * 100)
PIECES = [(STDOUT, b"one\n"), (STDERR, b"two"), (STDOUT, b"three" * 100)]


def test_frames_that_come_whole_are_taken_apart() -> None:
    """In order, without empty payloads."""
    assert list(Demultiplexer().feed(FRAMES)) == PIECES


def test_the_numbers_of_dockers_streams() -> None:
    """As its documentation has them; standard input's may come as well, from a container with one."""
    said = b"\x01\0\0\0\0\0\0\x03out" + b"\x02\0\0\0\0\0\0\x03err" + b"\x00\0\0\0\0\0\0\x02in"
    assert list(Demultiplexer().feed(said)) == [(STDOUT, b"out"), (STDERR, b"err"), (0, b"in")]
    assert (STDOUT, STDERR) == (1, 2)


@pytest.mark.parametrize("header", [b"\x03\0\0\0\0\0\0\x01", b"\x01\0\x01\0\0\0\0\x01"])
def test_either_half_of_a_header_can_be_wrong(header: bytes) -> None:
    """The stream's number, or what has to be zero."""
    with pytest.raises(FrameError, match=f"not a stream of Docker's: header {header.hex()}"):
        list(Demultiplexer().feed(header + b"x"))


def test_frames_that_come_byte_by_byte_are_the_same() -> None:
    """A payload is handed on as it comes."""
    demultiplexer = Demultiplexer()
    pieces = [piece for byte in FRAMES for piece in demultiplexer.feed(bytes([byte]))]
    assert joined(pieces) == PIECES
    assert demultiplexer.is_between_frames


@pytest.mark.parametrize("cut", [1, 7, 8, 10])
def test_a_stream_that_is_cut_off_is_known(cut: int) -> None:
    """Whatever is missing, header or payload."""
    demultiplexer = Demultiplexer()
    list(demultiplexer.feed(frame(STDOUT, b"one\n")[:cut]))
    assert not demultiplexer.is_between_frames


def test_a_terminals_stream_is_refused() -> None:
    """Bytes without a header are no frames."""
    with pytest.raises(FrameError, match="not a stream of Docker's: header 68656c6c6f20776f"):
        list(Demultiplexer().feed(b"hello world"))


@given(
    st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=50)), max_size=10),
    st.lists(st.integers(1, 40), max_size=40),
)
def test_any_cut_gives_the_same_payloads(parts: list[tuple[int, bytes]], cuts: list[int]) -> None:
    """However the network cuts the bytes."""
    data = b"".join(frame(number, payload) for number, payload in parts)
    demultiplexer = Demultiplexer()
    pieces: list[tuple[int, bytes]] = []
    for cut in [*cuts, len(data) + 1]:
        pieces += demultiplexer.feed(data[:cut])
        data = data[cut:]
    assert joined(pieces) == joined([part for part in parts if part[1]])
    assert demultiplexer.is_between_frames
