"""Suites that others wrote, from the package index: both ways the same, to the last report.

Pinned source distributions that contain their tests. One runs by default, all others are marked
``soak``. What a suite shows of times or ports is compared without its digits, where two runs by hand
differ there.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from differential.public_suite import PublicSuite, fetched, without_varying_numbers
from differential.terminal_text import comparable_lines, text_differences

pytestmark = pytest.mark.engine

QUICK = (
    # pyproject.toml, `src/` layout, warnings that are errors
    PublicSuite(requirement="itsdangerous==2.2.0", requirements=["freezegun"], least_tests=290),
)
MORE = (
    PublicSuite(requirement="idna==3.10", args=["-rA", "--junitxml={out}/junit.xml"], least_tests=30),
    PublicSuite(
        requirement="blinker==1.9.0",
        requirements=["pytest-asyncio"],
        args=["-v", "-o", "asyncio_default_fixture_loop_scope=function"],
        least_tests=20,
    ),
    PublicSuite(requirement="markupsafe==3.0.3", args=["-vv", "-rs"], least_tests=75),
    # tests within the package, servers on random ports
    PublicSuite(
        requirement="h11==0.16.0",
        suite="h11/tests",
        args=["-rA", "--junitxml={out}/junit.xml"],
        varies=True,
        least_tests=75,
    ),
    # setup.cfg, tox.ini
    PublicSuite(
        requirement="wsproto==1.2.0",
        suite="test",
        args=["-rA", "--junitxml={out}/junit.xml"],
        least_tests=230,
    ),
    PublicSuite(requirement="jinja2==3.1.6", requirements=["trio"], least_tests=900),
    PublicSuite(
        requirement="more-itertools==10.8.0", args=["-ra", "--junitxml={out}/junit.xml"], least_tests=690
    ),
    # unittest
    PublicSuite(requirement="simplejson==3.20.2", suite="simplejson/tests", least_tests=140),
    PublicSuite(requirement="toolz==1.1.0", suite="toolz", least_tests=180),
    PublicSuite(
        requirement="typing_extensions==4.15.0",
        suite="src",
        args=["src/test_typing_extensions.py", "-rA"],
        least_tests=540,
    ),
    # hypothesis, subtests
    PublicSuite(
        requirement="attrs==25.4.0",
        suite="tests",
        requirements=["hypothesis", "cloudpickle", "pympler"],
        args=["-ra"],
        least_tests=1300,
    ),
    # pytest.ini with doctests, fixtures of a conftest.py at the root, keywords set by fixtures
    PublicSuite(
        requirement="parso==0.8.5", suite="test parso conftest.py", requirements=["docopt"], least_tests=1800
    ),
    PublicSuite(
        requirement="arrow==1.4.0",
        requirements=["pytest-mock", "pytz", "simplejson", "dateparser", "pytest-cov"],
        args=["-ra", "--no-cov"],
        least_tests=1800,
    ),
    PublicSuite(requirement="freezegun==1.5.5", args=["-ra", "--junitxml={out}/junit.xml"], least_tests=140),
    # plugins of pytest: they test themselves by pytester
    PublicSuite(requirement="pluggy==1.6.0", suite="testing", least_tests=120),
    PublicSuite(
        requirement="pytest-mock==3.15.1",
        requirements=["pytest-asyncio"],
        args=["-v", "--junitxml={out}/junit.xml"],
        varies=True,
        least_tests=85,
    ),
    PublicSuite(
        requirement="click==8.3.1",
        args=["-ra", "-W", "ignore::pytest.PytestRemovedIn10Warning"],
        least_tests=1300,
    ),
    PublicSuite(
        requirement="tenacity==9.1.2",
        requirements=["tornado", "typeguard"],
        # It measures a second to a tenth, and fails by hand too, on a machine that is busy.
        args=["-ra", "--deselect=tests/test_asyncio.py::TestContextManager::test_sleeps"],
        least_tests=120,
    ),
)

# How many folders lie above rootdir is shown where a file is named that is not below it (differences.md).
_ABOVE = [f"{'../' * count}usr/" for count in range(12, 1, -1)]


def expect_equal(suite: PublicSuite, folder: Path) -> None:
    """Run it both ways; nothing may differ."""
    with fetched(suite, folder) as both:
        [pair] = both.run(suite.args)
        if suite.varies:
            pair = without_varying_numbers(pair, both.by_hand(suite.args))
    assert "\n".join(pair.differences()) == ""
    places = [*pair.places, *_ABOVE]
    texts = [comparable_lines(run.text, places) for run in (pair.ours, pair.plain)]
    assert "\n".join(text_differences(*texts)) == ""
    assert len(pair.ours.ids()) >= suite.least_tests


@pytest.mark.soak
@pytest.mark.parametrize("suite", QUICK, ids=lambda suite: suite.name)
def test_a_suite(suite: PublicSuite, tmp_path: Path) -> None:
    """One of the quickest."""
    expect_equal(suite, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("suite", MORE, ids=lambda suite: suite.name)
def test_more_suites(suite: PublicSuite, tmp_path: Path) -> None:
    """All others."""
    expect_equal(suite, tmp_path)
