"""The message of a supervisor that has nothing else to say."""

from .message import Message, message

# A supervisor is never silent for longer; whatever a test does, it runs in another process.
ALIVE_SECONDS = 4.0


@message
class Alive(Message):
    """The supervisor is there."""
