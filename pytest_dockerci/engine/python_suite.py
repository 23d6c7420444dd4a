"""What a pytest suite needs of the image under test: its Python, its files, pytest beside them.

A run whose suites are all commands has none of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.python_facts import PythonFacts
from pytest_dockerci.engine.python_probe import probe_python
from pytest_dockerci.engine.suite import lay_suite, require_subpath
from pytest_dockerci.engine.suite_paths import differing_files, sort_suite, suite_mounts
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
        paths: What is laid over the image.
        files: The single files of that which the image lacks, or has with other bytes; once it was looked at.
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
        self.paths = sort_suite(plan.rootdir, container_root, plan.suite, plan.config_file, plan.host_only)
        self.files: tuple[PurePosixPath, ...] = ()

    def adopt(self, python: PythonFacts, toolkit: Toolkit) -> None:
        """Take what is known of it from an earlier run: its volumes are there, and filled."""
        self.python = python
        self.toolkit = toolkit
        self.files = differing_files(self.paths, python)

    def look(self, definition: Mapping[str, Any], shown_image: str, progress: Progress) -> None:
        """Look for the image's Python, and at what it holds of the suite.

        Args:
            definition: The service under test.
            shown_image: How messages call the image.
            progress: Measures how long it takes.

        Raises:
            ImageUnusableError: It has no Python that can run the suite, or single files cannot be laid over it.
        """
        with progress.phase("containers/python"):
            self.python = probe_python(
                self._engine,
                self._identity,
                self._image_id,
                shown_image=shown_image,
                user=definition.get("user"),
                search_path=(definition.get("environment") or {}).get("PATH"),
                paths=self.paths.container_paths,
                cache=self._cache,
            )
        self.files = differing_files(self.paths, self.python)
        require_subpath(self._engine, self.files)

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
        with progress.phase("containers/suite"):
            lay_suite(
                self._engine, self._identity, self._image_id, self.python, self.paths, self.files, prefixes
            )
        with progress.phase("containers/toolkit"):
            self.toolkit = toolkit_to_come.result()

    def mounts(self, prefix: str) -> tuple[Mapping[str, Any], ...]:
        """The volumes of one test container.

        Args:
            prefix: Unique to it; starts the volumes' names.
        """
        toolkit = [self.toolkit.mount] if self.toolkit.volume else []
        return (*suite_mounts(self.paths, self.files, prefix), *toolkit)
