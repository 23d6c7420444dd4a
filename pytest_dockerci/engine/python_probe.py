"""The Python in an image: which interpreter, which version, what is installed.

Asked of the image itself, once for each image id, in a throw-away container that runs the
interpreter and nothing else: no shell, no network, no entrypoint of the image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import docker.errors
import requests.exceptions

from pytest_dockerci.engine.labels import RunIdentity
from pytest_dockerci.engine.python_facts import PythonFacts, parse_facts
from pytest_dockerci.engine.throwaway import run_throwaway
from pytest_dockerci.errors import ImageUnusableError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

CANDIDATES = (
    "python3",
    "python",
    "/usr/local/bin/python3",
    "/usr/bin/python3",
    "/opt/venv/bin/python",
    "/venv/bin/python",
    "/app/.venv/bin/python",
)
OLDEST_PYTHON = (3, 8)
_FORMAT = 1
_TIMEOUT_SECONDS = 60
_MARK = "dockerci:"
# Runs under whatever Python an image has, so that an old one can say how old it is.
_PROGRAM = r"""
import json, os, platform, sys
def libc():
    try:
        name, version = os.confstr("CS_GNU_LIBC_VERSION").split()
        return [name, version]
    except Exception:
        pass
    import glob, re, subprocess
    for path in glob.glob("/lib/ld-musl-*.so.1"):
        said = subprocess.Popen([path], stderr=subprocess.PIPE).communicate()[1].decode("ascii", "replace")
        found = re.search("Version ([0-9.]+)", said)
        return ["musl", found.group(1) if found else "1.1"]
    return ["unknown", ""]
def installed():
    result = {}
    try:
        from importlib.metadata import distributions
    except ImportError:
        return result
    for distribution in distributions():
        name = distribution.metadata["Name"]
        if name and name not in result:
            result[name] = distribution.version
    return result
def seen(path):
    if os.path.isdir(path):
        return "folder"
    if not os.path.exists(path):
        return ""
    import hashlib
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return "unreadable"
print("dockerci:" + json.dumps({
    "executable": sys.executable, "version": list(sys.version_info[:3]),
    "implementation": platform.python_implementation(), "prefix": sys.prefix,
    "base_prefix": getattr(sys, "base_prefix", sys.prefix), "libc": libc(), "machine": platform.machine(),
    "uid": os.getuid(), "gid": os.getgid(), "cwd": os.getcwd(), "path": [p for p in sys.path if p],
    "installed": installed(), "paths": dict((p, seen(p)) for p in json.loads(sys.argv[1])),
}))
"""


def probe_python(
    engine: Engine,
    identity: RunIdentity,
    image_id: str,
    *,
    shown_image: str,
    user: str | None,
    search_path: str | None,
    paths: Sequence[PurePosixPath],
    cache: Path,
) -> PythonFacts:
    """The Python of an image, from the cache or from a throw-away container.

    Args:
        engine: The engine.
        identity: Labels the container.
        image_id: The image.
        shown_image: How messages call it.
        user: The service's user; None for the image's.
        search_path: The service's PATH; None for the image's.
        paths: Files and folders in the image that it shall look at.
        cache: Folder for the answer.

    Raises:
        ImageUnusableError: There is no Python, or it is older than 3.8.
    """
    question = [_FORMAT, image_id, user, search_path, sorted(map(str, paths))]
    name = hashlib.sha256(json.dumps(question).encode()).hexdigest()[:24]
    file = cache / f"python-{name}.json"
    facts = _read_cache(file)
    if facts is None:
        answer = _ask(engine, identity, image_id, shown_image, user, search_path, list(map(str, paths)))
        facts = parse_facts(answer)
        file.write_text(json.dumps(answer), encoding="utf-8")
    if facts.version < OLDEST_PYTHON:
        raise ImageUnusableError(
            f"the Python of {shown_image} is too old: {facts.shown_version}",
            why=f"{facts.executable} is Python {facts.shown_version}; 3.8 or newer is needed in the image",
            fix="build the image on a newer Python, or keep these tests on the host",
        )
    return facts


def _read_cache(file: Path) -> PythonFacts | None:
    try:
        return parse_facts(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _ask(
    engine: Engine,
    identity: RunIdentity,
    image_id: str,
    shown_image: str,
    user: str | None,
    search_path: str | None,
    paths: list[str],
) -> dict[str, Any]:
    tried = []
    for candidate in CANDIDATES:
        answer, problem = _run(engine, identity, image_id, candidate, user, search_path, paths)
        if answer is not None:
            return answer
        tried.append(f"{candidate}: {problem}")
    raise ImageUnusableError(
        f"{shown_image} has no Python that can run the suite",
        why="tried " + "\n".join(tried),
        fix="put Python 3.8 or newer into the image; "
        "tests that need none in it can stay on the host: dockerci_host_suite",
    )


def _run(
    engine: Engine,
    identity: RunIdentity,
    image_id: str,
    candidate: str,
    user: str | None,
    search_path: str | None,
    paths: list[str],
) -> tuple[dict[str, Any] | None, str]:
    """The answer, or None and why there is none."""
    try:
        result = run_throwaway(
            engine,
            identity,
            image_id,
            [candidate, "-c", _PROGRAM, json.dumps(paths)],
            user=user,
            environ={"PATH": search_path} if search_path else None,
            timeout_seconds=_TIMEOUT_SECONDS,
        )
    except (docker.errors.APIError, requests.exceptions.RequestException) as error:
        lines = str(getattr(error, "explanation", None) or error).strip().splitlines()
        text = lines[-1] if lines else "refused"
        return None, "not found" if "not found" in text or "no such file" in text else text
    for line in result.stdout.splitlines():
        if line.startswith(_MARK):
            answer: dict[str, Any] = json.loads(line.removeprefix(_MARK))
            return answer, ""
    said = result.output.strip().splitlines()
    return None, said[-1] if said else f"printed nothing, exit code {result.exit_code}"
