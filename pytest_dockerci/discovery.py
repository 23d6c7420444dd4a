"""`--collect-only` for an IDE: a listing at once, with nothing built, started or asked of an engine.

Exact when nothing has changed since the container was last asked, approximate otherwise, and says so.
"""

from __future__ import annotations

import fnmatch
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_dockerci.arguments import container_arguments
from pytest_dockerci.collection_cache import (
    KeptCollection,
    collection_frame,
    collection_key,
    keep,
    kept_collection,
    newest_collection,
    suite_files,
)
from pytest_dockerci.container_options import (
    further_arguments,
    options_of_pytest,
    plugins_for_container,
)
from pytest_dockerci.container_share import share_of
from pytest_dockerci.container_tree import ContainerTree
from pytest_dockerci.errors import DockerCIError
from pytest_dockerci.items import ContainerItem
from pytest_dockerci.last_image import last_image
from pytest_dockerci.paths import PathMap

if TYPE_CHECKING:
    from pytest_dockerci.approximate_collection import SuiteSource
    from pytest_dockerci.settings import Settings
    from pytest_dockerci.worker_ledger import Collection

# Options that choose among what was collected, or only change what is shown.
_NOT_OF_COLLECTION = frozenset(
    {
        "color", "keyword", "markexpr", "collectonly", "verbose", "capture", "tbstyle", "showcapture", "showlocals",
        "fulltrace", "max_warnings", "runxfail", "log_level", "log_format", "log_date_format",
    }
)  # fmt: skip


def is_asked_by_ide(config: pytest.Config) -> bool:
    """True when an IDE's adapter drives this run, and only wants to know which tests there are.

    Source: microsoft/vscode-python, `vscode_pytest/__init__.py`, loaded with ``-p vscode_pytest``;
    JetBrains/intellij-community, `_jb_pytest_runner.py`, which imports `_jb_runner_tools`.
    """
    is_driven = config.pluginmanager.hasplugin("vscode_pytest") or "_jb_runner_tools" in sys.modules
    return bool(config.option.collectonly) and is_driven


class Listing:
    """What an IDE is shown.

    Attributes:
        tree: The tests.
        note: The line that says how far it can be trusted.
        is_exact: It is what the container would say.
    """

    def __init__(self, tree: ContainerTree, note: str, *, is_exact: bool) -> None:
        self.tree = tree
        self.note = note
        self.is_exact = is_exact


def list_tests(config: pytest.Config, settings: Settings, state_dir: Path) -> Listing:
    """List the suite without an engine."""
    # Only a listing that is not exact pays for it.
    from pytest_dockerci.approximate_collection import approximate_collection  # noqa: PLC0415

    files, frame = suite_files(settings), _frame(config, settings)
    image = last_image(state_dir, settings.service)
    kept = None
    exact = "`pytest --collect-only` lists exactly"
    if image is None:
        reason = "no image is known yet"
    elif not image.is_current():
        reason = "what the image is built from has changed"
        exact = "`pytest` builds it and lists exactly"
    else:
        kept = kept_collection(state_dir, collection_key(frame, files, image))
        reason = "the suite or its configuration has changed since it was last collected"
    if kept is not None and image is not None:
        note = f"dockerci: as collected in sha256:{image.id.removeprefix('sha256:')[:12]}; nothing has changed since"
        return Listing(_tree(config, settings, kept.collection, kept.container_root), note, is_exact=True)
    known = newest_collection(state_dir)
    container_root = PurePosixPath(settings.rootdir) if known is None else known.container_root
    collection = approximate_collection(_source(config, settings, container_root), files, known, frame)
    note = f"dockerci: approximate listing, read from the source: {reason}; {exact}"
    return Listing(_tree(config, settings, collection, container_root), note, is_exact=False)


def keep_collection(
    config: pytest.Config,
    settings: Settings,
    state_dir: Path,
    collection: Collection,
    container_root: PurePosixPath,
    selected: list[str],
) -> None:
    """Keep the container's collection for later discovery, if it is one of the whole suite."""
    image = last_image(state_dir, settings.service)
    is_whole = selected == [str(path) for path in settings.suite]
    if image is None or not is_whole or share_of(config).undecided:
        return
    if config.option.keyword or config.option.markexpr:
        return
    files, frame = suite_files(settings), _frame(config, settings)
    kept = KeptCollection(collection=collection, frame=frame, container_root=container_root, files=files)
    keep(state_dir, collection_key(frame, files, image), kept)


def _frame(config: pytest.Config, settings: Settings) -> str:
    root, share = PurePosixPath("/"), share_of(config)
    options = options_of_pytest(config, root)
    arguments = container_arguments(
        {name: value for name, value in options.items() if name not in _NOT_OF_COLLECTION},
        paths=(),
        further=further_arguments(config, root),
        ignored=settings.host_suite,
        container_root=root,
        config_file=settings.config_file,
        has_color=False,
    )
    arguments += [word for words in share.optional for word in words]
    arguments += [*sorted(plugins_for_container(config)), *share.filterwarnings, *share.host_filters]
    return collection_frame(settings, arguments, _host_files(config, settings))


def _host_files(config: pytest.Config, settings: Settings) -> list[Path]:
    """The files outside the suite that decide what it is: configuration, conftest files above it, requirements."""
    root = settings.rootdir
    files = [root / "pyproject.toml", *([config.inipath] if config.inipath else [])]
    files += [root / parent / "conftest.py" for path in settings.suite for parent in path.parents]
    for line in settings.requirements:
        option, _, name = line.partition(" ")
        if option in ("-r", "--requirement"):
            files.append(root / name.strip())
    return list(dict.fromkeys(files))


def _tree(
    config: pytest.Config, settings: Settings, collection: Collection, container_root: PurePosixPath
) -> ContainerTree:
    pairs = ((container_root, settings.rootdir), *settings.path_pairs)
    return ContainerTree(collection, _NothingRuns(PathMap(pairs, config.invocation_params.dir)))


def _source(config: pytest.Config, settings: Settings, container_root: PurePosixPath) -> SuiteSource:
    from pytest_dockerci.approximate_collection import SuiteSource  # noqa: PLC0415 - see `list_tests`
    from pytest_dockerci.source_tests import NamePatterns  # noqa: PLC0415

    host_paths = {settings.rootdir / path for path in settings.host_suite}
    patterns = config.getini("python_files")

    def is_test_file(path: Path) -> bool:
        # As pytest matches them: a pattern with a slash is for the path, any other for the name.
        return any(
            fnmatch.fnmatch(
                str(path) if "/" in pattern else path.name, f"*/{pattern}" if "/" in pattern else pattern
            )
            for pattern in patterns
        )

    def is_left_out(path: Path) -> bool:
        return path in host_paths or bool(
            config.hook.pytest_ignore_collect(collection_path=path, config=config)
        )

    return SuiteSource(
        rootdir=settings.rootdir,
        paths=settings.suite,
        container_root=container_root,
        patterns=NamePatterns(
            classes=tuple(config.getini("python_classes")), functions=tuple(config.getini("python_functions"))
        ),
        is_test_file=is_test_file,
        is_left_out=is_left_out,
    )


class _NothingRuns:
    """Stands where the containers stand in a run."""

    def __init__(self, paths: PathMap) -> None:
        self.paths = paths

    def record(self, item: ContainerItem) -> NoReturn:
        raise DockerCIError(f"not run: {item.nodeid} was only listed")
