"""The supervisor: owns the channel to the host and outlives every worker.

It imports nothing of the image and runs no test. It starts one worker at a time as its
child with private pipes, passes frames on, keeps the end of what the worker prints, and
says which test was running when a worker died or took too long.
"""

import os
import select
import signal
import subprocess
import sys
import time
from typing import Iterable, List, Optional, Tuple

import dockerci_agent  # type: ignore[import-not-found]

from . import frames, wire
from .alive_message import ALIVE_SECONDS
from .channel import Channel, claim_descriptor, write_all
from .worker_memory import MAX_ROWS
from .worker_process import WorkerProcess

_BATCH_SECONDS = 0.02
_POLL_SECONDS = 0.25


def main(arguments: List[str]) -> None:
    """Serve the host on descriptors 0 and 1 until it hangs up; there are no arguments."""
    del arguments
    read_descriptor = claim_descriptor(0)
    write_descriptor = claim_descriptor(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nowhere, descriptor)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    write_all(write_descriptor, frames.PREAMBLE)
    Supervisor(Channel(read_descriptor, write_descriptor)).serve()


class Supervisor:
    """Passes messages between the host and one worker at a time."""

    def __init__(self, host: Channel) -> None:
        self._host = host
        self._worker: Optional[WorkerProcess] = None
        self._printed: List[Tuple[str, bytes]] = []
        self._batch_deadline: Optional[float] = None  # when the tests that have passed are sent

    def serve(self) -> None:
        """Run until the host hangs up; then end the worker and everything it started."""
        self._host.send(
            wire.Hello(protocol=wire.PROTOCOL_VERSION, python="%d.%d.%d" % tuple(sys.version_info[:3]))
        )
        try:
            while True:
                self._wait()
                self._serve_host()
                if self._worker is not None:
                    self._serve_worker(self._worker)
        except (EOFError, BrokenPipeError):
            pass  # the host is gone: there is nobody to tell
        except wire.WireError as error:
            raise SystemExit("dockerci: what comes from the host is damaged: %s" % error) from None
        finally:
            if self._worker is not None:
                self._worker.close()

    def _wait(self) -> None:
        descriptors = [self._host.read_descriptor]
        writable: List[int] = []
        timeout = max(0.0, ALIVE_SECONDS - self._host.idle_seconds)
        if self._worker is not None:
            descriptors += self._worker.readable_descriptors()
            writable = self._worker.writable_descriptors()
            timeout = min(timeout, _POLL_SECONDS)
            if self._batch_deadline is not None:
                timeout = min(timeout, max(0.0, self._batch_deadline - time.monotonic()))
        select.select(descriptors, writable, [], timeout)
        if self._host.idle_seconds >= ALIVE_SECONDS:
            self._host.send(wire.Alive())

    def _serve_host(self) -> None:
        while True:
            message = self._host.receive(wait=False)
            if message is None:
                return
            if isinstance(message, wire.Start):
                if self._worker is not None:
                    self._worker.close()
                self._worker = self._start(message)
            elif isinstance(message, (wire.TerminalInput, wire.TerminalSize)):
                self._serve_device(message)
            elif isinstance(message, wire.Limits):
                if self._worker is not None:
                    self._worker.limits.update((int(row[0]), (row[1], bool(row[2]))) for row in message.rows)
            elif self._worker is not None:
                self._worker.ask(message)

    def _serve_device(self, message: wire.Message) -> None:
        device = None if self._worker is None else self._worker.device
        if device is not None and isinstance(message, wire.TerminalInput):
            device.write(message.text)
        elif device is not None and isinstance(message, wire.TerminalSize):
            device.resize(message.rows, message.columns)

    def _start(self, start: wire.Start) -> Optional[WorkerProcess]:
        try:
            return WorkerProcess(start, dockerci_agent.LOADER, dockerci_agent.BOOTSTRAP)
        except (OSError, subprocess.SubprocessError) as error:
            self._host.send(
                wire.WorkerDied(
                    index=-1, when="start", cause="Python could not be started: %s" % error, output=""
                )
            )
            return None

    def _serve_worker(self, worker: WorkerProcess) -> None:
        # Read first, sent last: of what a debugger prints before it asks, no result of an earlier test comes behind.
        self._printed += worker.output()
        for payload in worker.payloads():
            self._pass_on(worker, payload)
        self._send_output(worker)
        self._send_shown(worker.shown())
        worker.flush()
        self._note_waiting(worker)
        worker.enforce_timeout()
        if worker.has_ended():
            for payload in worker.payloads():
                self._pass_on(worker, payload)
            self._send_passed(worker)
            self._send_shown(worker.shown())
            worker.kill()
            self._send_output(worker)
            if worker.finished is not None:
                self._host.send(worker.finished)
            else:
                self._host.send(worker.obituary())
            worker.close()
            self._worker = None

    def _pass_on(self, worker: WorkerProcess, payload: bytes) -> None:
        if payload == wire.NEWS:
            return  # it has woken us up
        self._send_passed(worker)  # what has passed before it: see `worker_memory`
        message = worker.observe(payload)
        if isinstance(message, wire.Debugger) and message.state == "left":
            self._send_shown(worker.last_shown())
            self._host.send_payload(payload)
        elif message is not None:
            self._send_output(worker)
            self._host.send_payload(payload)
        worker.note_handled()

    def _send_passed(self, worker: WorkerProcess) -> None:
        rows = worker.take_passed()
        self._batch_deadline = None
        if rows:
            self._host.send(wire.Passed(rows=rows))

    def _note_waiting(self, worker: WorkerProcess) -> None:
        """Tests that have passed are sent with those of the next moment; at once where the host may wait for them.

        Looked for at every turn, and not only when the worker says so: it may add one while others are taken.
        """
        waiting = worker.waiting
        if waiting and self._batch_deadline is None:
            self._batch_deadline = time.monotonic() + _BATCH_SECONDS
        is_due = self._batch_deadline is not None and time.monotonic() >= self._batch_deadline
        if is_due or (waiting and (worker.is_idle or waiting >= MAX_ROWS // 2)):
            self._send_passed(worker)

    def _send_output(self, worker: WorkerProcess) -> None:
        for stream, data in [*self._printed, *worker.output()]:
            self._send_passed(worker)
            self._host.send(wire.Output(stream=stream, text=data.decode("utf-8", "surrogateescape")))
        self._printed = []

    def _send_shown(self, shown: Iterable[bytes]) -> None:
        for data in shown:
            self._host.send(wire.TerminalOutput(text=data.decode("utf-8", "surrogateescape")))
