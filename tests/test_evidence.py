"""The statement about a test run: what is written, and what is believed of what is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_dockerci.evidence import ReadStatement, RunEvidence, read_statement, statement_of

DIGEST = f"sha256:{'a' * 64}"
EVIDENCE = RunEvidence(
    passed=["tests/test_shop.py::test_one", "tests/test_shop.py::test_two"],
    configuration=[{"name": "pytest.ini", "digest": {"sha256": "b" * 64}}],
    url="https://ci.example.com/job/812",
)


def test_the_statement_is_in_totos() -> None:
    """All of it."""
    assert json.loads(statement_of(EVIDENCE, name="registry.example.com/shop/web", digest=DIGEST)) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "registry.example.com/shop/web", "digest": {"sha256": "a" * 64}}],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": "PASSED",
            "configuration": [{"name": "pytest.ini", "digest": {"sha256": "b" * 64}}],
            "url": "https://ci.example.com/job/812",
            "passedTests": ["tests/test_shop.py::test_one", "tests/test_shop.py::test_two"],
            "warnedTests": [],
            "failedTests": [],
        },
    }


def test_what_passed_only_when_repeated_is_a_warning() -> None:
    """The result says so."""
    body = statement_of(RunEvidence(passed=["a"], warned=["b"]), name="web", digest=DIGEST)
    assert read_statement(body, DIGEST) == ReadStatement(result="WARNED", passed=1, warned=1, url="")


def test_what_is_written_can_be_read() -> None:
    """With its counts."""
    body = statement_of(EVIDENCE, name="web", digest=DIGEST)
    assert read_statement(body, DIGEST) == ReadStatement(
        result="PASSED", passed=2, warned=0, url="https://ci.example.com/job/812"
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"_type": "https://in-toto.io/Statement/v0.1"}, "it is no in-toto statement"),
        ({"predicateType": "https://slsa.dev/provenance/v1"}, "it is about something else"),
        ({"subject": []}, "it is about another image"),
        ({"subject": [{"name": "web", "digest": {"sha256": "c" * 64}}]}, "it is about another image"),
        ({"subject": [{"name": "web", "digest": "a"}]}, "it is about another image"),
        ({"subject": "web"}, "it is about another image"),
        ({"predicate": None}, "it has no predicate"),
        ({"predicate": {"result": "GREEN"}}, "its result is none: GREEN"),
        ({"predicate": {"result": "PASSED"}}, "it contradicts itself: PASSED, and no test that passed"),
        (
            {"predicate": {"result": "PASSED", "passedTests": ["a"], "failedTests": ["b"]}},
            "it contradicts itself: PASSED, and 1 failed tests",
        ),
        ({"predicate": {"result": "PASSED", "passedTests": "all"}}, "its lists of tests are none"),
    ],
)
def test_what_proves_nothing_is_told(change: dict[str, Any], why: str) -> None:
    """One thing is wrong each time."""
    data = {**json.loads(statement_of(EVIDENCE, name="web", digest=DIGEST)), **change}
    found = read_statement(json.dumps(data).encode(), DIGEST)
    assert isinstance(found, str)
    assert found.startswith(why)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff"])
def test_what_is_no_statement_at_all(body: bytes) -> None:
    """Never an exception."""
    assert isinstance(read_statement(body, DIGEST), str)
