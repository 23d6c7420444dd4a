"""What the preparation and the end of a run look like on the terminal."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from _pytest._io import TerminalWriter

from pytest_dockerci.ci_systems import find_system, group_begin, group_end
from pytest_dockerci.errors import CleanupError
from pytest_dockerci.masking import hide
from pytest_dockerci.phases import PhaseLog

if TYPE_CHECKING:
    from pytest_dockerci.engine.image import ImageUnderTest
    from pytest_dockerci.host_run import HostRun

_MAX_STATUS_CHARACTERS = 100
_QUIET_SECONDS = 3.0
# Those that say much under ``-v``, and that no other thread talks into.
_FOLDED_PHASES = ("build", "containers")


class TerminalProgress:
    """Shows progress through pytest's terminal writer; keeps how long each phase took.

    Lines come from any thread. On a terminal the status replaces itself; elsewhere (in CI) it
    becomes a line when nothing else was said for a while.

    Args:
        config: pytest's configuration; its reporter is looked up when the first line comes.

    Attributes:
        phases: How long what took.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._ci = find_system(os.environ)
        self._lock = threading.RLock()
        self._status = ""
        self._last_line = time.monotonic()
        self.phases = PhaseLog()

    def line(self, text: str) -> None:
        """A line that stays; not shown under ``-q``."""
        if self._config.get_verbosity() >= 0:
            self.notice(text)

    def notice(self, text: str) -> None:
        """A line that stays and that nobody must miss."""
        with self._lock, self._uncaptured():
            self._clear_status()
            for part in text.splitlines():
                self._write_line(part)
            self._draw_status()

    def detail(self, text: str) -> None:
        """A line under ``-v``; otherwise it passes by as the status."""
        if self._config.get_verbosity() > 0:
            self.line(text)
        else:
            self.passing(text)

    def passing(self, text: str) -> None:
        """A status for short work: only a terminal, where it goes again, shows it."""
        if self._is_terminal():
            self.status(text)

    def status(self, text: str) -> None:
        """What is waited for right now; not between the lines of pytest's own progress."""
        if self._config.get_verbosity() < 0 or "tests" in self.phases.running:
            return
        with self._lock, self._uncaptured():
            if self._is_terminal():
                self._clear_status()
                self._status = printable(hide(text))[:_MAX_STATUS_CHARACTERS]
                self._draw_status()
            elif text and time.monotonic() - self._last_line > _QUIET_SECONDS:
                self._write_line(text)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase; one that comes again is added up."""
        has_group = name in _FOLDED_PHASES and self._config.get_verbosity() > 0
        try:
            if has_group:
                self._order(group_begin(self._ci, f"dockerci-{name}", f"dockerci: {name}", time.time()))
            with self.phases.measure(name):
                yield
        finally:
            if has_group:
                self._order(group_end(self._ci, f"dockerci-{name}", time.time()))

    def _order(self, text: str) -> None:
        """A line for the CI system that reads the log; past the gate that keeps such out of it."""
        if text:
            with self._lock, self._uncaptured():
                self._clear_status()
                self._writer().line(text)

    def output(self, stream: str, text: str) -> None:
        """Show what passed pytest's capture by in the container."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        is_captured = self._config.getoption("capture", "no") == "fd"
        # Where the line stands, as a test that prints does by hand; last words of a process have lines of their own.
        is_in_line = stream != "stderr" or not is_captured
        with self._lock, self._uncaptured():
            self._clear_status()
            # To the file itself: pytest's writer counts columns for its progress, and sees none of this by hand either.
            writer = reporter._tw if reporter is not None and is_in_line else self._writer()  # noqa: SLF001 - as below
            writer._file.write(printable(text))  # noqa: SLF001 - as above
            writer.flush()

    def _write_line(self, text: str) -> None:
        self._writer().line(printable(hide(text)))
        self._last_line = time.monotonic()

    def _writer(self) -> Any:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None:  # `-p no:terminal`; pytest has no writer then
            return TerminalWriter(sys.stdout)
        reporter.ensure_newline()
        return reporter._tw  # noqa: SLF001 - the reporter has no public way to write without a newline

    def _is_terminal(self) -> bool:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        return reporter is not None and bool(reporter.isatty)

    def _clear_status(self) -> None:
        if self._status:
            self._writer().write("\r" + " " * len(self._status) + "\r", flush=True)
            self._status = ""

    def _draw_status(self) -> None:
        if self._status:
            self._writer().write(self._status, flush=True)

    @contextmanager
    def _uncaptured(self) -> Iterator[None]:
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        if capture is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        with capture.global_and_fixture_disabled():
            yield


