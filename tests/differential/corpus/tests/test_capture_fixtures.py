import logging
import os
import sys


def test_capsys(capsys):
    print("one")
    assert capsys.readouterr().out == "one\n"
    with capsys.disabled():
        pass


def test_capfd(capfd):
    os.write(1, b"two\n")
    assert capfd.readouterr().out == "two\n"


def test_capsys_left_over(capsys):
    print("left over")
    assert 0


def test_capfdbinary(capfdbinary):
    os.write(1, b"\xff")
    assert capfdbinary.readouterr().out == b"\xff"


def test_caplog(caplog):
    with caplog.at_level(logging.INFO):
        logging.info("hello")
    assert caplog.messages == ["hello"]
    assert caplog.records[0].levelname == "INFO"


def test_caplog_fails(caplog):
    caplog.set_level("DEBUG")
    logging.debug("kept")
    assert caplog.messages == []


def test_monkeypatch(monkeypatch):
    monkeypatch.setenv("SOMETHING", "1")
    monkeypatch.setattr(sys, "platform", "nowhere")
    monkeypatch.chdir("/")
    assert sys.platform == "nowhere" and os.getcwd() == "/"


def test_monkeypatch_was_undone():
    assert "SOMETHING" not in os.environ and sys.platform != "nowhere" and os.getcwd() != "/"


def test_stdin_is_refused():
    input("asking")
