from __future__ import annotations

import os
from pathlib import Path

import pytest

from acceptance.coverage_project import cover, cover_both, cover_plainly, write_both
from acceptance.project import Project
from variants import soak_after

PYTHONPATH = os.pathsep.join(str(Path(__file__).parents[up]) for up in (0, 1))
APP = """\
    import contextlib

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

    def use():
        with managed() as value:
            return [each for each in range(value) if each]

    def never():
        while True:
            return 0

    class Shelf:
        size = 3

        @property
        def half(self):
            return self.size // 2
    """
TESTS = """\
    from shop import app
    from shop.deep import inner

    def test_grades():
        assert [app.grade(points) for points in (95, 60)] == ["A", "B"]

    def test_total():
        assert app.total([1, -1]) == 1

    def test_read():
        assert app.read("x") is None

    def test_use():
        assert app.use() == []
        assert inner.deep(1)
    """


@pytest.fixture
def shop(project: Project) -> Project:
    """A package that host and image hold alike, with a module that no test imports."""
    write_both(
        project,
        {
            "shop/app.py": APP,
            "shop/idle.py": "IDLE = 1\n\ndef idle():\n    return IDLE\n",
            "shop/__init__.py": "",
            "shop/deep/__init__.py": "",
            "shop/deep/inner.py": "def deep(x):\n    return lambda: x if x else None\n",
        },
    )
    project.write("tests/test_shop.py", TESTS)
    project.write("tests/conftest.py", "import shop.deep\n")
    return project


@pytest.mark.parametrize(
    "args",
    soak_after(
        1,
        [
            pytest.param(("--cov=shop", "--cov-branch", "--cov-context=test"), id="branches and contexts"),
            pytest.param(("--cov=shop.app", "--cov=tests"), id="a module and a folder"),
            pytest.param(("--cov=.", "--cov-reset", "--cov=.", "--cov-append", "-k", "read"), id="the root"),
        ],
    ),
)
def test_the_report_is_that_of_the_image(shop: Project, args: tuple[str, ...]) -> None:
    """Lines, branches, contexts, percents and the table, file by file."""
    write_both(shop, {".coveragerc": "[json]\nshow_contexts = true\n[run]\nomit =\n    */conftest.py\n"})
    report = cover_both(shop, *args)
    assert "shop/app.py" in report.files


@pytest.mark.soak
def test_configuration_of_the_host(shop: Project) -> None:
    """pyproject.toml alone decides, with nothing in the image: sources, omissions, a static context, exclusions."""
    text = """\
        [tool.coverage.run]
        branch = true
        source = ["shop"]
        omit = ["shop/deep/*"]
        context = "night"
        [tool.coverage.report]
        exclude_also = ["class Shelf"]
        [tool.coverage.json]
        show_contexts = true
        """
    shop.write("pyproject.toml", text)
    ours = cover(shop, "--cov")
    shop.write_image("pyproject.toml", text)
    assert ours.files == cover_plainly(shop, "--cov").files
    assert sorted(ours.files) == ["shop/__init__.py", "shop/app.py", "shop/idle.py"]
    assert ours.files["shop/app.py"]["contexts"]["3"] == ["night"]


def test_several_workers_and_a_crash(shop: Project) -> None:
    """The data of every container and of every worker counts, but for the last moments of one that died."""
    shop.write("tests/test_one.py", "from shop import idle\ndef test_idle(): assert idle.idle()\n")
    shop.write("tests/test_two.py", "import os\ndef test_dies(): os._exit(0)\n")
    shop.write("tests/test_zero.py", "from shop import app\ndef test_never(): assert app.never() == 0\n")
    report = cover(shop, "--cov=shop", "--dockerci-workers=2")
    assert report.run.outcomes()["tests/test_two.py::test_dies"] == "failed"
    assert report.files["shop/idle.py"]["summary"]["percent_covered"] == 100
    assert report.files["shop/app.py"]["missing_lines"] == [8, 48], report.table
    report.run.must_show(
        "dockerci: coverage: container ", "ended with exit code 0; what it ran last may be missing"
    )


@pytest.mark.soak
def test_a_worker_that_dies_last(shop: Project) -> None:
    """Nobody takes over after it; what it had saved a second before is in the report."""
    shop.write("tests/test_shop.py", TESTS)
    shop.write(
        "tests/test_then.py",
        """\
        import os, time
        def test_waits(): time.sleep(4)
        def test_dies(): os._exit(0)
        """,
    )
    report = cover(shop, "--cov=shop")
    assert 48 in report.files["shop/app.py"]["missing_lines"]
    assert 4 in report.files["shop/app.py"]["executed_lines"]


def test_host_tests_count_too(shop: Project) -> None:
    """Lines that host tests run are in the same report."""
    shop.write("tests_host/test_host.py", "from shop import idle\ndef test_host(): assert idle.idle()\n")
    shop.settings("pythonpath = .", "dockerci_suite = tests", suite="tests tests_host")
    report = cover(shop, "--cov=shop", "--cov-branch")
    assert report.files["shop/idle.py"]["summary"]["percent_covered"] == 100
    assert report.files["shop/deep/inner.py"]["summary"]["num_branches"] == 0
    assert report.files["shop/app.py"]["missing_branches"]


