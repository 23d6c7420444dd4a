"""The engine that real tests use, for every folder of tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_dockerci.errors import EngineUnreachableError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A Docker Engine that answers; without one, the test is skipped, or fails where one is required."""
    from pytest_dockerci.engine.client import connect_engine  # noqa: PLC0415 - most tests need no engine

    try:
        connected = connect_engine(os.environ)
    except EngineUnreachableError as error:
        if os.environ.get("DOCKERCI_TEST_REQUIRE_ENGINE") == "1":
            pytest.fail(f"DOCKERCI_TEST_REQUIRE_ENGINE=1, but {error}")
        pytest.skip(str(error))
    yield connected
    connected.client.close()
