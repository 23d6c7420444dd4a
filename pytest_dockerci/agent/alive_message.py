"""The message of a supervisor that has nothing else to say."""

from dataclasses import dataclass

from .message import Message

# A supervisor is never silent for longer; whatever a test does, it runs in another process.
ALIVE_SECONDS = 4.0


@dataclass(frozen=True)
class Alive(Message):
    """The supervisor is there."""
