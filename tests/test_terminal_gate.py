"""What a debugger may do to the host's terminal, as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dockerci.terminal_gate import TerminalGate


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        pytest.param(b"(Pdb) p 1\r\n1\r\n", "(Pdb) p 1\r\n1\r\n", id="text"),
        pytest.param("grün \U0001f40d".encode(), "grün \U0001f40d", id="unicode"),
        pytest.param(b"\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m", id="colours"),
        pytest.param(b"\x1b[2K\x1b[3D\x1b[10;4H\x08\a", "\x1b[2K\x1b[3D\x1b[10;4H\x08\a", id="line editing"),
        pytest.param(b"\x1b[?2004h\x1b[?1h\x1b=", "\x1b[?2004h\x1b[?1h\x1b=", id="modes"),
        pytest.param(b"\x1b[6n", "\x1b[6n", id="where is the cursor"),
        pytest.param(b"a\x1b]0;title\x07b", "ab", id="title"),
        pytest.param(b"a\x1b]52;c;ZXZpbA==\x1b\\b", "ab", id="clipboard"),
        pytest.param(b"a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb", id="link"),
        pytest.param(b"a\x1bPq#0\x1b\\b", "ab", id="device control"),
        pytest.param(b"a\x1b_Gf=100;\x1b\\b", "ab", id="application"),
        pytest.param(b"\x1b[21t", "[21t", id="window title as input"),
        pytest.param(b"\x1b[c\x1b[>c", "[c[>c", id="who are you"),
        pytest.param(b"\x1b[5i", "[5i", id="printer"),
        pytest.param(b"\xc2\x9b5i\xc2\x9d0;x\x07", "5i0;x\a", id="C1"),
        pytest.param(b"\x00\x05\x0e\x7f", "", id="controls"),
        pytest.param(b"\xff\xfe", "\ufffd\ufffd", id="no UTF-8"),
        pytest.param("a\u202eb".encode(), "a\ufffdb", id="direction"),
    ],
)
def test_what_is_shown(sent: bytes, shown: str) -> None:
    """The same, whole or cut anywhere."""
    assert TerminalGate().feed(sent) == shown
    for cut in range(1, len(sent)):
        gate = TerminalGate()
        assert gate.feed(sent[:cut]) + gate.feed(sent[cut:]) == shown
    gate = TerminalGate()
    assert "".join(gate.feed(bytes([byte])) for byte in sent) == shown


def test_a_text_without_an_end() -> None:
    """It is held back for a while, and loses its meaning after that."""
    gate = TerminalGate()
    shown = "".join(gate.feed(b"\x1b]0;" + b"x" * 100 if n == 0 else b"x" * 100) for n in range(100))
    assert shown.startswith("]0;xxx")
    assert "\x1b" not in shown


@given(
    st.lists(
        st.binary(max_size=9) | st.sampled_from([b"\x1b", b"\x1b[", b"\x1b]", b"\x07", b"\x1b\\", b"0;"])
    )
)
def test_no_other_sequence_ever_passes(pieces: list[bytes]) -> None:
    """Whatever comes, in whatever pieces: each escape character begins a sequence of the list."""
    gate = TerminalGate()
    shown = "".join(gate.feed(piece) for piece in pieces)
    for position, character in enumerate(shown):
        assert character.isprintable() or character in "\n\r\t\b\a\x1b"
        if character == "\x1b":
            assert shown[position + 1 : position + 2] in set("[=>78DEM()")
