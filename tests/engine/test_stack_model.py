"""What a run changes about a Compose model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_dockerci.engine.compose_model import choose_started, parse_warnings
from pytest_dockerci.engine.compose_yaml import Override, Reset, difference, write_yaml
from pytest_dockerci.engine.image_plan import plan_images
from pytest_dockerci.engine.labels import NONCE, RUN, SEED_UPPER, RunIdentity
from pytest_dockerci.engine.model_cache import ComposeModel
from pytest_dockerci.engine.powers import powers
from pytest_dockerci.engine.seed_overlay import OverlayVolume
from pytest_dockerci.engine.stack import advice
from pytest_dockerci.engine.stack_model import (
    ImageFacts,
    StackPlan,
    TestContainerPlan,
    parse_duration_seconds,
    parse_port,
    plan_stack,
    published_ports,
    quick_healthcheck,
)

IDENTITY = RunIdentity(run_id="r1", nonce="n1", folder="shop")
LABELS = {RUN: "r1", NONCE: "n1"}
LOGGING = {"driver": "json-file", "options": {"max-size": "50m", "max-file": "2"}}


def model(services: Mapping[str, Any], active: set[str] | None = None) -> ComposeModel:
    """A model of services alone."""
    names = set(services) if active is None else active
    return ComposeModel(
        data={"services": dict(services)}, active=frozenset(names), project="shop", warnings=()
    )


def stack(services: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """The stack's model for services, the one under test being `web`."""
    values: dict[str, Any] = {
        "identity": IDENTITY,
        "project": "dockerci-shop-r1",
        "service": "web",
        "services": tuple(services),
        "built": {"web": "sha256:aa"},
        "images": {},
        "python": "/usr/bin/python3",
        "environ": {},
        "worker_count": 1,
        "tests": (TestContainerPlan(worker=0),),
    }
    return plan_stack({"services": dict(services)}, StackPlan(**{**values, **changes}))


def test_a_service_loses_what_two_runs_would_fight_over() -> None:
    """Names, fixed ports and endless restarts; it gains labels, bounded logs and a quick health check."""
    wanted = stack(
        {
            "web": {"build": {"context": "/x"}, "image": "shop", "profiles": ["app"]},
            "db": {
                "image": "postgres:17",
                "container_name": "db",
                "restart": "unless-stopped",
                "ports": [{"target": 5432, "published": "5432", "protocol": "tcp", "mode": "ingress"}],
                "healthcheck": {"test": ["CMD", "pg_isready"], "interval": "5s"},
                "labels": {"a": "b"},
            },
        }
    )
    assert wanted["services"]["db"] == {
        "image": "postgres:17",
        "restart": "on-failure:5",
        "ports": [{"mode": "ingress", "host_ip": "127.0.0.1", "target": 5432, "protocol": "tcp"}],
        "healthcheck": {
            "test": ["CMD", "pg_isready"],
            "interval": "5s",
            "start_interval": "100ms",
            "start_period": "30s",
        },
        "labels": {"a": "b", **LABELS},
        "logging": LOGGING,
    }
    assert wanted["services"]["web"] == {
        "image": "sha256:aa",
        "pull_policy": "never",
        "labels": LABELS,
        "logging": LOGGING,
    }


def test_a_test_container_is_the_service_but_for_command_environment_and_toolkit() -> None:
    """No ports, names, aliases or dependencies; the testing environment wins; dollars stay literal."""
    web = {
        "build": {"context": "/x"},
        "container_name": "web",
        "command": ["serve"],
        "entrypoint": ["/start"],
        "depends_on": {"db": {"condition": "service_healthy"}},
        "ports": [{"target": 80}],
        "healthcheck": {"test": ["CMD", "true"]},
        "environment": {"A": "1", "B": "x$$y"},
        "networks": {
            "default": None,
            "back": {"aliases": ["api"], "ipv4_address": "10.0.0.2", "priority": 5},
        },
        "deploy": {"replicas": 3, "resources": {"limits": {"memory": "1G"}}},
        "volumes": [
            {"type": "bind", "source": "/x/tests", "target": "/app/tests"},
            {"type": "volume", "source": "data", "target": "/data"},
        ],
        "read_only": True,
        "user": "1000",
        "restart": "always",
    }
    mount = {"type": "volume", "source": "suite-0", "target": "/app/tests", "volume": {}}
    wanted = stack(
        {"web": web},
        environ={"A": "te$ting"},
        worker_count=2,
        tests=(TestContainerPlan(worker=1, mounts=(mount,)),),
    )
    test = wanted["services"]["web-test-1"]
    first_process = test.pop("command")
    assert first_process[:3] == ["-I", "-S", "-c"]
    assert test == {
        "image": "sha256:aa",
        "pull_policy": "never",
        "entrypoint": ["/usr/bin/python3"],
        "restart": "no",
        "healthcheck": {"disable": True},
        "environment": {
            "A": "te$$ting",
            "B": "x$$y",
            "DOCKERCI": "1",
            "DOCKERCI_RUN_ID": "r1",
            "DOCKERCI_WORKER": "1",
            "DOCKERCI_WORKER_COUNT": "2",
            "PYTEST_XDIST_WORKER": "gw1",
            "TMPDIR": "/.dockerci/tmp",
        },
        "tmpfs": ["/.dockerci/tmp"],
        "networks": {"default": None, "back": {"priority": 5}},
        "deploy": {"resources": {"limits": {"memory": "1G"}}},
        "volumes": [{"type": "volume", "source": "data", "target": "/data"}, mount],
        "read_only": True,
        "user": "1000",
        "labels": {**LABELS, "org.pytest-dockerci.worker": "1"},
        "logging": LOGGING,
    }
    assert wanted["volumes"]["suite-0"] == {"name": "suite-0", "external": True}


