"""The programs that run while things are brought up, and what an ending signal does to them."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO

ENDING_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


class ChildProcesses:
    """Children by which several threads work; once they are ended, no new one starts."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ending = False
        self._lock = threading.Lock()

    @contextmanager
    def started(
        self,
        argv: Sequence[str],
        *,
        output: IO[bytes],
        stdin: IO[bytes] | int | None = subprocess.DEVNULL,
        stdout: IO[bytes] | int | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A child for as long as the block lasts; it is ended if it still runs then.

        Args:
            argv: The command.
            output: Where its errors go, and what it prints unless `stdout` says otherwise.
            stdin: Where it reads from.
            stdout: Where it prints, default `output`.
            environ: Its whole environment, default ours.

        Raises:
            OSError: There is no such program.
            InterruptedError: An ending signal came before.
        """
        with self._lock:
            if self._ending:
                raise InterruptedError(f"{argv[0]} is not started any more: an ending signal came")
            # A group of its own: ending it reaches the programs that it runs in turn.
            child = subprocess.Popen(
                argv,
                stdin=stdin,
                stdout=output if stdout is None else stdout,
                stderr=output,
                env=environ,
                start_new_session=True,
            )
            self._running.add(child)
        try:
            yield child
        finally:
            if child.poll() is None:
                _end_group(child)
                child.wait()
            with self._lock:
                self._running.discard(child)

    def end(self) -> None:
        """End all of them. Called by a signal's handler, so it takes no lock."""
        self._ending = True
        for child in tuple(self._running):
            _end_group(child)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """Ask a child and all that it started to end."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)


CHILDREN = ChildProcesses()


def run_unbroken(argv: Sequence[str], *, output: IO[bytes], environ: Mapping[str, str] | None = None) -> int:
    """Run a command that must not be broken off (a package installation); signals take effect after it.

    Args:
        argv: The command.
        output: Where everything that it says goes.
        environ: Its whole environment, default ours.

    Returns:
        Its exit code.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)

    def restore() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        # In a session of its own Ctrl-C does not reach it; what it starts must not inherit the blocked signals.
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environ,
            start_new_session=True,
            preexec_fn=restore,  # no other thread runs yet
            check=False,
        ).returncode
    finally:
        restore()
