"""The same suite under each pytest on the host against each pytest in the image, and each Python there."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from differential.both_ways import OUT, BothWays
from differential.suite_image import CONTAINER_ROOT, suite_image
from host_venv import make_host_venv

pytestmark = pytest.mark.engine

HOSTS = ("pytest==8.0.*", "pytest==8.4.*", "pytest==9.0.*", "pytest>=9.2")
IMAGES = ("pytest==8.0.*", "pytest==8.4.*", "pytest==9.0.*", "pytest>=9.2")
PYTHONS = ("PYTHON_3_9_IMAGE", "PYTHON_3_11_IMAGE", "PYTHON_IMAGE", "PYTHON_3_14_IMAGE")
COMMAND_LINES = (
    f"--junitxml={OUT}/junit.xml -o junit_family=xunit1",
    "-x -k 'not passes' tests/test_unit.py",
    "--collect-only -q",
    "tests/test_a.py::TestGroup broken -v -rA --continue-on-collection-errors",
)

SUITE = {
    "pytest.ini": """
[pytest]
testpaths = tests
markers = ticket(number): of the tracker
filterwarnings = ignore::ImportWarning
""",
    "tests/conftest.py": """
import pytest
@pytest.fixture(scope="module")
def base():
    print("set up")
    yield 2
    print("torn down")
@pytest.fixture
def broken(): raise LookupError("set-up")
@pytest.fixture
def late():
    yield
    raise ValueError("tear-down")
""",
    "tests/test_a.py": '''
import sys, warnings
import pytest
def test_passes(base, record_property):
    record_property("build", 7)
    print("to out"); print("to err", file=sys.stderr)
def test_fails(base):
    """Says why."""
    print("before")
    assert base == {"a": 1, "b": [1, 2]}, "a message"
def test_raises():
    try:
        {}["key"]
    except KeyError as error:
        raise RuntimeError("chained") from error
def test_set_up_fails(broken): pass
def test_tear_down_fails(late): pass
def test_both_fail(late): assert 0
@pytest.mark.skip(reason="not today")
def test_skips(): pass
@pytest.mark.skipif(sys.version_info > (3,), reason="too new")
def test_skips_if(): pass
def test_skips_within(): pytest.skip("half way")
@pytest.mark.xfail(reason="known")
def test_xfails(): assert 0
@pytest.mark.xfail(strict=True)
def test_xpasses_strictly(): pass
@pytest.mark.xfail
def test_xpasses(): pass
def test_warns(): warnings.warn("careful", UserWarning)
@pytest.mark.ticket(17)
@pytest.mark.parametrize("n", [1, pytest.param(2, id="zwei"), pytest.param(3, marks=pytest.mark.xfail)])
@pytest.mark.parametrize("text", ["x", "ä b"])
def test_parameters(n, text): assert n < 3
class TestGroup:
    """Of tests."""
    def test_one(self, tmp_path, capsys): print(tmp_path.name)
    def test_two(self, caplog):
        import logging
        logging.getLogger().warning("logged")
        assert False
''',
    "tests/test_unit.py": """
import unittest
class TestCase(unittest.TestCase):
    def setUp(self): self.n = 1
    def test_passes(self): self.assertEqual(self.n, 1)
    def test_fails(self): self.assertEqual(self.n, 2)
    @unittest.skip("off")
    def test_skips(self): pass
    @unittest.expectedFailure
    def test_expected(self): self.assertEqual(self.n, 2)
""",
    # The fixture is pytest's since 9.0; earlier ones are not asked for this folder.
    "subtests/test_subtests.py": """
def test_subtests(subtests):
    for n in range(3):
        with subtests.test("case", n=n): assert n != 1
""",
    "broken/test_broken.py": "import no_such_module\n",
}


class Matrix:
    """Makes hosts and images when they are first asked for."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._hosts: dict[str, str] = {}
        self._images: dict[tuple[str, str], tuple[Path, str]] = {}

    def both_ways(self, host: str, image: str, python: str) -> BothWays:
        """The suite under this pytest here, in an image with that pytest and Python."""
        if host not in self._hosts:
            self._hosts[host] = make_host_venv(self._folder / f"host{len(self._hosts)}", host)
        if (image, python) not in self._images:
            root = self._lay_out(self._folder / f"image-{len(self._images)}" / "suite")
            base = os.environ.get(python, _default_image(python))
            made = self._stack.enter_context(suite_image(root, [image], python_image=base))
            self._images[image, python] = root, made
        root, made = self._images[image, python]
        options = ["-o dockerci_service=web", "-o 'dockerci_suite=tests broken subtests'"]
        return BothWays(root, made, CONTAINER_ROOT, options, python=self._hosts[host])

    def _lay_out(self, root: Path) -> Path:
        for name, text in SUITE.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.lstrip("\n"), encoding="utf-8")
        return root


def _default_image(variable: str) -> str:
    version = "3.13" if variable == "PYTHON_IMAGE" else ".".join(variable.split("_")[1:3])
    return f"python:{version}-slim"


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    """Images of these tests; removed at the end."""
    with ExitStack() as stack:
        yield Matrix(tmp_path_factory.mktemp("versions"), stack)


def expect_equal(both_ways: BothWays, host: str, image: str) -> None:
    """All reports, the JUnit file, warnings and the exit code are those of the image's pytest run by hand."""
    lines = [*COMMAND_LINES, *(["subtests"] if "==8" not in host + image else [])]
    for pair in both_ways.run(*(shlex.split(line) for line in lines)):
        assert "\n".join(pair.differences()) == "", f"pytest {shlex.join(pair.args)}\n{pair.plain.text}"


@pytest.mark.soak
@pytest.mark.parametrize(
    ("host", "image", "python"),
    [
        ("pytest==8.0.*", "pytest>=9.2", "PYTHON_3_14_IMAGE"),
        ("pytest>=9.2", "pytest==8.0.*", "PYTHON_3_9_IMAGE"),
    ],
)
def test_far_apart(matrix: Matrix, host: str, image: str, python: str) -> None:
    """The oldest and the newest, both ways round."""
    expect_equal(matrix.both_ways(host, image, python), host, image)


@pytest.mark.soak
@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("host", HOSTS)
def test_each_pair_of_pytests(matrix: Matrix, host: str, image: str) -> None:
    """Any pytest here runs a suite under any pytest there."""
    expect_equal(matrix.both_ways(host, image, "PYTHON_IMAGE"), host, image)


@pytest.mark.soak
@pytest.mark.parametrize("python", PYTHONS)
def test_each_python(matrix: Matrix, python: str) -> None:
    """Any Python there."""
    expect_equal(matrix.both_ways("pytest==8.4.*", "pytest==8.4.*", python), "pytest==8.4.*", "")
