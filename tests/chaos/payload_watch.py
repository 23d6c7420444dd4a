"""A plugin of the host's pytest that notes what a payload must never make it do; loaded with ``-p``.

Python's audit events (PEP 578) cannot be taken off, and come from C code too. The variable PAYLOAD_WATCH names the
file for what was seen, PAYLOAD_WATCH_WRITES the folders in which files may be written.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from chaos.hostile_payloads import ESCAPED, TRAP

_WATCHED = (
    "import",
    "exec",
    "compile",
    "open",
    "os.",
    "subprocess.",
    "pickle.",
    "marshal.",
    "ctypes.",
    "shutil.",
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_DEVICES = ("/dev/null", "/dev/tty", "/dev/ptmx")

_seen: list[str] = []
_folders = tuple(os.environ["PAYLOAD_WATCH_WRITES"].split(os.pathsep))


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not event.startswith(_WATCHED) or event == "os.putenv":
        return
    if event == "open" and _writes_elsewhere(arguments):
        _seen.append(f"writes {arguments[0]!r}")
    # What carries it is what the host itself sends to its agent, or is written as a text: only names count.
    names = [
        each
        for each in arguments[:2]
        if isinstance(each, (str, bytes, os.PathLike)) and len(str(each)) < 5000
    ]
    if any(word in str(name) for name in names for word in (TRAP, ESCAPED)):
        _seen.append(f"{event} {names!r:.300}")


def _writes_elsewhere(arguments: tuple[Any, ...]) -> bool:
    path, _, flags = arguments
    if not isinstance(path, (str, os.PathLike)) or not flags & _WRITES:
        return False
    real = os.path.realpath(path)
    return real not in _DEVICES and not real.startswith(_folders)


sys.addaudithook(_watch)


def pytest_unconfigure() -> None:
    """Write down what was seen."""
    lines = list(_seen)
    Path(os.environ["PAYLOAD_WATCH"]).write_text("".join(f"{line}\n" for line in lines) + "end\n")
