"""The hooks that a project's root `conftest.py` may implement.

Image and stack exist before any fixture runs, so their values are changed here. Each hook
changes its last argument in place. Implement with ``@pytest.hookimpl(optionalhook=True)``,
so that the conftest still loads where the plugin is not installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def pytest_dockerci_env(config: pytest.Config, env: dict[str, str]) -> None:
    """Change the testing environment of the containers under test.

    Args:
        config: pytest's configuration.
        env: Names and values; starts with `dockerci_env`.
    """


def pytest_dockerci_compose_files(config: pytest.Config, files: list[Path]) -> None:
    """Change the list of Compose files.

    Args:
        config: pytest's configuration.
        files: Absolute paths, later ones override; starts with `dockerci_compose`, empty for Compose's own search.
    """


def pytest_dockerci_build_args(config: pytest.Config, args: dict[str, str]) -> None:
    """Change the build arguments of the image under test.

    Args:
        config: pytest's configuration.
        args: Names and values; starts with the Compose file's.
    """


def pytest_dockerci_compose_model(config: pytest.Config, model: dict[str, Any]) -> None:
    """Change the Compose model after Compose has resolved it.

    Args:
        config: pytest's configuration.
        model: What ``docker compose config --format json`` printed.
    """


def pytest_dockerci_extra_services(config: pytest.Config, services: dict[str, Any]) -> None:
    """Add containers made with `testcontainers` to the stack.

    Args:
        config: pytest's configuration.
        services: Alias to a container that is not started; it is joined to the network under
            this alias, started with the stack and removed with it.
    """


def pytest_dockerci_tags(config: pytest.Config, tags: list[str]) -> None:
    """Change the tags that the built image gets on the engine.

    Args:
        config: pytest's configuration.
        tags: Tags without the repository; starts with the commit's and the build number's.
    """


def pytest_dockerci_before_push(config: pytest.Config, image: Any, tags: list[str]) -> None:
    """Change the tags under which a green run pushes its image, or refuse the push by raising an exception.

    Args:
        config: pytest's configuration.
        image: The image under test, as `dockerci_image`.
        tags: Tags without the repository; starts with what `dockerci_push_tags` comes to.
    """