def test_children(shop: Project) -> None:
    """Processes that tests start are measured where the configuration asks for it."""
    shop.write(
        "tests/test_children.py",
        """\
        import subprocess, sys
        from multiprocessing import get_context
        from shop import app

        def test_subprocess():
            subprocess.run([sys.executable, "-c", "from shop import idle; idle.idle()"], check=True)

        def test_process():
            process = get_context("fork").Process(target=app.never)
            process.start()
            process.join()
        """,
    )
    write_both(
        shop,
        {
            ".coveragerc": "[run]\npatch = subprocess\nconcurrency = multiprocessing\nsource = shop\nbranch = true\n"
        },
    )
    report = cover_both(shop, "--cov")
    assert report.files["shop/idle.py"]["summary"]["percent_covered"] == 100
    assert 41 in report.files["shop/app.py"]["executed_lines"]


@pytest.mark.soak
def test_options(shop: Project) -> None:
    """`--cov-fail-under` fails the run, `--no-cov` measures nothing, marked tests are left out."""
    shop.write(
        "tests/test_left_out.py",
        """\
        import pytest
        from shop import app, idle
        @pytest.mark.no_cover
        def test_mark(): idle.idle()
        def test_fixture(no_cover): app.never()
        def test_object(cov): assert cov.get_option("run:branch") is True
        """,
    )
    report = cover(shop, "--cov=shop", "--cov-branch", "--cov-fail-under=99", "--strict-markers")
    assert report.run.exit_code == 1
    report.run.must_show("FAIL Required test coverage of 99% not reached")
    assert report.files["shop/idle.py"]["missing_lines"] == [4]
    assert 41 in report.files["shop/app.py"]["missing_lines"]
    assert set(report.run.outcomes().values()) == {"passed"}
    off = shop.run("--cov=shop", "--no-cov", "-k", "grades")
    assert off.exit_code == 0
    assert "TOTAL" not in off.text


@pytest.mark.soak
def test_a_source_that_does_not_exist(shop: Project) -> None:
    """Coverage's own warning, once, from the container."""
    report = cover(shop, "--cov=no_such", "--cov=shop", "-k", "grades")
    assert report.run.text.count("Module no_such was never imported") == 1
    assert "Module shop was never imported" not in report.run.text
    assert report.run.exit_code == 0


@pytest.mark.soak
def test_from_a_subfolder(shop: Project) -> None:
    """Paths on the command line start where pytest was called."""
    shop.write("sub/readme.txt", "")
    report = cover(shop, "--cov=../shop", "../tests", cwd=shop.host / "sub")
    assert report.files[str(shop.host / "shop/app.py")]["missing_lines"] == [8, 40, 41, 48]


@pytest.mark.soak
def test_installed_packages(shop: Project, tmp_path: Path) -> None:
    """A package that the image has installed is reported under its sources on the host.

    Found by its content, or by `dockerci_paths`.
    """
    installed = tmp_path / "venv" / "lib" / "site-packages"
    elsewhere = tmp_path / "opt" / "vendored"
    for file in (installed / "pack" / "a.py", elsewhere / "vendored.py"):
        file.parent.mkdir(parents=True)
        file.write_text("A = 1\ndef a():\n    return A\n")
    (installed / "pack" / "__init__.py").write_text("")
    shop.write("src/pack/__init__.py", "")
    shop.write("src/pack/a.py", "A = 1\ndef a():\n    return A\n")
    shop.write("lib/vendored.py", "A = 1\ndef a():\n    return A\n\n# changed since\n")
    shop.write("tests/test_pack.py", "import pack.a, vendored\ndef test_pack(): assert vendored.a()\n")
    shop.settings(
        f"dockerci_paths = {elsewhere}=lib",
        f"dockerci_env = PYTHONPATH={installed}:{elsewhere}:{PYTHONPATH}",
    )
    report = cover(shop, "--cov=src", "--cov=lib", "tests/test_pack.py")
    assert sorted(report.files) == ["lib/vendored.py", "src/pack/__init__.py", "src/pack/a.py"], (
        report.run.text
    )
    assert report.files["src/pack/a.py"]["missing_lines"] == [3]
    assert report.files["lib/vendored.py"]["missing_lines"] == []
    report.run.must_show("vendored.py is not the same in the image and on the host")


@pytest.mark.soak
def test_what_the_container_cannot_measure(shop: Project) -> None:
    """A configuration that fails there ends the run with coverage's words; a plugin that is not there is named."""
    shop.write("shop_plugin.py", "def coverage_init(reg, options): pass\n")
    shop.write(".coveragerc", "[run]\nplugins = shop_plugin\n")
    path = f"{shop.host}:{PYTHONPATH}"
    shop.settings(f"dockerci_env = PYTHONPATH={PYTHONPATH}")
    report = cover(shop, "--cov=shop", "-k", "grades", PYTHONPATH=path)
    report.run.must_show(
        "the coverage plugin shop_plugin is not in the container", "add it to dockerci_requirements"
    )
    shop.write_image("shop_plugin.py", "raise RuntimeError('not on this machine')\n")
    refused = shop.run("--cov=shop", "-k", "grades", PYTHONPATH=path)
    assert refused.exit_code == 4
    refused.must_show("coverage cannot be measured in the container: ", "not on this machine")
