"""One end of a pair of pipes that carries messages; used by the supervisor and the worker."""

import errno
import fcntl
import os
from collections import deque
from typing import Deque, Optional, Tuple

from . import wire
from .system import System, identity_of

# Far above what a test is likely to open, close or overwrite by number.
FIRST_DESCRIPTOR = 700
# The exit code of a worker whose end a test has closed or overwritten; one that programs do not use.
DESCRIPTORS_LOST = 231


def claim_descriptor(descriptor: int) -> int:
    """Move a file descriptor out of the tests' way; children do not inherit it.

    Returns:
        The new number: at least `FIRST_DESCRIPTOR` where the process may have that many.
    """
    for lowest in (FIRST_DESCRIPTOR, 100, 3):
        try:
            claimed = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
        except OSError:
            continue
        os.close(descriptor)
        return claimed
    return descriptor


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte.

    Raises:
        OSError: The other end is gone.
    """
    view = memoryview(data)
    while view:
        view = view[System.write(descriptor, view) :]


class Channel:
    """Sends and receives messages over two file descriptors, for one process.

    A forked child that runs on into our code holds a copy: it must not speak for its parent,
    so everything it sends is dropped; nor take what is meant for it, so it is told to finish.
    """

    def __init__(self, read_descriptor: int, write_descriptor: int) -> None:
        self.read_descriptor = read_descriptor
        self._write_descriptor = write_descriptor
        self._encoder = wire.Encoder()
        self._decoder = wire.Decoder()
        self._received: Deque[wire.Message] = deque()
        self._process = System.getpid()
        self._sent_monotonic = System.monotonic()

    def send(self, message: wire.Message) -> None:
        """Send one message whole.

        Raises:
            OSError: The other end is gone.
        """
        self.send_payload(wire.payload_of(message))

    def send_payload(self, payload: bytes) -> None:
        """Send a message that is JSON already; errors as for `send`."""
        if System.getpid() == self._process:
            write_all(self._write_descriptor, self._encoder.frame(payload))
            self._sent_monotonic = System.monotonic()

    @property
    def idle_seconds(self) -> float:
        """How long nothing has been sent."""
        return System.monotonic() - self._sent_monotonic

    def receive(self, *, wait: bool) -> Optional[wire.Message]:
        """The next message; None when there is none and `wait` is false.

        Raises:
            EOFError: The other end is gone.
            wire.WireError: It broke the protocol.
        """
        if System.getpid() != self._process:
            return wire.Finish()
        while not self._received:
            if not wait and not System.select([self.read_descriptor], [], [], 0)[0]:
                return None
            data = System.read(self.read_descriptor, 1 << 16)
            if not data:
                raise EOFError
            self._decoder.feed(data)
            self._received.extend(self._decoder.messages())
        return self._received.popleft()


class WorkerChannel(Channel):
    """The worker's end. Without it nobody can be told anything: the process ends, with a code that says why.

    Attributes:
        sent: Number of messages that were sent, but for `wire.Noted`.
    """

    def __init__(self, read_descriptor: int, write_descriptor: int) -> None:
        super().__init__(read_descriptor, write_descriptor)
        self.sent = 0
        self._parent = System.getppid()
        self._identity = self._identify()

    def tell_of_news(self) -> None:
        """Send `wire.Noted`."""
        self.send_payload(wire.NEWS)

    def require_whole(self) -> None:
        """End the process if a test has closed or overwritten what it speaks through."""
        if System.getpid() == self._process and self._identify() != self._identity:
            System.exit(DESCRIPTORS_LOST)

    def _identify(self) -> Tuple[int, int]:
        try:
            return identity_of(self._write_descriptor)
        except OSError:
            return -1, -1

    def send_payload(self, payload: bytes) -> None:
        """As `Channel.send_payload`."""
        self.sent += System.getpid() == self._process and payload != wire.NEWS
        try:
            super().send_payload(payload)
        except OSError as error:
            if error.errno == errno.EBADF:
                System.exit(DESCRIPTORS_LOST)
            raise

    def receive(self, *, wait: bool) -> Optional[wire.Message]:
        """As `Channel.receive`; what is no protocol does not come from the supervisor."""
        try:
            return super().receive(wait=wait)
        except wire.WireError:
            System.exit(DESCRIPTORS_LOST)
        except EOFError:
            if System.getppid() == self._parent:  # the supervisor lives, so this is not its end
                System.exit(DESCRIPTORS_LOST)
            raise
        except OSError as error:
            if error.errno == errno.EBADF:
                System.exit(DESCRIPTORS_LOST)
            raise