def test_networks_and_volumes_are_the_runs_own_unless_external() -> None:
    """Fixed names become unique; what the user manages elsewhere is left alone."""
    resolved: dict[str, Any] = {
        "services": {"web": {}},
        "networks": {"default": {"name": "shop-net", "ipam": {}}},
        "volumes": {
            "data": {"name": "shop-data", "labels": {"a": "b"}},
            "seed": {"name": "s", "external": True},
        },
    }
    wanted = plan_stack(
        resolved,
        StackPlan(
            identity=IDENTITY,
            project="p",
            service="web",
            services=(),
            built={"web": "sha256:aa"},
            images={},
            python="python3",
            environ={},
            worker_count=1,
        ),
    )
    assert wanted["networks"] == {"default": {"name": "p_default", "ipam": {}, "labels": LABELS}}
    assert wanted["volumes"] == {
        "data": {"name": "p_data", "labels": {"a": "b", **LABELS}},
        "seed": {"name": "s", "external": True},
    }
    assert resolved["networks"]["default"]["name"] == "shop-net"


@pytest.mark.parametrize(
    ("service", "image_ports", "ports"),
    [
        (
            {"ports": [{"target": 80, "protocol": "tcp"}], "expose": ["80", "81/udp"]},
            (),
            ((80, "tcp"), (81, "udp")),
        ),
        ({}, ((6379, "tcp"),), ((6379, "tcp"),)),
        ({"expose": ["90-91"]}, (), ((90, "tcp"), (91, "tcp"))),
        ({"network_mode": "host", "ports": [{"target": 80}]}, (), ()),
    ],
)
def test_every_declared_port_is_published(
    service: dict[str, Any], image_ports: tuple[tuple[int, str], ...], ports: tuple[tuple[int, str], ...]
) -> None:
    """Once each, wherever it is declared."""
    assert published_ports(service, ImageFacts(image_id="x", ports=image_ports)) == ports


@pytest.mark.parametrize(
    ("text", "ports"),
    [("80", ((80, "tcp"),)), ("53/udp", ((53, "udp"),)), ("1-1000", ()), ("web", ())],
)
def test_ports_are_read_as_compose_writes_them(text: str, ports: tuple[tuple[int, str], ...]) -> None:
    """Long ranges are left out."""
    assert parse_port(text) == ports


@pytest.mark.parametrize(
    ("check", "quick"),
    [
        ({}, {"start_interval": "100ms", "start_period": "30s"}),
        ({"start_period": "5s"}, {"start_interval": "100ms", "start_period": "5s"}),
        ({"start_interval": "50ms"}, {"start_interval": "50ms", "start_period": "30s"}),
        ({"start_interval": "1s", "start_period": "0s"}, {"start_interval": "100ms", "start_period": "30s"}),
    ],
)
def test_health_checks_become_quick(check: dict[str, str], quick: dict[str, str]) -> None:
    """What the user set closer is kept."""
    assert quick_healthcheck(check) == quick


@pytest.mark.parametrize(("text", "seconds"), [("1m30s", 90.0), ("200ms", 0.2), ("1h", 3600.0), ("", 0.0)])
def test_durations_are_read(text: str, seconds: float) -> None:
    """As Compose writes them."""
    assert parse_duration_seconds(text) == pytest.approx(seconds)


SERVICES = {
    "web": {"image": "web", "depends_on": {"db": {}, "cache": {}}},
    "db": {"image": "db", "depends_on": {"disk": {}}},
    "disk": {"image": "disk"},
    "cache": {"image": "cache"},
    "docs": {"image": "docs"},
}


