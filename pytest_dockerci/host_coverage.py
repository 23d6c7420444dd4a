"""pytest-cov on the host and the coverage of the containers: what to measure, and its way into the report.

pytest-cov combines and reports at the end of its wrapper around pytest's loop; `CoverageHooks`
has its wrapper inside that one, so the containers' lines lie there as one more data file.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dockerci.coverage_plan import CoveragePlan
from pytest_dockerci.measured_files import HostFiles, MeasuredFiles

if TYPE_CHECKING:
    from pytest_dockerci.agent import wire
    from pytest_dockerci.host_run import HostRun
    from pytest_dockerci.paths import PathMap

_MAX_NOTES = 20
_MAX_NOTE_CHARACTERS = 500


class HostCoverage:
    """The containers' part in the coverage of one run.

    Args:
        config: pytest's configuration; pytest-cov is active in it.

    Attributes:
        requirement: What the containers need: the oldest coverage with the interface that the agent uses.
    """

    requirement = "coverage>=6"

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._token = secrets.token_hex(16)
        self._files: MeasuredFiles | None = None
        self._paths: PathMap | None = None
        self._notes: dict[str, None] = {}

    @property
    def version(self) -> str:
        """The host's version of coverage."""
        import coverage  # noqa: PLC0415 - only a run with pytest-cov has it

        return coverage.__version__

    @property
    def _controller(self) -> Any:
        plugin: Any = self._config.pluginmanager.get_plugin("_cov")
        return plugin.cov_controller

    def wanted(self, worker: int, workers: int, paths: PathMap) -> dict[str, Any]:
        """What a worker is to measure (`wire.Start.coverage`).

        Args:
            worker: Its number.
            workers: How many share the suite; of several, none can say what was never imported.
            paths: The map between container and host paths.
        """
        cov = self._controller.cov
        # Sources that only the container imports are nothing to warn of here.
        cov._warn_unimported_source = False  # noqa: SLF001 - as pytest-cov does under pytest-xdist
        cov._warn_no_data = False  # noqa: SLF001
        self._paths = paths
        if self._files is None:
            self._files = MeasuredFiles(has_branches=bool(cov.get_option("run:branch")))
        plan = CoveragePlan(
            lambda name: _option(cov, name),
            cov.config.get_plugin_options,
            paths,
            Path(self._controller.topdir),
        )
        return {
            "token": f"{self._token}-{worker}",
            "left_behind": False,
            "sections": plan.sections(),
            "sources": plan.sources(),
            "has_test_contexts": self._config.getoption("cov_context", default=None) == "test",
            "warns": workers == 1,
        }

    def record(self, measured: wire.Measured) -> None:
        """Take what a container has measured; called from the threads that read.

        Raises:
            wire.WireError: It is not what was asked for.
        """
        if self._files is not None:
            self._files.add(measured.rows)
        for note in measured.notes[: _MAX_NOTES - len(self._notes)]:
            self._notes[note[:_MAX_NOTE_CHARACTERS]] = None

    def write(self) -> list[str]:
        """Write the data file for pytest-cov to combine.

        Returns:
            What the user should know, one text each.
        """
        if self._files is None or self._paths is None:
            return []
        from coverage import CoverageData  # noqa: PLC0415 - only a run with pytest-cov has it
        from coverage.files import PathAliases  # noqa: PLC0415

        cov = self._controller.cov
        aliases = PathAliases()
        for result, *patterns in (cov.get_option("paths") or {}).values():
            for pattern in patterns:
                aliases.add(pattern, result)
        root = self._paths.rootdir
        host_files = HostFiles(self._paths, aliases.map, [root, root / "src"])
        host_paths = host_files.find_all(self._files.files)
        if host_paths:
            data_file = Path(self._controller.topdir, cov.get_option("run:data_file"))
            data = CoverageData(basename=str(data_file), suffix=True)
            self._files.write(data, host_paths)
            data.write()
            data.close()
        return [*self._notes, *host_files.remarks()]


class CoverageHooks:
    """Brings the containers' coverage while pytest-cov still waits for it."""

    def __init__(self, run: HostRun) -> None:
        self._run = run

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Whatever ends the tests, except an interruption: pytest-cov combines right after."""
        try:
            return (yield)
        finally:
            if not isinstance(sys.exc_info()[1], KeyboardInterrupt):
                self._run.bring_coverage()


def _option(cov: Any, name: str) -> Any:
    from coverage.exceptions import ConfigError  # noqa: PLC0415 - only a run with pytest-cov has it

    try:
        return cov.get_option(name)
    except ConfigError:
        return None
