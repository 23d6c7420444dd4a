"""A program that ends with the process that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from process_state import is_running
from pytest_dockerci.engine import tied_process

ARGV = [sys.executable, "-I", "-S", tied_process.__file__]


def await_file(path: Path) -> str:
    """What is in a file, as soon as something is."""
    deadline = time.monotonic() + 20
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return path.read_text()


@pytest.mark.parametrize("manners", ["", "trap '' TERM; "])
def test_it_ends_when_who_started_it_is_killed(tmp_path: Path, manners: str) -> None:
    """Without a word, and even where the program does not mind TERM; the folder goes, too."""
    folder = tmp_path / "folder"
    folder.mkdir()
    pid_file = tmp_path / "pid"
    script = f"{manners}echo $$ > {pid_file}; touch {folder}/socket; while :; do sleep 0.1; done"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "import subprocess, sys, time\n"
                "subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, start_new_session=True)\n"
                "time.sleep(60)\n"
            ),
            *ARGV,
            str(folder),
            "sh",
            "-c",
            script,
        ]
    )
    pid = int(await_file(pid_file))
    assert is_running(pid)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while is_running(pid) or folder.exists():
        assert time.monotonic() < deadline, f"running: {is_running(pid)}, folder: {folder.exists()}"
        time.sleep(0.01)


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -KILL $$", 128 + signal.SIGKILL)])
def test_it_ends_as_the_program_does(tmp_path: Path, script: str, code: int) -> None:
    """With its exit code, and its standard error."""
    folder = tmp_path / "folder"
    folder.mkdir()
    process = subprocess.Popen(
        [*ARGV, str(folder), "sh", "-c", f"echo why >&2; {script}"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.wait(20) == code
    assert process.stderr is not None
    assert process.stderr.read() == b"why\n"
    assert process.stdin is not None
    process.stdin.close()
    process.stderr.close()
    assert not folder.exists()


@pytest.mark.parametrize(("number", "code"), [("HUP", 7), ("INT", 7), ("TERM", 128 + signal.SIGTERM)])
def test_a_signal_that_comes_at_once(tmp_path: Path, number: str, code: int) -> None:
    """The program is never left behind: it is looked after from before it runs."""
    script = f"kill -{number} $PPID; sleep 0.2; exit 7"
    for _ in range(5):
        process = subprocess.Popen(
            [*ARGV, str(tmp_path / "none"), "sh", "-c", script], stdin=subprocess.PIPE, start_new_session=True
        )
        assert process.wait(20) == code
        assert process.stdin is not None
        process.stdin.close()


def test_ctrl_c_is_for_who_started_it(tmp_path: Path) -> None:
    """The program goes on, and minds signals as any other does; TERM is handed on to it."""
    pid_file = tmp_path / "pid"
    process = subprocess.Popen(
        [*ARGV, str(tmp_path / "none"), "sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait"],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    await_file(pid_file)
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGTERM
    assert process.stdin is not None
    process.stdin.close()
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
