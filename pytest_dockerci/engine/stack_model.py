"""The model of one stack: what a run changes about the project's Compose model. Pure.

The differences from what the user wrote, in one place: unique names, labels, dynamic ports on the
engine's 127.0.0.1, quick health checks, bounded restarts and logs, built images by id, and the
test containers.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.edited_model import escape_dollars
from pytest_dockerci.engine.labels import WORKER, RunIdentity

if TYPE_CHECKING:
    from pytest_dockerci.engine.seed_overlay import OverlayVolume

START_INTERVAL_SECONDS = 0.1
START_PERIOD_SECONDS = 30.0
MAX_RESTARTS = 5
TEMPORARY_FOLDER = "/.dockerci/tmp"
_MAX_PORT_RANGE = 64
_UNITS_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
# What belongs to the service in its normal form and not to a container that runs its tests.
_NOT_FOR_TESTS = (
    "build", "command", "container_name", "depends_on", "deploy", "develop", "entrypoint", "expose",
    "healthcheck", "mac_address", "ports", "post_start", "pre_stop", "profiles", "pull_policy", "restart",
    "scale", "stdin_open", "tty",
)  # fmt: skip
_NOT_FOR_TEST_NETWORKS = ("aliases", "ipv4_address", "ipv6_address", "link_local_ips", "mac_address")
# The first process of a test container: children of others that end are collected by the kernel
# (SIGCHLD ignored), and TERM ends it at once, which a first process must ask for.
FIRST_PROCESS = (
    "import os,signal as s;s.signal(s.SIGCHLD,s.SIG_IGN);"
    "[s.signal(n,lambda *_:os._exit(0))for n in(s.SIGTERM,s.SIGINT)];\nwhile 1:s.pause()"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What an image says about its containers.

    Attributes:
        image_id: The image.
        ports: ``(number, protocol)`` of EXPOSE.
        has_healthcheck: It carries a HEALTHCHECK.
    """

    image_id: str
    ports: tuple[tuple[int, str], ...] = ()
    has_healthcheck: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TestContainerPlan:
    """One container that runs tests.

    Attributes:
        worker: Its number.
        mounts: Volumes of ours, in Compose's long form; ``source`` names the engine's volume.
    """

    __test__ = False

    worker: int
    mounts: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandContainerPlan:
    """One container that runs a command of a suite that is not pytest.

    Attributes:
        number: The command's.
        service: The service in whose image it runs.
        argv: In place of the image's command; its entrypoint stays.
        secrets: Names of further variables; Compose has their values in its environment, under `secret_variable`.
    """

    number: int
    service: str
    argv: tuple[str, ...]
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPlan:
    """What one stack consists of.

    Attributes:
        identity: The run.
        project: Compose's project.
        service: The service under test.
        services: Services that may be started, the one under test in its normal form included.
        built: Service to image id, for all that must run exactly that image.
        images: Service to facts about its image.
        python: The interpreter in the image under test.
        environ: The testing environment.
        worker_count: Number of workers of the whole run.
        tests: The test containers of this stack.
        commands: The containers of commands.
        overlays: Service to what its volumes are, where it starts from a seed.
    """

    identity: RunIdentity
    project: str
    service: str
    services: tuple[str, ...]
    built: Mapping[str, str]
    images: Mapping[str, ImageFacts]
    python: str
    environ: Mapping[str, str]
    worker_count: int
    tests: tuple[TestContainerPlan, ...] = field(default=())
    commands: tuple[CommandContainerPlan, ...] = field(default=())
    overlays: Mapping[str, tuple[OverlayVolume, ...]] = field(default_factory=dict)


def check_name(service: str, worker: int) -> str:
    """The Compose service of a test container."""
    return f"{service}-test-{worker}"


def command_name(service: str, number: int) -> str:
    """The Compose service of a command's container."""
    return f"{service}-command-{number}"


def secret_variable(name: str) -> str:
    """Under which name Compose's own environment holds a secret: the files that it reads do not."""
    return f"DOCKERCI_SECRET_{name}"


def plan_stack(model: Mapping[str, Any], plan: StackPlan) -> dict[str, Any]:
    """The model of the stack.

    Args:
        model: Compose's resolved model; is not changed.
        plan: What the stack consists of.
    """
    wanted: dict[str, Any] = copy.deepcopy(dict(model))
    services = wanted.setdefault("services", {})
    tests = {
        check_name(plan.service, test.worker): _test_service(services[plan.service], plan, test)
        for test in plan.tests
    }
    tests |= {
        command_name(command.service, command.number): _command_service(
            services[command.service], plan, command
        )
        for command in plan.commands
    }
    for name in plan.services:
        services[name] = _service(services[name], plan.images.get(name), plan.built.get(name), plan.identity)
    services |= tests
    for section in ("networks", "volumes"):
        wanted[section] = {
            key: _named_object(key, entry or {}, plan) for key, entry in (wanted.get(section) or {}).items()
        }
    for test in plan.tests:
        for mount in test.mounts:
            source = str(mount["source"])
            wanted["volumes"][source] = {"name": source, "external": True}
    for name, overlays in plan.overlays.items():
        services[name] = _overlaid(services[name], overlays)
        for volume in overlays:
            wanted["volumes"][volume.name] = {
                "name": volume.name,
                "driver": "local",
                "driver_opts": {key: escape_dollars(value) for key, value in volume.options.items()},
                "labels": {**plan.identity.labels, **volume.labels},
            }
    return wanted


