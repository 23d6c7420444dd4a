"""Whether this run was asked for less than bare ``pytest`` would run, from pytest's configuration."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_dockerci.command_line import Use, take_apart
from pytest_dockerci.container_options import known_options, located
from pytest_dockerci.selection_scope import narrowings, paths_left_out

LEFT_OUT = pytest.StashKey[tuple[str, ...]]()
"""Commands of `dockerci_command` that the command line leaves out, as they are written."""

_VARIABLE = "PYTEST_ADDOPTS"
_MAX_NAMED = 3


def narrowings_of(config: pytest.Config, environ: Mapping[str, str]) -> list[str]:
    """Why a run is asked for less than everything, each as half a sentence; none for a full run.

    The full run is ``cd ROOTDIR && pytest`` with the configuration file.

    Args:
        config: pytest's configuration, complete.
        environ: The host's environment.
    """
    actions = known_options(config)
    arities = {name: action.nargs for name, action in actions.items()}
    destinations = {name: str(action.dest) for name, action in actions.items()}
    typed = take_apart([str(word) for word in config.invocation_params.args], arities)
    added = take_apart(shlex.split(environ.get(_VARIABLE, "")), arities)
    return [
        *narrowings(typed, destinations),
        *(f"{_VARIABLE}: {each}" for each in narrowings(added, destinations)),
        *_left_out(config, [*added, *typed]),
        *(f"the command line leaves out `{command}`" for command in config.stash.get(LEFT_OUT, ())),
    ]


def _left_out(config: pytest.Config, uses: list[Use]) -> list[str]:
    words = [use.words[0] for use in uses if not use.name]
    if words:
        asked = located(config, words)
    elif config.invocation_params.dir != config.rootpath:
        asked = [(config.invocation_params.dir, "")]
    else:
        return []
    left = paths_left_out(asked, _full_paths(config))
    if not left:
        return []
    shown = ", ".join(_shown(path, config.rootpath) for path in left[:_MAX_NAMED])
    where = " ".join(words) if words else f"pytest in {_shown(asked[0][0], config.rootpath)}"
    return [f"{where} does not run all of {shown}"]


def _full_paths(config: pytest.Config) -> list[Path]:
    """What bare ``pytest`` collects."""
    root = config.rootpath
    args, _ = config._decide_args(  # noqa: SLF001 - testpaths and their patterns are pytest's
        args=[],
        pyargs=False,
        testpaths=config.getini("testpaths"),
        invocation_dir=root,
        rootpath=root,
        warn=False,
    )
    return [root / path for path in args]


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
