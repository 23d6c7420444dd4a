"""The whole environment, on the real engine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from pytest_dockerci.errors import (
    ImageBuildError,
    ImageUnusableError,
    ServiceNotReadyError,
    SettingsError,
    ToolkitError,
)

from .engine_project import POSTGRES_IMAGE, PYTHON_IMAGE, REDIS_IMAGE, SUITE, Project, census_of, python_in

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

pytestmark = pytest.mark.engine

HTTP_HEALTHCHECK = (
    "healthcheck: {test: [CMD, python3, -c, \"import socket; socket.create_connection(('127.0.0.1', 8000))\"],"
    " interval: 5s}"
)


def test_the_suite_runs_in_exactly_the_built_image_with_pytest_brought_in(web: Project) -> None:
    """An edited test and pytest are in the container; the image itself holds neither."""
    environment = web.started(suite=SUITE, environ={"ENVIRONMENT": "te$ting"})
    seen = json.loads(
        python_in(
            environment,
            "import json, os, sys; sys.path.append(sys.argv[1]); import pytest; "
            "print(json.dumps([os.getcwd(), os.listdir('tests'), os.environ['ENVIRONMENT'],"
            " os.environ['DOCKERCI'], os.environ['DOCKERCI_WORKER'], pytest.__version__]))",
            environment.image.toolkit_path,
        )
    )
    assert seen == ["/app", ["test_one.py"], "te$ting", "1", "0", "9.0.0"]
    data = web.engine.client.api.inspect_container(environment.container(0).id)
    assert data["Image"] == environment.image.id
    assert [phase for phase in web.progress.phases if "/" not in phase] == ["build", "containers"]


def test_an_unchanged_tree_gives_an_unchanged_image_and_a_quick_toolkit(web: Project) -> None:
    """Nothing of the run is in the image, and a second run resolves nothing."""
    first = web.started(suite=SUITE)
    second = web.started(suite=SUITE)
    assert first.image.id == second.image.id
    assert second.image.is_cached
    labels = web.image_data(first.image.id)["Config"].get("Labels")
    assert not labels
    assert "resolving pytest and the requirements for the image" in web.progress.statuses[:20]


def test_a_repeated_run_needs_neither_network_nor_uv(web: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toolkit comes from its volume: an index that does not exist is not asked."""
    web.started(suite=SUITE)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    web.engine.child_environ["UV_DEFAULT_INDEX"] = "http://127.0.0.1:9/simple"  # type: ignore[index]
    try:
        environment = web.started(suite=SUITE)
    finally:
        del web.engine.child_environ["UV_DEFAULT_INDEX"]  # type: ignore[attr-defined]
    assert "pytest==9.0.0" in environment.image.toolkit


def test_services_become_ready_and_are_reached_from_both_sides(web: Project) -> None:
    """Database and cache answer by name in the container and by address on the host."""
    web.write(
        "compose.yaml",
        f"""
        services:
          web:
            build: .
            container_name: shop-web
            depends_on: {{db: {{condition: service_healthy}}, cache: {{condition: service_started}}}}
          db:
            image: {POSTGRES_IMAGE}
            container_name: shop-db
            restart: unless-stopped
            ports: ["5432:5432"]
            environment: {{POSTGRES_PASSWORD: secret}}
            volumes: ["data:/var/lib/postgresql/data"]
            healthcheck: {{test: [CMD, pg_isready, -U, postgres], interval: 5s, retries: 20}}
          cache:
            image: {REDIS_IMAGE}
        volumes: {{data: {{name: shop-data}}}}
        networks: {{default: {{name: shop-net}}}}
        """,
    )
    environment = web.started()
    ready = {service.name: service.how for service in environment.wait_ready()}
    assert ready == {"db": "healthy", "cache": "listening; no health check: a guess"}
    connect = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2]))).close()"
    python_in(environment, connect, "db", "5432")
    python_in(environment, connect, "cache", "6379")
    host, port = environment.services["db"].address(5432)
    assert host == "127.0.0.1"
    socket.create_connection((host, port)).close()
    socket.create_connection(environment.services["cache"].address(6379)).close()
    result = environment.services["db"].exec(["psql", "-U", "postgres", "-tAc", "select 6 * 7"])
    assert (result.exit_code, result.stdout.strip(), result.stderr) == (0, "42", "")


