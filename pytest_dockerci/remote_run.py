"""Drives one agent over a byte stream: start, collection, tests, end. Knows neither Docker nor pytest.

A thread reads the channel all the time and files what comes by test; the callers wait for
what they need. Everything that the host believes about a run is checked here: each test
that was asked for is reported exactly once, and only the agent's end frame ends a run well.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pytest_dockerci.agent import wire
from pytest_dockerci.agent_program import bootstrap
from pytest_dockerci.errors import AgentLostError, DockerCIError, ProtocolError

_OUTPUT_TAIL_CHARACTERS = 16384


class ByteStream(Protocol):
    """Both directions of a channel. Made by `engine.exec_stream`; a local process will do as well."""

    def read(self) -> bytes:
        """The next bytes; empty at the end. Blocks."""

    def write(self, data: bytes, /) -> None:
        """Write all of it."""

    def close(self) -> None:
        """Hang up; a blocked `read` returns."""

    def stderr_tail(self) -> str:
        """The end of what the other side wrote to its standard error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What the container's pytest collected.

    Attributes:
        rows: The nodes, parents first (`agent.tree`).
        items: Numbers of the selected tests, in the container's order.
        deselected: Numbers of the tests that the container deselected.
        reports: ``(node number or -1, serialised report)`` of collectors that failed or were skipped.
        digest: SHA-256 over the node ids.
        configured: Versions and paths of the container's pytest.
    """

    rows: Sequence[dict[str, Any]]
    items: Sequence[int]
    deselected: Sequence[int]
    reports: Sequence[tuple[int, dict[str, Any]]]
    digest: str
    configured: wire.Configured


@dataclass(slots=True)
class TestRecord:
    """What came of one test.

    Attributes:
        passed: ``[index, start, setup, call, teardown]`` of a plain pass.
        reports: All other reports in order: ``(data, exception class names)``.
        stopped: The container ended its session during this test (`pytest.exit`, an interrupt).
        stop_request: The container asked to end the run after this test.
        died: The worker died in this test.
    """

    __test__ = False

    passed: list[float] | None = None
    reports: list[tuple[dict[str, Any], list[str]]] = field(default_factory=list)
    stopped: wire.Stopped | None = None
    stop_request: wire.Stopped | None = None
    died: wire.WorkerDied | None = None


class RemoteRun:
    """One agent and its present worker.

    Args:
        stream: The channel to the agent.
        name: How messages call it, for instance ``container web-test-0``.
        show_output: Called with ``(stream name, text)`` for what passes pytest's capture by.
        record_warning: Called with each warning.
        changed: Notified whenever something has come; several runs may share one.
        arrived: Called with each test whose result has come, from the reading thread.
    """

    def __init__(
        self,
        stream: ByteStream,
        *,
        name: str,
        show_output: Callable[[str, str], None],
        record_warning: Callable[[wire.Warned], None],
        changed: threading.Condition,
        arrived: Callable[[int], None],
    ) -> None:
        self.name = name
        self._stream = stream
        self._show_output = show_output
        self._record_warning = record_warning
        self._encoder = wire.Encoder()
        self._changed = changed
        self._arrived = arrived
        self._hello: wire.Hello | None = None
        self._lost: DockerCIError | None = None
        self._output_tail = ""
        self._pending_warnings: list[wire.Warned] = []
        self._pending_output: list[tuple[str, str]] = []
        self._closed = False
        self._reset_worker()
        self._reader = threading.Thread(target=self._read, name=f"dockerci {name}", daemon=True)

    def _reset_worker(self) -> None:
        self._configured: wire.Configured | None = None
        self._rows: list[dict[str, Any]] = []
        self._collect_reports: list[tuple[int, dict[str, Any]]] = []
        self._collected: wire.Collected | None = None
        self._finished: wire.Finished | None = None
        self._died: wire.WorkerDied | None = None
        self._open: dict[int, TestRecord] = {}
        self._records: dict[int, TestRecord] = {}
        self._outstanding: deque[int] = deque()
        self._asked: set[int] = set()
        self._waiting_after: int | None = None
        self._dispatched = 0
        self._cut_short = 0

    # Host to agent

    def open(self) -> None:
        """Send the agent and start to listen."""
        self._write(bootstrap())
        self._reader.start()

    def start(self, start: wire.Start) -> None:
        """Start a worker, which collects at once; an earlier one is ended."""
        with self._changed:
            self._reset_worker()
        self._send(start)

    def dispatch(self, indices: Sequence[int], then: int) -> None:
        """Ask for tests, in this order; `then` as in `wire.Run`."""
        with self._changed:
            self._outstanding += indices
            self._asked.update(indices)
            self._dispatched += len(indices)
        self._send(wire.Run(indices=list(indices), then=then))

    def proceed(self) -> None:
        """Let the worker go on after a test that was not a plain pass."""
        with self._changed:
            if self._waiting_after is None:
                return
            self._waiting_after = None
        self._send(wire.Proceed())

    def run_again(self, index: int) -> None:
        """Run the test that the worker waits after once more."""
        with self._changed:
            self._records.pop(index, None)
            self._outstanding.appendleft(index)
            self._dispatched += 1
            self._waiting_after = None
        self._send(wire.Again(index=index))

    def forget(self, index: int) -> None:
        """Drop the result of a test that is about to be run once more."""
        with self._changed:
            self._records.pop(index, None)

    def take_back(self) -> tuple[int, ...]:
        """The tests that were asked for and not reported; they are not expected any more."""
        with self._changed:
            indices = tuple(self._outstanding)
            self._outstanding.clear()
        return indices

    def finish(self) -> None:
        """Ask the worker to end its session."""
        self._send(wire.Finish())

    def close(self) -> None:
        """Hang up. The agent ends its worker and itself."""
        with self._changed:
            self._closed = True
        self._stream.close()
        if self._reader.is_alive():
            self._reader.join(timeout=5)

    def _send(self, message: wire.Message) -> None:
        self._write(self._encoder.encode(message))

    def _write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
        except OSError as error:
            # The reading thread knows more about why, if it has noticed.
            self._lose(self._lost or self._hung_up(error, ""))

    # Agent to host

    @property
    def waiting_after(self) -> int | None:
        """The test, not a plain pass, after which the worker waits for the host."""
        return self._waiting_after

    @property
    def outstanding(self) -> tuple[int, ...]:
        """The tests asked for whose results have not come; the first one is running."""
        with self._changed:
            return tuple(self._outstanding)

    @property
    def running(self) -> int | None:
        """The test that is running, or would be next."""
        with self._changed:
            return self._outstanding[0] if self._outstanding else None

    def is_asked_for(self, index: int) -> bool:
        """True when a test was asked for since the worker started, whether its result has come or not."""
        return index in self._asked

    @property
    def has_died(self) -> bool:
        """True when the worker, or the whole agent, is gone before its end frame."""
        return self._died is not None or self._lost is not None

    @property
    def is_lost(self) -> bool:
        """True when the agent itself is gone, not just its worker."""
        return self._lost is not None

    def has_record(self, index: int) -> bool:
        """True when a test's result has come."""
        return index in self._records

    def collection(self) -> Collection:
        """Wait for the collection.

        Raises:
            AgentLostError: The worker ended, or the channel broke, before it was complete.
        """
        self._wait_for(
            lambda: self._collected is not None or self._finished is not None or self._died is not None
        )
        if self._collected is None or self._configured is None:
            raise self._no_collection()
        return Collection(
            rows=self._rows,
            items=self._collected.items,
            deselected=self._collected.deselected,
            reports=self._collect_reports,
            digest=self._collected.digest,
            configured=self._configured,
        )

    def record(self, index: int) -> TestRecord:
        """Wait for what comes of a test.

        Raises:
            AgentLostError: It can never come.
        """
        self._wait_for(lambda: index in self._records or self._finished is not None or self._died is not None)
        if index in self._records:
            return self._records[index]
        cause = "its pytest left early (pytest.exit, or an internal error)"
        raise AgentLostError(
            f"{self.name} ended its session without a verdict on this test",
            why=cause if self._died is None else f"{self._died.cause} ({self._died.when})",
            output_title="what it printed",
            output=self._output_tail.splitlines(),
        )

    def wait_finished(self, timeout_seconds: float) -> wire.Finished:
        """Wait for the end frame and check its counts.

        Raises:
            AgentLostError: It did not come, or it does not agree with what was asked for.
        """
        self._wait_for(lambda: self._finished is not None or self._died is not None, timeout_seconds)
        finished = self._finished
        if finished is None:
            cause = self._died.cause if self._died is not None else f"no end frame in {timeout_seconds:g} s"
            raise AgentLostError(
                f"{self.name} did not end its session in good order",
                why=cause,
                output_title="what it printed",
                output=self._output_tail.splitlines(),
            )
        with self._changed:
            reported = self._dispatched - len(self._outstanding) - self._cut_short
        if finished.received > self._dispatched or finished.reported != reported:
            raise ProtocolError(
                f"{self.name} counts other tests than the host",
                why=f"asked for {self._dispatched}, it says {finished.received}; "
                f"reported {reported}, it says {finished.reported}",
                fix="run again; if it happens again, report it with this text",
            )
        return finished

    def deliver(self) -> None:
        """Hand over warnings and output that have come; only ever called from pytest's thread."""
        with self._changed:
            warnings, self._pending_warnings = self._pending_warnings, []
            output, self._pending_output = self._pending_output, []
        for warning in warnings:
            self._record_warning(warning)
        for stream, text in output:
            self._show_output(stream, text)

    def _wait_for(self, is_there: Callable[[], bool], timeout_seconds: float | None = None) -> None:
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            with self._changed:
                # Short waits, so that output shows while a test runs.
                there = self._changed.wait_for(
                    lambda: is_there() or self._lost is not None or bool(self._pending_output), 1.0
                )
            if self._pending_output or self._pending_warnings:
                self.deliver()
            if there and is_there():
                return
            if self._lost is not None:
                raise self._lost
            if deadline is not None and time.monotonic() > deadline:
                return

    def _no_collection(self) -> DockerCIError:
        output = self._output_tail.splitlines()
        if self._died is not None:
            return AgentLostError(
                f"pytest in {self.name} died while it collected",
                why=self._died.cause,
                output_title="what it printed",
                output=(output or self._died.output.splitlines()),
            )
        status = self._finished.exit_status if self._finished is not None else -1
        return ContainerPytestError(
            f"pytest in {self.name} stopped before it had collected (exit status {status})",
            container_exit_status=status,
            output_title="what it printed",
            output=output,
        )

    # The reading thread

    def _read(self) -> None:
        decoder = wire.Decoder()
        preamble: wire.PreambleScanner | None = wire.PreambleScanner()
        try:
            while True:
                data = self._stream.read()
                if not data:
                    raise EOFError  # noqa: TRY301 - one place judges how the channel ended
                if preamble is not None:
                    rest = preamble.feed(data)
                    if rest is None:
                        continue
                    preamble, data = None, rest
                decoder.feed(data)
                with self._changed:
                    for message in decoder.messages():
                        self._file(message)
                    self._changed.notify_all()
        except (EOFError, OSError) as error:
            noise = preamble.noise.decode("utf-8", "replace") if preamble is not None else ""
            self._lose(self._hung_up(error, noise))
        except wire.WireError as error:
            self._lose(self._broken(str(error)))
        except Exception as error:  # noqa: BLE001 - whatever ends this thread, pytest must not wait for it forever
            self._lose(self._broken(f"{type(error).__name__}: {error}"))

    def _hung_up(self, error: Exception, noise: str) -> DockerCIError:
        said = "\n".join(text for text in (noise, self._output_tail, self._stream.stderr_tail()) if text)
        return AgentLostError(
            f"{self.name}: the connection to the agent ended",
            why=str(error) or "the container's side hung up: the agent or the whole container was killed",
            output_title="what was printed before",
            output=said.splitlines(),
        )

    def _broken(self, why: str) -> DockerCIError:
        return ProtocolError(
            f"{self.name}: the channel to the agent is damaged",
            why=why,
            fix="run again; if it happens again, report it with this text",
        )

    def _lose(self, error: DockerCIError) -> None:
        with self._changed:
            if not self._closed or self._lost is None:
                self._lost = error
            self._changed.notify_all()

    def _file(self, message: wire.Message) -> None:
        match message:
            case wire.Passed():
                for row in message.rows:
                    if len(row) != 5:  # noqa: PLR2004 - see `wire.Passed`
                        raise wire.WireError("a passed test has five numbers")
                    self._complete(int(row[0])).passed = row
            case wire.Report():
                self._open_record(message.index).reports.append((message.data, message.exception))
            case wire.Done():
                self._complete(message.index)
                self._waiting_after = message.index
            case wire.Warned():
                self._pending_warnings.append(message)
            case wire.Output():
                self._output_tail = (self._output_tail + message.text)[-_OUTPUT_TAIL_CHARACTERS:]
                self._pending_output.append((message.stream, message.text))
            case wire.Stopped():
                self._note_stop(message)
            case wire.WorkerDied():
                self._note_death(message)
            case _:
                self._file_session(message)

    def _file_session(self, message: wire.Message) -> None:
        match message:
            case wire.Hello():
                if message.protocol != wire.PROTOCOL_VERSION:
                    raise wire.WireError(
                        f"it speaks protocol {message.protocol}, not {wire.PROTOCOL_VERSION}"
                    )
                self._hello = message
            case wire.Configured():
                self._configured = message
            case wire.Nodes():
                self._rows += message.rows
            case wire.CollectReport():
                self._collect_reports.append((message.node, message.data))
            case wire.Collected():
                if any(not 0 <= number < len(self._rows) for number in message.items + message.deselected):
                    raise wire.WireError("the collection names a node that it does not describe")
                self._collected = message
            case wire.Finished():
                self._finished = message
            case _:
                raise wire.WireError(f"{type(message).__name__} is not for the host")

    def _open_record(self, index: int) -> TestRecord:
        if not self._outstanding or index != self._outstanding[0]:
            raise wire.WireError(f"a report on test {index}, which was not due")
        return self._open.setdefault(index, TestRecord())

    def _complete(self, index: int) -> TestRecord:
        record = self._open_record(index)
        del self._open[index]
        self._outstanding.popleft()
        self._records[index] = record
        self._arrived(index)
        return record

    def _note_stop(self, stopped: wire.Stopped) -> None:
        if not self._outstanding:
            return
        if stopped.kind in ("exit", "interrupt"):
            self._open_record(self._outstanding[0]).stopped = stopped
            self._cut_short += 1
            self._complete(self._outstanding[0])
        else:
            self._open_record(self._outstanding[0]).stop_request = stopped

    def _note_death(self, died: wire.WorkerDied) -> None:
        self._died = died
        if died.index >= 0 and self._outstanding:
            self._open_record(died.index).died = died
            self._complete(died.index)


class ContainerPytestError(DockerCIError):
    """The container's pytest refused its command line or configuration, and says so itself.

    Attributes:
        container_exit_status: Its exit status.
    """

    def __init__(self, what: str, *, container_exit_status: int, **details: Any) -> None:
        super().__init__(what, **details)
        self.container_exit_status = container_exit_status
        self.exit_status = container_exit_status
