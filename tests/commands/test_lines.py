"""Output in pieces: secrets, lines, bounds, and what may be shown at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dockerci.commands.lines import MAX_LINE_CHARACTERS, KeptText, Lines, TextStream
from pytest_dockerci.commands.live_output import LiveOutput
from pytest_dockerci.masking import Mask
from pytest_dockerci.terminal import printable

cut_texts = st.lists(st.text(alphabet="ab\n\r:#[]é\x1b ", max_size=6), max_size=12)


def test_secrets_across_pieces() -> None:
    """And characters across pieces."""
    stream = TextStream(Mask(["hunter2"]))
    data = "a hunter2 é".encode() + b"\xff"
    shown = "".join(stream.feed(data[index : index + 1]) for index in range(len(data))) + stream.rest()
    assert shown == "a *** é\\xff"


@given(cut_texts)
def test_lines_do_not_depend_on_cuts(pieces: list[str]) -> None:
    """Whatever the pieces, the lines are those of the whole."""
    lines = Lines()
    found = [line for piece in pieces for line in lines.feed(piece)] + list(lines.rest())
    whole = [line.removesuffix("\r") for line in "".join(pieces).split("\n")]
    last_is_empty = not "".join(pieces).split("\n")[-1]
    assert found == (whole[:-1] if last_is_empty else whole)


@given(cut_texts, cut_texts)
def test_what_is_passed_over_leaves_the_next_line_whole(passed: list[str], pieces: list[str]) -> None:
    """Lines that begin in what nobody wants still have their beginning."""
    lines = Lines()
    for piece in passed:
        lines.pass_over(piece)
    found = [line for piece in pieces for line in lines.feed(piece)]
    begun = "".join(passed).rpartition("\n")[2]
    assert found == [line.removesuffix("\r") for line in (begun + "".join(pieces)).split("\n")[:-1]]


def test_a_line_without_an_end_is_bounded() -> None:
    """A gigabyte of no line break is no gigabyte of memory."""
    lines = Lines()
    for _ in range(40):
        assert list(lines.feed("x" * (1 << 16))) == []
    [line] = lines.feed("\n")
    assert len(line) == MAX_LINE_CHARACTERS


def test_kept_text_has_both_ends() -> None:
    """And says how much is missing between them."""
    text = KeptText()
    text.add("begin\n")
    for number in range(20_000):
        text.add(f"line {number} {'x' * 100}\n")
    text.add("end\n")
    kept = text.text()
    assert kept.startswith("begin\n")
    assert kept.endswith("end\n")
    assert "characters left out" in kept
    assert len(kept) < 400_000


@given(st.lists(st.text(max_size=5), max_size=20))
def test_short_texts_are_kept_whole(pieces: list[str]) -> None:
    """Nothing is missing from what fits."""
    text = KeptText()
    for piece in pieces:
        text.add(piece)
    assert text.text() == "".join(pieces)


@given(cut_texts)
def test_live_output_is_all_of_it(pieces: list[str]) -> None:
    """Held back, but never lost or changed."""
    shown: list[str] = []
    live = LiveOutput(lambda _stream, text: shown.append(text))
    for piece in pieces:
        live.add("stdout", piece)
    live.close()
    assert "".join(shown) == "".join(pieces)


@pytest.mark.parametrize(
    "order", ["::error::x\n", "##[error]x\n", "##vso[task]x\n", "##teamcity[x]\n", "  ::error::x\n"]
)
def test_no_cut_makes_an_order(order: str) -> None:
    """However an order to a CI system is cut in two or three, none is shown."""
    shown: list[str] = []
    for first in range(len(order)):
        for second in range(first, len(order)):
            shown.clear()
            live = LiveOutput(lambda _stream, text: shown.append(printable(text)))
            for piece in ("before\n", order[:first], order[first:second], order[second:]):
                live.add("stdout", piece)
            live.close()
            text = "".join(shown)
            assert not any(
                line.lstrip().startswith(("::", "##[", "##vso[", "##teamcity[")) for line in text.splitlines()
            )


def test_streams_are_apart() -> None:
    """What is held of one does not go to the other."""
    shown: list[tuple[str, str]] = []
    live = LiveOutput(lambda stream, text: shown.append((stream, text)))
    live.add("stdout", "a#")
    live.add("stderr", "b")
    live.add("stdout", "c")
    live.close()
    assert shown == [("stdout", "a"), ("stderr", "b"), ("stdout", "#c")]
