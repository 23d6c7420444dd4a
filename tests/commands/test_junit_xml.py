"""JUnit XML as the tools write it; hostile, cut and contradictory files."""

# ruff: noqa: E501 - lines of others

from __future__ import annotations

import io
import time
from typing import Any

import junitparser
import pytest

from pytest_dockerci.commands.case import Case
from pytest_dockerci.commands.junit_xml import parse_junit
from pytest_dockerci.commands.safe_xml import MAX_DEPTH

PYTEST = """<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="1"
failures="1" skipped="2" tests="5" time="0.1" timestamp="2026-01-01T00:00:00+00:00" hostname="box">
<testcase classname="tests.test_a" name="test_ok" time="0.25"><properties><property name="k" value="v"/></properties>
<system-out>said</system-out></testcase>
<testcase classname="tests.test_a" name="test_bad" time="0.001"><failure message="assert 1 == 2">def test_bad():
&gt;   assert 1 == 2
E   assert 1 == 2</failure></testcase>
<testcase classname="tests.test_a" name="test_err" time="0"><error message="failed on setup">boom</error></testcase>
<testcase classname="tests.test_a" name="test_skip" time="0"><skipped type="pytest.skip" message="not here">t.py:1: not here</skipped></testcase>
<testcase classname="tests.test_a" name="test_x" time="0"><skipped type="pytest.xfail" message="later"/></testcase>
</testsuite></testsuites>"""
SUREFIRE = """<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" version="3.0" name="com.acme.ShopTest"
time="1,234.5" tests="3" errors="0" skipped="0" failures="1">
<properties><property name="java.version" value="21"/></properties>
<testcase name="flaky" classname="com.acme.ShopTest" time="0.1"><flakyFailure message="once" type="x"><stackTrace>s</stackTrace>
<system-out>of the first attempt</system-out></flakyFailure></testcase>
<testcase name="red" classname="com.acme.ShopTest" time="1,000.5"><failure message="expected: &lt;1&gt;" type="AssertionError">stack</failure>
<rerunFailure message="again" type="x"><stackTrace>s2</stackTrace><system-out>second</system-out></rerunFailure>
<system-err>warned</system-err></testcase>
<testcase name="green" classname="com.acme.ShopTest" time="0.0"/></testsuite>"""
JEST = """<testsuites name="jest tests" tests="2" failures="1" errors="0" time="2.1">
<testsuite name="cart" errors="0" failures="1" skipped="0" timestamp="2026-01-01T00:00:00" time="1" tests="2">
<testcase classname="cart adds" name="cart adds" time="0.004" file="src/cart.test.js"/>
<testcase classname="cart sums" name="cart sums" time="0.01" file="src/cart.test.js">
<failure>Error: expect(received).toBe(expected)
    at Object.&lt;anonymous&gt; (src/cart.test.js:9:3)</failure></testcase></testsuite></testsuites>"""
