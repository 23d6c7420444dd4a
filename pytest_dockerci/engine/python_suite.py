"""What a pytest suite needs of the image under test: its Python, its files, pytest beside them.

A run whose suites are all commands has none of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.python_probe import PythonFacts, probe_python
from pytest_dockerci.engine.suite import (
    differing_files,
    lay_suite,
    require_subpath,
    sort_suite,
    suite_mounts,
)
from pytest_dockerci.engine.toolkit import Toolkit, ToolkitMaker

if TYPE_CHECKING:
    from pytest_dockerci.engine.background import Background
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.command import Commands
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.labels import RunIdentity
    from pytest_dockerci.engine.requirements import RequirementSet
    from pytest_dockerci.progress import Progress


class PythonSuite:
    """The suite of pytest in the image.

    Args:
        engine: The engine.
        identity: Labels what is made.
        image_id: The image under test.
        plan: What the user asked for.
        container_root: The folder in the image that stands for rootdir.
        cache: Folder for answers.

    Attributes:
        python: The image's interpreter, once it was looked for.
        toolkit: What was brought in, once it was.
    """

    python: PythonFacts
    toolkit: Toolkit

    def __init__(
        self,
        engine: Engine,
        identity: RunIdentity,
        image_id: str,
        plan: EnvironmentPlan,
        *,
        container_root: PurePosixPath,
        cache: Path,
    ) -> None:
        self._engine = engine
        self._identity = identity
        self._image_id = image_id
        self._plan = plan
        self._cache = cache
        self._paths = sort_suite(plan.rootdir, container_root, plan.suite, plan.config_file, plan.host_only)
        self._files: tuple[PurePosixPath, ...] = ()

    def look(self, definition: Mapping[str, Any], shown_image: str) -> None:
        """Look for the image's Python, and at what it holds of the suite.

        Args:
            definition: The service under test.
            shown_image: How messages call the image.

        Raises:
            ImageUnusableError: It has no Python that can run the suite, or single files cannot be laid over it.
        """
        self.python = probe_python(
            self._engine,
            self._identity,
            self._image_id,
            shown_image=shown_image,
            user=definition.get("user"),
            search_path=(definition.get("environment") or {}).get("PATH"),
            paths=self._paths.container_paths,
            cache=self._cache,
        )
        self._files = differing_files(self._paths, self.python)
        require_subpath(self._engine, self._files)

    def bring(
        self,
        commands: Commands,
        background: Background,
        progress: Progress,
        *,
        requirements: RequirementSet,
        prefixes: Sequence[str],
    ) -> None:
        """Fill the volumes with the suite and the toolkit.

        Args:
            commands: Runs ``uv``.
            background: Makes the toolkit beside the rest.
            progress: Told what happens.
            requirements: What the toolkit is made of.
            prefixes: One for each test container, as for `mounts`.

        Raises:
            ToolkitError: pytest or the requirements do not fit the image.
        """
        maker = ToolkitMaker(self._engine, self._identity, commands, self._image_id, self.python, progress)
        toolkit_to_come = background.submit(
            maker.prepare, requirements, self._plan.host_versions, self._cache
        )
        lay_suite(
            self._engine,
            self._identity,
            self._image_id,
            self.python,
            self._paths,
            self._files,
            prefixes,
        )
        self.toolkit = toolkit_to_come.result()

    def mounts(self, prefix: str) -> tuple[Mapping[str, Any], ...]:
        """The volumes of one test container.

        Args:
            prefix: Unique to it; starts the volumes' names.
        """
        toolkit = [self.toolkit.mount] if self.toolkit.volume else []
        return (*suite_mounts(self._paths, self._files, prefix), *toolkit)
