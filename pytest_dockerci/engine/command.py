"""Command-line programs: docker, git and uv. The only place that starts processes on the host.

Each program gets a session of its own, so that Ctrl-C in the terminal reaches pytest alone,
which then decides about them; `Commands.kill_all` ends every one that still runs.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from pytest_dockerci.engine.cli_plugins import plugin_call
from pytest_dockerci.errors import CommandError
from pytest_dockerci.masking import hide

_NAMED_SECRET = r"[\w.-]*(?:passw(?:or)?d|secret|token|api_?key|credential|private_?key)[\w.-]*"  # noqa: S105 - a pattern
_SECRET_ASSIGNMENT = re.compile(rf"(?i)\b({_NAMED_SECRET}\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|\S+)")
_SECRET_OPTION = re.compile(rf"(?i)(--?{_NAMED_SECRET}|--build-arg)\Z")
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s@:]*:[^/\s@]+@")
_KILL_GRACE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What came of a command.

    Attributes:
        argv: The command, as it was run.
        exit_code: Negative when a signal ended it.
        stdout: All of it; bytes that are not UTF-8 are replaced.
        stderr: All of it.
        timed_out: It was killed at its time limit.
        seconds: How long it ran.
    """

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    timed_out: bool
    seconds: float

    @property
    def is_ok(self) -> bool:
        """It ended by itself with exit code 0."""
        return self.exit_code == 0 and not self.timed_out

    def error(self, what: str = "", *, fix: str = "") -> CommandError:
        """An error that tells this outcome; secrets in the command line are masked."""
        command = masked_command(self.argv)
        if self.timed_out:
            why = f"`{command}` did not end within {self.seconds:.0f} s"
        else:
            why = f"`{command}` ended with exit code {self.exit_code}"
        lines = mask_secrets(self.stderr or self.stdout).strip().splitlines()
        return CommandError(what or f"{self.argv[0]} failed", why=why, fix=fix, output=lines)


class Witness(Protocol):
    """Who is told of each command."""

    def note_started(self, pid: int) -> None:
        """It runs, as the leader of a process group."""

    def note_ended(self, pid: int) -> None:
        """It has ended."""


class Commands:
    """Runs commands with one environment, and knows those that still run.

    Args:
        environ: The whole environment of every command.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = dict(environ)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_closed = False
        self._witness: Witness | None = None

    def tell(self, witness: Witness) -> None:
        """From now on, tell somebody of each command: one who ends it should this process be killed."""
        self._witness = witness

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_seconds: float,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a command to its end.

        Args:
            argv: Program and arguments; never a shell line.
            timeout_seconds: The command's whole process group is killed after it; 0 for no limit.
            cwd: Where it runs.
            environ: Added to the environment of `Commands`.
            stdin: What it reads.
            on_line: Called, from another thread, with each line of either stream as it comes.

        Raises:
            CommandError: The program is not there, or `kill_all` was called before.
        """
        started = time.monotonic()
        process = self._start(argv, cwd=cwd, environ={**self.environ, **(environ or {})})
        outputs: dict[str, list[str]] = {"stdout": [], "stderr": []}
        readers = [
            threading.Thread(target=_read_lines, args=(pipe, outputs[name], on_line), daemon=True)
            for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr))
        ]
        for reader in readers:
            reader.start()
        timed_out = False
        try:
            _feed(process.stdin, stdin)
            process.wait(timeout_seconds or None)
        except subprocess.TimeoutExpired:
            timed_out = True
            _kill_group(process, grace_seconds=_KILL_GRACE_SECONDS)
        except BaseException:
            _kill_group(process, grace_seconds=0)
            raise
        finally:
            with self._lock:
                self._running.discard(process)
            if self._witness is not None:
                self._witness.note_ended(process.pid)
        for reader in readers:
            reader.join(_KILL_GRACE_SECONDS)
        return Completed(
            argv=tuple(argv),
            exit_code=process.wait(),
            stdout="".join(outputs["stdout"]),
            stderr="".join(outputs["stderr"]),
            timed_out=timed_out,
            seconds=time.monotonic() - started,
        )

    def kill_all(self) -> bool:
        """End what still runs, with all its children, and start nothing any more.

        Returns:
            True when something still ran.
        """
        with self._lock:
            self._is_closed = True
            running = tuple(self._running)
        for process in running:
            _kill_group(process, grace_seconds=0)
        return bool(running)

    def _start(
        self, argv: Sequence[str], *, cwd: Path | None, environ: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_closed:
                raise CommandError(f"{argv[0]} was not started", why="the run is ending")
            called, added = plugin_call(argv, environ)
            try:
                process = subprocess.Popen(
                    called,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=cwd,
                    env={**environ, **added},
                    start_new_session=True,
                )
            except OSError as error:
                raise CommandError(
                    f"{argv[0]} could not be started",
                    why=f"{error.strerror}: {error.filename}",
                    fix=f"install {argv[0]}, or put it on PATH",
                ) from error
            self._running.add(process)
            if self._witness is not None:
                self._witness.note_started(process.pid)
            return process


def mask_secrets(text: str) -> str:
    """The text without known secrets, without values that are named like one, and without passwords in addresses."""
    return _USERINFO.sub(r"\1***@", _SECRET_ASSIGNMENT.sub(r"\1***", hide(text)))


def masked_command(argv: Sequence[str]) -> str:
    """A command line for messages: secrets masked, long arguments cut."""
    words = []
    hide_next = False
    for word in argv:
        if hide_next:
            name, separator, _ = word.partition("=")
            words.append(f"{name}=***" if separator else "***")
        else:
            shown = mask_secrets(word)
            words.append(shown if len(shown) <= 120 else shown[:117] + "...")  # noqa: PLR2004 - a line of a terminal
        hide_next = bool(_SECRET_OPTION.match(word))
    return " ".join(words)


def _feed(pipe: IO[bytes] | None, data: bytes) -> None:
    if pipe is None:
        return
    try:
        pipe.write(data)
        pipe.close()
    except BrokenPipeError:
        pass


def _read_lines(pipe: IO[bytes], lines: list[str], on_line: Callable[[str], None] | None) -> None:
    with pipe:
        for raw in pipe:
            line = raw.decode("utf-8", "replace")
            lines.append(line)
            if on_line is not None:
                on_line(line.rstrip("\r\n"))


def _kill_group(process: subprocess.Popen[bytes], *, grace_seconds: float) -> None:
    """TERM, a moment, KILL; each to the whole process group. Docker's programs cancel their request on TERM."""
    if grace_seconds:
        _signal_group(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
