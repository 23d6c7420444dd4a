"""Several containers share the suite: each test exactly once, and everything else as with one."""

from __future__ import annotations

import pytest

from acceptance.project import Project
from variants import soak_after

NOTE = """
import os, time
from pathlib import Path
def note(text):
    fd = os.open("trace", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(fd, f"{os.environ['DOCKERCI_WORKER']} {text}\\n".encode())
    os.close(fd)
"""


def traced(project: Project) -> list[tuple[str, str]]:
    """Pairs of worker and test in the order in which they ran."""
    path = project.image / "trace"
    return (
        [(line.split()[0], line.split()[1]) for line in path.read_text().splitlines()]
        if path.exists()
        else []
    )


@pytest.fixture
def shop(project: Project) -> Project:
    """A suite of six modules with five tests each, every one of which leaves a trace."""
    project.write("tests/conftest.py", NOTE + "import pytest\n@pytest.fixture\ndef trace(): return note\n")
    for module in "abcdef":
        tests = "".join(
            f"def test_{module}{n}(trace):\n    trace('{module}{n}')\n    time.sleep(0.02)\n"
            for n in range(5)
        )
        project.write(f"tests/test_{module}.py", f"import time\n{tests}")
    return project


@pytest.mark.parametrize("workers", soak_after(1, [2, 3]))
def test_each_test_runs_exactly_once(shop: Project, workers: int) -> None:
    """No test is lost, none is run twice, more than one worker runs some."""
    run = shop.run(f"--dockerci-workers={workers}")
    assert run.exit_code == 0
    assert len(run.outcomes()) == 30
    assert sorted(name for _, name in traced(shop)) == sorted(
        f"{module}{n}" for module in "abcdef" for n in range(5)
    )
    assert len({worker for worker, _ in traced(shop)}) == workers
    run.must_show("30 passed")


def test_the_tests_of_a_module_stay_together_and_in_order(shop: Project) -> None:
    """Each worker runs the tests of a module in order, and few modules are split."""
    shop.run("--dockerci-workers=2")
    ran = traced(shop)
    workers_of = {module: {worker for worker, name in ran if name[0] == module} for module in "abcdef"}
    assert sum(len(workers) > 1 for workers in workers_of.values()) <= 1
    for worker in "01":
        for module in "abcdef":
            mine = [name for by, name in ran if by == worker and name[0] == module]
            assert mine == sorted(mine)


@pytest.mark.soak
def test_the_workers_know_their_numbers(project: Project) -> None:
    """With several workers, plugins see the names that pytest-xdist would give."""
    project.settings("dockerci_workers = 2")
    project.write(
        "tests/test_a.py",
        "import os\ndef test_a():\n"
        "    assert os.environ['PYTEST_XDIST_WORKER'] == 'gw' + os.environ['DOCKERCI_WORKER']\n"
        "    assert os.environ['PYTEST_XDIST_WORKER_COUNT'] == '2'\n",
    )
    assert project.run().exit_code == 0


def test_stop_at_the_first_failure(shop: Project) -> None:
    """Under `-x` every worker ends its present test, it is reported, and no other begins."""
    shop.write(
        "tests/test_a.py",
        "def test_a0(trace):\n    trace('a0')\n    assert 0\ndef test_a1(trace): trace('a1')\n",
    )
    run = shop.run("--dockerci-workers=2", "-x")
    assert run.exit_code == 1
    assert sorted(name for _, name in traced(shop)) == sorted(nodeid[-2:] for nodeid in run.outcomes())
    assert "a1" not in {name for _, name in traced(shop)}
    assert len(run.outcomes()) < 12


def test_a_crash_costs_one_test(shop: Project) -> None:
    """A worker that dies is replaced; what it had not run is run by somebody."""
    shop.write(
        "tests/test_c.py", "import os\ndef test_c0(): pass\ndef test_c1(): os._exit(1)\ndef test_c2(): pass\n"
    )
    run = shop.run("--dockerci-workers=2")
    assert run.exit_code == 1
    assert len(run.outcomes()) == 28
    assert [nodeid for nodeid, word in run.outcomes().items() if word != "passed"] == [
        "tests/test_c.py::test_c1"
    ]
    run.must_show("1 failed, 27 passed")


