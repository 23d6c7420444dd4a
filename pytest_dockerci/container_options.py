"""Which part of the host's command line is the container's, and how it gets there."""

from __future__ import annotations

import copy
import importlib.util
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from pytest_dockerci.arguments import PASSED_ON
from pytest_dockerci.command_line import Use, take_apart
from pytest_dockerci.container_share import share_of
from pytest_dockerci.option_sides import CONTAINER_ONLY, HOST_TOOLS, PLUGIN_ON_HOST, PYTEST_ON_HOST, side_of

_SEED_OPTIONS = ("randomly_seed", "random_order_seed")


# Before the host's conftest.py files are loaded


def take_container_options(config: pytest.Config, args: list[str]) -> None:
    """Take the options off the host's command line that its plugins must not see."""
    parser = _argument_parser(config)
    if parser.fromfile_prefix_chars and any(arg.startswith("@") for arg in args):
        # As the parser would (pytest 8.2 and newer): what stands in such a file is sorted out as well.
        args[:] = parser._read_args_from_files(args)  # noqa: SLF001 - argparse's own reading of it
    taken = [use for use in _uses(config, args) if side_of(use.name, CONTAINER_ONLY) is not None]
    if not taken:
        return
    share_of(config).options += [word for use in taken for word in use.words]
    _take_out(args, taken)
    namespace = copy.copy(config.option)
    config.known_args_namespace = config._parser.parse_known_args(args, namespace=namespace)  # noqa: SLF001 - as pytest


# After the host's conftest.py files are loaded


def take_unknown_options(config: pytest.Config, args: list[str]) -> None:
    """Take what the host does not know off its command line, for the container to judge; note what it gets as well.

    Raises:
        pytest.UsageError: An option would hand the container's tests to another process.
    """
    share = share_of(config)
    known = known_options(config)
    own = {known[name].dest for name in (*PASSED_ON, *PYTEST_ON_HOST) if name in known}
    typed = set(config.invocation_params.args)
    taken: list[Use] = []
    option = ""
    for use in _uses(config, args):
        if use.name and not use.is_known:
            _refuse_distribution(use.name)
            taken.append(use)
            share.options += use.words
            share.typed += [word for word in use.words if word in typed]
            option = "" if "=" in use.words[0] else use.name
        elif option and not use.name and not use.is_literal:
            share.options += use.words
            if _names_a_file(config, use.words[0]):
                share.undecided[use.words[0]] = option
                option = ""
            else:
                taken.append(use)
        else:
            option = ""
            if use.name and known[use.name].dest not in own and side_of(use.name, PLUGIN_ON_HOST) is None:
                share.optional.append(list(use.words))
    _take_out(args, taken)


def _refuse_distribution(name: str) -> None:
    if side_of(name, PLUGIN_ON_HOST) == "pytest-xdist":
        raise pytest.UsageError(
            f"unrecognized arguments: {name}\n"
            "  why: pytest-xdist distributes tests from the host, where it is not installed\n"
            "  try: pip install pytest-xdist, or --dockerci-workers=N"
        )


def _names_a_file(config: pytest.Config, word: str) -> bool:
    path = config.invocation_params.dir / word.partition("::")[0]
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, a null character
        return False


# pytest's parser


def known_options(config: pytest.Config) -> Mapping[str, Any]:
    """Each option with its argparse action. Neither pytest nor argparse has a public list of them."""
    parser: Any = _argument_parser(config)
    actions: Mapping[str, Any] = parser._option_string_actions  # noqa: SLF001 - see above
    return actions


def _argument_parser(config: pytest.Config) -> Any:
    parser: Any = config._parser  # noqa: SLF001 - the only way to it
    make = getattr(parser, "_getparser", None)  # up to pytest 8
    return parser.optparser if make is None else make()


def _uses(config: pytest.Config, args: Sequence[str]) -> list[Use]:
    return take_apart(args, {name: action.nargs for name, action in known_options(config).items()})


def _take_out(args: list[str], uses: Sequence[Use]) -> None:
    positions = {use.position + offset for use in uses for offset in range(len(use.words))}
    args[:] = [arg for position, arg in enumerate(args) if position not in positions]


# When the container's pytest is started, and when it has collected


def plugins_for_container(config: pytest.Config) -> list[str]:
    """What ``-p`` names, without the tools of the host."""
    named = [str(name).strip() for name in config.option.plugins or []]
    return [name for name in dict.fromkeys(named) if name not in HOST_TOOLS]


