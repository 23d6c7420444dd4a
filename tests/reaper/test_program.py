"""What the reaper does, by its own program: scripted answers of an engine, real pipes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from pytest_dockerci.reaper import program
from socket_server import serving

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


@pytest.mark.parametrize("said", [b"keep 7.500\n", b".keep 7.500\n", b"....", b"x" * 99 + b"\n"])
def test_a_host_that_leaves_its_stack(pipe: tuple[int, int], said: bytes) -> None:
    """Its last line says so, whatever signs of life came before; nothing else does."""
    reading, writing = pipe
    os.write(writing, said)
    os.close(writing)
    assert program.wait_for_end(reading, 60) == ("keep 7.500" if b"keep" in said else "end")


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


class LivingEngine:
    """Has things until they are removed; one removal is refused once, another answer is no JSON.

    Attributes:
        asked: Every request, in order.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.things = {"containers": ["c1", socket.gethostname()], "networks": ["n1"], "volumes": ["v1"]}
        self._refuses = True

    def __call__(self, method: str, path: str) -> Answer:
        """Answer a request."""
        self.asked.append(f"{method} {unquote(path)}")
        kind, key = (
            path.partition("?")[0].strip("/").split("/", 1) if path.count("/") > 1 else (path[1:9], "")
        )
        if method == "DELETE":
            if kind == "networks" and self._refuses:
                self._refuses = False
                return 403, {"message": "has active endpoints"}
            self.things[kind].remove(key)
            return 204, None
        if kind == "containers":
            return 200, [{"Id": name} for name in self.things["containers"]]
        if kind == "networks":
            return 200, [{"Id": name} for name in self.things["networks"]]
        return 200, {"Volumes": [{"Name": name} for name in self.things["volumes"]] or None}


@contextmanager
def running(folder: Path, engine: LivingEngine, lease_seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """The program beside an engine, once it has said that it is ready."""
    path = folder / "docker.sock"
    plan = {"socket": str(path), "labels": LABELS, "lease_seconds": lease_seconds}
    with (
        serving(path, engine),
        subprocess.Popen(
            [sys.executable, "-I", "-S", str(program.__file__)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(plan).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"
        yield process


@pytest.mark.parametrize("ends", [True, False], ids=["hangs up", "falls silent"])
def test_the_whole_program(tmp_path: Path, *, ends: bool) -> None:
    """It says that it is ready, does nothing while the host lives, and then removes all but itself."""
    engine = LivingEngine()
    with running(tmp_path, engine, 60 if ends else 0.5) as process:
        assert process.stdin is not None
        filters = json.dumps({"label": LABELS})
        listing = [
            f"GET /containers/json?all=1&filters={filters}",
            f"GET /networks?filters={filters}",
            f"GET /volumes?filters={filters}",
        ]
        assert engine.asked == listing
        if ends:
            time.sleep(0.3)
            assert engine.asked == listing
            process.stdin.close()
        assert process.wait(30) == 0
    assert engine.things == {"containers": [socket.gethostname()], "networks": [], "volumes": []}
    removed = [each for each in engine.asked if each.startswith("DELETE")]
    assert removed == [
        "DELETE /containers/c1?force=1&v=1",
        "DELETE /networks/n1",
        "DELETE /volumes/v1?force=1",
        "DELETE /networks/n1",
    ]


def test_the_whole_program_with_a_stack_that_is_kept(tmp_path: Path) -> None:
    """Removed when its time is up, which begins anew with each run that uses it."""
    engine = LivingEngine()
    with running(tmp_path, engine, 60) as process:
        assert process.stdin is not None
        process.stdin.write(b"keep 3.000\n")
        process.stdin.close()
        for _ in range(4):
            time.sleep(1)
            process.send_signal(program.RENEWAL)
        assert "c1" in engine.things["containers"]
        assert process.wait(30) == 0
    assert engine.things == {"containers": [socket.gethostname()], "networks": [], "volumes": []}


def test_an_answer_that_is_no_json(tmp_path: Path) -> None:
    """It counts by its status; a proxy before an engine may write pages of its own."""
    path = tmp_path / "docker.sock"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def serve() -> None:
        client, _ = listening.accept()
        with client:
            client.recv(4096)
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nsorr")

    serving_one = threading.Thread(target=serve)
    serving_one.start()
    assert program.requester(str(path))("GET", "/x") == (502, None)
    serving_one.join()
    listening.close()


def test_it_gives_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that keeps something for ever does not keep the reaper for ever; what is left is told."""
    monkeypatch.setattr(program, "_LONGEST_SECONDS", 0.3)
    engine = ScriptedEngine((["c1"], [], []))
    began = time.monotonic()
    assert program.sweep(engine, LABELS, OWN_ID, pause=lambda _: time.sleep(0.01)) == [("containers", "c1")]
    assert 0.3 <= time.monotonic() - began < 5


def test_how_long_it_waits_between_passes() -> None:
    """Where something was there, it looks again at once: a network goes when its containers have gone."""
    pauses: list[float] = []
    program.sweep(ScriptedEngine((["c1"], [], []), NOTHING), LABELS, OWN_ID, pause=pauses.append)
    assert pauses == [0.1, 0.7, 0.7, 0.7]


@pytest.mark.parametrize("which", ["containers", "networks", "volumes"])
def test_an_engine_that_lists_nothing_at_all(which: str) -> None:
    """An empty answer is as good as an empty list."""

    def request(_method: str, path: str) -> Answer:
        return 200, None if path.startswith(f"/{which}") else {} if path.startswith("/volumes") else []

    assert program.list_things(request, LABELS, OWN_ID) == []


@pytest.mark.parametrize(
    ("said", "end"),
    [
        (b"...", "end"),
        (b"..keep 3.500\n", "keep 3.500"),
        (b"keep 1\n....", "keep 1"),
        (b"keep 1", "end"),
        (b".kept\n", "end"),
    ],
)
def test_the_last_words_of_the_host(said: bytes, end: str) -> None:
    """A whole line that says for how long; heartbeats may stand before it."""
    read, write = os.pipe()
    os.write(write, said)
    os.close(write)
    assert program.wait_for_end(read, 5.0) == end
    os.close(read)


def test_a_kept_stack_expires_when_no_run_uses_it() -> None:
    """Each use begins the time anew."""
    code = (
        "import signal, time; from pytest_dockerci.reaper import program\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [program.RENEWAL]); print(flush=True)\n"
        "began = time.monotonic(); program.wait_for_expiry(1.0); print(time.monotonic() - began)\n"
    )
    waiting = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == "\n"
    for _ in range(3):
        time.sleep(0.5)
        waiting.send_signal(program.RENEWAL)
    assert float(waiting.communicate(timeout=20)[0]) > 2.0
