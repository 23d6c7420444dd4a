"""The names of a command's cases as its last whole run had them, so that they can be listed and selected.

What is read is checked as if a stranger had written it: a file that does not fit counts as missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pytest_dockerci.commands.settings import CommandLine
from pytest_dockerci.last_image import write_whole

Key = tuple[str, str]
MAX_KNOWN = 50_000
_MAX_BYTES = 32 << 20
_FOLDER = "commands"


def known_cases(state_dir: Path, command: CommandLine) -> tuple[Key, ...]:
    """``(classname, name)`` of each, in their order; empty before the first run."""
    try:
        file = _file(state_dir, command)
        if file.stat().st_size > _MAX_BYTES:
            return ()
        found = json.loads(file.read_text(encoding="utf-8"))
        pairs = [(classname, name) for classname, name in found]
    except (OSError, ValueError, TypeError):
        return ()
    if not all(isinstance(text, str) for pair in pairs for text in pair):
        return ()
    return tuple(dict.fromkeys(pairs[:MAX_KNOWN]))


def keep_cases(state_dir: Path, command: CommandLine, keys: Sequence[Key]) -> None:
    """Remember the cases of a whole run. A disk that refuses is no reason to fail."""
    file = _file(state_dir, command)
    with suppress(OSError):
        if not keys:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(mode=0o700, exist_ok=True)
        write_whole(file, json.dumps(list(keys[:MAX_KNOWN])))


def _file(state_dir: Path, command: CommandLine) -> Path:
    key = hashlib.sha256(json.dumps([command.service, *command.argv]).encode()).hexdigest()[:24]
    return state_dir / _FOLDER / f"{key}.json"
