"""TAP 13 and 14, as the specifications and Node write it; cut and contradictory documents."""

from __future__ import annotations

import pytest

from pytest_dockerci.commands.case import Case
from pytest_dockerci.commands.tap import TapParser

PLAIN = """TAP version 13
1..6
ok 1 - Input file opened
not ok 2 - First line of the input valid
  ---
  message: 'First line invalid'
  severity: fail
  duration_ms: 12.5
  ...
ok - Read the rest of the file
not ok 4 - Summarized correctly # TODO Not written yet
ok 5 # skip no database
ok 6 - done # TODO but it works
"""
NODE = """TAP version 13
# Subtest: cart
    # Subtest: adds
    ok 1 - adds
      ---
      duration_ms: 0.5
      type: 'test'
      ...
    # Subtest: sums
    not ok 2 - sums
      ---
      duration_ms: 1.5
      location: '/app/test/cart.test.js:8:3'
      failureType: 'testCodeFailure'
      error: |-
        Expected values to be strictly equal:

        3 !== 4

      code: 'ERR_ASSERTION'
      ...
    1..2
not ok 1 - cart
  ---
  duration_ms: 4
  type: 'suite'
  error: '1 subtest failed'
  ...
# Subtest: alone
ok 2 - alone
  ---
  duration_ms: 0.1
  ...
1..2
# tests 3
# pass 2
"""
BARE = """TAP version 14
    ok 1 - inner one
        ok 1 - deep
        1..1
    ok 2 - inner two
    1..2
ok 1 - outer
1..1
"""


def parse(text: str) -> tuple[list[Case], list[str]]:
    """The cases and the problems."""
    parser = TapParser("t.tap")
    cases = [case for line in text.splitlines() for case in parser.feed(line)]
    cases += parser.close()
    return cases, parser.problems


def shown(text: str) -> list[tuple[str, str, str]]:
    """Class, name and outcome of each case; without problems."""
    cases, problems = parse(text)
    assert problems == []
    return [(case.classname, case.name, case.outcome) for case in cases]


def test_plain() -> None:
    """Numbers, descriptions, directives, blocks of details."""
    assert shown(PLAIN) == [
        ("", "Input file opened", "passed"),
        ("", "First line of the input valid", "failed"),
        ("", "Read the rest of the file", "passed"),
        ("", "Summarized correctly", "xfailed"),
        ("", "test 5", "skipped"),
        ("", "done", "xpassed"),
    ]
    cases, _ = parse(PLAIN)
    assert (cases[1].message, cases[1].seconds) == ("First line invalid", 0.0125)
    assert "severity: fail" in cases[1].details
    assert (cases[3].message, cases[4].message) == ("Not written yet", "no database")


def test_node() -> None:
    """What `node --test --test-reporter=tap` prints: named subtests, places, messages of several lines."""
    assert shown(NODE) == [
        ("cart", "adds", "passed"),
        ("cart", "sums", "failed"),
        ("", "cart", "failed"),
        ("", "alone", "passed"),
    ]
    sums = parse(NODE)[0][1]
    assert sums.message == "Expected values to be strictly equal:"
    assert sums.source == "/app/test/cart.test.js:8:3"
    assert "3 !== 4" in sums.details


def test_bare_subtests_are_named_by_the_test_above() -> None:
    """Their name comes after them."""
    assert shown(BARE) == [
        ("outer", "inner one", "passed"),
        ("outer > inner two", "deep", "passed"),
        ("outer", "inner two", "passed"),
        ("", "outer", "passed"),
    ]


def test_cases_come_at_once() -> None:
    """A test is known with the next line that cannot belong to it, a test of a named subtest as well."""
    parser = TapParser("t.tap")
    counts = [len(parser.feed(line)) for line in NODE.splitlines()]
    assert counts.index(1) == NODE.splitlines().index("      ...")
    assert sum(counts) == 4


