"""Starts pytest as an IDE does, and reads what its adapter reports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ADAPTERS = Path(__file__).parent / "adapters"
_TIMEOUT_SECONDS = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IdeRun:
    """What the IDE got.

    Attributes:
        exit_code: Of pytest.
        text: Its standard output.
        messages: What the adapter sent.
    """

    exit_code: int
    text: str
    messages: tuple[dict[str, Any], ...]

    @property
    def tests(self) -> list[dict[str, Any]]:
        """The discovered tests."""
        return [test for message in self.messages for test in message.get("tests", ())]

    def names(self) -> list[str]:
        """The discovered tests: ``file: class > function > [parameters]``."""
        return [
            f"{Path(test['file']).name}: {' > '.join([*test['above'], test['name']])}" for test in self.tests
        ]

    @property
    def results(self) -> dict[str, str]:
        """Id (absolute path and names) to outcome."""
        return {
            test_id: result["outcome"]
            for message in self.messages
            for test_id, result in message.get("result", {}).items()
        }


def discover_in_vscode(cwd: Path, environ: Mapping[str, str], *args: str) -> IdeRun:
    """As `pytestDiscoveryAdapter.ts` of microsoft/vscode-python does when tests are to be shown."""
    return _drive(cwd, environ, ["-m", "pytest", "-p", "vscode_pytest", "--collect-only", *args])


def run_in_vscode(cwd: Path, environ: Mapping[str, str], ids: Sequence[str], *args: str) -> IdeRun:
    """As `pytestExecutionAdapter.ts` and `run_pytest_script.py` do when tests are to be run."""
    return _drive(cwd, environ, ["-m", "pytest", "-p", "vscode_pytest", *args, f"--rootdir={cwd}", *ids])


def run_in_pycharm(cwd: Path, environ: Mapping[str, str], targets: Sequence[str], *args: str) -> IdeRun:
    """As PyCharm does; the service messages on standard output become messages of name and attributes."""
    variables = {**environ, "PYCHARM_HOSTED": "1"}
    run = _start(cwd, variables, [str(ADAPTERS / "jb_pytest_runner.py"), *targets, "--", *args])
    found = re.findall(r"##teamcity\[(\w+) (.*)\]$", run.stdout, re.MULTILINE)
    messages = tuple(
        {"service": name, **dict(re.findall(r"(\w+)='((?:[^'|]|\|.)*)'", attributes))}
        for name, attributes in found
    )
    return IdeRun(exit_code=run.returncode, text=run.stdout, messages=messages)


def _drive(cwd: Path, environ: Mapping[str, str], args: Sequence[str]) -> IdeRun:
    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder) / "pipe"
        os.mkfifo(pipe)
        received: list[bytes] = []
        reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
        reader.start()
        run = _start(cwd, {**environ, "TEST_RUN_PIPE": str(pipe)}, args)
        if reader.is_alive():
            # Nobody has opened the pipe: end the wait.
            os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))
        reader.join(10)
    return IdeRun(exit_code=run.returncode, text=run.stdout, messages=tuple(_messages(b"".join(received))))


def _start(cwd: Path, environ: Mapping[str, str], args: Sequence[str]) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ADAPTERS), *filter(None, [environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env={**environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )


def _messages(raw: bytes) -> list[dict[str, Any]]:
    found = []
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        found.append(json.loads(rest[:length])["params"])
        raw = rest[length:]
    return found
