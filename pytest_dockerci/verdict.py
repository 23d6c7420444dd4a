"""What a run comes to: its exit code, and whether what pytest calls green is proved. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pytest_dockerci.errors import ExitStatus, UnprovedError

# An internal or usage error says more than a lost environment, that more than an interruption, and so on;
# the first of these that applies is the run's.
_PRECEDENCE = (3, 4, 6, 7, 2, 1, 8, 9, 5, 0)
_SIGNAL_BASE = 128
_MAX_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a green run has to show for itself.

    Attributes:
        due: Container tests that were to be run, by index.
        reported: Those of which a verdict came from the container.
        ended: Names of the containers whose session ended by an end frame with the right counts.
        untold: Sessions before these that were lost without a test that could be blamed, in words.
        containers: Names of all.
        images: Image ids of the containers, as the engine says.
        built: Id of the image under test.
    """

    due: Collection[int]
    reported: Collection[int]
    ended: Collection[str]
    untold: Sequence[str]
    containers: Collection[str]
    images: Collection[str]
    built: str


def missing_proof(proof: Proof) -> str:
    """Why a run is not green whatever pytest says; empty when it is."""
    lacking = [index for index in proof.due if index not in proof.reported]
    if lacking:
        return f"{len(lacking)} of {len(proof.due)} tests have no verdict from a container"
    if proof.untold:
        return f"{proof.untold[0]}; it was replaced, and no test can be blamed for it"
    open_ones = sorted(set(proof.containers) - set(proof.ended))
    if open_ones:
        return f"{', '.join(open_ones[:_MAX_NAMED])} did not say that its session ended"
    if len(proof.images) != len(proof.containers):
        return f"the engine knows the image of {len(proof.images)} of {len(proof.containers)} containers"
    others = sorted(set(proof.images) - {proof.built})
    if others:
        shown = f"{others[0]}, not the image under test {proof.built}"
        return f"a container runs {shown if others[0] else 'no image that the engine knows'}"
    return ""


def unproved(proof: Proof) -> UnprovedError | None:
    """The error of a run that pytest calls green and that has not shown all it has to; None when it has."""
    lacking = missing_proof(proof)
    if not lacking:
        return None
    return UnprovedError(
        "the run is not proved to be green",
        why=lacking,
        fix="run again; if it happens again, report it with this text",
    )


def exit_status(pytest_status: int, *, ended_by: int | None, failure: int | None, has_leftovers: bool) -> int:
    """The exit code of a run.

    Args:
        pytest_status: What pytest, or another plugin, says.
        ended_by: The TERM or HUP that ended the run.
        failure: Exit code of what went wrong with environment or containers.
        has_leftovers: Something of the run is still on the engine.
    """
    if ended_by is not None:
        return _SIGNAL_BASE + ended_by
    statuses = [pytest_status]
    if failure is not None:
        statuses.append(failure)
    if has_leftovers:
        statuses.append(int(ExitStatus.CLEANUP_INCOMPLETE))
    # A code of another plugin's own is not ours to overrule.
    unknown = [status for status in statuses if status not in _PRECEDENCE]
    return unknown[0] if unknown else min(statuses, key=_PRECEDENCE.index)
