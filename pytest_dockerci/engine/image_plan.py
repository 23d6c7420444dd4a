"""Where the image of each service comes from, and what the one under test is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dockerci.build_inputs import BuildInputs

if TYPE_CHECKING:
    from pytest_dockerci.engine.compose_model import ComposeModel
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan


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
    build = (model.services[plan.service].get("build") or {}) if is_built else {}
    named = [build.get("context"), *(build.get("additional_contexts") or {}).values()]
    contexts = [Path(str(name).replace("$$", "$")) for name in named if name]
    local = tuple(context for context in contexts if context.is_absolute() and context.is_dir())
    files = list(compose_files)
    if local and "dockerfile_inline" not in build:
        files.append(local[0] / str(build.get("dockerfile") or "Dockerfile"))
    laid_over = [*plan.suite, *([plan.config_file] if plan.config_file else [])]
    return BuildInputs(
        contexts=local,
        files=tuple(files),
        left_out=tuple(plan.rootdir / path for path in laid_over),
    )


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