def test_a_service_can_be_stopped_started_frozen_and_killed(web: Project) -> None:
    """Addresses are right again after each start, and the call waits until the service is ready."""
    web.write(
        "compose.yaml",
        f"""
        services:
          web: {{build: ., depends_on: [api]}}
          api:
            image: {PYTHON_IMAGE}
            command: [python3, -m, http.server, "8000"]
            init: true
            expose: ["8000"]
            {HTTP_HEALTHCHECK}
        """,
    )
    environment = web.started()
    environment.wait_ready()
    api = environment.services["api"]
    socket.create_connection(api.address(8000)).close()
    api.stop()
    with pytest.raises(Exception, match='service "api" has no address while it does not run'):
        api.address(8000)
    api.start()
    socket.create_connection(api.address(8000)).close()
    api.kill()
    api.start()
    socket.create_connection(api.address(8000)).close()
    api.restart()
    socket.create_connection(api.address(8000)).close()
    api.pause()
    api.unpause()
    assert "Serving HTTP" in api.logs() or api.logs() == ""
    assert api.exec(["python3", "-c", "import sys; print(1); print(2, file=sys.stderr)"]).stderr == "2\n"
    with pytest.raises(
        Exception, match=r'port 9/tcp of service "api" is not published(.|\n)*expose: \["9"\]'
    ):
        api.address(9)
    with pytest.raises(SettingsError, match=r"there is no service 'bd'(.|\n)*api, web"):
        environment.services["bd"]


def test_the_service_under_test_starts_when_it_is_first_asked_for(web: Project) -> None:
    """Its normal form runs from the very image under test, and answers on its EXPOSE port."""
    web.write(
        "Dockerfile",
        f'FROM {PYTHON_IMAGE}\nWORKDIR /app\nEXPOSE 8000\nCMD ["python3", "-m", "http.server"]\n',
    )
    environment = web.started()
    assert list(environment.services) == ["web"]
    normal = environment.services["web"]
    socket.create_connection(normal.address(8000)).close()
    data = web.engine.client.api.inspect_container(normal.container_id)
    assert data["Image"] == environment.image.id
    connect = "import socket; socket.create_connection(('web', 8000)).close()"
    python_in(environment, connect)


@pytest.mark.soak
def test_test_containers_do_not_wait_for_services(web: Project) -> None:
    """Collection can start while a chain of health checks is still going on."""
    web.write(
        "compose.yaml",
        f"""
        services:
          web: {{build: ., depends_on: {{late: {{condition: service_healthy}}}}}}
          late:
            image: {PYTHON_IMAGE}
            depends_on: {{slow: {{condition: service_healthy}}}}
            command: [python3, -c, "import time; time.sleep(600)"]
            init: true
            healthcheck: {{test: [CMD, "true"], interval: 5s}}
          slow:
            image: {PYTHON_IMAGE}
            command: [python3, -c, "import time; time.sleep(3); open('/tmp/ok', 'w'); time.sleep(600)"]
            init: true
            healthcheck: {{test: [CMD, test, -e, /tmp/ok], interval: 5s}}
        """,
    )
    environment = web.started()
    ids = environment._stacks._stacks[0].container_ids()
    health = web.engine.client.api.inspect_container(ids["slow"][0])["State"]["Health"]["Status"]
    assert health == "starting"
    assert {service.name for service in environment.wait_ready()} == {"late", "slow"}


def test_a_one_shot_service_that_completes_is_ready(web: Project) -> None:
    """A migration that exits with 0 counts, also when something waits for its completion."""
    web.write(
        "compose.yaml",
        """
        services:
          web: {build: ., depends_on: {migrate: {condition: service_completed_successfully}}}
          migrate: {build: ., command: [python3, -c, "print('migrated')"]}
        """,
    )
    environment = web.started()
    assert [(service.name, service.how) for service in environment.wait_ready()] == [("migrate", "completed")]
    assert environment.services["migrate"].logs() == "migrated\n"
    migrate = web.engine.client.api.inspect_container(environment.services["migrate"].container_id)
    assert migrate["Image"] == environment.image.id


def test_a_service_that_is_called_as_a_container_under_test_is_refused(web: Project) -> None:
    """It would be replaced without a word."""
    web.write("compose.yaml", f"services: {{web: {{build: .}}, web-test-1: {{image: {PYTHON_IMAGE}}}}}\n")
    with pytest.raises(SettingsError) as caught:
        web.environment(workers=2).start()
    assert str(caught.value) == (
        "the Compose files have a service 'web-test-1', and a container of this run is called so\n"
        "  try: give that service another name"
    )


