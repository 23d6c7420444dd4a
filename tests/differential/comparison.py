"""Compares two runs of one suite: through the plugin, and by hand in the image. Pure.

A run is what `acceptance.report_log` wrote of it. Everything that pytest says counts; times and
addresses do not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from acceptance.project import Run

Event = dict[str, Any]

_COMPARED = (
    "type",
    "outcome",
    "wasxfail",
    "location",
    "sections",
    "text",
    "properties",
    "keywords",
    "skip",
    # JUnit
    "file",
    "line",
    "children",
)
# Where two runs of the same suite differ by nature.
_VARIABLE = (
    (re.compile("0x[0-9a-fA-F]{6,}"), "0x..."),
    (re.compile(r"/pytest-of-(\w+)/pytest-\d+"), r"/pytest-of-\1/pytest-N"),
)
_MAX_SHOWN_CHARACTERS = 600


def differences(ours: Run, plain: Run, *, places: Sequence[str], has_same_texts: bool = True) -> list[str]:
    """What differs, one line each, named by its test; empty for equal runs.

    Args:
        ours: The run through the plugin.
        plain: The run by hand.
        places: The folders that stand for each other: rootdir here and there.
        has_same_texts: False where the texts of failures name things that differ by nature.
    """

    def same(value: Any) -> Any:
        return without_variable(value, places)

    left_out = () if has_same_texts else ("text",)
    return [
        *_of_values("exit code", ours.exit_code, plain.exit_code),
        *_of_order("selected tests", same(ours.ids()), same(plain.ids())),
        *_of_order("deselected tests", sorted(_deselected(ours)), sorted(_deselected(plain))),
        *_of_order("warnings", same(ours.of_kind("warning")), same(plain.of_kind("warning"))),
        *_of_events("collect", ours, plain, same, left_out),
        *_of_events("test", ours, plain, same, left_out),
        *_of_events("junit", ours, plain, same, left_out),
    ]


def without_variable(value: Any, places: Sequence[str]) -> Any:
    """The value with every text freed of what differs by nature."""
    if isinstance(value, str):
        for place in places:
            value = value.replace(place, "<root>")
        for pattern, stands_for in _VARIABLE:
            value = pattern.sub(stands_for, value)
        return value
    if isinstance(value, (list, tuple)):
        return [without_variable(element, places) for element in value]
    if isinstance(value, dict):
        return {key: without_variable(element, places) for key, element in value.items()}
    return value


def _of_events(
    kind: str, ours: Run, plain: Run, same: Callable[[Any], Any], left_out: Sequence[str]
) -> Iterator[str]:
    mine, theirs = (_by_name(run.of_kind(kind)) for run in (ours, plain))
    yield from _of_order(f"{kind} reports", list(mine), list(theirs))
    for name in mine.keys() & theirs.keys():
        for key in _COMPARED:
            if key in mine[name] and key not in left_out:
                yield from _of_values(
                    f"{kind} {name}: {key}", *(same(_value(event[name], key)) for event in (mine, theirs))
                )


def _by_name(events: Sequence[Event]) -> dict[str, Event]:
    """Events by node id and phase; further ones of the same name are numbered."""
    seen: Counter[str] = Counter()
    result = {}
    for event in events:
        name = f"{event['nodeid']} {event.get('when') or ''}".rstrip()
        seen[name] += 1
        result[name if seen[name] == 1 else f"{name} #{seen[name]}"] = event
    return result


def _value(event: Event, key: str) -> Any:
    value = event[key]
    return [keyword for keyword in value if keyword != "dockerci"] if key == "keywords" else value


def _of_order(what: str, ours: Sequence[Any], plain: Sequence[Any]) -> Iterator[str]:
    if list(ours) == list(plain):
        return
    mine, theirs = (Counter(map(repr, values)) for values in (ours, plain))
    found = False
    for count, verb in ((mine - theirs, "only through the plugin"), (theirs - mine, "only by hand")):
        for value in count.elements():
            found = True
            yield f"{what}: {verb}: {value[:_MAX_SHOWN_CHARACTERS]}"
    if not found:
        first = next(index for index, pair in enumerate(zip(ours, plain, strict=True)) if pair[0] != pair[1])
        yield f"{what}: another order from number {first} on: {ours[first]!r} here, {plain[first]!r} by hand"


def _of_values(what: str, ours: Any, plain: Any) -> Iterator[str]:
    if ours == plain:
        return
    if isinstance(ours, str) and isinstance(plain, str) and len(ours) + len(plain) > _MAX_SHOWN_CHARACTERS:
        start = next(
            (index for index, pair in enumerate(zip(ours, plain, strict=False)) if pair[0] != pair[1]),
            min(len(ours), len(plain)),
        )
        begin, end = max(0, start - 80), start + 200
        ours, plain = f"...{ours[begin:end]}", f"...{plain[begin:end]}"
    yield f"{what}: {ours!r} here, {plain!r} by hand"


def _deselected(run: Run) -> list[str]:
    return [nodeid for event in run.of_kind("deselected") for nodeid in event["nodeids"]]
