"""What a test prints or says gives no orders to the host's terminal, nor to the CI system that reads the log."""

from __future__ import annotations

import re

import pytest

from acceptance.project import Project
from variants import soak_after

ORDERS = (
    "\\x1b[2J\\x1b]0;title\\x07over\\rwritten\\u202egnp.exe\\n::error::forged\\n"
    "##vso[task.complete]\\n1 passed in 0.01s"
)
SUITE = f"""
import unittest
import warnings
import pytest
ORDERS = "{ORDERS}"
def test_prints(): print(ORDERS)
def test_prints_and_fails():
    print(ORDERS)
    assert ORDERS == "nothing"
def test_raises(): raise ValueError(ORDERS)
def test_fails_without_traceback(): pytest.fail(ORDERS, pytrace=False)
def test_skips(): pytest.skip(ORDERS)
def test_xfails(): pytest.xfail(ORDERS)
def test_warns(): warnings.warn(ORDERS)
def test_in_a_chain():
    try:
        raise KeyError(ORDERS)
    except KeyError as error:
        raise LookupError(ORDERS) from error
class TestUnit(unittest.TestCase):
    def test_subtests(self):
        with self.subTest(ORDERS):
            self.fail(ORDERS)
@pytest.fixture
def broken():
    yield
    print(ORDERS)
    raise OSError(ORDERS)
def test_teardown(broken): pass
def test_locals():
    value = ORDERS
    class Odd:
        def __repr__(self): return ORDERS
    odd = Odd()
    assert odd is None
"""


def orders_in(text: str) -> list[str]:
    """What a terminal or a CI system would obey."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", text.replace("\r\n", "\n"))
    found = re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", plain)
    return [*found, *re.findall(r"^\s*::\w.*|##(?:vso|teamcity)?\[.*", plain, re.MULTILINE)]


@pytest.mark.parametrize(
    "args",
    soak_after(
        1,
        [
            pytest.param(("-rA", "-v", "-l")),
            pytest.param(("-rA", "--tb=native")),
            pytest.param(("-rA", "--tb=short", "-n2")),
            pytest.param(("-s", "--color=yes")),
        ],
    ),
)
def test_no_orders(project: Project, args: tuple[str, ...]) -> None:
    """In no place where pytest shows it; in the report's file everything is as it was."""
    project.write("tests/test_shop.py", SUITE)
    run = project.run(*args, "--junitxml=report.xml")
    assert orders_in(run.text) == [], repr(run.text)
    assert "1 passed in 0.01s" in run.text
    assert run.exit_code == 1
    report = (project.host / "report.xml").read_text()
    assert "#x1B[2J" in report
    assert "\n::error::forged" in report


def test_a_module_that_gives_orders_while_it_is_collected(project: Project) -> None:
    """Its error is shown as text."""
    project.write("tests/test_shop.py", f'raise ImportError("{ORDERS}")\n')
    run = project.run("-v")
    assert orders_in(run.text) == []
    assert "forged" in run.text
