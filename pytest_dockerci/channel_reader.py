"""Reads what an agent says until its channel ends, and says why it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
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
    """

    def __init__(
        self,
        stream: ByteStream,
        *,
        name: str,
        take: Callable[[Iterator[wire.Message]], None],
        output_tail: Callable[[], str],
    ) -> None:
        self._stream = stream
        self._name = name
        self._take = take
        self._output_tail = output_tail
        self._noise = ""

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
        except Exception as error:  # noqa: BLE001 - whatever it is, pytest must not wait for this channel forever
            return damaged(self._name, f"{type(error).__name__}: {error}")

    def hung_up(self, error: str) -> DockerCIError:
        """What to say when reading or writing met the end of the channel, with this error."""
        return hung_up(self._name, error, self._stream.trouble(), self._said())

    def _read(self) -> NoReturn:
        decoder = wire.Decoder()
        preamble: frames.PreambleScanner | None = frames.PreambleScanner()
        while True:
            data = self._next_piece()
            if not data:
                self._noise = preamble.noise.decode("utf-8", "replace") if preamble is not None else ""
                raise EOFError
            if preamble is not None:
                rest = preamble.feed(data)
                if rest is None:
                    continue
                preamble, data = None, rest
            decoder.feed(data)
            self._take(decoder.messages())

    def _next_piece(self) -> bytes:
        trouble = ""
        silences = 0
        while not trouble and silences < _MOST_SILENCES:
            with suppress(TimeoutError):
                return self._stream.read(SILENT_SECONDS)
            trouble = self._stream.trouble()
            silences += 1
        raise _SilentError(silences * SILENT_SECONDS, trouble)

    def _said(self) -> tuple[str, str, str]:
        return self._noise, self._output_tail(), self._stream.stderr_tail()
