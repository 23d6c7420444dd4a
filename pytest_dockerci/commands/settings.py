"""The settings of suites that are not pytest: which commands there are, and where their results lie. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from pytest_dockerci.commands.result_line import DEFAULT_PATTERN
from pytest_dockerci.errors import SettingsError

Format = Literal["junit", "tap", "go"]
STANDARD_OUTPUT = "-"

_FORMATS: dict[str, Format] = {"junit": "junit", "tap": "tap", "go": "go"}
_BY_SUFFIX: dict[str, Format] = {
    ".xml": "junit",
    ".tap": "tap",
    ".json": "go",
    ".jsonl": "go",
    ".ndjson": "go",
}
_SHELL_WORDS = frozenset({"&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1", "2>"})
_SERVICE = re.compile(r"(?P<service>[A-Za-z0-9][A-Za-z0-9._-]*):\s+(?P<rest>\S.*)", re.DOTALL)
_NUMBER = re.compile(r"(?P<number>[1-9]\d{0,3}):\s*(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsPlace:
    """Where results lie.

    Attributes:
        path: In the container, relative to its working directory or absolute, with ``*`` and ``**``; or ``-``.
        format: What is in it.
    """

    path: str
    format: Format

    @property
    def is_standard_output(self) -> bool:
        """They are what the command prints."""
        return self.path == STANDARD_OUTPUT


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """One line of `dockerci_command`.

    Attributes:
        number: Its place among them, from 0.
        service: The service in whose image it runs.
        argv: Program and arguments.
        shown: As it was written.
        results: Where its results lie.
        pattern: What its closing line looks like.
        is_line_required: It must print one.
    """

    number: int
    service: str
    argv: tuple[str, ...]
    shown: str
    results: tuple[ResultsPlace, ...] = ()
    pattern: re.Pattern[str] = re.compile(DEFAULT_PATTERN)
    is_line_required: bool = False

    @property
    def nodeid(self) -> str:
        """What pytest calls it."""
        return f"dockerci::{self.service}::{self.shown}"


def parse_commands(
    lines: Sequence[str], results: Sequence[str], pattern: str, *, service: str
) -> tuple[CommandLine, ...]:
    """The commands.

    Args:
        lines: Of `dockerci_command`: ``[SERVICE: ]PROGRAM ARGUMENTS``.
        results: Of `dockerci_results`: ``[NUMBER: ][FORMAT:]PATH``.
        pattern: `dockerci_result_pattern`; empty for the default one, which is not required then.
        service: Whose image is under test.

    Raises:
        SettingsError: A line cannot be meant.
    """
    commands = [line.strip() for line in lines if line.strip()]
    if len(set(commands)) < len(commands):
        twice = next(line for line in commands if commands.count(line) > 1)
        raise _bad("dockerci_command", twice, "each command once; an argument tells two apart")
    if not commands:
        raise _bad(
            "dockerci_results", results[0], "the commands that write them: dockerci_command is not set"
        )
    places = [_place(line.strip(), len(commands)) for line in results if line.strip()]
    compiled = _pattern(pattern)
    return tuple(
        _command(
            line,
            number,
            service,
            results=tuple(place for of, place in places if of in (None, number)),
            pattern=compiled,
            is_line_required=bool(pattern),
        )
        for number, line in enumerate(commands)
    )


def _command(
    line: str,
    number: int,
    service: str,
    *,
    results: tuple[ResultsPlace, ...],
    pattern: re.Pattern[str],
    is_line_required: bool,
) -> CommandLine:
    named = _SERVICE.fullmatch(line)
    text = named["rest"] if named is not None else line
    try:
        argv = shlex.split(text)
    except ValueError as error:
        raise _bad("dockerci_command", line, "a command with its quotes closed", why=str(error)) from error
    if not argv or not argv[0]:
        raise _bad("dockerci_command", line, "a program and its arguments")
    shell_word = next((word for word in argv if word in _SHELL_WORDS), None)
    if shell_word is not None:
        why = f"no shell reads it, so {shell_word!r} does nothing"
        raise _bad("dockerci_command", line, f"sh -c {shlex.quote(text)}", why=why)
    if "=" in argv[0]:
        raise _bad("dockerci_command", line, "the program first, and variables in dockerci_env")
    outputs = [place for place in results if place.is_standard_output]
    if len(outputs) > 1:
        raise _bad("dockerci_results", "-", f"one format for the standard output of {text!r}")
    return CommandLine(
        number=number,
        service=named["service"] if named is not None else service,
        argv=tuple(argv),
        shown=" ".join(text.split()),
        results=results,
        pattern=pattern,
        is_line_required=is_line_required,
    )


def _place(line: str, commands: int) -> tuple[int | None, ResultsPlace]:
    """The number of the command that writes it, from 0, or None for each of them; and the place."""
    numbered = _NUMBER.fullmatch(line)
    number = int(numbered["number"]) - 1 if numbered is not None else None
    if number is not None and number >= commands:
        raise _bad("dockerci_results", line, f"the number of a line of dockerci_command, 1 to {commands}")
    text = numbered["rest"] if numbered is not None else line
    kind, separator, path = text.partition(":")
    if separator and kind in _FORMATS:
        return number, _checked(line, path.strip(), _FORMATS[kind])
    suffix = PurePosixPath(text).suffix.lower()
    if suffix not in _BY_SUFFIX:
        raise _bad(
            "dockerci_results",
            line,
            "its format before it (junit:, tap: or go:), or a name that ends in .xml, .tap, .json or .jsonl",
        )
    return number, _checked(line, text, _BY_SUFFIX[suffix])


def _checked(line: str, path: str, kind: Format) -> ResultsPlace:
    if not path or path.endswith("/") or "\0" in path:
        raise _bad("dockerci_results", line, "the path of a file in the container, or - for standard output")
    if path == STANDARD_OUTPUT and kind == "junit":
        raise _bad("dockerci_results", line, "tap:- or go:-, or the path of a file for JUnit XML")
    if ".." in PurePosixPath(path).parts:
        raise _bad("dockerci_results", line, "a path without `..`")
    return ResultsPlace(path=path, format=kind)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text or DEFAULT_PATTERN)
    except re.error as error:
        raise _bad(
            "dockerci_result_pattern", text, "a regular expression of Python's", why=str(error)
        ) from error


def _bad(setting: str, value: str, allowed: str, *, why: str = "") -> SettingsError:
    return SettingsError(
        f"pytest-dockerci: {setting} = {shlex.quote(value)} cannot be used", why=why, fix=f"write {allowed}"
    )
