"""An engine without Docker's client: one that an earlier run has checked, or that has answered and is not checked yet.

For what every 100 ms counts in. Importing this loads no client of Docker's; whoever asks for `client` loads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.connection import require_answer
from pytest_dockerci.engine.endpoint import find_endpoint

if TYPE_CHECKING:
    import docker

    from pytest_dockerci.engine.client import Engine


# What is asked before anything is known, and of what must not ask: every engine that is supported speaks it.
API_FLOOR = (1, 44)


class PlainEngine:
    """Stands for `Engine` where only streams and single questions are needed (`connection`).

    Args:
        environ: The host's environment; names the engine.
        facts: What `Engine.facts` said in the run that checked it, or as much of it as is known.

    Attributes:
        target: Where it listens.
        api_version: The newest API it speaks.
        facts: As given.

    Raises:
        EngineUnreachableError: The environment names a context that cannot be read.
    """

    def __init__(self, environ: Mapping[str, str], facts: Mapping[str, Any]) -> None:
        self.target = find_endpoint(environ)
        self.api_version = tuple(int(part) for part in facts["api_version"])
        self.facts = dict(facts)
        self._environ = environ

    # No tunnel leads to it: stacks are kept on engines of this machine.
    tunnel = None

    def suspect(self) -> None:
        """As `Engine.suspect`."""
        if "whole" in self.__dict__:
            self.whole.suspect()

    def require_unbroken(self) -> None:
        """As `Engine.require_unbroken`."""

    @property
    def endpoint(self) -> str:
        """Where it listens, without credentials."""
        return self.target.shown

    @property
    def child_environ(self) -> dict[str, str]:
        """The whole environment for another process that is to use this engine."""
        return self.target.child_environ(self._environ)

    @property
    def lasting_environ(self) -> dict[str, str]:
        """As `Engine.lasting_environ`."""
        return self.child_environ

    @cached_property
    def whole(self) -> Engine:
        """The same with the SDK's client.

        Raises:
            EngineUnreachableError: It does not answer any more.
        """
        from pytest_dockerci.engine.client import attach_engine  # noqa: PLC0415 - loads Docker's client

        return attach_engine(self._environ, **self.facts)

    @property
    def client(self) -> docker.DockerClient:
        """The SDK's client."""
        return self.whole.client

    def close(self) -> None:
        """Hang up, if anything was opened."""
        if "whole" in self.__dict__:
            self.whole.client.close()


def answering_engine(environ: Mapping[str, str]) -> PlainEngine:
    """The engine that the environment names, which has said who it is. Whether it is new enough is not looked at.

    Raises:
        EngineUnreachableError: The environment names a context that cannot be read.
        OSError: The engine does not answer, or does not know the question.
    """
    said = require_answer(PlainEngine(environ, {"api_version": API_FLOOR}), "GET", "info")
    facts = {"engine_id": said["ID"], "version": said["ServerVersion"], "api_version": API_FLOOR}
    return PlainEngine(environ, facts)
