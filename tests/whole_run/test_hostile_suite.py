"""Hostile payloads in a real container; many more are tried by `chaos.payloads`, with the agent as a local process."""

from __future__ import annotations

import random

import pytest

from chaos.payloads import ran, written_suite
from whole_run.project import Project

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("args", [[], ["-s"]], ids=["captured", "as it comes"])
def test_a_hundred_payloads(project: Project, args: list[str]) -> None:
    """What tests print, raise and are called is text, in the terminal, in reports, in files."""
    folder, name = project.root.parent, project.root.name
    chance = random.Random(7)  # noqa: S311 - chance that can be had again
    verdicts = list(written_suite(folder, chance, 100, name))
    kept = {
        name: value for name, value in project.environ.items() if name.startswith(("DOCKER", "SSL_", "UV_"))
    }
    assert list(ran(folder, args, verdicts, host_name=name, **kept)) == []
