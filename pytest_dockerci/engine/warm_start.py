"""A run on a kept stack in which nothing but the tests has changed: found out and begun without Docker's client.

No command is run: Compose's answer is remembered (`model_cache`), whether an image would be built anew tells a
fingerprint (`build_inputs`), and the engine is asked a few plain questions (`connection.ask`). Where anything
differs, the run goes on as others do, with as much of the stack as fits (`kept_environment`).
"""

from __future__ import annotations

import hashlib
import io
import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from pytest_dockerci.engine.connection import ask
from pytest_dockerci.engine.edited_model import edited_model
from pytest_dockerci.engine.kept_facts import (
    KeptFacts,
    are_inputs_current,
    facts_as_json,
    facts_from_json,
    image_from_json,
    run_key,
)
from pytest_dockerci.engine.model_cache import model_cache
from pytest_dockerci.engine.plain_engine import PlainEngine
from pytest_dockerci.engine.seed_inputs import files_digest
from pytest_dockerci.engine.suite_paths import SuitePaths, sort_suite, suite_entries, suite_manifest
from pytest_dockerci.engine.warm_environment import WarmEnvironment
from pytest_dockerci.kept_stack import write_kept

if TYPE_CHECKING:
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.image import ImageUnderTest
    from pytest_dockerci.kept_stack import KeptStack
    from pytest_dockerci.progress import Progress


class _NotWarmError(Exception):
    """Something has changed; its text says what."""


def open_warm(
    plan: EnvironmentPlan, kept: KeptStack, environ: Mapping[str, str], progress: Progress
) -> WarmEnvironment | str:
    """The environment that a kept stack makes, where nothing but the suite's files has changed.

    Args:
        plan: What the user asked for.
        kept: The stack, whose lease the plan holds.
        environ: The host's environment.
        progress: Told what happens.

    Returns:
        The environment, with the suite as it is now; or what has changed.
    """
    try:
        with progress.phase("kept stack"):
            return _open(plan, kept, environ, progress)
    except _NotWarmError as why:
        return str(why)
    except OSError as error:
        return f"the engine does not answer: {error}"


def _open(
    plan: EnvironmentPlan, kept: KeptStack, environ: Mapping[str, str], progress: Progress
) -> WarmEnvironment:
    facts = facts_from_json(kept.facts)
    _require(facts is not None, "another version of pytest-dockerci made it")
    assert facts is not None  # noqa: S101 - as just required
    engine = PlainEngine(environ, facts.engine)
    _require(engine.target.url == facts.url, "it is on another engine")
    image = image_from_json(facts.image)
    files = list(plan.compose_files)
    plan.edit_compose_files(files)
    question = [".".join(map(str, facts.engine["compose_version"])), *sorted(plan.allow)]
    cache = model_cache(
        plan.state_dir / "cache", plan.rootdir, files, engine.target.child_environ(environ), question
    )
    resolved = cache.get(plan.identity.project)
    _require(resolved is not None, "the Compose files have changed")
    assert resolved is not None  # noqa: S101 - as just required
    model = edited_model(
        resolved,
        edit_model=plan.edit_model,
        built=plan.service if plan.image_ref is None else "",
        edit_build_args=plan.edit_build_args,
    )
    _require(run_key(model.data, plan) == facts.run_key, "settings or Compose files have changed")
    _require_image(plan, facts, image)
    suite = sort_suite(plan.rootdir, image.container_root, plan.suite, plan.config_file, plan.host_only)
    for name, digest in facts.files.items():
        _require(_digest(plan.rootdir / name) == digest, f"{name} has changed")
    _require({str(file) for file in suite.files} == set(facts.files), "the suite has changed")
    manifest = suite_manifest(suite)
    changed = changed_entries(facts.manifest, manifest)
    _require(changed is not None, "files of the suite were removed")
    _require_running(engine, plan, facts)
    if changed:
        _lay(engine, suite, changed, facts, image)
        facts = replace(facts, manifest=manifest)
        write_kept(replace(kept, facts=facts_as_json(facts)))
    return WarmEnvironment(engine, plan, kept, facts, progress, image=image, resolved=resolved, files=files)


def _require(is_so: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not is_so:
        raise _NotWarmError(otherwise)


def _require_image(plan: EnvironmentPlan, facts: KeptFacts, image: ImageUnderTest) -> None:
    last = plan.last_image
    is_taken_by_name = plan.image_ref is not None or image.id in facts.references.values()
    _require(last is not None and last.id == image.id, "another image was tested meanwhile")
    assert last is not None  # noqa: S101 - as just required
    _require(is_taken_by_name or last.is_current(), "what the image is built from has changed")
    for files, digest in facts.seed_files:
        _require(files_digest([Path(file) for file in files]) == digest, "what a seed comes from has changed")
    _require(are_inputs_current(facts.inputs), "what a service's image is built from has changed")


def _require_running(engine: PlainEngine, plan: EnvironmentPlan, facts: KeptFacts) -> None:
    filters = quote(json.dumps(plan.identity.filters))
    status, listed = ask(engine, "GET", f"containers/json?all=1&filters={filters}")
    _require(status == HTTPStatus.OK, str(listed))
    seen = {str(data["Id"]): data for data in listed}
    for container_id, has_to_run in facts.containers.items():
        data = seen.get(container_id)
        _require(data is not None, "a container of it is gone")
        assert data is not None  # noqa: S101 - as just required
        is_well = data["State"] == "running" and "(unhealthy)" not in data["Status"]
        _require(is_well or not has_to_run, f"{data['Names'][0].lstrip('/')} is {data['Status']}")
    _require(not facts.carrier or facts.carrier in seen, "a container of it is gone")
    for reference, image_id in facts.references.items():
        status, data = ask(engine, "GET", f"images/{quote(reference, safe='/:@')}/json")
        _require(
            status == HTTPStatus.OK and data["Id"] == image_id, f"the image {reference} is another one now"
        )


def changed_entries(old: Mapping[str, Sequence[int]], new: Mapping[str, Sequence[int]]) -> list[str] | None:
    """What of a suite has changed since it was laid, or has been added. Pure.

    Returns:
        Names as in the manifests, folders before what is in them; None where something is gone, or became
        something else: that cannot be laid over what is there.
    """
    for name, (mode, *_) in old.items():
        if name not in new or stat.S_IFMT(new[name][0]) != stat.S_IFMT(mode):
            return None
    return [name for name, now in new.items() if list(now) != list(old.get(name, ()))]


def _lay(
    engine: PlainEngine,
    suite: SuitePaths,
    changed: Sequence[str],
    facts: KeptFacts,
    image: ImageUnderTest,
) -> None:
    """Put files into the volumes of all test containers, by the container that carries them."""
    from pytest_dockerci.engine.archive import ArchiveWriter  # noqa: PLC0415 - not every run changes the suite

    wanted, python = set(changed), image.python
    assert python is not None  # noqa: S101 - only suites of pytest are kept
    data = io.BytesIO()
    writer = ArchiveWriter(data, uid=python.uid, gid=python.gid)
    for worker in range(facts.workers):
        for index, path, file in suite_entries(suite):
            if str(PurePosixPath(str(index)) / path) in wanted:
                writer.add_file(PurePosixPath(str(worker), str(index)) / path, file)
    writer.close()
    question = f"containers/{facts.carrier}/archive?path={quote(str(CARRIED))}"
    status, said = ask(engine, "PUT", question, data.getvalue())
    _require(status == HTTPStatus.OK, str(said))


CARRIED = PurePosixPath("/v")


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""
