"""pytest in a terminal: a person who types, and reads what is shown."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pexpect

PROMPT = "(Pdb) "
ROWS, COLUMNS = 50, 100
_TIMEOUT_SECONDS = 60.0
_REACTION_SECONDS = 0.3


class TerminalSession:
    """One run.

    Attributes:
        process: The run, for signals.
    """

    def __init__(self, args: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> None:
        self.process: Any = pexpect.spawn(
            sys.executable,
            ["-m", "pytest", *args],
            cwd=str(cwd),
            env={**environ, "TERM": "xterm", "COLUMNS": str(COLUMNS)},
            timeout=_TIMEOUT_SECONDS,
            encoding="utf-8",
            codec_errors="backslashreplace",
            dimensions=(ROWS, COLUMNS),
        )
        self._text: list[str] = []

    def see(self, text: str) -> str:
        """Wait until a text is shown; what was shown up to its end since the last one."""
        found = self.process.expect_exact([text, pexpect.EOF, pexpect.TIMEOUT])
        assert found == 0, f"{text!r} was not shown after:\n{''.join(self._text)}{self.process.before}"
        shown = f"{self.process.before}{self.process.after}"
        self._text.append(shown)
        return shown

    def type(self, line: str) -> None:
        """Type a line at the debugger's prompt."""
        self.see(PROMPT)
        self.process.sendline(line)

    def press(self, control: str) -> None:
        """Press Ctrl and a letter, as late as a person would.

        A signal between a prompt and the wait for input is seen with the next key only. Source:
        `readline_until_enter_or_signal` in CPython's ``Modules/readline.c``.
        """
        time.sleep(_REACTION_SECONDS)
        self.process.sendcontrol(control)

    def end(self) -> int:
        """Wait for the end of the run; its exit code, or minus the signal that ended it."""
        self.process.expect(pexpect.EOF)
        self._text.append(self.process.before)
        self.process.close()
        if self.process.exitstatus is None:
            return -int(self.process.signalstatus)
        return int(self.process.exitstatus)

    @property
    def text(self) -> str:
        """All that was shown, without colours."""
        return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", "".join(self._text)).replace("\r\n", "\n")