@pytest.mark.parametrize(
    ("line", "name", "outcome"),
    [
        ("ok", "test 1", "passed"),
        ("ok 1", "test 1", "passed"),
        ("ok 1 a\\#b", "a#b", "passed"),
        ("ok 1 - a \\# SKIP no", "a # SKIP no", "passed"),
        ("ok 1 - a # b", "a # b", "passed"),
        ("ok 1 - a#1", "a#1", "passed"),
        ("ok 1 - # SKIP", "test 1", "skipped"),
        ("ok 1 - a # SKIPPED: x", "a", "skipped"),
        ("not ok 1 - a # SKIP x", "a", "skipped"),
        ("not ok 1 - a # todo", "a", "xfailed"),
        ("not ok 1 - a # todos are fun", "a # todos are fun", "failed"),
        ("ok 1 - 12 monkeys", "12 monkeys", "passed"),
    ],
)
def test_test_lines(line: str, name: str, outcome: str) -> None:
    """Description and directive, with escapes."""
    assert shown(f"{line}\n1..1\n") == [("", name, outcome)]


def test_names_give_no_orders() -> None:
    """What a terminal would obey is escaped: ids of tests are shown as they are."""
    [case], _ = parse("1..1\nok 1 - a\x1b]0;title\x07b\tc\n")
    assert case.name == "a\\x1b]0;title\\x07b c"


def test_nothing_to_do() -> None:
    """A plan of none with a reason is one skipped case, not silence."""
    cases, problems = parse("TAP version 14\n1..0 # SKIP no browser here\n")
    assert [(case.name, case.outcome, case.message) for case in cases] == [
        ("(all)", "skipped", "no browser here")
    ]
    assert problems == []


def test_other_output_is_passed_over() -> None:
    """Scripts print more than TAP."""
    assert shown("compiling\nokay then\n1..1\nsome text\nok 1 - a\nbye\n# comment\n") == [("", "a", "passed")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no TAP"),
        ("hello\n", "holds no TAP"),
        ("TAP version 13\n", "there is no plan"),
        ("ok 1 - a\n", "there is no plan"),
        ("1..3\nok 1\nok 2\n", "the plan is 3 tests, and 2 came"),
        ("1..1\nok 1\nok 2\n", "the plan is 1 tests, and 2 came"),
        ("1..2\nok 1\nok 1\n", "test number 1 twice"),
        ("1..2\nok 1\nok 7\n", "one has number 7"),
        ("1..1\n1..1\nok 1\n", "has two plans"),
        ("1..2\nok 1\nBail out! no database\n", "bails out: no database"),
        ("1..1\nok 1\n  ---\n  message: x\n", "ends within a block"),
        ("1..1\n# Subtest: s\n    ok 1\n    1..1\n", "ends within a subtest"),
        (
            "# Subtest: s\n    ok 1\n    1..2\nok 1 - s\n1..1\n",
            "the plan of subtest 's' is 2 tests, and 1 came",
        ),
    ],
)
def test_what_cannot_be_trusted(text: str, problem: str) -> None:
    """Is a problem, in words."""
    _, problems = parse(text)
    assert any(problem in found for found in problems), problems


def test_a_parent_cannot_hide_its_subtests() -> None:
    """Ok above a subtest that failed is a contradiction, and so a failure."""
    cases, _ = parse("# Subtest: s\n    not ok 1 - a\n    1..1\nok 1 - s\n1..1\n")
    assert [(case.name, case.outcome) for case in cases] == [("a", "failed"), ("s", "failed")]
    assert cases[1].message == "ok, though 1 of its 1 subtests failed"


def test_every_cut_at_a_line_is_seen() -> None:
    """A document that ends early has lost its plan, or does not keep it."""
    lines = [line for line in NODE.splitlines(keepends=True) if not line.startswith("# ")]
    for count in range(len(lines)):
        _, problems = parse("".join(lines[:count]))
        assert problems, count


def test_after_a_bail_out_nothing_counts() -> None:
    """What is printed later may be anything."""
    cases, _ = parse("1..2\nok 1 - a\nBail out!\nok 2 - b\n")
    assert [case.name for case in cases] == ["a"]
