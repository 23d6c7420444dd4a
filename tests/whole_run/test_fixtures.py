"""What host tests and the root conftest.py can do."""

from __future__ import annotations

import os

import pytest

from whole_run.project import Project

pytestmark = pytest.mark.engine

SERVICES = """\
    depends_on:
      cache: {condition: service_healthy}
    ports: ["8000:8000"]
    command: ["python3", "-m", "http.server", "8000"]
    healthcheck:
      test: ["CMD", "python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000')"]
      interval: 5s
  cache:
    image: REDIS_IMAGE
    container_name: fixed-name
    ports: ["6379:6379"]
    healthcheck: {test: ["CMD", "redis-cli", "ping"], interval: 5s}
"""


@pytest.fixture
def with_services(project: Project) -> Project:
    """A project with a web server and a cache."""
    services = SERVICES.replace("REDIS_IMAGE", os.environ.get("REDIS_IMAGE", "redis:7"))
    project.write(
        compose_yaml=(project.root / "compose.yaml").read_text() + services,
        pytest_ini="[pytest]\ndockerci_service = web\ntestpaths = tests host\ndockerci_suite = tests\n",
    )
    return project


def test_services_and_container(with_services: Project) -> None:
    """Addresses, commands, logs and every way to stop a service and let it go on."""
    with_services.write(
        tests__test_in_py="""\
            import socket
            def test_in():
                socket.create_connection(("cache", 6379), 5).close()
            """,
        host__test_out_py="""\
            import socket, urllib.request
            import pytest

            def ping(service):
                with socket.create_connection(service.address(6379), 5) as connection:
                    connection.sendall(b"PING\\r\\n")
                    connection.settimeout(2)
                    return connection.recv(100)

            def test_address(dockerci_services):
                assert dockerci_services["cache"].address(6379)[0] == "127.0.0.1"
                assert dockerci_services["cache"].address(6379)[1] != 6379
                assert ping(dockerci_services["cache"]) == b"+PONG\\r\\n"

            def test_unknown_port(dockerci_services):
                with pytest.raises(Exception, match="expose"):
                    dockerci_services["cache"].address(1234)

            def test_unknown_service(dockerci_services):
                with pytest.raises(Exception, match="cache"):
                    dockerci_services["cash"]

            def test_exec(dockerci_services):
                result = dockerci_services["cache"].exec(["redis-cli", "echo", "a b"])
                assert (result.exit_code, result.stdout.strip()) == (0, "a b")
                assert dockerci_services["cache"].exec(["sh", "-c", "exit 3"]).exit_code == 3

            def test_logs(dockerci_services):
                assert "Ready to accept connections" in dockerci_services["cache"].logs()

            @pytest.mark.parametrize("stop, start", [("stop", "start"), ("kill", "start"), (None, "restart")])
            def test_stop_and_start(dockerci_services, stop, start):
                cache = dockerci_services["cache"]
                if stop:
                    getattr(cache, stop)()
                    with pytest.raises(Exception):
                        ping(cache)
                getattr(cache, start)()
                assert ping(cache) == b"+PONG\\r\\n"

            def test_pause(dockerci_services):
                cache = dockerci_services["cache"]
                cache.pause()
                with pytest.raises(TimeoutError):
                    ping(cache)
                cache.unpause()
                assert ping(cache) == b"+PONG\\r\\n"

            def test_normal_form(dockerci_services, dockerci_image):
                host, port = dockerci_services["web"].address(8000)
                assert b"app.py" in urllib.request.urlopen(f"http://{host}:{port}", timeout=5).read()

            def test_container(dockerci_container, dockerci_image):
                result = dockerci_container.exec(["python3", "-c", "import os; print(os.getcwd())"])
                assert result.stdout.strip() == "/srv/app"
                assert dockerci_image.id.startswith("sha256:")
                assert dockerci_image.tags
            """,
    )
    outcome = with_services.run("-v")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.counts() == {"passed": 12}


def test_hooks(with_services: Project) -> None:
    """Hooks of the root conftest.py change environment, model, build arguments and tags."""
    with_services.write(
        Dockerfile="""\
            ARG PYTHON_IMAGE
            FROM ${PYTHON_IMAGE}
            ARG COLOUR=none
            ENV COLOUR=${COLOUR}
            WORKDIR /srv/app
            COPY app.py .
            """,
        conftest_py="""\
            def pytest_dockerci_env(config, env):
                env["FROM_HOOK"] = "yes"

            def pytest_dockerci_build_args(config, args):
                args["COLOUR"] = "green"

            def pytest_dockerci_compose_model(config, model):
                model["services"]["cache"]["environment"] = {"SET_BY": "hook"}

            def pytest_dockerci_compose_files(config, files):
                files.append(config.rootpath / "more.yaml")

            def pytest_dockerci_tags(config, tags):
                tags.append("from-hook")
            """,
        more_yaml="services:\n  web:\n    environment: {MORE: '1'}\n",
        compose_override_yaml="services: {}\n",
        tests__test_in_py="""\
            import os
            def test_in():
                assert os.environ["FROM_HOOK"] == "yes"
                assert os.environ["COLOUR"] == "green"
                assert os.environ["MORE"] == "1"
            """,
        host__test_out_py="""\
            def test_out(dockerci_services, dockerci_image):
                assert dockerci_services["cache"].exec(["printenv", "SET_BY"]).stdout.strip() == "hook"
                assert any(tag.endswith(":from-hook") for tag in dockerci_image.tags)
            """,
    )
    with_services.write(
        pytest_ini="[pytest]\ndockerci_service = web\ntestpaths = tests host\ndockerci_suite = tests\n"
        "dockerci_compose = compose.yaml\n"
    )
    outcome = with_services.run("-v")
    assert outcome.exit_code == 0, outcome.output


def test_extra_services(with_services: Project) -> None:
    """A container made with testcontainers is reachable by its alias, and gone at the end."""
    with_services.write(
        conftest_py=f"""\
            from testcontainers.core.container import DockerContainer

            def pytest_dockerci_extra_services(config, services):
                services["queue"] = DockerContainer("{os.environ.get("REDIS_IMAGE", "redis:7")}")
            """,
        tests__test_in_py="""\
            import socket, time
            def test_in():
                for _ in range(50):
                    try:
                        return socket.create_connection(("queue", 6379), 5).close()
                    except ConnectionRefusedError:
                        time.sleep(0.1)
                raise AssertionError("queue does not answer")
            """,
        host__test_out_py="def test_out(): pass\n",
    )
    outcome = with_services.run("-v")
    assert outcome.exit_code == 0, outcome.output
