"""The folder that ``--dockerci-report`` names: who decides where it is, and what belongs to us in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from pytest_dockerci.errors import SettingsError, bad_value

PHASES_FILE = "phases.json"
ARTIFACTS_FOLDER = "artifacts"
LOGS_FOLDER = "logs"
_ARTIFACTS_SETTING = "dockerci_artifacts"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """What a report is to hold.

    Attributes:
        folder: Where it goes, absolute; None where none is asked for.
        artifacts: Globs of files in the containers under test, relative to their root, or absolute.
    """

    folder: Path | None = None
    artifacts: tuple[str, ...] = ()


def report_folder(config: pytest.Config) -> Path | None:
    """Where everything goes that a run reports beside pytest's own output; None where it is not asked for.

    The only place that decides it. Relative to where pytest was called, as ``--junitxml`` is.
    """
    named = config.getoption("dockerci_report", None)
    return Path(os.path.abspath(config.invocation_params.dir / named)) if named else None  # noqa: PTH100 - links stay


def read_report(config: pytest.Config) -> ReportSettings:
    """What the user wants reported.

    Raises:
        SettingsError: A glob cannot be meant, or the folder holds something of others under our names.
    """
    globs = tuple(line.strip() for line in config.getini(_ARTIFACTS_SETTING) if line.strip())
    for glob in globs:
        if ".." in PurePosixPath(glob).parts or glob.strip("/.") == "":
            raise bad_value(_ARTIFACTS_SETTING, glob, "a glob below the container's root: reports/**/*.xml")
    folder = report_folder(config)
    if folder is not None:
        _require_ours(folder)
    return ReportSettings(folder=folder, artifacts=globs)


def _require_ours(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise SettingsError(
            f"--dockerci-report: {folder} is a file", why="a report is a folder", fix="name another place"
        )
    if _is_report(folder):
        return
    for name in (ARTIFACTS_FOLDER, LOGS_FOLDER):
        if (folder / name).exists():
            raise SettingsError(
                f"--dockerci-report: {folder / name} is not part of a report",
                why=f"it would be replaced, and {folder} has no {PHASES_FILE} of an earlier report",
                fix="name a folder of its own",
            )


def _is_report(folder: Path) -> bool:
    import json  # noqa: PLC0415 - every run of pytest loads this module, few write a report

    try:
        document = json.loads((folder / PHASES_FILE).read_text(encoding="utf-8"))
        return isinstance(document["phases"], list)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def open_report(folder: Path) -> None:
    """Make the folder, and take the last report's files out of it; other files stay.

    Raises:
        SettingsError: The folder cannot be written to.
    """
    import shutil  # noqa: PLC0415 - as above

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (ARTIFACTS_FOLDER, LOGS_FOLDER):
            if (folder / name).is_symlink():
                (folder / name).unlink()
            elif (folder / name).exists():
                shutil.rmtree(folder / name)
        # Here before the first file: what is in the folder from now on is a report's, whatever becomes of the run.
        write_phases(folder, {"phases": []})
    except OSError as error:
        raise SettingsError(
            f"--dockerci-report: {folder} cannot be written to",
            why=f"{error.strerror}: {error.filename}",
            fix="name another folder",
        ) from error


def write_phases(folder: Path, document: dict[str, Any]) -> None:
    """Write ``phases.json``; readers see it whole or not at all."""
    import json  # noqa: PLC0415 - as above

    from pytest_dockerci.last_image import write_whole  # noqa: PLC0415 - as above

    write_whole(folder / PHASES_FILE, json.dumps(document, indent=1) + "\n")
