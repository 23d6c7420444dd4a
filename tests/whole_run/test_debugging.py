"""A debugger in a real container, in a real terminal."""

from __future__ import annotations

import signal
import time

import pytest

from terminal_session import PROMPT, TerminalSession
from whole_run.project import Project

pytestmark = pytest.mark.engine

SUITE = """\
    import os

    def test_stops():
        place = os.path.exists("/.dockerenv") and "in the container"
        breakpoint()
        assert place

    def test_fails():
        basket = {"apples": 1}
        assert basket == {"apples": 2}
    """


@pytest.fixture
def shop(project: Project) -> Project:
    """A suite in which there is something to look at."""
    project.write(tests__test_shop_py=SUITE)
    return project


def run(project: Project, *args: str) -> TerminalSession:
    """A run in a terminal."""
    return TerminalSession(["-p", "no:cacheprovider", *args], project.root, project.environ)


def test_breakpoint_and_pdb(shop: Project) -> None:
    """Both stop in the container, have its terminal, and no time limit ends them."""
    session = run(shop, "--pdb", "-o", "dockerci_test_timeout_seconds=3")
    session.type("p place")
    session.see("'in the container'")
    session.see(PROMPT)
    time.sleep(4)
    session.process.sendline("import os; os.isatty(0), os.environ['TERM'], os.getcwd()")
    session.see("(True, 'xterm', '/srv/app')")
    session.type("n")
    session.see("-> assert place")
    session.type("c")
    session.type("basket")
    session.see("{'apples': 1}")
    session.type("c")
    assert session.end() == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 1 passed" in session.text
    assert shop.left_on_engine() == []


@pytest.mark.soak
def test_trace_and_quit(shop: Project) -> None:
    """The first line of the first test; `q` ends the run, and nothing is left."""
    session = run(shop, "--trace")
    session.type("q")
    assert session.end() == pytest.ExitCode.INTERRUPTED
    assert "-> place = os.path.exists" in session.text
    assert "Exit: Quitting debugger" in session.text
    assert "Traceback" not in session.text
    assert shop.left_on_engine() == []


@pytest.mark.parametrize("how", ["keys", pytest.param("signal", marks=pytest.mark.soak)])
def test_control_c(shop: Project, how: str) -> None:
    """Ctrl-C, twice in a row at the prompt, or a signal ends the run; nothing is left."""
    session = run(shop)
    session.see(PROMPT)
    if how == "keys":
        session.press("c")
        session.see("--KeyboardInterrupt--")
        session.press("c")
    else:
        session.process.kill(signal.SIGINT)
    assert session.end() == pytest.ExitCode.INTERRUPTED
    assert "Traceback" not in session.text
    assert shop.left_on_engine() == []
