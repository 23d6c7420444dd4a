"""The project's Compose files as Compose itself resolves them, and questions about them.

`read_model` asks ``docker compose config``; everything else is pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from pytest_dockerci.build_inputs import compose_files
from pytest_dockerci.engine.command import Commands, Completed, mask_secrets
from pytest_dockerci.engine.model_cache import EXTENSION, ComposeModel, ModelCache, files_named_by
from pytest_dockerci.errors import SettingsError

_TIMEOUT_SECONDS = 60.0
_REMOTE = re.compile(r"COMPOSE_EXPERIMENTAL_\w+_REMOTE|oci://|https?://|git@|\.git\b|ssh://")


def read_model(
    commands: Commands,
    rootdir: Path,
    files: Sequence[Path],
    *,
    project: str,
    allow: frozenset[str],
    cache: ModelCache | None = None,
) -> ComposeModel:
    """Have Compose resolve the files, unless nothing has changed since it last did.

    Args:
        commands: Runs Compose.
        rootdir: Where Compose looks for files when none are given.
        files: Compose files, later ones override.
        project: The name under which the stack will run.
        allow: Names of `dockerci_allow`.
        cache: Remembers the answer.

    Raises:
        SettingsError: Compose refuses them, in its words.
    """
    for file in files:
        if not file.is_file():
            raise SettingsError(
                f"the Compose file {file} does not exist", fix="correct dockerci_compose, or create the file"
            )
    known = cache.get(project) if cache is not None else None
    if known is not None:
        return known
    behind = _files_behind(compose_files(rootdir, files))
    model = _ask_compose(commands, rootdir, files, project, allow)
    texts = [*compose_files(rootdir, files), *(behind or ())]
    if behind is None or any(EXTENSION in _text(file) for file in texts):
        _add_extensions(model, commands, rootdir, files, allow)
    if cache is not None:
        cache.put(model, project, behind)
    return model


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _add_extensions(
    model: ComposeModel, commands: Commands, rootdir: Path, files: Sequence[Path], allow: frozenset[str]
) -> None:
    """Add what services say under `EXTENSION`: as JSON, Compose (2.26) leaves it out, as YAML it does not."""
    arguments = [part for file in files for part in ("--file", str(file))]
    completed = _run(commands, ["docker", "compose", *arguments, "--profile", "*", "config"], rootdir, allow)
    if not completed.is_ok:
        raise _refused(completed, rootdir, files)
    for name, service in (parse_model(completed.stdout).get("services") or {}).items():
        if EXTENSION in service and name in model.services:
            model.services[name][EXTENSION] = service[EXTENSION]


def _files_behind(files: Sequence[Path]) -> tuple[Path, ...] | None:
    """Every file that these name, and that those name, and so on; None where that cannot be told."""
    there = [file for file in files if file.is_file()]
    texts: dict[Path, Any] = {}
    pending = [file for file in there if file.suffix in (".yaml", ".yml")] or there
    folder = there[0].parent if there else Path()
    found: dict[Path, None] = {}
    while pending:
        file = pending.pop()
        if file in texts or not file.is_file():
            continue
        try:
            texts[file] = yaml.load(file.read_text(encoding="utf-8"), Loader=_AnyTag)  # noqa: S506 - a SafeLoader
        except (OSError, ValueError, yaml.YAMLError):
            return None
        named = files_named_by({file: texts[file]}, folder)
        if named is None:
            return None
        found |= dict.fromkeys(named)
        pending += [other for other in named if other.suffix in (".yaml", ".yml")]
    return tuple(found)


class _AnyTag(yaml.SafeLoader):
    """Reads Compose files with whatever tags."""


def _plain(loader: _AnyTag, suffix: str, node: yaml.Node) -> Any:
    del suffix
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return None if not isinstance(node, yaml.ScalarNode) else loader.construct_scalar(node)


_AnyTag.add_multi_constructor("!", _plain)


def _ask_compose(
    commands: Commands, rootdir: Path, files: Sequence[Path], project: str, allow: frozenset[str]
) -> ComposeModel:
    arguments = [part for file in files for part in ("--file", str(file))]
    config = ["config", "--format", "json"]
    with ThreadPoolExecutor(max_workers=1) as pool:
        active = pool.submit(_run, commands, ["docker", "compose", *arguments, *config], rootdir, allow)
        every = ["docker", "compose", *arguments, "--project-name", project, "--profile", "*", *config]
        completed = _run(commands, every, rootdir, allow)
        active_completed = active.result()
    for outcome in (completed, active_completed):
        if not outcome.is_ok:
            raise _refused(outcome, rootdir, files)
    active_data = parse_model(active_completed.stdout)
    return ComposeModel(
        data=parse_model(completed.stdout),
        active=frozenset(active_data.get("services") or {}),
        project=str(active_data.get("name", "")),
        warnings=parse_warnings(active_completed.stderr),
    )


def _run(commands: Commands, argv: Sequence[str], rootdir: Path, allow: frozenset[str]) -> Completed:
    remote = "true" if "remote-include" in allow else "false"
    environ = {"COMPOSE_EXPERIMENTAL_GIT_REMOTE": remote, "COMPOSE_EXPERIMENTAL_OCI_REMOTE": remote}
    completed = commands.run(argv, cwd=rootdir, timeout_seconds=_TIMEOUT_SECONDS, environ=environ)
    if not completed.is_ok and "MarshalJSON" in completed.stderr:
        # Compose 2.26 cannot print `build.ssh` as JSON.
        plain = [part for part in argv if part not in ("--format", "json")]
        completed = commands.run(plain, cwd=rootdir, timeout_seconds=_TIMEOUT_SECONDS, environ=environ)
    return completed


def parse_model(text: str) -> dict[str, Any]:
    """The model that ``docker compose config`` printed, as JSON or YAML.

    ``build.ssh`` is made a list of ``id`` or ``id=path``: Compose 2.26 prints ``id: path``, which it
    does not read back.
    """
    model: dict[str, Any] = json.loads(text) if text.startswith("{") else yaml.safe_load(text)
    for service in (model.get("services") or {}).values():
        build = service.get("build") or {}
        if build.get("ssh"):
            build["ssh"] = _ssh_lines(build["ssh"])
    return model


def _ssh_lines(ssh: Any) -> list[str]:
    if isinstance(ssh, dict):
        return [f"{name}={path}" if path else str(name) for name, path in ssh.items()]
    return [re.sub(r"^([^=:\s]+):\s*", r"\1=", str(line)).rstrip("=") for line in ssh]


def _refused(completed: Completed, rootdir: Path, files: Sequence[Path]) -> SettingsError:
    said = mask_secrets(completed.stderr).strip()
    lines = [line for line in said.splitlines() if not line.startswith("time=")] or said.splitlines()
    names = ", ".join(str(file) for file in files) or f"the Compose files of {rootdir}"
    if "no configuration file provided" in said:
        return SettingsError(
            f"there is no Compose file in {rootdir}",
            why=lines[0],
            fix="create compose.yaml, or set dockerci_compose",
        )
    fix = "`docker compose config` shows the same; correct the file"
    if _REMOTE.search(said):
        fix = "files from elsewhere are refused; to accept them: dockerci_allow = remote-include"
    return SettingsError(f"Compose cannot read {names}", why="\n".join(lines), fix=fix)


def parse_warnings(text: str) -> tuple[str, ...]:
    """The messages of Compose's warning lines, each once."""
    found = re.findall(r'level=warning msg="((?:[^"\\]|\\.)*)"', text)
    return tuple(dict.fromkeys(re.sub(r"\\(.)", r"\1", message) for message in found))


