"""Debuggers in the container, in the host's terminal: as by hand in the image."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import termios
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from acceptance.project import Project
from differential.terminal_text import comparable_lines
from terminal_session import COLUMNS, PROMPT, ROWS, TerminalSession
from variants import soak_after

SUITE = """
    import pytest

    def test_before():
        pass

    def test_stops():
        value = 41
        print("before the stop")
        breakpoint()
        value += 1
        print("after it")
        assert value == 42

    def test_fails():
        basket = {"apples": 1}
        print("captured")
        assert basket == {"apples": 2}

    @pytest.fixture
    def broken():
        shelf = "empty"
        raise ValueError(shelf)

    def test_set_up(broken):
        pass

    def test_after():
        pass
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """A suite in which there is something to look at."""
    project.write("tests/test_shop.py", SUITE)
    return project


def talk(session: TerminalSession, *lines: str) -> tuple[int, list[str]]:
    """Type at each prompt; the exit code, and what was shown."""
    for line in lines:
        session.type(line)
    exit_code = session.end()
    return exit_code, session.text.splitlines()


def through_the_plugin(project: Project, *args: str) -> TerminalSession:
    """A run in a terminal."""
    return TerminalSession(["-p", "local_environment", *args], project.host, project.environ)


def by_hand(project: Project, *args: str) -> TerminalSession:
    """The same in the image."""
    args = ("--no-dockerci", "-p", "no:cacheprovider", *args)
    return TerminalSession(args, project.image, {**project.environ, "DOCKERCI": "1"})


@pytest.mark.parametrize(
    ("args", "lines"),
    soak_after(
        2,
        [
            (["-k", "stops or after"], ["p value", "n", "n", "p value", "c"]),
            pytest.param(["-k", "stops or after"], ["q"], marks=pytest.mark.soak),
            (["-s"], ["p value * 2", "c"]),
            (["--pdb", "-k", "not stops"], ["p basket", "c", "p shelf", "c"]),
            pytest.param(["--pdb", "-k", "fails or after"], ["w", "q"], marks=pytest.mark.soak),
            pytest.param(["--pdb", "-x", "-k", "fails or after"], ["c"], marks=pytest.mark.soak),
            (["--pdb", "--maxfail=2", "-k", "not stops"], ["c", "c"]),
            (["--trace", "-k", "before or after"], ["c", "c"]),
            pytest.param(
                ["--pdb", "--show-capture=no", "--tb=short", "-k", "fails"],
                ["p 1", "c"],
                marks=pytest.mark.soak,
            ),
            (["--pdb", "--pdbcls=acceptance.polite_pdb:PolitePdb", "-k", "fails"], ["greet", "c"]),
        ],
    ),
    ids=" ".join,
)
def test_the_same_dialogue(shop: Project, args: Sequence[str], lines: Sequence[str]) -> None:
    """What is typed has the same answers, and the run the same end."""
    ours_code, ours = talk(through_the_plugin(shop, *args), *lines)
    plain_code, plain = talk(by_hand(shop, *args), *lines)
    assert ours_code == plain_code
    places = [str(shop.host), str(shop.image)]
    mine, theirs = (comparable_lines("\n".join(text), places) for text in (ours, plain))
    assert "\n".join(_said(mine)) == "\n".join(_said(theirs))
    assert _letters(mine) == _letters(theirs)


# A test's letter comes when its debugger has been left; by hand, that of a failed one before.
_PROGRESS = re.compile(r"(tests/\S+ *)?([.FE]*)( *\[ *\d+%\])?$")
_STATUS = ("collecting ", "removing containers")


def _said(lines: Sequence[str]) -> Iterator[str]:
    return (
        line
        for line in lines
        if not _PROGRESS.match(line) and not line.strip().startswith(_STATUS) and line.strip()
    )


def _letters(lines: Sequence[str]) -> Counter[str]:
    return Counter("".join(found[2] for line in lines if (found := _PROGRESS.match(line))))


def test_control_c(shop: Project) -> None:
    """Once it is the debugger's, as by hand; twice it ends the run, and the terminal is as it was."""
    session = through_the_plugin(shop, "-k", "stops or after")
    before = termios.tcgetattr(session.process.child_fd)
    session.see(PROMPT)
    during = termios.tcgetattr(session.process.child_fd)
    session.press("c")
    session.see("--KeyboardInterrupt--")
    session.type("p value")
    session.see("41")
    session.see(PROMPT)
    session.press("c")
    session.see("--KeyboardInterrupt--")
    session.press("c")
    session.see("KeyboardInterrupt !!!")
    assert termios.tcgetattr(session.process.child_fd) == before != during
    assert session.end() == pytest.ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("number", "exit_code"),
    soak_after(1, [(signal.SIGINT, 2), (signal.SIGTERM, 143)]),
    ids=lambda value: str(int(value)),
)
def test_a_signal_at_the_prompt(shop: Project, number: int, exit_code: int) -> None:
    """It ends the run, as anywhere else."""
    session = through_the_plugin(shop, "--pdb", "-k", "fails or after")
    session.see(PROMPT)
    session.process.kill(number)
    assert session.end() == exit_code
    assert "test_after" not in session.text


