"""Takes a command line apart as argparse would: which words belong to which option. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# How many words an option takes: as argparse's `nargs` (None: one).
Arity = int | str | None

_NEGATIVE_NUMBER = re.compile(r"-\d+$|-\d*\.\d+$")


@dataclass(frozen=True, slots=True)
class Use:
    """One option with its words, or one word that belongs to none.

    Attributes:
        name: The option as the parser knows it, or as it was written if it knows none; empty for a plain word.
        words: All words of it, the option's own included.
        position: Place of the first one in the command line.
        is_known: The parser knows the option; true for plain words.
        is_literal: A plain word after ``--``.
    """

    name: str
    words: tuple[str, ...]
    position: int
    is_known: bool = True
    is_literal: bool = False


def take_apart(args: Sequence[str], known: Mapping[str, Arity]) -> list[Use]:
    """The uses of options and the plain words of a command line, in order.

    Joined, their words are the command line, but for a ``--``, which is left out.

    Args:
        args: The command line.
        known: Every option string of the parser, with its arity.
    """
    uses: list[Use] = []
    position = 0
    while position < len(args):
        word = args[position]
        if word == "--":
            rest = range(position + 1, len(args))
            return [*uses, *(Use("", (args[place],), place, is_literal=True) for place in rest)]
        if not _looks_like_option(word):
            uses.append(Use("", (word,), position))
            position += 1
            continue
        name, has_value = _name_of(word, known)
        count = 0 if has_value or name not in known else _count(known[name], args[position + 1 :])
        words = tuple(args[position : position + 1 + count])
        uses.append(Use(name, words, position, is_known=name in known))
        position += len(words)
    return uses


def _looks_like_option(word: str) -> bool:
    return len(word) > 1 and word.startswith("-") and not _NEGATIVE_NUMBER.match(word)


def _name_of(word: str, known: Mapping[str, Arity]) -> tuple[str, bool]:
    """The option that a word names, and whether the word holds its value as well."""
    if word in known:
        return word, False
    name, equals, _ = word.partition("=")
    if equals and (word.startswith("--") or name in known):
        return name, True
    if not word.startswith("--"):
        # "-vvx", "-kname": the last letter that is no flag takes the rest as its value.
        for place in range(1, len(word)):
            letter = f"-{word[place]}"
            if letter not in known:
                break
            if known[letter] != 0:
                return letter, place < len(word) - 1
            if place == len(word) - 1:
                return letter, False
    return word, False


def _count(arity: Arity, following: Sequence[str]) -> int:
    """How many of the following words an option takes."""
    if isinstance(arity, int):
        return min(arity, len(following))
    if arity is None:
        return min(1, len(following))
    free = 0
    while free < len(following) and not _looks_like_option(following[free]):
        free += 1
    return min(free, 1) if arity == "?" else free
