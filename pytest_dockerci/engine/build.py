"""Building images with BuildKit: ``docker buildx bake`` on the Compose model's own build sections.

The bytes must not depend on the run: no label of ours or of Compose, and no attestation.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.build_progress import (
    BuildEvent,
    BuildProgress,
    StepFailed,
    StepFinished,
    StepOutput,
    StepStarted,
)
from pytest_dockerci.engine.command import Commands, mask_secrets
from pytest_dockerci.engine.compose_yaml import write_yaml
from pytest_dockerci.engine.images import inspect_image
from pytest_dockerci.engine.model_cache import ComposeModel
from pytest_dockerci.errors import ImageBuildError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.progress import Progress

_ENVIRON = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "BUILDX_BAKE_ENTITLEMENTS_FS": "0"}
_ALLOW_OPTION_SINCE = (0, 17)
_ATTESTATIONS = "x-attestations"
_SERVICE_CONTEXT = "service:"
_TARGET_CONTEXT = "target:"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOutcome:
    """What a build left behind.

    Attributes:
        image_ids: Service to image id.
        is_cached: No step had to run.
        seconds: How long it took.
    """

    image_ids: Mapping[str, str]
    is_cached: bool
    seconds: float


def plan_build(model: ComposeModel, tags: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A Compose file with just what is to be built. Pure.

    Args:
        model: The resolved model.
        tags: Service to the names that its image gets, at least one.
    """
    services: dict[str, Any] = {}
    pending = list(tags)
    while pending:
        name = pending.pop()
        if name in services or name not in model.services:
            continue
        build = copy.deepcopy(model.services[name].get("build") or {})
        build["tags"] = list(tags.get(name, ()))
        contexts = build.get("additional_contexts") or {}
        for context, source in contexts.items():
            if str(source).startswith(_SERVICE_CONTEXT):
                other = str(source).removeprefix(_SERVICE_CONTEXT)
                contexts[context] = f"{_TARGET_CONTEXT}{other}"
                pending.append(other)
        _choose_platform(build, model.services[name].get("platform"))
        services[name] = {"build": build}
        attestations = _take_attestations(build)
        if attestations:
            services[name][_ATTESTATIONS] = attestations
        if build["tags"]:
            services[name]["image"] = build["tags"][0]
        extension = _bake_extension(build)
        if extension:
            build["x-bake"] = extension
    plan: dict[str, Any] = {"services": services}
    if model.data.get("secrets"):
        plan["secrets"] = model.data["secrets"]
    return plan


def _choose_platform(build: dict[str, Any], platform: str | None) -> None:
    """The service's own, or the only one that is named; of several the engine's."""
    if platform:
        build["platforms"] = [platform]
    elif len(build.get("platforms") or ()) > 1:
        del build["platforms"]


def _take_attestations(build: dict[str, Any]) -> list[str]:
    """What a build section says about the builder's attestations, as the builder's own options have it.

    Builders of some age refuse these keys of Compose's.
    """
    found = []
    for kind in ("provenance", "sbom"):
        value = str(build.pop(kind, ""))
        if value.lower() == "true":
            found.append(f"type={kind}")
        elif value:
            found.append(f"type={kind},{'disabled=true' if value.lower() == 'false' else value}")
    return found


def _bake_extension(build: dict[str, Any]) -> dict[str, Any]:
    """What bake (measured: 0.13) does not read from Compose's own keys, in its own; `ssh` is moved there.

    Source: buildx documentation, "Extension field with x-bake".
    """
    extension: dict[str, Any] = {}
    if build.get("no_cache"):
        extension["no-cache"] = True
    if build.get("pull"):
        extension["pull"] = True
    if build.get("ssh"):
        extension["ssh"] = build.pop("ssh")
    return extension