def test_services_start_while_the_image_is_built(web: Project) -> None:
    """Those that depend on nothing, each once: what has done its work and ended does not do it again."""
    web.write("Dockerfile", f"FROM {PYTHON_IMAGE}\nWORKDIR /srv\nRUN sleep 4 && echo {uuid4()}\n")
    web.write(
        "compose.yaml",
        f"""
        services:
          web: {{build: ., depends_on: [late]}}
          once: {{image: {PYTHON_IMAGE}, command: [echo, once]}}
          late:
            image: {PYTHON_IMAGE}
            command: [sleep, infinity]
            depends_on: {{once: {{condition: service_completed_successfully}}}}
        """,
    )
    environment = web.started()
    environment.wait_ready()
    image = web.image_data(environment.image.id)
    state = {
        name: web.engine.client.api.inspect_container(environment.services[name].container_id)["State"]
        for name in ("once", "late")
    }
    assert state["once"]["StartedAt"] < image["Created"] < state["late"]["StartedAt"]
    assert environment.services["once"].logs() == "once\n"


def test_who_depends_on_an_early_service_starts_after_it(web: Project) -> None:
    """Though its container is created while that one is still being started."""
    early = [f"early{number}" for number in range(12)]
    services = {
        "web": {"build": ".", "depends_on": ["late"]},
        "late": {"image": PYTHON_IMAGE, "command": ["sleep", "600"], "init": True, "depends_on": early},
        # Published ports make a start take longer than the creation of the others.
        **{
            name: {
                "image": PYTHON_IMAGE,
                "command": ["sleep", "600"],
                "init": True,
                "ports": ["80", "81", "82"],
            }
            for name in early
        },
    }
    web.write("compose.yaml", json.dumps({"services": services}))
    environment = web.started()
    environment._stacks.await_started()
    ids = environment._stacks._stacks[0].container_ids()
    inspect = web.engine.client.api.inspect_container
    started = {name: inspect(ids[name][0])["State"]["StartedAt"] for name in (*early, "late")}
    assert max(started, key=lambda name: started[name]) == "late"


def test_a_service_that_cannot_start_beside_the_build(web: Project) -> None:
    """The error is the same, and comes when the image is there."""
    web.write(
        "compose.yaml",
        f"""
        services:
          web: {{build: ., depends_on: [db]}}
          db: {{image: {PYTHON_IMAGE}, command: [/nowhere]}}
        """,
    )
    with pytest.raises(ServiceNotReadyError) as caught:
        _start_and_wait(web.environment())
    assert str(caught.value).startswith('service "db" could not be started\n  why: ')
    assert "/nowhere" in str(caught.value)
    assert str(caught.value).endswith('  try: correct "db" in the Compose file')


def test_a_service_that_dies_fails_the_run_at_once_with_its_log(web: Project) -> None:
    """Exit code and last lines are in the error."""
    web.write(
        "compose.yaml",
        f"""
        services:
          web: {{build: ., depends_on: [db]}}
          db:
            image: {PYTHON_IMAGE}
            command: [python3, -c, "import sys; print('disk is full', flush=True); sys.exit(3)"]
        """,
    )
    environment = web.environment()
    started = time.monotonic()
    with pytest.raises(ServiceNotReadyError) as caught:
        _start_and_wait(environment)
    assert str(caught.value) == (
        'service "db" ended with exit code 3\n'
        '  try: correct "db"; its log says why\n'
        '  log of "db":\n'
        "    disk is full"
    )
    assert time.monotonic() - started < 15


def _start_and_wait(environment: Any) -> None:
    environment.start()
    environment.wait_ready()


def test_a_service_that_never_becomes_healthy_is_explained(web: Project) -> None:
    """The limit's setting, the last probe's output and the log are in the error."""
    web.write(
        "compose.yaml",
        f"""
        services:
          web: {{build: ., depends_on: {{db: {{condition: service_healthy}}}}}}
          db:
            image: {PYTHON_IMAGE}
            command: [python3, -u, -c, "import time; print('recovering'); time.sleep(600)"]
            init: true
            healthcheck:
              test: [CMD, python3, -c, "import sys; sys.exit('no route')"]
              interval: 5s
        """,
    )
    environment = web.started(ready_timeout_seconds=3.0)
    with pytest.raises(ServiceNotReadyError) as caught:
        environment.wait_ready()
    text = str(caught.value)
    assert text.startswith('service "db" not ready after 3 s (dockerci_ready_timeout_seconds = 3)')
    assert "exit code 1: no route" in text
    assert "recovering" in text
    assert any(status.startswith("waiting for db (") for status in web.progress.statuses)


