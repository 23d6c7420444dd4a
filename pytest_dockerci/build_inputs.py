"""What an image is built from, and a fingerprint of it that tells whether anything has changed since.

Only names, sizes and times are read of a build context: asking must cost a fraction of a second
and no engine. Imported by both sides; imports neither.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_ENTRIES = 50_000
_NOT_FOR_IMAGES = frozenset(
    {
        ".git",
        ".hg",
        "__pycache__",
        ".pytest_cache",
        ".mypy_cache",
        ".ruff_cache",
        ".hypothesis",
        ".tox",
        ".nox",
    }
)
_CHANGED_BY_RUNS = (".pyc", ".pyo")
_COMPOSE_NAMES = tuple(
    f"{name}{extension}"
    for name in ("compose", "docker-compose", "compose.override", "docker-compose.override")
    for extension in (".yaml", ".yml")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInputs:
    """Where the things lie that an image is built from; all paths absolute.

    Attributes:
        contexts: Folders that the builder reads, each as its ``.dockerignore`` says.
        files: Single files: Dockerfile, Compose files. One that does not exist counts as absent.
        left_out: Files and folders that tests are laid over: their changes do not ask for a build.
    """

    contexts: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    left_out: tuple[Path, ...] = ()

    def fingerprint(self) -> str:
        """SHA-256 (hex) over all of it as it is now; empty when there are too many files to look at."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file}\0".encode())
            digest.update(_content(file))
        for context in self.contexts:
            digest.update(f"{context}\0".encode())
            left_out = {str(path) for path in self.left_out}
            for number, (name, status) in enumerate(
                _walk(context, _ignore_file(context, self.files), left_out)
            ):
                if number >= MAX_ENTRIES:
                    return ""
                digest.update(f"{name}\0{status.st_mode}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        return digest.hexdigest()


def compose_files(rootdir: Path, named: Sequence[Path]) -> tuple[Path, ...]:
    """The Compose files of a project: those that are named, or all that Compose would look for.

    Source: Compose's documentation of ``--file``: it looks in the folder and its parents.
    """
    if named:
        return tuple(named)
    folder = next(
        (
            parent
            for parent in (rootdir, *rootdir.parents)
            if any((parent / name).exists() for name in _COMPOSE_NAMES)
        ),
        rootdir,
    )
    return tuple(folder / name for name in (*_COMPOSE_NAMES, ".env"))


def _content(file: Path) -> bytes:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return b"absent"


def _walk(
    context: Path, is_ignored: Callable[[str], bool], left_out: set[str]
) -> Iterator[tuple[str, os.stat_result]]:
    """Every file of a context: its path relative to it, in a stable order."""
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(context / folder), key=lambda entry: entry.name)
        except OSError:
            continue
        if any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        for entry in entries:
            name = f"{folder}{entry.name}"
            if (
                entry.name in _NOT_FOR_IMAGES
                or entry.name.endswith(_CHANGED_BY_RUNS)
                or entry.path in left_out
            ):
                continue
            if entry.is_dir(follow_symlinks=False):
                if not is_ignored(f"{name}/"):
                    folders.append(f"{name}/")
            elif not is_ignored(name):
                yield name, entry.stat(follow_symlinks=False)


def _ignore_file(context: Path, files: Sequence[Path]) -> Callable[[str], bool]:
    """What the builder leaves out: a Dockerfile's own ``.dockerignore`` counts before the context's."""
    candidates = [file.with_name(f"{file.name}.dockerignore") for file in files]
    for candidate in (*candidates, context / ".dockerignore"):
        if candidate.is_file():
            return read_ignore(candidate.read_text(encoding="utf-8", errors="replace"))
    return lambda _: False


def read_ignore(text: str) -> Callable[[str], bool]:
    """The rules of a ``.dockerignore`` as a question about paths relative to the context.

    Folders end with a slash; one is only left out when no exception could bring back what is in it.

    Source: Docker's documentation of ``.dockerignore``: the last rule that matches decides, ``!`` brings
    back, a rule for a folder holds for all in it.
    """
    rules: list[tuple[re.Pattern[str], bool]] = []
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        is_exception = line.startswith("!")
        pattern = line[is_exception:].strip().strip("/").removeprefix("./")
        rules.append((re.compile(as_regex(pattern)), not is_exception))
    has_exceptions = any(not is_left_out for _, is_left_out in rules)

    def is_ignored(name: str) -> bool:
        if name.endswith("/") and has_exceptions:
            return False
        path = name.rstrip("/")
        decisions = [is_left_out for pattern, is_left_out in rules if pattern.fullmatch(path)]
        return bool(decisions) and decisions[-1]

    return is_ignored


def as_regex(pattern: str) -> str:
    """A glob with ``**``, as a regular expression; one for a folder holds for all in it."""
    parts = []
    for part in re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]*\])", pattern):
        if part == "**/":
            parts.append("(?:.*/)?")
        elif part == "**":
            parts.append(".*")
        elif part == "*":
            parts.append("[^/]*")
        elif part == "?":
            parts.append("[^/]")
        elif re.fullmatch(r"\[[^\]]+\]", part):
            parts.append(part)
        else:
            parts.append(re.escape(part))
    return "".join(parts) + "(?:/.*)?"
