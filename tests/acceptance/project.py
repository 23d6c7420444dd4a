"""A project in a temporary folder whose suite is run by the real agent, as a local process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 240.0  # a run takes two seconds; machines that build can be very busy
TESTS = Path(__file__).parents[1]
_WITHOUT_HYPOTHESIS = "-p no:hypothesispytest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A pytest run that has ended.

    Attributes:
        exit_code: Of the process.
        text: Its standard output.
        events: What `report_log` wrote.
    """

    exit_code: int
    text: str
    events: tuple[dict[str, Any], ...]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """The events of a kind."""
        return [event for event in self.events if event["kind"] == kind]

    def outcomes(self) -> dict[str, str]:
        """What became of each test: the phases that did not simply pass, or ``passed``."""
        result: dict[str, str] = {}
        for event in self.of_kind("test"):
            word = _word(event)
            if event["when"] != "call" and word == "passed":
                result.setdefault(event["nodeid"], "passed")
                continue
            before = result.get(event["nodeid"], "passed")
            result[event["nodeid"]] = word if before == "passed" else f"{before}, {word}"
        return result

    def ids(self) -> list[str]:
        """The ids of the selected tests, in order."""
        return [nodeid for event in self.of_kind("items") for nodeid in event["nodeids"]]

    def report(self, name: str, when: str = "call") -> dict[str, Any]:
        """The one report of the test whose id ends so."""
        [event] = [
            event
            for event in self.of_kind("test")
            if event["nodeid"].endswith(f"::{name}") and event["when"] == when
        ]
        return event

    def must_show(self, *lines: str) -> None:
        """Each text occurs in the output, in this order."""
        position = 0
        for line in lines:
            found = self.text.find(line, position)
            assert found >= 0, f"{line!r} is not in the rest of the output:\n{self.text}"
            position = found + len(line)


def _word(event: dict[str, Any]) -> str:
    outcome = str(event["outcome"])
    if event["wasxfail"] is not None:
        return "xfailed" if outcome == "skipped" else "xpassed"
    return outcome if event["when"] == "call" or outcome != "failed" else f"{event['when']} failed"


class Project:
    """Writes files and runs pytest.

    Attributes:
        host: rootdir on the host.
        image: The folder that stands for the image's; the suite is laid over it when a run begins.
        python: The host's Python.
    """

    def __init__(self, folder: Path) -> None:
        self.python = sys.executable
        self.host = folder / "host" / "shop"
        self.image = folder / "image" / "shop"
        self._log = folder / "reports.jsonl"
        self.host.mkdir(parents=True)
        self.image.mkdir(parents=True)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        self._environ = {
            **kept,
            "PYTHONPATH": os.pathsep.join(str(path) for path in (TESTS, TESTS / "acceptance")),
            "PYTHONDONTWRITEBYTECODE": "1",
            # The import of one takes longer than a whole run here; the other takes part in each test's protocol,
            # so that no test is reported the short way (`plain_pass`).
            "PYTEST_ADDOPTS": f"{_WITHOUT_HYPOTHESIS} -p no:rerunfailures",
            "DOCKERCI_TEST_CONTAINER_ROOT": str(self.image),
            "COLUMNS": "120",
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        self.settings()

    def settings(self, *lines: str, suite: str = "tests") -> None:
        """Write pytest.ini: the suite, and further lines."""
        self.write(
            "pytest.ini", "\n".join(["[pytest]", "dockerci_service = web", f"testpaths = {suite}", *lines])
        )

    def write(self, path: str, text: str) -> Path:
        """Write a file of the host's tree."""
        return _write(self.host / path, text)

    def write_image(self, path: str, text: str) -> Path:
        """Write a file that only the image holds."""
        return _write(self.image / path, text)

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a run on the host."""
        return dict(self._environ)

    @property
    def was_started(self) -> bool:
        """True when a run has started the environment."""
        return (self.image / "started").exists()

    def run(self, *args: str, cwd: Path | None = None, **environ: str) -> Run:
        """Run pytest with the plugin."""
        return self._run(["-p", "local_environment", *args], cwd or self.host, environ)

    def run_plainly(self, *args: str, **environ: str) -> Run:
        """Run the same suite by hand in the image: the reference of what a run means."""
        plain = ["--no-dockerci", "-p", "no:cacheprovider", *args]
        return self._run(plain, self.image, {"DOCKERCI": "1", **environ})

    def _run(self, args: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> Run:
        self._log.unlink(missing_ok=True)
        reruns = any(argument.startswith("--reruns") for argument in args)
        process = subprocess.run(
            [self.python, "-m", "pytest", "-p", "report_log", *args],
            cwd=cwd,
            env={
                **self._environ,
                **({"PYTEST_ADDOPTS": _WITHOUT_HYPOTHESIS} if reruns else {}),
                "REPORT_LOG": str(self._log),
                **environ,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        events = self._log.read_text().splitlines() if self._log.exists() else []
        return Run(
            exit_code=process.returncode,
            text=process.stdout.decode("utf-8", "backslashreplace"),
            events=tuple(json.loads(line) for line in events),
        )


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return path