def test_a_failing_build_shows_the_step_and_its_last_lines(web: Project) -> None:
    """Nothing is started after it."""
    web.write(
        "Dockerfile",
        f"FROM {PYTHON_IMAGE}\nRUN python3 -c \"print('compiling'); print('no compiler'); raise SystemExit(1)\"\n",
    )
    environment = web.environment()
    with pytest.raises(ImageBuildError) as caught:
        environment.start()
    text = str(caught.value)
    assert text.startswith('image of "web" could not be built: step 2/2 RUN python3 -c')
    assert "exit code: 1" in text
    assert text.endswith("  output of the step:\n    compiling\n    no compiler")
    assert census_of(web.engine, environment) == set()


def test_a_build_is_stopped_at_its_limit(web: Project) -> None:
    """The builder is gone when the error is raised."""
    web.write("Dockerfile", f"FROM {PYTHON_IMAGE}\nRUN python3 -c 'import time; time.sleep(300)'\n")
    environment = web.environment(build_timeout_seconds=2.0)
    with pytest.raises(
        ImageBuildError, match=r'image of "web" was not built within 2 s(.|\n)*_build_timeout_seconds'
    ):
        environment.start()


@pytest.mark.soak
def test_a_non_root_read_only_image_takes_suite_and_toolkit(web: Project) -> None:
    """No file is written to the image's own file system."""
    web.write(
        "Dockerfile",
        f"FROM {PYTHON_IMAGE}\nWORKDIR /srv/app\nCOPY setup.cfg /srv/app/\nUSER 1234:1234\n",
    )
    web.write("compose.yaml", "services: {web: {build: ., read_only: true, tmpfs: [/tmp]}}\n")
    web.write("setup.cfg", "[tool:pytest]\n")
    environment_before = web.started(suite=SUITE, config_file=PurePosixPath("setup.cfg"))
    assert environment_before.container(0).exec(["cat", "setup.cfg"]).stdout == "[tool:pytest]\n"
    web.write("pytest.ini", "[pytest]\n")
    web.write("conftest.py", "X = 1\n")
    environment = web.started(
        suite=(*SUITE, PurePosixPath("conftest.py")), config_file=PurePosixPath("pytest.ini")
    )
    seen = json.loads(
        python_in(
            environment,
            "import json, os, sys; sys.path.append(sys.argv[1]); import pytest\n"
            "open('tests/written', 'w').close()\n"
            "try: open('other', 'w')\nexcept OSError as error: other = error.strerror\n"
            "print(json.dumps([os.getuid(), sorted(os.listdir('.')), open('pytest.ini').read(), other,"
            " os.stat('tests').st_uid, os.stat('conftest.py').st_gid]))",
            environment.image.toolkit_path,
        )
    )
    assert seen == [
        1234,
        ["conftest.py", "pytest.ini", "setup.cfg", "tests"],
        "[pytest]\n",
        "Read-only file system",
        1234,
        1234,
    ]


def test_the_hosts_files_win_over_the_images_and_the_rest_stays(web: Project) -> None:
    """What only the image has is still there; what both have is the host's; some stays on the host."""
    web.write("Dockerfile", f"FROM {PYTHON_IMAGE}\nWORKDIR /app\nCOPY tests tests\n")
    web.write("tests/data/only_in_image.txt", "image")
    web.started()
    (web.root / "tests/data/only_in_image.txt").unlink()
    web.write("tests/test_one.py", "def test_edited(): pass\n")
    web.write(".dockerignore", "tests/test_one.py\ntests/host\n")
    web.write("tests/host/test_black_box.py", "")
    web.write("tests/__pycache__/x.pyc", "")
    (web.root / "tests/link.py").symlink_to("test_one.py")
    (web.root / "tests/run.sh").write_text("")
    (web.root / "tests/run.sh").chmod(0o750)
    image = web.engine.client.api.images(f"{web.root.name}-web", quiet=True)[0]
    environment = web.started(suite=SUITE, host_only=(PurePosixPath("tests/host"),), image_ref=image)
    seen = json.loads(
        python_in(
            environment,
            "import glob, json, os; print(json.dumps([sorted(glob.glob('tests/**', recursive=True)),"
            " open('tests/test_one.py').read(), os.readlink('tests/link.py'),"
            " oct(os.stat('tests/run.sh').st_mode)]))",
        )
    )
    assert seen == [
        [
            "tests/",
            "tests/data",
            "tests/data/only_in_image.txt",
            "tests/link.py",
            "tests/run.sh",
            "tests/test_one.py",
        ],
        "def test_edited(): pass\n",
        "test_one.py",
        "0o100750",
    ]