RSPEC = """<testsuite name="rspec" tests="2" skipped="1" failures="0" errors="0" time="0.01" timestamp="x" hostname="h">
<testcase classname="spec.user_spec" name="User is saved" file="./spec/user_spec.rb" time="0.001"></testcase>
<testcase classname="spec.user_spec" name="User waits" file="./spec/user_spec.rb" time="0.001"><skipped/></testcase></testsuite>"""
PHPUNIT = """<testsuites><testsuite name="default" tests="2" assertions="2" errors="0" failures="1" skipped="0" time="0.02">
<testsuite name="App\\CartTest" file="/app/tests/CartTest.php" tests="2" assertions="2" errors="0" failures="1" time="0.02">
<testsuite name="App\\CartTest::testSum" tests="1" failures="0">
<testcase name="testSum with data set #0" class="App\\CartTest" classname="App.CartTest" file="/app/tests/CartTest.php" line="12" time="0.01"/>
</testsuite>
<testcase name="testTax" class="App\\CartTest" classname="App.CartTest" file="/app/tests/CartTest.php" line="20" time="0.01">
<failure type="PHPUnit\\Framework\\ExpectationFailedException">App\\CartTest::testTax
Failed asserting that 3 matches 4.</failure></testcase></testsuite></testsuite></testsuites>"""
GO_JUNIT_REPORT = """<testsuites tests="2" failures="1"><testsuite name="example.com/cart" tests="2" failures="1" errors="0" id="0"
hostname="h" time="0.003"><testcase name="TestSum" classname="example.com/cart" time="0.000"></testcase>
<testcase name="TestTax" classname="example.com/cart" time="0.001"><failure message="Failed"><![CDATA[    cart_test.go:9: got 3]]></failure>
</testcase></testsuite></testsuites>"""
GTEST = """<testsuites tests="2" failures="1" disabled="1" errors="0" time="0.1" name="AllTests"><testsuite name="Cart" tests="2"
failures="1" disabled="1" errors="0"><testcase name="Sum" file="cart.cc" line="7" status="run" result="completed" time="0.1" classname="Cart">
<failure message="first" type="">a</failure><failure message="second" type="">b</failure></testcase>
<testcase name="DISABLED_Tax" file="cart.cc" line="9" status="notrun" result="suppressed" time="0" classname="Cart"/></testsuite></testsuites>"""
CATCH2 = """<testsuites><testsuite name="t" errors="0" failures="0" skipped="0" tests="17" hostname="tbd" time="0.1" timestamp="x">
<testcase classname="t.global" name="sums" time="0.001" status="run"/></testsuite></testsuites>"""
NAMESPACED = """<ns:testsuites xmlns:ns="urn:x"><ns:testsuite name="s" tests="1"><ns:testcase name="a" classname="c"/></ns:testsuite></ns:testsuites>"""

SAMPLES = {
    "pytest": (
        PYTEST,
        {
            "test_ok": "passed",
            "test_bad": "failed",
            "test_err": "failed",
            "test_skip": "skipped",
            "test_x": "skipped",
        },
    ),
    "surefire": (SUREFIRE, {"flaky": "passed", "red": "failed", "green": "passed"}),
    "jest": (JEST, {"cart adds": "passed", "cart sums": "failed"}),
    "rspec": (RSPEC, {"User is saved": "passed", "User waits": "skipped"}),
    "phpunit": (PHPUNIT, {"testSum with data set #0": "passed", "testTax": "failed"}),
    "go-junit-report": (GO_JUNIT_REPORT, {"TestSum": "passed", "TestTax": "failed"}),
    "gtest": (GTEST, {"Sum": "failed", "DISABLED_Tax": "skipped"}),
    "catch2": (CATCH2, {"sums": "passed"}),
    "namespaces": (NAMESPACED, {"a": "passed"}),
}


def case(text: str, name: str) -> Case:
    """The one case of this name."""
    [found] = [case for case in parse_junit(text.encode(), "r.xml").cases if case.name == name]
    return found


@pytest.mark.parametrize("dialect", SAMPLES)
def test_dialects(dialect: str) -> None:
    """Every case of every tool, with its outcome; nothing to complain about."""
    text, outcomes = SAMPLES[dialect]
    results = parse_junit(text.encode(), "r.xml")
    assert {case.name: case.outcome for case in results.cases} == outcomes
    assert results.problems == ()


@pytest.mark.parametrize("dialect", [name for name in SAMPLES if name != "namespaces"])
def test_junitparser_finds_as_many(dialect: str) -> None:
    """A reader of somebody else's counts the same cases and the same red ones."""
    text = SAMPLES[dialect][0]
    theirs = junitparser.JUnitXml.fromroot(junitparser.JUnitXml.fromstring(text)._elem)
    parsed: Any = theirs
    suites = [parsed] if type(parsed).__name__ == "TestSuite" else list(parsed)
    cases = [case for suite in suites for case in suite]
    ours = parse_junit(text.encode(), "r.xml").cases
    assert len(cases) == len(ours)
    red = [case.name for case in cases if case.is_failure or case.is_error]
    assert red == [case.name for case in ours if case.outcome == "failed"]


