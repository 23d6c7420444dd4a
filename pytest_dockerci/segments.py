"""A run's order in parts: what the containers run, and the host's tests between that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from pytest_dockerci.agent import wire
from pytest_dockerci.items import ContainerItem


class PlannedTest(NamedTuple):
    """Where one of the container's tests stands in the run.

    Attributes:
        segment: The tests that no host test comes between, by their positions in the collection; shared by all of them.
        position: Its own place there.
        then: What follows the last of them, as in `wire.Run`.
    """

    segment: Sequence[int]
    position: int
    then: int

    @property
    def rest(self) -> Sequence[int]:
        """The test, and what follows it in its segment."""
        return self.segment[self.position :]

    @property
    def following(self) -> int:
        """What follows the test, as in `wire.Run`."""
        return [*self.segment[self.position + 1 : self.position + 2], self.then][0]


def planned_tests(items: Sequence[pytest.Item]) -> Iterator[tuple[int, PlannedTest]]:
    """Every test of the container that has a place in the run, by its position in the collection."""
    segments = [
        [item.index for item in run if isinstance(item, ContainerItem) and item.index is not None]
        for run in runs_of_a_kind(items)
        if isinstance(run[0], ContainerItem)
    ]
    segments = [segment for segment in segments if segment]
    for number, segment in enumerate(segments):
        then = segments[number + 1][0] if number + 1 < len(segments) else wire.THEN_END
        for position, index in enumerate(segment):
            yield index, PlannedTest(segment, position, then)


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