@pytest.mark.soak
def test_every_worker_crashes(project: Project) -> None:
    """Crashes of several workers, at once and again and again, cost the tests that crashed."""
    for module in "ab":
        project.write(
            f"tests/test_{module}.py",
            "import os, pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_n(n):\n    if n % 2: os._exit(n)\n",
        )
    run = project.run("--dockerci-workers=2")
    words = run.outcomes()
    assert len(words) == 12
    assert {nodeid for nodeid, word in words.items() if word == "failed"} == {
        f"tests/test_{module}.py::test_n[{n}]" for module in "ab" for n in (1, 3, 5)
    }


@pytest.mark.soak
def test_session_fixtures_end_once_in_each_worker(shop: Project) -> None:
    """Each worker that ran tests sets its session fixtures up once and tears them down once."""
    shop.write(
        "tests/conftest.py",
        NOTE + "import pytest\n@pytest.fixture\ndef trace(): return note\n"
        "@pytest.fixture(scope='session', autouse=True)\ndef whole():\n    note('up')\n    yield\n    note('down')\n",
    )
    assert shop.run("--dockerci-workers=2").exit_code == 0
    for worker in "01":
        mine = [name for by, name in traced(shop) if by == worker]
        assert (mine[0], mine[-1], mine.count("up"), mine.count("down")) == ("up", "down", 1, 1)


def test_host_tests_run_while_no_container_test_does(shop: Project) -> None:
    """A host test in the middle is a point that all workers wait at."""
    shop.settings(
        "dockerci_suite = tests tests_later", "dockerci_workers = 2", suite="tests host tests_later"
    )
    trace = str(shop.image / "trace")
    shop.write("host/test_host.py", f"def test_host(): open({trace!r}, 'a').write('host host\\n')\n")
    shop.write("tests_later/conftest.py", NOTE + "import pytest\n@pytest.fixture\ndef trace(): return note\n")
    shop.write("tests_later/test_z.py", "def test_z0(trace): trace('z0')\ndef test_z1(trace): trace('z1')\n")
    run = shop.run()
    assert run.exit_code == 0
    names = [name for _, name in traced(shop)]
    assert len(names) == 33
    assert names.index("host") == 30


@pytest.mark.soak
def test_reruns(project: Project) -> None:
    """A failed test is repeated in its worker."""
    project.write(
        "tests/test_a.py",
        "from pathlib import Path\ndef test_flaky():\n    if not Path('tried').exists():\n"
        "        Path('tried').touch()\n        assert 0\n",
    )
    project.write("tests/test_b.py", "def test_b(): pass\n")
    run = project.run("--dockerci-workers=2", "--reruns=1")
    assert run.exit_code == 0
    run.must_show("2 passed, 1 rerun")


def test_failures_and_skips_from_every_worker(project: Project) -> None:
    """Outcomes of all kinds arrive with their text."""
    for module in "abcd":
        project.write(
            f"tests/test_{module}.py",
            f"import pytest\ndef test_bad(): assert '{module}' == 'x'\ndef test_skip(): pytest.skip('{module}')\n"
            "def test_good(): print('hello')\n",
        )
    run = project.run("--dockerci-workers=3")
    run.must_show("4 failed, 4 passed, 4 skipped")
    for module in "abcd":
        assert f"assert '{module}' == 'x'" in run.text


@pytest.mark.soak
def test_workers_that_disagree(project: Project) -> None:
    """Ids that differ from worker to worker cannot be shared: exit code 7, and the text shows which."""
    project.write(
        "tests/test_a.py",
        "import os, pytest\n@pytest.mark.parametrize('n', [os.environ['DOCKERCI_WORKER']])\ndef test_a(n): pass\n",
    )
    run = project.run("--dockerci-workers=2")
    assert run.exit_code == 7
    run.must_show(
        "container 1 collected other tests", "- tests/test_a.py::test_a[0]", "+ tests/test_a.py::test_a[1]"
    )


@pytest.mark.soak
def test_more_workers_than_tests(project: Project) -> None:
    """A worker without a test does no harm."""
    project.write("tests/test_a.py", "def test_a(): pass\n")
    run = project.run("--dockerci-workers=3")
    assert run.exit_code == 0
    run.must_show("1 passed")


@pytest.mark.soak
def test_pytest_exit_in_one_worker(shop: Project) -> None:
    """The run ends with the status that one worker asked for."""
    shop.write("tests/test_a.py", "import pytest\ndef test_a0(): pytest.exit('enough', returncode=42)\n")
    run = shop.run("--dockerci-workers=2")
    assert run.exit_code == 42
    run.must_show("enough")
