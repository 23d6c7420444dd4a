"""The toolkit: pytest and the project's test requirements, for the Python of the image.

Resolved by `uv` for that Python, its libc and its architecture, with what the image has
installed as constraints, and kept in a volume that later runs find again without network or uv.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_dockerci.engine.command import Commands, Completed, mask_secrets
from pytest_dockerci.engine.labels import RunIdentity, cache_label
from pytest_dockerci.engine.python_probe import PythonFacts
from pytest_dockerci.engine.requirements import RequirementSet
from pytest_dockerci.engine.volumes import create_volume, fill_volumes, has_volume, read_small_file
from pytest_dockerci.errors import ToolkitError

if TYPE_CHECKING:
    from pytest_dockerci.engine.archive import ArchiveWriter
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.progress import Progress

TOOLKIT_PATH = PurePosixPath("/.dockerci/toolkit")
_FORMAT = 1
_TIMEOUT_SECONDS = 600.0
_COMPLETE_MARK = ".dockerci-complete"
_NOT_SHIPPED = frozenset({"bin", ".lock", _COMPLETE_MARK})
_MANYLINUX_MINORS = (*range(40, 30, -1), 28, 17)
_PLATFORM_MACHINES = ("x86_64", "aarch64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolkit:
    """What is brought into the containers.

    Attributes:
        volume: Its volume; empty when the image has all that is needed.
        path: Where containers see it, to be appended to `sys.path`; empty when there is none.
        pins: The distributions in it, ``name==version``.
        is_cached: Nothing had to be resolved.
    """

    volume: str
    path: str
    pins: tuple[str, ...]
    is_cached: bool

    @property
    def mount(self) -> dict[str, Any]:
        """The volume in a test container, in Compose's long form."""
        return {
            "type": "volume", "source": self.volume, "target": self.path, "read_only": True, "volume": {},
        }  # fmt: skip


def uv_platform(facts: PythonFacts) -> str | None:
    """The name that `uv` has for the image's platform; None when it has none."""
    if facts.machine not in _PLATFORM_MACHINES:
        return "riscv64-unknown-linux" if facts.machine == "riscv64" and facts.libc == "glibc" else None
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


def toolkit_key(facts: PythonFacts, requirements: RequirementSet, host_pytest_version: str) -> str:
    """Changes when anything changes that the toolkit is made from."""
    made_from: list[Any] = [
        _FORMAT,
        facts.version,
        facts.implementation,
        facts.libc,
        facts.libc_version,
        facts.machine,
        sorted(facts.installed.items()),
        requirements.fingerprint(),
        host_pytest_version,
    ]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:20]


def prepare_toolkit(
    engine: Engine,
    identity: RunIdentity,
    commands: Commands,
    facts: PythonFacts,
    requirements: RequirementSet,
    *,
    host_pytest_version: str,
    cache: Path,
    progress: Progress,
) -> Toolkit:
    """The toolkit for an image, from the cache or made now.

    Args:
        engine: The engine.
        identity: Labels containers that are needed on the way.
        commands: Runs uv.
        facts: The image's Python.
        requirements: What to bring, pytest included.
        host_pytest_version: Preferred where the image has no pytest and its Python allows it.
        cache: Folder for the record of what was resolved.
        progress: Told what happens.

    Raises:
        ToolkitError: The requirements have no solution for this image, in uv's words.
    """
    key = toolkit_key(facts, requirements, host_pytest_version)
    record = cache / f"toolkit-{key}.json"
    found = _read_record(record)
    if found is not None and (not found.volume or has_volume(engine, found.volume)):
        return found
    progress.status("resolving pytest and the requirements for the image")
    platform = uv_platform(facts)
    if platform is None:
        raise ToolkitError(
            f"no packages can be chosen for the image's platform, {facts.machine} with {facts.libc}",
            fix="install pytest and the requirements in the image",
        )
    pins = _resolve(commands, facts, requirements, platform, host_pytest_version)
    volume = _volume_name(facts, platform, pins) if pins else ""
    if pins and read_small_mark(engine, identity, volume) is None:
        progress.status(f"bringing {len(pins)} distributions for the image")
        _install(engine, identity, commands, facts, platform, pins, volume, requirements.rootdir)
    toolkit = Toolkit(volume=volume, path=str(TOOLKIT_PATH) if pins else "", pins=pins, is_cached=False)
    record.write_text(json.dumps({"volume": volume, "pins": pins}), encoding="utf-8")
    progress.status("")
    return toolkit


