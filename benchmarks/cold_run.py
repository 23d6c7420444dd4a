"""No stack is running, the image is built, three tests: from Enter to the prompt, everything cleaned up."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands import POSTGRES_IMAGE, PYTEST, PYTHON_IMAGE, REDIS_IMAGE, seconds_of, write
from benchmarks.paired import Benchmark, Subject

COMPOSE = f"""\
services:
  web:
    build: .
    image: dockerci-benchmark
    depends_on:
      db: {{condition: service_healthy}}
      cache: {{condition: service_healthy}}
  db:
    image: {POSTGRES_IMAGE}
    environment: {{POSTGRES_PASSWORD: secret}}
    ports: ["5432"]
    healthcheck: {{test: [CMD, pg_isready, -h, 127.0.0.1, -U, postgres], interval: 5s, retries: 20}}
  cache:
    image: {REDIS_IMAGE}
    ports: ["6379"]
    healthcheck: {{test: [CMD, redis-cli, ping], interval: 5s, retries: 20}}
"""
DOCKERFILE = f"""\
FROM {PYTHON_IMAGE}
RUN python3 -m pip install --quiet --break-system-packages pytest
WORKDIR /srv/app
COPY . .
CMD ["python3", "-m", "http.server"]
"""
IN_THE_IMAGE = """\
import socket

def test_database(): socket.create_connection(("db", 5432), 5).close()
def test_cache(): socket.create_connection(("cache", 6379), 5).close()
def test_nothing(): pass
"""
SCRIPT = """\
#!/bin/sh
# What a careful person writes: unique project, health checks waited for, everything removed.
export COMPOSE_PROJECT_NAME=benchmark$$
trap 'docker compose --progress quiet down --volumes --remove-orphans --timeout 0' EXIT
docker compose --progress quiet build && docker compose --progress quiet run --rm -T web python3 -m pytest -q tests
"""
WITH_TESTCONTAINERS = """\
import socket
import pytest
from testcontainers.compose import DockerCompose

@pytest.fixture(scope="session")
def stack():
    with DockerCompose(".", services=["db", "cache"], wait=True) as compose:
        yield compose

def connect(stack, service, port):
    socket.create_connection(("127.0.0.1", int(stack.get_service_port(service, port))), 5).close()

def test_database(stack): connect(stack, "db", 5432)
def test_cache(stack): connect(stack, "cache", 6379)
def test_nothing(): pass
"""
WITH_PYTEST_DOCKER = """\
import socket
import pytest

@pytest.fixture(scope="session")
def docker_compose_file(): return "compose.yaml"

@pytest.fixture(scope="session")
def docker_setup(): return "up --wait db cache"

def connect(docker_services, service, port):
    socket.create_connection(("127.0.0.1", docker_services.port_for(service, port)), 5).close()

def test_database(docker_services): connect(docker_services, "db", 5432)
def test_cache(docker_services): connect(docker_services, "cache", 6379)
def test_nothing(): pass
"""
OURS = "[pytest]\ndockerci_service = web\ntestpaths = tests\n"


def prepare(folder: Path) -> Sequence[Subject]:
    """Four projects with the same stack, each on its own way."""
    others = prepare_others(folder)
    ours = make_ours(folder)
    return [
        Subject(name="pytest-dockerci", measure=lambda: seconds_of((*PYTEST, "-p", "no:docker"), ours)),
        *others,
    ]


def make_ours(folder: Path, compose: str = COMPOSE) -> Path:
    """The project as pytest-dockerci runs it."""
    files = {"compose.yaml": compose, "Dockerfile": DOCKERFILE, "pytest.ini": OURS}
    return write(folder / "ours", {**files, "tests/test_in_image.py": IN_THE_IMAGE})


def prepare_others(folder: Path) -> Sequence[Subject]:
    """The same without pytest-dockerci: three ways."""
    base = write(folder / "base", {"compose.yaml": COMPOSE, "Dockerfile": DOCKERFILE})
    suites = {
        "script": {"run.sh": SCRIPT, "tests/test_in_image.py": IN_THE_IMAGE, "pytest.ini": "[pytest]\n"},
        "testcontainers": {"pytest.ini": "[pytest]\n", "test_host.py": WITH_TESTCONTAINERS},
        "pytest_docker": {"pytest.ini": "[pytest]\n", "test_host.py": WITH_PYTEST_DOCKER},
    }
    for name, files in suites.items():
        shutil.copytree(base, folder / name)
        write(folder / name, files)
    pytest_alone = (*PYTEST, "-p", "no:dockerci", "-p", "no:docker")
    return [
        Subject(name="shell script", measure=lambda: seconds_of(("sh", "run.sh"), folder / "script")),
        Subject(name="testcontainers", measure=lambda: seconds_of(pytest_alone, folder / "testcontainers")),
        Subject(
            name="pytest-docker",
            measure=lambda: seconds_of((*PYTEST, "-p", "no:dockerci"), folder / "pytest_docker"),
        ),
    ]


BENCHMARK = Benchmark(
    name="cold",
    title="cold run, 3 tests, PostgreSQL and Redis",
    limit=0.35,
    goal=0.30,
    prepare=prepare,
)
