"""One worker as its supervisor sees it: a child process, its pipes, and what it is doing."""

import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from typing import Deque, Dict, Iterator, List, Optional, Tuple

from . import memory_limit, wire
from .debugger_device import END_MARK, DebuggerDevice
from .patient_writer import PatientWriter
from .process_end import WITHOUT_DESCRIPTORS, cause_of_end
from .worker_memory import WorkerMemory, shared_descriptor

_TAIL_BYTES = 16384
_READ_BYTES = 1 << 16
# What is read of an endless stream before the frames get their turn again.
_MAX_READS = 16
_STACK_DUMP_SECONDS = 1.0
_END_MARK_SECONDS = 5.0
_GOES_ON = "it goes on after its end frame"


class WorkerProcess:
    """A worker with private pipes.

    Attributes:
        finished: Its end frame, once it has sent it.
        device: What its debugger talks to; None for nothing.
        limits: Seconds for a test, and whether for its call alone, by index.

    Raises:
        OSError: No process could be started.
    """

    def __init__(self, start: wire.Start, loader: str, bootstrap: bytes) -> None:
        self.finished: Optional[wire.Finished] = None
        self.limits: Dict[int, Tuple[float, bool]] = {}
        self._phase_timeout_seconds = start.phase_timeout_seconds
        self._when = "collect"  # while no test runs
        self._ended_runs = 0
        self._asked_tests: Deque[int] = deque()
        self._has_refused = self._holds_back = False
        self._pauses: List[Tuple[float, float]] = []  # with a debugger, since the run of the test began
        self._timed_out = ""
        self._timed_out_at = 0.0
        self._tail = b""
        self._broken = ""
        self._memory_kills = memory_limit.count_kills()
        self._debugger_since: Optional[float] = None
        self._awaits_end_mark = False
        self._unshown = b""
        self.device = _device(start)
        device = self.device.worker_descriptor if self.device is not None else -1
        memory = shared_descriptor()
        self._notes = WorkerMemory(memory)
        self._noted = self._notes.noted()
        to_worker = os.pipe()
        from_worker = os.pipe()
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    loader,
                    "worker",
                    *map(str, (to_worker[0], from_worker[1], memory, device)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(to_worker[0], from_worker[1], memory, *([] if device < 0 else [device])),
                start_new_session=True,
                cwd=start.cwd,
            )
        finally:
            os.close(to_worker[0])
            os.close(from_worker[1])
            os.close(memory)
        os.set_blocking(from_worker[0], False)
        self._frames: Optional[int] = from_worker[0]
        self._decoder = wire.Decoder()
        self._streams: Dict[int, str] = {}
        for pipe, name in ((self._process.stdout, "stdout"), (self._process.stderr, "stderr")):
            assert pipe is not None  # noqa: S101 - both are PIPE above
            os.set_blocking(pipe.fileno(), False)
            self._streams[pipe.fileno()] = name
        self._encoder = wire.Encoder()
        self._asked = PatientWriter(to_worker[1])
        self._ask(bootstrap)
        self.send(start)

    def readable_descriptors(self) -> List[int]:
        """What to wait for."""
        shown = self.device.read_descriptor if self._awaits_end_mark and self.device is not None else None
        return [*self._streams, *(each for each in (self._frames, shown) if each is not None)]

    def writable_descriptors(self) -> List[int]:
        """What to wait for, to `flush` then."""
        return [self._asked.descriptor] if self._asked.has_pending else []

    def send(self, message: wire.Message) -> None:
        """Send to the worker, when it takes it; one that is gone is noticed elsewhere."""
        self._ask(self._encoder.encode(message))

    def _ask(self, data: bytes) -> None:
        with suppress(OSError):
            self._asked.write(data)

    def flush(self) -> None:
        """Go on with what the worker did not take at once."""
        with suppress(OSError):
            self._asked.flush()
        if self.device is not None:
            self.device.flush()

    def payloads(self) -> Iterator[bytes]:
        """The messages that have come; none after one that breaks the protocol."""
        for _ in range(_MAX_READS):
            if self._frames is None or self._broken:
                return
            data = _read(self._frames)
            if data is None:
                return
            if not data:
                os.close(self._frames)
                self._frames = None
                return
            self._decoder.feed(data)
            try:
                for payload in self._decoder.payloads():
                    yield payload
                    if self._broken:
                        return
            except wire.WireError as error:
                self._broken = str(error)
                return

    def observe(self, payload: bytes) -> Optional[wire.Message]:
        """Note what a message says about the worker; None when it is not for the host."""
        try:
            message = self._parse(payload)
        except wire.WireError as error:
            self._break(str(error))
            return None
        if isinstance(message, wire.Finished):
            self.finished = message
            return None
        if isinstance(message, wire.Passed):
            self._end_runs(len(message.rows))
        if isinstance(message, wire.Debugger):
            self._follow_debugger(message.state)
        if isinstance(message, wire.Done):
            self._end_runs(1)
        if isinstance(message, wire.Collected):
            self._when = "between tests"
        return message

    def note_handled(self) -> None:
        """A message, but for `wire.Noted`, has been dealt with."""
        self._notes.note_handled()

    def _break(self, why: str) -> None:
        self._broken = self._broken or why
        self.finished = None

    def _parse(self, payload: bytes) -> wire.Message:
        if self.finished is not None:
            raise wire.WireError(_GOES_ON)
        return wire.parse_payload(payload)

    def _look(self) -> None:
        noted = self._notes.noted()
        if noted.runs != self._noted.runs:
            self._pauses = []
        self._noted = noted

    def _is_between_tests(self) -> bool:
        return self._noted.runs == self._ended_runs + self.waiting

    @property
    def waiting(self) -> int:
        """How many tests have passed that were not taken."""
        try:
            return self._notes.waiting
        except ValueError as error:
            self._broken = str(error)
            return 0

    def take_passed(self) -> List[List[float]]:
        """Those tests, as in `wire.Passed`; none after the end frame."""
        if self.waiting and self.finished is not None:
            self._break(_GOES_ON)
            self._has_refused = True
        if not self.waiting or self._has_refused:
            return []
        rows = self._notes.take_passed()
        self._end_runs(len(rows))
        return rows

    def ask(self, message: wire.Message) -> None:
        """Hand on what the host asks for, and note which tests."""
        if isinstance(message, wire.Run):
            self._asked_tests += message.indices
            self._holds_back = message.then == wire.THEN_WAIT
        elif isinstance(message, wire.Again):
            self._asked_tests.appendleft(message.index)
        self.send(message)

    @property
    def is_idle(self) -> bool:
        """True when it has run all that it may: the last test only when it knows what follows."""
        return self.waiting >= len(self._asked_tests) - self._holds_back

    def _end_runs(self, count: int) -> None:
        self._ended_runs += count
        for _ in range(min(count, len(self._asked_tests))):
            self._asked_tests.popleft()

    def _follow_debugger(self, state: str) -> None:
        """A person at a debugger takes as long as it takes: the clock of the phase stands still."""
        now = time.monotonic()
        if state == "entered":
            self._debugger_since = now
            self._awaits_end_mark = self.device is not None and self.device.read_descriptor is not None
        elif self._debugger_since is not None:
            self._look()
            self._pauses.append((self._debugger_since, now))
            self._debugger_since = None

    def shown(self) -> Iterator[bytes]:
        """What its debugger has shown on the terminal; a limited amount a call."""
        for _ in range(_MAX_READS):
            data = self._read_device()
            if not data:
                return
            yield data

    def last_shown(self) -> Iterator[bytes]:
        """The rest of that, up to the mark that ends it: it can take the kernel a moment to bring it."""
        deadline = time.monotonic() + _END_MARK_SECONDS
        while self._awaits_end_mark and time.monotonic() < deadline:
            data = self._read_device()
            if data:
                yield data
            else:
                time.sleep(0.001)
        self._awaits_end_mark = False

    def _read_device(self) -> bytes:
        if not self._awaits_end_mark or self.device is None or self.device.read_descriptor is None:
            return b""
        self._unshown += _read(self.device.read_descriptor) or b""
        data, mark, rest = self._unshown.partition(END_MARK)
        self._unshown = rest  # the next debugger's, which may have begun
        self._awaits_end_mark = not mark
        return data

    def output(self) -> Iterator[Tuple[str, bytes]]:
        """What it has written to its standard streams; a limited amount a call."""
        for descriptor in list(self._streams):
            for _ in range(_MAX_READS):
                data = _read(descriptor)
                if data is None:
                    break
                if not data:
                    del self._streams[descriptor]
                    break
                self._tail = (self._tail + data)[-_TAIL_BYTES:]
                yield self._streams[descriptor], data

    def enforce_timeout(self) -> None:
        """Kill a worker whose test has used up its time: with a stack dump first, by force after a second."""
        self._look()
        if self._is_between_tests() or self._debugger_since is not None:
            return
        now = time.monotonic()
        if not self._timed_out:
            self._timed_out = self._used_up(now)
            if self._timed_out:
                self._timed_out_at = now
                self._signal(signal.SIGABRT)  # pytest's faulthandler writes every stack
        elif now > self._timed_out_at + _STACK_DUMP_SECONDS:
            self._signal(signal.SIGKILL)

    def _used_up(self, now: float) -> str:
        """Which time the running test has used up, in words; empty for none."""
        step_seconds = self._seconds_since(self._noted.step_began, now)
        run_seconds = self._seconds_since(self._noted.run_began, now)
        limit = self._phase_timeout_seconds
        if limit and step_seconds > limit:
            return "timed out after %g s in %s" % (limit, self._noted.when)
        limit, is_for_call = self.limits.get(self._noted.test, (0.0, False))
        if is_for_call and self._noted.when != "call":
            return ""
        if limit and (step_seconds if is_for_call else run_seconds) > limit:
            return "Timeout (>%gs) from pytest-timeout, in %s" % (limit, self._noted.when)
        return ""

    def _seconds_since(self, began: float, now: float) -> float:
        return now - began - sum(max(0.0, end - max(begin, began)) for begin, end in self._pauses)

    def has_ended(self) -> bool:
        """True when the worker is gone, or must be taken as gone."""
        if self._broken:
            return True
        if self._frames is None and self.finished is None:
            # It cannot speak any more: a test closed or overwrote its channel.
            return self._process.poll() is not None or self._give_up()
        return self._process.poll() is not None

    def _give_up(self) -> bool:
        try:
            self._process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            self._broken = WITHOUT_DESCRIPTORS
            self.kill()
        return True

    def close(self) -> None:
        """End the worker, and close what is left of its pipes."""
        self.kill()
        if self._frames is not None:
            os.close(self._frames)
            self._frames = None
        os.close(self._asked.descriptor)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def kill(self) -> None:
        """End the worker and what it started in its session; safe to repeat."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        if self.device is not None:
            self.device.close()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def obituary(self) -> wire.WorkerDied:
        """What to say of a worker that ended without its end frame."""
        self._look()
        index, when = -1, self._when
        has_lied = self._broken not in ("", WITHOUT_DESCRIPTORS)
        # Of a liar, what it has noted since is not taken: that test has run, and is not reported.
        has_run_on = has_lied and self.waiting > 0
        if self._asked_tests and (self._has_refused or has_run_on or not self._is_between_tests()):
            # The first that it has not reported; one that broke the protocol can have run on, and what it has noted
            # of the phase, that the call has passed, is a liar's word as well.
            index = self._asked_tests[0]
            when = self._noted.when if self._noted.test == index and not has_lied else "call"
        return wire.WorkerDied(
            index=index,
            when=when,
            cause=self._cause(),
            output=self._tail.decode("utf-8", "surrogateescape"),
        )

    def _cause(self) -> str:
        if self._timed_out:
            return self._timed_out
        if self._broken:
            return self._broken
        return cause_of_end(self._process.returncode, self._memory_kills)


def _device(start: wire.Start) -> Optional[DebuggerDevice]:
    if not start.terminal:
        return None
    try:
        return DebuggerDevice(start.terminal)
    except OSError:  # no pseudo-terminals here: a pipe is always there
        start.terminal["kind"] = "pipe"
        return DebuggerDevice(start.terminal)


def _read(descriptor: int) -> Optional[bytes]:
    """What is there now; None when nothing is, empty at the end."""
    try:
        if not select.select([descriptor], [], [], 0)[0]:
            return None
        return os.read(descriptor, _READ_BYTES)
    except (BlockingIOError, InterruptedError):
        return None
    except OSError:
        return b""