@pytest.mark.soak
def test_no_time_limit_counts(shop: Project) -> None:
    """Neither while a person thinks, nor for what was used up before; afterwards it does again."""
    shop.settings("dockerci_test_timeout_seconds = 3")
    shop.write(
        "tests/test_shop.py",
        "import time\n"
        "def test_slow():\n    time.sleep(1)\n    breakpoint()\n    time.sleep(1)\n"
        "def test_slower():\n    breakpoint()\n    time.sleep(60)\n",
    )
    session = through_the_plugin(shop)
    session.see(PROMPT)
    time.sleep(4)
    session.process.sendline("c")
    session.type("c")
    assert session.end() == pytest.ExitCode.TESTS_FAILED
    assert "timed out after 3 s in call" in session.text
    assert "1 failed, 1 passed" in session.text


@pytest.mark.soak
def test_the_size_of_the_terminal(shop: Project) -> None:
    """The debugger knows it, and is told when it changes."""
    session = through_the_plugin(shop, "-k", "stops")
    session.type("import os; os.get_terminal_size()")
    session.see(f"columns={COLUMNS}, lines={ROWS}")
    session.process.setwinsize(30, 70)
    time.sleep(1)
    session.process.sendline("os.get_terminal_size()")
    session.see("columns=70, lines=30")
    session.type("os.environ['TERM'], sys.stdin.isatty()")
    session.see("NameError")
    session.type("import sys; (os.environ['TERM'], sys.stdin.isatty())")
    session.see("('xterm', True)")
    session.type("c")
    assert session.end() == 0


@pytest.mark.parametrize(
    ("args", "typed"),
    soak_after(
        1,
        [
            (["--pdb", "-k", "fails or after"], "p basket\nc\n"),
            pytest.param(["-k", "stops or after"], "p value\nc\n", marks=pytest.mark.soak),
            (["-k", "stops or after"], "p value\nq\n"),
            (["-k", "stops or after"], ""),
            pytest.param(["--pdb", "-k", "fails or after"], "", marks=pytest.mark.soak),
            pytest.param(["--trace", "-k", "before or after"], "c\nc\n", marks=pytest.mark.soak),
        ],
    ),
    ids=lambda value: repr(value) if isinstance(value, str) else " ".join(value),
)
def test_input_from_a_pipe(shop: Project, args: Sequence[str], typed: str) -> None:
    """Lines of a pipe, or none at all, are what the debugger reads, with the same end as by hand."""
    runs = [
        subprocess.run(
            [sys.executable, "-m", "pytest", *options, *args],
            cwd=folder,
            env={**shop.environ, "DOCKERCI": "1"},
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for folder, options in (
            (shop.host, ["-p", "local_environment"]),
            (shop.image, ["--no-dockerci", "-p", "no:cacheprovider"]),
        )
    ]
    assert runs[0].returncode == runs[1].returncode
    places = [str(shop.host), str(shop.image)]
    mine, theirs = (comparable_lines(run.stdout, places) for run in runs)
    assert "\n".join(_said(mine)) == "\n".join(_said(theirs))


@pytest.mark.soak
def test_several_containers(shop: Project) -> None:
    """`breakpoint()` works in each of them, one at a time; with ``--pdb`` there is one container."""
    shop.settings("dockerci_workers = 2")
    further = "".join(f"def test_{n}(): pass\n" for n in range(20))
    shop.write("tests/test_shop.py", "def test_a():\n    breakpoint()\n    assert True\n" + further)
    shop.write("tests/test_more.py", "def test_b():\n    breakpoint()\n    assert True\n" + further)
    session = through_the_plugin(shop)
    for _ in range(2):
        session.type("import os; 'container ' + os.environ['DOCKERCI_WORKER']")
        session.see("'container ")
        session.type("c")
    assert session.end() == 0
    assert {"'container 0'", "'container 1'"} <= set(session.text.splitlines())
    session = through_the_plugin(shop, "--pdb", "-k", "test_a")
    session.type("c")
    assert session.end() == 0
    assert "the suite runs inside a container" in session.text


def test_host_tests(project: Project) -> None:
    """They have their own debugger, where they run; a container's test does not open it once more."""
    project.settings("dockerci_suite = tests", suite="tests host")
    project.write("tests/test_in.py", "def test_in(): assert 1 == 2\n")
    project.write("host/test_out.py", "def test_out():\n    place = 'here'\n    assert place == 'there'\n")
    session = through_the_plugin(project, "--pdb")
    session.type("c")
    session.type("p place")
    session.see("'here'")
    session.type("c")
    assert session.end() == pytest.ExitCode.TESTS_FAILED
    assert session.text.count("PDB post_mortem") == 2
    assert "2 failed" in session.text


def test_a_collection_that_fails(project: Project) -> None:
    """With ``--pdb`` it opens the debugger in the container."""
    project.write("tests/test_bad.py", "answer = 41\nassert answer == 42\n")
    session = through_the_plugin(project, "--pdb")
    session.type("p answer")
    session.see("41")
    session.type("q")
    assert session.end() == pytest.ExitCode.INTERRUPTED
    assert "Traceback" not in session.text
