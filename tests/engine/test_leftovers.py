"""What runs leave behind is found, planned and removed."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from heard_events import heard_events
from pytest_dockerci.engine.cleanup import (
    EngineObject,
    connections,
    is_reaper,
    list_objects,
    networks_of,
    parse_time,
    remove_objects,
)
from pytest_dockerci.engine.labels import CACHE, RUN, RunIdentity
from pytest_dockerci.engine.leftovers import (
    Leftovers,
    find_leftovers,
    gc_plan,
    remove_leftovers,
    remove_run,
)

from .engine_project import PYTHON_IMAGE

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine


def thing(kind: str, name: str) -> EngineObject:
    """Something on an engine."""
    return EngineObject(kind=kind, key=name, name=name)


LEFTOVERS = Leftovers(
    runs={"r1": (thing("container", "a"), thing("volume", "b")), "r2": (thing("network", "c"),)},
    caches=(thing("volume", "toolkit"), thing("image", "empty")),
)


@pytest.mark.parametrize(
    ("live", "include_caches", "names"),
    [
        (frozenset(), False, "a c b"),
        (frozenset({"r1"}), False, "c"),
        (frozenset({"r1", "r2"}), True, "toolkit empty"),
        (frozenset(), True, "a c b toolkit empty"),
    ],
)
def test_what_is_removed_is_planned(live: frozenset[str], include_caches: bool, names: str) -> None:  # noqa: FBT001
    """Live runs are spared, caches go only when they are asked for, containers first."""
    plan = gc_plan(LEFTOVERS, live_runs=live, include_caches=include_caches)
    assert " ".join(str(thing.name) for thing in plan) == names


def test_what_is_planned_where_nothing_is_said() -> None:
    """No run lives that nobody names, and caches are asked for."""
    assert " ".join(thing.name for thing in gc_plan(LEFTOVERS)) == "a c b"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T00:00:01.250000001Z", 1.250000001),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("", 0.0),
    ],
)
def test_the_engines_times_are_read(text: str, seconds: float) -> None:
    """With any number of decimals."""
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"Names": ["/dockerci-shop-1-reaper"]}, True),
        ({"Names": ["/other/link", "/dockerci-shop-1-reaper"]}, True),
        ({"Names": ["/dockerci-shop-1-reaper-1"]}, False),
        ({"Names": []}, False),
        ({"Names": None}, False),
        ({}, False),
    ],
)
def test_which_container_is_the_reaper(data: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    """By its name; one that is being removed may have none."""
    assert is_reaper(data) is expected


ON = {"EndpointID": "there"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            {"NetworkSettings": {"Networks": {"a": ON | {"NetworkID": "1"}, "b": ON | {"NetworkID": "2"}}}},
            ("1", "2"),
        ),
        ({"NetworkSettings": {"Networks": {"has ended": {"NetworkID": "1", "EndpointID": ""}}}}, ()),
        ({"NetworkSettings": {"Networks": {"never started": {"NetworkID": "", "EndpointID": ""}}}}, ()),
        ({"NetworkSettings": {"Networks": {"none": None}}}, ()),
        ({"NetworkSettings": {"Networks": None}}, ()),
        ({"NetworkSettings": None}, ()),
        ({}, ()),
    ],
)
def test_which_networks_a_container_is_on(data: dict[str, Any], expected: tuple[str, ...]) -> None:
    """By the engine's keys: a name is somebody's."""
    assert networks_of(data) == expected


def test_containers_leave_the_networks_that_go_as_well() -> None:
    """Not those of others, and nothing leaves a network that is not to go."""
    objects = (
        EngineObject(kind="container", key="a", name="a", networks=("mine", "theirs")),
        EngineObject(kind="container", key="b", name="b", networks=("mine", "second")),
        EngineObject(kind="reaper", key="r", name="r"),
        thing("network", "mine"),
        thing("network", "second"),
        thing("volume", "theirs"),
    )
    assert connections(objects) == [("a", "mine"), ("b", "mine"), ("b", "second")]


@pytest.mark.engine
def test_a_run_that_was_killed_is_found_and_removed(engine: Engine, identity: RunIdentity) -> None:
    """Container, network and volume, and nothing of others."""
    labels = identity.labels
    name = f"dockerci-test-{identity.run_id}"
    engine.client.api.create_volume(name, labels=labels)
    network = engine.client.networks.create(name, labels=labels)
    container = engine.client.containers.create(PYTHON_IMAGE, ["sleep", "600"], labels=labels, network=name)
    container.start()
    leftovers = find_leftovers(engine)
    found = leftovers.runs[identity.run_id]
    assert {(thing.kind, thing.key) for thing in found} == {
        ("container", container.id),
        ("network", network.id),
        ("volume", name),
    }
    assert all(thing.created > 1_700_000_000 for thing in found)
    # Of one look: a run that begins between two looks would be taken for a dead one.
    others = frozenset(leftovers.runs) - {identity.run_id}
    assert remove_leftovers(engine, gc_plan(leftovers, live_runs=others)) == ()
    assert identity.run_id not in find_leftovers(engine).runs


@pytest.mark.engine
def test_caches_are_listed_and_what_is_in_use_is_reported(engine: Engine) -> None:
    """A volume that a container uses stays, with the engine's reason."""
    name = f"dockerci-test-{uuid.uuid4().hex[:8]}"
    engine.client.api.create_volume(name, labels={CACHE: "toolkit"})
    container = engine.client.containers.create(PYTHON_IMAGE, ["true"], volumes={name: {"bind": "/x"}})
    mine = [thing for thing in find_leftovers(engine).caches if thing.name == name]
    assert [thing.kind for thing in mine] == ["volume"]
    left = remove_leftovers(engine, mine)
    assert len(left) == 1
    assert "in use" in left[0]
    container.remove(force=True)
    assert remove_leftovers(engine, mine) == ()


