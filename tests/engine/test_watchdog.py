"""The watchdog's process, beside what `tests/whole_run/test_killed.py` shows of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_dockerci.engine import watchdog_process
from pytest_dockerci.engine.watchdog import Watchdog

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.labels import RunIdentity


@pytest.mark.engine
def test_a_watchdog_that_was_closed_leaves_other_descriptors_alone(
    engine: Engine, identity: RunIdentity, tmp_path: Path
) -> None:
    """Its pipe's number is soon somebody else's, who must keep it in forked processes."""
    watchdog = Watchdog(engine, identity, tmp_path)
    number = watchdog._pipe
    assert number is not None
    watchdog.close()
    other = os.open(tmp_path, os.O_RDONLY)
    if other != number:
        os.dup2(other, number)
    child = os.fork()
    if child == 0:
        try:
            os.fstat(number)
        except OSError:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    for descriptor in {other, number}:
        os.close(descriptor)


@pytest.mark.engine
def test_it_knows_the_commands_that_run(engine: Engine, identity: RunIdentity, tmp_path: Path) -> None:
    """And kills those that have not ended, and no others, before it looks what there is on the engine."""
    ended, running, other = (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
        for _ in range(3)
    )
    watchdog = Watchdog(engine, identity, tmp_path)
    watchdog.note_started(ended.pid)
    watchdog.note_started(running.pid)
    watchdog.note_ended(ended.pid)
    pipe, watchdog._pipe = watchdog._pipe, None
    assert pipe is not None
    assert watchdog._process.stdin is not None
    watchdog._process.stdin.close()  # pytest's end without a word
    assert running.wait(20) == -9
    assert watchdog._process.wait(30) == 0
    assert (ended.poll(), other.poll()) == (None, None)
    for process in (ended, other):
        process.kill()
        process.wait()
    for process in (ended, running, other):
        assert process.stdin is not None
        process.stdin.close()


def test_a_process_that_leads_no_session_is_not_killed() -> None:
    """A number that was given to another process since then."""
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    watchdog_process.end_groups({bystander.pid, 2**22 + 1})
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    assert bystander.stdin is not None
    bystander.stdin.close()
