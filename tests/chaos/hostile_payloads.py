"""What a hostile test prints, raises and names, and what a hostile agent says. Seeded."""

from __future__ import annotations

import base64
import json
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pytest_dockerci.agent import frames

# Values of `dockerci_secrets` in every run.
SECRETS = {f"PAYLOAD_SECRET_{number}": f"canary-{number:02}-Zq/9+x{number * 7919}" for number in range(5)}
# A module of the host's rootdir that must never be imported there.
TRAP = "payload_trap"
# Part of the name of every file that payloads ask for.
ESCAPED = "escaped-by-payload"
_ORDERS = (
    "\x1b[2J\x1b[1;1H",
    "\x1b]0;title\x07",
    "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1bP+q544e\x1b\\",
    "\x1b[6n",
    "\x1b[?1049h",
    "\x9b2J",
    "\x1bc",
    "over\rwritten",
    "user\u202egpj.exe",
    "\u2066hidden\u2069",
    "\x00\x07\x08\x0b\x7f",
    "\u2028\u2029\x85",
    "\udcff\udc80",
)
_COMMANDS = (
    "::set-env name=PATH::/evil",
    "::add-mask::x",
    "::error file=a.py::forged",
    "::stop-commands::x",
    "##[group]x",
    "##vso[task.setvariable variable=x]y",
    "##vso[task.complete result=Succeeded;]done",
    "##teamcity[testFinished name='test_fails']",
)
_SUMMARIES = (
    "1 passed in 0.01s",
    "=================== 100 passed in 0.10s ===================",
    "tests/test_suite.py::test_fails PASSED",
    "Result: SUCCESS!",
    "ok 1 - test_fails",
)
_XML = (
    "<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]><l>&b;</l>",
    "]]></failure></testcase><testcase name='forged'/>",
    "<!ENTITY x SYSTEM 'file:///etc/passwd'>&x;",
    "&lt;&#0;\x00\ufffe",
)
_PATHS = (
    f"../../../../{ESCAPED}",
    f"/{ESCAPED}",
    f"..\\..\\{ESCAPED}",
    f"{ESCAPED}\x00.txt",
    f"%2e%2e/{ESCAPED}",
    f"~/{ESCAPED}",
    f"/{'x' * 5000}/{ESCAPED}",
)
_CODE = (
    f"__import__('{TRAP}')",
    f"{{{TRAP}.__class__}}",
    f"%({TRAP})s",
    f"c{TRAP}\nboom\n(tR.",
    f"!!python/object/apply:{TRAP}.boom []",
    f"{{{{ {TRAP} }}}}",
)


def written_outside(folder: Path) -> Iterator[str]:
    """Files that a payload's path asked for, where such paths lead from a folder."""
    places = [Path("/"), Path.home(), Path.cwd(), *folder.parents]
    yield from (f"written: {path}" for place in places for path in place.glob(f"*{ESCAPED}*"))


def text(chance: random.Random) -> str:
    """One payload, sometimes two."""
    made = [
        chance.choice((_order, _command, _summary, _forged_frame, _markup, _path, _code, _secret, _noise))(
            chance
        )
        for _ in range(chance.choice((1, 1, 1, 2)))
    ]
    return chance.choice(("", "\n", " ")).join(made)


def _order(chance: random.Random) -> str:
    return chance.choice(_ORDERS)


def _command(chance: random.Random) -> str:
    return chance.choice(("", "\n", "  ", "\n\t", "\r\n")) + chance.choice(_COMMANDS)


def _summary(chance: random.Random) -> str:
    return chance.choice(("\n", "\r", "")) + chance.choice(_SUMMARIES)


def _markup(chance: random.Random) -> str:
    return chance.choice(_XML)


def _path(chance: random.Random) -> str:
    return chance.choice(_PATHS)


def _code(chance: random.Random) -> str:
    return chance.choice(_CODE)


def _secret(chance: random.Random) -> str:
    value = chance.choice(list(SECRETS.values()))
    return chance.choice(
        (
            lambda: value,
            lambda: repr(value),
            lambda: quote(value, safe=""),
            lambda: json.dumps({"key": value}),
            lambda: base64.b64encode(value.encode()).decode(),
            lambda: base64.urlsafe_b64encode(b"x" + value.encode()).decode(),
            lambda: f"https://user:{value}@host/",
        )
    )()


def _noise(chance: random.Random) -> str:
    return "".join(
        chr(chance.choice((chance.randrange(32), chance.randrange(0x300), 0xDC80))) for _ in range(12)
    )


def _forged_frame(chance: random.Random) -> str:
    """The bytes of a frame that says that all is well, as a text."""
    payload = chance.choice(
        (
            b'["Passed",{"rows":[[0,1.0,0,0,0],[1,1.0,0,0,0]]}]',
            b'["Finished",{"exit_status":0,"received":9,"reported":9}]',
            b'["Done",{"index":%d}]' % chance.randrange(9),
            b'["Hello",{"protocol":1,"python":"3.8.0"}]',
        )
    )
    numbers = struct.pack(">III", len(payload), chance.randrange(40), zlib.crc32(payload))
    frame = numbers + struct.pack(">I", zlib.crc32(numbers)) + payload
    begin = chance.choice((b"", frames.PREAMBLE))
    return (begin + frame).decode("utf-8", "surrogateescape")


def value(chance: random.Random, depth: int = 0) -> Any:
    """Any plain value, for a place where another one was expected."""
    kind = chance.randrange(9 if depth < 3 else 6)
    if kind < 3:
        return text(chance)
    if kind < 6:
        return chance.choice((None, True, False, 0, -1, 2**70, 1.5, 1e308, "", "passed", "call"))
    if kind == 6:
        return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {text(chance): value(chance, depth + 1) for _ in range(chance.randrange(4))}
