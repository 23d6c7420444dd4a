"""Text from outside cannot drive a terminal or a CI system; durations read well."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_dockerci.terminal import format_seconds, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text \u00e4\u20ac\U0001f600", "plain text \u00e4\u20ac\U0001f600"),
        ("tab\tand\nnewline", "tab\tand\nnewline"),
        ("windows\r\nlines", "windows\nlines"),
        ("overwritten\rline", "overwritten\\rline"),
        ("\x1b[31mred\x1b[0m \x1b[1;38;5;9mbold\x1b[m", "\x1b[31mred\x1b[0m \x1b[1;38;5;9mbold\x1b[m"),
        ("\x1b[2Jcleared", "\\x1b[2Jcleared"),
        ("\x1b[1;1Hmoved", "\\x1b[1;1Hmoved"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b]8;;http://x\x1b\\link", "\\x1b]8;;http://x\\x1b\\link"),
        ("\x1bc reset", "\\x1bc reset"),
        ("cut \x1b[31", "cut \\x1b[31"),
        ("cut \x1b", "cut \\x1b"),
        ("\x9b31m", "\\x9b31m"),
        ("\x00\x08\x0b\x7f", "\\x00\\x08\\x0b\\x7f"),
        ("user\u202egpj.exe", "user\\u202egpj.exe"),
        ("\u2066isolate\u2069 \u200e\u200f\u061c", "\\u2066isolate\\u2069 \\u200e\\u200f\\u061c"),
        ("byte \udcff", "byte \\xff"),
        ("a::b :: c # ## [x] \n: x", "a::b :: c # ## [x] \n: x"),
        ("\u2028\u2029\x85", "\\u2028\\u2029\\x85"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    """Colours, tabs and newlines stay; what moves, clears, retitles or reverses is shown escaped."""
    assert printable(text) == shown


@pytest.mark.parametrize(
    "command",
    [
        "::set-env name=PATH::/evil",
        "::add-mask::x",
        "::stop-commands::x",
        "##[group]x",
        "##vso[task.setvariable]x",
    ],
)
def test_commands_of_ci_systems_are_no_commands(command: str) -> None:
    """What a test prints at the start of a line is no order to the CI system that reads it."""
    for line in printable(f"before\n{command}\n  {command}").splitlines()[1:]:
        assert not line.lstrip().startswith(("::", "##["))
        assert not line.lstrip().startswith("##vso[")
        assert command[2:] in line


@settings(deadline=None)
@given(st.text())
def test_nothing_but_colours_controls(text: str) -> None:
    """Whatever comes, only colours, tabs and newlines are left, and a second pass changes nothing."""
    shown = printable(text)
    assert printable(shown) == shown
    controls = [each for each in shown if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp")]
    assert set(controls) <= set("\n\t\x1b")
    shown.encode()  # no lone surrogate is left


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (0.424, "0.42 s"),
        (9.99, "9.99 s"),
        (12.34, "12.3 s"),
        (60, "1 min 00 s"),
        (185.4, "3 min 05 s"),
    ],
)
def test_a_duration(seconds: float, text: str) -> None:
    """Three digits are enough."""
    assert format_seconds(seconds) == text
