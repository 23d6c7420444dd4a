"""A plugin of the host's pytest: the real agent as a local process, whose reports lie. Loaded with ``-p``.

Every second test of the suite keeps its reports; those of the others are changed into anything, in good frames.
"""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from chaos import hostile_payloads
from local_environment import LocalEnvironment, LocalStream
from pytest_dockerci.agent import frames, wire
from pytest_dockerci.engine_environment import ENVIRONMENT_FACTORY

_NAMES = (
    *(
        "toterminal",
        "passed",
        "failed",
        "longreprtext",
        "__class__",
        "__dict__",
        "_id",
        "node",
        "wasxfail",
        "when",
    ),
    *(
        "outcome",
        "longrepr",
        "sections",
        "keywords",
        "duration",
        "location",
        "user_properties",
        "nodeid",
        "context",
    ),
    *(
        "$report_type",
        "_report_type",
        "_subtest.context",
        "dockerci_from_container",
        "rerun",
        "extras",
        "start",
    ),
)


class HostileStream:
    """Passes on what an agent says, with other contents."""

    def __init__(self, stream: LocalStream, seed: str) -> None:
        self._stream = stream
        self._chance = random.Random(seed)
        self._preamble: frames.PreambleScanner | None = frames.PreambleScanner()
        self._decoder = wire.Decoder()
        self._encoder = wire.Encoder()

    def read(self, timeout_seconds: float) -> bytes:
        """As `ByteStream.read`."""
        while True:
            data = self._stream.read(timeout_seconds)
            said = b""
            if self._preamble is not None and data:
                rest = self._preamble.feed(data)
                if rest is None:
                    continue
                self._preamble, data, said = None, rest, frames.PREAMBLE
            self._decoder.feed(data)
            said += b"".join(self._encoder.encode(self._changed(each)) for each in self._decoder.messages())
            if said or not data:
                return said

    def _changed(self, message: wire.Message) -> wire.Message:
        match message:
            case wire.Report(index=index) if index % 2 == 0:
                names = [hostile_payloads.text(self._chance) for _ in range(self._chance.randrange(3))]
                return replace(message, data=lied(self._chance, message.data), exception=names)
            case wire.Recorded(index=index) if index % 2 == 0:
                pair = [hostile_payloads.text(self._chance), hostile_payloads.text(self._chance)]
                return replace(message, attributes=dict([pair]), suite=[pair])
            case wire.Warned():
                texts = [each.name for each in fields(message) if each.type is str and each.name != "nodeid"]
                changed: dict[str, Any] = {name: hostile_payloads.text(self._chance) for name in texts}
                return replace(message, **changed, lineno=self._chance.choice((-1, 0, 2**70)))
            case wire.Output():
                return replace(
                    message, stream=self._chance.choice(("stdout", "stderr", "terminal", "../x", "\x00"))
                )
            case _:
                return message

    def write(self, data: bytes, /) -> None:
        """As `ByteStream.write`."""
        self._stream.write(data)

    def trouble(self) -> str:
        """As `ByteStream.trouble`."""
        return ""

    def stderr_tail(self) -> str:
        """As `ByteStream.stderr_tail`."""
        return ""

    def close(self) -> None:
        """As `ByteStream.close`."""
        self._stream.close()


def lied(chance: random.Random, data: dict[str, Any]) -> dict[str, Any]:
    """The data of a report, with something else somewhere in it."""
    changed = copy.deepcopy(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        place: Any = changed
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = chance.choice([*keys, *(_NAMES if place is changed else ())] or [None])
            if key is None:
                break
            below = place[key] if key in keys else None
            if isinstance(below, (dict, list)) and below and chance.random() < 0.7:
                place = below
            elif chance.random() < 0.2 and key in keys:
                del place[key]
                break
            else:
                place[key] = hostile_payloads.value(chance)
                break
    return changed


class HostileEnvironment(LocalEnvironment):
    """Its agents lie."""

    def exec_python(self, worker: int, args: Sequence[str]) -> Any:
        """The channel to a new agent."""
        return HostileStream(super().exec_python(worker, args), f"{os.environ['PAYLOAD_SEED']} {worker}")


def pytest_configure(config: pytest.Config) -> None:
    """The "image" is the folder that DOCKERCI_TEST_CONTAINER_ROOT names."""
    root = Path(os.environ["DOCKERCI_TEST_CONTAINER_ROOT"])
    factory: Any = lambda config, settings, *_: HostileEnvironment(settings, root)  # noqa: E731 - fits the line
    config.stash[ENVIRONMENT_FACTORY] = factory
