import logging
import os
import subprocess
import sys

import pytest

log = logging.getLogger("shop")


def test_passes_with_output():
    print("to stdout")
    print("to stderr", file=sys.stderr)
    log.warning("to the log")


def test_fails_with_output():
    print("to stdout")
    print("to stderr", file=sys.stderr)
    log.warning("to the log")
    log.info("not shown")
    assert 0


@pytest.fixture
def chatty():
    print("in set-up")
    log.error("logged in set-up")
    yield
    print("in tear-down")
    log.error("logged in tear-down")


def test_phases(chatty):
    print("in call")
    assert 0


def test_descriptors():
    os.write(1, b"straight \xc3\xa4 \xff\n")
    os.write(2, b"to the descriptor\n")
    assert 0


def test_child():
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    assert 0


def test_colours():
    print("\x1b[31mred\x1b[0m \x07 \r over")
    assert 0


def test_unicode():
    print("\u00e4\u20ac\U0001f600")
    assert 0


def test_no_newline():
    print("no newline", end="")
    assert 0
