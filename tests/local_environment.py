"""The real agent as a local process: everything but Docker, for fast tests of the suite's side."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dockerci.build_inputs import BuildInputs
from pytest_dockerci.engine_environment import ENVIRONMENT_FACTORY, take_secrets
from pytest_dockerci.errors import ImageBuildError, NotRunError, ServiceNotReadyError
from pytest_dockerci.last_image import LastImage

if TYPE_CHECKING:
    from pytest_dockerci.engine.command_container import CommandEnd
    from pytest_dockerci.engine.container_files import FoundFile
    from pytest_dockerci.settings import Settings


# A container has nothing of the host's environment; here, what would tell a plugin that an IDE or CI listens must go.
_NOT_IN_CONTAINERS = ("PYCHARM_", "TEAMCITY_", "TEST_RUN_PIPE", "GITHUB_")


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

    def read(self, timeout_seconds: float) -> bytes:
        """As `ByteStream.read`."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], timeout_seconds)[0]:
            raise TimeoutError
        return self._process.stdout.read(1 << 16) or b""

    def trouble(self) -> str:
        """As `ByteStream.trouble`: nobody watches a process from outside."""
        return ""

    def write(self, data: bytes, /) -> None:
        """As `ByteStream.write`."""
        assert self._process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[self._process.stdin.write(view) :]

    def close(self) -> None:
        """Hang up and wait for the agent's end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()

    def stderr_tail(self) -> str:
        """Nothing is kept of it."""
        return ""


class LocalCommand:
    """A command that runs as a child process, as `commands.execution.Container`."""

    image_id = "sha256:local"

    def __init__(self, argv: Sequence[str], environ: dict[str, str], root: Path) -> None:
        self._argv = argv
        self._environ = environ
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._open: dict[Any, int] = {}
        self._started_at = 0.0

    def start(self) -> None:
        """Start it."""
        self._started_at = time.time()
        try:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environ,
                cwd=self._root,
                start_new_session=True,
            )
        except OSError as error:
            raise NotRunError("the command could not be started", why=str(error)) from error
        self._open = {self._process.stdout: 1, self._process.stderr: 2}

    def read_piece(self, timeout_seconds: float) -> tuple[int, bytes] | None:
        """Stream number and bytes."""
        while self._open:
            ready = select.select(list(self._open), [], [], timeout_seconds)[0]
            if not ready:
                raise TimeoutError
            data = os.read(ready[0].fileno(), 1 << 16)
            if data:
                return self._open[ready[0]], data
            del self._open[ready[0]]
        return None

    def kill(self, signal_name: str) -> None:
        """Send a signal to all of it."""
        assert self._process is not None
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.Signals[f"SIG{signal_name}"])

    def trouble(self) -> str:
        """Nobody watches a process from outside."""
        return ""

    def end(self, timeout_seconds: float) -> CommandEnd | None:
        """How it ended."""
        # Its module loads Docker's client, which hundreds of runs without a command have no use for.
        from pytest_dockerci.engine.command_container import CommandEnd  # noqa: PLC0415

        assert self._process is not None
        try:
            code = self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None
        return CommandEnd(
            exit_code=code if code >= 0 else 128 - code,
            is_out_of_memory=False,
            image_id=self.image_id,
            started_at=self._started_at,
        )

    def files(self, path: str) -> Iterator[FoundFile]:
        """What it has written."""
        from pytest_dockerci.engine.container_files import FoundFile  # noqa: PLC0415 - as above

        for file in sorted(self._root.glob(path)):
            yield FoundFile(path=path, data=file.read_bytes(), changed_at=file.stat().st_mtime)

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self.kill("KILL")
            self._process.wait()
            for pipe in (self._process.stdout, self._process.stderr):
                if pipe is not None:
                    pipe.close()


class LocalEnvironment:
    """Stands where `engine.environment.Environment` stands; the "container" is a folder of this machine.

    Args:
        settings: As the plugin read them.
        root: What stands for the image's folder; the suite is laid over it, unless it is rootdir itself.
    """

    def __init__(self, settings: Settings, root: Path) -> None:
        self.root = root
        self._settings = settings
        self.image = SimpleNamespace(
            id="sha256:local",
            short_id="0" * 12,
            tags=("local:test",),
            built_seconds=float(os.environ.get("DOCKERCI_TEST_BUILT_SECONDS", "0")),
            commit=os.environ.get("DOCKERCI_TEST_COMMIT"),
            is_dirty="DOCKERCI_TEST_DIRTY" in os.environ,
            is_cached=True,
            python=SimpleNamespace(shown_version="3"),
            container_root=str(root),
            toolkit_path="",
        )
        # What the gate before a push asks; nothing can be pushed.
        self.shipper = SimpleNamespace(
            git=SimpleNamespace(problem=os.environ.get("DOCKERCI_TEST_GIT_PROBLEM", "")), git_tags=tuple
        )
        self.services: dict[str, Any] = {}
        self._environ = dict(settings.environ)
        self.secret_environ = take_secrets(settings.secrets, self._environ, os.environ)
        self.is_closed = False

    def start(self) -> None:
        """Lay the host's suite and configuration file over the image."""
        failure = os.environ.get("DOCKERCI_TEST_START_FAILURE")
        if failure:
            raise ImageBuildError(failure, why="the test said so", fix="leave the variable out")
        (self.root / "started").write_text("")
        rootdir = self._settings.rootdir
        if self.root == rootdir:
            return
        host_only = {str(rootdir / path) for path in self._settings.host_suite}
        for path in self._settings.suite:
            if (rootdir / path).is_dir():
                shutil.copytree(
                    rootdir / path,
                    self.root / path,
                    dirs_exist_ok=True,
                    ignore=lambda folder, names: [name for name in names if f"{folder}/{name}" in host_only],
                )
            else:
                shutil.copy(rootdir / path, self.root / path)
        if self._settings.config_file is not None:
            shutil.copy(rootdir / self._settings.config_file, self.root / self._settings.config_file)

    def image_record(self) -> LastImage:
        """The image as the next listing will want to know it: built from all of rootdir but the suite."""
        settings = self._settings
        laid_over = [*settings.suite, *([settings.config_file] if settings.config_file else [])]
        inputs = BuildInputs(
            contexts=(settings.rootdir,), left_out=tuple(settings.rootdir / path for path in laid_over)
        )
        return LastImage(
            service=settings.service,
            id=f"sha256:{'0' * 64}",
            tags=self.image.tags,
            commit=None,
            is_dirty=False,
            made_at=time.time(),
            inputs=inputs,
            fingerprint=inputs.fingerprint(),
        )

    def describe(self) -> dict[str, Any]:
        """Nothing has to be known of it."""
        return {}

    def wait_ready(self) -> tuple[Any, ...]:
        """Nothing has to be waited for, unless a test wants a service that never comes."""
        failure = os.environ.get("DOCKERCI_TEST_READY_FAILURE")
        if failure:
            raise ServiceNotReadyError(failure, why="the test said so")
        return ()

    def watch_over(self, tell: Any) -> None:
        """There are no services."""

    def container(self, worker: int) -> Any:
        """What `dockerci_container` gives."""
        return SimpleNamespace(name=f"local-test-{worker}", image_id=lambda: self.image.id)

    def exec_python(self, worker: int, args: Sequence[str]) -> LocalStream:
        """The channel to a new agent."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(_NOT_IN_CONTAINERS)
        }
        environ = {**inherited, **self._environ, "DOCKERCI": "1", "DOCKERCI_WORKER": str(worker)}
        environ.pop("PYTEST_CURRENT_TEST", None)
        for name in [name for name in environ if name.startswith("COVERAGE_")]:
            del environ[
                name
            ]  # coverage on the host sets them for children of its process; no container is one
        # The image's Python, where a test needs one that lacks the host's plugins.
        python = os.environ.get("DOCKERCI_TEST_CONTAINER_PYTHON", sys.executable)
        return LocalStream([python, *args], environ, self.root)

    def command(self, number: int) -> LocalCommand:
        """A command as a child process."""
        command = next(each for each in self._settings.commands if each.number == number)
        return LocalCommand(command.argv, {**os.environ, **self._environ, **self.secret_environ}, self.root)

    def close(self, *, fast: bool = False) -> tuple[str, ...]:
        """What is left behind: whatever the test says, to see how that is reported."""
        self.is_closed = True
        return tuple(os.environ.get("DOCKERCI_TEST_LEFTOVERS", "").split())


class AttachedLocalEnvironment(LocalEnvironment):
    """The same in a worker of pytest-xdist: its controller has laid the suite already."""

    def start(self) -> None:
        """Do nothing."""


def pytest_configure(config: pytest.Config) -> None:
    """Loaded with ``-p``: the "image" is the folder that DOCKERCI_TEST_CONTAINER_ROOT names, or rootdir itself."""
    root = Path(os.environ.get("DOCKERCI_TEST_CONTAINER_ROOT", config.rootpath))
    kind = AttachedLocalEnvironment if hasattr(config, "workerinput") else LocalEnvironment
    factory: Any = lambda config, settings, *_: kind(settings, root)  # noqa: E731 - fits the line
    config.stash[ENVIRONMENT_FACTORY] = factory
