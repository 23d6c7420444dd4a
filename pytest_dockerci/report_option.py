"""The option and the setting for what a run reports beside pytest's own output."""

from __future__ import annotations

from typing import Any

from pytest_dockerci.ini_option import IniOption

ARTIFACTS_OPTION = IniOption(
    "dockerci_artifacts", "linelist", "", "globs of files in the container that a report takes"
)


def add_report_option(group: Any) -> None:
    """Register the option with pytest; `ARTIFACTS_OPTION` is among the settings."""
    group.addoption(
        "--dockerci-report",
        metavar="DIR",
        dest="dockerci_report",
        help="write a report there: phases.json, the services' logs, artifacts",
    )
