"""One run of one command: its output as it comes, its cases, and what came of it.

Knows no Docker (it is given a container that it can start, read and end) and no pytest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from pytest_dockerci.commands.case import Case, Names
from pytest_dockerci.commands.go_json import GoJsonParser
from pytest_dockerci.commands.lines import KeptText, Lines, TextStream
from pytest_dockerci.commands.result_line import ResultLine
from pytest_dockerci.commands.results import parse_file
from pytest_dockerci.commands.settings import CommandLine, ResultsPlace
from pytest_dockerci.commands.tap import TapParser
from pytest_dockerci.commands.verdict import Evidence, judge
from pytest_dockerci.errors import CommandLostError

if TYPE_CHECKING:
    from pytest_dockerci.engine.command_container import CommandEnd
    from pytest_dockerci.engine.container_files import FoundFile
    from pytest_dockerci.masking import Mask

STDOUT, STDERR = 1, 2
_STREAMS = {STDOUT: "stdout", STDERR: "stderr"}
_LOOK_SECONDS = 0.2
# After TERM: time to write results.
_GRACE_SECONDS = 3.0
# After KILL, and for an end that the engine has not recorded yet.
_PATIENCE_SECONDS = 10.0
_SILENT_SECONDS = 15.0
_MAX_NAMED_FAILURES = 1000
_CLOCK_SECONDS = 2.0  # file systems keep whole seconds
STANDARD_OUTPUT_NAME = "standard output"


class Container(Protocol):
    """The container of a command, as `engine.command_container.CommandContainer` is one."""

    image_id: str

    def start(self) -> None:
        """Start it with its streams attached."""

    def read_piece(self, timeout_seconds: float) -> tuple[int, bytes] | None:
        """Stream number and bytes; None at the end; `TimeoutError` when nothing came."""

    def kill(self, signal_name: str) -> None:
        """Send a signal."""

    def trouble(self) -> str:
        """Why it does not run; empty while it does."""

    def end(self, timeout_seconds: float) -> CommandEnd | None:
        """How it ended; None while it runs."""

    def files(self, path: str) -> Iterator[FoundFile]:
        """Results that it wrote."""

    def close(self) -> None:
        """End it."""


class Execution:
    """Runs a command once.

    Args:
        command: The command.
        container: Where it runs.
        mask: Secrets that its output may hold.
        timeout_seconds: How long it may take; 0 for no limit.
        show: Gets ``(stream name, text)`` as it comes.

    Attributes:
        stdout: What it printed.
        stderr: What it printed on standard error.
        seconds: How long it took.
        is_complete: It ended by itself, with results that can be trusted: what they lack is really not there.
    """

    def __init__(
        self,
        command: CommandLine,
        container: Container,
        *,
        mask: Mask,
        timeout_seconds: float,
        show: Callable[[str, str], None],
    ) -> None:
        self.command = command
        self.stdout = KeptText()
        self.stderr = KeptText()
        self.seconds = 0.0
        self.is_complete = False
        self._container = container
        self._timeout_seconds = timeout_seconds
        self._mask = mask
        self._show = show
        self._texts = {number: TextStream(mask) for number in _STREAMS}
        self._lines = {number: Lines() for number in _STREAMS}
        self._line = ResultLine(command.pattern, is_required=command.is_line_required)
        self._parser = _parser_of(command.results)
        self._names = Names()
        self._ended_because = ""
        self._broken_off = ""
        self._killed_monotonic: float | None = None
        self._is_killed_hard = False
        self._started_monotonic = 0.0
        self._heard_monotonic = 0.0
        self._end: CommandEnd | None = None
        self._cases = 0
        self._failed: list[str] = []
        self._failed_count = 0
        self._problems: list[str] = []

    def cases(self) -> Generator[Case, None, None]:
        """Run it; each case as soon as it is known. Afterwards `reasons` says what came of it.

        Raises:
            DockerCIError: It could not be started, or was lost.
        """
        self._started_monotonic = self._heard_monotonic = time.monotonic()
        try:
            self._container.start()
            yield from self._stream()
            self._await_end()
            self.seconds = time.monotonic() - self._started_monotonic
            yield from self._read_results()
            self.is_complete = not (self._ended_because or self._problems)
        finally:
            self.seconds = self.seconds or time.monotonic() - self._started_monotonic
            self._container.close()

    def break_off(self, why: str) -> None:
        """What it needs is gone: end it. From any thread."""
        self._broken_off = self._broken_off or why

    def reasons(self) -> tuple[str, ...]:
        """Why it has failed; empty when it has passed."""
        end = self._end
        ran_elsewhere = end is not None and end.image_id != self._container.image_id
        return judge(
            Evidence(
                exit_code=None if end is None else end.exit_code,
                is_out_of_memory=end is not None and end.is_out_of_memory,
                ended_because=self._ended_because,
                cases=self._cases,
                failed=tuple(self._failed),
                problems=tuple(self._problems),
                success_line=self._line.success,
                failure_line=self._line.failure,
                is_line_required=self._line.is_required,
                other_image=end.image_id if end is not None and ran_elsewhere else "",
            )
        )

    # While it runs

    def _stream(self) -> Iterator[Case]:
        while True:
            if not self._may_go_on():
                return
            try:
                piece = self._container.read_piece(_LOOK_SECONDS)
            except TimeoutError:
                if isinstance(self._parser, TapParser):
                    yield from map(self._counted, self._parser.idle())
                self._look_after_silence()
                continue
            if piece is None:
                break
            self._heard_monotonic = time.monotonic()
            number, data = piece
            yield from self._take(number, self._texts[number if number in _STREAMS else STDOUT].feed(data))
        for number, text in self._texts.items():
            yield from self._take(number, text.rest())
            for line in self._lines[number].rest():
                yield from self._take_line(number, line)
        if self._parser is not None:
            yield from map(self._counted, self._parser.close())
            self._problems += self._parser.problems

    def _take(self, number: int, text: str) -> Iterator[Case]:
        if not text:
            return
        number = number if number in _STREAMS else STDOUT
        (self.stderr if number == STDERR else self.stdout).add(text)
        is_events = number == STDOUT and isinstance(self._parser, GoJsonParser)
        if not is_events:
            self._show(_STREAMS[number], text)
        lines = self._lines[number]
        has_reader = number == STDOUT and self._parser is not None
        if not has_reader and not self._line.may_be_in(lines.begun + text):
            lines.pass_over(text)
            return
        for line in lines.feed(text):
            yield from self._take_line(number, line)

    def _take_line(self, number: int, line: str) -> Iterator[Case]:
        if number != STDOUT or self._parser is None:
            self._line.feed(line)
            return
        cases = self._parser.feed(line)
        shown = self._parser.shown if isinstance(self._parser, GoJsonParser) else line
        self._line.feed(shown)
        if isinstance(self._parser, GoJsonParser) and shown:
            self._show(_STREAMS[number], shown if shown.endswith("\n") else f"{shown}\n")
        yield from map(self._counted, cases)

    def _look_after_silence(self) -> None:
        if time.monotonic() - self._heard_monotonic < _SILENT_SECONDS:
            return
        self._heard_monotonic = time.monotonic()
        trouble = self._container.trouble()
        if trouble and not trouble.startswith("the container ended"):
            raise CommandLostError(f"`{self.command.shown}` was lost", why=trouble)

    def _may_go_on(self) -> bool:
        """See to what ends it from outside; False when even that did not help."""
        now = time.monotonic()
        if self._killed_monotonic is None:
            if self._broken_off:
                self._ended_because = self._broken_off
                self._kill("KILL", now)
            elif self._timeout_seconds and now - self._started_monotonic > self._timeout_seconds:
                limit = f"{self._timeout_seconds:g}"
                setting = f"dockerci_test_timeout_seconds = {limit}"
                self._ended_because = f"it did not end within {limit} s ({setting}), and was ended"
                self._kill("TERM", now)
        elif not self._is_killed_hard and now - self._killed_monotonic > _GRACE_SECONDS:
            self._kill("KILL", now)
        return self._killed_monotonic is None or now - self._killed_monotonic < _PATIENCE_SECONDS

    def _kill(self, signal_name: str, now: float) -> None:
        self._is_killed_hard = signal_name == "KILL"
        self._killed_monotonic = now
        self._container.kill(signal_name)

    def _await_end(self) -> None:
        """It may go on without its streams, which a program can close."""
        patience = time.monotonic() + _PATIENCE_SECONDS
        while self._end is None:
            may_go_on = self._may_go_on()
            self._end = self._container.end(_LOOK_SECONDS)
            if self._end is None and not may_go_on and time.monotonic() > patience:
                return
            if self._end is None:
                self._look_after_silence()

    # When it has ended

    def _read_results(self) -> Iterator[Case]:
        for place in self.command.results:
            if place.is_standard_output:
                continue
            found = False
            for file in self._container.files(place.path):
                found = True
                yield from self._read_file(place, file)
            if not found:
                self._problems.append(f"{place.path} is missing: the command has not written it")

    def _read_file(self, place: ResultsPlace, file: FoundFile) -> Iterator[Case]:
        if file.problem:
            self._problems.append(f"{file.path} {file.problem}")
            return
        if self._end is not None and file.changed_at + _CLOCK_SECONDS < self._end.started_at:
            self._problems.append(
                f"{file.path} is older than the run: it came with the image, or from a volume"
            )
            return
        results = parse_file(place.format, file.data, file.path)
        for case in results.cases:
            yield self._counted(self._masked(case))
        self._problems += [self._mask.hide(problem) for problem in results.problems]

    def _masked(self, case: Case) -> Case:
        if not self._mask:
            return case
        hide = self._mask.hide
        texts = ("classname", "name", "message", "details", "output", "error_output", "source")
        values = {name: hide(getattr(case, name)) for name in texts}
        properties = tuple((hide(name), hide(value)) for name, value in case.properties)
        kept = {"outcome": case.outcome, "seconds": case.seconds, "origin": case.origin}
        return Case(**values, **kept, properties=properties)  # type: ignore[arg-type]

    def _counted(self, case: Case) -> Case:
        case = self._names.unique(case)
        self._cases += 1
        if case.outcome == "failed":
            self._failed_count += 1
            if len(self._failed) < _MAX_NAMED_FAILURES:
                self._failed.append("::".join(part for part in case.key if part))
        return case


def _parser_of(places: Sequence[ResultsPlace]) -> TapParser | GoJsonParser | None:
    for place in places:
        if place.is_standard_output and place.format == "tap":
            return TapParser(STANDARD_OUTPUT_NAME)
        if place.is_standard_output:
            return GoJsonParser(STANDARD_OUTPUT_NAME, is_strict=False)
    return None