def read_small_mark(engine: Engine, identity: RunIdentity, volume: str) -> bytes | None:
    """The mark that a toolkit volume is complete; None while it is not, or does not exist."""
    return read_small_file(engine, identity, volume, _COMPLETE_MARK) if has_volume(engine, volume) else None


def _read_record(file: Path) -> Toolkit | None:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        volume, pins = str(data["volume"]), tuple(map(str, data["pins"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Toolkit(volume=volume, path=str(TOOLKIT_PATH) if volume else "", pins=pins, is_cached=True)


def _volume_name(facts: PythonFacts, platform: str, pins: Sequence[str]) -> str:
    """By content: whoever resolves to the same pins for the same platform shares the volume."""
    content = json.dumps([_FORMAT, facts.version[:2], facts.implementation, platform, sorted(pins)])
    return f"dockerci-toolkit-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _resolve(
    commands: Commands,
    facts: PythonFacts,
    requirements: RequirementSet,
    platform: str,
    host_pytest_version: str,
) -> tuple[str, ...]:
    installed = {canonicalize_name(name) for name in facts.installed}
    preferred = [] if "pytest" in installed else [f"pytest=={host_pytest_version}"]
    constraints = constraint_lines(facts)
    completed = _compile(commands, facts, requirements, platform, [*constraints, *preferred])
    if not completed.is_ok and preferred:
        completed = _compile(commands, facts, requirements, platform, constraints)
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


def _install(
    engine: Engine,
    identity: RunIdentity,
    commands: Commands,
    facts: PythonFacts,
    platform: str,
    pins: Sequence[str],
    volume: str,
    rootdir: Path,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "requirements.txt")
        source.write_text("\n".join(pins) + "\n", encoding="utf-8")
        target = Path(folder, "toolkit")
        argv = [
            uv_binary(),
            "pip",
            "install",
            "--target",
            str(target),
            "--requirements",
            str(source),
            "--no-deps",
        ]
        completed = _run_uv(commands, [*argv, *_target_options(facts, platform), "--quiet"], rootdir)
        if not completed.is_ok:
            raise _no_solution(completed, facts)
        create_volume(engine, volume, cache_label("toolkit"))

        def write(archive: ArchiveWriter, path: PurePosixPath) -> None:
            archive.add_folder(path)
            for entry in sorted(target.iterdir()):
                if entry.name in _NOT_SHIPPED:
                    continue
                if entry.is_dir():
                    archive.add_tree(path / entry.name, entry)
                else:
                    archive.add_file(path / entry.name, entry)
            # Last, and unpacked in order: where the mark is, everything before it is as well.
            archive.add_bytes(path / _COMPLETE_MARK, b"complete\n")

        fill_volumes(engine, identity, {volume: write}, uid=0, gid=0)


def _target_options(facts: PythonFacts, platform: str) -> list[str]:
    version = ".".join(map(str, facts.version[:3]))
    return [
        "--python-version", version, "--python-platform", platform, "--only-binary", ":all:",
        "--python", sys.executable,
    ]  # fmt: skip


def uv_binary() -> str:
    """The path of uv's program."""
    from uv import find_uv_bin  # noqa: PLC0415 - needed only when a toolkit is made

    return str(find_uv_bin())


def _run_uv(commands: Commands, argv: Sequence[str], rootdir: Path) -> Completed:
    environ = {"UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
    # uv does not read pip's settings; a project behind a mirror has usually only those.
    for pip_name, uv_name in (
        ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
        ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
        ("PIP_FIND_LINKS", "UV_FIND_LINKS"),
    ):
        if commands.environ.get(pip_name) and uv_name not in commands.environ:
            environ[uv_name] = commands.environ[pip_name]
    return commands.run(argv, cwd=rootdir, timeout_seconds=_TIMEOUT_SECONDS, environ=environ)


def _no_solution(completed: Completed, facts: PythonFacts) -> ToolkitError:
    words = mask_secrets(completed.stderr).strip()
    if completed.timed_out:
        words = f"uv did not finish within {completed.seconds:.0f} s"
    return ToolkitError(
        "pytest and the requirements cannot be brought into the container: no versions fit its "
        f"Python {facts.shown_version} and what is installed there",
        why=words,
        fix="change dockerci_requirements, or the versions that the image installs",
    )