@pytest.mark.engine
def test_removal_does_not_touch_another_run_with_the_same_id(engine: Engine, identity: RunIdentity) -> None:
    """The nonce has to match as well."""
    name = f"dockerci-test-{identity.run_id}"
    engine.client.api.create_volume(name, labels={RUN: identity.run_id, "org.pytest-dockerci.nonce": "other"})
    assert remove_objects(engine, lambda: list_objects(engine, identity.filters), quiet_seconds=0) == ()
    assert engine.client.api.inspect_volume(name)["Name"] == name
    engine.client.api.remove_volume(name)


@pytest.mark.engine
def test_a_volume_that_has_lost_its_labels(engine: Engine, identity: RunIdentity, tmp_path: Path) -> None:
    """An engine that is killed when it makes one knows its name afterwards; what has labels is somebody's."""
    api = engine.client.api
    mine = (f"{identity.project}_data", f"{identity.project}-0-suite-0")
    others = (f"{identity.project}x", f"x{identity.project}_data")
    for name in (*mine, *others):
        api.create_volume(name)
    labelled = f"{identity.project}_labelled"
    api.create_volume(labelled, labels={"com.example.of": "somebody"})
    try:
        assert remove_run(engine, identity.run_id, identity.nonce, tmp_path / "run") == ()
        left = {data["Name"] for data in api.volumes(filters={"name": identity.project})["Volumes"]}
        assert left == {*others, labelled}
    finally:
        for name in (*others, labelled):
            api.remove_volume(name)


@pytest.mark.engine
def test_the_reaper_goes_last(engine: Engine, identity: RunIdentity) -> None:
    """Whoever removes can be killed before the end, and then it has to see to the rest."""
    api = engine.client.api
    network = api.create_network(f"{identity.project}_default", labels=identity.labels)
    api.create_volume(f"{identity.project}_data", labels=identity.labels)
    for name in (f"{identity.project}-reaper", f"{identity.project}-reaper-1", f"{identity.project}-db-1"):
        engine.client.containers.run(
            PYTHON_IMAGE,
            ["sleep", "600"],
            name=name,
            labels=identity.labels,
            network="none" if name.endswith("-reaper") else network["Id"],
            init=True,
            detach=True,
        )
    listings = []

    def list_them() -> list[EngineObject]:
        listings.append(list_objects(engine, identity.filters))
        return listings[-1]

    with heard_events(engine) as events:
        assert remove_objects(engine, list_them, quiet_seconds=1.5) == ()
    # When it goes, all has been quiet for as long as it has to: there is nothing more to wait for.
    assert [] not in listings[:-1]
    removed = [event["Actor"] for event in events if event["Action"] == "destroy"]
    names = [actor["Attributes"].get("name") or actor["ID"] for actor in removed]
    ours = [name for name in names if name.startswith(identity.project)]
    assert sorted(ours) == sorted(
        f"{identity.project}{end}" for end in ("-reaper", "-reaper-1", "-db-1", "_default", "_data")
    )
    assert ours[-1] == f"{identity.project}-reaper"


@pytest.mark.engine
def test_a_network_does_not_wait_for_the_end_of_its_containers(engine: Engine, identity: RunIdentity) -> None:
    """They leave it while they run: killing one and removing a network both take the engine a fifth of a second."""
    api = engine.client.api
    networks = [
        str(api.create_network(f"{identity.project}_{name}", labels=identity.labels)["Id"]) for name in "ab"
    ]
    running = []
    for number in range(2):
        container = engine.client.containers.create(
            PYTHON_IMAGE, ["sleep", "600"], labels=identity.labels, network=networks[0]
        )
        if number:
            api.connect_container_to_network(str(container.id), networks[1])
        container.start()
        running.append(str(container.id))
    ended = engine.client.containers.run(
        PYTHON_IMAGE, ["true"], labels=identity.labels, network=networks[0], detach=True
    )
    ended.wait()
    with heard_events(engine) as events:
        assert remove_objects(engine, lambda: list_objects(engine, identity.filters), quiet_seconds=0) == ()
    told = [(str(event["Action"]), str(event["Actor"]["ID"]), of_container(event)) for event in events]
    for container_id, its_networks in zip(running, (networks[:1], networks), strict=True):
        kill = told.index(("kill", container_id, container_id))
        for network in its_networks:
            assert told.index(("disconnect", network, container_id)) < kill


def of_container(event: dict[str, Any]) -> str:
    """The container that an event is about, or that it tells of."""
    actor = event["Actor"]
    return str(actor["Attributes"].get("container") or actor["ID"])


@pytest.mark.engine
def test_a_network_that_somebody_else_uses_is_told(engine: Engine, identity: RunIdentity) -> None:
    """Nobody's container but the run's own is taken off it."""
    api = engine.client.api
    network = api.create_network(f"{identity.project}_default", labels=identity.labels)
    container = engine.client.containers.run(
        PYTHON_IMAGE, ["sleep", "600"], network=network["Id"], init=True, detach=True
    )
    try:
        left = remove_objects(engine, lambda: list_objects(engine, identity.filters), quiet_seconds=0)
        assert len(left) == 1
        assert "active endpoints" in left[0]
        assert network["Id"] in str(api.inspect_container(str(container.id))["NetworkSettings"]["Networks"])
    finally:
        container.remove(force=True)
    assert remove_objects(engine, lambda: list_objects(engine, identity.filters), quiet_seconds=0) == ()