def _overlaid(service: Mapping[str, Any], overlays: Sequence[OverlayVolume]) -> dict[str, Any]:
    """The service with volumes that lie over its seed, in place of those that it has there."""
    targets = {volume.target for volume in overlays}
    kept = [entry for entry in service.get("volumes") or [] if entry.get("target") not in targets]
    # Nothing is copied into them: what they lie over is there.
    mounts = [
        {"type": "volume", "source": each.name, "target": each.target, "volume": {"nocopy": True}}
        for each in overlays
    ]
    return {**service, "volumes": [*kept, *mounts]}


def _named_object(key: str, entry: Mapping[str, Any], plan: StackPlan) -> dict[str, Any]:
    """A network or volume of the stack alone; one that the user manages elsewhere stays as it is."""
    if entry.get("external"):
        return dict(entry)
    labels = {**(entry.get("labels") or {}), **plan.identity.labels}
    return {**entry, "name": f"{plan.project}_{key}", "labels": labels}


def _service(
    service: Mapping[str, Any], image: ImageFacts | None, built: str | None, identity: RunIdentity
) -> dict[str, Any]:
    result = dict(service)
    result.pop("container_name", None)
    result.pop("profiles", None)
    if built is not None:
        result.pop("build", None)
        result |= {"image": built, "pull_policy": "never"}
    elif "pull_policy" in result:
        result["pull_policy"] = "missing"
    result["labels"] = {**(service.get("labels") or {}), **identity.labels}
    result.setdefault("logging", _bounded_logging())
    ports = published_ports(service, image)
    result.pop("ports", None)
    if ports:
        result["ports"] = [
            {"mode": "ingress", "host_ip": "127.0.0.1", "target": number, "protocol": protocol}
            for number, protocol in ports
        ]
    if str(service.get("restart") or "no") in ("always", "unless-stopped", "on-failure"):
        result["restart"] = f"on-failure:{MAX_RESTARTS}"
    if has_healthcheck(service, image):
        result["healthcheck"] = quick_healthcheck(service.get("healthcheck") or {})
    return result


def _command_service(
    service: Mapping[str, Any], plan: StackPlan, command: CommandContainerPlan
) -> dict[str, Any]:
    environ = {
        **{name: escape_dollars(value) for name, value in plan.environ.items()},
        **{name: f"${{{secret_variable(name)}}}" for name in command.secrets},
        "DOCKERCI": "1",
        "DOCKERCI_RUN_ID": plan.identity.run_id,
        "DOCKERCI_WORKER": "0",
        "DOCKERCI_WORKER_COUNT": "1",
    }
    result = _stand_in(service, plan, plan.built.get(command.service) or str(service.get("image")), environ)
    if "entrypoint" in service:
        result["entrypoint"] = service["entrypoint"]
    if "logging" not in service:
        # Its streams are attached; the engine's copy would only slow down one that prints much.
        result["logging"] = {"driver": "none"}
    return {**result, "command": [escape_dollars(word) for word in command.argv]}


def _stand_in(
    service: Mapping[str, Any], plan: StackPlan, image: str, environ: Mapping[str, str]
) -> dict[str, Any]:
    """The service as a container that runs something else; values of `environ` as Compose reads them."""
    result = {key: copy.deepcopy(value) for key, value in service.items() if key not in _NOT_FOR_TESTS}
    limits = (service.get("deploy") or {}).get("resources")
    result |= {
        "image": image,
        "pull_policy": "never",
        "restart": "no",
        "healthcheck": {"disable": True},
        "labels": {**(service.get("labels") or {}), **plan.identity.labels},
        "environment": {**(service.get("environment") or {}), **environ},
    }
    result.setdefault("logging", _bounded_logging())
    if limits:
        result["deploy"] = {"resources": limits}
    if result.get("networks"):
        result["networks"] = {name: _test_network(entry) for name, entry in result["networks"].items()}
    return result