@pytest.mark.soak
def test_workers_share_services_or_have_their_own(web: Project) -> None:
    """Three containers of one stack; two stacks with a container each."""
    web.write(
        "compose.yaml",
        f"services:\n  web: {{build: ., depends_on: [cache]}}\n  cache: {{image: {REDIS_IMAGE}}}\n",
    )
    shared = web.started(suite=SUITE, workers=3)
    program = "import os, socket; print(os.environ['DOCKERCI_WORKER'], os.environ['PYTEST_XDIST_WORKER'], "
    program += "os.environ['DOCKERCI_WORKER_COUNT'], socket.gethostbyname('cache'))"
    seen = [python_in(shared, program, worker=worker).split() for worker in range(3)]
    assert [line[:3] for line in seen] == [["0", "gw0", "3"], ["1", "gw1", "3"], ["2", "gw2", "3"]]
    assert len({line[3] for line in seen}) == 1
    assert len(shared.wait_ready()) == 1
    shared.close()
    apart = web.started(suite=SUITE, workers=2, per_worker_stacks=True)
    assert sorted(service.name for service in apart.wait_ready()) == ["gw0/cache", "gw1/cache"]
    names = {web.engine.client.api.inspect_container(apart.container(n).id)["Name"] for n in range(2)}
    assert len(names) == 2


def test_an_extra_service_is_reached_by_its_alias(web: Project) -> None:
    """A container made with testcontainers joins the network, and goes with the run."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - costs 100 ms

    container = DockerContainer(REDIS_IMAGE).with_exposed_ports(6379)
    environment = web.started(extra_services={"queue": container})
    ready = environment.wait_ready()
    assert [(service.name, service.how) for service in ready] == [("queue", "started by testcontainers")]
    program = """
import socket, sys, time
for _ in range(100):
    try:
        socket.create_connection(("queue", 6379)).close()
    except OSError:
        time.sleep(0.05)
    else:
        sys.exit()
sys.exit(1)
"""
    python_in(environment, program)
    assert container.get_wrapped_container().id in census_of(web.engine, environment)


def test_an_extra_service_that_fails_is_explained(web: Project) -> None:
    """The alias and the log's end are in the error."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - costs 100 ms
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415

    container = DockerContainer(PYTHON_IMAGE).with_command(["python3", "-c", "print('no licence')"])
    container.waiting_for(LogMessageWaitStrategy("ready").with_startup_timeout(2))
    environment = web.started(extra_services={"queue": container})
    with pytest.raises(
        ServiceNotReadyError, match=r'extra service "queue" could not be started(.|\n)*no licence'
    ):
        environment.wait_ready()


def test_ctrl_c_while_services_start_leaves_nothing(web: Project) -> None:
    """Compose is killed in flight; several passes find what it was still creating."""
    web.write(
        "compose.yaml",
        f"""
        services:
          web: {{build: ., depends_on: {{a: {{condition: service_healthy}}}}}}
          a:
            image: {PYTHON_IMAGE}
            command: [sleep, "600"]
            init: true
            healthcheck: {{test: [CMD, "false"], interval: 5s}}
            volumes: [data:/data, /anonymous]
        volumes: {{data: {{}}}}
        """,
    )
    for delay_seconds in (0.3, 1.0, 2.0):
        environment = web.environment()
        start = threading.Thread(target=_start_quietly, args=(environment,), daemon=True)
        start.start()
        start.join(delay_seconds)
        started = time.monotonic()
        assert environment.close(fast=True) == ()
        assert time.monotonic() - started < 5
        start.join(20)
        assert environment.close() == ()
        assert census_of(web.engine, environment) == set()


def _start_quietly(environment: Any) -> None:
    try:
        environment.start()
    except Exception:  # noqa: BLE001 - it is torn down under its feet on purpose
        return


