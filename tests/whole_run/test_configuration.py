"""Options, settings, markers and plugins that one side only has, in a real container."""

from __future__ import annotations

import re
import subprocess

import pytest

from variants import soak_after
from whole_run.project import Project

pytestmark = pytest.mark.engine


@pytest.fixture
def shop(project: Project) -> Project:
    """A suite with an option, a setting, a marker and a warning class that the host cannot know."""
    project.write(
        pytest_ini="""\
            [pytest]
            dockerci_service = web
            testpaths = tests
            addopts = --strict-markers --strict-config --place=shelf
            of_suite = 2
            filterwarnings = error::app.CarefulWarning
            required_plugins = pytest-dockerci
            dockerci_env = PYTEST_PLUGINS=app_plugin
            """,
        app_py="import application_is_not_on_the_host\nclass CarefulWarning(Warning): pass\n",
        Dockerfile="""\
            ARG PYTHON_IMAGE
            FROM ${PYTHON_IMAGE}
            WORKDIR /srv/app
            COPY app.py .
            RUN touch application_is_not_on_the_host.py && echo 'def pytest_configure(config): \\
                config.addinivalue_line("markers", "of_image: of the plugin in the image")' > app_plugin.py
            """,
        tests__conftest_py="""\
            import app, pytest
            def pytest_addoption(parser):
                parser.addoption("--place")
                parser.addoption("--fast", action="store_true")
                parser.addini("of_suite", "known to the suite only", default="0")
            """,
        tests__test_options_py="""\
            import app, pytest, warnings
            @pytest.mark.of_image
            def test_options(pytestconfig):
                assert pytestconfig.getini("of_suite") == "2"
                print("place", pytestconfig.option.place, "fast", pytestconfig.option.fast)
            def test_warning():
                with pytest.raises(app.CarefulWarning):
                    warnings.warn("careful", app.CarefulWarning)
            """,
    )
    return project


def test_what_only_the_suite_knows(shop: Project) -> None:
    """The host, which lacks the application, takes all of it, and no warning comes of it."""
    outcome = shop.run("-rP", "-p", "report_only_here", PYTHONPATH=_module(shop, "report_only_here"))
    assert outcome.exit_code == 0, outcome.output
    assert "place shelf fast False" in outcome.output
    assert outcome.counts() == {"passed": 2, "warning": 1}
    assert "-p report_only_here: there is no such plugin in the container" in outcome.output
    outcome = shop.run("-rP", "--fast", "tests/test_options.py", "--place", "floor", "-m", "of_image")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.counts() == {"passed": 1, "deselected": 1}
    assert "place floor fast True" in outcome.output


def _module(project: Project, name: str) -> str:
    folder = project.root.parent / "tools"
    folder.mkdir()
    (folder / f"{name}.py").write_text("")
    return str(folder)


@pytest.mark.parametrize(
    ("setting", "argument", "expected"),
    soak_after(
        1,
        [
            ("", "--nonsense", "unrecognized arguments: --nonsense"),
            ("of_nobody = 1", "-q", "Unknown config option: of_nobody"),
            ("required_plugins = no-such-plugin", "-q", "Missing required plugins: no-such-plugin"),
        ],
    ),
)
def test_what_no_side_knows(project: Project, setting: str, argument: str, expected: str) -> None:
    """One error says it; exit code 4."""
    settings = project.root / "pytest.ini"
    settings.write_text(f"{settings.read_text()}addopts = --strict-config\n{setting}\n")
    project.write(tests__test_a_py="def test_a(): pass\n")
    outcome = project.run(argument)
    assert outcome.exit_code == 4, outcome.output
    assert expected in outcome.output
    assert "Traceback" not in outcome.output


