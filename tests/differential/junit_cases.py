"""Reads a JUnit file as events that `comparison` compares: cases, properties and counts; no times."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET


def junit_events(xml: str) -> list[dict[str, Any]]:
    """One event for each test case, and one for each suite."""
    events: list[dict[str, Any]] = []
    for suite in ET.fromstring(xml).iter("testsuite"):  # noqa: S314 - pytest wrote it for us
        counts = {name: suite.get(name) for name in ("name", "errors", "failures", "skipped", "tests")}
        properties = [_element(child) for child in suite.iterfind("properties/*")]
        events.append(
            {"kind": "junit", "nodeid": "<testsuite>", "children": [counts, *properties]},
        )
        events += [
            {
                "kind": "junit",
                "nodeid": f"{case.get('classname')}.{case.get('name')}",
                "file": case.get("file"),
                "line": case.get("line"),
                "properties": {
                    name: value
                    for name, value in case.attrib.items()
                    if name not in ("classname", "name", "file", "line", "time")
                },
                "children": [_element(child) for child in case],
            }
            for case in suite.iterfind("testcase")
        ]
    return events


def _element(element: ET.Element) -> list[Any]:
    return [element.tag, element.attrib, element.text or "", *(_element(child) for child in element)]
