"""Two collections of the same suite that are not the same. Pure."""

from __future__ import annotations

from pytest_dockerci.errors import AgentLostError
from pytest_dockerci.worker_ledger import Collection

_MAX_LINES = 20


def require_same(first: Collection, other: Collection, name: str) -> None:
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
    mine, theirs = (
        [str(collection.rows[number]["nodeid"]) for number in collection.items]
        for collection in (first, other)
    )
    only_first = [f"- {nodeid}" for nodeid in mine if nodeid not in set(theirs)]
    only_other = [f"+ {nodeid}" for nodeid in theirs if nodeid not in set(mine)]
    raise AgentLostError(
        f"{name} collected other tests than the first time ({len(theirs)} and {len(mine)})",
        why="ids that change from one collection to the next, or another order, cannot be shared or resumed",
        fix="make parameters and their order the same each time (no sets, times or random numbers in ids)",
        output_title="what differs",
        output=(only_first + only_other)[:_MAX_LINES] or ["only the order"],
    )
