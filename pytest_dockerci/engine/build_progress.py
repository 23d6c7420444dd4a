"""BuildKit's progress, as ``--progress rawjson`` prints it, turned into events. Pure.

Source: moby/buildkit `client/graph.go` (`SolveStatus`). buildx 0.13 spreads each object over
several lines, indented; a line that is just ``}`` ends it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_HIDDEN_STEP = re.compile(r"\[[^\]]*\binternal\]|^(?:importing|exporting|resolving|preparing)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A step runs.

    Attributes:
        name: For instance ``[2/4] RUN pip install .``.
    """

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished:
    """A step is done.

    Attributes:
        name: The step.
        seconds: How long it took.
        is_cached: Nothing was done.
    """

    name: str
    seconds: float
    is_cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutput:
    """A line that a running step printed."""

    name: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    """The step that ended the build.

    Attributes:
        name: The step.
        error: BuildKit's words.
        output: What the step printed, by lines.
    """

    name: str
    error: str
    output: tuple[str, ...]


BuildEvent = StepStarted | StepFinished | StepOutput | StepFailed


@dataclass(slots=True)
class _Step:
    name: str
    is_started: bool = False
    is_done: bool = False
    output: list[str] = field(default_factory=list)
    partial: str = ""


class BuildProgress:
    """Fed with the lines of the builder's output, tells what happens.

    Attributes:
        failure: The step that ended the build, once it did.
        remarks: Lines that are no progress: warnings and the final error.
    """

    def __init__(self) -> None:
        self.failure: StepFailed | None = None
        self.remarks: list[str] = []
        self._object_lines: list[str] = []
        self._steps: dict[str, _Step] = {}
        self._ran = 0

    def feed_line(self, line: str) -> Iterator[BuildEvent]:
        """The events that the line completes; internal steps of the builder have none."""
        if not self._object_lines and not line.startswith("{"):
            if line.strip():
                self.remarks.append(line)
            return
        self._object_lines.append(line)
        if not (line.startswith("}") or (len(self._object_lines) == 1 and line.rstrip().endswith("}"))):
            return
        text = "\n".join(self._object_lines)
        self._object_lines = []
        try:
            status = json.loads(text)
        except ValueError:
            self.remarks.append(text)
            return
        yield from self._feed_status(status)

    @property
    def is_all_cached(self) -> bool:
        """Every visible step so far came from the cache; base images do not count."""
        return self._ran == 0

    def _feed_status(self, status: dict[str, Any]) -> Iterator[BuildEvent]:
        for log in status.get("logs") or []:
            yield from self._feed_log(log)
        for vertex in status.get("vertexes") or []:
            yield from self._feed_vertex(vertex)

    def _feed_log(self, log: dict[str, Any]) -> Iterator[BuildEvent]:
        step = self._steps.get(log["vertex"])
        if step is None:
            return
        text = step.partial + base64.b64decode(log.get("data") or "").decode("utf-8", "replace")
        *lines, step.partial = re.split(r"\r?\n|\r", text)
        for line in lines:
            step.output.append(line)
            if not _HIDDEN_STEP.search(step.name):
                yield StepOutput(name=step.name, line=line)

    def _feed_vertex(self, vertex: dict[str, Any]) -> Iterator[BuildEvent]:
        step = self._steps.setdefault(vertex["digest"], _Step(name=vertex["name"]))
        if vertex.get("error") and self.failure is None and "context canceled" not in vertex["error"]:
            lines = (*step.output, *([step.partial] if step.partial else []))
            self.failure = StepFailed(name=step.name, error=vertex["error"], output=lines)
            step.is_done = True
            yield self.failure
        if _HIDDEN_STEP.search(step.name) or step.is_done:
            return
        if vertex.get("started") and not step.is_started and not vertex.get("cached"):
            step.is_started = True
            yield StepStarted(name=step.name)
        if vertex.get("completed"):
            step.is_done = True
            is_cached = bool(vertex.get("cached"))
            self._ran += not is_cached and "] FROM " not in step.name
            seconds = _seconds_between(vertex.get("started"), vertex["completed"])
            yield StepFinished(name=step.name, seconds=seconds, is_cached=is_cached)


def _seconds_between(started: str | None, completed: str) -> float:
    if not started:
        return 0.0
    return max(0.0, (_time(completed) - _time(started)).total_seconds())


def _time(text: str) -> datetime:
    """RFC 3339 with nanoseconds; Python 3.10 reads only microseconds."""
    match = re.fullmatch(r"(.*?)(?:\.(\d+))?Z", text)
    if match is None:
        return datetime.fromisoformat(text)
    fraction = (match[2] or "0")[:6].ljust(6, "0")
    return datetime.fromisoformat(f"{match[1]}.{fraction}+00:00")
