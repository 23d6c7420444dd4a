"""Values that nobody may read, in every form that they take in texts."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dockerci.agent import wire
from pytest_dockerci.masked_messages import MaskedMessages
from pytest_dockerci.masking import Mask, StreamMask

SECRET = 'pa"ss wörd/42+'  # noqa: S105 - nobody's
ENCODED = SECRET.encode()


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"before {SECRET} after {SECRET}",
        json.dumps({"password": SECRET}),
        json.dumps({"password": SECRET}, ensure_ascii=False),
        repr([SECRET]),
        f"https://host/?{urlencode({'q': SECRET})}",
        f"https://user:{quote(SECRET, safe='')}@host/",
        *(base64.b64encode(before + ENCODED + b"after").decode() for before in (b"", b"a", b"ab", b"user:")),
        base64.urlsafe_b64encode(b"x:" + ENCODED).decode(),
    ],
)
def test_every_form_is_hidden(text: str) -> None:
    """As it is, quoted, and in base64 with something before and after it."""
    hidden = Mask([SECRET]).hide(text)
    assert "***" in hidden
    for part in (SECRET, quote(SECRET, safe=""), base64.b64encode(ENCODED).decode()[:-4], "wörd/42"):
        assert part not in hidden


def test_the_rest_stays() -> None:
    """Only the value goes; the longest of several that begin alike goes first; short ones stay."""
    mask = Mask(["secret-1", "secret-1-and-more", "short"])
    assert mask.hide("a secret-1-and-more b secret-1 c short") == "a *** b *** c short"
    assert Mask([]).hide("anything") == "anything"
    assert not Mask(["12345"])


def test_a_value_of_several_lines() -> None:
    """A key is printed line by line."""
    mask = Mask(["-----BEGIN KEY-----\nabcdefgh\n-----END KEY-----"])
    assert mask.hide("  abcdefgh\n") == "  ***\n"


@given(st.lists(st.sampled_from(["canary-42", "can", "ary-42", "x", "", "canary-", "42"])), st.integers(1, 4))
def test_pieces_of_a_stream(parts: list[str], size: int) -> None:
    """However it is sliced, the value never shows, and nothing else is lost."""
    text = "".join(parts)
    mask = Mask(["canary-42"])
    stream = StreamMask(mask)
    shown = "".join(stream.feed(text[at : at + size]) for at in range(0, len(text), size)) + stream.rest()
    assert shown == text.replace("canary-42", "***")


def test_messages() -> None:
    """Texts of the suite are without it; words of the protocol stay, even if a silly secret is one of them."""
    messages: list[wire.Message] = [
        wire.Output(stream="stdout", text="it is pas"),
        wire.Alive(),
        wire.Output(stream="stdout", text="sed today"),
        wire.Output(stream="stderr", text="pass"),
        wire.Report(index=0, data={"outcome": "passed", "sections": [["out", "passed"]]}, exception=[]),
        wire.Done(index=0),
        wire.WorkerDied(index=1, when="call", cause="passed away", output="passed"),
    ]
    assert list(MaskedMessages(Mask(["passed"])).pass_on(messages)) == [
        wire.Output(stream="stdout", text="it is "),
        wire.Alive(),
        wire.Output(stream="stdout", text="*** today"),
        wire.Output(stream="stderr", text="pass"),
        wire.Report(index=0, data={"outcome": "passed", "sections": [["out", "***"]]}, exception=[]),
        wire.Done(index=0),
        wire.WorkerDied(index=1, when="call", cause="*** away", output="***"),
    ]
    assert list(MaskedMessages(Mask()).pass_on(messages)) == messages