def test_what_is_told_of_a_case() -> None:
    """Message, stack, time, output, file and line, properties; attempts before the last one do not count as its own."""
    ok = case(PYTEST, "test_ok")
    assert (ok.seconds, ok.output, ok.properties) == (0.25, "said", (("k", "v"),))
    bad = case(PYTEST, "test_bad")
    assert bad.message == "assert 1 == 2"
    assert "> " in bad.details
    red = case(SUREFIRE, "red")
    assert (red.seconds, red.error_output, red.output) == (1000.5, "warned", "")
    assert red.properties == (("failed attempts before", "1"),)
    assert case(SUREFIRE, "flaky").properties == (("failed attempts before", "1"),)
    assert case(JEST, "cart sums").message == "Error: expect(received).toBe(expected)"
    assert case(PHPUNIT, "testTax").source == "/app/tests/CartTest.php:20"
    assert case(GTEST, "Sum").message == "first\nsecond"
    assert case(RSPEC, "User waits").origin == "r.xml"


def test_suites_and_names() -> None:
    """A suite's name stands in for a class; equal names are told apart; a failure of the suite itself is a case."""
    text = (
        '<testsuites><testsuite name="outer"><testcase name="a"/><testcase name="a"/><testcase/>'
        '<error message="no database">stack</error></testsuite></testsuites>'
    )
    results = parse_junit(text.encode(), "r.xml")
    assert [case.key for case in results.cases] == [
        ("outer", "a"),
        ("outer", "a (2)"),
        ("outer", "(without a name)"),
        ("outer", "(the suite itself)"),
    ]
    assert results.cases[-1].message == "no database"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "r.xml is empty"),
        ("  \n", "r.xml is empty"),
        ("hello", "syntax error"),
        (PYTEST[:-30], "was it cut off?"),
        (PYTEST[:400], "was it cut off?"),
        ("<html/>", "r.xml is not JUnit XML: its root is <html>"),
        ("<testsuites/>", "r.xml has no case in it"),
        ('<testsuite tests="3"/>', "r.xml has no case in it"),
        (
            '<testsuite name="s" tests="3"><testcase name="a"/></testsuite>',
            "counts 3 tests in 's', and holds 1",
        ),
        ('<testsuite failures="1"><testcase name="a"/></testsuite>', "counts 1 failures, and none"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><testsuite><testcase name="&a;"/></testsuite>', "document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuite/>', "document type"),
        ("<testsuite><testcase name='\x01'/></testsuite>", "not well-formed"),
        ("<a>" * (MAX_DEPTH + 1), f"more than {MAX_DEPTH} elements within each other"),
        ('<?xml version="1.0" encoding="nonsense"?><testsuite/>', "unknown encoding"),
    ],
)
def test_what_cannot_be_trusted(text: str, problem: str) -> None:
    """Is a problem, in words, and never no problem."""
    problems = parse_junit(text.encode(), "r.xml").problems
    assert len(problems) == 1
    assert problem in problems[0]


def test_every_cut_is_seen() -> None:
    """A file that is cut at any byte is a problem, or lost nothing but its last line break."""
    data = PYTEST.encode()
    for length in range(len(data)):
        assert parse_junit(data[:length], "r.xml").problems, length


def test_entities_do_not_grow() -> None:
    """A thousand million laughs are refused at once, and outside files are never asked for."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<!DOCTYPE t [<!ENTITY l0 "ha">{laughs}]><testsuite><testcase name="&l9;"/></testsuite>'
    began = time.monotonic()
    assert "document type" in parse_junit(text.encode(), "r.xml").problems[0]
    assert time.monotonic() - began < 1


def test_long_texts_lose_their_middle() -> None:
    """Ten megabytes of output of a case do not stay in memory, nor names of any length."""
    buffer = io.StringIO()
    buffer.write(f'<testsuite><testcase name="{"n" * 5000}"><system-out>begin')
    buffer.write("x" * 10_000_000)
    buffer.write("end</system-out></testcase></testsuite>")
    [only] = parse_junit(buffer.getvalue().encode(), "r.xml").cases
    assert only.output.startswith("begin")
    assert only.output.endswith("end")
    assert "characters left out" in only.output
    assert len(only.output) < 70_000
    assert len(only.name) == 1000


def test_other_encodings() -> None:
    """UTF-16 and an old single-byte encoding are read as they say."""
    text = '<testsuite><testcase name="größe"/></testsuite>'
    for encoding in ("utf-16", "iso-8859-1"):
        data = f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding)
        assert [case.name for case in parse_junit(data, "r.xml").cases] == ["größe"]
