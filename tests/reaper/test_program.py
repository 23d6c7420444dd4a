"""What the reaper does, by its own program: scripted answers of an engine, real pipes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from pytest_dockerci.reaper import program

LABELS = ["run=r1", "nonce=n1"]
OWN_ID = "0123456789ab"
Answer = tuple[int, Any]


class ScriptedEngine:
    """Answers listings one after the other, the last one for ever, and notes what it is asked to remove.

    Args:
        passes: For each pass its containers, networks and volumes; an error is raised instead.
    """

    def __init__(self, *passes: tuple[list[str], list[str], list[str]] | Exception) -> None:
        self._passes = list(passes)
        self.removed: list[str] = []
        self.listed = 0
        self.filters: set[str] = set()

    def __call__(self, method: str, path: str) -> Answer:
        """Answer a request."""
        if method == "DELETE":
            self.removed.append(path)
            return 204, None
        self.filters.add(unquote(path.partition("filters=")[2]))
        now = self._passes[min(self.listed, len(self._passes) - 1)]
        if isinstance(now, Exception):
            self.listed += 1
            raise now
        containers, networks, volumes = now
        if path.startswith("/containers"):
            return 200, [{"Id": name} for name in containers]
        if path.startswith("/networks"):
            return 200, [{"Id": name} for name in networks]
        self.listed += 1
        return 200, {"Volumes": [{"Name": name} for name in volumes] or None}


NOTHING: tuple[list[str], list[str], list[str]] = ([], [], [])


def swept(engine: ScriptedEngine) -> list[tuple[str, str]]:
    """Sweep without waiting."""
    return program.sweep(engine, LABELS, OWN_ID, pause=lambda _: None)


def test_all_kinds_go_containers_first() -> None:
    """With their anonymous volumes, and whatever uses them."""
    engine = ScriptedEngine((["c1", f"{OWN_ID}cdef"], ["n1"], ["v/1"]), NOTHING)
    assert swept(engine) == []
    assert engine.removed == ["/containers/c1?force=1&v=1", "/networks/n1", "/volumes/v%2F1?force=1"]


def test_only_what_carries_both_labels_is_asked_for() -> None:
    """Run and nonce; nothing else is ever listed."""
    engine = ScriptedEngine(NOTHING)
    swept(engine)
    assert {json.dumps(json.loads(text)) for text in engine.filters} == {json.dumps({"label": LABELS})}


@pytest.mark.parametrize(
    ("passes", "listings"),
    [
        ([NOTHING], 3),
        ([(["c1"], [], []), NOTHING], 4),
        # what a killed client's request creates late is found, and the count begins anew
        ([NOTHING, NOTHING, ([], ["n1"], []), NOTHING], 6),
        # an engine that does not answer for a moment has shown nothing
        ([NOTHING, NOTHING, OSError("refused"), NOTHING], 6),
    ],
)
def test_it_goes_on_until_three_passes_in_a_row_found_nothing(passes: list[Any], listings: int) -> None:
    """Not one fewer."""
    engine = ScriptedEngine(*passes)
    assert swept(engine) == []
    assert engine.listed == listings


def test_a_refused_listing_is_no_empty_one() -> None:
    """An error of the engine's is not taken for nothing."""
    with pytest.raises(OSError, match="GET /containers/json: 500"):
        program.list_things(lambda *_: (500, {"message": "no"}), LABELS, OWN_ID)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe's ends: to read from, to write to."""
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(end)


def test_the_end_of_the_input_is_the_hosts_end(pipe: tuple[int, int]) -> None:
    """At once."""
    os.close(pipe[1])
    assert program.wait_for_end(pipe[0], 60) == "end"


def test_silence_is_the_hosts_end(pipe: tuple[int, int]) -> None:
    """A host that sleeps, or whose connection is cut on the way, says nothing for ever."""
    assert program.wait_for_end(pipe[0], 0.05) == "silence"


def test_a_host_that_speaks_lives(pipe: tuple[int, int]) -> None:
    """Each byte renews the lease."""
    reading, writing = pipe

    def speak() -> None:
        for _ in range(8):
            time.sleep(0.1)
            os.write(writing, b".")
        os.close(writing)

    began = time.monotonic()
    speaking = threading.Thread(target=speak)
    speaking.start()
    assert program.wait_for_end(reading, 0.5) == "end"
    speaking.join()
    assert time.monotonic() - began >= 0.8


def test_a_host_that_hangs_up_at_once() -> None:
    """There is nothing to remove, and nobody to tell whose."""
    process = subprocess.run(
        [sys.executable, "-I", "-S", str(program.__file__)],
        input=b"",
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert process.returncode == 1
    assert process.stderr == b"dockerci: the host hung up before it said whose objects these are\n"


def test_ready_is_said_only_when_the_engine_has_answered(tmp_path: Any) -> None:
    """Without the socket there is no reaper, and the run has to know."""
    plan = {"socket": str(tmp_path / "none.sock"), "labels": LABELS, "lease_seconds": 30}
    process = subprocess.run(
        [sys.executable, "-I", "-S", str(program.__file__)],
        input=json.dumps(plan).encode() + b"\n",
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert process.stdout == b""
    assert b"No such file" in process.stderr.splitlines()[-1]
