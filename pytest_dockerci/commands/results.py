"""A results file as cases, whatever its format. Pure."""

from __future__ import annotations

from pytest_dockerci.commands.case import Case, Results
from pytest_dockerci.commands.go_json import GoJsonParser
from pytest_dockerci.commands.junit_xml import parse_junit
from pytest_dockerci.commands.settings import Format
from pytest_dockerci.commands.tap import TapParser


def parse_file(kind: Format, data: bytes, origin: str) -> Results:
    """The cases of a file, and why it cannot be trusted.

    Args:
        kind: What is in it.
        data: Its bytes.
        origin: Its name.
    """
    if kind == "junit":
        return parse_junit(data, origin)
    if not data.strip():
        return Results(origin=origin, problems=(f"{origin} is empty",))
    parser = TapParser(origin) if kind == "tap" else GoJsonParser(origin, is_strict=True)
    cases: list[Case] = []
    for line in data.decode("utf-8", "backslashreplace").split("\n"):
        cases += parser.feed(line)
    cases += parser.close()
    return Results(origin=origin, cases=tuple(cases), problems=tuple(parser.problems))
