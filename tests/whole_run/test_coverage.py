from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from whole_run.project import Project

pytestmark = pytest.mark.engine

APP = """\
import asyncio
import contextlib
import functools


def grade(points, *, strict=False):
    if points > 90:
        return "A"
    elif points > 50 and not strict:
        return "B"
    return "C"


def total(numbers):
    result = 0
    for number in numbers:
        if number < 0:
            continue
        result += number
    else:
        result += 0
    return result


def read(text):
    try:
        return int(text)
    except ValueError:
        return None
    finally:
        total([])


def excluded():  # pragma: no cover
    return 1


@contextlib.contextmanager
def managed():
    yield 1


def use(flag):
    with managed() as value:
        if flag:
            return [each for each in range(value) if each]
    return None


def kind(value):
    match value:
        case int():
            return "int"
        case str() if value:
            return "str"
        case _:
            return "other"


def forever(limit):
    while True:
        limit -= 1
        if limit < 0:
            break
    return limit


async def later():
    async with asyncio.timeout(1) if hasattr(asyncio, "timeout") else managed():
        await asyncio.sleep(0)
    return 1


@functools.cache
def decorated(
    argument=1,
):
    return (
        argument
        + 1
    )


class Shelf:
    size: int = 3

    @property
    def half(self):
        return self.size // 2


def nested():
    def inner(x):
        return lambda: x if x else None

    return inner(1)
"""
TESTS = """\
import asyncio, shop.app as app

def test_grades():
    assert [app.grade(points) for points in (95, 60)] == ["A", "B"]

def test_numbers():
    assert app.total([1, -1]) == 1
    assert app.read("x") is None

def test_flow():
    assert app.use(True) == []
    assert app.kind(1) == "int"
    assert app.forever(2) == -1
    assert asyncio.run(app.later()) == 1
    assert app.decorated() == 2

def test_nested():
    assert app.nested()
"""
IDLE = "IDLE = 1\n\n\ndef idle():\n    return IDLE\n"
DOCKERFILE = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
WORKDIR /srv/app
COPY shop shop
"""
REPORTS = ("--cov-report=term-missing", "--cov-report=json:cov.json")


@pytest.fixture
def shop(project: Project) -> Project:
    """A package in an image without pytest and coverage."""
    project.write(
        Dockerfile=DOCKERFILE,
        shop__app_py=APP,
        shop__idle_py=IDLE,
        tests__test_shop_py=TESTS,
    )
    (project.root / "shop" / "__init__.py").write_text("")
    return project


def files_of(text: str) -> dict[str, Any]:
    """What the JSON report says of each file."""
    files: dict[str, Any] = json.loads(text)["files"]
    for file in files.values():
        # In no particular order.
        file["contexts"] = {line: sorted(names) for line, names in file.get("contexts", {}).items()}
    return files


def reported(project: Project) -> dict[str, Any]:
    """What the last run on the host says of each file."""
    return files_of((project.root / "cov.json").read_text())


def table_of(output: str) -> list[str]:
    """The lines of the terminal's table."""
    return re.findall(r"^(?:\S+\.py|TOTAL) .*%.*$", output, re.MULTILINE)


def run_by_hand(project: Project, python_image: str, *args: str) -> tuple[str, dict[str, Any]]:
    """`python -m pytest` in a container of the project's image: what it prints, and the report's files."""
    build = ["docker", "build", "-q", "--build-arg", f"PYTHON_IMAGE={python_image}", "."]
    image = subprocess.run(build, cwd=project.root, capture_output=True, text=True, check=True).stdout.strip()
    script = f"python -m pytest {' '.join(args)}; echo; echo REPORT; cat cov.json"
    command = ["docker", "run", "--rm", image, "sh", "-c", script]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    output, _, report = printed.partition("\nREPORT\n")
    return output, files_of(report)


def test_the_report_is_that_of_the_image(shop: Project, python_image: str) -> None:
    """Lines, branches and percents: of pytest-cov by hand in the image, and of the host, where it measures once."""
    shop.write(
        Dockerfile=DOCKERFILE + "RUN pip install -q pytest pytest-cov\nCOPY tests tests\nCOPY .coveragerc .\n"
    )
    (shop.root / ".coveragerc").write_text("[json]\nshow_contexts = true\n")
    args = ("--cov=shop", "--cov-branch", "--cov-context=test", *REPORTS)
    ours = shop.run(*args)
    plain, files = run_by_hand(shop, python_image, *args)
    assert ours.exit_code == 0, ours.output
    assert table_of(plain)
    assert table_of(ours.output) == table_of(plain)
    assert reported(shop) == files


