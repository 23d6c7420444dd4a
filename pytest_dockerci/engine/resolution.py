"""What fits an image: requirements resolved by `uv` for its Python, libc and architecture.

pip would evaluate markers for the host's Python, hence `uv`. What the image has installed is
given as constraints, so that nothing is chosen that contradicts it.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_dockerci.engine.command import Commands, Completed, mask_secrets
from pytest_dockerci.errors import ToolkitError

if TYPE_CHECKING:
    from pytest_dockerci.engine.python_facts import PythonFacts
    from pytest_dockerci.engine.requirements import RequirementSet

_TIMEOUT_SECONDS = 600.0
_MANYLINUX_MINORS = (*range(40, 30, -1), 28, 17)
_PLATFORM_MACHINES = ("x86_64", "aarch64")
_NEEDS_SOURCE = re.compile(r"usable wheels|Wheels are required|no wheels")
# uv does not read pip's settings; a project behind a mirror has usually only those.
PIP_SETTINGS = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
}


class NeedsSourceError(ToolkitError):
    """Something has no wheel for the image; it may still be built there."""


def uv_platform(facts: PythonFacts) -> str:
    """The name that `uv` has for the image's platform.

    Raises:
        NeedsSourceError: It has none.
    """
    if facts.machine == "riscv64" and facts.libc == "glibc":
        return "riscv64-unknown-linux"
    if facts.machine not in _PLATFORM_MACHINES:
        raise NeedsSourceError(f"uv knows no platform {facts.machine} with {facts.libc}")
    if facts.libc == "musl":
        return f"{facts.machine}-unknown-linux-musl"
    numbers = [int(number) for number in re.findall(r"\d+", facts.libc_version)][:2]
    minor = numbers[1] if numbers[:1] == [2] and len(numbers) > 1 else 17
    return (
        f"{facts.machine}-manylinux_2_{next(known for known in _MANYLINUX_MINORS if known <= max(minor, 17))}"
    )


def constraint_lines(facts: PythonFacts) -> list[str]:
    """What the image has installed, as constraints; versions that no index can have are left out."""
    lines = []
    for name, version in sorted(facts.installed.items()):
        try:
            Version(version)
            Requirement(f"{name}=={version}")
        except (InvalidVersion, InvalidRequirement):
            continue
        lines.append(f"{name}=={version}")
    return lines


def missing_pins(lines: Sequence[str], installed: Mapping[str, str]) -> tuple[str, ...]:
    """The pins of a resolution that the image lacks."""
    there = {canonicalize_name(name): version for name, version in installed.items()}
    missing = []
    for line in lines:
        text = line.partition(" #")[0].strip()
        if not text or text.startswith(("#", "-")):
            continue
        requirement = Requirement(text)
        version = there.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            missing.append(text)
    return tuple(missing)


def resolve_pins(
    commands: Commands,
    facts: PythonFacts,
    requirements: RequirementSet,
    platform: str,
    host_versions: Mapping[str, str],
) -> tuple[str, ...]:
    """The distributions that the image lacks, ``name==version``.

    Args:
        commands: Runs uv.
        facts: The image's Python.
        requirements: What is wanted.
        platform: From `uv_platform`.
        host_versions: Versions by name, preferred where the image lacks that distribution and its Python allows it;
            the first ones matter most.

    Raises:
        NeedsSourceError: Something has no wheel.
        ToolkitError: There is no solution, in uv's words.
    """
    installed = {canonicalize_name(name) for name in facts.installed}
    preferred = [f"{name}=={version}" for name, version in host_versions.items() if name not in installed]
    constraints = constraint_lines(facts)
    completed = _compile(commands, facts, requirements, platform, [*constraints, *preferred])
    while not completed.is_ok and preferred:
        preferred.pop()
        completed = _compile(commands, facts, requirements, platform, [*constraints, *preferred])
    if not completed.is_ok:
        raise _no_solution(completed, facts)
    return missing_pins(completed.stdout.splitlines(), facts.installed)


def _compile(
    commands: Commands,
    facts: PythonFacts,
    requirements: RequirementSet,
    platform: str,
    constraints: Sequence[str],
) -> Completed:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "requirements.in")
        source.write_text("\n".join(requirements.lines) + "\n", encoding="utf-8")
        constraint_file = Path(folder, "constraints.txt")
        constraint_file.write_text("\n".join(constraints) + "\n", encoding="utf-8")
        argv = [uv_binary(), "pip", "compile", str(source), *map(str, requirements.files)]
        for group in requirements.groups:
            argv += ["--group", f"{requirements.rootdir / 'pyproject.toml'}:{group}"]
        argv += ["--constraints", str(constraint_file), *_target_options(facts, platform)]
        argv += ["--no-header", "--no-annotate", "--quiet"]
        return _run_uv(commands, argv, requirements.rootdir)


def install_pins(
    commands: Commands,
    facts: PythonFacts,
    platform: str | None,
    pins: Sequence[str],
    target: Path,
    rootdir: Path,
) -> None:
    """Put distributions into a folder on the host.

    Raises:
        ToolkitError: They cannot be had, in uv's words.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "requirements.txt")
        source.write_text("\n".join(pins) + "\n", encoding="utf-8")
        argv = [uv_binary(), "pip", "install", "--target", str(target), "--requirements", str(source)]
        argv += ["--no-deps", *_target_options(facts, platform), "--quiet"]
        completed = _run_uv(commands, argv, rootdir)
        if not completed.is_ok:
            raise _no_solution(completed, facts)


def _target_options(facts: PythonFacts, platform: str | None) -> list[str]:
    options = ["--python-version", ".".join(map(str, facts.version[:3])), "--python", sys.executable]
    if platform is not None:
        options += ["--python-platform", platform]
    return [*options, "--only-binary", ":all:"]


def uv_binary() -> str:
    """The path of uv's program."""
    from uv import find_uv_bin  # noqa: PLC0415 - needed only when a toolkit is made

    return str(find_uv_bin())


def _run_uv(commands: Commands, argv: Sequence[str], rootdir: Path) -> Completed:
    # pip trusts what the machine trusts; uv only when it is told so.
    certificates = {} if "UV_SYSTEM_CERTS" in commands.environ else {"UV_SYSTEM_CERTS": "true"}
    environ = {"UV_NO_PROGRESS": "1", "NO_COLOR": "1", **certificates}
    for pip_name, uv_name in PIP_SETTINGS.items():
        if commands.environ.get(pip_name) and uv_name not in commands.environ:
            environ[uv_name] = commands.environ[pip_name]
    return commands.run(argv, cwd=rootdir, timeout_seconds=_TIMEOUT_SECONDS, environ=environ)


def _no_solution(completed: Completed, facts: PythonFacts) -> ToolkitError:
    words = mask_secrets(completed.stderr).strip()
    if completed.timed_out:
        words = f"uv did not finish within {completed.seconds:.0f} s"
    kind = NeedsSourceError if _NEEDS_SOURCE.search(words) else ToolkitError
    return kind(
        "pytest and the requirements cannot be brought into the container: no versions fit its "
        f"Python {facts.shown_version} and what is installed there",
        why=words,
        fix="change dockerci_requirements, or the versions that the image installs",
    )
