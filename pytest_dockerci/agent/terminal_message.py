"""The messages of what a worker prints, and of a debugger in it that uses the host's terminal."""

from .message import Message, message


@message
class Output(Message):
    """What the worker wrote to its standard streams past pytest's capture.

    Args:
        stream: ``stdout`` or ``stderr``.
        text: UTF-8; other bytes as lone surrogates (``surrogateescape``).
    """

    stream: str
    text: str


@message
class Debugger(Message):
    """A debugger takes the host's terminal, or gives it back; no time limit counts meanwhile.

    Args:
        state: ``entered`` or ``left``.
    """

    state: str


@message
class TerminalOutput(Message):
    """What the debugger's terminal shows, control sequences included.

    Args:
        text: UTF-8; other bytes as lone surrogates.
    """

    text: str


@message
class TerminalInput(Message):
    """What was typed for the debugger.

    Args:
        text: UTF-8; other bytes as lone surrogates. Empty at the end of the input.
    """

    text: str


@message
class TerminalSize(Message):
    """The size of the host's terminal, in characters."""

    rows: int
    columns: int
