"""What all messages are."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Type, TypeVar

_Class = TypeVar("_Class")

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Callable[[Any], Any]:
        """Means something to type checkers alone."""
        return lambda function: function


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def message(cls: Type[_Class]) -> Type[_Class]:
    """Make a message of a class: a `dataclass`, which nobody changes.

    Each Python of a run makes all of them when it starts, host, supervisor and worker one after the other. Measured
    with Python 3.13: 0.08 ms for one, and 0.35 ms with ``frozen=True``.
    """
    return dataclass(eq=False, repr=False)(cls)


@message
class Message:
    """Base of all messages: plain values that JSON can carry. Two are equal when their values are."""

    # What a frozen `dataclass` writes anew for each class, at three quarters of the time that making one takes.

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if type(self) is type(other) else NotImplemented

    def __hash__(self) -> int:
        raise TypeError("a message is no key: most hold lists")

    def __repr__(self) -> str:
        values = ", ".join("%s=%r" % item for item in self.__dict__.items())
        return "%s(%s)" % (type(self).__name__, values)
