"""The option and the settings for pushing what was tested; `push_settings` reads them."""

from __future__ import annotations

from typing import Any

from pytest_dockerci.ini_option import IniOption

PUSH_OPTIONS = (
    IniOption(
        "dockerci_push", "string", "", "repository to which a green run pushes the image it has tested"
    ),
    IniOption(
        "dockerci_push_tags", "linelist", "", "tags to push; default: {commit} {build} {version} latest"
    ),
    IniOption(
        "dockerci_push_dirty", "bool", "false", "push an image of a working tree that is not clean, too"
    ),
    IniOption(
        "dockerci_push_key",
        "string",
        "",
        "private key (PEM) that signs the evidence; default: DOCKERCI_PUSH_KEY",
    ),
)


def add_push_option(group: Any) -> None:
    """Register the option with pytest; `PUSH_OPTIONS` are among the settings."""
    group.addoption(
        "--dockerci-push",
        nargs="?",
        const=True,
        metavar="REPO",
        dest="dockerci_push",
        help="push the tested image there, if green; default: dockerci_push",
    )
