"""The order of a run in parts, and what that costs."""

from __future__ import annotations

import tracemalloc

import pytest

from pytest_dockerci.agent import wire
from pytest_dockerci.items import ContainerItem
from pytest_dockerci.segments import planned_tests


def container_test(index: int | None) -> ContainerItem:
    """A test of the container, of which only its place in the collection matters."""
    item = ContainerItem.__new__(ContainerItem)
    item.index = index
    return item


def host_test() -> pytest.Item:
    """A test of the host."""
    return pytest.Function.__new__(pytest.Function)


def test_up_to_the_next_host_test() -> None:
    """Each test knows what may be asked for with it, and what comes after that."""
    items = [container_test(4), container_test(2), host_test(), container_test(7)]
    planned = dict(planned_tests(items))
    assert {index: (list(each.rest), each.then) for index, each in planned.items()} == {
        4: ([4, 2], 7),
        2: ([2], 7),
        7: ([7], wire.THEN_END),
    }
    assert {index: each.following for index, each in planned.items()} == {4: 2, 2: 7, 7: wire.THEN_END}


def test_what_the_container_deselected() -> None:
    """It has no place, even where nothing else stands between two host tests."""
    items = [container_test(1), host_test(), container_test(None), host_test(), container_test(3)]
    planned = dict(planned_tests(items))
    assert {index: each.then for index, each in planned.items()} == {1: 3, 3: wire.THEN_END}


def test_memory_grows_with_the_suite() -> None:
    """Twice the tests take twice the memory, and not four times."""
    assert _bytes_of_plan(8_000) < 3 * _bytes_of_plan(4_000)


def _bytes_of_plan(count: int) -> int:
    items = [container_test(index) for index in range(count)]
    tracemalloc.start()
    try:
        planned = dict(planned_tests(items))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(planned) == count
    return size
