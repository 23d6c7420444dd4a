"""Two collections of the same suite that are not the same. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_dockerci.errors import AgentLostError
from pytest_dockerci.worker_ledger import Collection

_MAX_LINES = 20


@dataclass(frozen=True, slots=True)
class CollectedIds:
    """The ids of a collection's tests, in order.

    Args:
        digest: SHA-256 over them.
        joined: All of them, with NULs between: a hundred thousand take a third of what as many texts do.
    """

    digest: str
    joined: str

    def ids(self) -> list[str]:
        """Each one."""
        return self.joined.split("\0")


def ids_of(collection: Collection) -> CollectedIds:
    """The ids of a collection."""
    joined = "\0".join(collection.rows[number]["nodeid"] for number in collection.items)
    return CollectedIds(collection.digest, joined)


def require_same(first: CollectedIds, other: CollectedIds, name: str) -> None:
    """Check that a container has collected what was collected before.

    Args:
        first: What was collected before.
        other: What the container has collected.
        name: How messages call it.

    Raises:
        AgentLostError: Says what differs.
    """
    if first.digest == other.digest:
        return
    mine, theirs = first.ids(), other.ids()
    only_first = [f"- {nodeid}" for nodeid in mine if nodeid not in set(theirs)]
    only_other = [f"+ {nodeid}" for nodeid in theirs if nodeid not in set(mine)]
    raise AgentLostError(
        f"{name} collected other tests than the first time ({len(theirs)} and {len(mine)})",
        why="ids that change from one collection to the next, or another order, cannot be shared or resumed",
        fix="make parameters and their order the same each time (no sets, times or random numbers in ids)",
        output_title="what differs",
        output=(only_first + only_other)[:_MAX_LINES] or ["only the order"],
    )