def _test_service(service: Mapping[str, Any], plan: StackPlan, test: TestContainerPlan) -> dict[str, Any]:
    environ = {
        **plan.environ,
        "DOCKERCI": "1",
        "DOCKERCI_RUN_ID": plan.identity.run_id,
        "DOCKERCI_WORKER": str(test.worker),
        "DOCKERCI_WORKER_COUNT": str(plan.worker_count),
    }
    if plan.worker_count > 1:
        environ["PYTEST_XDIST_WORKER"] = f"gw{test.worker}"
    escaped = {name: escape_dollars(value) for name, value in environ.items()}
    result = _stand_in(service, plan, plan.built[plan.service], escaped)
    targets = {mount["target"] for mount in test.mounts}
    kept = [volume for volume in result.get("volumes") or [] if volume.get("target") not in targets]
    result["labels"][WORKER] = str(test.worker)
    result |= {
        "entrypoint": [escape_dollars(plan.python)],
        "command": ["-I", "-S", "-c", FIRST_PROCESS],
        "volumes": [*kept, *(dict(mount) for mount in test.mounts)],
    }
    if result.get("read_only") and not _has_temporary_folder(result):
        # pytest keeps captured output in temporary files.
        result["tmpfs"] = [*_as_list(result.get("tmpfs")), TEMPORARY_FOLDER]
        result["environment"].setdefault("TMPDIR", TEMPORARY_FOLDER)
    return result


def _has_temporary_folder(service: Mapping[str, Any]) -> bool:
    targets = [str(volume.get("target")) for volume in service.get("volumes") or []]
    targets += [str(mount).partition(":")[0] for mount in _as_list(service.get("tmpfs"))]
    return any(folder in targets for folder in ("/tmp", "/var/tmp", "/usr/tmp"))  # noqa: S108 - where Python looks


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _test_network(entry: Mapping[str, Any] | None) -> dict[str, Any] | None:
    kept = {key: value for key, value in (entry or {}).items() if key not in _NOT_FOR_TEST_NETWORKS}
    return kept or None


def _bounded_logging() -> dict[str, Any]:
    return {"driver": "json-file", "options": {"max-size": "50m", "max-file": "2"}}


def published_ports(service: Mapping[str, Any], image: ImageFacts | None) -> tuple[tuple[int, str], ...]:
    """All ports that ``ports``, ``expose`` and EXPOSE declare: ``(number, protocol)``, each once.

    None where the service has no network of its own to publish from.
    """
    if service.get("network_mode"):
        return ()
    found: dict[tuple[int, str], None] = dict.fromkeys(declared_ports(service))
    found |= dict.fromkeys(image.ports if image else ())
    return tuple(found)


def declared_ports(service: Mapping[str, Any]) -> tuple[tuple[int, str], ...]:
    """The ports that the Compose file itself declares."""
    found: dict[tuple[int, str], None] = {}
    for port in service.get("ports") or []:
        found[(int(port["target"]), str(port.get("protocol") or "tcp"))] = None
    for text in service.get("expose") or []:
        found |= dict.fromkeys(parse_port(str(text)))
    return tuple(found)


def parse_port(text: str) -> tuple[tuple[int, str], ...]:
    """``8000``, ``8000/udp`` or ``8000-8010/tcp`` as numbers; a range of more than 64 ports is left out."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?(?:/(\w+))?", text)
    if match is None:
        return ()
    first, last = int(match[1]), int(match[2] or match[1])
    if last - first >= _MAX_PORT_RANGE:
        return ()
    return tuple((number, match[3] or "tcp") for number in range(first, last + 1))


def has_healthcheck(service: Mapping[str, Any], image: ImageFacts | None) -> bool:
    """The engine will probe containers of the service."""
    check = service.get("healthcheck") or {}
    test = check.get("test")
    if check.get("disable") or test in ("NONE", ["NONE"]):
        return False
    return bool(test) or bool(image and image.has_healthcheck)


def quick_healthcheck(check: Mapping[str, Any]) -> dict[str, Any]:
    """The health check with a short interval while the service starts.

    Without a start period the engine ignores the start interval, and with one that is given,
    failures during it do not count, as the user asked.

    Source: Engine API, `HealthConfig`; the engine probes after `interval`, 30 s by default, otherwise.
    """
    result = dict(check)
    interval = parse_duration_seconds(str(check.get("start_interval") or ""))
    if not interval or interval > START_INTERVAL_SECONDS:
        result["start_interval"] = f"{START_INTERVAL_SECONDS * 1000:.0f}ms"
    if not parse_duration_seconds(str(check.get("start_period") or "")):
        result["start_period"] = f"{START_PERIOD_SECONDS:.0f}s"
    return result


def parse_duration_seconds(text: str) -> float:
    """A duration of Compose's, such as ``1m30s`` or ``200ms``; 0 for what is none."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|us|ns|s)", text)
    return sum(float(number) * _UNITS_SECONDS[unit] for number, unit in parts)


def completing_services(model: Mapping[str, Any], names: Sequence[str]) -> frozenset[str]:
    """Services that another one expects to complete: they are ready when they have exited with 0."""
    services = model.get("services") or {}
    return frozenset(
        dependency
        for name in names
        for dependency, options in (services[name].get("depends_on") or {}).items()
        if (options or {}).get("condition") == "service_completed_successfully"
    )
