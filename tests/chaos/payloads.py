"""Hostile payloads: in what tests print, raise and name, in what an agent says, in the files of a container."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from chaos import hostile_payloads
from chaos.hostile_archives import taken_wrongly
from chaos.hostile_conversations import believed_wrongly
from chaos.hostile_payloads import ESCAPED, SECRETS, TRAP
from chaos.trial import Family, Finding, Trial

_CASES = 2_000
_LIMIT_SECONDS = 600.0
TESTS = Path(__file__).parents[1]
_SETTINGS = "\n    ".join(
    ("[pytest]\ndockerci_service = web\ntestpaths = tests\ndockerci_secrets =", *SECRETS)
)
# Each way of using a payload, and what a test that does so comes to.
WAYS = {
    "prints": "passed",
    "prints to the descriptor": "passed",
    "prints and fails": "failed",
    "raises": "failed",
    "raises a class": "failed",
    "fails without traceback": "failed",
    "compares": "failed",
    "skips": "skipped",
    "is expected to fail": "skipped",
    "warns": "passed",
    "logs and fails": "failed",
    "records": "passed",
    "records for the suite": "passed",
    "breaks at its end": "passed, failed",
}
SUITE = """\
import json, logging, os, pathlib, warnings
import pytest
CASES = json.loads((pathlib.Path(__file__).parent / "cases.json").read_text())
WORDS = ("OK", "PASSED")
def name_of(number):
    return f"{number}-{CASES[number][1]}" if number % 10 == 0 else str(number)
@pytest.fixture
def at_its_end(request):
    yield
    way, payload = CASES[request.node.callspec.params["number"]]
    if way == "breaks at its end":
        print(payload)
        raise LookupError(payload)
@pytest.mark.parametrize("number", range(len(CASES)), ids=name_of)
def test_it(number, at_its_end, record_property, record_xml_attribute, record_testsuite_property):
    way, payload = CASES[number]
    if way == "prints":
        print(payload.encode("utf-8", "replace").decode())
    elif way == "prints to the descriptor":
        os.write(1, payload.encode("utf-8", "surrogatepass") + b"\\n")
        os.write(2, payload.encode("utf-8", "surrogatepass") + b"\\n")
    elif way == "prints and fails":
        print(payload.encode("utf-8", "replace").decode())
        assert number < 0
    elif way == "raises":
        raise ValueError(payload)
    elif way == "raises a class":
        name = payload.replace("\\0", "").encode("utf-8", "replace").decode()
        raise type(name, (OSError,), {"__module__": name})(payload)
    elif way == "fails without traceback":
        pytest.fail(payload, pytrace=False)
    elif way == "compares":
        assert [payload, {payload: payload}] == payload
    elif way == "skips":
        pytest.skip(payload)
    elif way == "is expected to fail":
        pytest.xfail(payload)
    elif way == "warns":
        warnings.warn(payload.encode("utf-8", "replace").decode())
    elif way == "logs and fails":
        logging.getLogger(payload).error("%s", payload)
        assert number < 0
    elif way == "records":
        record_property(payload, payload)
        record_xml_attribute("attribute", payload)
        record_xml_attribute(payload, payload)
    elif way == "records for the suite":
        record_testsuite_property(payload, payload)
