"""Services start in the order of their dependencies, each as soon as it may."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from pytest_dockerci.engine.labels import RUN
from pytest_dockerci.engine.start_order import (
    Dependency,
    dependencies,
    early_services,
    is_startable,
    needs_compose,
)
from pytest_dockerci.errors import ServiceNotReadyError
from variants import soak_after

from .engine_project import PYTHON_IMAGE, Project, python_in

# Healthy at once, and no port takes connections for a while: a database that fills a new volume.
LATE_PORT = """
import socket, time
time.sleep(2)
server = socket.create_server(("", 7000))
while True: server.accept()[0].close()
"""
CONNECT = "import socket; socket.create_connection(('db', 7000)).close(); print('connected')"


def needs(service: str, condition: Any = "service_started", *, is_required: bool = True) -> Dependency:
    """A dependency."""
    return Dependency(service=service, condition=condition, is_required=is_required)


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({}, ()),
        (
            {"depends_on": {"db": {"condition": "service_healthy", "required": True}}},
            (needs("db", "service_healthy"),),
        ),
        (
            {"depends_on": {"db": {"condition": "service_started", "required": False}}},
            (needs("db", is_required=False),),
        ),
        ({"links": ["db:base"], "volumes_from": ["data:ro"]}, (needs("db"), needs("data"))),
        ({"network_mode": "service:vpn", "ipc": "host"}, (needs("vpn"),)),
    ],
)
def test_what_a_service_waits_for(definition: dict[str, Any], expected: tuple[Dependency, ...]) -> None:
    """Declared dependencies, links and shared namespaces."""
    assert dependencies(definition) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("db", "cache")),
        ({"cache": {"volumes_from": ["db"]}}, ("db",)),
        ({"db": {"post_start": [{"command": "x"}]}}, ()),
        ({"app": {"post_start": [{"command": "x"}]}}, ()),
    ],
)
def test_what_starts_before_the_images_are_built(changes: dict[str, Any], expected: tuple[str, ...]) -> None:
    """What depends on nothing; where Compose has to start one of them, it starts all."""
    services = {"db": {}, "cache": {}, "app": {"depends_on": {"db": {}}}, **changes}
    assert early_services({"services": services}, services) == expected


@pytest.mark.parametrize(
    ("need", "started", "ready", "expected"),
    [
        (needs("db"), {"db"}, set(), True),
        (needs("db"), set(), set(), False),
        (needs("db", "service_healthy"), {"db"}, set(), False),
        (needs("db", "service_healthy"), {"db"}, {"db"}, True),
        (needs("db", "service_completed_successfully"), {"db"}, {"db"}, True),
        (needs("db", "service_completed_successfully"), {"db"}, {"other"}, False),
    ],
)
def test_when_a_service_may_start(
    need: Dependency,
    started: set[str],
    ready: set[str],
    expected: bool,  # noqa: FBT001
) -> None:
    """When each of its conditions holds."""
    assert is_startable([need, needs("early")], frozenset({*started, "early"}), frozenset(ready)) is expected


@pytest.mark.parametrize(
    ("definition", "model", "expected"),
    [
        ({}, {}, False),
        ({"post_start": [{"command": ["true"]}]}, {}, True),
        ({}, {"secrets": {"key": {"file": "/key"}}}, False),
        ({}, {"secrets": {"key": {"environment": "KEY"}}}, True),
        ({}, {"configs": {"app": {"content": "a: 1"}}}, True),
    ],
)
def test_what_only_compose_can_start(
    definition: dict[str, Any],
    model: dict[str, Any],
    expected: bool,  # noqa: FBT001
) -> None:
    """Hooks, and files that Compose writes into created containers."""
    assert needs_compose([definition], model) is expected


@pytest.mark.engine
@pytest.mark.parametrize("ports", soak_after(1, ['expose: ["7000"]', ""]), ids=["declared", "none"])
def test_healthy_without_an_open_port_is_not_ready(web: Project, ports: str) -> None:
    """Neither for the services that wait for it, nor for the tests; without a port to ask, health decides."""
    # It starts beside the build: without a port to ask, it must not have one for much longer than that takes.
    program = LATE_PORT if ports else LATE_PORT.replace("sleep(2)", "sleep(60)")
    web.write(
        "compose.yaml",
        f"""
        services:
          web: {{build: ., depends_on: {{migrate: {{condition: service_completed_successfully}}}}}}
          migrate:
            image: {PYTHON_IMAGE}
            command: [python3, -c, "{CONNECT}"]
            depends_on: {{db: {{condition: service_healthy}}}}
          db:
            image: {PYTHON_IMAGE}
            command: [python3, -c, {json.dumps(program)}]
            init: true
            healthcheck: {{test: [CMD, "true"], interval: 5s}}
            {ports}
        """,
    )
    environment = web.started()
    if not ports:
        with pytest.raises(ServiceNotReadyError, match="Connection refused"):
            environment.wait_ready()
        return
    assert {service.name for service in environment.wait_ready()} == {"migrate", "db"}
    assert environment.services["migrate"].logs() == "connected\n"
    assert python_in(environment, CONNECT) == "connected"


@pytest.mark.engine
def test_what_compose_must_start_is_started_by_it(web: Project) -> None:
    """A config given in the Compose file is in the container."""
    web.write(
        "compose.yaml",
        f"""
        services:
          web: {{build: ., depends_on: {{show: {{condition: service_completed_successfully}}}}}}
          show:
            image: {PYTHON_IMAGE}
            command: [cat, /greeting]
            configs: [greeting]
        configs: {{greeting: {{content: hello}}}}
        """,
    )
    environment = web.started()
    environment.wait_ready()
    assert environment.services["show"].logs() == "hello"


@pytest.mark.engine
def test_an_optional_dependency_that_fails_is_done_without(web: Project) -> None:
    """As Compose does it; the service that failed is then reported by the run."""
    web.write(
        "compose.yaml",
        f"""
        services:
          web: {{build: ., depends_on: [app]}}
          app:
            image: {PYTHON_IMAGE}
            command: [python3, -c, "print('running'); import time; time.sleep(600)"]
            init: true
            depends_on: {{seed: {{condition: service_completed_successfully, required: false}}}}
          seed: {{image: {PYTHON_IMAGE}, command: ["false"]}}
        """,
    )
    with pytest.raises(ServiceNotReadyError, match='service "seed" ended with exit code 1'):
        _start_and_wait(web)
    # The run's own end is told by whichever sees the failure first; "app" starts either way.
    filters = {
        "label": [f"{RUN}={web.environments[-1].identity.run_id}", "com.docker.compose.service=app"],
        "status": "running",
    }
    deadline = time.monotonic() + 20
    while not web.engine.client.api.containers(filters=filters):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.engine
def test_a_container_that_the_engine_cannot_start_is_named(web: Project) -> None:
    """With the engine's words, in the same form whoever sees it first: who starts it, or who waits for it."""
    web.write(
        "compose.yaml",
        f"""
        services:
          web: {{build: ., depends_on: [db]}}
          db: {{image: {PYTHON_IMAGE}, entrypoint: [/no/such/program]}}
        """,
    )
    with pytest.raises(ServiceNotReadyError) as caught:
        _start_and_wait(web)
    lines = str(caught.value).splitlines()
    assert lines[0] == 'service "db" could not be started'
    assert re.fullmatch(r"  why: .*no such file or directory.*", lines[1])
    assert lines[2:] == ['  try: correct "db" in the Compose file']


def _start_and_wait(project: Project) -> None:
    # The test containers may be there before the service has failed, or after.
    project.started().wait_ready()
