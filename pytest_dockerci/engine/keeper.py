"""Starts and dismisses the keeper: the process on the host that removes a kept stack when its time is up.

What it does is in `keeper_process`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pytest_dockerci.engine import keeper_process
from pytest_dockerci.kept_stack import KEPT_FILE


def ensure_keeper(folder: Path, environ: Mapping[str, str]) -> None:
    """Start the keeper of a kept stack, unless it runs.

    Args:
        folder: Of the run that made the stack; everything is written down there by now.
        environ: Its whole environment; names the engine.
    """
    if _is_watched(folder):
        return
    with contextlib.suppress(FileExistsError):
        os.mkfifo(folder / keeper_process.BELL, 0o600)
    argv = [sys.executable, "-I", "-S", str(keeper_process.__file__), str(folder)]
    # It outlives this process, which has nothing to wait for.
    os.posix_spawn(
        sys.executable,
        argv,
        dict(environ),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (
                os.POSIX_SPAWN_OPEN,
                2,
                str(folder / "keeper.log"),
                os.O_WRONLY | os.O_CREAT | os.O_APPEND,
                0o600,
            ),
        ],
    )


def _is_watched(folder: Path) -> bool:
    with (folder / keeper_process.LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def dismiss_keeper(folder: Path) -> None:
    """The stack is gone: what was written down of it goes, and its keeper, which looks when it is woken."""
    (folder / KEPT_FILE).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # there is none
        bell = os.open(folder / keeper_process.BELL, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(bell, b".")
        finally:
            os.close(bell)