"""


@contextmanager
def _opened(folder: Path) -> Iterator[Callable[[Trial], Finding]]:
    def make(trial: Trial) -> Finding:
        return tried(folder / str(trial.number), trial, _CASES)

    yield make


def tried(folder: Path, trial: Trial, count: int) -> Finding:
    """One trial, with so many payloads."""
    kinds = {
        "printed, raised, named by tests": _in_a_suite,
        "in the reports of a lying agent": _in_reports,
        "in conversations": believed_wrongly,
        "in archives of artifacts": taken_wrongly,
    }
    kind = list(kinds)[trial.number % len(kinds)]
    folder.mkdir()
    return Finding(kind=kind, problems=tuple(kinds[kind](folder, trial.random, count)), cases=count)


def _in_a_suite(folder: Path, chance: random.Random, count: int) -> Iterator[str]:
    verdicts = written_suite(folder, chance, count)
    yield from ran(folder, ["-p", "local_environment"], list(verdicts))


def _in_reports(folder: Path, chance: random.Random, count: int) -> Iterator[str]:
    verdicts = written_suite(folder, chance, count)
    # Of every second test the agent lies about that very test: it may come to anything, and changes no other one.
    expected = [verdict if number % 2 else None for number, verdict in enumerate(verdicts)]
    yield from ran(folder, ["-p", "chaos.hostile_environment"], expected, PAYLOAD_SEED=str(chance.random()))


def written_suite(folder: Path, chance: random.Random, count: int, host_name: str = "host") -> Iterator[str]:
    """Write a suite into a project; what each of its tests comes to."""
    cases = [(chance.choice(list(WAYS)), hostile_payloads.text(chance)) for _ in range(count)]
    host = folder / host_name
    (host / "tests").mkdir(parents=True)
    (folder / "image").mkdir()
    (host / "pytest.ini").write_text(_SETTINGS)
    (host / f"{TRAP}.py").write_text(f"open({str(folder / 'imported')!r}, 'w').close()\n")
    (host / "tests" / "test_suite.py").write_text(SUITE)
    (host / "tests" / "cases.json").write_text(json.dumps(cases))
    return (WAYS[way] for way, _ in cases)


def ran(
    folder: Path,
    args: list[str],
    expected: Sequence[str | None],
    *,
    host_name: str = "host",
    **environ: str,
) -> Iterator[str]:
    """Run the suite of a project; what was not as it has to be.

    Args:
        folder: Holds the project's folder, and ``image``.
        args: Further arguments of pytest.
        expected: For each test, what it really comes to, None for anything; its number stands in its name.
        host_name: Of the project's folder.
        environ: Further variables.
    """
    watched, log, junit = folder / "watched", folder / "reports.jsonl", folder / "report.xml"
    variables = {
        **environ,
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
        **SECRETS,
        # What is judged may be another tree's package than the installed one.
        "PYTHONPATH": os.pathsep.join(
            [str(TESTS), str(TESTS / "acceptance"), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_ADDOPTS": "-p no:hypothesispytest -p no:cacheprovider",
        "DOCKERCI_TEST_CONTAINER_ROOT": str(folder / "image"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "REPORT_LOG": str(log),
        "PAYLOAD_WATCH": str(watched),
        "PAYLOAD_WATCH_WRITES": os.pathsep.join((str(folder), "/tmp", "/var/tmp")),  # noqa: S108
    }
    process = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "chaos.payload_watch", "-p", "report_log"),
            *("-v", "-rA", "-l", f"--junitxml={junit}", *args),
        ],
        cwd=folder / host_name,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    text = process.stdout.decode("utf-8", "backslashreplace")
    if process.returncode != 1 or "INTERNALERROR" in text or "\nTraceback (most" in text:
        yield f"exit code {process.returncode}: {text[-3000:]}"
        return
    yield from (f"an order: {each!r:.300}" for each in orders_in(text))
    yield from _forged(log, expected)
    yield from _written(folder, watched)
    yield from _wrong_xml(junit, expected)
    for path, content in ((None, text), (log, log.read_text()), (junit, junit.read_text())):
        yield from (
            f"a secret in {path or 'the output'}: {form}" for form in _secret_forms() if form in content
        )


def orders_in(text: str) -> list[str]:
    """What a terminal or a CI system would obey."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    found = re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", plain)
    return [*found, *re.findall(r"^\s*::\w.*|##(?:vso|teamcity)?\[.*", plain, re.MULTILINE)]


def _forged(log: Path, expected: Sequence[str | None]) -> Iterator[str]:
    """Verdicts that are not what the tests came to."""
    verdicts: dict[int, list[str]] = {}
    for line in log.read_text().splitlines():
        event = json.loads(line)
        if event["kind"] == "test" and (event["when"] == "call" or event["outcome"] != "passed"):
            found = re.search(r"\[(\d+)(?:-|\])", event["nodeid"])
            verdicts.setdefault(int(found[1]) if found else -1, []).append(event["outcome"])
    for number, verdict in enumerate(expected):
        found_one = ", ".join(verdicts.pop(number, ["none"]))
        if verdict is not None and found_one != verdict:
            yield f"test {number} is not {verdict}"
    yield from (f"a verdict on a test that does not exist: {number}" for number in verdicts)


def _written(folder: Path, watched: Path) -> Iterator[str]:
    """What payloads made the host do."""
    *lines, last = watched.read_text().splitlines()
    yield from lines[:20]
    if last != "end" or (folder / "imported").exists():
        yield "the trap was imported"
    yield from hostile_payloads.written_outside(folder)
    yield from (f"written: {path}" for path in folder.rglob(f"*{ESCAPED}*"))


def _wrong_xml(junit: Path, expected: Sequence[str | None]) -> Iterator[str]:
    content = junit.read_bytes()
    try:
        suite = ET.fromstring(content)[0]  # noqa: S314 - written by this very run
    except ET.ParseError as error:
        yield f"the JUnit file is none: {error}"
        return
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        yield "the JUnit file defines entities"
    if None in expected:
        return
    red = sum(str(verdict).count("failed") for verdict in expected)
    counted = int(suite.get("failures", "0")) + int(suite.get("errors", "0"))
    if counted != red or len(suite.findall("testcase")) < len(expected):
        yield f"the JUnit file counts {counted} failures, not {red}"


def _secret_forms() -> list[str]:
    forms = []
    for value in SECRETS.values():
        data = value.encode()
        forms += [value, quote(value, safe=""), base64.b64encode(data).decode()[:20]]
        forms.append(base64.urlsafe_b64encode(b"x" + data).decode()[4:24])
    return forms


PAYLOADS = Family(
    name="payloads",
    promise="hostile payloads: 0 forged verdicts, 0 imports, 0 files outside, 0 orders to the terminal, 0 secrets",
    trials=60,
    small=0,
    opened=_opened,
)