def printable(text: str) -> str:
    """Text from outside without what could drive a terminal or a CI system: only colours, tabs and newlines stay.

    A carriage return before a newline goes; other control characters are shown escaped, and so
    is the first character of what a CI system would take for a command.
    """
    if _is_plain(text):
        return _CI_COMMAND.sub(_escaped, text)
    result = []
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\x1b":
            end = _end_of_color(text, position)
            if end:
                result.append(text[position:end])
                position = end
                continue
        if character in "\n\t" or not _is_control(character):
            result.append(character)
        elif character == "\r" and text[position + 1 : position + 2] == "\n":
            pass
        elif "\udc80" <= character <= "\udcff":
            result.append(f"\\x{ord(character) - 0xDC00:02x}")  # a byte that is not UTF-8
        else:
            result.append(character.encode("unicode_escape").decode("ascii"))
        position += 1
    return _CI_COMMAND.sub(_escaped, "".join(result))


def _is_control(character: str) -> bool:
    """True for what a terminal may obey, or cannot be sent. What merely has no glyph everywhere is harmless."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _DIRECTION_CONTROLS


def _is_plain(text: str) -> bool:
    """True for most texts, at once."""
    return text.isascii() and text.replace("\n", "").replace("\t", "").isprintable()


# What GitHub (``::command``, ``##[command]``), Azure (``##vso[``) and TeamCity read as orders in a log.
_CI_COMMAND = re.compile(r"^[^\S\n]*:(?=:)|#(?=#(?:\[|vso\[|teamcity\[))", re.MULTILINE)


def _escaped(match: re.Match[str]) -> str:
    return f"{match.group()[:-1]}\\x{ord(match.group()[-1]):02x}"


_DIRECTION_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def _end_of_color(text: str, start: int) -> int:
    """Where a colour sequence (``ESC [ digits ; digits m``) ends; 0 when it is none."""
    position = start + 2
    if text[start + 1 : position] != "[":
        return 0
    while text[position : position + 1] in "0123456789;" and position < len(text):
        position += 1
    return position + 1 if text[position : position + 1] == "m" else 0


def format_seconds(seconds: float) -> str:
    """A duration as a person reads it: ``0.42 s``, ``12.3 s``, ``3 min 05 s``."""
    if seconds >= 60:  # noqa: PLR2004 - a minute
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02d} s"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"  # noqa: PLR2004 - three digits are enough


def write_summary(reporter: Any, run: HostRun) -> None:
    """The last lines of a run: what went wrong with it, and how long each phase took."""
    if run.failure is not None and not run.is_failure_reported:
        reporter.section("dockerci", sep="=", red=True)
        for line in str(run.failure).splitlines():
            reporter.write_line(printable(line))
    if run.leftovers:
        error = CleanupError(
            "this run leaves something on the engine",
            why="\n".join(run.leftovers),
            fix="`dockerci gc` removes it, and so does the next run",
        )
        reporter.section("dockerci: clean-up incomplete", sep="=", yellow=True)
        for line in str(error).splitlines():
            reporter.write_line(printable(line))
    phases = run.progress.phases.totals()
    if phases and run.config.get_verbosity() >= 0:
        times = " | ".join(f"{name} {format_seconds(seconds)}" for name, seconds in phases.items())
        reporter.write_line(f"dockerci: {times}")


def describe_image(image: ImageUnderTest) -> str:
    """The line that says which image is under test."""
    if not image.built_seconds:
        how = "not built"
    elif image.is_cached:
        how = f"unchanged, checked in {format_seconds(image.built_seconds)}"
    else:
        how = f"built in {format_seconds(image.built_seconds)}"
    first, *others = image.tags or ("",)
    also = f", also {', '.join(others)}" if others else ""
    return f"dockerci: image {first}{also} (sha256:{image.short_id}, {how})"


def describe_containers(image: ImageUnderTest, workers: int, pytest_version: str) -> str:
    """The line that says where the suite runs."""
    containers = "a container" if workers == 1 else f"{workers} containers"
    python = "" if image.python is None else f"Python {image.python.shown_version} and "
    return (
        f"dockerci: the suite runs inside {containers} of it, in {image.container_root} "
        f"with {python}pytest {pytest_version}"
    )
