"""The truth table of commands: the strictest evidence wins."""

from __future__ import annotations

import itertools

import pytest

from pytest_dockerci.commands.verdict import Evidence, judge

GREEN = Evidence(exit_code=0)


def evidence(**values: object) -> Evidence:
    """Evidence that differs from a plain exit code 0."""
    return Evidence(**{"exit_code": 0, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "reasons"),
    [
        (GREEN, ()),
        (evidence(cases=12), ()),
        (evidence(success_line="Result: SUCCESS!"), ()),
        (evidence(success_line="Result: SUCCESS!", is_line_required=True, cases=3), ()),
        (evidence(exit_code=1), ("exit code 1",)),
        (evidence(exit_code=1, cases=12), ("exit code 1, though none of its 12 cases failed",)),
        (
            evidence(exit_code=1, success_line="Result: SUCCESS!"),
            ("exit code 1, though it says 'Result: SUCCESS!'",),
        ),
        (evidence(exit_code=1, cases=2, failed=("a",)), ("1 of 2 cases failed: a", "exit code 1")),
        (evidence(cases=2, failed=("a",)), ("1 of 2 cases failed, though its exit code is 0: a",)),
        (
            evidence(cases=9, failed=("a", "b", "c", "d", "e"), exit_code=5),
            ("5 of 9 cases failed: a, b, c and 2 more", "exit code 5"),
        ),
        (
            evidence(failure_line="Result: FAILURE!"),
            ("it says 'Result: FAILURE!', though its exit code is 0",),
        ),
        (
            evidence(exit_code=1, failure_line="Result: FAILURE!"),
            ("exit code 1", "it says 'Result: FAILURE!'"),
        ),
        (
            evidence(success_line="Result: SUCCESS!", failure_line="Result: FAILURE!"),
            ("it says 'Result: FAILURE!', though its exit code is 0", "it also says 'Result: SUCCESS!'"),
        ),
        (
            evidence(is_line_required=True),
            ("no line of it says how it ended (dockerci_result_pattern)",),
        ),
        (evidence(problems=("r.xml is empty",)), ("r.xml is empty",)),
        (evidence(cases=3, problems=("r.xml is empty",)), ("r.xml is empty",)),
        (evidence(exit_code=137), ("exit code 137: ended by signal 9 (SIGKILL)",)),
        (evidence(exit_code=139), ("exit code 139: ended by signal 11 (SIGSEGV)",)),
        (evidence(exit_code=255), ("exit code 255",)),
        (
            evidence(exit_code=137, is_out_of_memory=True),
            (
                "out of memory: the kernel ended it, or a process of it (exit code 137: ended by signal 9 (SIGKILL))",
            ),
        ),
        (
            evidence(is_out_of_memory=True),
            ("out of memory: the kernel ended it, or a process of it (exit code 0)",),
        ),
        (evidence(exit_code=143, ended_because="its time was up"), ("its time was up",)),
        (evidence(exit_code=None, ended_because="lost"), ("lost",)),
        (evidence(exit_code=None), ("it is not known how it ended",)),
        (evidence(other_image="sha256:x"), ("it ran in sha256:x, which is not the image under test",)),
    ],
)
def test_reasons(seen: Evidence, reasons: tuple[str, ...]) -> None:
    """Each kind of evidence, alone and against others, in words."""
    assert judge(seen) == reasons


def test_green_needs_everything() -> None:
    """Of all combinations, exactly those are green in which nothing speaks against it."""
    table = {
        "exit_code": (0, 1, 137, None),
        "is_out_of_memory": (False, True),
        "ended_because": ("", "time"),
        "failed": ((), ("a",)),
        "problems": ((), ("cut off",)),
        "success_line": ("", "ok"),
        "failure_line": ("", "bad"),
        "is_line_required": (False, True),
        "other_image": ("", "sha256:x"),
    }
    green = []
    for values in itertools.product(*table.values()):
        seen = evidence(cases=2, **dict(zip(table, values, strict=True)))
        if not judge(seen):
            green.append((seen.success_line, seen.is_line_required))
            assert seen.exit_code == 0
            assert not any((seen.is_out_of_memory, seen.ended_because, seen.failed, seen.problems))
            assert not any((seen.failure_line, seen.other_image))
    assert sorted(green) == [("", False), ("ok", False), ("ok", True)]
