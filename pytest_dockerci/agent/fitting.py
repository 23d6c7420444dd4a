"""Cuts what is too long for one frame: a tree into several messages, the texts of a report down to size."""

from typing import Any, Callable, Iterator

from . import wire
from .frames import MAX_FRAME_BYTES
from .plain import MAX_TEXT_CHARACTERS, to_plain

_MAX_NODES = 1000


def node_payloads(rows: Any) -> Iterator[bytes]:
    """The messages that describe the nodes of a tree."""
    for start in range(0, len(rows), _MAX_NODES):
        yield from _split(rows[start : start + _MAX_NODES])


def _split(rows: Any) -> Iterator[bytes]:
    payload = wire.payload_of(wire.Nodes(rows=rows))
    if len(payload) <= MAX_FRAME_BYTES:
        yield payload
        return
    if len(rows) == 1:
        yield wire.payload_of(wire.Nodes(rows=[to_plain(rows[0])]))
        return
    middle = len(rows) // 2
    yield from _split(rows[:middle])
    yield from _split(rows[middle:])


def fitting_payload(message_of: Callable[[int], wire.Message]) -> bytes:
    """The message whose texts are as long as a frame allows.

    Args:
        message_of: Makes the message; it gets the number of characters that each text may have.
    """
    max_characters = MAX_TEXT_CHARACTERS
    while True:
        payload = wire.payload_of(message_of(max_characters))
        if len(payload) <= MAX_FRAME_BYTES or max_characters < 1000:  # noqa: PLR2004 - it is no longer the texts
            return payload
        max_characters //= 4
