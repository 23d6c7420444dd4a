"""What a hostile agent says in good frames, when it is not due or is no message: the host believes none of it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chaos import hostile_payloads
from chaos.streams import Replay, believed, recorded
from pytest_dockerci.agent import frames, wire
from pytest_dockerci.errors import DockerCIError

_MARK = frames.PREAMBLE


def believed_wrongly(folder: Path, chance: random.Random, count: int) -> Iterator[str]:
    """Try so many conversations with something hostile in them; what the host should not have believed."""
    truth, parts = recorded(folder)
    noise, _, first = parts[0].partition(_MARK)
    payloads = [_payloads(first), _payloads(first + parts[1])]
    said = [payloads[0], payloads[1][len(payloads[0]) :]]
    for _ in range(count):
        way = chance.choice(list(_WAYS))
        half = chance.choice((0, 1, 1, 1))
        changed = [list(said[0]), list(said[1])]
        own = _WAYS[way](chance, changed[half])
        encoder = wire.Encoder()
        begin, end = (b"".join(encoder.frame(payload) for payload in each) for each in changed)
        try:
            # What is wrong with the first half may keep the host from asking.
            records = believed(Replay((noise + _MARK + begin, end), waits=half == 1), len(truth))
        except DockerCIError:
            continue
        wrong = [index for index, record in enumerate(records) if record != truth[index] and index not in own]
        if wrong or len(records) not in (0, len(truth)):
            yield f"{way}: believed {wrong} of {changed[half]!r:.3000}"


def _payloads(data: bytes) -> list[bytes]:
    decoder = frames.FrameDecoder()
    decoder.feed(data)
    return list(decoder.payloads())


# Ways to change what is said. Each gives the tests of which the message itself told: those may come to anything.


def _undue(chance: random.Random, said: list[bytes]) -> set[int]:
    """A verdict on a test that is not due, or does not exist."""
    index = chance.choice((-1, 0, 1, 2, 5, 99, 2**40))
    message = chance.choice(
        (
            wire.Passed(rows=[[index, 1.0, 0.0, 0.0, 0.0]]),
            wire.Report(index=index, data={"when": "call", "outcome": "passed"}, exception=[]),
            wire.Done(index=index),
            wire.Recorded(index=index, attributes={}, suite=[]),
            wire.WorkerDied(index=index, when="call", cause="x", output=""),
        )
    )
    said.insert(chance.randrange(len(said)), wire.payload_of(message))
    return {index}


def _counts(chance: random.Random, said: list[bytes]) -> set[int]:
    """An end frame that comes early, or counts other tests."""
    message = wire.Finished(exit_status=0, received=chance.randrange(12), reported=chance.randrange(12))
    said.insert(chance.randrange(len(said) + 1), wire.payload_of(message))
    return set()


def _for_the_worker(chance: random.Random, said: list[bytes]) -> set[int]:
    """A message that only the host may send."""
    message = chance.choice(
        (wire.Run(indices=[0], then=-1), wire.Proceed(), wire.Finish(), wire.Again(index=0))
    )
    said.insert(chance.randrange(len(said)), wire.payload_of(message))
    return set()


def _no_message(chance: random.Random, said: list[bytes]) -> set[int]:
    """Something else: pickles, YAML, classes, deep and odd JSON."""
    text = hostile_payloads.text(chance)
    payload = chance.choice(
        (
            lambda: text.encode("utf-8", "surrogatepass"),
            lambda: json.dumps([text, {}]).encode(),
            lambda: json.dumps(["Report", hostile_payloads.value(chance)]).encode(),
            lambda: json.dumps(["__reduce__", {"index": 0}]).encode(),
            lambda: b"\x80\x04\x95c" + f"{hostile_payloads.TRAP}\nboom\n)R.".encode(),
            lambda: b"[" * 100_000,
            lambda: b'["Done",{"index":' + b"9" * 5000 + b"}]",
            lambda: b'["Passed",{"rows":[[1e999,0,0,0,0]]}]',
            lambda: b'["Passed",{"rows":[[0.5,-1e308,0,0,0]]}]',
        )
    )()
    said.insert(chance.randrange(len(said)), payload)
    return {0}


def _other_value(chance: random.Random, said: list[bytes]) -> set[int]:
    """A field with another value, missing or further fields."""
    position = chance.randrange(len(said))
    name, values = json.loads(said[position])
    own = _told_of(values)
    key = chance.choice([*values, hostile_payloads.text(chance)])
    if chance.random() < 0.2:
        values.pop(key, None)
    else:
        values[key] = hostile_payloads.value(chance)
    said[position] = json.dumps([name, values]).encode()
    # What is said of the whole suite can be anything: another name for a test is no verdict on it.
    return own | _told_of(values)


def _other_name(chance: random.Random, said: list[bytes]) -> set[int]:
    """A message under another one's name."""
    position = chance.randrange(len(said))
    _, values = json.loads(said[position])
    said[position] = json.dumps([chance.choice([*wire.MESSAGES, "os.system", "Message"]), values]).encode()
    return _told_of(values)


def _lost(chance: random.Random, said: list[bytes]) -> set[int]:
    """A message that does not come."""
    _, values = json.loads(said.pop(chance.randrange(len(said))))
    return _told_of(values)


def _twice(chance: random.Random, said: list[bytes]) -> set[int]:
    """A message that comes again later."""
    payload = chance.choice(said)
    said.insert(chance.randrange(len(said) + 1), payload)
    return _told_of(json.loads(payload)[1])


def _swapped(chance: random.Random, said: list[bytes]) -> set[int]:
    """Two messages in the other order."""
    first, second = chance.randrange(len(said)), chance.randrange(len(said))
    said[first], said[second] = said[second], said[first]
    return _told_of(json.loads(said[first])[1]) | _told_of(json.loads(said[second])[1])


def _row(chance: random.Random, said: list[bytes]) -> set[int]:
    """A node of the tree that is none."""
    rows = [hostile_payloads.value(chance) for _ in range(chance.randrange(1, 3))]
    said.insert(chance.randrange(len(said)), json.dumps(["Nodes", {"rows": rows}]).encode())
    return set()


def _told_of(values: dict[str, Any]) -> set[int]:
    rows = values.get("rows")
    rows = rows if isinstance(rows, list) else []
    told = [values.get("index"), *(row[0] for row in rows if isinstance(row, list) and row)]
    return {int(each) for each in told if type(each) in (int, float)}


_WAYS: dict[str, Callable[[random.Random, list[bytes]], set[int]]] = {
    "undue": _undue,
    "counts": _counts,
    "for the worker": _for_the_worker,
    "no message": _no_message,
    "other value": _other_value,
    "other name": _other_name,
    "lost": _lost,
    "twice": _twice,
    "swapped": _swapped,
    "row": _row,
}
