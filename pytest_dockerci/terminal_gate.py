"""What a debugger in the container may do to the host's terminal: show text and edit lines. Pure.

`terminal.printable` is the gate for everything else; a debugger with line editing, colours and a
cursor needs more. What reaches beyond the screen stays out: titles, the clipboard, links, printing,
and questions whose answers a terminal would type as input, but for the cursor's place.
"""

from __future__ import annotations

import codecs
import re

# Cursor movements, erasing, scrolling, colours, modes (bracketed paste), the cursor's place. Sources: ECMA-48 for
# the final bytes; `t` (window), `i` (printing), `q`, `p` and `c` (who are you) are left out.
_CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ABCDEFGHJKLMPSTXZ@`adefghlmnrsu]")
_SHORT_SEQUENCE = re.compile(r"\x1b(?:[=>78DEM]|[()][AB0])")
_UNFINISHED = re.compile(r"\x1b(?:\[[0-9;?]*|[()])?$")
# Operating system commands and the like, which carry text up to their end.
_TEXT_SEQUENCE = re.compile(r"\x1b[\]PX^_].*?(?:\x07|\x1b\\)", re.DOTALL)
_TEXT_BEGINS = re.compile(r"\x1b[\]PX^_]")
_MAX_HELD_CHARACTERS = 4096
_PLAIN_CONTROLS = "\n\r\t\b\a"


class TerminalGate:
    """Filters a stream; sequences may be cut anywhere."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, data: bytes) -> str:
        """The part of the stream so far that may be shown now."""
        text = self._held + self._decoder.decode(data)
        self._held = ""
        shown: list[str] = []
        position = 0
        while position < len(text):
            character = text[position]
            if character != "\x1b":
                shown.append(_shown(character))
                position += 1
                continue
            allowed = _CONTROL_SEQUENCE.match(text, position) or _SHORT_SEQUENCE.match(text, position)
            if allowed is not None:
                shown.append(allowed.group())
                position = allowed.end()
                continue
            ended = _TEXT_SEQUENCE.match(text, position)
            is_cut = _UNFINISHED.match(text, position) or (
                ended is None and _TEXT_BEGINS.match(text, position)
            )
            if is_cut and len(text) - position <= _MAX_HELD_CHARACTERS:
                self._held = text[position:]
                break
            # What is not allowed loses its escape character, and so its meaning; carried text goes whole.
            position = ended.end() if ended is not None else position + 1
        return "".join(shown)


def _shown(character: str) -> str:
    if character.isprintable() or character in _PLAIN_CONTROLS:
        return character
    return "" if character < " " or "\x7f" <= character <= "\x9f" else "�"
