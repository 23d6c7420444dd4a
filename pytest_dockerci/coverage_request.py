"""Whether this run measures coverage. Imported in each run that is switched on, so it imports little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_dockerci.host_coverage import HostCoverage


def find_coverage(config: pytest.Config) -> HostCoverage | None:
    """The containers' coverage, if pytest-cov is active (``--cov``, and no ``--no-cov``)."""
    plugin = config.pluginmanager.get_plugin("_cov")
    if not hasattr(plugin, "cov_controller") or config.getoption("no_cov", default=False):
        return None
    from pytest_dockerci.host_coverage import HostCoverage  # noqa: PLC0415 - only a run that measures pays

    return HostCoverage(config)
