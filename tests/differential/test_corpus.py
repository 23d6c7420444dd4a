"""Every behaviour of pytest in the corpus, with every option that shapes a run: both ways the same.

Each file of `corpus/` is one behaviour. What pytest reports, the JUnit file and the terminal's text
are compared. The longer list of options is marked ``soak``.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from differential.both_ways import BothWays
from differential.suite_image import CONTAINER_ROOT, lay_out, suite_image
from variants import soak_after

pytestmark = pytest.mark.engine

CORPUS = Path(__file__).parent / "corpus"
REQUIREMENTS = ["pytest==9.2.0", "pytest-asyncio==1.3.0"]
HOST_OPTIONS = ["-o dockerci_service=web", "-o 'dockerci_suite=tests broken empty apart'"]

FEW = "tests/test_passes.py tests/test_fails.py tests/test_xfails.py tests/test_skips.py tests/test_marks.py"
LF = FEW.replace(" tests/test_marks.py", "")  # which warns while it is collected (differences.md)
SOME = f"{FEW} tests/test_fixture_errors.py tests/test_output.py tests/test_parameters.py tests/hooks"
SELECTED = (
    "tests/test_passes.py::TestGroup::TestInner::test_four tests/test_parameters.py::test_product[x-zwei] "
    "tests/test_unittest.py::TestCase tests/collectors/items.yaml::two tests/test_scopes.py::test_first[high]"
)

# Everything in one go, and what one go cannot show.
DAILY = (
    "-rA --junitxml={out}/junit.xml -o junit_family=xunit1",
    "broken tests/test_passes.py --continue-on-collection-errors -v",
    "@chosen.args",
    f"{FEW} -x",
    "--collect-only -q",
)
LONG = (
    "",
    "-v",
    "-vv",
    "-q",
    "-qq",
    "-rA",
    "-ra --no-header --no-summary",
    "--tb=short",
    "--tb=long",
    "--tb=native",
    "--tb=line",
    "--tb=no",
    f"{FEW} -l",
    "tests/test_chains.py tests/support --full-trace",
    f"--show-capture=no {SOME}",
    f"--show-capture=stderr {SOME}",
    "--junitxml={out}/junit.xml",
    "--junitxml={out}/junit.xml -o junit_family=xunit1 -o junit_logging=all --junit-prefix=before",
    "--junitxml={out}/junit.xml broken --continue-on-collection-errors",
    "-k 'fails and not chain'",
    "-k 'TestClass or odd or generated'",
    "-m slow",
    "-m 'ticket and not fast'",
    "-m 'ticket(number=8)'",
    "--deselect tests/test_fails.py --deselect tests/test_passes.py::TestGroup::test_three",
    "--ignore=tests/hooks --ignore=tests/test_fails.py",
    "--ignore-glob=*/test_f*",
    SELECTED,
    f"{SELECTED} tests/test_passes.py",
    "tests/test_passes.py tests/test_passes.py::test_one tests/test_passes.py",
    "tests/test_passes.py::no_such_test",
    "tests/no_such_file.py",
    "no_such_folder tests/test_passes.py",
    "tests/support tests/hooks/test_hooks.py",
    "-x",
    "--maxfail=3",
    "broken",
    "broken/test_syntax.py --tb=native",
    "empty",
    "-k nothing_like_that",
    f"{FEW} -p no:logging -p no:warnings",
    f"{FEW} -p no:doctest -p no:unittest -p no:cacheprovider",
    f"tests/test_warnings.py {FEW} -W error",
    "tests/test_warnings.py -W ignore::DeprecationWarning -W error::RuntimeWarning",
    "tests/test_warnings.py -p no:unraisableexception -p no:threadexception",
    "tests/test_warnings.py --disable-warnings",
    "tests/test_warnings.py -v",
    "--strict-markers",
    "--strict-markers tests/test_passes.py",
    "--import-mode=importlib",
    "--import-mode=append",
    "--doctest-modules --doctest-glob=*.txt",
    "--doctest-modules --doctest-glob=*.txt --doctest-continue-on-failure --doctest-report=ndiff",
    "--runxfail",
    "--noconftest tests/test_passes.py tests/test_fails.py",
    "--assert=plain tests/test_fails.py tests/test_rewriting.py",
    "--capture=sys tests/test_output.py tests/test_capture_fixtures.py",
    "--capture=tee-sys tests/test_passes.py tests/test_fails.py",
    "-s tests/test_passes.py tests/test_fails.py",
    "--log-level=DEBUG tests/test_output.py tests/test_capture_fixtures.py",
    f"--durations=3 {FEW}",
    "--durations=0 -vv tests/test_passes.py tests/test_scopes.py",
    "--collect-only",
    "--collect-only -q -k odd",
    "--collect-only -qq",
    "--collect-only broken",
    "-o python_files=check_*.py",
    "-o xfail_strict=true tests/test_xfails.py",
    "-o console_output_style=count",
    "-o console_output_style=classic tests/test_passes.py tests/test_fails.py",
    "-o verbosity_assertions=2 tests/test_fails.py",
    "--rootdir=. tests/test_passes.py",
    "-c pytest.ini tests/test_passes.py",
    "--color=yes tests/test_fails.py tests/test_warnings.py",
)
SEQUENCES = (
    (LF, f"{LF} --lf", f"{LF} --lf -x", f"{LF} --ff", f"{LF} --lf --lfnf=none tests/test_passes.py"),
    (f"{FEW} --nf", "--nf -q", "--nf -q tests/test_chains.py"),
    (f"{FEW} --sw", f"{FEW} --sw", f"{FEW} --sw --sw-skip", f"{FEW} --sw-skip", f"{FEW} --sw-reset"),
    ("broken", "broken --lf", "broken --lf --continue-on-collection-errors"),
    ("tests/test_passes.py", "tests/test_passes.py --lf --lfnf=none", "--cache-show"),
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BothWays]:
    """The corpus on the host and in an image."""
    root = lay_out(CORPUS, tmp_path_factory.mktemp("corpus"))
    with suite_image(root, REQUIREMENTS) as image:
        yield BothWays(root, image, CONTAINER_ROOT, HOST_OPTIONS)


def expect_equal(corpus: BothWays, *command_lines: str) -> None:
    """Run them one after the other, both ways; nothing may differ."""
    corpus.forget()
    for pair in corpus.run(*(shlex.split(line) for line in command_lines)):
        assert "\n".join(pair.differences()) == "", f"pytest {shlex.join(pair.args)}"
        assert "\n".join(pair.text_differences()) == "", f"the terminal of pytest {shlex.join(pair.args)}"
        assert pair.plain.text


@pytest.mark.parametrize("command_line", soak_after(1, DAILY))
def test_options(corpus: BothWays, command_line: str) -> None:
    """The options that show most."""
    expect_equal(corpus, command_line)


@pytest.mark.soak
@pytest.mark.parametrize("command_line", LONG)
def test_more_options(corpus: BothWays, command_line: str) -> None:
    """All others, one by one."""
    expect_equal(corpus, command_line)


@pytest.mark.soak
@pytest.mark.parametrize("command_lines", SEQUENCES, ids=lambda lines: lines[-1])
def test_what_a_run_remembers(corpus: BothWays, command_lines: tuple[str, ...]) -> None:
    """Last failed, failed first, new first, stepwise: each run sees what the one before left."""
    expect_equal(corpus, *command_lines)


def test_failed_subtests_of_unittest(corpus: BothWays) -> None:
    """All the same but for one letter, which plain pytest's own capture takes for the test's output."""
    corpus.forget()
    [pair] = corpus.run(["apart"])
    assert pair.differences()
    assert [line for line in pair.differences() if ": sections: " not in line] == []
    assert pair.ours.outcomes() == pair.plain.outcomes()
