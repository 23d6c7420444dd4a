"""The option and the settings for pushing what was tested; `push_settings` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_dockerci.ini_option import IniOption

if TYPE_CHECKING:
    import pytest

    from pytest_dockerci.push_settings import PushSettings

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


def find_push_settings(config: pytest.Config) -> PushSettings | None:
    """What is to be pushed, as `push_settings.read_push_settings`, which only a run that asks for it loads."""
    if config.getoption("dockerci_push") is None and not config.getini("dockerci_push"):
        return None
    from pytest_dockerci.push_settings import read_push_settings  # noqa: PLC0415 - see above

    return read_push_settings(config)
