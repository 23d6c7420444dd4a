"""Whether a run may push the image that it has tested. Pure: facts in, reasons out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

_GREEN = 0
_RED = {
    1: "tests failed",
    2: "the run was interrupted",
    3: "pytest or a plugin failed internally",
    4: "the run was not begun: the command line or a setting cannot be meant",
    5: "no test was run",
    6: "the environment never came up",
    7: "the run was lost: some test has no verdict",
}
_MAX_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PushFacts:
    """What a run has to show before its image may leave.

    Attributes:
        exit_status: What the run comes to so far, interruptions and lost containers included.
        narrowings: Why the command line asks for less than bare ``pytest``, each as half a sentence.
        is_built: This run has built the image, or found that its build would change nothing.
        is_dirty: The working tree differed from it.
        git_problem: Why git could not say; empty where it could, or where there is no repository.
        allows_dirty: That is accepted.
        due: How many tests were selected.
        reported: How many of them have come to their end.
        passed_in_container: How many have passed inside the image.
        images: Image ids of the containers under test.
        workers: How many of these there were to be.
        built: Id of the image that would be pushed.
        tags: The tags that would be pushed.
    """

    exit_status: int = _GREEN
    narrowings: Sequence[str] = ()
    is_built: bool = True
    is_dirty: bool = False
    git_problem: str = ""
    allows_dirty: bool = False
    due: int = 1
    reported: int = 1
    passed_in_container: int = 1
    images: Collection[str] = ()
    workers: int = 1
    built: str = ""
    tags: Sequence[str] = ("latest",)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason not to push.

    Attributes:
        why: As a sentence without its stop.
        fix: What to do, for a run that is to push.
    """

    why: str
    fix: str = ""


def refusals(facts: PushFacts) -> tuple[Refusal, ...]:
    """Every reason not to push; none: the image may leave.

    Of a run that is not green that is the only one: the others follow from it, or do not matter.
    """
    if facts.exit_status != _GREEN:
        return (Refusal(_RED.get(facts.exit_status, f"the run ended with exit code {facts.exit_status}")),)
    checks = (_scope(facts), _verdicts(facts), _image(facts), _tree(facts), _tags(facts))
    return tuple(refusal for check in checks for refusal in check)


def _scope(facts: PushFacts) -> list[Refusal]:
    fix = "run the whole suite to push; what belongs to every run stands in addopts of the configuration file"
    return [Refusal(narrowing, fix) for narrowing in facts.narrowings]


def _verdicts(facts: PushFacts) -> list[Refusal]:
    if facts.reported < facts.due:
        return [Refusal(f"{facts.due - facts.reported} of {facts.due} tests have no verdict")]
    if facts.passed_in_container < 1:
        return [
            Refusal(
                "no test passed inside the image",
                "skipped and expected failures prove nothing; let one test of the image pass",
            )
        ]
    return []


def _image(facts: PushFacts) -> list[Refusal]:
    if not facts.is_built:
        return [
            Refusal(
                "this run has not built the image",
                "leave out --dockerci-image, and give the service a build section: a run that pushes builds",
            )
        ]
    others = sorted(set(facts.images) - {facts.built})
    if others:
        shown = ", ".join(other or "no image that the engine knows" for other in others[:_MAX_NAMED])
        return [Refusal(f"a container ran {shown}, not the image under test {facts.built}")]
    if len(facts.images) != facts.workers and facts.passed_in_container:
        return [Refusal(f"the engine knows the image of {len(facts.images)} of {facts.workers} containers")]
    return []


def _tree(facts: PushFacts) -> list[Refusal]:
    if facts.allows_dirty:
        return []
    if facts.git_problem:
        return [
            Refusal(
                f"git cannot say what the image was built from: {facts.git_problem}",
                "correct that, or set dockerci_push_dirty = true",
            )
        ]
    if facts.is_dirty:
        return [
            Refusal(
                "the working tree differs from its commit",
                "commit, remove or ignore what `git status` shows, or set dockerci_push_dirty = true",
            )
        ]
    return []


def _tags(facts: PushFacts) -> list[Refusal]:
    if facts.tags:
        return []
    return [
        Refusal(
            "no tag is left to push",
            "name one in dockerci_push_tags that has a value: without a commit there is no {commit}, "
            "outside of CI no {build}, without a git tag no {version}",
        )
    ]
