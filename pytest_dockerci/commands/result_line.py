"""The closing line of a suite that says what came of it (``Result: SUCCESS!``). Pure."""

from __future__ import annotations

import re

DEFAULT_PATTERN = r"^Result: (?:(?P<success>SUCCESS)|(?P<failure>FAILURE))!\s*$"
_COLORS = re.compile(r"\x1b\[[0-9;]*[mK]")
_MAX_LINE_CHARACTERS = 4096


class ResultLine:
    """Looks for the line in what a command prints.

    Args:
        pattern: A regular expression, searched for in each line. Its groups ``success`` and ``failure`` say which;
            one without them matches a success.
        is_required: A command that does not print it has failed.

    Attributes:
        is_required: As given.
        success: The last line that said success; empty for none.
        failure: The first line that said failure; empty for none. One is enough.
    """

    def __init__(self, pattern: re.Pattern[str], *, is_required: bool) -> None:
        self._pattern = pattern
        self.is_required = is_required
        self.success = ""
        self.failure = ""

    def may_be_in(self, text: str) -> bool:
        """False where no line of a text can be one: most texts, at once. Patterns of others can be anywhere."""
        return self._pattern.pattern != DEFAULT_PATTERN or "SUCCESS" in text or "FAILURE" in text

    def feed(self, line: str) -> None:
        """Look at a line; colours in it do not count."""
        text = _COLORS.sub("", line.rstrip("\r\n"))[:_MAX_LINE_CHARACTERS]
        match = self._pattern.search(text)
        if match is None:
            return
        groups = match.groupdict()
        if groups.get("failure") is not None:
            self.failure = self.failure or text.strip()
        elif "success" not in groups or groups["success"] is not None:
            self.success = text.strip()
