"""In which order the services of a stack start: Compose's own rules for ``depends_on``. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pytest_dockerci.engine.compose_model import direct_dependencies

Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]
_STARTED: Condition = "service_started"
_CONDITIONS: tuple[Condition, ...] = (_STARTED, "service_healthy", "service_completed_successfully")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """What a service waits for.

    Attributes:
        service: The other service.
        condition: What it must have come to.
        is_required: The service does not start without it.
    """

    service: str
    condition: Condition
    is_required: bool = True


def dependencies(definition: Mapping[str, Any]) -> tuple[Dependency, ...]:
    """What a service waits for before it starts, links and shared namespaces included.

    Args:
        definition: The service in Compose's resolved model.
    """
    declared = definition.get("depends_on") or {}
    found = []
    for name in direct_dependencies(definition):
        options = declared.get(name) or {}
        condition = options.get("condition")
        found.append(
            Dependency(
                service=name,
                condition=condition if condition in _CONDITIONS else _STARTED,
                is_required=options.get("required") is not False,
            )
        )
    return tuple(found)


def is_startable(needs: Iterable[Dependency], started: frozenset[str], ready: frozenset[str]) -> bool:
    """True when everything that a service waits for has come.

    Args:
        needs: What it waits for.
        started: Services whose containers have been started.
        ready: Services that are healthy or have completed, and optional ones that failed to.
    """
    return all(
        need.service in (started if need.condition == _STARTED else ready) or need.service in ready
        for need in needs
    )


def early_services(model: Mapping[str, Any], names: Iterable[str]) -> tuple[str, ...]:
    """Those services that may start before the others: they depend on nothing.

    None where Compose itself starts the others: it would start again what has done its work and ended.

    Args:
        model: The resolved model.
        names: All services that are to start.
    """
    definitions = {name: model["services"][name] for name in names}
    if needs_compose(definitions.values(), model):
        return ()
    return tuple(name for name, definition in definitions.items() if not direct_dependencies(definition))


def needs_compose(definitions: Iterable[Mapping[str, Any]], model: Mapping[str, Any]) -> bool:
    """True when starting a container takes more than the engine's call: only Compose does it right then.

    Source: Compose 2.26 and 2.40, ``pkg/compose/start.go``: hooks after the start, and secrets and
    configs whose content is written into the created container.

    Args:
        definitions: The services that are to start.
        model: The whole model.
    """
    return any(
        definition.get("post_start") or definition.get("provider") for definition in definitions
    ) or any(
        isinstance(entry, Mapping) and ("environment" in entry or "content" in entry)
        for section in ("secrets", "configs")
        for entry in (model.get(section) or {}).values()
    )
