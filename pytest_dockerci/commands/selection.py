"""Which commands a run is about: what its command line names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_dockerci.command_scope import LEFT_OUT
from pytest_dockerci.commands.items import ROOT_ID
from pytest_dockerci.container_options import located
from pytest_dockerci.errors import SettingsError

if TYPE_CHECKING:
    from pytest_dockerci.settings import Settings

IDS = pytest.StashKey[tuple[str, ...]]()


def select_commands(config: pytest.Config, settings: Settings) -> Settings:
    """The settings with the commands of this run; ids of commands are taken off the command line.

    All of them where pytest is called without paths, or with rootdir; those that ids name; else none.

    Raises:
        SettingsError: pytest-xdist distributes the run, or an id names no command.
    """
    if hasattr(config, "workerinput") or getattr(config.option, "dist", "no") != "no":
        raise SettingsError(
            "pytest-dockerci: dockerci_command cannot be distributed by pytest-xdist",
            why="a command is one piece, and its cases are not known to xdist's workers",
            fix="--dockerci-workers=N shares a suite of pytest among containers beside commands; or drop -n",
        )
    words = [_as_id(config, word) for word in config.args]
    ids = tuple(word for word in words if is_id(word))
    config.stash[IDS] = ids
    if ids:
        config.args = [word for word in words if not is_id(word)]
        for word in ids:
            if not any(_is_related(word, command.nodeid) for command in settings.commands):
                known = "\n".join(command.nodeid for command in settings.commands)
                raise SettingsError(f"pytest-dockerci: there is no {word}", why=f"the commands are:\n{known}")
        named = tuple(
            command for command in settings.commands if any(_is_related(word, command.nodeid) for word in ids)
        )
        return replace(settings, commands=named)
    if is_whole(config.rootpath, [path for path, _ in located(config, config.args)]) or is_default(config):
        return settings
    config.stash[LEFT_OUT] = tuple(command.shown for command in settings.commands)
    return replace(settings, commands=())


def is_id(word: str) -> bool:
    """True for the id of a command, a case, or what groups them."""
    return word == ROOT_ID or word.startswith(f"{ROOT_ID}::")


def _as_id(config: pytest.Config, word: str) -> str:
    """An id as IDEs make it of the file in which they show the test: that of a command is in the configuration file."""
    path, mark, names = word.partition("::")
    file = Path(os.path.normpath(config.invocation_params.dir / path))
    return f"{ROOT_ID}::{names}" if mark and file == config.inipath else word


def is_named(nodeid: str, ids: Sequence[str]) -> bool:
    """True when a node is among those that ids name; all are where there are no ids. Pure."""
    return not ids or any(nodeid == word or nodeid.startswith(f"{word}::") for word in ids)


def is_whole(rootdir: Path, paths: Sequence[Path]) -> bool:
    """True when one of the paths has all of rootdir in it. Pure."""
    return any(rootdir.is_relative_to(path) for path in paths)


def is_default(config: pytest.Config) -> bool:
    """True when the configuration file says what is collected."""
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS


def _is_related(word: str, nodeid: str) -> bool:
    return word == nodeid or word.startswith(f"{nodeid}::") or nodeid.startswith(f"{word}::")
