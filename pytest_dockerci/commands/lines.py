"""What a command prints, taken apart: decoded, without secrets, line by line, and bounded. Pure."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Iterator

from pytest_dockerci.masking import Mask, StreamMask

MAX_LINE_CHARACTERS = 1 << 20
_SEEN_CHARACTERS = 8192
_HEAD_CHARACTERS = 64 << 10
_TAIL_CHARACTERS = 256 << 10


class TextStream:
    """Bytes of one stream as text without secrets, however they are cut.

    Args:
        mask: The secrets.
    """

    def __init__(self, mask: Mask) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._mask = StreamMask(mask)

    def feed(self, data: bytes) -> str:
        """What can be shown by now."""
        return self._mask.feed(self._decoder.decode(data))

    def rest(self) -> str:
        """What was held back, at the end."""
        return self._mask.feed(self._decoder.decode(b"", final=True)) + self._mask.rest()


class Lines:
    """A text in pieces as whole lines; of a line longer than `MAX_LINE_CHARACTERS`, its beginning."""

    def __init__(self) -> None:
        self._begun = ""

    def feed(self, text: str) -> Iterator[str]:
        """The lines that a piece completes, without their ends."""
        first, *others = text.split("\n")
        self._add(first)
        for part in others:
            yield self._take()
            self._add(part)

    def pass_over(self, text: str) -> None:
        """Take a piece whose lines, and the one that has begun, nobody wants."""
        begun, newline, last = text.rpartition("\n")
        if newline:
            self._begun = ""
        self._add(last if newline else begun + last)

    @property
    def begun(self) -> str:
        """The ends of the line that has begun: what a word in it, or one that goes on, can be seen by."""
        return (
            self._begun
            if len(self._begun) < _SEEN_CHARACTERS
            else self._begun[:_SEEN_CHARACTERS] + self._begun[-64:]
        )

    def rest(self) -> Iterator[str]:
        """A last line without an end."""
        if self._begun:
            yield self._take()

    def _add(self, part: str) -> None:
        room = MAX_LINE_CHARACTERS - len(self._begun)
        self._begun += part[:room]

    def _take(self) -> str:
        line, self._begun = self._begun, ""
        return line.removesuffix("\r")


class KeptText:
    """A text of any length in bounded memory: its beginning and its end."""

    def __init__(self) -> None:
        self._head = ""
        self._tail: deque[str] = deque()
        self._tail_characters = 0
        self._left_out = 0

    def add(self, text: str) -> None:
        """Keep what there is room for."""
        room = _HEAD_CHARACTERS - len(self._head)
        if room > 0:
            self._head += text[:room]
            text = text[room:]
        if not text:
            return
        self._tail.append(text)
        self._tail_characters += len(text)
        while self._tail_characters - len(self._tail[0]) >= _TAIL_CHARACTERS:
            self._left_out += len(self._tail[0])
            self._tail_characters -= len(self._tail.popleft())

    def text(self) -> str:
        """The text, with a line that says how much of it is missing."""
        tail = "".join(self._tail)
        left_out = self._left_out + max(0, len(tail) - _TAIL_CHARACTERS)
        tail = tail[-_TAIL_CHARACTERS:]
        note = f"\n... {left_out} characters left out ...\n" if left_out else ""
        return f"{self._head}{note}{tail}"
