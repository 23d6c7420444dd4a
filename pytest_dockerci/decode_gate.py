"""What a container may say of its tests: the shapes of node rows and reports. Pure.

`agent.schema` knows the fields of messages. What some of them carry is made by pytest and its plugins in the
container; here is what the host relies on in it, so that nothing else is ever looked at.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, Literal

from pytest_dockerci.agent import wire
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

_TEXT = Text()
_NAME = Text(is_name=True)
_WHOLE = Number(is_whole=True)
_KINDS = frozenset({"item", "class", "directory", "file", "collector"})
PHASES: tuple[Literal["setup", "call", "teardown"], ...] = ("setup", "call", "teardown")
_OUTCOMES = frozenset({"passed", "failed", "skipped"})


def _maybe(shape: Shape) -> Shape:
    return OneOf((shape, Nothing()))


# Node rows: `agent.tree`

_LOCATION = Row((_TEXT, _maybe(_WHOLE), _TEXT))
_NODE = Fields(
    {
        "parent": _WHOLE,
        "kind": Text(_KINDS),
        "type": _TEXT,
        "name": _NAME,
        "path": _NAME,
        "nodeid": _NAME,
        "keywords": ListOf(_TEXT),
        "markers": ListOf(Row((_TEXT, ListOf(Anything()), Table(Anything())))),
    },
    {
        "location": _LOCATION,
        "originalname": _maybe(_TEXT),
        "function": Table(_TEXT),
        "callspec": Row((_TEXT, Table(Anything()))),
        "python": ListOf(_TEXT),
        "doc": _TEXT,
    },
)


def check_rows(rows: Sequence[Mapping[str, Any]], first: int) -> None:
    """Check rows of a collection tree.

    Args:
        rows: As they came.
        first: The number of the first one.

    Raises:
        wire.WireError: One is no row, or comes before its parent.
    """
    for number, row in enumerate(rows, first):
        wrong = _NODE.misfit(row)
        if wrong is None and not -1 <= row["parent"] < number:
            wrong = ".parent"
        if wrong is None and row["kind"] == "item" and "location" not in row:
            wrong = ".location"
        if wrong is not None:
            raise wire.WireError(f"the collection is not what it has to be: node {number}{wrong}")


def check_collect_report(report: wire.CollectReport, count: int) -> None:
    """Check on which node a collection report is, and that it tells of no success: those are not sent.

    Args:
        report: As it came.
        count: How many nodes have been described.

    Raises:
        wire.WireError: It is on no such node, or is none.
    """
    if not -1 <= report.node < count:
        raise wire.WireError("a collection report is on a node that was not described")
    if report.data.get("outcome") not in ("failed", "skipped"):
        raise wire.WireError("a collection report is on a collector that did not fail")


def check_collected(collected: wire.Collected, rows: Sequence[Mapping[str, Any]]) -> None:
    """Check which nodes are tests.

    Raises:
        wire.WireError: One is no test, or is named twice.
    """
    numbers = [*collected.items, *collected.deselected]
    if any(not 0 <= number < len(rows) for number in numbers):
        raise wire.WireError("the collection names a node that it does not describe")
    if any(rows[number]["kind"] != "item" for number in numbers):
        raise wire.WireError("the collection names a node that is no test")
    if len(set(numbers)) != len(numbers):
        raise wire.WireError("the collection names a test twice")


# Reports: pytest's `_report_to_json`

_CRASH = _maybe(Fields({"path": _TEXT, "lineno": _WHOLE, "message": _TEXT}))
_TRACEBACK = Fields(
    {
        "reprentries": ListOf(
            Fields(
                {
                    "type": Text(frozenset({"ReprEntry", "ReprEntryNative"})),
                    "data": Fields(
                        {"lines": ListOf(_TEXT)},
                        {
                            "reprfuncargs": _maybe(Fields({"args": ListOf(Row((_TEXT, _TEXT)))})),
                            "reprlocals": _maybe(Fields({"lines": ListOf(_TEXT)})),
                            "reprfileloc": _CRASH,
                            "style": _TEXT,
                        },
                    ),
                }
            )
        ),
        "extraline": _maybe(_TEXT),
        "style": _TEXT,
    }
)
_LONG_REPR = OneOf(
    (
        Nothing(),
        _TEXT,
        Row((_TEXT, _maybe(_WHOLE), _TEXT)),
        Fields(
            {"reprcrash": _CRASH, "reprtraceback": _TRACEBACK},
            {
                "chain": _maybe(ListOf(Row((_TRACEBACK, _CRASH, _maybe(_TEXT))))),
                "sections": ListOf(Row((_TEXT, _TEXT, _TEXT))),
            },
        ),
        Fields({"longrepr": _TEXT}),
    )
)
_REPORT = Fields(
    {"outcome": _TEXT, "longrepr": _LONG_REPR},
    {
        "nodeid": _NAME,
        "when": _maybe(_TEXT),
        "location": _maybe(_LOCATION),
        "keywords": Table(Anything()),
        "sections": ListOf(Row((_TEXT, _TEXT))),
        "user_properties": ListOf(Row((Anything(), Anything()))),
        "duration": Number(),
        "start": Number(),
        "stop": Number(),
        "wasxfail": _TEXT,
    },
)
# Words of the protocol and of pytest, which a silly secret could be equal to.
WORDS = frozenset(
    {
        *_OUTCOMES,
        *_KINDS,
        *PHASES,
        *(
            "rerun",
            "TestReport",
            "CollectReport",
            "SubtestReport",
            "SubTestReport",
            "ReprEntry",
            "ReprEntryNative",
        ),
    }
)
# Keys of these dictionaries, and of what pytest says of subtests: no text of a test's own is ever one of them.
STRUCTURE = frozenset({*names_in(_NODE), *names_in(_REPORT), "result", "_subtest.context", "msg", "kwargs"})
_SKIP = Row((_TEXT, _maybe(_WHOLE), _TEXT))


def problem_of_report(data: Mapping[str, Any], reserved: Container[str]) -> str:
    """Where a serialised report is not what the host relies on; empty when it is.

    Args:
        data: As ``pytest_report_to_serializable`` wrote it in the container.
        reserved: Names that a report's own class has; an attribute of one would stand in its place.
    """
    wrong = misfit(data, _REPORT, "report")
    if wrong:
        return wrong
    if (
        data["outcome"] == "skipped"
        and "wasxfail" not in data
        and misfit(data["longrepr"], _SKIP, "longrepr")
    ):
        return "report.longrepr"
    return next((f"report.{name:.60}" for name in data if name in reserved), "")


def lacks_verdict(reports: Sequence[Mapping[str, Any]]) -> bool:
    """True when the reports of a test say neither how its call ended nor why there was none.

    Args:
        reports: All that the container sent of it, in order.
    """
    judged = [
        (data.get("when"), data["outcome"])
        for data in reports
        if data.get("$report_type") == "TestReport" and data.get("outcome") in _OUTCOMES
    ]
    # A failure of no phase (a plugin's report on a process of its own that crashed) has no place on the host.
    if any(when not in PHASES and outcome == "failed" for when, outcome in judged):
        return True
    return not any(when == "call" or (when == "setup" and outcome != "passed") for when, outcome in judged)
