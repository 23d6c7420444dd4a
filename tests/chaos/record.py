"""The file in which findings are kept: a series can be interrupted, resumed, and split over machines."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from chaos.trial import Finding, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the file."""

    commit: str
    trial: Trial
    finding: Finding


def commit_of(folder: Path) -> str:
    """The commit of a tree, 12 digits; with ``-dirty`` when something in it is not committed."""
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def append(path: Path, line: Line) -> None:
    """Add a line; lines of several processes do not mix."""
    text = json.dumps({"commit": line.commit, **asdict(line.trial), **asdict(line.finding)})
    with path.open("a") as file:
        file.write(text + "\n")


def read(paths: Iterable[Path]) -> Iterator[Line]:
    """The lines of some files."""
    for path in paths:
        if not path.exists():
            continue
        for text in path.read_text().splitlines():
            data = json.loads(text)
            trial = Trial(family=data["family"], seed=data["seed"], number=data["number"])
            finding = Finding(
                kind=data["kind"],
                problems=tuple(data["problems"]),
                late=tuple(data["late"]),
                figures=data["figures"],
                cases=data["cases"],
            )
            yield Line(commit=data["commit"], trial=trial, finding=finding)