PLUGINS = "pytest-asyncio anyio hypothesis pytest-mock pytest-django pytest-benchmark freezegun pyfakefs pytest-xdist"
PLUGIN_SUITE = {
    "tests__conftest_py": """\
        import pytest
        @pytest.fixture
        def anyio_backend(): return "asyncio"
        """,
    "tests__test_asyncio_py": """\
        import asyncio, pytest, pytest_asyncio
        @pytest_asyncio.fixture
        async def slept():
            await asyncio.sleep(0)
            yield 1
        @pytest.mark.asyncio
        async def test_awaits(slept): assert slept == 1
        @pytest.mark.asyncio
        async def test_fails(): assert await asyncio.sleep(0, 2) == 3
        async def test_auto(): await asyncio.sleep(0)
        """,
    "tests__test_anyio_py": """\
        import anyio, pytest
        @pytest.mark.anyio
        async def test_anyio():
            async with anyio.create_task_group() as group: group.start_soon(anyio.sleep, 0)
        """,
    "tests__test_hypothesis_py": """\
        from hypothesis import given, settings, strategies as st
        @settings(database=None)
        @given(st.integers())
        def test_holds(n): assert n == n
        @settings(database=None, derandomize=True)
        @given(st.integers())
        def test_falsified(n): assert n < 100
        """,
    "tests__test_mock_py": """\
        import os, pytest
        def test_mock(mocker):
            mocker.patch("os.getcwd", return_value="/nowhere")
            assert os.getcwd() == "/nowhere"
        def test_called(mocker):
            stub = mocker.stub()
            stub(1)
            stub.assert_called_once_with(2)
        """,
    "tests__test_time_py": """\
        import datetime, time
        from freezegun import freeze_time
        @freeze_time("2001-02-03")
        def test_frozen(): assert datetime.date.today().isoformat() == "2001-02-03"
        """,
    "tests__test_files_py": """\
        import os, warnings
        def test_no_disk(fs):
            fs.create_file("/nowhere/file", contents="a")
            warnings.warn("seen")
            assert open("/nowhere/file").read() == "a"
        def test_no_file(fs): open("/nowhere/file")
        def test_disk(): assert not os.path.exists("/nowhere")
        """,
    "tests__test_benchmark_py": """\
        def test_speed(benchmark): assert benchmark(sum, [1, 2]) == 3
        def test_other(): pass
        """,
    "tests__test_worker_py": "def test_worker(worker_id): assert worker_id == 'master'\n",
    "tests__test_django_py": """\
        import pytest
        from shop.models import Item
        @pytest.mark.django_db
        def test_stored(): Item.objects.create(name="x"); assert Item.objects.count() == 1
        @pytest.mark.django_db
        def test_rolled_back(): assert Item.objects.count() == 0
        def test_refused(): Item.objects.count()
        def test_client(client, settings): assert client.get("/missing").status_code == 404
        """,
    "shop__models_py": """\
        from django.db import models
        class Item(models.Model):
            name = models.CharField(max_length=9)
            class Meta: app_label = "shop"
        """,
    "shop__urls_py": "urlpatterns = []\n",
    "shop__settings_py": """\
        SECRET_KEY = "test"
        ROOT_URLCONF = "shop.urls"
        INSTALLED_APPS = ["shop"]
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
        """,
    "shop____init___py": "",
}
PLUGIN_SETTINGS = """\
    [pytest]
    dockerci_service = web
    testpaths = tests
    asyncio_mode = auto
    DJANGO_SETTINGS_MODULE = shop.settings
    addopts = --benchmark-disable-gc --strict-markers -p no:cacheprovider
    """


@pytest.mark.soak
@pytest.mark.parametrize("brought_by", ["image", "requirements"])
def test_plugins_in_the_container(project: Project, brought_by: str) -> None:
    """Plugins of the image, or of `dockerci_requirements`, work there as by hand; the host lacks them."""
    install = f"RUN python3 -m pip install --no-cache-dir --quiet pytest django {PLUGINS}"
    requirements = "\n".join(f"        {name}" for name in ("django", *PLUGINS.split()))
    further = "" if brought_by == "image" else f"    dockerci_requirements =\n{requirements}\n"
    is_in_image = brought_by == "image"
    project.write(
        **PLUGIN_SUITE,
        pytest_ini=f"{PLUGIN_SETTINGS.rstrip()}\n{further}",
        Dockerfile=f"""\
            ARG PYTHON_IMAGE
            FROM ${{PYTHON_IMAGE}}
            WORKDIR /srv/app
            {install if is_in_image else ""}
            COPY . .
            """,
    )
    outcome = project.run("-v")
    failed = {"test_fails", "test_falsified", "test_called", "test_refused", "test_no_file"}
    verdicts = outcome.verdicts()
    assert {nodeid.partition("::")[2] for nodeid, word in verdicts.items() if word == "FAILED"} == failed, (
        outcome.output
    )
    assert outcome.counts() == {"passed": 14, "failed": 5, "warning": 1}
    if is_in_image:
        image = re.search(r"dockerci: image (\S+)", outcome.output)
        assert image is not None
        plain = subprocess.run(
            ["docker", "run", "--rm", "--network=none", image[1], "python3", "-m", "pytest", "-v"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        by_hand = type(outcome)(plain.returncode, plain.stdout)
        assert list(by_hand.verdicts().items()) == list(verdicts.items())
        # There, pytest warns of our settings, which it does not know.
        assert {**by_hand.counts(), "warning": 0} == {**outcome.counts(), "warning": 0}
        assert plain.returncode == outcome.exit_code
    only = project.run("-v", "--benchmark-only", "--asyncio-mode=strict", "tests/test_benchmark.py")
    assert only.verdicts() == {
        "tests/test_benchmark.py::test_speed": "PASSED",
        "tests/test_benchmark.py::test_other": "SKIPPED",
    }, only.output
