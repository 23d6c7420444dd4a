"""Commands in images that have nothing of ours in them, and nothing of Python's: real images on a real engine."""

# ruff: noqa: E501 - texts of others
from __future__ import annotations

import os
import re
import signal
import threading
import time

import pytest

from pytest_dockerci.engine.client import Engine
from variants import soak_after
from whole_run.project import Outcome, Project

pytestmark = pytest.mark.engine

# From scratch: one static program, no shell under any name that would be looked for, no libc, no Python.
DOCKERFILE = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS tools
RUN apt-get update -qq && apt-get install -qq --no-install-recommends busybox-static
FROM scratch
COPY --from=tools /bin/busybox /bin/busybox
WORKDIR /suite
COPY suite .
CMD ["/bin/busybox", "sleep", "1000"]
"""
SETTINGS = """\
[pytest]
dockerci_service = web
dockerci_command =
%s
%s
"""
GREEN = "<testsuite name='s' tests='1'><testcase classname='Cart' name='%s'/></testsuite>"
BOMB = "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]><testsuite><testcase name='&b;'/></testsuite>"


@pytest.fixture
def scratch(project: Project) -> Project:
    """A project whose image is from scratch."""
    project.write(Dockerfile=DOCKERFILE, suite__nothing="")
    return project


def configure(project: Project, *commands: str, **settings: str) -> None:
    """Write pytest.ini."""
    lines = [f"{name} = {value}" for name, value in settings.items()]
    project.write(pytest_ini=SETTINGS % ("\n".join(f"    {line}" for line in commands), "\n".join(lines)))


def reasons(outcome: Outcome) -> dict[str, str]:
    """The last word of each failing command to what the short summary says of it."""
    found = re.findall(r"^FAILED dockerci::web::(.*?) - (.*)$", outcome.output, re.MULTILINE)
    return {command.split()[-1]: reason for command, reason in found}


@pytest.mark.soak
def test_every_kind_of_end(scratch: Project) -> None:
    """Exit code, signal, memory limit, time limit, what cannot be started: each in words, from one run."""
    scratch.write(
        compose_yaml=(scratch.root / "compose.yaml").read_text()
        + "    mem_limit: 32m\n    memswap_limit: 32m\n",
        suite__ok_sh="echo fine\n",
        suite__three_sh="echo trouble; exit 3\n",
        suite__closed_sh="exec >/dev/null 2>&1 </dev/null; /bin/busybox sleep 1; exit 5\n",
        suite__input_sh="read line || exit 6\n",
    )
    run = "/bin/busybox sh /suite/"
    configure(
        scratch,
        f"{run}ok.sh",
        f"{run}three.sh",
        f"{run}closed.sh",
        f"{run}input.sh",
        "/bin/busybox tail /dev/zero",
        "/bin/busybox sleep 77",
        "/nothing/here",
        "/suite/three.sh",
        dockerci_test_timeout_seconds="8",
    )
    outcome = scratch.run("-v", "-s", COLUMNS="400")
    assert outcome.exit_code == 1, outcome.output
    found = reasons(outcome)
    found.pop("/suite/three.sh")  # two of them; see below
    assert found == {
        "/suite/closed.sh": "exit code 5",
        "/suite/input.sh": "exit code 6",
        "/dev/zero": "out of memory: the kernel ended it, or a process of it (exit code 137: ended by signal 9 (SIGKILL))",
        "77": "it did not end within 8 s (dockerci_test_timeout_seconds = 8), and was ended",
        "/nothing/here": "the command could not be started",
    }
    assert "dockerci::web::/bin/busybox sh /suite/ok.sh PASSED" in outcome.output
    assert "FAILED dockerci::web::/bin/busybox sh /suite/three.sh - exit code 3" in outcome.output
    assert "FAILED dockerci::web::/suite/three.sh - the command could not be started" in outcome.output
    assert "permission denied" in outcome.output
    assert "make the program executable in the image" in outcome.output
    assert outcome.counts() == {"failed": 7, "passed": 1}
    assert "toolkit" not in outcome.output


def test_results_of_every_kind(scratch: Project) -> None:
    """JUnit XML, TAP and Go's events out of the stopped container; what cannot be trusted is told apart."""
    stale = "ADD --chmod=644 suite/nothing /suite/stale.xml\n"
    scratch.write(
        Dockerfile=DOCKERFILE + stale,
        suite__bomb_xml=BOMB,
        suite__a_sh=f'echo "{GREEN % "adds"}" > /suite/a.xml\n',
        suite__many_sh=(
            "/bin/busybox mkdir -p /out/x/y; cd /out/x; "
            f'echo "{GREEN % "one"}" > TEST-1.xml; echo "{GREEN % "two"}" > y/TEST-2.xml; echo no > other.xml\n'
        ),
        suite__tap_sh="printf '1..1\\nok 1 - taps\\n' > /suite/a.tap\n",
        suite__go_sh=(
            'echo \'{"Action":"run","Package":"p","Test":"TestA"}\' > /suite/a.json; '
            'echo \'{"Action":"pass","Package":"p","Test":"TestA"}\' >> /suite/a.json; '
            'echo \'{"Action":"pass","Package":"p"}\' >> /suite/a.json\n'
        ),
        suite__link_sh=f'echo "{GREEN % "linked"}" > /real.xml; /bin/busybox ln -s /real.xml /suite/l.xml\n',
        suite__cut_sh="echo '<testsuite><testcase name=\"a\"/>' > /suite/cut.xml\n",
        suite__missing_sh="exit 0\n",
        suite__hostile_sh="/bin/busybox cp /suite/bomb_xml /suite/h.xml\n",
        suite__old_sh="exit 0\n",
        suite__folder_sh="/bin/busybox mkdir /suite/f.xml\n",
        suite__huge_sh="/bin/busybox dd if=/dev/zero of=/suite/huge.xml bs=1M count=0 seek=70 2>/dev/null\n",
    )
    names = ["a", "many", "tap", "go", "link", "cut", "missing", "hostile", "old", "folder", "huge"]
    results = ["a.xml", "/out/**/TEST-*.xml", "a.tap", "a.json", "l.xml", "cut.xml", "none.xml", "h.xml"]
    results += ["stale.xml", "f.xml", "huge.xml"]
    lines = "".join(f"\n    {number}: {path}" for number, path in enumerate(results, start=1))
    configure(scratch, *(f"/bin/busybox sh /suite/{name}.sh" for name in names), dockerci_results=lines)
    outcome = scratch.run("-v", COLUMNS="400")
    passed = {
        nodeid.partition("::/bin/busybox sh /suite/")[2]
        for nodeid in re.findall(r"^(\S+::.*?) PASSED", outcome.output, re.MULTILINE)
    }
    assert passed == {
        "a.sh::Cart::adds", "a.sh", "many.sh::Cart::one", "many.sh::Cart::two", "many.sh", "tap.sh::taps", "tap.sh",
        "go.sh::p::TestA", "go.sh", "link.sh::Cart::linked", "link.sh",
    }  # fmt: skip
    assert {name.removeprefix("/suite/"): reason for name, reason in reasons(outcome).items()} == {
        "cut.sh": "/suite/cut.xml cannot be read as JUnit XML: no element found, line 2, column 1; was it cut off?",
        "missing.sh": "none.xml is missing: the command has not written it",
        "hostile.sh": "/suite/h.xml cannot be read as JUnit XML: it has a document type (DOCTYPE), which no results file needs: refused",
        "old.sh": "/suite/stale.xml is older than the run: it came with the image, or from a volume",
        "folder.sh": "/suite/f.xml is a folder, not a regular file",
        "huge.sh": "/suite/huge.xml is larger than 64 MiB (70 MiB)",
    }