def build_images(
    engine: Engine,
    commands: Commands,
    plan: Mapping[str, Any],
    targets: Sequence[str],
    *,
    rootdir: Path,
    folder: Path,
    timeout_seconds: float,
    progress: Progress,
) -> BuildOutcome:
    """Build and load images, all in one call of the builder.

    Args:
        engine: The engine.
        commands: Runs the builder.
        plan: From `plan_build`.
        targets: The services to build; the first is the image under test.
        rootdir: Where the builder runs.
        folder: Takes the build file and the builder's record.
        timeout_seconds: The builder is stopped after it; 0 for no limit.
        progress: Told about every step.

    Raises:
        ImageBuildError: A step failed, the time is up, or the image did not arrive.
    """
    build_file = folder / "build.yaml"
    metadata_file = folder / "build.json"
    build_file.write_text(write_yaml(plan), encoding="utf-8")
    metadata_file.unlink(missing_ok=True)
    argv = ["docker", "buildx", "bake", "--file", str(build_file), "--load", "--progress", "rawjson"]
    argv += ["--metadata-file", str(metadata_file)]
    for name, service in plan["services"].items():
        for attestation in service.get(_ATTESTATIONS, ()):
            argv += ["--set", f"{name}.attest={attestation}"]
    if engine.buildx_version >= _ALLOW_OPTION_SINCE:
        argv += [option for name in sorted(_entitlements(plan)) for option in ("--allow", name)]
    started = time.monotonic()
    events = BuildProgress()

    def show(line: str) -> None:
        for event in events.feed_line(line):
            show_event(event, progress)

    # What a person has set stays: who wants the builder's provenance says so by the first of these.
    environ = {name: value for name, value in _ENVIRON.items() if name not in commands.environ}
    # Both streams come through one parser; only stderr carries progress, and bake prints nothing on stdout.
    completed = commands.run(
        [*argv, *targets], cwd=rootdir, timeout_seconds=timeout_seconds, environ=environ, on_line=show
    )
    progress.status("")
    seconds = time.monotonic() - started
    if completed.timed_out:
        raise ImageBuildError(
            f'image of "{targets[0]}" was not built within {timeout_seconds:g} s',
            why="the builder was stopped at the limit, dockerci_build_timeout_seconds",
            fix="raise dockerci_build_timeout_seconds, or look at what takes long in the Dockerfile",
            output=events.remarks,
        )
    if not completed.is_ok:
        raise build_error(events, targets)
    image_ids = _read_image_ids(engine, metadata_file, targets)
    return BuildOutcome(image_ids=image_ids, is_cached=events.is_all_cached, seconds=seconds)


def _entitlements(plan: Mapping[str, Any]) -> set[str]:
    builds = [service["build"] for service in plan["services"].values()]
    names = {"network.host" for build in builds if build.get("network") == "host"}
    return names | {"security.insecure" for build in builds if build.get("privileged")}


def show_event(event: BuildEvent, progress: Progress) -> None:
    """Say what the builder does."""
    match event:
        case StepStarted(name=name):
            progress.status(f"building {mask_secrets(name)}")
        case StepFinished(name=name, seconds=seconds, is_cached=is_cached):
            progress.detail(f"{mask_secrets(name)}  {'cached' if is_cached else f'{seconds:.1f} s'}")
        case StepOutput(line=line):
            progress.detail(f"  {mask_secrets(line)}")
        case StepFailed():
            pass


def build_error(events: BuildProgress, targets: Sequence[str]) -> ImageBuildError:
    """The error that tells which step failed, with its last lines."""
    failure = events.failure
    remarks = [mask_secrets(line) for line in events.remarks]
    if failure is None:
        errors = [line.removeprefix("ERROR: ") for line in remarks if line.startswith("ERROR")]
        return ImageBuildError(
            f'image of "{targets[0]}" could not be built',
            why=errors[-1] if errors else "the builder gave no reason",
            fix="correct the Dockerfile or the build section of the Compose file",
            output=[line for line in remarks if not line.startswith("ERROR")],
        )
    base_image = failure.name.partition("load metadata for ")[2]
    if base_image:
        return ImageBuildError(
            f'image of "{targets[0]}" could not be built: no base image {base_image}',
            why=mask_secrets(failure.error),
            fix=f"`docker pull {base_image}` must work; correct FROM, log in, or look at the network",
        )
    target, step = split_step(failure.name, targets)
    return ImageBuildError(
        f'image of "{target}" could not be built: {mask_secrets(step)}',
        why=mask_secrets(failure.error),
        fix="correct this step of the Dockerfile; no test was run",
        output_title="output of the step",
        output=[mask_secrets(line) for line in failure.output],
    )


def split_step(name: str, targets: Sequence[str]) -> tuple[str, str]:
    """Target and step of a name such as ``[web stage-1 2/4] RUN pip install .``."""
    if not name.startswith("["):
        return targets[0], name
    inside, _, command = name[1:].partition("]")
    words = inside.split()
    target = next((word for word in words if word in targets), targets[0])
    number = next((word for word in reversed(words) if "/" in word), "")
    return target, f"step {number} {command.strip()}" if number else f"{inside} {command.strip()}".strip()


def _read_image_ids(engine: Engine, metadata_file: Path, targets: Sequence[str]) -> dict[str, str]:
    """The ids in the builder's record, each checked with the engine.

    A classic image store names an image by the digest of its configuration, a containerd store by
    the digest of its manifest; the builder records both.
    """
    record = json.loads(metadata_file.read_text(encoding="utf-8"))
    image_ids = {}
    for target in targets:
        entry = record.get(target) or {}
        for key in ("containerimage.digest", "containerimage.config.digest"):
            data = inspect_image(engine, str(entry[key])) if entry.get(key) else None
            if data is not None:
                image_ids[target] = str(data["Id"])
                break
        else:
            raise ImageBuildError(
                f'image of "{target}" was built, but is not on the engine',
                why=f"the builder recorded {entry.get('image.name', 'no name')}",
                fix="is the current builder connected to this engine? `docker buildx ls`",
            )
    return image_ids
