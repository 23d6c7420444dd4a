"""The agents of a kept stack, started before anything is known of the run but that it would use the stack.

Starting Python in a container takes as long as the host takes to load its half of this package: both are done at the
same time. An agent that nobody has told to start a worker only waits; where the run does not use the stack as it is,
it is hung up on, and ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dockerci.agent_program import agent_arguments, bootstrap
from pytest_dockerci.engine.exec_stream import ExecStream, open_exec
from pytest_dockerci.engine.plain_engine import PlainEngine
from pytest_dockerci.errors import DockerCIError
from pytest_dockerci.kept_stack import find_kept, read_kept
from pytest_dockerci.state import state_directory, take_lease

if TYPE_CHECKING:
    from pytest_dockerci.state import Lease


class EarlyStream:
    """The channel to an agent that has been sent already; as `ByteStream`."""

    def __init__(self, stream: ExecStream) -> None:
        self._stream = stream
        self._stream.write(bootstrap())
        self.read = stream.read
        self.close = stream.close
        self.trouble = stream.trouble
        self.stderr_tail = stream.stderr_tail

    def write(self, data: bytes, /) -> None:
        """Write all of it, but for the agent."""
        if data is not bootstrap():
            self._stream.write(data)


class EarlyAgents:
    """One for each container under test of the stack that a project keeps; none where none is kept, or it is in use.

    Args:
        environ: The host's environment.
        rootdir: The project.

    Attributes:
        folder: Of the run that made the stack; None for no stack.
    """

    def __init__(self, environ: Mapping[str, str], rootdir: Path) -> None:
        self.folder: Path | None = None
        self._lease: Lease | None = None
        self._streams: dict[str, EarlyStream] = {}
        try:
            self._begin(environ, rootdir)
        except (DockerCIError, KeyError, TypeError, ValueError):
            self.drop()  # whether the stack can be used, and why not, is found out later

    def _begin(self, environ: Mapping[str, str], rootdir: Path) -> None:
        kept = find_kept(state_directory(environ, rootdir))
        self._lease = None if kept is None else take_lease(kept.folder)
        if kept is None or self._lease is None:
            return
        # The run before may have changed what is written down until it let go.
        now = read_kept(kept.folder)
        if now is None:
            self.drop()
            return
        self._start(environ, now.facts)
        self.folder = now.folder

    def _start(self, environ: Mapping[str, str], facts: Mapping[str, Any]) -> None:
        engine = PlainEngine(environ, facts["engine"])
        image = facts["image"]
        argv = [image["python"]["executable"], *agent_arguments()]
        for container_id, _ in facts["tests"]:
            stream = open_exec(engine, container_id, argv, workdir=image["container_root"])
            self._streams[container_id] = EarlyStream(stream)

    def take_lease(self, folder: Path) -> Lease | None:
        """The stack's lease, as `state.take_lease`."""
        if folder != self.folder:
            return take_lease(folder)
        lease, self._lease = self._lease, None
        return lease

    def take(self, container_id: str) -> EarlyStream | None:
        """The channel to the agent in a container, once."""
        return self._streams.pop(container_id, None)

    def hang_up(self) -> None:
        """End all agents that were not taken. Safe to repeat."""
        while self._streams:
            self._streams.popitem()[1].close()

    def drop(self) -> None:
        """Nothing of it is needed any more. Safe to repeat."""
        self.hang_up()
        if self._lease is not None:
            self._lease.release()
            self._lease = None
