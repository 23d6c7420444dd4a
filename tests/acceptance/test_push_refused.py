"""A run that was asked to push and must not: its whole text and exit code. Nothing here could push."""

from __future__ import annotations

import subprocess

import pytest

from acceptance.project import TIMEOUT_SECONDS, Project, Run
from variants import soak_after

REPOSITORY = "registry.invalid/shop/web"
SUITE = """
    import pytest
    def test_one(): pass
    def test_two(): pass
    @pytest.mark.slow
    def test_three(): pass
"""
SCOPE_FIX = (
    "run the whole suite to push; what belongs to every run stands in addopts of the configuration file"
)


@pytest.fixture
def shop(project: Project) -> Project:
    """Three tests that pass in the image; `pytest.ini` asks every run to push."""
    project.settings(
        f"dockerci_push = {REPOSITORY}",
        "addopts = -p local_environment -p no:hypothesispytest",
        "markers = slow",
    )
    project.write("tests/test_shop.py", SUITE)
    return project


def run(project: Project, *args: str, **environ: str) -> Run:
    """Run pytest with nothing on its command line but what the test wants."""
    process = subprocess.run(
        [project.python, "-m", "pytest", *args],
        cwd=project.host,
        env={
            **project.environ,
            "PYTEST_ADDOPTS": "",
            "DOCKERCI_TEST_BUILT_SECONDS": "1",
            "DOCKERCI_TEST_COMMIT": "0123456789abcdef0123456789abcdef01234567",
            **environ,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT_SECONDS,
        text=True,
        check=False,
    )
    return Run(exit_code=process.returncode, text=process.stdout, events=())


def refusal_of(outcome: Run) -> str:
    """The section that says why nothing was pushed, without the line that frames it and what follows."""
    _, found, rest = outcome.text.partition(" dockerci: not pushed ")
    assert found, outcome.text
    lines = rest.partition("\n")[2].lstrip("\n").splitlines()
    end = next(
        number for number, line in enumerate(lines) if line.startswith(("dockerci: ", "=")) or not line
    )
    return "\n".join(lines[:end])


def refused(why: str, fix: str) -> str:
    """As it stands in that section."""
    first, *others = why.splitlines()
    return (
        f"the image was not pushed to {REPOSITORY}\n"
        f"  why: {first}\n"
        f"{''.join(f'       {line}{chr(10)}' for line in others)}"
        f"  try: {fix}"
    )


@pytest.mark.parametrize(
    ("args", "environ", "why", "fix"),
    soak_after(
        1,
        [
            pytest.param("-k one", {}, "-k one selects tests by name", SCOPE_FIX, id="-k"),
            pytest.param(
                "-m not\u00a0slow",
                {},
                "-m not slow selects tests by marker",
                SCOPE_FIX,
                id="-m",
                marks=pytest.mark.soak,
            ),
            pytest.param("-x", {}, "-x may end the run early", SCOPE_FIX, id="-x", marks=pytest.mark.soak),
            pytest.param(
                "tests/test_shop.py",
                {},
                "tests/test_shop.py does not run all of tests",
                SCOPE_FIX,
                id="one file",
                marks=pytest.mark.soak,
            ),
            pytest.param(
                "-v",
                {"PYTEST_ADDOPTS": "--deselect tests/test_shop.py::test_two"},
                "PYTEST_ADDOPTS: --deselect tests/test_shop.py::test_two leaves tests out",
                SCOPE_FIX,
                id="PYTEST_ADDOPTS",
            ),
            pytest.param(
                "--collect-only",
                {},
                "--collect-only runs nothing\n3 of 3 tests have no verdict",
                SCOPE_FIX,
                id="--collect-only",
            ),
            pytest.param(
                "--dockerci-image=web:1",
                {"DOCKERCI_TEST_BUILT_SECONDS": "0"},
                "this run has not built the image",
                "leave out --dockerci-image, and give the service a build section: a run that pushes builds",
                id="--dockerci-image",
            ),
            pytest.param(
                "",
                {"DOCKERCI_TEST_DIRTY": "1"},
                "the working tree differs from its commit",
                "commit, remove or ignore what `git status` shows, or set dockerci_push_dirty = true",
                id="dirty",
            ),
            pytest.param(
                "",
                {"DOCKERCI_TEST_GIT_PROBLEM": "fatal: dubious ownership", "DOCKERCI_TEST_DIRTY": "1"},
                "git cannot say what the image was built from: fatal: dubious ownership",
                "correct that, or set dockerci_push_dirty = true",
                id="git fails",
                marks=pytest.mark.soak,
            ),
        ],
    ),
)
def test_a_green_run_that_may_not_push_ends_with_8(
    shop: Project, args: str, environ: dict[str, str], why: str, fix: str
) -> None:
    """With the reason and the way out, in its own section."""
    outcome = run(shop, *(word.replace("\u00a0", " ") for word in args.split(" ") if word), **environ)
    assert refusal_of(outcome) == refused(why, fix)
    assert outcome.exit_code == 8


@pytest.mark.soak
def test_several_reasons_are_all_told(shop: Project) -> None:
    """Nobody runs ten minutes to learn of the next one."""
    outcome = run(shop, "-k", "one", "-x", DOCKERCI_TEST_DIRTY="1")
    assert refusal_of(outcome) == (
        f"the image was not pushed to {REPOSITORY}\n"
        "  why: -k one selects tests by name\n"
        "       -x may end the run early\n"
        "       the working tree differs from its commit\n"
        f"  try: {SCOPE_FIX}\n"
        "       commit, remove or ignore what `git status` shows, or set dockerci_push_dirty = true"
    )
    assert outcome.exit_code == 8


def test_skipped_and_expected_failures_prove_nothing(shop: Project) -> None:
    """Pytest calls such a run green."""
    shop.write(
        "tests/test_shop.py",
        """
        import pytest
        def test_skipped(): pytest.skip("not today")
        @pytest.mark.xfail
        def test_expected(): assert False
        """,
    )
    outcome = run(shop)
    assert refusal_of(outcome) == refused(
        "no test passed inside the image",
        "skipped and expected failures prove nothing; let one test of the image pass",
    )
    assert outcome.exit_code == 8


def test_a_run_without_the_container_has_tested_no_image(shop: Project) -> None:
    """Host tests alone are green, and the image was not even built."""
    shop.write("host/test_host.py", "def test_host(): pass\n")
    outcome = run(shop, "host")
    assert refusal_of(outcome) == (
        f"the image was not pushed to {REPOSITORY}\n"
        "  why: host does not run all of tests\n"
        "       no test passed inside the image\n"
        f"  try: {SCOPE_FIX}\n"
        "       skipped and expected failures prove nothing; let one test of the image pass"
    )
    assert outcome.exit_code == 8
    assert not shop.was_started


@pytest.mark.parametrize(
    ("body", "exit_code", "why"),
    soak_after(
        1,
        [
            pytest.param("assert False", 1, "tests failed", id="red"),
            pytest.param("raise KeyboardInterrupt", 2, "the run was interrupted", id="interrupted"),
            pytest.param("import os; os._exit(0)", 1, "tests failed", id="a crash", marks=pytest.mark.soak),
        ],
    ),
)
def test_a_run_that_is_not_green_keeps_its_exit_code(
    shop: Project, body: str, exit_code: int, why: str
) -> None:
    """And says in a line that nothing was pushed."""
    shop.write("tests/test_more.py", f"def test_more(): {body}\n")
    outcome = run(shop)
    assert f"\ndockerci: not pushed to {REPOSITORY}: {why}\n" in outcome.text
    assert "= dockerci: not pushed =" not in outcome.text
    assert outcome.exit_code == exit_code


@pytest.mark.soak
def test_no_tests_is_not_green(shop: Project) -> None:
    """Pytest's own code, and the line."""
    shop.write("tests/test_shop.py", "")
    outcome = run(shop)
    assert f"dockerci: not pushed to {REPOSITORY}: no test was run\n" in outcome.text
    assert outcome.exit_code == 5


def test_a_hook_may_refuse(shop: Project) -> None:
    """With its own words."""
    shop.write(
        "conftest.py",
        """
        def pytest_dockerci_before_push(image, tags):
            assert image.commit.startswith("0123"), image
            assert tags == ["0123456789ab", "latest"], tags
            raise ValueError("not on a Friday")
        """,
    )
    outcome = run(shop)
    assert refusal_of(outcome) == refused(
        "pytest_dockerci_before_push refused: ValueError: not on a Friday",
        "correct what it objects to, or the hook in conftest.py",
    )
    assert outcome.exit_code == 8


@pytest.mark.soak
def test_a_hook_may_take_all_tags_away(shop: Project) -> None:
    """Then there is nothing to push."""
    shop.write("conftest.py", "def pytest_dockerci_before_push(tags): tags.clear()\n")
    outcome = run(shop)
    assert "\n  why: no tag is left to push\n" in outcome.text
    assert outcome.exit_code == 8


@pytest.mark.soak
def test_under_xdist_the_controller_refuses(shop: Project) -> None:
    """Once, with verdicts that its workers' containers gave."""
    outcome = run(shop, "-n", "2", DOCKERCI_TEST_DIRTY="1")
    assert refusal_of(outcome) == refused(
        "the working tree differs from its commit",
        "commit, remove or ignore what `git status` shows, or set dockerci_push_dirty = true",
    )
    assert outcome.exit_code == 8


@pytest.mark.soak
@pytest.mark.parametrize(
    "args",
    [
        ["--dockerci-push="],
        pytest.param(["-o", "dockerci_push="], marks=pytest.mark.soak),
        pytest.param(["--no-dockerci"], marks=pytest.mark.soak),
    ],
)
def test_one_run_may_be_told_not_to_push(shop: Project, args: list[str]) -> None:
    """It ends as it would without the setting."""
    outcome = run(shop, *args)
    assert "push" not in outcome.text
    assert outcome.exit_code == 0


@pytest.mark.parametrize(
    ("args", "lines", "text"),
    soak_after(
        2,
        [
            (
                ["--dockerci-push=HTTPS://x/y"],
                [],
                (
                    "pytest-dockerci: --dockerci-push = HTTPS://x/y cannot be used\n"
                    "  why: a repository is written without http:// or https://\n"
                    "  try: write the repository as `docker push` takes it, for instance registry.example.com/shop/web"
                ),
            ),
            (
                ["--dockerci-push", "tests"],
                [],
                (
                    "pytest-dockerci: --dockerci-push = tests is a path here, not a repository\n"
                    "  why: the word that follows --dockerci-push is taken for the repository\n"
                    "  try: write --dockerci-push=REGISTRY/NAME, or put the option last"
                ),
            ),
            (
                ["-o", "dockerci_push=", "--dockerci-push"],
                [],
                (
                    "pytest-dockerci: --dockerci-push names no repository, and dockerci_push is not set\n"
                    "  try: write --dockerci-push=REGISTRY/NAME, or set dockerci_push"
                ),
            ),
            (
                [],
                ["dockerci_push_tags =", "    {branch}"],
                (
                    "pytest-dockerci: dockerci_push_tags = '{branch}' cannot be used\n"
                    "  why: {branch} is no placeholder\n"
                    "  try: write A-Z a-z 0-9 _ . - and the placeholders {commit}, {build}, {version}, "
                    "one tag on each line"
                ),
            ),
            (
                [],
                ["dockerci_push_tags =", "    my tag"],
                (
                    "pytest-dockerci: dockerci_push_tags = 'my tag' cannot be used\n"
                    "  why: a tag cannot have ' ' in it\n"
                ),
            ),
        ],
    ),
)
def test_what_cannot_be_meant_is_told_at_once(
    shop: Project, args: list[str], lines: list[str], text: str
) -> None:
    """Before anything is built; exit code 4."""
    if lines:
        shop.settings(
            f"dockerci_push = {REPOSITORY}",
            "addopts = -p local_environment -p no:hypothesispytest",
            *lines,
        )
    outcome = run(shop, *args)
    assert f"ERROR: {text}" in outcome.text
    assert outcome.exit_code == 4
    assert not shop.was_started