def require_services(model: ComposeModel, names: Iterable[str], setting: str) -> None:
    """Check that services exist.

    Raises:
        SettingsError: One does not; lists those that do.
    """
    for name in names:
        if name not in model.services:
            known = ", ".join(sorted(model.services)) or "none"
            raise SettingsError(
                f"{setting} names the service {name!r}, which the Compose files do not have",
                why=f"their services: {known}",
                fix=f"correct {setting}",
            )


def require_free_names(model: ComposeModel, names: Iterable[str]) -> None:
    """Check that no service is called as a container of a run.

    Raises:
        SettingsError: One is.
    """
    for name in names:
        if name in model.services:
            raise SettingsError(
                f"the Compose files have a service {name!r}, and a container of this run is called so",
                fix="give that service another name",
            )


def direct_dependencies(service: Mapping[str, Any]) -> tuple[str, ...]:
    """The services that Compose starts before this one."""
    names = list(service.get("depends_on") or {})
    names += [link.partition(":")[0] for link in service.get("links") or []]
    for key in ("network_mode", "pid", "ipc"):
        kind, _, name = str(service.get(key) or "").partition(":")
        if kind == "service":
            names.append(name)
    names += [str(source).partition(":")[0] for source in service.get("volumes_from") or []]
    return tuple(dict.fromkeys(names))


def closure(model: ComposeModel, names: Iterable[str]) -> tuple[str, ...]:
    """The services and all that they depend on, dependencies first."""
    found: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in found or name in path or name not in model.services:
            return
        for dependency in direct_dependencies(model.services[name]):
            if not _is_left_out(model, name, dependency):
                visit(dependency, (*path, name))
        found[name] = None

    for name in names:
        visit(name, ())
    return tuple(found)


def _is_left_out(model: ComposeModel, name: str, dependency: str) -> bool:
    """The dependency is optional and its profile is not active, so Compose does not start it either."""
    options = (model.services[name].get("depends_on") or {}).get(dependency) or {}
    return options.get("required") is False and dependency not in model.active


def choose_started(model: ComposeModel, service: str, start: Sequence[str]) -> tuple[str, ...]:
    """The services that a run starts besides the test containers, dependencies first.

    `start` and what it depends on; without it, what the service under test depends on; where it
    declares nothing, every other service of the active profiles. The test containers themselves
    need what the service's links and namespaces name, in each case.
    """
    needed = [
        name
        for name in direct_dependencies({**model.services[service], "depends_on": None})
        if name in model.services
    ]
    if start:
        return closure(model, [*start, *needed])
    dependencies = direct_dependencies(model.services[service])
    if dependencies:
        wanted = [name for name in dependencies if not _is_left_out(model, service, name)]
        return closure(model, wanted)
    others = [name for name in model.services if name in model.active and name != service]
    return closure(model, others)