def options_for_container(config: pytest.Config) -> list[list[str]]:
    """The options of plugins that the container is to have if it knows them, each with its words."""
    options = list(share_of(config).optional)
    for name in _SEED_OPTIONS:
        # A worker that replaces another one has to shuffle in the same way, too.
        value = getattr(config.option, name, None)
        seed = value if isinstance(value, (int, str)) and str(value).isdecimal() else share_of(config).seed
        option = f"--{name.replace('_', '-')}"
        if not any(words[0].partition("=")[0] == option for words in options):
            options.append([f"{option}={seed}"])
    return options


def further_arguments(config: pytest.Config, container_root: PurePosixPath) -> list[str]:
    """The part of the container's command line that is not the same for every project."""
    cut = getattr(config.option, "confcutdir", None)
    folder = None if cut is None else container_path(config, str(cut), container_root)
    return [*([] if folder is None else [f"--confcutdir={folder}"]), *share_of(config).options]


# How the names of the options of a plugin of pytest begin, where pytest can do without it.
_PREFIXES = {
    "doctest": "doctest",
    "junitxml": "xmlpath",
    "logging": "log",
    "setuponly": "setup",
    "setupplan": "setupplan",
    "skipping": "runxfail",
}


def options_of_pytest(config: pytest.Config, container_root: PurePosixPath) -> dict[str, Any]:
    """The host's options, with paths as they are in the container.

    Without those of pytest's own plugins that ``-p no:NAME`` has switched off: ``addopts`` names them too
    late to take their options away here, and the container's pytest does not know them.
    """
    blocked = [prefix for name, prefix in _PREFIXES.items() if config.pluginmanager.is_blocked(name)]
    options = {key: value for key, value in vars(config.option).items() if not key.startswith(tuple(blocked))}
    for key in ("ignore", "ignore_glob"):
        paths = (container_path(config, str(path), container_root) for path in options.get(key) or ())
        options[key] = [path for path in paths if path is not None]
    return options


def container_path(config: pytest.Config, path: str, container_root: PurePosixPath) -> str | None:
    """Where a path of the command line is in the container; None when it lies outside of rootdir."""
    absolute = Path(os.path.normpath(config.invocation_params.dir / path))
    if not absolute.is_relative_to(config.rootpath):
        return None
    return str(container_root / absolute.relative_to(config.rootpath).as_posix())


def undecided_words(config: pytest.Config, select: Callable[[str], list[str]]) -> list[dict[str, Any]]:
    """The paths of the command line, each with the option whose value it may be, as `wire.Start` has them.

    Args:
        config: The host's configuration.
        select: What the container has to collect for one of them.
    """
    undecided = share_of(config).undecided
    if not undecided:
        return []
    return [{"option": undecided.get(word, ""), "word": word, "paths": select(word)} for word in config.args]


def located(config: pytest.Config, args: Sequence[str]) -> list[tuple[Path, str]]:
    """The files and folders that arguments name, and the names that follow them (``::test_one``)."""
    parts = [argument.partition("::") for argument in args]
    folder = config.invocation_params.dir
    found = find_packages(path for path, _, _ in parts) if config.option.pyargs else {}
    return [
        (Path(os.path.normpath(folder / found.get(path, path))), mark + names) for path, mark, names in parts
    ]


def find_packages(names: Iterable[str]) -> dict[str, str]:
    """Where modules and packages lie that ``--pyargs`` names, as far as the host can import them."""
    found = {}
    for name in names:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):  # a path
            continue
        if spec is not None and spec.submodule_search_locations:
            found[name] = next(iter(spec.submodule_search_locations))
        elif spec is not None and spec.has_location and spec.origin:
            found[name] = spec.origin
    return found


def default_args(config: pytest.Config) -> list[str]:
    """What pytest collects when it is called without paths."""
    args, _ = config._decide_args(  # noqa: SLF001 - testpaths and their patterns are pytest's
        args=[],
        pyargs=config.option.pyargs,
        testpaths=config.getini("testpaths"),
        invocation_dir=config.invocation_params.dir,
        rootpath=config.rootpath,
        warn=False,
    )
    return args


def forget_values(config: pytest.Config, positions: Sequence[int]) -> None:
    """Take what turned out to be values of options out of what the host collects."""
    values = set(positions)
    if values:
        kept = [word for position, word in enumerate(config.args) if position not in values]
        config.args = kept or default_args(config)


def refuse_unknown(config: pytest.Config) -> None:
    """Refuse the options that only a container could know, in a run that starts none.

    What the configuration file says in ``addopts`` is for other runs, and does not count.

    Raises:
        pytest.UsageError: There are some.
    """
    typed = share_of(config).typed
    if typed:
        raise pytest.UsageError(
            f"unrecognized arguments: {' '.join(typed)}\n"
            "  why: the host does not know them, and no test of the container is selected\n"
            "  try: leave them out, or name a test that runs in the container"
        )
