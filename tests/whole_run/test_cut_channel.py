"""The connection to the agent ends at a chosen byte of a suite that passes: it is green only when all of it came."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chaos.faults import Proxy
from pytest_dockerci.engine.client import Engine
from whole_run.project import Outcome, Project

pytestmark = pytest.mark.engine

SUITE = """\
    import os, pytest
    @pytest.mark.parametrize("number", range(4))
    def test_passes(number): pass
    def test_prints(): print("printed")
    """

_TRIES = 6


class Cut:
    """Ends the connection at a byte; without one, counts them.

    Attributes:
        position: How many have come.
        is_made: The connection was ended.
    """

    def __init__(self, at: int | None = None) -> None:
        self._at = at
        self.position = 0
        self.is_made = False

    def pass_on(self, data: bytes, position: int) -> bytes | None:
        """As `chaos.faults.Fault.pass_on`; the bytes before the cut arrive."""
        self.position = position + len(data)
        if self._at is None or self.position <= self._at:
            return data
        self.is_made = True
        return data[: self._at - position] or None


@pytest.fixture
def proxy(engine: Engine) -> Iterator[tuple[Proxy, str]]:
    """A proxy before the engine, and its address."""
    folder = Path(tempfile.mkdtemp(prefix="dockerci-cut-"))  # pytest's folders are too deep for a socket
    proxy = Proxy(folder / "proxy.sock", urlsplit(engine.target.url).path)
    yield proxy, f"unix://{folder}/proxy.sock"
    proxy.close()
    shutil.rmtree(folder)


def run_with(project: Project, proxy: tuple[Proxy, str], cut: Cut) -> Outcome:
    """A run whose agent's bytes go through a fault."""
    proxy[0].fault = cut
    return project.run("-v", DOCKER_HOST=proxy[1])


# From the end: in the end frame, before it, in the last reports, in the collection.
@pytest.mark.soak
@pytest.mark.parametrize(
    "missing_bytes",
    [1, *(pytest.param(count, marks=pytest.mark.soak) for count in (40, 75, 90, 400, 900, 1500))],
)
def test_a_run_whose_end_did_not_come(project: Project, proxy: tuple[Proxy, str], missing_bytes: int) -> None:
    """Never green, whatever had passed before; nothing is left."""
    project.write(tests__test_suite_py=SUITE)
    cut = Cut()
    outcome = run_with(project, proxy, cut)
    for _ in range(_TRIES):
        # Until it is made: times have more or fewer digits, and the agent says now and then that it is alive.
        assert outcome.exit_code == 0, outcome.output
        cut = Cut(cut.position - missing_bytes)
        outcome = run_with(project, proxy, cut)
        if cut.is_made:
            break
    assert cut.is_made
    # 1 when a test was running, which fails with the cause; 7 when none is left to say it.
    assert outcome.exit_code == 7 or (outcome.exit_code == 1 and outcome.counts()["failed"] == 1), (
        outcome.output
    )
    # Between frames, within one, after the last test.
    assert re.search(
        "the connection to the agent ended|the channel to the agent is damaged|did not end its session in good order",
        outcome.output,
    ), outcome.output
    assert "Traceback" not in outcome.output
    assert project.left_on_engine() == []
