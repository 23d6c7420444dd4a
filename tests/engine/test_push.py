"""Pushes to a real registry, past faults at every request: a final tag is what it was, or what was tested."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fault_proxy import CUT, HANG, LOST, FaultProxy, running_proxy
from pytest_dockerci.engine.engine_push import PushMeter
from pytest_dockerci.engine.push import Pushed, PushPlan, is_insecure_registry, push_image
from pytest_dockerci.engine.pushed_image import require_tested
from pytest_dockerci.engine.registry import Manifest, RegistryRepository
from pytest_dockerci.engine.registry_credentials import Credentials
from pytest_dockerci.engine.registry_link import RegistryLink
from pytest_dockerci.errors import PushError, RegistryError
from pytest_dockerci.evidence import RunEvidence, statement_of
from pytest_dockerci.image_reference import Repository
from pytest_dockerci.push_tags import PushTag
from registry_process import PASSWORD, USER, running_registry

from .engine_project import RecordedProgress
from .shipped_image import fresh_image
from .test_registry import opened, put_image

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

EVIDENCE = RunEvidence(passed=["tests/test_shop.py::test_one"])
TAGS = (PushTag("0123456789ab"), PushTag("1.4.0", is_version=True), PushTag("latest"))
pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def tested(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The id of an image that passed."""
    with fresh_image(engine, tmp_path_factory.mktemp("tested")) as image_id:
        yield image_id


@pytest.fixture(scope="module")
def old(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The id of the image before."""
    with fresh_image(engine, tmp_path_factory.mktemp("old")) as image_id:
        yield image_id


def plan_for(address: str, image_id: str, path: str = "shop/web", **changes: object) -> PushPlan:
    """A push of an image to a repository of a test's own."""
    plan = PushPlan(
        image_id=image_id,
        repository=Repository(address, path),
        tags=TAGS,
        run_id=os.urandom(4).hex(),
        environ={"HOME": "/nonexistent"},
        make_statement=lambda digest: statement_of(EVIDENCE, name=f"{address}/{path}", digest=digest),
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


@contextmanager
def reading(address: str, path: str = "shop/web") -> Iterator[RegistryRepository]:
    """The registry, seen past any proxy."""
    link = RegistryLink(Repository(address, path), Credentials(), is_insecure=True, may_write=True)
    try:
        yield RegistryRepository(Repository(address, path), link)
    finally:
        link.close()


def manifests(address: str, path: str) -> dict[str, Manifest | None]:
    """What the final tags stand for."""
    with reading(address, path) as registry:
        return {tag.name: registry.manifest(tag.name) for tag in TAGS}


def images_named(engine: Engine, address: str) -> list[str]:
    """Names on the engine that a push has left there."""
    return [
        name
        for image in engine.client.api.images(all=True)
        for name in image.get("RepoTags") or ()
        if name.startswith(address)
    ]


# Green


def test_what_is_in_the_registry_is_what_was_tested(
    engine: Engine, address: str, tested: str, tmp_path: Path
) -> None:
    """By another client: the engine pulls the digest back, and has the tested image; nothing is left behind."""
    progress = RecordedProgress()
    pushed = push_image(engine, plan_for(address, tested, "shop/green"), progress)
    assert pushed.tags == ("0123456789ab", "1.4.0", "latest")
    assert images_named(engine, address) == []
    seen = subprocess.run(
        ["docker", "buildx", "imagetools", "inspect", "--raw", f"{address}/shop/green:latest"],
        env=dict(engine.child_environ),
        check=True,
        capture_output=True,
    ).stdout
    assert Manifest(body=seen, media_type="").digest == pushed.manifest.digest
    engine.client.api.pull(pushed.reference)
    pulled = engine.client.api.inspect_image(pushed.reference)  # type: ignore[no-untyped-call]
    engine.client.api.remove_image(pushed.reference, force=False)
    assert pulled["Id"] == tested
    assert json.loads(seen)["config"]["digest"] == pushed.config_digest
    assert progress.statuses[-1] == ""


def test_every_final_tag_has_the_same_bytes(engine: Engine, address: str, tested: str) -> None:
    """And the run's own tag, which Debian's registry cannot drop, is named."""
    plan = plan_for(address, tested, "shop/same")
    pushed = push_image(engine, plan, RecordedProgress())
    assert set(manifests(address, "shop/same").values()) == {pushed.manifest}
    assert pushed.run_tag == plan.run_tag


def test_to_repeat_is_safe(engine: Engine, address: str, tested: str) -> None:
    """The version tag is there already, for the same bytes."""
    first = push_image(engine, plan_for(address, tested, "shop/again"), RecordedProgress())
    second = push_image(engine, plan_for(address, tested, "shop/again"), RecordedProgress())
    assert second.manifest == first.manifest


def test_a_password_is_used_by_the_engine_and_by_us(engine: Engine, tested: str, tmp_path: Path) -> None:
    """Both have it from Docker's configuration file; without it, the push ends with the registry's words."""
    with running_registry(tmp_path / "registry", has_password=True) as guarded:
        auth = subprocess.run(
            ["base64", "--wrap=0"], input=f"{USER}:{PASSWORD}".encode(), capture_output=True, check=True
        ).stdout.decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {guarded: {"auth": auth}}}))
        environ = {"DOCKER_CONFIG": str(tmp_path)}
        pushed = push_image(engine, plan_for(guarded, tested, environ=environ), RecordedProgress())
        assert pushed.tags[-1] == "latest"
        with pytest.raises(PushError) as caught:
            push_image(engine, plan_for(guarded, tested), RecordedProgress())
    assert str(caught.value) == (
        f"the tested image was not pushed to {guarded}/shop/web\n"
        f"  why: the registry {guarded} refuses GET /v2/shop/web/manifests/1.4.0\n"
        "       HTTP 401: UNAUTHORIZED: authentication required\n"
        f"       no tag of {guarded}/shop/web was changed\n"
        f"  try: `docker login {guarded}` as an account that may use shop/web"
    )


