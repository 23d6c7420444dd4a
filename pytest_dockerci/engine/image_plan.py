"""Where the image of each service comes from, and what the one under test is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dockerci.build_inputs import BuildInputs

if TYPE_CHECKING:
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.model_cache import ComposeModel


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlan:
    """Where the images come from; each service is in exactly one of them.

    Attributes:
        builds: Services that are built.
        same: Service to the one whose image it shares.
        pulls: Services whose image is taken as named.
    """

    builds: tuple[str, ...]
    same: Mapping[str, str]
    pulls: tuple[str, ...]


def plan_images(model: ComposeModel, service: str, names: Iterable[str], *, is_given: bool) -> ImagePlan:
    """Sort services by the source of their image.

    A service shares another's image when it names the one that the other is built under, or when
    both are built in the same way.

    Args:
        model: The resolved model.
        service: The service under test.
        names: The other services that need an image.
        is_given: The image under test exists already and is not to be built.
    """
    builds: list[str] = []
    same: dict[str, str] = {}
    pulls: list[str] = []
    if not is_given:
        (builds if model.services[service].get("build") else pulls).append(service)
    for name in dict.fromkeys(names):
        if name == service:
            continue
        definition = model.services[name]
        twin = _find_twin(model, definition, [service, *builds])
        if twin is not None and (is_given or twin in builds):
            same[name] = twin
        elif definition.get("build"):
            builds.append(name)
        else:
            pulls.append(name)
    for name in tuple(pulls):
        others = [other for other in builds if other != name]
        twin = _find_twin(model, model.services[name], others)
        if twin is not None:
            pulls.remove(name)
            same[name] = twin
    return ImagePlan(builds=tuple(builds), same=same, pulls=tuple(pulls))


def build_inputs(
    model: ComposeModel, plan: EnvironmentPlan, compose_files: Sequence[Path], *, is_built: bool
) -> BuildInputs:
    """Where the things lie that decide what the image under test is.

    A context that is not a folder here (a URL) is left out: the builder alone can tell whether it changed.

    Args:
        model: The resolved model.
        plan: What the user asked for.
        compose_files: The files that it comes from.
        is_built: False for an image that is taken as it is.
    """
    laid_over = [*plan.suite, *([plan.config_file] if plan.config_file else [])]
    return build_inputs_of(
        model.services[plan.service] if is_built else {},
        compose_files,
        left_out=tuple(plan.rootdir / path for path in laid_over),
    )


def build_inputs_of(
    definition: Mapping[str, Any], compose_files: Sequence[Path], *, left_out: Sequence[Path] = ()
) -> BuildInputs:
    """Where the things lie that the image of one service is built from.

    Args:
        definition: The service in the resolved model; one without ``build`` has none.
        compose_files: The files that it comes from.
        left_out: Files and folders whose changes do not ask for a build.
    """
    build = definition.get("build") or {}
    named = [build.get("context"), *(build.get("additional_contexts") or {}).values()]
    contexts = [Path(str(name).replace("$$", "$")) for name in named if name]
    local = tuple(context for context in contexts if context.is_absolute() and context.is_dir())
    files = list(compose_files)
    if local and "dockerfile_inline" not in build:
        files.append(local[0] / str(build.get("dockerfile") or "Dockerfile"))
    return BuildInputs(contexts=local, files=tuple(files), left_out=tuple(left_out))


def _find_twin(model: ComposeModel, definition: Mapping[str, Any], others: Iterable[str]) -> str | None:
    for name in others:
        other = model.services[name]
        if definition is other or not (other.get("build") or other.get("image")):
            continue
        if definition.get("platform") != other.get("platform"):
            continue
        build = definition.get("build")
        if build and build == other.get("build"):
            return name
        if not build and definition.get("image") and definition.get("image") == other.get("image"):
            return name
    return None
