"""Reads what an agent says until its channel ends, and says why it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NoReturn

from pytest_dockerci.agent import frames, wire
from pytest_dockerci.agent.alive_message import ALIVE_SECONDS
from pytest_dockerci.byte_stream import ByteStream
from pytest_dockerci.channel_failure import damaged, hung_up, silent
from pytest_dockerci.errors import DockerCIError

# Three messages that never came: time to ask the engine what is wrong.
SILENT_SECONDS = 3 * ALIVE_SECONDS
# If it sees nothing wrong, the machine may be out of breath. Counted, not measured: this process can have been stopped.
_MOST_SILENCES = 4
# Bytes that come all the time and never make a message: what had to begin or end one was lost on the way.
_MOST_MURMURS = 2
# A part of a long message on a slow link is a sign of life as well.
_LARGE_BYTES = 4096


class _SilentError(Exception):
    def __init__(self, seconds: float, trouble: str) -> None:
        super().__init__(trouble)
        self.seconds = seconds
        self.trouble = trouble


class ChannelReader:
    """The reading half of a channel.

    Args:
        stream: The channel.
        name: How messages call its container.
        take: Called with the messages of each piece that comes; may raise `wire.WireError` for what may not come.
        output_tail: Gives the end of what the worker has printed.
        clock: Gives seconds; never goes back.
    """

    def __init__(
        self,
        stream: ByteStream,
        *,
        name: str,
        take: Callable[[Iterator[wire.Message]], None],
        output_tail: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._name = name
        self._take = take
        self._output_tail = output_tail
        self._clock = clock
        self._preamble: frames.PreambleScanner | None = frames.PreambleScanner()
        self._murmurs = 0
        self._heard()

    def read(self) -> DockerCIError:
        """Read until nothing more can come; why that is."""
        try:
            self._read()
        except (EOFError, OSError) as error:
            return self.hung_up(str(error))
        except _SilentError as error:
            return silent(self._name, error.seconds, error.trouble, self._said())
        except wire.WireError as error:
            return damaged(self._name, str(error))
        except DockerCIError as error:
            return damaged(self._name, f"{error.what}: {error.why}")
        except Exception as error:  # noqa: BLE001 - whatever it is, pytest must not wait for this channel forever
            return damaged(self._name, f"{type(error).__name__}: {error}")

    def hung_up(self, error: str) -> DockerCIError:
        """What to say when reading or writing met the end of the channel, with this error."""
        return hung_up(self._name, error, self._stream.trouble(), self._said())

    def _read(self) -> NoReturn:
        decoder = wire.Decoder()
        while True:
            data = self._next_piece()
            if not data:
                raise EOFError
            if self._preamble is not None:
                rest = self._preamble.feed(data)
                if rest is None:
                    continue
                self._preamble, data = None, rest
            decoder.feed(data)
            self._take(self._noticed(decoder.messages()))

    def _noticed(self, messages: Iterator[wire.Message]) -> Iterator[wire.Message]:
        for message in messages:
            self._murmurs = 0
            self._heard()
            yield message

    def _heard(self) -> None:
        self._silences = 0
        self._wait_anew()

    def _wait_anew(self) -> None:
        self._unheard_bytes = 0
        self._deadline = self._clock() + SILENT_SECONDS

    def _next_piece(self) -> bytes:
        """What comes next; only whole messages, and large pieces of one, put the deadline off.

        Raises:
            _SilentError: None has come for too long.
            wire.WireError: Something has, and it is none.
        """
        trouble = ""
        while not trouble and self._silences < _MOST_SILENCES:
            try:
                data = self._stream.read(max(0.0, self._deadline - self._clock()))
            except TimeoutError:  # noqa: PERF203 - what comes in time is the rule
                self._murmurs = self._murmurs + 1 if self._unheard_bytes else 0
                if self._murmurs >= _MOST_MURMURS:
                    raise wire.WireError("bytes come, and make no message") from None
                trouble = self._stream.trouble()
                self._silences += 1
                self._wait_anew()
            else:
                self._unheard_bytes += len(data)
                if self._unheard_bytes >= _LARGE_BYTES:
                    self._heard()
                return data
        raise _SilentError(self._silences * SILENT_SECONDS, trouble)

    def _said(self) -> tuple[str, str, str]:
        noise = "" if self._preamble is None else self._preamble.noise.decode("utf-8", "replace")
        return noise, self._output_tail(), self._stream.stderr_tail()
