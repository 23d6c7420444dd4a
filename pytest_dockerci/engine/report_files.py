"""What a report takes from the engine before a run is removed: artifacts and logs."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import docker.errors
import requests.exceptions

from pytest_dockerci.artifact_names import ArtifactGlobs, host_name
from pytest_dockerci.engine.artifact_files import ArtifactCaps, ArtifactReader
from pytest_dockerci.engine.cleanup import is_reaper
from pytest_dockerci.engine.environment_plan import ReportRequest
from pytest_dockerci.engine.labels import COMPOSE_PROJECT, COMPOSE_SERVICE, EMPTY_IMAGE, WORKER
from pytest_dockerci.masking import StreamMask, known

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.labels import RunIdentity
    from pytest_dockerci.progress import Progress

_MAX_LOG_BYTES = 128 << 20
_STOP_SECONDS = 2
# A run that was interrupted ends within seconds.
_FAST_SECONDS = 3.0


def bring_report(
    engine: Engine,
    identity: RunIdentity,
    request: ReportRequest,
    container_root: PurePosixPath,
    progress: Progress,
    *,
    fast: bool = False,
) -> None:
    """Stop the containers under test, fetch artifacts from them, and write down every log.

    Args:
        engine: The engine.
        identity: The run.
        request: What is wanted.
        container_root: Where relative globs start.
        progress: Told what was left out, and why.
        fast: The run was interrupted: only what can be had within seconds.
    """
    with progress.phase("clean-up/report"):
        remarks = _bring(engine, identity, request, container_root, fast=fast)
    for remark in remarks:
        progress.line(f"dockerci: report: {remark}")


def _bring(
    engine: Engine,
    identity: RunIdentity,
    request: ReportRequest,
    container_root: PurePosixPath,
    *,
    fast: bool,
) -> tuple[str, ...]:
    try:
        containers = [
            data
            for data in engine.client.api.containers(all=True, filters=identity.filters)
            if not is_reaper(data) and data["Image"] != EMPTY_IMAGE  # which never started
        ]
        remarks = _write_logs(engine, identity, request.logs, containers)
        if request.globs:
            tests = [data for data in containers if is_test_container(data)]
            remarks += _fetch_artifacts(engine, request, container_root, tests, fast=fast)
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        return (f"not all could be fetched: {getattr(error, 'explanation', None) or error}",)
    return tuple(remarks)


def is_test_container(data: Mapping[str, Any]) -> bool:
    """True for a container in which tests run, as the engine lists it."""
    return WORKER in (data.get("Labels") or {})


def shown_name(identity: RunIdentity, data: Mapping[str, Any]) -> str:
    """What a container is called in a report: its service, after its worker where each has services of its own."""
    labels = data.get("Labels") or {}
    service = str(labels.get(COMPOSE_SERVICE) or (data.get("Names") or ["container"])[0].lstrip("/"))
    own_stack = str(labels.get(COMPOSE_PROJECT, "")).removeprefix(identity.project).lstrip("-")
    return f"{own_stack}-{service}" if own_stack else service


def _fetch_artifacts(
    engine: Engine,
    request: ReportRequest,
    container_root: PurePosixPath,
    tests: Sequence[Mapping[str, Any]],
    *,
    fast: bool,
) -> list[str]:
    request.artifacts.mkdir(parents=True)
    caps = ArtifactCaps(seconds=_FAST_SECONDS) if fast else ArtifactCaps()
    reader = ArtifactReader(request.artifacts, ArtifactGlobs(container_root, request.globs), caps)
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda data: _stop(engine, str(data["Id"]), fast=fast), tests))
    for data in sorted(tests, key=lambda data: str(data["Labels"][COMPOSE_SERVICE])):
        reader.fetch(engine, str(data["Id"]), str(data["Labels"][COMPOSE_SERVICE]))
    document = {"version": 1, "files": reader.harvest.files, "remarks": reader.harvest.remarks}
    text = json.dumps(document, indent=1, ensure_ascii=True) + "\n"
    (request.artifacts / "artifacts.json").write_text(text, encoding="ascii")
    return [f"artifacts: {remark}" for remark in reader.harvest.remarks]


def _stop(engine: Engine, container_id: str, *, fast: bool) -> None:
    """A container that does not run cannot change what is read of it meanwhile."""
    with suppress(docker.errors.APIError):  # it is not paused
        engine.client.api.unpause(container_id)
    engine.client.api.stop(container_id, timeout=0 if fast else _STOP_SECONDS)


def _write_logs(
    engine: Engine, identity: RunIdentity, folder: Path, containers: Sequence[Mapping[str, Any]]
) -> list[str]:
    wanted = [
        data
        for data in containers
        if not is_test_container(data) and data.get("State") != "created" and data.get("Names")
    ]
    if not wanted:
        return []
    folder.mkdir(parents=True)
    names = [host_name(shown_name(identity, data)) for data in wanted]
    files = [folder / f"{name}{_numbered(names, index)}.log" for index, name in enumerate(names)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        remarks = pool.map(
            lambda pair: _write_log(engine, str(pair[0]["Id"]), pair[1]), zip(wanted, files, strict=True)
        )
        return [remark for remark in remarks if remark]


def _numbered(names: Sequence[str], index: int) -> str:
    """Nothing for the first of a name, a number for each that has the same (a service with several containers)."""
    earlier = names[:index].count(names[index])
    return f"~{earlier + 1}" if earlier else ""


def _write_log(engine: Engine, container_id: str, file: Path) -> str:
    stream = engine.client.api.logs(
        container_id, stdout=True, stderr=True, stream=True, follow=False, timestamps=True
    )
    written = 0
    with file.open("w", encoding="utf-8", errors="surrogateescape") as out:
        for text in _masked(stream):
            out.write(text)
            written += len(text)
            if written > _MAX_LOG_BYTES:
                return f"logs: {file.name} is cut after {_MAX_LOG_BYTES >> 20} MiB"
    return ""


def _masked(chunks: Iterator[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    mask = StreamMask(known())
    for chunk in chunks:
        yield mask.feed(decoder.decode(chunk))
    yield mask.feed(decoder.decode(b"", final=True)) + mask.rest()
