"""Whose runs there are on this machine, and which of them go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_dockerci.errors import StateError
from pytest_dockerci.state import find_owners, record_owner, state_directory

# Owns a run, says so, and waits.
OWNER = """
import sys
from pathlib import Path
from pytest_dockerci.state import record_owner
lease = record_owner(Path(sys.argv[1]), "r1", "n1", "engine 1")
{more}
print("owned", flush=True)
input()
"""


def own(state_dir: Path, more: str = "") -> subprocess.Popen[str]:
    """A process that owns a run."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER.format(more=more), str(state_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "owned\n"
    return process


def end(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    """Kill a process, without a word."""
    process.send_signal(number)
    process.wait(10)
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()


def test_a_run_goes_on_while_its_process_lives(tmp_path: Path) -> None:
    """And is dead as soon as that has been killed."""
    process = own(tmp_path / "shop-1")
    [owner] = find_owners(tmp_path, "engine 1")
    assert (owner.run_id, owner.nonce, owner.pid) == ("r1", "n1", process.pid)
    assert owner.is_alive
    assert owner.is_alive  # looking has changed nothing
    end(process)
    assert not owner.is_alive
    assert [owner.run_id for owner in find_owners(tmp_path, "engine 1")] == ["r1"]


def test_the_process_number_proves_nothing(tmp_path: Path) -> None:
    """In another container that shares the folder it is another process, or none."""
    process = own(tmp_path / "shop-1")
    [owner] = find_owners(tmp_path, "engine 1")
    file = owner.folder / "owner.json"
    file.write_text(file.read_text().replace(str(process.pid), "1"))
    [owner] = find_owners(tmp_path, "engine 1")
    assert owner.pid == 1
    assert owner.is_alive
    end(process)
    assert not owner.is_alive


def test_a_program_that_the_run_started_does_not_keep_it_alive(tmp_path: Path) -> None:
    """It outlives the run, and has nothing of the lease."""
    start = "import subprocess; child = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL, close_fds=False)"
    process = own(tmp_path / "shop-1", f"{start}; Path(sys.argv[1], 'child').write_text(str(child.pid))")
    [owner] = find_owners(tmp_path, "engine 1")
    end(process)
    assert not owner.is_alive
    os.kill(int((tmp_path / "shop-1" / "child").read_text()), signal.SIGKILL)


def test_a_released_lease(tmp_path: Path) -> None:
    """The run has ended, though its process goes on."""
    lease = record_owner(tmp_path / "shop-1", "r1", "n1", "engine 1")
    [owner] = find_owners(tmp_path, "engine 1")
    assert owner.is_alive
    lease.release()
    lease.release()
    assert not owner.is_alive


def test_runs_on_another_engine_are_not_found(tmp_path: Path) -> None:
    """What they left is not here, and their record must stay for a run there."""
    lease = record_owner(tmp_path / "shop-1", "r1", "n1", "engine 2")
    assert find_owners(tmp_path, "engine 1") == []
    lease.release()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"nonce": "n"}', "\ud800"])
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    """Nothing is guessed."""
    folder = tmp_path / "shop-1" / "runs" / "r1"
    folder.mkdir(parents=True)
    (folder / "owner.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert find_owners(tmp_path, "engine 1") == []


def test_a_folder_that_somebody_has_removed_meanwhile(tmp_path: Path) -> None:
    """There is nothing to wait for."""
    lease = record_owner(tmp_path / "shop-1", "r1", "n1", "engine 1")
    [owner] = find_owners(tmp_path, "engine 1")
    (owner.folder / "owner.json").unlink()
    assert not owner.is_alive
    lease.release()


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: record_owner(folder / "pytest-dockerci", "r1", "n1", "e1"),
        lambda folder: state_directory({"XDG_CACHE_HOME": str(folder)}, Path("/srv/shop")),
    ],
)
def test_a_folder_that_cannot_be_written(tmp_path: Path, write: Callable[[Path], object]) -> None:
    """The text as a whole; without its note, no run begins."""
    in_the_way = tmp_path / "pytest-dockerci"
    in_the_way.write_text("a file")
    with pytest.raises(StateError) as caught:
        write(tmp_path)
    what, *others = str(caught.value).splitlines()
    assert what.startswith(str(in_the_way))
    assert what.endswith(" cannot be written")
    assert others == [
        "  why: Not a directory",
        "  try: make room there, or let XDG_CACHE_HOME name a folder that can be written",
    ]
