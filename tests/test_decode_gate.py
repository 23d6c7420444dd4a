"""What a container may say of its tests, and what it may not."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dockerci.agent import wire
from pytest_dockerci.decode_gate import (
    STRUCTURE,
    check_collect_report,
    check_collected,
    check_rows,
    lacks_verdict,
    problem_of_report,
)
from pytest_dockerci.shapes import (
    Anything,
    Fields,
    ListOf,
    Nothing,
    Number,
    OneOf,
    Row,
    Shape,
    Table,
    Text,
    misfit,
    names_in,
)
from test_worker_ledger import row

# Shapes


@pytest.mark.parametrize(
    ("shape", "good", "bad"),
    [
        (Text(), ["", "a", "a\0"], [None, 1, True, [], {}]),
        (Text(frozenset({"a"})), ["a"], ["", "b", None]),
        (Text(is_name=True), ["", "a"], ["a\0", None]),
        (Number(), [0, -1, 1.5], [True, "1", None, float("inf"), float("nan"), []]),
        (Number(is_whole=True), [0, -1, 2**70], [True, 1.0, "1", None]),
        (Nothing(), [None], [0, "", False, []]),
        (Anything(), [None, 1, "a", [], {}], []),
        (ListOf(Text()), [[], ["a", "b"]], [None, "a", {}, ["a", 1]]),
        (Row((Text(), Number())), [["a", 1]], [[], ["a"], ["a", 1, 1], [1, "a"], {"a": 1}, None, "ab"]),
        (Table(Number()), [{}, {"a": 1}], [[], None, {"a": "1"}, {"a": 1, "b": None}]),
        (
            Fields({"a": Number()}, {"b": Text()}),
            [{"a": 1}, {"a": 1, "b": "x"}, {"a": 1, "c": None}],
            [{}, {"b": "x"}, {"a": "1"}, {"a": 1, "b": 2}, [], None],
        ),
        (OneOf((Text(), Nothing())), ["a", None], [1, []]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_shape(shape: Shape, good: list[Any], bad: list[Any]) -> None:
    """What has it, and what has not."""
    assert [value for value in good if misfit(value, shape, "it")] == []
    assert [value for value in bad if not misfit(value, shape, "it")] == []


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (None, "it"),
        ({"a": None}, "it.a"),
        ({"a": [{"b": "x"}, {"b": 1}]}, "it.a[1].b"),
        ({"a": [{"b": "x"}, {}]}, "it.a[1]"),
        ({"a": [], "t": {"k": [1, 2]}}, "it.t['k'][1]"),
        ({"a": [], "t": {"k": [1]}}, "it.t['k']"),
    ],
)
def test_the_place_of_a_misfit(value: Any, where: str) -> None:
    """It is named as one would write it."""
    shape = Fields({"a": ListOf(Fields({"b": Text()}))}, {"t": Table(Row((Number(), Text())))})
    assert misfit(value, shape, "it") == where


def test_the_names_in_a_shape() -> None:
    """At any depth."""
    shape = Fields(
        {"a": ListOf(Fields({"b": Text()}))}, {"c": OneOf((Row((Fields({"d": Text()}),)), Table(Text())))}
    )
    assert sorted(names_in(shape)) == ["a", "b", "c", "d"]
    assert {
        "reprcrash",
        "lineno",
        "markers",
        "callspec",
        "wasxfail",
        "_subtest.context",
        "result",
        "msg",
        "kwargs",
    } <= STRUCTURE


# Rows


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row()],
        [
            row(),
            row(0, "class"),
            row(1, "item", originalname=None),
            row(-1, "directory"),
            row(3, "collector"),
        ],
        [row(kind="item", location=["a.py", None, "x"], originalname="x")],
        [row(kind="item", callspec=["1", {"a": None}], function={"__doc__": "it"}, doc="x")],
        [row(python=["shop"], keywords=["a"], markers=[["slow", [1, "x"], {"k": None}]])],
        [row(more="whatever")],
    ],
)
def test_rows_of_a_tree(rows: list[dict[str, Any]]) -> None:
    """As the agent writes them."""
    check_rows(rows, 0)


def test_rows_that_come_in_parts() -> None:
    """A parent may have come before."""
    check_rows([row(4, "item"), row(5)], 5)


@pytest.mark.parametrize(
    ("rows", "where"),
    [
        ([{}], "node 0"),
        ([row(kind="module")], "node 0.kind"),
        ([row(kind=None)], "node 0.kind"),
        ([row(type=1)], "node 0.type"),
        ([row(name="a\0")], "node 0.name"),
        ([row(path="a\0")], "node 0.path"),
        ([row(nodeid="a\0")], "node 0.nodeid"),
        ([row(nodeid=1)], "node 0.nodeid"),
        ([row(parent="0")], "node 0.parent"),
        ([row(parent=0.5)], "node 0.parent"),
        ([row(parent=0)], "node 0.parent"),
        ([row(parent=-2)], "node 0.parent"),
        ([row(), row(1)], "node 1.parent"),
        ([row(keywords=[1])], "node 0.keywords[0]"),
        ([row(markers=[["a", []]])], "node 0.markers[0]"),
        ([row(markers=[["a", {}, {}]])], "node 0.markers[0][1]"),
        ([row(markers=[[1, [], {}]])], "node 0.markers[0][0]"),
        ([row(markers=[["a", [], []]])], "node 0.markers[0][2]"),
        ([row(location=["a", "1", "b"])], "node 0.location[1]"),
        ([row(location=["a", 1.5, "b"])], "node 0.location[1]"),
        ([row(location=[1, 1, "b"])], "node 0.location[0]"),
        ([row(location=["a", 1, None])], "node 0.location[2]"),
        ([row(originalname=1)], "node 0.originalname"),
        ([row(function={"a": 1})], "node 0.function['a']"),
        ([row(callspec=["a"])], "node 0.callspec"),
        ([row(callspec=[1, {}])], "node 0.callspec[0]"),
        ([row(callspec=["a", []])], "node 0.callspec[1]"),
        ([row(python=[1])], "node 0.python[0]"),
        ([row(doc=1)], "node 0.doc"),
        ([{key: value for key, value in row(kind="item").items() if key != "location"}], "node 0.location"),
    ],
)
def test_what_is_no_row(rows: list[dict[str, Any]], where: str) -> None:
    """The place is named."""
    with pytest.raises(wire.WireError) as caught:
        check_rows(rows, 0)
    assert str(caught.value) == f"the collection is not what it has to be: {where}"


@pytest.mark.parametrize(
    ("items", "deselected", "why"),
    [
        ([1, 2], [3], ""),
        ([], [], ""),
        ([1, 4], [], "names a node that it does not describe"),
        ([-1], [], "names a node that it does not describe"),
        ([], [4], "names a node that it does not describe"),
        ([0], [], "names a node that is no test"),
        ([], [0], "names a node that is no test"),
        ([1, 1], [], "names a test twice"),
        ([1], [1], "names a test twice"),
    ],
)
def test_which_nodes_are_tests(items: list[int], deselected: list[int], why: str) -> None:
    """Described ones, each once."""
    rows = [row(), *(row(0, "item") for _ in range(3))]
    collected = wire.Collected(items=items, deselected=deselected, digest="")
    if not why:
        check_collected(collected, rows)
        return
    with pytest.raises(wire.WireError) as caught:
        check_collected(collected, rows)
    assert str(caught.value) == f"the collection {why}"


@pytest.mark.parametrize("outcome", ["failed", "skipped"])
@pytest.mark.parametrize("node", [-1, 0, 1])
def test_a_collection_report(node: int, outcome: str) -> None:
    """On the session or on a node."""
    check_collect_report(wire.CollectReport(node=node, data={"outcome": outcome}), 2)


@pytest.mark.parametrize(
    ("node", "data", "why"),
    [
        (-2, {"outcome": "failed"}, "a collection report is on a node that was not described"),
        (2, {"outcome": "failed"}, "a collection report is on a node that was not described"),
        # the host would take what is below it for not there
        (0, {"outcome": "passed"}, "a collection report is on a collector that did not fail"),
        (0, {"outcome": "odd"}, "a collection report is on a collector that did not fail"),
        (0, {}, "a collection report is on a collector that did not fail"),
    ],
)
def test_what_is_no_collection_report(node: int, data: dict[str, Any], why: str) -> None:
    """A failure that is hidden would hide its tests."""
    with pytest.raises(wire.WireError) as caught:
        check_collect_report(wire.CollectReport(node=node, data=data), 2)
    assert str(caught.value) == why


# Reports

CRASH = {"path": "a.py", "lineno": 3, "message": "boom"}
ENTRY = {
    "type": "ReprEntry",
    "data": {
        "lines": ["x"],
        "reprfuncargs": {"args": [["a", "1"]]},
        "reprlocals": {"lines": ["l"]},
        "reprfileloc": CRASH,
        "style": "long",
    },
}
TRACEBACK = {"reprentries": [ENTRY], "extraline": None, "style": "long"}
REPR = {
    "reprcrash": CRASH,
    "reprtraceback": TRACEBACK,
    "sections": [["a", "b", "-"]],
    "chain": [[TRACEBACK, CRASH, None]],
}


def report(**changes: Any) -> dict[str, Any]:
    """A serialised report."""
    return {"outcome": "failed", "longrepr": None, **changes}


@pytest.mark.parametrize(
    "data",
    [
        report(),
        report(longrepr="text"),
        report(longrepr=REPR),
        report(longrepr={**REPR, "chain": None, "reprcrash": None}),
        report(longrepr={"longrepr": "text"}),
        report(outcome="skipped", longrepr=["a.py", 1, "Skipped: x"]),
        report(outcome="skipped", longrepr=["a.py", None, "Skipped: x"]),
        report(outcome="skipped", longrepr=REPR, wasxfail="reason"),
        report(outcome="rerun", longrepr=REPR),
        report(nodeid="a", when="call", location=["a", 1, "b"], keywords={"a": 1}, sections=[["a", "b"]]),
        report(when=None, location=None, user_properties=[["a", {"b": 1}]], duration=0.5, start=1, stop=2.0),
        report(extras=[{"any": "thing"}]),
    ],
)
def test_a_report(data: dict[str, Any]) -> None:
    """As pytest and its plugins write them."""
    assert problem_of_report(data, {"toterminal"}) == ""


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({}, "report"),
        ({"outcome": "passed"}, "report"),
        ({"longrepr": None}, "report"),
        (report(outcome=None), "report.outcome"),
        (report(longrepr=1), "report.longrepr"),
        (report(longrepr={}), "report.longrepr"),
        (report(longrepr=["a", 1]), "report.longrepr"),
        (report(longrepr={**REPR, "reprcrash": {**CRASH, "lineno": "3"}}), "report.longrepr"),
        (report(longrepr={**REPR, "reprcrash": {"path": "a"}}), "report.longrepr"),
        (report(longrepr={**REPR, "reprcrash": {**CRASH, "path": None}}), "report.longrepr"),
        (report(longrepr={**REPR, "reprcrash": {**CRASH, "message": 1}}), "report.longrepr"),
        (report(longrepr={**REPR, "reprtraceback": None}), "report.longrepr"),
        (report(longrepr={**REPR, "reprtraceback": {**TRACEBACK, "extraline": 1}}), "report.longrepr"),
        (report(longrepr={**REPR, "reprtraceback": {**TRACEBACK, "style": 1}}), "report.longrepr"),
        (report(longrepr={**REPR, "chain": [[TRACEBACK, CRASH]]}), "report.longrepr"),
        (report(longrepr={**REPR, "chain": [[None, CRASH, None]]}), "report.longrepr"),
        (report(longrepr={**REPR, "chain": [[TRACEBACK, CRASH, 1]]}), "report.longrepr"),
        (report(longrepr={**REPR, "sections": [["a", "b"]]}), "report.longrepr"),
        (report(longrepr={**REPR, "sections": [["a", "b", 1]]}), "report.longrepr"),
        (report(longrepr={"longrepr": 1}), "report.longrepr"),
        (report(outcome="skipped"), "report.longrepr"),
        (report(outcome="skipped", longrepr="text"), "report.longrepr"),
        (report(longrepr=[1, 1, "a"]), "report.longrepr"),
        (report(nodeid="a\0"), "report.nodeid"),
        (report(when=1), "report.when"),
        (report(location=["a"]), "report.location"),
        (report(keywords=["a"]), "report.keywords"),
        (report(sections=[["a", 1]]), "report.sections[0][1]"),
        (report(sections=[[1, "a"]]), "report.sections[0][0]"),
        (report(user_properties=[["a"]]), "report.user_properties[0]"),
        (report(duration="1"), "report.duration"),
        (report(duration=float("inf")), "report.duration"),
        (report(start=None), "report.start"),
        (report(stop=None), "report.stop"),
        (report(wasxfail=1), "report.wasxfail"),
        (report(toterminal="x"), "report.toterminal"),
    ],
)
def test_what_is_no_report(data: dict[str, Any], where: str) -> None:
    """The place is named."""
    assert problem_of_report(data, {"toterminal"}) == where


@pytest.mark.parametrize("part", ["lines", "reprfuncargs", "reprlocals", "reprfileloc", "style"])
@pytest.mark.parametrize("value", [1, [1], {"args": [["a"]], "lines": [1], "path": 1}])
def test_what_is_no_entry_of_a_traceback(part: str, value: Any) -> None:
    """Each part of it is written to the terminal."""
    entry = {**ENTRY, "data": {**ENTRY["data"], part: value}}  # type: ignore[dict-item]
    data = report(longrepr={**REPR, "reprtraceback": {**TRACEBACK, "reprentries": [entry]}})
    assert problem_of_report(data, ()) == "report.longrepr"


def test_an_unknown_entry_of_a_traceback() -> None:
    """Pytest knows two kinds."""
    entry = {**ENTRY, "type": "Other"}
    data = report(longrepr={**REPR, "reprtraceback": {**TRACEBACK, "reprentries": [entry]}})
    assert problem_of_report(data, ()) == "report.longrepr"
    native = {"type": "ReprEntryNative", "data": {"lines": ["x"], "style": "native"}}
    data = report(longrepr={**REPR, "reprtraceback": {**TRACEBACK, "reprentries": [native]}})
    assert problem_of_report(data, ()) == ""


# Verdicts


def phase(when: str, outcome: str = "passed", kind: str = "TestReport") -> dict[str, Any]:
    """A report of a phase."""
    return {"$report_type": kind, "when": when, "outcome": outcome}


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([], True),
        ([phase("setup")], True),
        ([phase("setup"), phase("teardown")], True),
        ([phase("setup"), phase("call"), phase("teardown")], False),
        ([phase("setup"), phase("call", "failed")], False),
        ([phase("setup", "failed"), phase("teardown")], False),
        ([phase("setup", "skipped")], False),
        # a rerun alone is no verdict
        ([phase("setup"), phase("call", "rerun"), phase("teardown")], True),
        ([phase("setup"), phase("call", "rerun"), phase("setup"), phase("call"), phase("teardown")], False),
        # a subtest's report is not the test's
        ([phase("setup"), phase("call", "passed", "SubtestReport"), phase("teardown")], True),
        ([phase("setup"), phase("teardown", "failed")], True),
        # what has no place on the host would be lost there
        ([phase("setup"), phase("call"), phase("???", "failed")], True),
        ([phase("setup"), phase("call"), phase("teardown", "failed")], False),
        ([phase("setup"), phase("call"), phase("???", "passed")], False),
        ([phase("???", "failed")], True),
        ([phase("setup"), phase("call", "odd")], True),
    ],
)
def test_a_test_without_a_verdict(reports: list[dict[str, Any]], expected: bool) -> None:  # noqa: FBT001
    """Its phases would count as passed."""
    assert lacks_verdict(reports) == expected
