"""What came of a command: the strictest evidence wins, and a contradiction is a failure. Pure."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass

_SIGNAL_BASE = 128
_MAX_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known of one run of a command.

    Attributes:
        exit_code: Its exit code; None where it has none: never started, lost.
        is_out_of_memory: The kernel ended it, or a process of it, for the container's memory limit.
        ended_because: Why it did not end by itself (its time was up, a service was lost); empty where it did.
        cases: How many cases the results have.
        failed: Those that failed, by name.
        problems: Why results cannot be trusted.
        success_line: The closing line that said success; empty for none.
        failure_line: The one that said failure.
        is_line_required: It must print one.
        other_image: It ran in this image, and not in the one under test; empty where all is well.
    """

    exit_code: int | None
    is_out_of_memory: bool = False
    ended_because: str = ""
    cases: int = 0
    failed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    success_line: str = ""
    failure_line: str = ""
    is_line_required: bool = False
    other_image: str = ""


def judge(seen: Evidence) -> tuple[str, ...]:
    """Why a command has failed, the cause first; empty when it has passed.

    It has passed when it ended by itself with exit code 0, no case failed, all results can be trusted, no line
    says failure and, where one must say success, one does.
    """
    return tuple(dict.fromkeys(_reasons(seen)))


def _reasons(seen: Evidence) -> Iterator[str]:
    if seen.ended_because:
        yield seen.ended_because
    if seen.is_out_of_memory:
        yield f"out of memory: the kernel ended it, or a process of it ({_shown_exit(seen.exit_code)})"
    failed = _shown_failed(seen)
    if failed:
        yield failed
    if seen.exit_code is None:
        if not seen.ended_because:
            yield "it is not known how it ended"
    elif seen.exit_code != 0 and not (seen.is_out_of_memory or seen.ended_because):
        yield _shown_exit(seen.exit_code) + _although(seen)
    yield from _reasons_of_line(seen)
    yield from seen.problems
    if seen.other_image:
        yield f"it ran in {seen.other_image}, which is not the image under test"


def _reasons_of_line(seen: Evidence) -> Iterator[str]:
    if seen.failure_line:
        although = ", though its exit code is 0" if seen.exit_code == 0 else ""
        yield f"it says {seen.failure_line!r}{although}"
        if seen.success_line:
            yield f"it also says {seen.success_line!r}"
    elif seen.is_line_required and not seen.success_line:
        yield "no line of it says how it ended (dockerci_result_pattern)"


def _although(seen: Evidence) -> str:
    if seen.failed or seen.problems or seen.failure_line:
        return ""
    if seen.cases:
        return f", though none of its {seen.cases} cases failed"
    return f", though it says {seen.success_line!r}" if seen.success_line else ""


def _shown_failed(seen: Evidence) -> str:
    if not seen.failed:
        return ""
    names = ", ".join(seen.failed[:_MAX_NAMED])
    more = f" and {len(seen.failed) - _MAX_NAMED} more" if len(seen.failed) > _MAX_NAMED else ""
    though = ", though its exit code is 0" if seen.exit_code == 0 else ""
    return f"{len(seen.failed)} of {seen.cases} cases failed{though}: {names}{more}"


def _shown_exit(code: int | None) -> str:
    if code is None:
        return "no exit code"
    if code > _SIGNAL_BASE:
        try:
            name = signal.Signals(code - _SIGNAL_BASE).name
            return f"exit code {code}: ended by signal {code - _SIGNAL_BASE} ({name})"
        except ValueError:
            pass
    return f"exit code {code}"
