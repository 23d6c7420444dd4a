"""The commands that change the code: what they would change is there, and a change is one."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import pytest

import pytest_dockerci
from mutation.handlings import HANDLINGS, Handling
from mutation.mutants import mutants_of
from mutation.targets import TARGETS, Target

PACKAGE = Path(pytest_dockerci.__file__).parent
TREE = Path(__file__).parents[2]
FAULTS = TREE / "docs" / "explanation" / "faults.md"


@pytest.mark.parametrize("handling", HANDLINGS, ids=lambda handling: f"{handling.row} {handling.fault}")
def test_a_handling_can_be_taken_out(handling: Handling) -> None:
    """Its text is in the source, once, and its test exists."""
    assert handling.changes
    for module, old, new in handling.changes:
        assert (PACKAGE / module).read_text().count(old) == 1, module
        assert old != new
    file, _, name = handling.test.lstrip("@").partition("::")
    assert f"def {name.partition('[')[0]}" in (TREE / file).read_text()


def test_the_table_of_faults_names_what_exists() -> None:
    """Every test that the page names; every handling that is taken out has its row there."""
    page = FAULTS.read_text(encoding="utf-8")
    named = re.findall(r"`((?:\w+/)*test_\w+\.py)(?:::(\w+))?`", page)
    assert len(named) > 50
    for file, name in named:
        assert not name or f"def {name}(" in (TREE / "tests" / file).read_text(), f"{file}::{name}"
        assert (TREE / "tests" / file).is_file(), file
    rows = page.partition("## The others")[0]
    for handling in HANDLINGS:
        file = handling.test.lstrip("@").removeprefix("tests/").partition("::")[0]
        assert file in rows or "chaos/" in file, file


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.path)
def test_a_target_is_there(target: Target) -> None:
    """With its tests, and with something to change."""
    source = (PACKAGE / target.path).read_text()
    assert all((TREE / test).is_file() for test in target.tests)
    assert len({mutant.source for mutant in islice(mutants_of(source, target.only), 5)}) == 5
    for name in target.only:
        assert f"def {name}(" in source


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("a == b", ["Eq to NotEq: a == b"]),
        ("a < b", ["Lt to LtE: a < b", "Lt to GtE: a < b"]),
        ("a and b", ["And to Or: a and b", "operand 0 left out: a and b", "operand 1 left out: a and b"]),
        ("not a", ["not left out: not a"]),
        ("a + b", ["Add changed: a + b"]),
        ("a = 1", ["constant: 1"]),
        ("a = True", ["constant: True"]),
        ("if a: pass", ["condition true: if a:", "condition false: if a:"]),
        ("def f():\n  return a", ["returns None: return a"]),
        ("def f():\n  raise a", ["raise left out: raise a"]),
        ("a()", ["call left out: a()"]),
        ("a.b = c", ["assignment left out: a.b = c"]),
        ("for a in b:\n  break", ["break to continue: break"]),
        # nothing that runs
        ('def f(a: "b") -> "c":\n  """d"""', []),
        ("if TYPE_CHECKING:\n  import a", []),
    ],
)
def test_what_is_changed(source: str, changes: list[str]) -> None:
    """One thing at a time."""
    mutants = list(mutants_of(source))
    assert [mutant.change for mutant in mutants] == changes
    assert len({mutant.source for mutant in mutants} - {source}) == len(mutants)


def test_only_some_functions() -> None:
    """The rest stays as it is."""
    source = "def f():\n  return 1\ndef g():\n  return 2\n"
    assert {mutant.line for mutant in mutants_of(source, ("g",))} == {4}