# Refused


def test_a_version_never_moves_to_other_bytes(engine: Engine, address: str, old: str, tested: str) -> None:
    """Nothing is pushed then, the other tags neither."""
    first = push_image(engine, plan_for(address, old, "shop/version"), RecordedProgress())
    with pytest.raises(PushError) as caught:
        push_image(engine, plan_for(address, tested, "shop/version"), RecordedProgress())
    assert str(caught.value) == (
        f"the tested image was not pushed to {address}/shop/version\n"
        "  why: the version tag 1.4.0 stands for another image already\n"
        f"       {address}/shop/version:1.4.0 is {first.manifest.digest}; a version never moves to other bytes\n"
        f"       no tag of {address}/shop/version was changed\n"
        "  try: give the commit a new version tag, or leave {version} out of dockerci_push_tags"
    )
    assert set(manifests(address, "shop/version").values()) == {first.manifest}


def test_an_image_that_is_gone_is_not_pushed(engine: Engine, address: str, tmp_path: Path) -> None:
    """Somebody's `docker image prune` ran beside the tests."""
    with fresh_image(engine, tmp_path / "gone") as image_id:
        pass
    with pytest.raises(PushError) as caught:
        push_image(engine, plan_for(address, image_id, "shop/gone"), RecordedProgress())
    assert str(caught.value) == (
        f"the tested image was not pushed to {address}/shop/gone\n"
        f"  why: {image_id} is no longer on the engine: somebody has removed it since the build\n"
        "  try: run again, without `docker image prune` beside it"
    )


def test_an_image_that_somebody_puts_under_the_runs_tag_gets_no_final_tag(
    engine: Engine, address: str, old: str, tested: str
) -> None:
    """What is compared is what the registry holds, not what was sent."""
    path = "shop/swapped"
    other = push_image(engine, plan_for(address, old, path), RecordedProgress())
    with running_proxy(address) as proxy:
        plan = plan_for(proxy.address, tested, path, tags=(PushTag("latest"),))

        def swap(request: str) -> None:
            if request == f"GET /v2/{path}/manifests/{plan.run_tag}":
                with reading(address, path) as registry:
                    registry.put_manifest(plan.run_tag, other.manifest)

        proxy.before = swap
        with pytest.raises(PushError) as caught:
            push_image(engine, plan, RecordedProgress())
    assert "the registry holds another image than the one that was sent" in caught.value.why
    assert manifests(address, path)["latest"] == other.manifest


def race(
    engine: Engine, place: tuple[str, str], tested: str, tag: PushTag, others: Manifest
) -> Pushed | PushError:
    """A push of a tag that somebody else sets to other bytes, right after this run has set it."""
    address, path = place
    with running_proxy(address) as proxy:

        def overtake(request: str) -> None:
            is_set = f"PUT /v2/{path}/manifests/{tag.name}" in proxy.seen
            if is_set and request == f"GET /v2/{path}/manifests/{tag.name}":
                with reading(address, path) as registry:
                    registry.put_manifest(tag.name, others)

        proxy.before = overtake
        return pushed_or_failed(engine, plan_for(proxy.address, tested, path, tags=(tag,)))


