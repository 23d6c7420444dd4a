"""Frames: how payloads travel over a byte stream. Sans I/O, Python 3.8, standard library only.

A frame is a 16-byte header (payload length, sequence number, CRC-32 of the payload, CRC-32 of
these three; big-endian unsigned 32-bit numbers) and a payload. Sequence numbers start at 0 in each
direction of each stream, so that a lost, doubled or reordered frame is noticed. The header has a
checksum of its own, because nobody may wait for the end of a frame whose length is wrong.
"""

import struct
import zlib
from typing import Iterator, Optional

# What the agent sends before its first frame. Interpreters can be noisy before our code runs
# (``sitecustomize``, ``.pth`` files), so the host skips bytes up to this mark, a limited number of them.
PREAMBLE = b"\x00dockerci-agent-1\x00"
MAX_NOISE_BYTES = 65536

MAX_FRAME_BYTES = 64 * 1024 * 1024

_NUMBERS = struct.Struct(">III")
_HEADER_BYTES = _NUMBERS.size + 4


class WireError(Exception):
    """The other end sent what the protocol does not allow."""


class FrameEncoder:
    """Turns payloads into the bytes of one direction of one stream."""

    def __init__(self) -> None:
        self._sequence = 0

    def frame(self, payload: bytes) -> bytes:
        """The frame of a payload that another stream carried.

        Raises:
            WireError: The payload is longer than `MAX_FRAME_BYTES`.
        """
        if len(payload) > MAX_FRAME_BYTES:
            raise WireError("a frame of %d bytes is too long (limit %d)" % (len(payload), MAX_FRAME_BYTES))
        numbers = _NUMBERS.pack(len(payload), self._sequence, zlib.crc32(payload))
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        return numbers + zlib.crc32(numbers).to_bytes(4, "big") + payload


class FrameDecoder:
    """Takes the bytes of one direction of one stream, in any slices, and gives payloads."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._sequence = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._buffer += data

    @property
    def is_idle(self) -> bool:
        """True between two frames: an end of the stream here cuts nothing in half."""
        return not self._buffer

    def payloads(self) -> Iterator[bytes]:
        """The payloads that are complete so far.

        Raises:
            WireError: A frame is too long, out of sequence or damaged.
        """
        position = 0
        buffer = self._buffer
        try:
            while len(buffer) - position >= _HEADER_BYTES:
                numbers = bytes(buffer[position : position + _NUMBERS.size])
                length, sequence, checksum = _NUMBERS.unpack(numbers)
                begin = position + _HEADER_BYTES
                if zlib.crc32(numbers) != int.from_bytes(buffer[begin - 4 : begin], "big"):
                    raise WireError("the header of frame %d is damaged" % self._sequence)
                if length > MAX_FRAME_BYTES:
                    raise WireError("a frame of %d bytes is too long (limit %d)" % (length, MAX_FRAME_BYTES))
                end = begin + length
                if len(buffer) < end:
                    break
                payload = bytes(buffer[begin:end])
                if sequence != self._sequence:
                    raise WireError("frame %d came where frame %d was due" % (sequence, self._sequence))
                if zlib.crc32(payload) != checksum:
                    raise WireError("frame %d is damaged: its checksum does not match" % sequence)
                position = end
                self._sequence = (self._sequence + 1) & 0xFFFFFFFF
                yield payload
        finally:
            del buffer[:position]


class PreambleScanner:
    """Finds `PREAMBLE` in what an interpreter wrote before the agent's first frame."""

    def __init__(self) -> None:
        self._seen = b""

    def feed(self, data: bytes) -> Optional[bytes]:
        """The bytes after the preamble, or None while it has not come.

        Raises:
            WireError: `MAX_NOISE_BYTES` have passed without it.
        """
        self._seen += data
        before, mark, after = self._seen.partition(PREAMBLE)
        if mark:
            self._seen = before
            return after
        if len(self._seen) > MAX_NOISE_BYTES:
            raise WireError("%d bytes came, but no agent" % len(self._seen))
        return None

    @property
    def noise(self) -> bytes:
        """What came before the preamble, or so far."""
        return self._seen