@pytest.mark.parametrize(
    ("services", "start", "started"),
    [
        (SERVICES, (), ("disk", "db", "cache")),
        (SERVICES, ("docs",), ("docs",)),
        (SERVICES, ("db",), ("disk", "db")),
        ({**SERVICES, "web": {"image": "web"}}, (), ("disk", "db", "cache", "docs")),
        ({**SERVICES, "web": {"image": "web", "links": ["cache:c"]}}, ("docs",), ("docs", "cache")),
        (
            {
                **SERVICES,
                "web": {"image": "web", "depends_on": {"cache": {}}},
                "db": {"image": "db", "depends_on": {"web": {}}},
            },
            ("db",),
            ("cache", "web", "db"),
        ),
    ],
)
def test_the_started_services_are_a_closure(
    services: dict[str, Any], start: tuple[str, ...], started: tuple[str, ...]
) -> None:
    """Dependencies first; every other service where the one under test declares nothing."""
    assert choose_started(model(services), "web", start) == started


def test_services_of_inactive_profiles_are_not_started() -> None:
    """Unless something depends on them."""
    services = {"web": {"image": "web"}, "a": {"image": "a"}, "b": {"image": "b", "profiles": ["x"]}}
    assert choose_started(model(services, {"web", "a"}), "web", ()) == ("a",)
    assert choose_started(model(services, {"web", "a"}), "web", ("b",)) == ("b",)


def test_optional_dependencies_of_inactive_profiles_are_not_started() -> None:
    """As with Compose itself."""
    services = {
        "web": {"image": "web", "depends_on": {"a": {}, "b": {"required": False}}},
        "a": {"image": "a"},
        "b": {"image": "b", "profiles": ["x"]},
    }
    assert choose_started(model(services, {"web", "a"}), "web", ()) == ("a",)


@pytest.mark.parametrize(
    ("services", "builds", "same", "pulls"),
    [
        ({"web": {"build": {"context": "."}}, "db": {"image": "pg"}}, ("web",), {}, ("db",)),
        (
            {"web": {"build": {"context": "."}, "image": "shop"}, "worker": {"image": "shop"}},
            ("web",),
            {"worker": "web"},
            (),
        ),
        (
            {"web": {"build": {"context": "."}}, "migrate": {"build": {"context": "."}}},
            ("web",),
            {"migrate": "web"},
            (),
        ),
        (
            {
                "web": {"image": "shop"},
                "mail": {"image": "mail"},
                "smtp": {"build": {"context": "m"}, "image": "mail"},
            },
            ("smtp",),
            {"mail": "smtp"},
            ("web",),
        ),
    ],
)
def test_services_that_mean_the_same_image_share_it(
    services: dict[str, Any], builds: tuple[str, ...], same: dict[str, str], pulls: tuple[str, ...]
) -> None:
    """By the name it is built under, or by being built in the same way."""
    plan = plan_images(model(services), "web", list(services), is_given=False)
    assert (plan.builds, plan.same, plan.pulls) == (builds, same, pulls)


def test_the_override_holds_just_the_difference() -> None:
    """Replaced values carry Compose's tags; new entries are plain."""
    base = {
        "services": {
            "web": {"image": "a", "ports": [1], "restart": "always", "same": {"x": 1}},
            "gone": {"image": "x"},
        },
        "networks": {"default": {"name": "old"}},
    }
    wanted = {
        "services": {"web": {"image": "b", "ports": [2], "same": {"x": 1}}, "new": {"image": "c"}},
        "networks": {"default": {"name": "new"}},
    }
    changes = difference(base, wanted)
    assert changes == {
        "services": {
            "web": {"image": "b", "ports": Override([2]), "restart": Reset()},
            "new": {"image": "c"},
            "gone": Reset(),
        },
        "networks": {"default": {"name": "new"}},
    }
    assert write_yaml(changes, comment="ours") == (
        "# ours\n"
        '"services":\n'
        '  "web":\n'
        '    "image": "b"\n'
        '    "ports": !override\n'
        "    - 2\n"
        "    \"restart\": !reset 'null'\n"
        '  "new":\n'
        '    "image": "c"\n'
        "  \"gone\": !reset 'null'\n"
        '"networks":\n'
        '  "default":\n'
        '    "name": "new"\n'
    )


