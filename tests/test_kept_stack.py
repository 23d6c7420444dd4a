from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_dockerci.engine.keeper import dismiss_keeper, ensure_keeper
from pytest_dockerci.engine.warm_start import changed_entries
from pytest_dockerci.kept_stack import (
    KEPT_FILE,
    KeptStack,
    describe_kept,
    describe_left,
    describe_seconds,
    find_kept,
    read_kept,
    write_kept,
)
from pytest_dockerci.state import Lease, find_owners, record_owner, take_lease

FILE, FOLDER, LINK = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777


def keep(state: Path, run_id: str = "r1", *, expiry_seconds: float = 3600, used_ago: float = 0) -> KeptStack:
    """A stack that is kept, and that nobody uses."""
    record_owner(state, run_id, "n1", "e1").release()
    now = time.time()
    write_kept(
        KeptStack(
            folder=state / "runs" / run_id,
            run_id=run_id,
            nonce="n1",
            engine_id="e1",
            rootdir=Path("/src/shop"),
            made_at=now - 7500,
            used_at=now,
            expiry_seconds=expiry_seconds,
            facts={"some": ["facts"]},
        )
    )
    os.utime(state / "runs" / run_id / KEPT_FILE, (now - used_ago, now - used_ago))
    stack = read_kept(state / "runs" / run_id)
    assert stack is not None
    return stack


def test_what_is_written_down_is_read(tmp_path: Path) -> None:
    """All of it; its use is the time of the file, and only its owner may read it."""
    stack = keep(tmp_path, used_ago=100)
    assert (stack.run_id, stack.nonce, stack.rootdir) == ("r1", "n1", Path("/src/shop"))
    assert stack.facts == {"some": ["facts"]}
    assert stack.left_seconds == pytest.approx(3500, abs=5)
    stack.touch()
    again = read_kept(stack.folder)
    assert again is not None
    assert again.left_seconds == pytest.approx(3600, abs=5)
    assert (stack.folder / KEPT_FILE).stat().st_mode & 0o077 == 0
    stack.note_user()
    assert stack.user == str(os.getpid())


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 99}', '{"format": 1, "nonce": "n"}'])
def test_what_cannot_be_read_is_not_kept(tmp_path: Path, text: str) -> None:
    """A damaged file, or one of another version."""
    stack = keep(tmp_path)
    (stack.folder / KEPT_FILE).write_text(text)
    assert read_kept(stack.folder) is None
    assert find_kept(tmp_path) is None


def test_which_stack_is_used(tmp_path: Path) -> None:
    """The one that was used last; none that has expired."""
    assert find_kept(tmp_path) is None
    keep(tmp_path, "old", used_ago=500)
    keep(tmp_path, "new", used_ago=400)
    keep(tmp_path, "expired", expiry_seconds=10, used_ago=20)
    found = find_kept(tmp_path)
    assert found is not None
    assert found.run_id == "new"


def test_who_may_remove_it(tmp_path: Path) -> None:
    """A run that is over is abandoned, unless its stack is kept and has not expired, or is in use."""
    state = tmp_path / "shop"
    keep(state, "kept")
    keep(state, "expired", expiry_seconds=10, used_ago=20)
    keep(state, "used", expiry_seconds=10, used_ago=20)
    record_owner(state, "over", "n1", "e1").release()
    lease = take_lease(state / "runs" / "used")
    assert lease is not None
    owners = {owner.run_id: owner.is_abandoned for owner in find_owners(tmp_path, "e1")}
    assert owners == {"kept": False, "expired": True, "used": False, "over": True}
    lease.release()


def test_a_lease_is_one_process_at_a_time(tmp_path: Path) -> None:
    """Taken once; again when it was given back; never of a folder that is gone."""
    stack = keep(tmp_path)
    first = take_lease(stack.folder)
    assert isinstance(first, Lease)
    assert take_lease(stack.folder) is None
    first.release()
    second = take_lease(stack.folder)
    assert second is not None
    second.release()
    assert take_lease(tmp_path / "runs" / "nowhere") is None


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ({"0": [FOLDER, 0, 0], "0/a": [FILE, 1, 5]}, {"0": [FOLDER, 0, 0], "0/a": [FILE, 1, 5]}, []),
        ({"0/a": [FILE, 1, 5]}, {"0/a": [FILE, 1, 6]}, ["0/a"]),
        ({"0/a": [FILE, 1, 5]}, {"0/a": [FILE, 2, 5]}, ["0/a"]),
        ({"0/a": [FILE, 1, 5]}, {"0/a": [FILE | 0o111, 1, 5]}, ["0/a"]),
        (
            {"0": [FOLDER, 0, 0]},
            {"0": [FOLDER, 0, 0], "0/d": [FOLDER, 0, 0], "0/d/b": [FILE, 1, 1]},
            ["0/d", "0/d/b"],
        ),
        ({"0/a": [FILE, 1, 5]}, {}, None),
        ({"0/a": [FILE, 1, 5]}, {"0/b": [FILE, 1, 5]}, None),
        ({"0/a": [FILE, 1, 5]}, {"0/a": [FOLDER, 0, 0]}, None),
        ({"0/a": [FILE, 1, 5]}, {"0/a": [LINK, 1, 5]}, None),
    ],
)
def test_what_has_changed_of_a_suite(
    old: dict[str, list[int]], new: dict[str, list[int]], changed: list[str] | None
) -> None:
    """Edited and new files can be laid over what is there; what is gone, or another kind, cannot."""
    assert changed_entries(old, new) == changed


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (7300, "2 hours"),
        (90000, "1 day"),
    ],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    """Roughly, in the largest unit."""
    assert describe_seconds(seconds) == text


def test_what_is_said(tmp_path: Path) -> None:
    """Age, and the command that ends it, each time."""
    stack = keep(tmp_path)
    assert describe_kept(stack, "reset: db") == (
        "dockerci: uses the stack that was kept 2 hours ago (reset: db); `dockerci down` ends it"
    )
    assert describe_left(stack) == (
        "dockerci: the stack is kept, for 1 hour after its last use; it is 2 hours old; `dockerci down` ends it"
    )


def keepers_of(folder: Path) -> list[int]:
    """The keepers of a folder."""
    found = subprocess.run(
        ["pgrep", "-f", "--", f"keeper_process.py {folder}"], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in found.stdout.split()]


def test_the_keeper_goes_when_the_stack_has_gone(tmp_path: Path) -> None:
    """There is one, however often one is asked for, and it ends when it is dismissed."""
    stack = keep(tmp_path)
    environ = {"PATH": os.environ["PATH"]}
    ensure_keeper(stack.folder, environ)
    deadline = time.monotonic() + 20
    while not keepers_of(stack.folder) or not (stack.folder / "keeper.lock").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ensure_keeper(stack.folder, environ)
    ensure_keeper(stack.folder, environ)
    time.sleep(0.5)
    assert len(keepers_of(stack.folder)) == 1
    dismiss_keeper(stack.folder)
    while keepers_of(stack.folder):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (stack.folder / "keeper.log").read_text() == ""


def test_the_warm_path_loads_neither_sdk_nor_yaml() -> None:
    """What a warm run imports beside the host's side costs little."""
    program = "import sys, pytest_dockerci.engine.warm_start; print(*sorted(sys.modules))"
    completed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(completed.stdout.split())
    assert "pytest_dockerci.engine.warm_environment" in loaded
    assert (
        loaded & {"docker", "requests", "urllib3", "yaml", "packaging", "testcontainers", "tarfile"} == set()
    )