def test_anonymous_volumes_go_with_their_containers(web: Project) -> None:
    """They carry no label: only the container that has one tells of it."""
    web.write("Dockerfile", f"FROM {PYTHON_IMAGE}\nWORKDIR /app\nVOLUME /data\n")
    environment = web.started(suite=SUITE)
    api = web.engine.client.api
    [mount] = [
        mount
        for mount in api.inspect_container(environment.container(0).id)["Mounts"]
        if mount["Destination"] == "/data"
    ]
    assert environment.close() == ()
    assert mount["Name"] not in {data["Name"] for data in api.volumes()["Volumes"] or ()}


def test_an_image_without_python_is_refused_with_the_way_out(web: Project) -> None:
    """Every interpreter that was tried is named."""
    web.write("Dockerfile", 'FROM scratch\nCOPY tests /tests\nCMD ["/x"]\n')
    with pytest.raises(ImageUnusableError) as caught:
        web.started()
    text = str(caught.value)
    assert "has no Python that can run the suite" in text
    assert "python3: not found" in text
    assert "/opt/venv/bin/python: not found" in text


def test_a_virtual_environment_on_path_wins(web: Project) -> None:
    """Its interpreter runs the suite, and what it has installed constrains the toolkit."""
    web.write(
        "Dockerfile",
        f"FROM {PYTHON_IMAGE}\nRUN python3 -m venv --without-pip /opt/venv\n"
        "ENV PATH=/opt/venv/bin:$PATH\nWORKDIR /app\n",
    )
    environment = web.started()
    assert environment.image.python is not None
    assert environment.image.python.prefix == "/opt/venv"
    assert environment.image.python.executable == "/opt/venv/bin/python3"
    assert python_in(environment, "import sys; print(sys.prefix)") == "/opt/venv"


def test_requirements_that_do_not_fit_are_explained_in_uvs_words(web: Project) -> None:
    """The error names both sides."""
    with pytest.raises(ToolkitError, match=r"cannot be brought into the container(.|\n)*iniconfig==99"):
        web.started(requirements=("pytest", "iniconfig==99"))


def test_requirement_files_and_groups_are_brought(web: Project) -> None:
    """`-r` and `group:` are resolved relative to rootdir, includes and all."""
    web.write("requirements-test.txt", "-r more.txt\n")
    web.write("more.txt", "iniconfig\n")
    web.write(
        "pyproject.toml",
        "[dependency-groups]\nbase = ['pluggy']\ntest = [{include-group = 'base'}, 'attrs>=23']\n",
    )
    environment = web.started(requirements=("pytest", "-r requirements-test.txt", "group:test"))
    names = {pin.partition("==")[0] for pin in environment.image.toolkit}
    assert {"pytest", "iniconfig", "pluggy", "attrs"} <= names


def test_a_given_image_is_tested_and_nothing_is_built(web: Project) -> None:
    """A broken Dockerfile does not matter then."""
    web.write("Dockerfile", "FROM scratch\nRUN false\n")
    environment = web.started(image_ref=PYTHON_IMAGE, suite=SUITE)
    assert environment.image.id == web.image_data(PYTHON_IMAGE)["Id"]
    assert environment.image.tags == (PYTHON_IMAGE,)
    with pytest.raises(ImageUnusableError, match="the image nowhere/none:1 is neither on this engine nor"):
        web.started(image_ref="nowhere/none:1")


def test_hooks_change_files_arguments_model_and_tags(web: Project) -> None:
    """Each is asked once, and what it changes is what is built and run."""
    web.write("Dockerfile", f"FROM {PYTHON_IMAGE}\nARG COLOUR=red\nENV COLOUR=$COLOUR\nWORKDIR /app\n")
    web.write("compose.yaml", "services: {web: {build: {context: ., args: {COLOUR: 'gr$$een'}}}}\n")
    web.write("more.yaml", "services: {web: {environment: {FROM_FILE: '1'}}}\n")
    seen: list[Any] = []

    def edit_args(args: dict[str, str]) -> None:
        seen.append(dict(args))
        args["COLOUR"] = "b$lue"

    def edit_model(model: dict[str, Any]) -> None:
        model["services"]["web"].setdefault("environment", {})["FROM_MODEL"] = "2"

    environment = web.started(
        edit_compose_files=lambda files: files.extend([web.root / "compose.yaml", web.root / "more.yaml"]),
        edit_build_args=edit_args,
        edit_model=edit_model,
        edit_tags=lambda tags: tags.append("mine"),
    )
    assert seen == [{"COLOUR": "gr$een"}]
    program = "import os; print(os.environ['COLOUR'], os.environ['FROM_FILE'], os.environ['FROM_MODEL'])"
    assert python_in(environment, program) == "b$lue 1 2"
    assert [tag.rpartition(":")[2] for tag in environment.image.tags][1:] == ["mine"]


