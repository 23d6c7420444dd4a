"""What a push leaves as evidence: an in-toto statement that a test run has passed on exactly one image. Pure.

Source: the in-toto attestation framework, "Statement" v1 and predicate "Test Result" v0.1.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
MEDIA_TYPE = "application/vnd.in-toto+json"
# Of a signed statement; source: the IANA registry of media types.
ENVELOPE_MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json"
_MAX_SHOWN_CHARACTERS = 200
PASSED, WARNED, FAILED = "PASSED", "WARNED", "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvidence:
    """What a green run knows about itself.

    Attributes:
        passed: Ids of the tests that passed inside the image, each at once.
        warned: Of those that passed there only when they were repeated.
        configuration: What decided what was run, as in-toto resource descriptors.
        url: Of the CI job; empty for none.
    """

    passed: Sequence[str]
    warned: Sequence[str] = ()
    configuration: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    url: str = ""


def statement_of(evidence: RunEvidence, *, name: str, digest: str) -> bytes:
    """The statement, as JSON.

    Args:
        evidence: Of the run.
        name: The repository.
        digest: Of the image's manifest, ``sha256:...``.
    """
    algorithm, _, value = digest.partition(":")
    predicate: dict[str, Any] = {
        "result": WARNED if evidence.warned else PASSED,
        "configuration": [dict(descriptor) for descriptor in evidence.configuration],
    }
    if evidence.url:
        predicate["url"] = evidence.url
    predicate |= {
        "passedTests": list(evidence.passed),
        "warnedTests": list(evidence.warned),
        "failedTests": [],
    }
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {algorithm: value}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }
    return (json.dumps(statement, indent=1) + "\n").encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStatement:
    """What a statement says.

    Attributes:
        result: ``PASSED``, ``WARNED`` or ``FAILED``.
        passed: How many tests it names as passed.
        warned: How many as passed with a warning.
        url: Of the CI job; empty for none.
    """

    result: str
    passed: int
    warned: int
    url: str


def read_statement(body: bytes, digest: str) -> ReadStatement | str:
    """A statement about one image; a text that says what is wrong with it, where it is none.

    Args:
        body: The statement's bytes.
        digest: The image that it has to be about.
    """
    try:
        data = json.loads(body)
    except ValueError:
        return "it is no JSON"
    if not isinstance(data, dict) or data.get("_type") != STATEMENT_TYPE:
        return f"it is no in-toto statement ({STATEMENT_TYPE})"
    if data.get("predicateType") != PREDICATE_TYPE:
        return f"it is about something else: {_in_line(data.get('predicateType'))}"
    algorithm, _, value = digest.partition(":")
    subjects = data.get("subject")
    if not isinstance(subjects, list) or not any(
        isinstance(each, dict) and _digest_in(each, algorithm) == value for each in subjects
    ):
        return f"it is about another image, not {digest}"
    return _read_predicate(data.get("predicate"))


def envelope_payload(body: bytes) -> bytes | str:
    """The statement in an envelope, whoever has signed it; a text that says what is wrong, where there is none."""
    try:
        envelope = json.loads(body)
        kind, payload = envelope["payloadType"], base64.b64decode(envelope["payload"], validate=True)
    except (ValueError, TypeError, KeyError):
        return "it is no envelope of a statement"
    return payload if kind == MEDIA_TYPE else f"its envelope holds something else: {_in_line(kind)}"


def _read_predicate(predicate: Any) -> ReadStatement | str:
    if not isinstance(predicate, dict):
        return "it has no predicate"
    result = predicate.get("result")
    if result not in (PASSED, WARNED, FAILED):
        return f"its result is none: {_in_line(result)}"
    passed, warned, failed = (
        predicate.get(name) or [] for name in ("passedTests", "warnedTests", "failedTests")
    )
    if not all(isinstance(tests, list) for tests in (passed, warned, failed)):
        return "its lists of tests are none"
    if failed and result != FAILED:
        return f"it contradicts itself: {result}, and {len(failed)} failed tests"
    if result != FAILED and not (passed or warned):
        return f"it contradicts itself: {result}, and no test that passed"
    return ReadStatement(
        result=result, passed=len(passed), warned=len(warned), url=_in_line(predicate.get("url") or "")
    )


def _in_line(value: Any) -> str:
    """A value of somebody else's as part of a line."""
    return " ".join(str(value).split())[:_MAX_SHOWN_CHARACTERS]


def _digest_in(subject: Mapping[str, Any], algorithm: str) -> str:
    digests = subject.get("digest")
    return str(digests.get(algorithm)) if isinstance(digests, dict) else ""
