"""Every error of the package has a whole text that somebody has read."""

from __future__ import annotations

import pytest

from error_texts import PAGE, ErrorText, error_texts, page
from pytest_dockerci.agent import wire
from pytest_dockerci.channel_failure import no_good_end, no_verdict

TEXTS = error_texts()
# Places whose text needs no next step of its own, and why.
NO_NEXT_STEP = {
    "container_run.py _not_run": "the error that it quotes has one",
    "container_run.py record": "nothing is wrong: the container's own selection",
    "controller_link.py error_from_json": "carries another error to another process, with all its parts",
    "controller_link.py handle": "carries a defect of ours to another process",
    "controller_link.py ask": "the controller has ended, and has said why",
    "discovery.py record": "only ever asked for by a defect of ours",
    "engine/api.py _mend_tunnel": "its class makes the text",
    "engine/api.py send": "its class makes the text",
    "engine/command.py _start": "the run is ending, and has said why",
    "engine/exec_stream.py read_piece": "becomes part of the error of whoever reads",
    "engine/exec_stream.py write": "becomes part of the error of whoever writes",
    "engine/nets.py await_reaper": "whoever asked for the reaper says what can be done without it",
    "engine/reaper.py start": "as for the reaper's other errors",
    "engine/reaper.py _await_ready": "as for the reaper's other errors",
    "engine/resolution.py uv_platform": "another way is tried: the toolkit is built in the image",
    "engine/waiting.py wait": "the run is ending, and has said why",
    "xdist_worker.py collect": "says what another error says",
    # a container or a registry is at fault, and what it did is the whole reason
    "commands/execution.py _look_after_silence": "what the engine says of the container",
    "commands/hooks.py pytest_sessionfinish": "which commands they are",
    "commands/selection.py select_commands": "all commands that there are",
    "engine/command_container.py start": "what became of the container",
    "engine/command_container.py read_piece": "what is wrong with its output",
    "engine/command_container.py end": "what became of the container",
    "engine/pushed_image.py require_tested": "what the registry holds",
    "engine/pushed_image.py _require_tested": "what the registry holds",
    "engine/engine_push.py push_by_engine": "what the engine says",
    "engine/registry.py data": "what the registry holds",
}


def test_the_page_shows_every_text() -> None:
    """Each error's text as a whole; a new one, or another wording, has to be looked at there."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: f"{text.place}: {text.what[:40]}")
def test_what_an_error_says(text: ErrorText) -> None:
    """What failed, in one line that ends without a full stop; and what to try."""
    assert text.what
    assert "\n" not in text.what
    assert not text.what.endswith(".")
    if not text.copies:
        assert text.fix or text.place in NO_NEXT_STEP


def test_places_without_a_next_step_are_there() -> None:
    """A reason for a place that is gone would excuse another one later."""
    assert NO_NEXT_STEP.keys() <= {text.place for text in TEXTS if not text.fix}


def test_a_session_without_a_verdict() -> None:
    """The whole text, of either kind."""
    died = wire.WorkerDied(
        index=-1, when="between tests", cause="the Python process was killed by SIGKILL", output=""
    )
    assert str(no_verdict("container 0", None, "bye")) == (
        "container 0 ended its session without a verdict on this test\n"
        "  why: its pytest left early (pytest.exit, or an internal error)\n"
        "  try: see what it printed; with -p no:NAME for a plugin of the suite, see whether that one ends the session\n"
        "  what it printed:\n"
        "    bye"
    )
    assert "  why: the Python process was killed by SIGKILL (between tests)\n" in str(
        no_verdict("c", died, "")
    )


def test_a_session_that_does_not_end_well() -> None:
    """The whole text, of either kind."""
    died = wire.WorkerDied(
        index=-1, when="finish", cause="the Python process ended with exit code 1", output=""
    )
    assert str(no_good_end("container 0", None, 60.0, "")) == (
        "container 0 did not end its session in good order\n"
        "  why: no end frame in 60 s\n"
        "  try: look at what runs last: fixtures of the session, atexit functions, threads that do not end"
    )
    assert "  why: the Python process ended with exit code 1\n" in str(no_good_end("c", died, 60.0, ""))
