"""What a results format comes to: one list of cases, whichever format it was. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Outcome = Literal["passed", "failed", "skipped", "xfailed", "xpassed"]

MAX_CASES = 100_000
MAX_NAME_CHARACTERS = 1000
# Of each text of a case; both ends say more than the middle.
MAX_TEXT_CHARACTERS = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test of a command's results.

    Attributes:
        classname: What the format groups tests by: a class, a file, a package, the test above; may be empty.
        name: Its name there.
        outcome: As pytest would call it. ``xfailed`` and ``xpassed`` are TAP's ``# TODO``.
        message: What went wrong, or why it was skipped.
        details: A stack or the like.
        seconds: How long it took; 0 where the format does not say.
        output: What it printed.
        error_output: What it printed on standard error.
        source: The file that it stands in, with its line where that is known, as the results say.
        origin: The results file, or ``standard output``.
        properties: What the results say of it beside that.
    """

    classname: str
    name: str
    outcome: Outcome
    message: str = ""
    details: str = ""
    seconds: float = 0.0
    output: str = ""
    error_output: str = ""
    source: str = ""
    origin: str = ""
    properties: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from others of the same command."""
        return self.classname, self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What one results file, or standard output, comes to.

    Attributes:
        origin: Its name.
        cases: The cases.
        problems: Why it cannot be trusted: missing, empty, cut off, malformed, in contradiction with itself.
    """

    origin: str
    cases: tuple[Case, ...] = ()
    problems: tuple[str, ...] = ()


class Names:
    """Tells apart cases that have the same names: the second one is called ``name (2)``."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], int] = {}

    def unique(self, case: Case) -> Case:
        """The case, under a name that none before it has."""
        count = self._seen.get(case.key, 0) + 1
        self._seen[case.key] = count
        if count == 1:
            return case
        return self.unique(replace(case, name=f"{case.name} ({count})"))


def bounded(text: str | None) -> str:
    """A text without its middle where it is too long."""
    text = text or ""
    if len(text) <= MAX_TEXT_CHARACTERS:
        return text
    half = MAX_TEXT_CHARACTERS // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]}\n... {left_out} characters left out ...\n{text[-half:]}"


def one_line(text: str, instead: str) -> str:
    """A name that fits into a node id: without line breaks and what a terminal may obey, and never empty."""
    words = " ".join(text.split())[:MAX_NAME_CHARACTERS]
    if not words.isprintable():
        words = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in words)
    return words or instead