@pytest.mark.parametrize(
    ("service", "permissions"),
    [
        ({}, []),
        ({"privileged": True}, ["privileged"]),
        ({"build": {"privileged": True}}, ["privileged"]),
        ({"volumes": [{"type": "bind", "source": "/run/docker.sock"}]}, ["docker-socket"]),
        ({"volumes": [{"type": "bind", "source": "/srv/data"}]}, []),
        ({"volumes": [{"type": "volume", "source": "run"}]}, []),
        # the socket is in it
        ({"volumes": [{"type": "bind", "source": "/"}]}, ["docker-socket"]),
        ({"volumes": [{"type": "bind", "source": "/var/run/"}]}, ["docker-socket"]),
        ({"volumes": [{"type": "volume", "source": "sock"}]}, ["docker-socket"]),
        ({"volumes": [{"type": "volume", "source": "data"}]}, []),
        ({"use_api_socket": True}, ["docker-socket"]),
        ({"volumes_from": ["container:other"]}, ["docker-socket"]),
        ({"volumes_from": ["db:ro"]}, []),
        # what the machine's programs are made of, and people's keys
        ({"volumes": [{"type": "bind", "source": "/etc/"}]}, ["privileged"]),
        ({"volumes": [{"type": "bind", "source": "/home/me"}]}, ["privileged"]),
        ({"volumes": [{"type": "bind", "source": "/home/me/shop"}]}, []),
        ({"volumes": [{"type": "bind", "source": "/etc/localtime"}]}, []),
        ({"devices": [{"source": "/dev/sda1", "target": "/dev/sda1"}]}, ["privileged"]),
        ({"devices": ["/dev/mapper/root:/dev/x:r", "/dev/mem"]}, ["privileged", "privileged"]),
        ({"devices": ["/dev/fuse", {"source": "/dev/dri"}, "vendor.com/gpu=0"]}, []),
        ({"device_cgroup_rules": ["a *:* rwm", "c 1:3 mr"]}, ["privileged"]),
        ({"security_opt": ["systempaths=unconfined", "no-new-privileges"]}, ["privileged"]),
        ({"build": {"entitlements": ["security.insecure", "network.host"]}}, ["privileged"]),
        ({"cap_add": ["NET_ADMIN", "SYS_ADMIN"]}, ["privileged"]),
        ({"cap_add": ["cap_sys_module", "ALL"]}, ["privileged", "privileged"]),
        ({"network_mode": "host", "pid": "host", "ipc": "shareable"}, ["host-namespaces", "host-namespaces"]),
    ],
)
def test_power_over_the_host_is_recognised(service: dict[str, Any], permissions: list[str]) -> None:
    """By the names of `dockerci_allow`."""
    volumes = {
        "sock": {"driver_opts": {"type": "none", "o": "ro,bind", "device": "/var/run"}},
        "data": {"driver_opts": {"type": "tmpfs", "o": "size=1m", "device": "tmpfs"}},
    }
    assert [permission for permission, _ in powers(service, volumes)] == permissions


def test_composes_warnings_are_passed_on_once() -> None:
    """Without its time stamps."""
    line = 'time="2026-11-23" level=warning msg="The \\"X\\" variable is not set."\n'
    assert parse_warnings(line * 2) == ('The "X" variable is not set.',)


FREE_ADDRESSES = (
    "free some: `docker network ls` shows who has them, `dockerci gc` removes those of dead runs;\n"
    "or give the engine more (default-address-pools in its daemon.json)"
)


@pytest.mark.parametrize(
    ("refusal", "fix"),
    [
        (
            "could not find an available, non-overlapping IPv4 address pool among the defaults",
            FREE_ADDRESSES,
        ),
        (
            "all predefined address pools have been fully subnetted",
            FREE_ADDRESSES,
        ),
        (
            "write /var/lib/docker/x: no space left on device",
            "make room on the engine: `docker system df` shows what is there, `dockerci gc --all` removes our caches",
        ),
        ("no such image", "`docker compose up` should show the same; correct the Compose file"),
    ],
)
def test_what_to_try_when_services_cannot_be_started(refusal: str, fix: str) -> None:
    """By the words of Docker 26 and 28."""
    assert advice(refusal) == fix


def test_volumes_that_lie_over_a_seed() -> None:
    """They take the place of the service's own, are the run's, and nothing is copied into them."""
    overlay = OverlayVolume(
        name="dockerci-shop-r1_seed-db-0",
        target="/data",
        options={"type": "overlay", "device": "overlay", "o": "lowerdir=/a$b"},
        labels={SEED_UPPER: "dockerci-shop-r1_seed-db"},
    )
    own = {"type": "volume", "source": "data", "target": "/data"}
    other = {"type": "volume", "source": "logs", "target": "/logs"}
    services = {"web": {"image": "w"}, "db": {"image": "d", "volumes": [own, other]}}
    wanted = stack(services, overlays={"db": (overlay,)})
    assert wanted["services"]["db"]["volumes"] == [
        other,
        {"type": "volume", "source": overlay.name, "target": "/data", "volume": {"nocopy": True}},
    ]
    assert wanted["volumes"][overlay.name] == {
        "name": overlay.name,
        "driver": "local",
        "driver_opts": {"type": "overlay", "device": "overlay", "o": "lowerdir=/a$$b"},
        "labels": {**LABELS, SEED_UPPER: "dockerci-shop-r1_seed-db"},
    }
