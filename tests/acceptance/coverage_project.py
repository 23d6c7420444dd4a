"""A project whose coverage is measured through the plugin and by hand, and what coverage reports of both."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance.project import Project, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What coverage reports of a run.

    Attributes:
        run: The run.
        files: By path as coverage shows it: lines, branches, contexts and totals.
        table: The lines of the terminal's table.
    """

    run: Run
    files: dict[str, Any]
    table: list[str]


def write_both(project: Project, files: Mapping[str, str]) -> None:
    """Write files that host and image hold alike."""
    for path, text in files.items():
        project.write(path, text)
        project.write_image(path, text)


def cover(project: Project, *args: str, cwd: Path | None = None, **environ: str) -> Report:
    """Run with the plugin, with a table and JSON."""
    folder = cwd or project.host
    run = project.run(*args, "--cov-report=term-missing", "--cov-report=json", cwd=cwd, **environ)
    return _report(run, folder)


def cover_plainly(project: Project, *args: str) -> Report:
    """The same by hand in the image."""
    run = project.run_plainly(*args, "--cov-report=term-missing", "--cov-report=json")
    return _report(run, project.image)


def cover_both(project: Project, *args: str) -> Report:
    """Run both ways and expect the same report."""
    ours = cover(project, *args)
    plain = cover_plainly(project, *args)
    assert plain.files, plain.run.text
    assert ours.files == plain.files, ours.run.text
    assert ours.table == plain.table
    assert ours.run.exit_code == plain.run.exit_code
    return ours


def _report(run: Run, folder: Path) -> Report:
    file = folder / "coverage.json"
    files = json.loads(file.read_text(), object_hook=_without_order)["files"] if file.exists() else {}
    table = re.findall(r"^(?:\S+\.py|TOTAL) .*%.*$", run.text, re.MULTILINE)
    return Report(run=run, files=files, table=table)


def _without_order(value: dict[str, Any]) -> dict[str, Any]:
    """The contexts of a line come in no particular order."""
    contexts = value.get("contexts")
    if isinstance(contexts, dict):
        value["contexts"] = {line: sorted(names) for line, names in contexts.items()}
    return value
