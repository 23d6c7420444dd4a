"""A project in a temporary folder, run by real pytest on a real engine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_dockerci.engine.client import Engine

PYTHON_IMAGE = os.environ.get("PYTHON_IMAGE", "python:3.13-slim")
WITH_REAPER = {"DOCKERCI_REAPER_IMAGE": os.environ.get("DOCKERCI_REAPER_IMAGE", "python:3.13-alpine")}
RUN_TIMEOUT_SECONDS = 150
COMPOSE = """\
services:
  web:
    build:
      context: .
      args: {PYTHON_IMAGE: "%s"}
"""
DOCKERFILE = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
WORKDIR /srv/app
COPY app.py .
"""
SETTINGS = """\
[pytest]
dockerci_service = web
testpaths = tests
"""


@dataclass(frozen=True)
class Outcome:
    """What a run of pytest left."""

    exit_code: int
    output: str

    def counts(self) -> dict[str, int]:
        """The numbers of the closing line, for instance ``{"passed": 2}``."""
        closing = [line for line in self.output.splitlines() if re.search(r" in [\d.]+s", line)][-1]
        return {
            name.rstrip("s"): int(count)
            for count, name in re.findall(r"(\d+) ([a-z]+)", closing.split(" in ")[0])
        }

    def verdicts(self) -> dict[str, str]:
        """Node id to outcome, from ``-v``."""
        return dict(
            re.findall(r"^(\S+::.*?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b", self.output, re.MULTILINE)
        )


# What follows the service under test: one that ends once the tests are known, as it does not start beside the build.
DYING_SERVICE = f"""\
    depends_on: [db]
  db:
    image: {PYTHON_IMAGE}
    command: ["python3", "-c", "import sys, time; time.sleep(3); print('no space for tables'); sys.exit(9)"]
    healthcheck: {{test: [CMD, "false"]}}
    depends_on: [cache]
  cache:
    image: {PYTHON_IMAGE}
    command: [sleep, infinity]
    init: true
"""


def processes_of(word: str) -> list[int]:
    """The processes of this machine with a word on their command line."""
    found = subprocess.run(["pgrep", "-f", "--", word], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def _take_interrupts() -> None:
    """A shell's background jobs ignore Ctrl-C, and hand that down."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Project:
    """A project that is tested inside its image.

    Attributes:
        root: Its folder.
        python: The host's Python.
        addopts: Of every run.
    """

    def __init__(self, root: Path, engine: Engine) -> None:
        self.root = root
        self.python = sys.executable
        # The import of one takes longer than all of pytest's; the other takes part in each test's protocol,
        # so that no test is reported the short way (`plain_pass`).
        self.addopts = "-p no:hypothesispytest -p no:rerunfailures"
        self._engine = engine

    def write(self, **files: str) -> None:
        """Write files; a double underscore in a name is a slash, a trailing ``_py`` or the like a suffix."""
        for name, text in files.items():
            path = self.root / re.sub(r"_(py|yaml|ini|toml|txt|sh)$", r".\1", name.replace("__", "/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))

    def run_folders(self) -> list[Path]:
        """What runs have written down, and not removed: of those that go on, or did not end in good order."""
        return list((self.root.parent / "cache" / "pytest-dockerci").glob("*/runs/*"))

    def write_base(self, python_image: str) -> None:
        """Write what every project begins with: an image, one settings file and no service."""
        self.write(
            compose_yaml=COMPOSE % python_image,
            Dockerfile=DOCKERFILE,
            pytest_ini=SETTINGS,
            app_py="ANSWER = 42\n",
        )

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a run."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COV_"))}
        quick = {
            # A reaper for each of hundreds of runs takes its time; `test_killed` has them, and the example.
            "DOCKERCI_REAPER_IMAGE": "none",
            "PYTEST_ADDOPTS": self.addopts,
        }
        return {**kept, **quick, "XDG_CACHE_HOME": str(self.root.parent / "cache")}

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start pytest in a process group of its own."""
        return subprocess.Popen(
            [self.python, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=self.root,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=_take_interrupts,  # noqa: PLW1509 - nothing here has threads that matter to it
        )

    def finish(self, process: subprocess.Popen[str]) -> Outcome:
        """Wait for the end of a run."""
        try:
            output, _ = process.communicate(timeout=RUN_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            pytest.fail(f"pytest did not end within {RUN_TIMEOUT_SECONDS} s\n{output}")
        return Outcome(process.returncode, output)

    def run(self, *arguments: str, **environ: str) -> Outcome:
        """Run pytest to its end."""
        return self.finish(self.start(*arguments, **environ))

    def remove_images(self) -> None:
        """Remove what the project's runs have built; each has a tag of its own."""
        repository = f"{self.root.name}-web"
        api = self._engine.client.api
        for image in api.images(filters={"reference": repository}):
            # By name: other projects build the same image.
            for name in image["RepoTags"]:
                if name.startswith(f"{repository}:"):
                    api.remove_image(name)

    def left_on_engine(self) -> list[str]:
        """What runs of this project have left: names of containers, networks, volumes."""
        prefix = f"dockerci-{self.root.name}-"
        client = self._engine.client
        containers = [container["Names"][0] for container in client.api.containers(all=True)]
        networks = [network["Name"] for network in client.api.networks()]
        volumes = [volume["Name"] for volume in client.api.volumes()["Volumes"] or []]
        return sorted(name for name in (*containers, *networks, *volumes) if prefix in name)
