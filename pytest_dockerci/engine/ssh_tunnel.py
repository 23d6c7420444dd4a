"""An engine on a machine that `ssh` reaches: its socket, forwarded to a private one here.

One connection serves the SDK, Docker's command line and every stream, as a socket of this machine would.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from pytest_dockerci.engine import tied_process
from pytest_dockerci.engine.endpoint import Endpoint
from pytest_dockerci.engine.ssh_address import parse_ssh_address, ssh_argv, ssh_failure
from pytest_dockerci.errors import EngineUnreachableError

_SOCKET = "docker.sock"
_READY_SECONDS = 30.0
_POLL_SECONDS = 0.005
_END_SECONDS = 3.0
# What goes through a tunnel ends a moment before ssh does, and ssh before what it is tied to.
_END_LOOK_SECONDS = 0.5
# One that did not come back just now is not tried again at each of many calls.
_PAUSE_SECONDS = 3.0
# A socket's path: 104 bytes on macOS, with the end (unix(4)); ssh needs no more than that.
_MAX_PATH_BYTES = 103


class SshTunnel:
    """The forwarded socket of one engine; ends with this process, whatever ends that.

    Args:
        target: An ``ssh://`` endpoint.
        environ: For `ssh`: its agent, and the PATH that it is on.

    Raises:
        EngineUnreachableError: The address is none, or there is no ssh.
    """

    def __init__(self, target: Endpoint, environ: Mapping[str, str]) -> None:
        self._target = target
        self._address = parse_ssh_address(target.url, target.shown)
        self._environ = dict(environ)
        program = shutil.which("ssh", path=environ.get("PATH"))
        if program is None:
            raise EngineUnreachableError(
                f"the engine at {target.shown} cannot be reached",
                why="there is no ssh on PATH",
                fix="install OpenSSH's client (Debian: openssh-client)",
            )
        self._program = program
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path()
        self._said = ""
        self._breaks: list[str] = []
        self._failed_monotonic = float("-inf")
        self._is_closed = False
        # A forked child of pytest would hold the pipe open, and ssh would outlive pytest.
        os.register_at_fork(after_in_child=self._let_go)

    @property
    def near_end(self) -> Endpoint:
        """Our own end, as an engine's endpoint; the same for as long as the tunnel is used."""
        return Endpoint(
            url=f"unix://{self._folder / _SOCKET}", source=self._target.source, tunnel_to=self._target
        )

    def open(self) -> None:
        """Open it; returns when ssh has logged in. Safe to repeat: one that has broken is opened again.

        Raises:
            EngineUnreachableError: ssh does not get there; why is in its words.
        """
        with self._lock:
            if self._is_closed or (self._process is not None and self._process.poll() is None):
                return
            self._note_break()
            if time.monotonic() < self._failed_monotonic + _PAUSE_SECONDS:
                raise self.failure()
            try:
                self._start()
            except BaseException:
                self._failed_monotonic = time.monotonic()
                self._end()
                raise

    def failure(self) -> EngineUnreachableError:
        """What is wrong, from what ssh has said until now."""
        return ssh_failure(self._address, self._target.shown, self._said)

    def refusal(self) -> EngineUnreachableError:
        """Why the far end hangs up at once; ssh may say so a moment later."""
        deadline = time.monotonic() + _END_LOOK_SECONDS
        while "open failed" not in self._said and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return self.failure()

    @property
    def breaks(self) -> int:
        """How often it has broken; to be kept beside what goes through it, for `broken_since`."""
        return len(self._breaks)

    def broken_since(self, breaks: int, look_seconds: float = _END_LOOK_SECONDS) -> str:
        """How the connection ended since then, in ssh's words; empty while it has stood.

        Args:
            breaks: What `breaks` was then.
            look_seconds: How long to look for an end that something else tells of already.
        """
        process = self._process
        if process is not None and not self._is_closed and len(self._breaks) == breaks:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(look_seconds)
                return _shown_end(process, self._said)
        return self._breaks[-1] if len(self._breaks) > breaks else ""

    def close(self) -> None:
        """End it. Safe to repeat."""
        with self._lock:
            self._is_closed = True
            self._end()

    def _note_break(self) -> None:
        if self._process is not None and self._process.stdin is not None and not self._process.stdin.closed:
            self._breaks.append(_shown_end(self._process, self._said))
            self._process.stdin.close()

    def _start(self) -> None:
        if not self._folder.name:
            self._folder = _private_folder()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / _SOCKET
        path.unlink(missing_ok=True)
        argv = ssh_argv(self._address, str(path))
        argv[0] = self._program
        self._said = ""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(tied_process.__file__), str(self._folder), *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            env=self._environ,
            start_new_session=True,
        )
        listener = threading.Thread(
            target=self._listen, args=(self._process,), name="dockerci ssh", daemon=True
        )
        listener.start()
        deadline = time.monotonic() + _READY_SECONDS
        while not path.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                listener.join(_POLL_SECONDS * 20)
                raise self.failure()
            time.sleep(_POLL_SECONDS)

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        with process.stderr as pipe:
            for line in pipe:
                if process is self._process:
                    self._said = (self._said + line.decode("utf-8", "replace"))[-8192:]

    def _end(self) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _let_go(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


def _shown_end(process: subprocess.Popen[bytes], said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return f"ssh ended: {lines[-1].strip()}" if lines else f"ssh ended with exit code {process.returncode}"


def _private_folder() -> Path:
    """A new folder that only we may look into, with a path short enough for a socket's."""
    folder = Path(tempfile.mkdtemp(prefix="dockerci-ssh-"))
    # ssh binds under the name itself: nothing is added to it.
    if len(os.fsencode(folder / _SOCKET)) <= _MAX_PATH_BYTES:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="dockerci-ssh-", dir="/tmp"))
