"""JUnit XML of any common dialect as cases. Pure.

`safe_xml` reads the bytes; what the elements mean is junitparser's. What that does not know is here:
nested suites, failures outside of a case, the counts that a suite claims.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pytest_dockerci.commands.case import MAX_CASES, Case, Names, Outcome, Results, bounded, one_line
from pytest_dockerci.commands.safe_xml import UnsafeXmlError, read_tree

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SUITES = ("testsuites", "testsuite")
# Words of a `status` or `result` attribute. Sources: GoogleTest `notrun`, Gauge and Ginkgo `failed`, CTest `disabled`.
_RED_WORDS = frozenset(
    {"failed", "failure", "error", "broken", "timedout", "panicked", "interrupted", "aborted"}
)
_SKIPPED_WORDS = frozenset({"notrun", "disabled", "skipped", "suppressed", "pending", "ignored"})
# Catch2 counts assertions as tests, and puts this where a host's name belongs (`catch_reporter_junit.cpp`).
_COUNTS_ASSERTIONS = "tbd"


def parse_junit(data: bytes, origin: str) -> Results:
    """The cases of a file.

    Args:
        data: Its bytes.
        origin: Its name.
    """
    if not data.strip():
        return Results(origin=origin, problems=(f"{origin} is empty",))
    try:
        root = read_tree(data)
    except UnsafeXmlError as error:
        return Results(origin=origin, problems=(f"{origin} cannot be read as JUnit XML: {error}",))
    if root.tag not in _SUITES:
        problem = f"{origin} is not JUnit XML: its root is <{root.tag}>, not <testsuites> or <testsuite>"
        return Results(origin=origin, problems=(problem,))
    names = Names()
    cases: list[Case] = []
    for case in _cases_below(root, "", origin):
        if len(cases) >= MAX_CASES:
            problem = f"{origin} has more than {MAX_CASES} cases"
            return Results(origin=origin, cases=tuple(cases), problems=(problem,))
        cases.append(names.unique(case))
    problems = [f"{origin} has no case in it"] if not cases else list(_contradictions(root, cases, origin))
    return Results(origin=origin, cases=tuple(cases), problems=tuple(problems))


def _cases_below(suite: Element, name: str, origin: str) -> Iterator[Case]:
    own_name = suite.get("name") or name
    for child in suite:
        if child.tag == "testcase":
            yield _case(child, own_name, origin)
        elif child.tag in _SUITES:
            yield from _cases_below(child, own_name, origin)
        elif child.tag in ("error", "failure"):  # what failed before or after the cases
            message, details = _told(child)
            yield Case(
                classname=one_line(own_name, ""),
                name="(the suite itself)",
                outcome="failed",
                message=message,
                details=details,
                origin=origin,
            )


def _case(element: Element, suite_name: str, origin: str) -> Case:
    from junitparser import Error, Failure, Skipped, SystemErr, SystemOut  # noqa: PLC0415 - only where results are read
    from junitparser.xunit2 import TestCase  # noqa: PLC0415 - as above

    read: Any = TestCase
    case = read.fromelem(element)
    # `iterchildren`: what stands below `<rerunFailure>` and the like belongs to an earlier attempt.
    red = [*case.iterchildren(Failure), *case.iterchildren(Error)]
    skipped = list(case.iterchildren(Skipped))
    told = [_told(entry._elem) for entry in red or skipped]  # noqa: SLF001 - its text has no other door
    outcome: Outcome = "failed" if red else "skipped" if skipped else _outcome_by_word(element)
    reruns = sum(
        child.tag in ("rerunFailure", "rerunError", "flakyFailure", "flakyError") for child in element
    )
    message = "\n".join(message for message, _ in told if message)
    if outcome == "failed" and not message:
        message = f"failed, says {origin}"
    return Case(
        classname=one_line(case.classname or suite_name, ""),
        name=one_line(case.name or "", "(without a name)"),
        outcome=outcome,
        message=message,
        details="\n\n".join(details for _, details in told if details),
        seconds=_seconds(case),
        output=bounded("\n".join(entry.text or "" for entry in case.iterchildren(SystemOut))),
        error_output=bounded("\n".join(entry.text or "" for entry in case.iterchildren(SystemErr))),
        source=_source(element),
        origin=origin,
        properties=(*_properties(element), *((("failed attempts before", str(reruns)),) if reruns else ())),
    )


def _told(element: Element) -> tuple[str, str]:
    """The message of a failure, an error or a skip, and what stands below it."""
    text = "".join(element.itertext()).strip()
    message = (element.get("message") or "").strip()
    if not message:
        kind = element.get("type") or ""
        message = text.partition("\n")[0] or kind
    return bounded(message), bounded(text) if text != message else ""


def _outcome_by_word(element: Element) -> Outcome:
    words = {(element.get(key) or "").lower() for key in ("status", "result")}
    if words & _RED_WORDS:
        return "failed"
    return "skipped" if words & _SKIPPED_WORDS else "passed"


def _seconds(case: Any) -> float:
    try:
        seconds = float(case.time or 0.0)
    except ValueError:
        return 0.0
    return seconds if 0.0 <= seconds < float("inf") else 0.0


def _source(element: Element) -> str:
    file, line = element.get("file") or element.get("filepath") or "", element.get("line") or ""
    return one_line(f"{file}:{line}" if file and line else file, "")


def _properties(element: Element) -> tuple[tuple[str, str], ...]:
    return tuple(
        (one_line(entry.get("name") or "", "property"), bounded(entry.get("value") or entry.text))
        for entry in element.iterfind("properties/property")
    )


def _contradictions(root: Element, cases: list[Case], origin: str) -> Iterator[str]:
    """Where a file counts more than it holds.

    A count may be of the suite alone or with all below it, and lower ones are common (pytest counts a
    test that failed twice once).
    """
    if not any(case.outcome == "failed" for case in cases):
        claimed = max(_number(suite, "failures") + _number(suite, "errors") for suite in root.iter())
        if claimed:
            yield f"{origin} counts {claimed} failures, and none of its cases failed"
    for suite in root.iter():
        if suite.tag not in _SUITES or suite.get("hostname") == _COUNTS_ASSERTIONS:
            continue
        found, claimed = sum(1 for _ in suite.iter("testcase")), _number(suite, "tests")
        counts_assertions = any(
            part.get("hostname") == _COUNTS_ASSERTIONS for part in suite.iter("testsuite")
        )
        if claimed > found and not counts_assertions:
            name = suite.get("name") or suite.tag
            yield f"{origin} counts {claimed} tests in {name!r}, and holds {found}"
            return


def _number(element: Element, name: str) -> int:
    if element.tag not in _SUITES:
        return 0
    text = element.get(name) or ""
    return int(text) if text.isdecimal() and len(text) < 10 else 0  # noqa: PLR2004 - a number that fits
