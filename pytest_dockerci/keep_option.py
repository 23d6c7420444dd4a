"""The option and the setting for stacks that outlive their run."""

from __future__ import annotations

from typing import Any

from pytest_dockerci.ini_option import IniOption

KEEP_EXPIRY_OPTION = IniOption(
    "dockerci_keep_expiry_seconds", "seconds", "3600", "how long a kept stack lives after its last use"
)


def add_keep_option(group: Any) -> None:
    """Register the option with pytest; `KEEP_EXPIRY_OPTION` is among the settings."""
    group.addoption(
        "--dockerci-keep",
        action="store_true",
        dest="dockerci_keep",
        help="leave the services running, and use those that the last run left",
    )
