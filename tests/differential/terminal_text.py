"""What a run showed on the terminal, freed of what differs by nature. Pure.

Left out: the header (versions, rootdir, plugins), the plugin's own lines, times, the width of
rulers, and the block of ``--durations``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from differential.comparison import without_variable
from pytest_dockerci.terminal import printable

_RULER = re.compile(r"^(=+|-+|_+|!+) (.*?) ?(=+|-+|_+|!+)?$")
_AGE = re.compile(r"\(cache from \d+:\d\d:\d\d ago,")
_SECONDS = re.compile(r"\b\d+\.\d\ds\b( \(\d+:\d\d:\d\d\))?")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_SUMMARY_LINE = re.compile(r"((?:FAILED|ERROR|XFAIL|XPASS|SUBFAILED\S*) .*?) - (.*)$")
_HEADER_ENDS = ("collecting ", "collected ")


def comparable_lines(text: str, places: Sequence[str]) -> list[str]:
    """The lines of a run's output that plain pytest shows as well."""
    text = printable(
        _COLOUR.sub("", without_variable(text, places))
    )  # what a person would see of control characters
    lines = _AGE.sub("(cache from T ago,", text).splitlines()
    return [_without_odd_reason(line) for line in _without_blocks(_without_header(lines))]


def has_unencodable_text(plain: str) -> bool:
    """True for a run by hand that showed lone surrogates: pytest then escapes whole texts (differences.md)."""
    return re.search(r"\\ud[89a-f][0-9a-f]{2}", plain) is not None


def _without_odd_reason(line: str) -> str:
    """A line of the short summary without a reason that was shortened, or in which something was escaped.

    What is escaped takes more room, so the line may be shortened elsewhere.
    """
    match = _SUMMARY_LINE.match(line)
    has_odd_reason = match is not None and ("\\" in match[2] or match[2].endswith("..."))
    return f"{match[1]} - ..." if match is not None and has_odd_reason else line


def text_differences(ours: Sequence[str], plain: Sequence[str]) -> list[str]:
    """The lines that differ, as a diff without context: ``-`` here only, ``+`` by hand only."""
    return [
        line
        for line in difflib.unified_diff(ours, plain, "through the plugin", "by hand", lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]


def _without_header(lines: Sequence[str]) -> Iterator[str]:
    in_header = any(" test session starts " in line for line in lines)
    for line in lines:
        if in_header and line.startswith(_HEADER_ENDS):
            in_header = False
        if not in_header:
            yield line


def _without_blocks(lines: Iterator[str]) -> Iterator[str]:
    """Without the plugin's own lines and the durations; rulers and times made equal."""
    left_out = False
    for line in lines:
        ruler = _RULER.match(line)
        if ruler is not None:
            left_out = ruler[2] == "dockerci" or "slowest" in ruler[2]
        if left_out or line.startswith("dockerci:"):
            continue
        yield _SECONDS.sub("T", f"== {ruler[2]}" if ruler is not None else line)
