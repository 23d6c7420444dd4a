"""Keeps Python's garbage collector from looking at what lives to the end of the run.

A collection of some thousand tests is nothing but objects that stay, and the collector would go through all of them
again and again: half of the time that a large collection took. And pytest collects garbage five times when it ends, so
that errors in finalizers of what the tests left behind are seen (`gc_collect_harder` in its
`unraisableexception.py`, pytest 8.4 to 9.2): 0.04 s in any run, and 0.11 ms for each test.
"""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest

from pytest_dockerci.items import ContainerItem

# How many objects may come before the collector looks; some tens of MiB.
_OBJECTS = 200_000


class GarbageHooks:
    """Spares the collection."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> Generator[None, object, object]:
        """Look for garbage rarely; then set aside what there is: modules and the tests' nodes.

        Tests on the host leave garbage behind that pytest wants to see, so a run with some sets nothing aside.
        """
        gc.unfreeze()  # what an earlier run in this process has set aside
        thresholds = gc.get_threshold()
        if thresholds[0]:  # else somebody else has switched it off
            gc.set_threshold(_OBJECTS, *thresholds[1:])
        try:
            return (yield)
        finally:
            gc.set_threshold(*thresholds)
            if session.items and all(isinstance(item, ContainerItem) for item in session.items):
                gc.freeze()