def test_of_two_runs_with_the_same_tag_the_last_one_wins(
    engine: Engine, address: str, old: str, tested: str
) -> None:
    """Both have pushed; the first says that its tag has moved on."""
    path = "shop/race"
    other = push_image(engine, plan_for(address, old, path), RecordedProgress()).manifest
    outcome = race(engine, (address, path), tested, PushTag("stable"), other)
    assert isinstance(outcome, Pushed)
    assert (outcome.tags, outcome.overtaken) == ((), ("stable",))
    with reading(address, path) as registry:
        assert registry.manifest("stable") == other
        assert registry.manifest(outcome.manifest.digest) == outcome.manifest


def test_a_version_that_is_overtaken_is_an_error(engine: Engine, address: str, old: str, tested: str) -> None:
    """Two runs release the same version at once: one of them has to know."""
    path = "shop/version-race"
    tags = (PushTag("latest"),)
    other = push_image(engine, plan_for(address, old, path, tags=tags), RecordedProgress()).manifest
    version = PushTag("2.0.0", is_version=True)
    outcome = race(engine, (address, path), tested, version, other)
    assert isinstance(outcome, PushError)
    assert "shop/version-race:2.0.0 is not what was just pushed there" in outcome.why


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({"layers": []}, "it lacks a manifest of 1 layers: it has one of 0", id="no layers"),
        pytest.param({"layers": ["x"]}, "AttributeError: ", id="no layers that could be one"),
        pytest.param({"config": None}, "with the configuration None", id="no configuration"),
        pytest.param(
            {"layers": [{"digest": f"sha256:{'0' * 64}", "size": 5}]},
            "it lacks the layer",
            id="another layer",
        ),
    ],
)
def test_a_manifest_that_is_not_whole_is_not_the_tested_image(
    address: str, change: dict[str, object], why: str
) -> None:
    """Though it names the tested configuration; never an exception of another kind."""
    with opened(address, "shop/whole") as registry:
        whole = put_image(registry)
        image_id = whole.data["config"]["digest"]
        assert require_tested(registry, whole, image_id) == image_id
        broken = Manifest(body=json.dumps({**whole.data, **change}).encode(), media_type=whole.media_type)
        with pytest.raises(RegistryError) as caught:
            require_tested(registry, broken, image_id)
    assert why in caught.value.why


def test_a_tag_of_the_run_that_cannot_be_dropped_is_no_failure(
    engine: Engine, address: str, tested: str
) -> None:
    """Everything is in its place by then; that tag is named."""
    with running_proxy(address) as proxy:
        proxy.before = lambda request: proxy.plan(LOST if request.startswith("DELETE") else "")
        plan = plan_for(proxy.address, tested, "shop/undropped")
        pushed = push_image(engine, plan, RecordedProgress())
    assert pushed.run_tag == plan.run_tag
    assert set(manifests(address, "shop/undropped").values()) == {pushed.manifest}


# Faults


def pushed_or_failed(engine: Engine, plan: PushPlan) -> Pushed | PushError:
    """What came of a push; anything but these two fails the test."""
    try:
        return push_image(engine, plan, RecordedProgress())
    except PushError as error:
        return error


def sweep(engine: Engine, folder: Path, old: str, faults: list[tuple[str, bool, int]]) -> int:
    """Push past a fault at every request in turn; how many pushes were made.

    Args:
        engine: The engine.
        folder: For images and storage.
        old: The image that the final tags stand for before.
        faults: Kinds, each with whether just one request fails, and the distance between those that do.
    """
    pushes = 0
    with running_registry(folder / "registry") as address, running_proxy(address) as proxy:
        for fault, only_once, step in faults:
            for first in itertools.count(1, step):
                place = (address, proxy, f"shop/n{pushes}")
                requests = _push_past(engine, folder / f"n{pushes}", old, place, (fault, first, only_once))
                pushes += 1
                if requests < first:  # the push was over before the fault
                    break
    return pushes


