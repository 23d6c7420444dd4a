"""What an agent says without the values of secrets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pytest_dockerci.agent import wire
from pytest_dockerci.decode_gate import STRUCTURE, WORDS
from pytest_dockerci.masking import Mask, StreamMask

# Where words of the protocol and of pytest stand, which a silly secret could be equal to.
_WORDS = dict.fromkeys(("outcome", "when", "$report_type", "_report_type", "type", "kind"), WORDS)

# What of each message the suite has a say in.
_TEXTS: dict[type[wire.Message], tuple[str, ...]] = {
    wire.Nodes: ("rows",),
    wire.CollectReport: ("data",),
    wire.Report: ("data", "exception"),
    wire.Recorded: ("attributes", "suite"),
    wire.Sides: ("markers",),
    wire.Warned: ("category", "text", "line", "filename", "source", "nodeid", "location"),
    wire.Stopped: ("reason",),
    wire.WorkerDied: ("cause", "output"),
}


class MaskedMessages:
    """Hides values in messages.

    Args:
        mask: What to hide.
    """

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._streams: dict[str, StreamMask] = {}

    def pass_on(self, messages: Iterable[wire.Message]) -> Iterator[wire.Message]:
        """The messages; a piece of output that ends with what may be the beginning of a value waits for the next."""
        if not self._mask:
            yield from messages
            return
        for message in messages:
            match message:
                case wire.Output(stream=stream, text=text):
                    shown = self._stream(stream).feed(text)
                    if shown:
                        yield replace(message, text=shown)
                case wire.TerminalOutput(text=text):
                    shown = self._stream("").feed(text)
                    if shown:
                        yield replace(message, text=shown)
                case wire.Alive():
                    yield message
                case _:
                    yield from self.rest()
                    yield self._masked(message)

    def rest(self) -> Iterator[wire.Message]:
        """What was held back."""
        for stream, mask in self._streams.items():
            text = mask.rest()
            if text:
                yield wire.Output(stream=stream, text=text) if stream else wire.TerminalOutput(text=text)

    def _stream(self, name: str) -> StreamMask:
        return self._streams.setdefault(name, StreamMask(self._mask))

    def _masked(self, message: wire.Message) -> wire.Message:
        fields = _TEXTS.get(type(message), ())
        return replace(
            message,
            **{
                name: self._mask.hide_in(getattr(message, name), words=_WORDS, keys=STRUCTURE)
                for name in fields
            },
        )
