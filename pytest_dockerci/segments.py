"""A run's order in parts: what the containers run, and the host's tests between that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from pytest_dockerci.agent import wire
from pytest_dockerci.items import ContainerItem


def split_at_host_tests(items: Sequence[pytest.Item]) -> Iterator[tuple[list[int], int]]:
    """The container's tests in runs between host tests: ``(indices, what follows as in `wire.Run`)``."""
    runs = [
        [item.index for item in run if isinstance(item, ContainerItem) and item.index is not None]
        for run in runs_of_a_kind(items)
        if isinstance(run[0], ContainerItem)
    ]
    for position, indices in enumerate(runs):
        yield indices, runs[position + 1][0] if position + 1 < len(runs) else wire.THEN_END


def runs_of_a_kind(items: Sequence[pytest.Item]) -> Iterator[list[pytest.Item]]:
    """The items in runs that are all the container's or all the host's."""
    run: list[pytest.Item] = []
    for item in items:
        if run and isinstance(item, ContainerItem) != isinstance(run[0], ContainerItem):
            yield run
            run = []
        run.append(item)
    if run:
        yield run
