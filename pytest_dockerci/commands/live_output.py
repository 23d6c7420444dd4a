"""What a command prints, on its way to the terminal while it runs. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

# What may become an order to a CI system with the next piece (`terminal.printable` sees one piece at a time),
# and a carriage return whose newline has not come.
_BEGUN = re.compile(r"(?:(?:^|(?<=\n))[^\S\n]*:?|##?[a-z]{0,8}|\r)\Z")


class LiveOutput:
    """Shows text at once, but for a last few characters that it depends on what they become.

    Args:
        show: Gets ``(stream name, text)``.
    """

    def __init__(self, show: Callable[[str, str], None]) -> None:
        self._show = show
        self._held: dict[str, str] = {}

    def add(self, stream: str, text: str) -> None:
        """Show what can be shown."""
        text = self._held.pop(stream, "") + text
        begun = _BEGUN.search(text)
        if begun is not None and begun.start() < len(text):
            self._held[stream] = text[begun.start() :]
            text = text[: begun.start()]
        if text:
            self._show(stream, text)

    def close(self) -> None:
        """Show the rest."""
        for stream, text in self._held.items():
            self._show(stream, text)
        self._held.clear()
