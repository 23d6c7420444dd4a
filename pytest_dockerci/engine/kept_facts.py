"""What a kept stack was made from and consists of: compared by the next run, and used by it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_dockerci import __version__
from pytest_dockerci.build_inputs import BuildInputs
from pytest_dockerci.engine.image import ImageUnderTest
from pytest_dockerci.engine.python_facts import PythonFacts
from pytest_dockerci.engine.requirement_files import written_requirements

if TYPE_CHECKING:
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFacts:
    """All plain JSON values.

    Attributes:
        sys_path: Where the keeper finds this package.
        engine: `Engine.facts`.
        url: The engine's address.
        project_folder: `RunIdentity.folder`.
        stack_key: Of everything that the services were made from.
        run_key: Of everything that the test containers were made from, but for the image and the suite's files.
        image: The image under test.
        references: Image reference to image id, for images that were taken by name.
        inputs: What the images of other services were built from, each with its fingerprint.
        containers: Container to whether it has to run.
        services: Name of each service to its containers.
        tests: Worker to id and name of its container.
        names: Every service of the Compose files.
        started: Compose's project to its workers and its services.
        built: Service to image id.
        facts: Service to what its image says.
        toolkit: Volume, path and pins.
        files: Single files that are laid over the image, and the SHA-256 of each.
        manifest: `suite_paths.suite_manifest` when the suite was laid.
        carrier: The container through which the suite's volumes are filled.
        workers: Number of test containers.
        seed_files: Files that seeds come from, and their digest, for each seed.
        resets: Service to its reset command.
    """

    sys_path: list[str]
    engine: dict[str, Any]
    url: str
    project_folder: str
    stack_key: str
    run_key: str
    image: dict[str, Any]
    references: dict[str, str]
    inputs: list[dict[str, Any]]
    containers: dict[str, bool]
    services: dict[str, list[str]]
    tests: list[list[str]]
    names: list[str]
    started: dict[str, list[Any]]
    built: dict[str, str]
    facts: dict[str, Any]
    toolkit: dict[str, Any]
    files: dict[str, str]
    manifest: dict[str, list[int]]
    carrier: str
    workers: int
    seed_files: list[list[Any]]
    resets: dict[str, list[str]]


def facts_as_json(facts: KeptFacts) -> dict[str, Any]:
    """For `KeptStack.facts`."""
    return asdict(facts)


def facts_from_json(data: Mapping[str, Any]) -> KeptFacts | None:
    """The facts; None for those of another version of this package."""
    try:
        return KeptFacts(**data)
    except TypeError:
        return None


def run_key(model: Mapping[str, Any], plan: EnvironmentPlan) -> str:
    """Changes when anything changes that test containers are made from, but for the image and the suite's files.

    Args:
        model: The resolved model after the project's hooks.
        plan: What the user asked for.
    """
    return _digest(
        __version__,
        _stack_parts(model, plan),
        plan.image_ref,
        list(map(str, plan.suite)),
        str(plan.config_file),
        list(map(str, plan.host_only)),
        str(plan.container_root),
        dict(plan.environ),
        written_requirements(plan.requirements, plan.rootdir),
        dict(plan.host_versions),
        plan.workers,
    )


def stack_key(model: Mapping[str, Any], plan: EnvironmentPlan, images: Mapping[str, str]) -> str:
    """Changes when anything changes that the services are made from.

    Args:
        model: The resolved model after the project's hooks.
        plan: What the user asked for.
        images: Service to image id, for the services that run.
    """
    return _digest(__version__, _stack_parts(model, plan), dict(images))


def _stack_parts(model: Mapping[str, Any], plan: EnvironmentPlan) -> list[Any]:
    return [
        dict(model),
        plan.service,
        list(plan.start),
        plan.per_worker_stacks,
        plan.workers if plan.per_worker_stacks else 1,
    ]


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def image_as_json(image: ImageUnderTest) -> dict[str, Any]:
    """For `image_from_json`."""
    return {**asdict(image), "container_root": str(image.container_root)}


def image_from_json(data: Mapping[str, Any]) -> ImageUnderTest:
    """The image that `image_as_json` described."""
    values = {field.name: _as_tuple(data[field.name]) for field in fields(ImageUnderTest)}
    said = data["python"]
    python = said and PythonFacts(
        **{field.name: _as_tuple(said[field.name]) for field in fields(PythonFacts)}
    )
    values |= {"python": python, "container_root": PurePosixPath(data["container_root"])}
    return ImageUnderTest(**values)


def _as_tuple(value: Any) -> Any:
    """JSON has no tuples."""
    return tuple(value) if isinstance(value, list) else value


def inputs_as_json(inputs: BuildInputs, fingerprint: str) -> dict[str, Any]:
    """What an image was built from, and the fingerprint of that."""
    return {
        **{field.name: list(map(str, getattr(inputs, field.name))) for field in fields(BuildInputs)},
        "fingerprint": fingerprint,
    }


def are_inputs_current(inputs: Sequence[Mapping[str, Any]]) -> bool:
    """True when nothing has changed that images were built from."""
    return all(
        each["fingerprint"]
        and BuildInputs(
            **{field.name: tuple(map(Path, each[field.name])) for field in fields(BuildInputs)}
        ).fingerprint()
        == each["fingerprint"]
        for each in inputs
    )
