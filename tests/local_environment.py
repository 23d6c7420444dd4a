"""The real agent as a local process: everything but Docker, for fast tests of the suite's side."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_dockerci.host_run import ENVIRONMENT_FACTORY


class LocalStream:
    """The channel to an agent that runs as a child process."""

    def __init__(self, argv: Sequence[str], environ: dict[str, str], cwd: Path) -> None:
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=environ,
            cwd=cwd,
            start_new_session=True,
        )

    def read(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.read(1 << 16) or b""

    def write(self, data: bytes, /) -> None:
        assert self._process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[self._process.stdin.write(view) :]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()

    def stderr_tail(self) -> str:
        return ""


class LocalEnvironment:
    """Stands where `engine.environment.Environment` stands; the "container" is a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.image = SimpleNamespace(container_root=str(root), toolkit_path=None)
        self.services: dict[str, Any] = {}
        self.is_closed = False

    def start(self) -> None:
        """Nothing has to be started."""

    def wait_ready(self) -> tuple[Any, ...]:
        return ()

    def exec_python(self, worker: int, args: Sequence[str]) -> LocalStream:
        environ = {**os.environ, "DOCKERCI": "1", "DOCKERCI_WORKER": str(worker)}
        environ.pop("PYTEST_CURRENT_TEST", None)
        return LocalStream([sys.executable, *args], environ, self.root)

    def close(self, *, fast: bool = False) -> tuple[str, ...]:
        self.is_closed = True
        return ()


def pytest_configure(config: pytest.Config) -> None:
    """Loaded with ``-p``: the "image" is the folder that DOCKERCI_TEST_CONTAINER_ROOT names, or rootdir itself."""
    root = Path(os.environ.get("DOCKERCI_TEST_CONTAINER_ROOT", config.rootpath))
    config.stash[ENVIRONMENT_FACTORY] = lambda *_: LocalEnvironment(root)  # type: ignore[assignment]
