"""Drives one agent over a byte stream: start, collection, tests, end. Knows neither Docker nor pytest.

A thread reads the channel all the time and files what comes in the worker's ledger; the callers
wait for what they need. Only the agent's end frame ends a run well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext

from pytest_dockerci.agent import wire
from pytest_dockerci.agent_program import bootstrap
from pytest_dockerci.byte_stream import ByteStream
from pytest_dockerci.channel_failure import no_good_end, no_verdict
from pytest_dockerci.channel_reader import ChannelReader
from pytest_dockerci.collection_failure import no_collection
from pytest_dockerci.errors import AgentLostError, DockerCIError, ProtocolError
from pytest_dockerci.interruption import interrupts_raised
from pytest_dockerci.listener import Listener
from pytest_dockerci.masked_messages import MaskedMessages
from pytest_dockerci.masking import known
from pytest_dockerci.printed_output import TERMINAL, PrintedOutput
from pytest_dockerci.worker_ledger import Collection, TestRecord, WorkerLedger

_OUTPUT_TAIL_CHARACTERS = 16384
# Who reads a channel knows within this time why nothing can be written any more.
_EXPLANATION_SECONDS = 2.0


class RemoteRun:
    """One agent and its present worker.

    Args:
        stream: The channel to the agent.
        name: How messages call it, for instance ``container web-test-0``.
        listener: Hears what the worker says beside its results.
        changed: Notified whenever something has come; several runs may share one.
        arrived: Called with each test whose result has come, from the reading thread.
        limits: Seconds for a test, and whether for its call alone, by index; for tests that have one.
    """

    def __init__(
        self,
        stream: ByteStream,
        *,
        name: str,
        listener: Listener,
        changed: threading.Condition,
        arrived: Callable[[int], None],
        limits: Mapping[int, tuple[float, bool]] | None = None,
    ) -> None:
        self.name = name
        self._limits = {} if limits is None else limits
        self._stream = stream
        self._listener = listener
        self._encoder = wire.Encoder()
        self._sending = threading.Lock()  # the keyboard has a thread of its own
        self._changed = changed
        self._arrived = arrived
        self._has_debugger = False
        self._lost: DockerCIError | None = None
        self._output_tail = ""
        self._pending_warnings: list[wire.Warned] = []
        self.printed = PrintedOutput(changed)
        self._closed = False
        self._masked = MaskedMessages(known())
        self._ledger = WorkerLedger()
        self._channel = ChannelReader(
            stream, name=name, take=self._take_messages, output_tail=lambda: self._output_tail
        )
        self._reader = threading.Thread(target=self._read, name=f"dockerci {name}", daemon=True)

    # Host to agent

    def open(self) -> None:
        """Send the agent and start to listen."""
        self._write(bootstrap())
        self._reader.start()

    def start(self, start: wire.Start) -> None:
        """Start a worker, which collects at once; an earlier one is ended."""
        with self._changed:
            self._ledger = WorkerLedger(completed=self._ledger.completed)
        self._send(start)

    def dispatch(self, indices: Sequence[int], then: int) -> None:
        """Ask for tests, in this order; `then` as in `wire.Run`."""
        with self._changed:
            self._ledger.ask(indices)
        limits = [[index, *map(float, self._limits[index])] for index in indices if index in self._limits]
        if limits:
            self._send(wire.Limits(rows=limits))
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

    def type(self, text: str) -> None:
        """Send what was typed for the debugger; empty at the end of the input."""
        self._send(wire.TerminalInput(text=text))

    def resize(self, rows: int, columns: int) -> None:
        """Tell the debugger the size of the terminal, in characters."""
        self._send(wire.TerminalSize(rows=rows, columns=columns))

    def give_up(self, error: DockerCIError) -> None:
        """Wait for nothing any more: whoever waits gets the error. May be called from any thread."""
        self._lose(error)

    def close(self) -> None:
        """Hang up. The agent ends its worker and itself."""
        with self._changed:
            self._closed = True
        self._stream.close()
        if self._reader.is_alive():
            self._reader.join(timeout=5)

    def _send(self, message: wire.Message) -> None:
        with self._sending:
            self._write(self._encoder.encode(message))

    def _write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
        except (OSError, AgentLostError) as error:
            if self._reader.is_alive():
                self._reader.join(_EXPLANATION_SECONDS)
            if self._lost is None:
                self._lose(self._channel.hung_up(str(error)))

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
    def loss(self) -> DockerCIError | None:
        """How the agent itself was lost, not just its worker."""
        return self._lost

    @property
    def obituary(self) -> str:
        """Which worker is gone, and how; there is one when `has_died`."""
        died = self._ledger.died
        return f"{self.name}: {died.cause if died is not None else self._lost}"

    def has_record(self, index: int) -> bool:
        """True when a test's result has come."""
        return self._ledger.record(index) is not None

    def has_plain_pass(self, index: int) -> bool:
        """True when a test's result has come, and is that it passed and no more."""
        record = self._ledger.record(index)
        return record is not None and record.passed is not None

    def collection(self) -> Collection:
        """Wait for the collection.

        Raises:
            AgentLostError: The worker ended, or the channel broke, before it was complete.
        """
        ledger = self._ledger
        self._wait_for(lambda: ledger.has_collected or ledger.has_ended, holds_output=True)
        collection = ledger.take_collection()
        if collection is None:
            raise no_collection(self.name, ledger, self._output_tail.splitlines())
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
        raise no_verdict(self.name, ledger.died, self._output_tail)

    def wait_finished(self, timeout_seconds: float) -> wire.Finished:
        """Wait for the end frame and check its counts.

        Raises:
            AgentLostError: It did not come, or it does not agree with what was asked for.
        """
        ledger = self._ledger
        self._wait_for(lambda: ledger.has_ended, timeout_seconds)
        finished = ledger.finished
        if finished is None:
            raise no_good_end(self.name, ledger.died, timeout_seconds, self._output_tail)
        with self._changed:
            wrong_counts = ledger.wrong_counts(finished)
        if wrong_counts:
            raise ProtocolError(
                f"{self.name} counts other tests than the host",
                why=wrong_counts,
                fix="run again; if it happens again, report it with this text",
            )
        return finished

    def deliver(self, up_to: TestRecord | None = None) -> None:
        """Hand over warnings and output that have come; only ever called from pytest's thread.

        Args:
            up_to: The result that is about to be shown; what was printed after it has to wait.
        """
        with self._changed:
            come = self._take(up_to)
        self._hand_over(*come)

    def _take(
        self, up_to: TestRecord | None, *, with_debugger: bool = False
    ) -> tuple[list[wire.Warned], list[tuple[str, str]]]:
        if up_to is None and self.is_in_debugger and not with_debugger:
            # Waits until the terminal is lent: a key typed at its prompt before that would not be the debugger's.
            return [], []
        warnings, self._pending_warnings = self._pending_warnings, []
        return warnings, self.printed.take(up_to)

    def _hand_over(self, warnings: list[wire.Warned], output: list[tuple[str, str]]) -> None:
        for warning in warnings:
            self._listener.record_warning(warning)
        for stream, text in output:
            self._listener.show_output(stream, text)

    # Debugging

    @property
    def is_in_debugger(self) -> bool:
        """True while a debugger in the worker has the host's terminal."""
        return self._has_debugger and not self._ledger.has_ended and self._lost is None

    def serve_debugger(self, is_over: Callable[[], bool]) -> None:
        """Lend the terminal to a debugger that asks for it, until the condition holds; from pytest's thread."""
        if self.is_in_debugger:
            self._listener.lend_terminal(self, is_over)

    def show(self, is_over: Callable[[], bool], on_terminal: Callable[[bytes], None]) -> None:
        """Wait a moment for what the debugger and its test print, and show that, in order.

        Args:
            is_over: What comes from then on is not theirs.
            on_terminal: Gets what is for the terminal.
        """
        with self._changed:
            self._changed.wait_for(lambda: bool(self.printed) or not self.is_in_debugger or is_over(), 0.5)
            if is_over():
                return
            warnings, output = self._take(None, with_debugger=True)
        self._hand_over(warnings, [])
        for stream, text in output:
            if stream == TERMINAL:
                on_terminal(text.encode("utf-8", "surrogateescape"))
            else:
                self._listener.show_output(stream, text)

    # Waiting

    def _wait_for(  # `holds_output`: what is printed belongs to the error if there is one
        self,
        is_there: Callable[[], bool],
        timeout_seconds: float | None = None,
        *,
        holds_output: bool = False,
    ) -> None:
        with nullcontext() if holds_output else self.printed.showing():
            self._wait_until(is_there, timeout_seconds, shows=not holds_output)

    def _wait_until(self, is_there: Callable[[], bool], limit_seconds: float | None, *, shows: bool) -> None:
        interrupts = interrupts_raised()
        deadline = None if limit_seconds is None else time.monotonic() + limit_seconds
        while True:
            with self._changed:
                # Short waits, so that output shows while a test runs.
                self._changed.wait_for(
                    lambda: (
                        is_there()
                        or self._lost is not None
                        or self.is_in_debugger
                        or (shows and bool(self.printed))
                    ),
                    1.0,
                )
                if is_there():
                    return
                come = self._take(None) if shows else ([], [])
            self._hand_over(*come)
            if interrupts_raised() != interrupts:
                raise KeyboardInterrupt
            if self._lost is not None:
                raise self._lost
            began = time.monotonic()
            self.serve_debugger(is_there)
            if deadline is not None:
                deadline += time.monotonic() - began
                if time.monotonic() > deadline:
                    return

    # The reading thread

    def _read(self) -> None:
        end = self._channel.read()
        self._file_all(self._masked.rest())
        self._lose(end)

    def _take_messages(self, messages: Iterator[wire.Message]) -> None:
        self._file_all(self._masked.pass_on(messages))

    def _file_all(self, messages: Iterator[wire.Message]) -> None:
        with self._changed:
            for message in messages:
                self._file(message)
            self._changed.notify_all()
            self.printed.wait_for_room()

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
            case wire.Alive():
                pass
            case wire.Warned():
                self._pending_warnings.append(message)
            case wire.Measured():
                self._listener.measured(message)
            case wire.Debugger():
                self._has_debugger = message.state == "entered"
            case wire.TerminalOutput():
                self.printed.add(TERMINAL, message.text, self._ledger.completed)
            case wire.Output():
                self._output_tail = (self._output_tail + message.text)[-_OUTPUT_TAIL_CHARACTERS:]
                self.printed.add(message.stream, message.text, self._ledger.completed)
            case _:
                self._ledger.file(message)
                for index in self._ledger.arrived:
                    self._arrived(index)
                self._ledger.arrived.clear()
