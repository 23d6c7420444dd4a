"""Whole runs that push to a real registry: green ones, failures, interruptions."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fault_proxy import HANG, running_proxy
from pytest_dockerci.engine.client import Engine
from pytest_dockerci.engine.registry import Manifest, RegistryRepository
from pytest_dockerci.engine.registry_credentials import Credentials
from pytest_dockerci.engine.registry_link import RegistryLink
from pytest_dockerci.image_reference import Repository
from pytest_dockerci.signing import read_public_key
from registry_process import running_registry
from test_signing import make_keys
from variants import soak_after
from whole_run.project import SETTINGS, Project

pytestmark = pytest.mark.engine

SUITE = """\
    def test_one():
        import app
        assert app.ANSWER == 42
        open("/tmp/changed", "w").write("in the container only")
    """


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A registry."""
    with running_registry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def shop(project: Project) -> Project:
    """A project in a git repository whose commit is tagged as a version."""
    project.addopts = ""  # options for one run may not be pushed with
    project.write(tests__test_shop_py=SUITE)
    git(project, "init", "--quiet", "--initial-branch=main")
    commit(project)
    git(project, "tag", "v1.4.0")
    return project


def git(project: Project, *args: str) -> str:
    """What git says."""
    argv = ["git", "-C", str(project.root), "-c", "user.name=x", "-c", "user.email=x@example.com", *args]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def commit(project: Project) -> None:
    """Commit all that there is."""
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message=all")


def tags_of(address: str, *tags: str) -> dict[str, Manifest | None]:
    """What tags stand for in the registry."""
    repository = Repository(address, "shop/web")
    link = RegistryLink(repository, Credentials(), is_insecure=True, may_write=False)
    try:
        registry = RegistryRepository(repository, link)
        return {tag: registry.manifest(tag) for tag in tags}
    finally:
        link.close()


