"""What all messages are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    """Base of all messages: plain values that JSON can carry."""
