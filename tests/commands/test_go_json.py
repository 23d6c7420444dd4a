"""What `go test -json` prints, whole, cut and mixed with other output."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_dockerci.commands.case import Case
from pytest_dockerci.commands.go_json import GoJsonParser

PACKAGE = "example.com/cart"


def event(action: str, test: str = "", **more: Any) -> str:
    """One line."""
    named = {"Test": test} if test else {}
    return json.dumps({"Time": "2026-01-01T00:00:00Z", "Action": action, "Package": PACKAGE, **named, **more})


GREEN = [
    event("start"),
    event("run", "TestSum"),
    event("output", "TestSum", Output="=== RUN   TestSum\n"),
    event("output", "TestSum", Output="adding\n"),
    event("output", "TestSum", Output="--- PASS: TestSum (0.25s)\n"),
    event("pass", "TestSum", Elapsed=0.25),
    event("run", "TestTax"),
    event("output", "TestTax", Output="    cart_test.go:9: no tax office\n"),
    event("skip", "TestTax", Elapsed=0),
    event("output", Output="PASS\n"),
    event("pass", Elapsed=0.3),
]
RED = [
    event("run", "TestTax"),
    event("run", "TestTax/vat"),
    event("output", "TestTax/vat", Output="    cart_test.go:12: got 3, want 4\n"),
    event("output", "TestTax/vat", Output="    --- FAIL: TestTax/vat (0.00s)\n"),
    event("fail", "TestTax/vat", Elapsed=0.01),
    event("fail", "TestTax", Elapsed=0.02),
    event("output", Output="FAIL\n"),
    event("fail", Elapsed=0.1),
]


def parse(lines: list[str], *, is_strict: bool = True) -> tuple[list[Case], list[str]]:
    """The cases and the problems."""
    parser = GoJsonParser("go.json", is_strict=is_strict)
    cases = [case for line in lines for case in parser.feed(line)]
    cases += parser.close()
    return cases, parser.problems


def test_green() -> None:
    """Tests with package, time, output without Go's framing; a skip has its reason."""
    cases, problems = parse(GREEN)
    assert problems == []
    assert [(case.key, case.outcome) for case in cases] == [
        ((PACKAGE, "TestSum"), "passed"),
        ((PACKAGE, "TestTax"), "skipped"),
    ]
    assert (cases[0].seconds, cases[0].output) == (0.25, "adding\n")
    assert cases[1].message == "cart_test.go:9: no tax office"


def test_red() -> None:
    """A subtest and the test above it fail; the package has nothing to add."""
    cases, problems = parse(RED)
    assert problems == []
    assert [(case.name, case.outcome, case.message) for case in cases] == [
        ("TestTax/vat", "failed", "cart_test.go:12: got 3, want 4"),
        ("TestTax", "failed", "failed"),
    ]


def test_a_panic_fails_the_test_that_ran() -> None:
    """It has no end of its own."""
    lines = [
        event("run", "TestSum"),
        event("output", "TestSum", Output="panic: no\n"),
        event("fail", Elapsed=0.1),
    ]
    cases, problems = parse(lines)
    assert [(case.name, case.outcome, case.message) for case in cases] == [
        ("TestSum", "failed", "it did not end")
    ]
    assert problems == []


def test_a_package_that_fails_by_itself() -> None:
    """`TestMain` that exits with 1 after green tests."""
    lines = [
        event("run", "TestSum"),
        event("pass", "TestSum"),
        event("output", Output="no database\n"),
        event("fail"),
    ]
    cases, _ = parse(lines)
    assert [(case.name, case.outcome) for case in cases] == [
        ("TestSum", "passed"),
        ("(the package itself)", "failed"),
    ]
    assert cases[1].details == "no database\n"


def test_a_package_that_does_not_build() -> None:
    """Go 1.24 says so by events; the failing package is one case."""
    build = {"ImportPath": f"{PACKAGE} [{PACKAGE}.test]"}
    lines = [
        json.dumps({**build, "Action": "build-output", "Output": "./cart.go:3: undefined: x\n"}),
        json.dumps({**build, "Action": "build-fail"}),
        event("start"),
        event("output", Output=f"FAIL\t{PACKAGE} [build failed]\n"),
        event("fail", Elapsed=0, FailedBuild=f"{PACKAGE} [{PACKAGE}.test]"),
    ]
    cases, problems = parse(lines)
    assert problems == []
    assert [(case.name, case.message) for case in cases] == [
        ("(the package itself)", "it could not be built")
    ]
    assert "undefined: x" in cases[0].details


def test_twice() -> None:
    """`-count=2` runs each test twice."""
    cases, _ = parse(
        [event("run", "T"), event("pass", "T"), event("run", "T"), event("fail", "T"), event("fail")]
    )
    assert [(case.name, case.outcome) for case in cases] == [("T", "passed"), ("T (2)", "failed")]


@pytest.mark.parametrize("count", range(len(GREEN)))
def test_every_cut_at_a_line_is_seen(count: int) -> None:
    """Without a package's end nothing is green."""
    cases, problems = parse(GREEN[:count])
    assert problems
    assert all(case.outcome == "failed" for case in cases if case.message == "it did not end")


def test_a_cut_line_is_seen() -> None:
    """On standard output, too, where other lines are nobody's business."""
    for is_strict in (True, False):
        _, problems = parse([*GREEN[:-1], GREEN[-1][:30]], is_strict=is_strict)
        assert any("line 11 is no event" in problem for problem in problems)


def test_other_output() -> None:
    """A file holds events only; standard output may hold anything, JSON of others as well."""
    lines = ["# building", '{"level": "info"}', *GREEN]
    assert parse(lines, is_strict=False)[1] == []
    assert parse(lines, is_strict=True)[1] != []


def test_nothing() -> None:
    """No event, or packages without tests, are no green."""
    assert parse([])[1] == ["go.json holds no event of `go test -json`"]
    assert parse([event("start"), event("output", Output="?  no test files\n"), event("skip")])[1] == [
        "go.json has no case in it"
    ]


def test_what_a_person_would_see() -> None:
    """The output within the events, and other lines as they are."""
    parser = GoJsonParser("standard output", is_strict=False)
    seen = []
    for line in ["# building", *GREEN]:
        parser.feed(line)
        seen.append(parser.shown)
    assert "".join(seen).startswith("# building=== RUN   TestSum\nadding\n")


def test_hostile_values() -> None:
    """Types that Go never writes do not end the host's run."""
    lines = [
        '{"Action": 3}',
        '{"Action": "pass", "Test": ["x"], "Package": {"a": 1}, "Elapsed": "soon"}',
        "[" * 100_000,
    ]
    cases, problems = parse(lines)
    assert len(cases) == 1
    assert problems