@pytest.mark.soak
def test_the_containers_surroundings(scratch: Project, python_image: str) -> None:
    """Beside its services, in the testing environment with its secrets, which are in no file of the host's."""
    scratch.write(
        compose_yaml=(scratch.root / "compose.yaml").read_text()
        + f"""\
    environment: {{ENVIRONMENT: production, KEPT: "a$$b"}}
    entrypoint: [/bin/busybox, env, VIA=entrypoint]
    depends_on: [db]
  db:
    image: {python_image}
    command: [python3, -m, http.server, "5432"]
    init: true
    healthcheck: {{test: [CMD, python3, -c, "import socket; socket.create_connection(('127.0.0.1', 5432))"]}}
""",
        suite__test_sh="""\
            echo "$ENVIRONMENT $KEPT $VIA $DOCKERCI $ODD"
            echo "key: $API_KEY"
            /bin/busybox wget -q -O /dev/null http://db:5432/ && echo "db answers"
            echo "Result: SUCCESS!"
            """,
        conftest_py="""\
            import os, pathlib
            def pytest_runtest_logreport(report):
                cache = pathlib.Path(os.environ["XDG_CACHE_HOME"])
                texts = [file.read_bytes() for file in cache.rglob("*") if file.is_file()]
                assert any(b"web-command-0" in text for text in texts)
                assert not any(b"hunter2" in text for text in texts)
            """,
    )
    configure(
        scratch,
        "/bin/busybox sh /suite/test.sh '$HOME'",
        dockerci_env="\n    ENVIRONMENT=testing\n    ODD=$HOME ${x}",
        dockerci_secrets="API_KEY",
        dockerci_result_pattern="^Result: SUCCESS!$",
    )
    outcome = scratch.run("-v", "-s", API_KEY="hunter2-$x-hunter2")
    assert outcome.exit_code == 0, outcome.output
    assert "testing a$b entrypoint 1 $HOME ${x}" in outcome.output
    assert "key: ***" in outcome.output
    assert "db answers" in outcome.output
    assert "hunter2" not in outcome.output


@pytest.mark.soak
def test_output_streams_and_stays_bounded(scratch: Project) -> None:
    """Output comes as it is printed; much of it does not need memory."""
    flood(scratch, mebibytes=64)


