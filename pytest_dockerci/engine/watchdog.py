"""The watchdog: a process on the host that removes the run when pytest is gone without having done so.

It waits at a pipe that only pytest holds open. While pytest lives it imports nothing and does nothing;
what it does then is in `watchdog_process`.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dockerci.engine import watchdog_process

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.labels import RunIdentity
    from pytest_dockerci.engine.plain_engine import PlainEngine

_END_SECONDS = 2.0


class Watchdog:
    """The watchdog of one run.

    Args:
        engine: The engine.
        identity: The run.
        folder: The run's folder; removed with the rest.
    """

    def __init__(self, engine: Engine | PlainEngine, identity: RunIdentity, folder: Path) -> None:
        # Found on the command line by its run, whatever else runs on the machine.
        argv = [sys.executable, "-I", "-S", str(watchdog_process.__file__), identity.project]
        with (folder / "watchdog.log").open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd="/",
                env=engine.lasting_environ,
                start_new_session=True,
            )
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._lock = threading.Lock()
        self._pipe: int | None = self._process.stdin.fileno()
        # A forked child of pytest would hold the pipe open, and the watchdog would wait for that one's end.
        os.register_at_fork(after_in_child=self._let_go)
        plan = {
            "sys_path": sys.path,
            "engine": engine.facts,
            "identity": asdict(identity),
            "run_folder": str(folder),
        }
        self._write(json.dumps(plan))

    def note_started(self, pid: int) -> None:
        """A command has been started, in a process group of its own."""
        self._write(f"+{pid}")

    def note_ended(self, pid: int) -> None:
        """It has ended."""
        self._write(f"-{pid}")

    def close(self) -> None:
        """Send it home: there is nothing left to watch over."""
        self._write(watchdog_process.DONE)
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        with self._lock, contextlib.suppress(OSError):
            self._pipe = None  # its number is anybody's from now on
            self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _write(self, line: str) -> None:
        # Killed by somebody, it leaves us the other nets.
        with self._lock, contextlib.suppress(OSError):
            if self._pipe is not None:
                os.write(self._pipe, f"{line}\n".encode("ascii"))

    def _let_go(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
