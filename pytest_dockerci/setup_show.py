"""``--setup-show`` on the host: what it says of a container's test is the container's to say."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from pytest_dockerci.items import ContainerItem


class SetupShowHooks:
    """The container knows the fixtures of its tests, and shows them."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Keep the host's pytest from saying it, too."""
        if not isinstance(item, ContainerItem):
            return (yield)
        item.config.option.setupshow = False
        try:
            return (yield)
        finally:
            item.config.option.setupshow = True