@pytest.mark.soak
def test_a_bare_image(shop: Project) -> None:
    """Coverage is brought along; two containers share the suite; HTML, XML and the limit are as on the desk."""
    shop.write(tests__test_idle_py="from shop import idle\ndef test_idle(): assert idle.idle()\n")
    (shop.root / "shop" / "made_on_the_host.py").write_text("")
    outcome = shop.run(
        "--cov=shop", "--cov-branch", "--dockerci-workers=2", "--cov-report=html", "--cov-report=xml", *REPORTS,
        "--cov-fail-under=100",
    )  # fmt: skip
    assert outcome.exit_code == 1, outcome.output
    assert outcome.counts() == {"passed": 5}
    assert "FAIL Required test coverage of 100% not reached" in outcome.output
    assert reported(shop)["shop/idle.py"]["summary"]["percent_covered"] == 100
    report = ET.parse(shop.root / "coverage.xml")  # noqa: S314 - coverage wrote it just now
    assert report.findtext("sources/source") == str(shop.root / "shop")
    assert "app.py" in {element.get("filename") for element in report.iter("class")}
    assert "A&quot;" in "".join(path.read_text() for path in (shop.root / "htmlcov").glob("*app_py.html"))


@pytest.mark.soak
def test_children_of_a_read_only_image(shop: Project) -> None:
    """Processes of the application are measured, as another user, with nothing to write to but `/tmp`."""
    shop.write(
        compose_yaml=(shop.root / "compose.yaml").read_text()
        + "    read_only: true\n    user: '1234:1234'\n",
        tests__test_idle_py="""\
            import subprocess, sys
            from multiprocessing import get_context
            import shop.app as app

            def test_subprocess():
                subprocess.run([sys.executable, "-c", "from shop import idle; idle.idle()"], check=True)

            def test_process():
                process = get_context("spawn").Process(target=app.kind, args=("x",))
                process.start()
                process.join()
                assert process.exitcode == 0
            """,
    )
    (shop.root / ".coveragerc").write_text(
        "[run]\npatch = subprocess\nconcurrency = multiprocessing\nbranch = true\n"
    )
    outcome = shop.run("--cov=shop", *REPORTS)
    assert outcome.exit_code == 0, outcome.output
    files = reported(shop)
    assert files["shop/idle.py"]["summary"]["percent_covered"] == 100
    assert APP.splitlines().index('            return "str"') + 1 in files["shop/app.py"]["executed_lines"]


@pytest.mark.soak
def test_an_installed_package(shop: Project) -> None:
    """The image has it installed, the host has its sources: it is reported under them; what the host lacks is named."""
    shop.write(
        Dockerfile="""\
            ARG PYTHON_IMAGE
            FROM ${PYTHON_IMAGE}
            WORKDIR /srv/app
            COPY shop /tmp/shop
            RUN cd $(python -c 'import site; print(site.getsitepackages()[0])') \
             && mv /tmp/shop . && echo 'A = 1' > shop/made.py
            """,
        tests__test_made_py="import shop.made\ndef test_made(): assert shop.made.A\n",
    )
    outcome = shop.run("--cov=shop", *REPORTS)
    assert outcome.exit_code == 0, outcome.output
    assert sorted(reported(shop)) == ["shop/__init__.py", "shop/app.py", "shop/idle.py"]
    assert reported(shop)["shop/app.py"]["missing_lines"]
    assert re.search(r"dockerci: coverage: \S+/shop/made.py is not in the report", outcome.output)


@pytest.mark.soak
def test_a_killed_worker(shop: Project) -> None:
    """What it had saved counts, and the report says what may be missing."""
    shop.write(
        tests__test_zz_py="""\
            import os, signal, time
            def test_waits(): time.sleep(4)
            def test_killed(): os.kill(os.getpid(), signal.SIGKILL)
            """
    )
    outcome = shop.run("--cov=shop", *REPORTS)
    assert outcome.exit_code == 1, outcome.output
    [remark] = [line for line in outcome.output.splitlines() if line.startswith("dockerci: coverage: ")]
    assert "container 0: the Python process was killed by SIGKILL; what it ran last may be missing" in remark
    assert reported(shop)["shop/app.py"]["summary"]["percent_covered"] > 50
