"""The fixtures for host tests and the root `conftest.py`. They read and act; hooks change values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_dockerci.engine.container import TestContainer
    from pytest_dockerci.engine.environment import Environment
    from pytest_dockerci.engine.image import ImageUnderTest
    from pytest_dockerci.engine.service import Service


def _environment(config: pytest.Config) -> Environment:
    # Every pytest run loads this module.
    from pytest_dockerci.errors import DockerCIError  # noqa: PLC0415
    from pytest_dockerci.run_hooks import host_run  # noqa: PLC0415

    try:
        run = host_run(config)
        environment = run.environment()
        run.wait_ready()
    except DockerCIError as error:
        raise pytest.fail.Exception(f"not run: {error}", pytrace=False) from None
    return environment


@pytest.fixture(scope="session")
def dockerci_image(request: pytest.FixtureRequest) -> ImageUnderTest:
    """The image under test: id, tags, commit, digests, its Python."""
    return _environment(request.config).image


@pytest.fixture(scope="session")
def dockerci_services(request: pytest.FixtureRequest) -> Mapping[str, Service]:
    """The services of the stack by name; one that does not run yet is started when it is asked for."""
    return _environment(request.config).services


@pytest.fixture(scope="session")
def dockerci_container(request: pytest.FixtureRequest) -> TestContainer:
    """The container in which worker 0 runs the suite; under pytest-xdist, this worker's."""
    # Every pytest run loads this module.
    from pytest_dockerci.errors import DockerCIError  # noqa: PLC0415
    from pytest_dockerci.run_hooks import host_run  # noqa: PLC0415

    environment = _environment(request.config)
    try:
        return environment.container(host_run(request.config).worker)
    except DockerCIError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
