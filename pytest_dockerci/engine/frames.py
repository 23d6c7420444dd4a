"""Docker's multiplexed stream: 8 bytes of header, then the payload. Pure: fed with bytes, no I/O.

Source: Engine API, "Attach to a container", stream format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

STDOUT = 1
STDERR = 2
_HEADER = struct.Struct(">BxxxL")
_STREAM_NUMBERS = (0, STDOUT, STDERR)


class FrameError(ValueError):
    """The bytes are no multiplexed stream (for instance those of a terminal)."""


class Demultiplexer:
    """Takes a stream apart, however its bytes are cut.

    A payload is handed on as it comes; one frame may come as several pieces.
    """

    def __init__(self) -> None:
        self._header = bytearray()
        self._number = 0
        self._missing_bytes = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The pieces that the bytes complete: ``(stream number, payload)``; never an empty payload.

        Raises:
            FrameError: A header names no stream that Docker has.
        """
        view = memoryview(data)
        while view:
            if self._missing_bytes:
                piece = view[: self._missing_bytes]
                self._missing_bytes -= len(piece)
                view = view[len(piece) :]
                yield self._number, bytes(piece)
                continue
            piece = view[: _HEADER.size - len(self._header)]
            self._header += piece
            view = view[len(piece) :]
            if len(self._header) == _HEADER.size:
                self._number, self._missing_bytes = _HEADER.unpack(self._header)
                if self._number not in _STREAM_NUMBERS or self._header[1:4] != b"\0\0\0":
                    raise FrameError(f"not a stream of Docker's: header {bytes(self._header).hex()}")
                self._header.clear()

    @property
    def is_between_frames(self) -> bool:
        """Nothing is missing from the last frame; False at the end means that it was cut off."""
        return not self._header and not self._missing_bytes
