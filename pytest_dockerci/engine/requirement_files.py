"""The files behind `dockerci_requirements`, found without taking requirements apart."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

GROUP_PREFIX = "group:"
FILE_OPTION = re.compile(r"\s*(?:-r|-c|--requirements?|--constraints?)[=\s]\s*(\S+)")
FILE_REQUIREMENT = re.compile(r"(?:-r|--requirements?)[=\s]\s*(.+)")


def written_requirements(texts: Sequence[str], rootdir: Path) -> list[str]:
    """What changes when any of the requirements changes as it is written.

    Args:
        texts: Requirement strings, ``-r FILE`` and ``group:NAME``.
        rootdir: Where relative paths start, and the folder of ``pyproject.toml``.
    """
    named = [rootdir / match[1].strip() for text in texts if (match := FILE_REQUIREMENT.fullmatch(text))]
    files = [path for file in named for path in included_files(file)]
    if any(text.startswith(GROUP_PREFIX) for text in texts):
        files.append(rootdir / "pyproject.toml")
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]
    return [*texts, *hashes]


def included_files(file: Path) -> Iterator[Path]:
    """A requirement file and those that it includes, each once."""
    seen: set[Path] = set()
    pending = [file]
    while pending:
        path = pending.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        yield path
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        pending += [path.parent / match[1] for line in lines if (match := FILE_OPTION.match(line))]