def _push_past(
    engine: Engine,
    folder: Path,
    old: str,
    place: tuple[str, FaultProxy, str],
    fault: tuple[str, int, bool],
) -> int:
    """One push past one fault, and the next without; how many requests the first one made."""
    address, proxy, path = place
    kind, first, only_once = fault
    tags = (PushTag("stable"), PushTag("latest"))
    before = push_image(engine, plan_for(address, old, path, tags=tags), RecordedProgress())
    with fresh_image(engine, folder) as image_id:
        plan = plan_for(proxy.address, image_id, path, tags=tags, read_seconds=1.0, silence_seconds=4.0)
        proxy.plan(kind, first, only_once=only_once)
        outcome = pushed_or_failed(engine, plan)
        requests = len(proxy.seen)
        proxy.plan("")
        with reading(address, path) as registry:
            found = {tag.name: registry.manifest(tag.name) for tag in tags}
        for name, manifest in found.items():
            assert manifest is not None, (name, fault)
            data = manifest.data
            assert manifest == before.manifest or data["config"]["digest"] == image_id, (name, fault)
        if isinstance(outcome, Pushed):
            assert set(found.values()) == {outcome.manifest}, fault
        else:
            assert outcome.why.splitlines()[-1].startswith(("no tag of ", "these tags stand for ")), fault
            if outcome.why.splitlines()[-1].startswith("no tag of "):
                assert set(found.values()) == {before.manifest}, fault
        again = push_image(engine, replace(plan, read_seconds=None, silence_seconds=60), RecordedProgress())
        with reading(address, path) as registry:
            assert {registry.manifest(tag.name) for tag in tags} == {again.manifest}
    return requests


@pytest.mark.parametrize(
    ("fault", "first"),
    [
        pytest.param("403", 1, id="nobody may push"),
        pytest.param("403", 9, id="the right is lost on the way"),
        pytest.param("403", 18, id="the right is lost when the image is there"),
        pytest.param(HANG, 4, id="silence"),
    ],
)
def test_a_faulted_push_leaves_the_tags_as_they_were(
    engine: Engine, tmp_path: Path, old: str, fault: str, first: int
) -> None:
    """Old or tested, never anything else; and the next push succeeds."""
    with running_registry(tmp_path / "registry") as address, running_proxy(address) as proxy:
        _push_past(engine, tmp_path / "image", old, (address, proxy, "shop/web"), (fault, first, False))


@pytest.mark.soak
def test_200_faulted_pushes(engine: Engine, tmp_path: Path, old: str) -> None:
    """Refusals, failures, cuts, lost answers and silence, at every request in turn."""
    faults = [
        *((fault, only_once, 1) for fault in ("401", "403") for only_once in (True, False)),
        *((fault, True, 1) for fault in ("500", "503", CUT, LOST)),
        (HANG, False, 1),
        # The engine tries an upload five times, with pauses that grow: a minute for each of these.
        *((fault, False, 14) for fault in (CUT, LOST)),
    ]
    assert sweep(engine, tmp_path, old, faults) >= 200


# Pure parts


@pytest.mark.parametrize(
    ("registry", "is_insecure"),
    [
        ("127.0.0.1:5000", True),
        ("localhost", True),
        ("registry.test:5000", True),
        ("10.20.0.9:5000", True),
        ("[fd00::9]:5000", True),
        ("10.21.0.9:5000", False),
        ("10.20.0.8", False),
        ("docker.io", False),
        ("registry.example.com", False),
    ],
)
def test_which_registries_need_no_tls(registry: str, is_insecure: bool) -> None:  # noqa: FBT001 - a table
    """Those of this machine, and those that the engine's configuration names."""
    info = {
        "RegistryConfig": {
            "IndexConfigs": {
                "docker.io": {"Secure": True},
                "registry.test:5000": {"Secure": False},
                "10.20.0.8": {"Secure": True},
            },
            "InsecureRegistryCIDRs": ["127.0.0.0/8", "10.20.0.0/16", "fd00::/8"],
        }
    }
    assert is_insecure_registry(info, Repository(registry, "web")) is is_insecure
    assert is_insecure_registry({}, Repository("docker.io", "web")) is False


def test_a_push_tells_how_far_it_is() -> None:
    """All layers together, in megabytes."""
    meter = PushMeter()
    assert meter.feed({"status": "Preparing", "id": "a"}) == ""
    told = [
        meter.feed({"status": "Pushing", "id": layer, "progressDetail": {"current": current, "total": total}})
        for layer, current, total in (
            ("a", 500_000, 2_000_000),
            ("b", 1_500_000, 1_500_000),
            ("a", 3_000_000, 2_000_000),
        )
    ]
    assert told == ["0.5 of 2.0 MB", "2.0 of 3.5 MB", "3.5 of 3.5 MB"]
