"""Drives one agent over a byte stream: start, collection, tests, end. Knows neither Docker nor pytest.

A thread reads the channel all the time and files what comes in the worker's ledger; the callers
wait for what they need. Only the agent's end frame ends a run well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from pytest_dockerci.agent import frames, wire
from pytest_dockerci.agent_program import bootstrap
from pytest_dockerci.errors import AgentLostError, DockerCIError, ProtocolError
from pytest_dockerci.worker_ledger import Collection, TestRecord, WorkerLedger

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
        self._lost: DockerCIError | None = None
        self._output_tail = ""
        self._pending_warnings: list[wire.Warned] = []
        self._pending_output: list[tuple[str, str]] = []
        self._closed = False
        self._ledger = WorkerLedger()
        self._reader = threading.Thread(target=self._read, name=f"dockerci {name}", daemon=True)

    # Host to agent

    def open(self) -> None:
        """Send the agent and start to listen."""
        self._write(bootstrap())
        self._reader.start()

    def start(self, start: wire.Start) -> None:
        """Start a worker, which collects at once; an earlier one is ended."""
        with self._changed:
            self._ledger = WorkerLedger()
        self._send(start)

    def dispatch(self, indices: Sequence[int], then: int) -> None:
        """Ask for tests, in this order; `then` as in `wire.Run`."""
        with self._changed:
            self._ledger.ask(indices)
        self._send(wire.Run(indices=list(indices), then=then))

    def proceed(self) -> None:
        """Let the worker go on after a test that was not a plain pass."""
        with self._changed:
            if self._ledger.waiting_after is None:
                return
            self._ledger.waiting_after = None
        self._send(wire.Proceed())

    def run_again(self, index: int) -> None:
        """Run the test that the worker waits after once more."""
        with self._changed:
            self._ledger.ask_again(index)
        self._send(wire.Again(index=index))

    def forget(self, index: int) -> None:
        """Drop the result of a test that is about to be run once more."""
        with self._changed:
            self._ledger.forget(index)

    def take_back(self) -> tuple[int, ...]:
        """The tests that were asked for and not reported; they are not expected any more."""
        with self._changed:
            return self._ledger.take_back()

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
        return self._ledger.waiting_after

    @property
    def outstanding(self) -> tuple[int, ...]:
        """The tests asked for whose results have not come; the first one is running."""
        with self._changed:
            return self._ledger.outstanding

    @property
    def running(self) -> int | None:
        """The test that is running, or would be next."""
        return next(iter(self.outstanding), None)

    def is_asked_for(self, index: int) -> bool:
        """True when a test was asked for since the worker started, whether its result has come or not."""
        return self._ledger.is_asked_for(index)

    @property
    def has_died(self) -> bool:
        """True when the worker, or the whole agent, is gone before its end frame."""
        return self._ledger.died is not None or self._lost is not None

    @property
    def is_lost(self) -> bool:
        """True when the agent itself is gone, not just its worker."""
        return self._lost is not None

    def has_record(self, index: int) -> bool:
        """True when a test's result has come."""
        return self._ledger.record(index) is not None

    def collection(self) -> Collection:
        """Wait for the collection.

        Raises:
            AgentLostError: The worker ended, or the channel broke, before it was complete.
        """
        ledger = self._ledger
        self._wait_for(lambda: ledger.has_collected or ledger.has_ended)
        collection = ledger.collection()
        if collection is None:
            raise self._no_collection()
        return collection

    def record(self, index: int) -> TestRecord:
        """Wait for what comes of a test.

        Raises:
            AgentLostError: It can never come.
        """
        ledger = self._ledger
        self._wait_for(lambda: ledger.record(index) is not None or ledger.has_ended)
        record = ledger.record(index)
        if record is not None:
            return record
        cause = "its pytest left early (pytest.exit, or an internal error)"
        raise AgentLostError(
            f"{self.name} ended its session without a verdict on this test",
            why=cause if ledger.died is None else f"{ledger.died.cause} ({ledger.died.when})",
            output_title="what it printed",
            output=self._output_tail.splitlines(),
        )

    def wait_finished(self, timeout_seconds: float) -> wire.Finished:
        """Wait for the end frame and check its counts.

        Raises:
            AgentLostError: It did not come, or it does not agree with what was asked for.
        """
        ledger = self._ledger
        self._wait_for(lambda: ledger.has_ended, timeout_seconds)
        finished = ledger.finished
        if finished is None:
            cause = f"no end frame in {timeout_seconds:g} s" if ledger.died is None else ledger.died.cause
            raise AgentLostError(
                f"{self.name} did not end its session in good order",
                why=cause,
                output_title="what it printed",
                output=self._output_tail.splitlines(),
            )
        with self._changed:
            wrong_counts = ledger.wrong_counts(finished)
        if wrong_counts:
            raise ProtocolError(
                f"{self.name} counts other tests than the host",
                why=wrong_counts,
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
        died, finished = self._ledger.died, self._ledger.finished
        if died is not None:
            return AgentLostError(
                f"pytest in {self.name} died while it collected",
                why=died.cause,
                output_title="what it printed",
                output=(output or died.output.splitlines()),
            )
        status = finished.exit_status if finished is not None else -1
        return ContainerPytestError(
            f"pytest in {self.name} stopped before it had collected (exit status {status})",
            container_exit_status=status,
            output_title="what it printed",
            output=output,
        )

    # The reading thread

    def _read(self) -> None:
        decoder = wire.Decoder()
        preamble: frames.PreambleScanner | None = frames.PreambleScanner()
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
            case wire.Hello():
                if message.protocol != wire.PROTOCOL_VERSION:
                    raise wire.WireError(
                        f"it speaks protocol {message.protocol}, not {wire.PROTOCOL_VERSION}"
                    )
            case wire.Warned():
                self._pending_warnings.append(message)
            case wire.Output():
                self._output_tail = (self._output_tail + message.text)[-_OUTPUT_TAIL_CHARACTERS:]
                self._pending_output.append((message.stream, message.text))
            case _:
                self._ledger.file(message)
                for index in self._ledger.arrived:
                    self._arrived(index)
                self._ledger.arrived.clear()


class ContainerPytestError(DockerCIError):
    """The container's pytest refused its command line or configuration, and says so itself.

    Attributes:
        container_exit_status: Its exit status.
    """

    def __init__(self, what: str, *, container_exit_status: int, **details: Any) -> None:
        super().__init__(what, **details)
        self.container_exit_status = container_exit_status
        self.exit_status = container_exit_status