@pytest.mark.parametrize(
    "args", [pytest.param([], id="alone"), pytest.param(["-n", "2"], id="xdist", marks=pytest.mark.soak)]
)
def test_a_green_run_pushes_what_it_has_tested(
    shop: Project, engine: Engine, address: str, args: list[str]
) -> None:
    """Under commit, build number, version and `latest`; and leaves what is needed to deploy it."""
    page, outputs = shop.root.parent / "page.md", shop.root.parent / "outputs"
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(page), "GITHUB_OUTPUT": str(outputs)}
    outcome = shop.run(f"--dockerci-push={address}/shop/web", *args, BUILD_NUMBER="812", **github)
    assert outcome.exit_code == 0, outcome.output
    commit_tag = git(shop, "rev-parse", "HEAD")[:12]
    [name] = [
        name
        for image in engine.client.api.images()
        for name in image.get("RepoTags") or ()
        if name == f"{shop.root.name}-web:{commit_tag}"
    ]
    tested = engine.client.api.inspect_image(name)["Id"]  # type: ignore[no-untyped-call]
    found = tags_of(address, commit_tag, "812", "1.4.0", "latest")
    [manifest] = set(found.values())
    assert manifest is not None
    assert manifest.data["config"]["digest"] == tested
    line = f"dockerci: pushed {address}/shop/web@{manifest.digest} as {commit_tag}, 812, 1.4.0, latest\n"
    assert line in outcome.output
    assert re.search(r"^dockerci: build .* \| push \d", outcome.output, re.MULTILINE)
    folder = Path(re.findall(r"^dockerci: release\.json.*: (/.*)$", outcome.output, re.MULTILINE)[0])
    release = json.loads((folder / "release.json").read_text())
    assert release["image"] == f"{address}/shop/web@{manifest.digest}"
    assert release["tests"] == {"passed": 1, "skipped": 0, "xfailed": 0, "failed": 0}
    assert outputs.read_text() == (folder / "github-output.txt").read_text()
    assert f"| pushed | <code>{address}/shop/web@{manifest.digest}</code> as " in page.read_text()
    statement = json.loads((folder / "evidence.intoto.json").read_text())
    assert statement["predicate"]["passedTests"] == ["tests/test_shop.py::test_one"]
    verified = subprocess.run(
        ["dockerci", "verify", f"{address}/shop/web:1.4.0"],
        capture_output=True,
        text=True,
        env=shop.environ,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_the_evidence_is_signed_with_the_key_of_the_environment(
    shop: Project, address: str, tmp_path: Path
) -> None:
    """As a CI system gives it to the job that publishes; the public half tells that the image is that job's."""
    private, public = make_keys(tmp_path)
    key = private.read_text()
    outcome = shop.run(f"--dockerci-push={address}/shop/web", DOCKERCI_PUSH_KEY=key)
    assert outcome.exit_code == 0, outcome.output
    assert key.splitlines()[1] not in outcome.output
    folder = Path(re.findall(r"^dockerci: release\.json.*: (/.*)$", outcome.output, re.MULTILINE)[0])
    assert read_public_key(str(public)).has_signed((folder / "evidence.dsse.json").read_bytes())
    verified = subprocess.run(
        ["dockerci", "verify", f"{address}/shop/web:1.4.0", f"--key={public}"],
        capture_output=True,
        text=True,
        env=shop.environ,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert verified.stdout.endswith(f"tests   PASSED: 1 passed\nsigned  with the key {public}\n")


@pytest.mark.soak
def test_a_setting_asks_every_run(shop: Project, address: str) -> None:
    """One that may not push ends with 8 and pushes nothing; then that is mended, and the next run pushes."""
    shop.write(pytest_ini=f"{SETTINGS}dockerci_push = {address}/shop/web\ndockerci_push_tags = stable\n")
    dirty = shop.run()
    assert dirty.exit_code == 8
    assert "why: the working tree differs from its commit\n" in dirty.output
    assert tags_of(address, "stable") == {"stable": None}
    commit(shop)
    assert shop.run().exit_code == 0
    assert tags_of(address, "stable")["stable"] is not None


@pytest.mark.soak
def test_a_registry_that_does_not_answer_is_exit_8(shop: Project, address: str) -> None:
    """The verdict is there, and the reason with it."""
    gone = address.rpartition(":")[0] + ":9"
    outcome = shop.run(f"--dockerci-push={gone}/shop/web")
    assert outcome.exit_code == 8
    assert outcome.counts() == {"passed": 1}
    assert (
        f"the tested image was not pushed to {gone}/shop/web\n"
        f"  why: the registry {gone} does not answer\n"
        "       connection refused\n"
        f"       no tag of {gone}/shop/web was changed\n"
        "  try: look at the network and at the registry, then run again\n"
    ) in outcome.output


@pytest.mark.parametrize("request_number", soak_after(1, (4, 1, 12, 18, 20)))
def test_an_interrupted_push_sets_no_tag_and_leaves_nothing(
    shop: Project, address: str, request_number: int
) -> None:
    """Ctrl-C while the registry hangs, before the engine's part, in it, and after it: exit code 2, clean-up at once."""
    with running_proxy(address) as proxy:
        proxy.plan(HANG, request_number)
        process = shop.start(f"--dockerci-push={proxy.address}/shop/web")
        deadline = time.monotonic() + 60
        while len(proxy.seen) < request_number:
            assert process.poll() is None, shop.finish(process).output
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        outcome = shop.finish(process)
        assert time.monotonic() - begin < 7.5, proxy.seen
    assert outcome.exit_code == 2
    assert "why: the push was interrupted\n" in outcome.output
    assert tags_of(address, "latest", "1.4.0") == {"latest": None, "1.4.0": None}


@pytest.mark.soak
def test_a_push_that_is_killed_leaves_no_name_on_the_engine(
    shop: Project, engine: Engine, address: str
) -> None:
    """`dockerci gc` knows the run by its folder."""
    with running_proxy(address) as proxy:
        proxy.plan(HANG, 4)
        process = shop.start(f"--dockerci-push={proxy.address}/shop/web")
        while len(proxy.seen) < 4:
            assert process.poll() is None, shop.finish(process).output
            time.sleep(0.05)

        def names() -> list[str]:
            tags = [name for image in engine.client.api.images() for name in image.get("RepoTags") or ()]
            return [name for name in tags if name.startswith(proxy.address)]

        assert names()
        process.kill()
        shop.finish(process)
    argv = [shop.python, "-m", "pytest_dockerci.cli", "gc"]
    subprocess.run(argv, env=shop.environ, check=True, capture_output=True)
    assert names() == []
