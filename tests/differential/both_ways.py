"""Runs a suite on the real engine: through the plugin from the host, and by hand in a container of that image."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance.project import Run
from differential.comparison import differences
from differential.junit_cases import junit_events
from differential.terminal_text import comparable_lines, text_differences

RUN_TIMEOUT_SECONDS = 1500.0
OUT = "{out}"  # in an argument: a folder of this run for files that pytest writes
_REPORT_LOG = Path(__file__).parents[1] / "acceptance" / "report_log.py"
# Both ways: what pytest says must not depend on where it runs.
_ENVIRON = {"COLUMNS": "120"}
# By hand: runs pytest once for each command line in argv[1], in the image's own folder.
_BY_HAND = """
import json, os, pathlib, subprocess, sys, tempfile
results = []
for args in json.loads(sys.argv[1]):
    out = tempfile.mkdtemp()
    log = os.path.join(out, "reports.jsonl")
    process = subprocess.run(
        [sys.executable, "-m", "pytest", *(arg.replace("{out}", out) for arg in args)],
        env={**os.environ, "PYTEST_PLUGINS": "report_log", "REPORT_LOG": log},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    files = {path.name: path.read_text("utf-8") for path in pathlib.Path(out).iterdir() if path.is_file()}
    text = process.stdout.decode("utf-8", "backslashreplace").replace(out, "{out}")
    results.append([process.returncode, text, files])
print(json.dumps(results))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One command line, run both ways.

    Attributes:
        args: The command line.
        ours: Through the plugin.
        plain: By hand.
        places: rootdir here and there.
    """

    args: Sequence[str]
    ours: Run
    plain: Run
    places: Sequence[str]

    def differences(self) -> list[str]:
        """All that differs in what pytest reported."""
        return differences(self.ours, self.plain, places=self.places)

    def text_differences(self) -> list[str]:
        """All that differs in what the terminal showed."""
        return text_differences(*(comparable_lines(run.text, self.places) for run in (self.ours, self.plain)))


class BothWays:
    """A suite on the host and an image that holds the same suite and pytest.

    Args:
        root: rootdir on the host, with a Compose file whose service ``web`` is the image.
        image: The image, built already.
        container_root: The image's working directory.
        host_options: What only the run through the plugin is told (``-o dockerci_service=web``).
        python: The host's Python.
    """

    def __init__(
        self,
        root: Path,
        image: str,
        container_root: str,
        host_options: Sequence[str] = (),
        python: str = sys.executable,
    ) -> None:
        self._python = python
        self.root = root
        self.image = image
        self._container_root = container_root
        self._out = root.parent / "out"
        addopts = [f"--dockerci-image={image}", *host_options]
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in ("PATH", "HOME", "LANG") or name.startswith("DOCKER_")
        }
        self._environ = {
            **kept,
            **_ENVIRON,
            "DOCKERCI_REAPER_IMAGE": "none",
            "PYTHONPATH": str(_REPORT_LOG.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_PLUGINS": "report_log",
            "PYTEST_ADDOPTS": " ".join(addopts),
            "XDG_CACHE_HOME": str(root.parent / "cache"),
        }

    def run(self, *command_lines: Sequence[str]) -> list[Pair]:
        """Run command lines one after the other, both ways; each one sees what those before it left behind."""
        ours = [self._through_the_plugin(args) for args in command_lines]
        plain = self._by_hand(command_lines)
        places = [str(self.root), self._container_root]
        return [
            Pair(args=args, ours=mine, plain=theirs, places=places)
            for args, mine, theirs in zip(command_lines, ours, plain, strict=True)
        ]

    def by_hand(self, args: Sequence[str]) -> Run:
        """Run a command line by hand alone, in a container of its own."""
        [run] = self._by_hand([args])
        return run

    def forget(self) -> None:
        """Drop what runs left on the host; each run by hand has a container of its own."""
        shutil.rmtree(self.root / ".pytest_cache", ignore_errors=True)

    def _through_the_plugin(self, args: Sequence[str]) -> Run:
        shutil.rmtree(self._out, ignore_errors=True)
        self._out.mkdir()
        process = subprocess.run(
            [self._python, "-m", "pytest", *(arg.replace(OUT, str(self._out)) for arg in args)],
            cwd=self.root,
            env={**self._environ, "REPORT_LOG": str(self._out / "reports.jsonl")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=RUN_TIMEOUT_SECONDS,
            check=False,
        )
        files = {path.name: path.read_text("utf-8") for path in self._out.iterdir() if path.is_file()}
        text = process.stdout.decode("utf-8", "backslashreplace").replace(str(self._out), OUT)
        return self._run_of(process.returncode, text, files)

    def _by_hand(self, command_lines: Sequence[Sequence[str]]) -> list[Run]:
        variables = [option for name, value in _ENVIRON.items() for option in ("-e", f"{name}={value}")]
        program = ["python3", "-c", _BY_HAND, json.dumps(command_lines)]
        process = subprocess.run(
            ["docker", "run", "--rm", "--entrypoint", "", *variables, self.image, *program],
            capture_output=True,
            timeout=RUN_TIMEOUT_SECONDS,
            check=False,
        )
        if process.returncode:
            raise RuntimeError(f"the run by hand failed: {process.stderr.decode(errors='replace')}")
        return [self._run_of(*result) for result in json.loads(process.stdout)]

    def _run_of(self, exit_code: int, text: str, files: Mapping[str, str]) -> Run:
        events: list[dict[str, Any]] = [
            json.loads(line) for line in files.get("reports.jsonl", "").splitlines()
        ]
        for name, content in files.items():
            if name.endswith(".xml"):
                events += junit_events(content)
        return Run(exit_code=exit_code, text=text, events=tuple(events))
