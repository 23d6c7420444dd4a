"""What is printed in the container waits for its place between the results, and does not pile up."""

from __future__ import annotations

import threading

from pytest_dockerci.printed_output import PrintedOutput
from pytest_dockerci.worker_ledger import TestRecord

MEBIBYTE = "x" * (1 << 20)
WAIT_SECONDS = 30.0


def test_its_place_between_the_results() -> None:
    """What came after a result waits for the next."""
    changed = threading.Condition()
    printed = PrintedOutput(changed)
    with changed:
        printed.add("stdout", "before", 0)
        printed.add("stderr", "after", 1)
        assert printed.take(TestRecord(order=0)) == [("stdout", "before")]
        assert printed.take(None) == [("stderr", "after")]
        assert not printed


def test_more_than_is_shown() -> None:
    """A reader waits while somebody shows what there is, and for no longer than that."""
    changed = threading.Condition()
    printed = PrintedOutput(changed)
    most = 0

    def read() -> None:
        nonlocal most
        for _ in range(64):
            with changed:
                printed.add("stdout", MEBIBYTE, 0)
                most = max(most, printed._characters)
                changed.notify_all()
                printed.wait_for_room()

    reader = threading.Thread(target=read)
    shown = 0
    with printed.showing():
        reader.start()
        while shown < 40:
            with changed:
                assert changed.wait_for(lambda: bool(printed), WAIT_SECONDS)
                shown += len(printed.take(None))
    assert most <= 9 << 20
    reader.join(WAIT_SECONDS)  # nobody shows anything: what comes is kept
    assert not reader.is_alive()
    with changed:
        assert shown + len(printed.take(None)) == 64
