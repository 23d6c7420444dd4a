"""`dockerci_command`, `dockerci_results` and `dockerci_result_pattern`, as they are written."""

from __future__ import annotations

import pytest

from pytest_dockerci.commands.result_line import ResultLine
from pytest_dockerci.commands.settings import CommandLine, parse_commands
from pytest_dockerci.errors import SettingsError


def parse(*lines: str, results: tuple[str, ...] = (), pattern: str = "") -> tuple[CommandLine, ...]:
    """The commands of a project that tests `web`."""
    return parse_commands(lines, results, pattern, service="web")


@pytest.mark.parametrize(
    ("line", "service", "argv", "shown"),
    [
        ("/opt/app/test.sh", "web", ("/opt/app/test.sh",), "/opt/app/test.sh"),
        ("  make   test  ", "web", ("make", "test"), "make test"),
        ("sh -c 'a && b'", "web", ("sh", "-c", "a && b"), "sh -c 'a && b'"),
        ("worker: npm test", "worker", ("npm", "test"), "npm test"),
        ("a.b-c: npm test", "a.b-c", ("npm", "test"), "npm test"),
        ("echo worker: no", "web", ("echo", "worker:", "no"), "echo worker: no"),
        ("php artisan test:all", "web", ("php", "artisan", "test:all"), "php artisan test:all"),
        ('run "$HOME"', "web", ("run", "$HOME"), 'run "$HOME"'),
    ],
)
def test_commands(line: str, service: str, argv: tuple[str, ...], shown: str) -> None:
    """Words as a shell makes them; nothing else that a shell does."""
    [command] = parse(line)
    assert (command.service, command.argv, command.shown) == (service, argv, shown)
    assert command.nodeid == f"dockerci::{service}::{shown}"


def test_results() -> None:
    """By name or by format, of one command or of each."""
    one, two = parse(
        "a", "worker: b", "", results=("out.xml", "2: tap:-", "1:go:log.txt", " reports/**/*.XML", "")
    )
    assert [(place.path, place.format) for place in one.results] == [
        ("out.xml", "junit"),
        ("log.txt", "go"),
        ("reports/**/*.XML", "junit"),
    ]
    assert [(place.path, place.format) for place in two.results] == [
        ("out.xml", "junit"),
        ("-", "tap"),
        ("reports/**/*.XML", "junit"),
    ]
    assert (one.number, two.number, two.service) == (0, 1, "worker")


@pytest.mark.parametrize(
    ("lines", "results", "pattern", "says"),
    [
        (("make 'test",), (), "", "a command with its quotes closed"),
        (("''",), (), "", "a program and its arguments"),
        (("make && test",), (), "", "sh -c 'make && test'"),
        (("make > log",), (), "", "no shell reads it, so '>' does nothing"),
        (("CI=1 make",), (), "", "variables in dockerci_env"),
        (("make", "make"), (), "", "each command once"),
        (("make",), ("out.txt",), "", "its format before it (junit:, tap: or go:)"),
        (("make",), ("junit:-",), "", "tap:- or go:-"),
        (("make",), ("tap:-", "go:-"), "", "one format for the standard output"),
        (("make",), ("2: out.xml",), "", "the number of a line of dockerci_command, 1 to 1"),
        (("make",), ("../out.xml",), "", "a path without `..`"),
        (("make",), ("tap:",), "", "the path of a file in the container"),
        (("make",), (), "(", "a regular expression of Python's"),
        ((), ("out.xml",), "", "dockerci_command is not set"),
    ],
)
def test_what_cannot_be_meant(
    lines: tuple[str, ...], results: tuple[str, ...], pattern: str, says: str
) -> None:
    """Is told, with what would be right."""
    with pytest.raises(SettingsError) as caught:
        parse(*lines, results=results, pattern=pattern)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "printed", "success", "failure"),
    [
        ("", "Result: SUCCESS!", "Result: SUCCESS!", ""),
        ("", "Result: FAILURE!", "", "Result: FAILURE!"),
        ("", "Result: FAILURE!\nResult: SUCCESS!", "Result: SUCCESS!", "Result: FAILURE!"),
        ("", "\x1b[1;32mResult: SUCCESS!\x1b[0m\r", "Result: SUCCESS!", ""),
        ("", "the Result: SUCCESS!", "", ""),
        ("", "Result: SUCCESS", "", ""),
        ("^OK \\(\\d+ tests\\)$", "OK (3 tests)", "OK (3 tests)", ""),
        ("^(?P<failure>FAILURES!)|(?P<success>OK)$", "FAILURES!", "", "FAILURES!"),
        ("^(?P<failure>FAILURES!)|(?P<success>OK)$", "OK", "OK", ""),
        ("^(?P<failure>BAD)$", "BAD", "", "BAD"),
    ],
)
def test_closing_lines(pattern: str, printed: str, success: str, failure: str) -> None:
    """Each line is looked at, without its colours."""
    [command] = parse("make", pattern=pattern)
    line = ResultLine(command.pattern, is_required=command.is_line_required)
    for each in printed.split("\n"):
        line.feed(each)
    assert (line.success, line.failure, line.is_required) == (success, failure, bool(pattern))