def test_the_commit_names_the_image(web: Project) -> None:
    """12 digits of the commit, `-dirty` when the tree is, and the build number."""
    git = ["git", "-C", str(web.root), "-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *arguments], check=True, env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"})
    head = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    clean = web.started(build_number="41")
    name = f"{web.root.name}-web"
    assert clean.image.tags == (f"{name}:{head[:12]}", f"{name}:41")
    assert (clean.image.commit, clean.image.is_dirty) == (head, False)
    web.write("new.txt", "")
    dirty = web.started()
    assert dirty.image.tags == (f"{name}:{head[:12]}-dirty",)
    for tag in clean.image.tags:
        assert web.image_data(tag)["Id"] == clean.image.id


@pytest.mark.parametrize(
    ("compose", "what"),
    [
        ("services: {web: {image: x, privileged: true}}", "dockerci_allow = privileged"),
        (
            "services: {web: {image: x, volumes: [/var/run/docker.sock:/var/run/docker.sock]}}",
            "dockerci_allow = docker-socket",
        ),
        (
            "volumes: {run: {driver_opts: {o: bind, device: /run}}}\nservices: {web: {image: x, volumes: ['run:/x']}}",
            "dockerci_allow = docker-socket",
        ),
        ("services: {web: {image: x, devices: [/dev/sda]}}", "why: devices: /dev/sda\n"),
        ("services: {web: {image: x, network_mode: host}}", "dockerci_allow = host-namespaces"),
        (
            "include: [oci://registry.invalid/x]\nservices: {web: {image: x}}",
            "dockerci_allow = remote-include",
        ),
        ("services: {api: {image: x}}", "dockerci_service names the service 'web'"),
        ("services: {web: {image: '${NOT_SET:?say which image}'}}", "say which image"),
        ("services: [", "yaml"),
        ("services: {web: {image: x, imagee: y}}", "imagee"),
        ("services: {web: {image: x, depends_on: [b]}, b: {image: x, depends_on: [web]}}", "cycle"),
    ],
)
def test_a_compose_file_that_cannot_be_meant_is_refused(web: Project, compose: str, what: str) -> None:
    """Nothing is built or started, and the error says what to do."""
    web.write("compose.yaml", compose + "\n")
    with pytest.raises(SettingsError) as caught:
        web.started()
    assert what in str(caught.value)


def test_a_missing_compose_file_is_named(web: Project) -> None:
    """By its path when it was set, else by the folder that was searched."""
    with pytest.raises(SettingsError, match=r"the Compose file .*/nope.yaml does not exist"):
        web.started(compose_files=(web.root / "nope.yaml",))
    (web.root / "compose.yaml").unlink()
    with pytest.raises(SettingsError, match=f"there is no Compose file in {web.root}"):
        web.started()


def test_the_engine_has_no_objects_of_a_run_that_never_started(engine: Engine, web: Project) -> None:
    """Closing an environment that was not started is fine, twice."""
    environment = web.environment()
    assert environment.close() == ()
    assert environment.close() == ()


@pytest.mark.soak
def test_a_requirement_without_a_wheel_is_built_in_the_image(web: Project) -> None:
    """Docopt has only ever been published as source; the image needs no pip for it."""
    web.write(
        "Dockerfile",
        f"FROM {PYTHON_IMAGE}\nRUN python3 -m venv --without-pip /opt/venv\n"
        "ENV PATH=/opt/venv/bin:$PATH\nWORKDIR /app\nUSER 1000:1000\n",
    )
    environment = web.started(requirements=("pytest", "docopt"))
    assert {"docopt==0.6.2"} < set(environment.image.toolkit)
    program = "import sys; sys.path.append(sys.argv[1]); import docopt, pytest; print(docopt.__version__)"
    assert python_in(environment, program, environment.image.toolkit_path) == "0.6.2"
    again = web.started(requirements=("pytest", "docopt"))
    assert again.image.toolkit == environment.image.toolkit
