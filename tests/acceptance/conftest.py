from __future__ import annotations

from pathlib import Path

import pytest

pytest.register_assert_rewrite("acceptance.plain_run", "acceptance.project")

from acceptance.project import Project  # noqa: E402 - after the line above, which it is for


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project whose suite is the folder ``tests``."""
    return Project(tmp_path)
