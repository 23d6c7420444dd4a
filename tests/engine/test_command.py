"""Command-line programs, with real processes."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from process_state import is_running
from pytest_dockerci.engine.command import Commands, mask_secrets, masked_command
from pytest_dockerci.errors import CommandError

PYTHON = [sys.executable, "-u", "-c"]


def test_a_command_gives_both_streams_and_its_exit_code(tmp_path: Path) -> None:
    """Lines are passed on as they come; stdin, folder and environment are as given."""
    lines: list[str] = []
    completed = Commands({**os.environ, "A": "1"}).run(
        [*PYTHON, ("import os, sys; print(sys.stdin.read(), os.getcwd(), os.environ['A'], os.environ['B']);"
         " print('bad', file=sys.stderr); sys.exit(3)")],
        timeout_seconds=20,
        cwd=tmp_path,
        environ={"B": "2"},
        stdin=b"in",
        on_line=lines.append,
    )  # fmt: skip
    assert (completed.exit_code, completed.stdout, completed.stderr) == (3, f"in {tmp_path} 1 2\n", "bad\n")
    assert sorted(lines) == sorted([f"in {tmp_path} 1 2", "bad"])
    assert not completed.is_ok


def test_a_command_is_killed_with_its_children_at_its_limit() -> None:
    """The whole process group ends, also what ignores TERM."""
    program = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)']);"
        "print(child.pid); time.sleep(100)"
    )
    started = time.monotonic()
    completed = Commands(os.environ).run([*PYTHON, program], timeout_seconds=1.0)
    assert completed.timed_out
    assert time.monotonic() - started < 10
    while is_running(int(completed.stdout)):  # its parent is waited for, it is not
        assert time.monotonic() - started < 10
        time.sleep(0.01)


def test_kill_all_ends_what_runs_and_starts_nothing_more() -> None:
    """The thread that waits for the command gets its outcome."""
    commands = Commands(os.environ)
    outcomes: list[int] = []
    thread = threading.Thread(
        target=lambda: outcomes.append(
            commands.run([*PYTHON, "import time; time.sleep(100)"], timeout_seconds=0).exit_code
        )
    )
    thread.start()
    while not commands._running:
        time.sleep(0.01)
    assert commands.kill_all()
    thread.join(10)
    assert outcomes == [-9]
    with pytest.raises(CommandError, match="was not started"):
        commands.run(["true"], timeout_seconds=1)


def test_a_command_has_a_session_of_its_own() -> None:
    """Ctrl-C in the terminal does not reach it."""
    completed = Commands(os.environ).run(
        [*PYTHON, "import os; print(os.getsid(0) == os.getpid())"], timeout_seconds=20
    )
    assert completed.stdout == "True\n"


def test_a_program_that_is_not_there_is_named() -> None:
    """With what to do."""
    with pytest.raises(CommandError) as caught:
        Commands({"PATH": "/nowhere"}).run(["dokker"], timeout_seconds=1)
    assert str(caught.value) == (
        "dokker could not be started\n"
        "  why: No such file or directory: dokker\n"
        "  try: install dokker, or put it on PATH"
    )


def test_an_outcome_tells_itself_without_secrets() -> None:
    """Values that are named like secrets, and passwords in addresses, are masked."""
    completed = Commands(os.environ).run(
        [
            *PYTHON,
            "import sys; sys.exit('fetching https://me:hunter2@host/x with API_TOKEN=abc')",
            "--password",
            "pw",
        ],
        timeout_seconds=20,
    )
    text = str(completed.error("docker failed"))
    assert "hunter2" not in text
    assert "abc" not in text
    assert "--password ***" in text
    assert "https://***@host/x with API_TOKEN=***" in text


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["docker", "login", "--password", "pw", "host"], "docker login --password *** host"),
        (["docker", "build", "--build-arg", "KEY=v", "."], "docker build --build-arg KEY=*** ."),
        (["x", "DB_PASSWORD=pw", "PLAIN=1"], "x DB_PASSWORD=*** PLAIN=1"),
        (["git", "clone", "https://u:p@host/r"], "git clone https://***@host/r"),
        (["x", "y" * 200], "x " + "y" * 117 + "..."),
    ],
)
def test_command_lines_are_masked(argv: list[str], shown: str) -> None:
    """For messages."""
    assert masked_command(argv) == shown


def test_ordinary_text_is_not_masked() -> None:
    """Only values that are named like secrets are."""
    assert mask_secrets("tokenizer ok, 2 keys: a b") == "tokenizer ok, 2 keys: a b"


def test_zombies_are_not_left() -> None:
    """Every process that was started has been waited for."""
    Commands(os.environ).run(["true"], timeout_seconds=10)
    states = []
    for process in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            state, parent = process.read_text().rpartition(")")[2].split()[:2]
            states.append((state, int(parent)))
    assert ("Z", os.getpid()) not in states
