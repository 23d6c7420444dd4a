"""Every outcome of pytest, in the container, as it is reported on the host."""

from __future__ import annotations

from acceptance.plain_run import run_both
from acceptance.project import Project

OUTCOMES = """
import logging
import os
import unittest
import warnings
import pytest

def test_passes(): pass

def test_fails():
    left = {"a": 1}
    assert left == {"a": 2}

def helper(number):
    raise ValueError(f"bad {number}")

def test_fails_in_a_helper():
    helper(7)

def test_fails_with_a_chain():
    try:
        helper(1)
    except ValueError as error:
        raise RuntimeError("outer") from error

def test_fails_by_call(): pytest.fail("on purpose")
def test_fails_without_traceback(): pytest.fail("no trace", pytrace=False)
def test_prints():
    print("to stdout"); print("to stderr", file=sys.stderr); logging.warning("to the log")
def test_prints_and_fails():
    print("before \\x1b[31mred\\x1b[0m"); os.write(1, b"raw \\xff\\n"); logging.error("logged"); assert False, "message"

@pytest.fixture
def broken_setup(): raise OSError(2, "no such thing")
def test_setup_error(broken_setup): pass

@pytest.fixture
def broken_teardown():
    print("in set-up")
    yield
    print("in tear-down")
    raise KeyError("gone")
def test_teardown_error(broken_teardown): print("in call")
def test_fails_and_teardown_error(broken_teardown): assert 0

@pytest.mark.skip(reason="not today")
def test_skip_mark(): pass
@pytest.mark.skip
def test_skip_mark_bare(): pass
@pytest.mark.skipif(True, reason="a condition")
def test_skipif(): pass
def test_skip_call(): pytest.skip("half way")
@pytest.fixture
def skipping(): pytest.skip("in a fixture")
def test_skip_fixture(skipping): pass
def test_importorskip(): pytest.importorskip("no_such_module_at_all")

@pytest.mark.xfail(reason="known")
def test_xfail(): assert 0
@pytest.mark.xfail
def test_xpass(): pass
@pytest.mark.xfail(strict=True, reason="should fail")
def test_xpass_strict(): pass
@pytest.mark.xfail(raises=KeyError)
def test_xfail_other_exception(): raise ValueError
@pytest.mark.xfail(run=False, reason="dangerous")
def test_xfail_notrun(): os._exit(1)
def test_xfail_call(): pytest.xfail("gave up")

def test_warns(): warnings.warn("careful", UserWarning)
class Odd(DeprecationWarning): pass
def test_warns_oddly(): warnings.warn(Odd("own class"))

def test_property(record_property): record_property("build", 7); record_property("list", [1, {"a": None}])
def test_exit_call_of_sys(): sys.exit(3)
def test_system_exit_zero(): raise SystemExit

def test_subtests(subtests):
    for number in range(3):
        with subtests.test(msg="part", number=number):
            assert number != 1
def test_subtests_all_pass(subtests):
    with subtests.test("one"): pass

def test_unicode(): assert "\\u00e4\\u20ac\\U0001f600" == "\\udcff"

class Group(Exception): pass
def test_exception_with_bad_repr():
    class Bad(Exception):
        def __repr__(self): raise RuntimeError
        __str__ = __repr__
    raise Bad

class TestCase(unittest.TestCase):
    def setUp(self): self.value = 1
    def test_unit_passes(self): self.assertEqual(self.value, 1)
    def test_unit_fails(self): self.assertEqual(self.value, 2, "sum")
    def test_unit_skips(self): self.skipTest("unit skip")
    @unittest.expectedFailure
    def test_unit_expected(self): self.fail()
    @unittest.expectedFailure
    def test_unit_unexpected(self): pass
    @unittest.skip("decorated")
    def test_unit_decorated(self): pass

@pytest.mark.parametrize("value", [1, 2])
class TestParametrized:
    def test_value(self, value): assert value == 1
"""


def test_every_outcome_is_the_one_of_a_plain_run(project: Project) -> None:
    """Outcomes, texts, sections, properties, keywords, warnings and exit code are those of pytest run by hand."""
    project.write("tests/test_all.py", OUTCOMES)
    run_both(project)


def test_a_green_run(project: Project) -> None:
    """Passing tests pass, and the exit code is 0."""
    project.write("tests/test_a.py", "def test_one(): pass\ndef test_two(): pass\n")
    run = project.run()
    assert run.outcomes() == {"tests/test_a.py::test_one": "passed", "tests/test_a.py::test_two": "passed"}
    assert run.exit_code == 0
    run.must_show("2 passed")
