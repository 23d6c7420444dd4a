"""The message that says how long tests may take."""

from typing import List

from .message import Message, message


@message
class Limits(Message):
    """How long tests may take, for the supervisor: the worker of one that takes longer is ended.

    Args:
        rows: For each test ``[index, seconds, covers]``: `covers` is 1 for the call alone, 0 for the whole test.
    """

    rows: List[List[float]]