@pytest.mark.soak
def test_a_flood_of_a_gibibyte(scratch: Project) -> None:
    """As many as a command can print."""
    flood(scratch, mebibytes=1024)


def flood(project: Project, mebibytes: int) -> None:
    """Have a command print so much, and look at how much memory pytest needed."""
    project.write(
        suite__test_sh=f"""\
            echo begin >&2
            /bin/busybox yes 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef \
                | /bin/busybox head -c {mebibytes << 20}
            echo; echo end
            """,
        conftest_py="""\
            import resource
            def pytest_unconfigure(config):
                print("peak kilobytes", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
            """,
    )
    configure(project, "/bin/busybox sh /suite/test.sh")
    outcome = project.run("-rA")
    assert outcome.exit_code == 0, outcome.output[-2000:]
    assert "characters left out" in outcome.output
    assert outcome.output.rindex("\nend\n") > outcome.output.rindex("characters left out")
    [peak] = re.findall(r"peak kilobytes (\d+)", outcome.output)
    assert int(peak) < 150_000


@pytest.mark.parametrize("what", soak_after(1, ["removed", "killed", "interrupted"]))
def test_ends_from_outside(scratch: Project, engine: Engine, what: str) -> None:
    """A container that is removed is a lost run; one that is killed says the signal; Ctrl-C ends all."""
    scratch.write(suite__test_sh="echo it runs; exec /bin/busybox sleep 100\n")
    configure(scratch, "/bin/busybox sh /suite/test.sh")
    process = scratch.start("-s", "-v")
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if "it runs" in line:
            break
    if what == "interrupted":
        os.killpg(process.pid, signal.SIGINT)
    else:
        prefix = f"dockerci-{scratch.root.name}-"
        [container] = [
            data["Id"]
            for data in engine.client.api.containers()
            if prefix in data["Names"][0] and "web-command-0" in data["Names"][0]
        ]
        if what == "removed":
            engine.client.api.remove_container(container, force=True)
        else:
            engine.client.api.kill(container)
    reader = threading.Timer(60, process.kill)
    reader.start()
    rest = process.stdout.read()
    reader.cancel()
    process.stdout.close()
    output = "".join(lines) + rest
    expected = {
        "removed": (7, "was removed before its end was known"),
        "killed": (1, "exit code 137: ended by signal 9 (SIGKILL)"),
        "interrupted": (2, "KeyboardInterrupt"),
    }
    exit_code, text = expected[what]
    assert process.wait(10) == exit_code, output
    assert text in output
    assert "Traceback" not in output
    assert scratch.left_on_engine() == []


@pytest.mark.soak
def test_a_service_that_dies(scratch: Project, python_image: str) -> None:
    """Ends the command that needs it, with the service's last words."""
    scratch.write(
        compose_yaml=(scratch.root / "compose.yaml").read_text()
        + f"""\
    depends_on: [db]
  db:
    image: {python_image}
    command: [python3, -c, "import time; time.sleep(2); print('no space for tables'); raise SystemExit(9)"]
    init: true
""",
        suite__test_sh="exec /bin/busybox sleep 100\n",
    )
    configure(scratch, "/bin/busybox sh /suite/test.sh")
    began = time.monotonic()
    outcome = scratch.run()
    assert time.monotonic() - began < 60
    assert outcome.exit_code == 7, outcome.output
    assert 'service "db" was lost while tests ran: ended with exit code 9' in outcome.output
    assert "no space for tables" in outcome.output


def test_several_services_each_with_its_own_suite(scratch: Project, python_image: str) -> None:
    """Each in its own image, beside a suite of pytest in a third one."""
    scratch.write(
        compose_yaml=f"""\
            services:
              web: {{build: {{context: ., args: {{PYTHON_IMAGE: "{python_image}"}}}}, depends_on: []}}
              shell: {{build: {{context: ., dockerfile: Dockerfile.shell, args: {{PYTHON_IMAGE: "{python_image}"}}}}}}
              plain: {{image: "{python_image}"}}
            """,
        Dockerfile="ARG PYTHON_IMAGE\nFROM ${PYTHON_IMAGE}\nWORKDIR /srv/app\nCOPY app.py .\n",
        suite__test_sh="echo in a scratch image\n",
        tests__test_inside_py="import app\ndef test_inside(): assert app.ANSWER == 42\n",
    )
    (scratch.root / "Dockerfile.shell").write_text(DOCKERFILE)
    configure(
        scratch,
        "shell: /bin/busybox sh /suite/test.sh",
        "plain: python3 -c 'import os; print(os.environ[\"ENVIRONMENT\"])'",
        testpaths="tests",
        dockerci_env="ENVIRONMENT=testing",
    )
    outcome = scratch.run("-v", "-s")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.counts() == {"passed": 3}
    assert "in a scratch image" in outcome.output
    assert "dockerci::shell::/bin/busybox sh /suite/test.sh PASSED" in outcome.output
