"""pytest-timeout on the host: its limits act where the tests run.

Its own timer would interrupt the host's wait for a result, or end the host's process; the test in the
container would go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from pytest_dockerci.items import ContainerItem

# A pytest-timeout in the container ends a test as by hand; only code that it cannot interrupt lasts longer.
_GRACE_SECONDS = 5.0


def limits_of(
    config: pytest.Config, items: Iterable[pytest.Item], *, has_own_timer: bool
) -> Mapping[int, tuple[float, bool]]:
    """Seconds for each test of the container that has a limit, and whether it is for the call alone.

    Args:
        config: The host's configuration.
        items: What is going to run.
        has_own_timer: True when the container has pytest-timeout as well.
    """
    plugin: Any = config.pluginmanager.get_plugin("timeout")
    settings_of = getattr(plugin, "_get_item_settings", None)  # it has no public function for it
    if settings_of is None:
        return {}
    grace = _GRACE_SECONDS if has_own_timer else 0.0
    limits = {}
    for item in items:
        if isinstance(item, ContainerItem) and item.index is not None:
            with suppress(Exception):  # a mark without sense: pytest-timeout says so when the test runs
                settings = settings_of(item)
                if settings.timeout:
                    limits[item.index] = (float(settings.timeout) + grace, bool(settings.func_only))
    return limits


class TimeoutHooks:
    """Registered where the host has pytest-timeout."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_timeout_set_timer(self, item: pytest.Item) -> bool | None:
        """No timer of the host for a test of the container."""
        return True if isinstance(item, ContainerItem) else None
