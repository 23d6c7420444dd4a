"""The protocol: what is sent arrives, and nothing else ever does."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_dockerci.agent import frames, wire
from pytest_dockerci.agent.schema import fits

HEADER_BYTES = 16
EXAMPLES: tuple[wire.Message, ...] = (
    wire.TerminalInput(text="p basket\r\udcff"),
    wire.Alive(),
    wire.TerminalSize(rows=24, columns=80),
    wire.Debugger(state="entered"),
    wire.TerminalOutput(text="\x1b[1m(Pdb) "),
    wire.Start(
        args=["-k", "a or b"],
        cwd="/srv/app",
        environ={"TOKEN": "s3cret", "UMLAUT": "\u00e4"},
        toolkit="/toolkit",
        hidden_conftests=["/srv/app/conftest.py"],
        known_ini=["django_find_project"],
        phase_timeout_seconds=1.5,
        plugins=["pytester"],
        optional=[["--ds", "shop.settings"], ["--count=2"]],
        undecided=[{"option": "--env", "word": "tests", "paths": ["tests"]}],
        coverage={"token": "t0", "sections": {"run": {"branch": "true"}}},
    ),
    wire.Run(indices=[0, 2, 1], then=wire.THEN_SESSION),
    wire.Limits(rows=[[0, 2.5, 0.0], [1, 60, 1]]),
    wire.Proceed(),
    wire.Again(index=3),
    wire.Finish(),
    wire.Hello(protocol=1, python="3.8.20"),
    wire.Configured(pytest="9.2.0", rootdir="/srv/app", inifile="/srv/app/pytest.ini"),
    wire.Sides(plugins={"pytest-mock": "3.15"}, markers=["slow: takes long"], values=[0]),
    wire.Nodes(rows=[{"name": "test_\U0001f600", "parent": -1, "location": ["a.py", None, "x"]}]),
    wire.CollectReport(node=-1, data={"outcome": "failed", "longrepr": None}),
    wire.Collected(items=[1, 2], deselected=[3], digest="ab" * 32),
    wire.Measured(
        rows=[{"file": "/srv/app.py", "context": "", "kind": "arcs", "numbers": [-1, 2]}], notes=["a note"]
    ),
    wire.Noted(),
    wire.Passed(rows=[[0, 1700000000.25, 0.0, 0.5, 0.001], [1, 1.0, 2, 3, 4]]),
    wire.Report(
        index=0,
        data={"sections": [["Captured stdout", "\udcff\x00\ud83d\ude00"]]},
        exception=["Boom", "ValueError"],
    ),
    wire.Recorded(index=0, attributes={"ticket": "T-1"}, suite=[["arch", "any"]]),
    wire.Done(index=0),
    wire.Warned(
        category="UserWarning",
        text="careful",
        filename="/srv/app/a.py",
        lineno=3,
        line="warn()",
        source="",
        when="runtest",
        nodeid="a.py::test_a",
        location=["/srv/app/a.py", 3, "test_a"],
    ),
    wire.Output(stream="stdout", text="raw \udce9 bytes"),
    wire.Stopped(kind="exit", reason="enough", exit_status=3),
    wire.Finished(exit_status=0, received=10, reported=10),
    wire.WorkerDied(index=2, when="call", cause="the Python process was killed by SIGSEGV", output="tail"),
)

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_FIELD_STRATEGIES: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    list[str]: st.lists(st.text(max_size=5), max_size=3),
    list[int]: st.lists(st.integers(), max_size=3),
    list[Any]: st.lists(plain_values, max_size=3),
    list[list[str]]: st.lists(st.lists(st.text(max_size=5), max_size=3), max_size=3),
    list[list[float]]: st.lists(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5), max_size=3
    ),
    list[dict[str, Any]]: st.lists(
        st.dictionaries(st.text(max_size=5), plain_values, max_size=3), max_size=3
    ),
    dict[str, str]: st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    dict[str, Any]: st.dictionaries(st.text(max_size=5), plain_values, max_size=3),
}


def any_message() -> st.SearchStrategy[wire.Message]:
    """Messages of every kind with any values that their fields allow."""
    kinds: list[st.SearchStrategy[wire.Message]] = [
        st.builds(
            message,
            **{field.name: _FIELD_STRATEGIES[_builtin_form(field.type)] for field in fields(message)},
        )
        for message in wire.MESSAGES.values()
    ]
    return st.one_of(kinds)


def _builtin_form(annotation: Any) -> Any:
    """`typing.List[int]` as `list[int]`, so that one table serves both spellings."""
    origin = getattr(annotation, "__origin__", None)
    if origin is None:
        return annotation
    return origin[tuple(_builtin_form(argument) for argument in annotation.__args__)]


def encoded(messages: Sequence[wire.Message]) -> list[bytes]:
    """A frame for each message, as one stream would carry them."""
    encoder = wire.Encoder()
    return [encoder.encode(message) for message in messages]


def decoded(data: bytes) -> list[wire.Message]:
    """The messages of a stream that came in one piece."""
    decoder = wire.Decoder()
    decoder.feed(data)
    return list(decoder.messages())


def raw_frame(payload: bytes, sequence: int = 0) -> bytes:
    """A frame made by hand."""
    return raw_header(len(payload), sequence, zlib.crc32(payload)) + payload


def raw_header(length: int, sequence: int, checksum: int) -> bytes:
    """Its header."""
    numbers = struct.pack(">III", length, sequence, checksum)
    return numbers + struct.pack(">I", zlib.crc32(numbers))


def payload(name: str, **values: Any) -> bytes:
    """A payload made by hand."""
    return json.dumps([name, values]).encode()


# Round trip


def test_there_is_an_example_of_every_message() -> None:
    """No kind of message goes untested."""
    assert {type(example).__name__ for example in EXAMPLES} == set(wire.MESSAGES)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_arrives_as_it_was_sent(message: wire.Message) -> None:
    """Encoding and decoding gives an equal message of the same type."""
    [arrived] = decoded(b"".join(encoded([message])))
    assert arrived == message
    assert type(arrived) is type(message)


def test_all_messages_in_one_piece() -> None:
    """A whole conversation in one read keeps its order."""
    assert decoded(b"".join(encoded(EXAMPLES))) == list(EXAMPLES)


def test_all_messages_byte_by_byte() -> None:
    """Each message comes out with its last byte, not earlier and not later."""
    decoder = wire.Decoder()
    for message, frame in zip(EXAMPLES, encoded(EXAMPLES), strict=True):
        for position in range(len(frame) - 1):
            decoder.feed(frame[position : position + 1])
            assert list(decoder.messages()) == []
            assert not decoder.is_idle
        decoder.feed(frame[-1:])
        assert list(decoder.messages()) == [message]
        assert decoder.is_idle


def test_trailing_bytes_belong_to_the_next_frame() -> None:
    """What follows a frame is kept until the frame that it begins is complete."""
    first, second = encoded([wire.Proceed(), wire.Done(index=7)])
    decoder = wire.Decoder()
    decoder.feed(first + second[:5])
    assert list(decoder.messages()) == [wire.Proceed()]
    assert not decoder.is_idle
    decoder.feed(second[5:])
    assert list(decoder.messages()) == [wire.Done(index=7)]


def test_truncation_at_every_offset_yields_whole_messages_only() -> None:
    """A stream that ends early gives the messages before the cut, and tells that it was cut."""
    frames = encoded(EXAMPLES[:6])
    data = b"".join(frames)
    ends = [sum(len(frame) for frame in frames[: count + 1]) for count in range(len(frames))]
    for cut in range(len(data) + 1):
        decoder = wire.Decoder()
        decoder.feed(data[:cut])
        complete = sum(end <= cut for end in ends)
        assert list(decoder.messages()) == list(EXAMPLES[:complete])
        assert decoder.is_idle == (cut in {0, *ends})


def test_a_payload_is_json_whatever_it_carries() -> None:
    """Lone surrogates, pairs of them too, and all of Unicode arrive as they are."""
    output = wire.Output(stream="stdout", text="\udcff\u20ac\ud83d\ude00\U0001f600\x00\u2028")
    assert decoded(wire.Encoder().encode(output)) == [output]


def test_bytes_that_are_no_text() -> None:
    """A payload that is not UTF-8 is refused like any other that is not JSON."""
    with pytest.raises(wire.WireError, match="a payload is not JSON"):
        wire.parse_payload(b'["Done",{"index":\xff}]')


def test_a_payload_can_be_passed_on_in_another_stream() -> None:
    """The supervisor gives payloads a new sequence number without reading them."""
    _, second = encoded([wire.Proceed(), wire.Done(index=1)])
    assert decoded(wire.Encoder().frame(second[HEADER_BYTES:])) == [wire.Done(index=1)]


# What is refused


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (raw_frame(payload("Proceed"), sequence=1), "frame 1 came where frame 0 was due"),
        (raw_frame(payload("Proceed")) * 2, "frame 0 came where frame 1 was due"),
        (
            raw_frame(payload("Proceed"))[:-1] + b"!",
            "frame 0 is damaged: its checksum does not match",
        ),
        (
            raw_header(frames.MAX_FRAME_BYTES + 1, 0, 0),
            "a frame of 67108865 bytes is too long (limit 67108864)",
        ),
        (b"Traceback (most recent call last):", "the header of frame 0 is damaged"),
    ],
    ids=["sequence", "doubled", "checksum", "oversize", "noise"],
)
def test_a_damaged_frame_is_refused(data: bytes, reason: str) -> None:
    """Each kind of damage is named in full."""
    with pytest.raises(wire.WireError) as caught:
        decoded(data)
    assert str(caught.value) == reason


def test_messages_before_the_damage_still_arrive() -> None:
    """What came whole before a damaged frame counts."""
    decoder = wire.Decoder()
    decoder.feed(raw_frame(payload("Proceed")) + raw_frame(payload("Finish"), sequence=5))
    messages = decoder.messages()
    assert next(messages) == wire.Proceed()
    with pytest.raises(wire.WireError, match="frame 5 came where frame 1 was due"):
        next(messages)


@pytest.mark.parametrize("position", range(HEADER_BYTES))
def test_any_changed_byte_of_a_header_is_noticed_at_once(position: int) -> None:
    """Nobody waits for the payload: its length may be what is wrong."""
    header = bytearray(raw_frame(payload("Proceed"))[:HEADER_BYTES])
    header[position] ^= 0x01
    with pytest.raises(wire.WireError, match="the header of frame 0 is damaged"):
        decoded(bytes(header))


@pytest.mark.parametrize("position", range(HEADER_BYTES, HEADER_BYTES + len(payload("Proceed"))))
def test_any_changed_byte_of_a_payload_is_noticed(position: int) -> None:
    """The checksum covers the whole payload."""
    frame = bytearray(raw_frame(payload("Proceed")))
    frame[position] ^= 0x01
    with pytest.raises(wire.WireError, match="its checksum does not match"):
        decoded(bytes(frame))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "a payload is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"\xff\xfe", None),
        (b'["Proceed", {}', None),
        (b'["Passed",{"rows":[[NaN]]}]', "a payload is not JSON: NaN is not JSON"),
        (b'["Passed",{"rows":[[Infinity]]}]', "a payload is not JSON: Infinity is not JSON"),
        (b'["Passed",{"rows":[[-Infinity]]}]', "a payload is not JSON: -Infinity is not JSON"),
        (b"null", "a payload is not a message"),
        (b"7", "a payload is not a message"),
        (b"[]", "a payload is not a message"),
        (b'["Proceed"]', "a payload is not a message"),
        (b'["Proceed",{},{}]', "a payload is not a message"),
        (b'["Reboot",{}]', "unknown message 'Reboot'"),
        (b'["Message",{}]', "unknown message 'Message'"),
        (b'[["Proceed"],{}]', "unknown message ['Proceed']"),
        (b'[{"a":1},{}]', "unknown message {'a': 1}"),
        (b'["Proceed",[]]', "unknown message 'Proceed'"),
        (b'{"Proceed":1,"Finish":2}', "unknown message 'Proceed'"),
        (payload("Done"), "message Done has fields []"),
        (payload("Done", index=1, extra=2), "message Done has fields ['extra', 'index']"),
        (payload("Done", number=1), "message Done: field 'index' is missing or of another type"),
        (payload("Done", index="1"), "message Done: field 'index' is missing or of another type"),
        (payload("Done", index=1.0), "message Done: field 'index' is missing or of another type"),
        (payload("Done", index=True), "message Done: field 'index' is missing or of another type"),
        (payload("Done", index=None), "message Done: field 'index' is missing or of another type"),
        (payload("Again", index=[1]), "message Again: field 'index' is missing or of another type"),
        (
            payload("Output", stream=1, text=""),
            "message Output: field 'stream' is missing or of another type",
        ),
        (payload("Run", indices={}, then=1), "message Run: field 'indices' is missing or of another type"),
        (payload("Run", indices=["1"], then=1), "message Run: field 'indices' is missing or of another type"),
        (payload("Passed", rows=[1]), "message Passed: field 'rows' is missing or of another type"),
        (payload("Nodes", rows=[[]]), "message Nodes: field 'rows' is missing or of another type"),
        (
            payload("Report", index=0, data=[], exception=[]),
            "message Report: field 'data' is missing or of another type",
        ),
        (
            payload("Report", index=0, data={}, exception=[1]),
            "message Report: field 'exception' is missing or of another type",
        ),
    ],
)
def test_a_payload_that_is_no_message_is_refused(data: bytes, reason: str | None) -> None:
    """Unknown names, missing, further and mistyped fields: each is an error of the protocol, never another one."""
    with pytest.raises(wire.WireError) as caught:
        wire.parse_payload(data)
    assert reason is None or str(caught.value) == reason


@pytest.mark.parametrize(
    ("values", "is_valid"),
    [
        ([0, 1.5, 0, 0, 0], True),
        ([0, "1.5", 0, 0, 0], False),
        ([0, True, 0, 0, 0], False),
        ([None] * 5, False),
    ],
)
def test_the_numbers_of_a_passed_test_are_numbers(values: list[Any], *, is_valid: bool) -> None:
    """A row of `Passed` is used in sums: what is no number is refused here."""
    data = payload("Passed", rows=[values])
    if is_valid:
        assert wire.parse_payload(data) == wire.Passed(rows=[values])
    else:
        with pytest.raises(
            wire.WireError, match="message Passed: field 'rows' is missing or of another type"
        ):
            wire.parse_payload(data)


def test_json_nested_too_deeply_is_refused() -> None:
    """Deep nesting is an error of the protocol, not a crash of the reader."""
    deep = b'["Nodes",{"rows":[{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}]}]"
    with pytest.raises(wire.WireError):
        wire.parse_payload(deep)


def test_a_number_of_too_many_digits_is_refused() -> None:
    """Python limits the conversion of long digits; that too is an error of the protocol."""
    with pytest.raises(wire.WireError):
        wire.parse_payload(b'["Done",{"index":' + b"9" * 5000 + b"}]")


def test_a_payload_that_is_too_long_is_not_sent() -> None:
    """The limit holds for the sender too, so that the other end is not made to refuse it."""
    encoder = wire.Encoder()
    with pytest.raises(wire.WireError, match=r"^a frame of 67108865 bytes is too long \(limit 67108864\)$"):
        encoder.frame(b" " * (frames.MAX_FRAME_BYTES + 1))
    assert decoded(encoder.encode(wire.Proceed())) == [wire.Proceed()]


# The preamble


def feed_in_slices(scanner: frames.PreambleScanner, data: bytes, size: int) -> bytes | None:
    """What the scanner returns at last, and the data that it has not seen."""
    rest = None
    for position in range(0, len(data), size):
        rest = scanner.feed(data[position : position + size])
        if rest is not None:
            return rest + data[position + size :]
    return rest


@pytest.mark.parametrize("size", [1, 2, 7, 4096])
@pytest.mark.parametrize("noise", [b"", b"hello\n", b"\x00dockerci-agent-", b"\x00\x00dockerci\x00" * 9])
def test_the_preamble_is_found_behind_noise(noise: bytes, size: int) -> None:
    """What an interpreter prints at its start is skipped, in whatever slices it comes."""
    scanner = frames.PreambleScanner()
    frame = wire.Encoder().encode(wire.Hello(protocol=1, python="3.8.0"))
    assert feed_in_slices(scanner, noise + frames.PREAMBLE + frame, size) == frame
    assert scanner.noise == noise


def test_the_noise_so_far_is_kept_for_the_error_message() -> None:
    """Without an agent, what was printed is what explains it."""
    scanner = frames.PreambleScanner()
    assert scanner.feed(b"python: not found") is None
    assert scanner.noise == b"python: not found"


def test_too_much_noise_is_refused() -> None:
    """A stream that never starts is given up."""
    scanner = frames.PreambleScanner()
    assert scanner.feed(b"x" * frames.MAX_NOISE_BYTES) is None
    with pytest.raises(wire.WireError, match=r"^65537 bytes came, but no agent$"):
        scanner.feed(b"x")


# What both ends have to mean by the same number


def test_the_numbers_of_the_protocol() -> None:
    """An index is never taken for one of the words that stand in its place."""
    assert (wire.PROTOCOL_VERSION, frames.PREAMBLE) == (1, b"\x00dockerci-agent-1\x00")
    words = (wire.THEN_END, wire.THEN_WAIT, wire.THEN_SESSION)
    assert words == (-1, -2, -3)
    assert wire.SHOWN_AS_TEXT == "dockerci_shown_as_text"


def test_the_longest_frame() -> None:
    """It is sent and taken; one byte more is refused, at either end."""
    longest = bytes(frames.MAX_FRAME_BYTES)
    decoder = frames.FrameDecoder()
    decoder.feed(frames.FrameEncoder().frame(longest))
    [arrived] = decoder.payloads()
    assert len(arrived) == frames.MAX_FRAME_BYTES == 64 << 20
    with pytest.raises(wire.WireError, match=r"a frame of 67108865 bytes is too long \(limit 67108864\)"):
        frames.FrameEncoder().frame(longest + b"x")


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        ({"a": "b"}, dict[str, str], True),
        ({"a": 1}, dict[str, str], False),
        ({"a": 1}, dict[str, Any], True),
        (True, int, False),
        ("1", int, False),
        ([1], list[int], True),
        (["1"], list[int], False),
        ([["a"]], list[list[str]], True),
        ([[1]], list[list[str]], False),
    ],
)
def test_what_fits_a_field(value: Any, annotation: Any, expected: bool) -> None:  # noqa: FBT001
    """Its elements have to fit as well; the answer is yes or no, nothing else."""
    typing_form = next(
        each.type for message in wire.MESSAGES.values() for each in fields(message)
        if _builtin_form(each.type) == annotation
    )  # fmt: skip
    assert fits(value, typing_form) is expected


# Properties


@settings(deadline=None)
@given(st.lists(any_message(), max_size=5), st.integers(1, 64))
def test_whatever_is_sent_arrives(messages: list[wire.Message], size: int) -> None:
    """Any messages in any slices come out as they went in."""
    data = b"".join(encoded(messages))
    decoder = wire.Decoder()
    arrived: list[wire.Message] = []
    for position in range(0, len(data), size):
        decoder.feed(data[position : position + size])
        arrived += decoder.messages()
    assert arrived == messages
    assert decoder.is_idle


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_a_mutated_stream_never_yields_other_messages(data: st.DataObject) -> None:
    """Bytes changed, lost, doubled or inserted: a prefix of what was sent comes out, then an error or silence."""
    messages = data.draw(st.lists(st.sampled_from(EXAMPLES), min_size=1, max_size=4))
    stream = bytearray(b"".join(encoded(messages)))
    position = data.draw(st.integers(0, len(stream) - 1))
    length = data.draw(st.integers(1, 40))
    kind = data.draw(st.sampled_from(["change", "lose", "double", "insert"]))
    if kind == "change":
        stream[position] ^= data.draw(st.integers(1, 255))
    elif kind == "lose":
        del stream[position : position + length]
    elif kind == "double":
        stream[position:position] = stream[position : position + length]
    else:
        stream[position:position] = data.draw(st.binary(min_size=1, max_size=length))
    decoder = wire.Decoder()
    decoder.feed(bytes(stream))
    arrived: list[wire.Message] = []
    try:
        arrived.extend(decoder.messages())
    except wire.WireError:
        assert arrived == messages[: len(arrived)]
    assert arrived == messages[: len(arrived)]


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_random_payloads_raise_nothing_but_wire_errors(data: bytes) -> None:
    """Whatever bytes come, the reader stays in its own vocabulary."""
    with pytest.raises(wire.WireError):
        wire.parse_payload(data)


def test_messages_are_compared_and_shown_by_their_values() -> None:
    """As data classes are; one is no other kind of message, whatever it holds."""
    assert wire.Run(indices=[1], then=2) == wire.Run([1], 2)
    assert wire.Run(indices=[1], then=2) != wire.Run(indices=[1], then=3)
    assert wire.Proceed() != wire.Finish()
    assert wire.Again(index=1) != "Again(index=1)"
    assert repr(wire.Run(indices=[1], then=2)) == "Run(indices=[1], then=2)"
    assert repr(wire.Finish()) == "Finish()"
    with pytest.raises(TypeError, match="no key"):
        hash(wire.Finish())
