"""What to say when the channel to an agent has ended, is silent, or is damaged. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_dockerci.agent import wire
from pytest_dockerci.errors import AgentLostError, DockerCIError, ProtocolError

_KILLED = "the agent was killed; its container runs"
_HANGS = "its container runs, and does nothing"
_RUN_AGAIN = "run again; a run ends when its engine or its containers are stopped, frozen or removed"
_FIXES = {
    _KILLED: "find what ends processes there: a limit of memory, a test that kills others",
    _HANGS: "find what keeps it from working: the machine's load, a test that stops other processes",
}


def hung_up(name: str, error: str, trouble: str, said: Sequence[str]) -> DockerCIError:
    """The channel has ended before the agent's end frame.

    Args:
        name: How messages call the container.
        error: What reading or writing met; may be empty.
        trouble: What the engine says is wrong; may be empty.
        said: What was printed there before, in parts.
    """
    return _lost(f"{name}: the connection to the agent ended", trouble or error or _KILLED, said)


def silent(name: str, seconds: float, trouble: str, said: Sequence[str]) -> DockerCIError:
    """Nothing has come for so long that nothing is expected any more.

    Args:
        name: How messages call the container.
        seconds: How long.
        trouble: What the engine says is wrong; may be empty.
        said: What was printed there before, in parts.
    """
    return _lost(f"{name}: the agent has said nothing for {seconds:.0f} s", trouble or _HANGS, said)


class BeyondReplacementError(AgentLostError):
    """An agent was lost, and no other can be started in its place."""


def beyond_replacement(loss: DockerCIError, error: DockerCIError) -> BeyondReplacementError:
    """The end of a run whose container is of no use any more.

    Args:
        loss: How the agent was lost.
        error: What came of the attempt to start another one.
    """
    return BeyondReplacementError(
        loss.what,
        why=f"{loss.why}\n{error.what}: {error.why}" if loss.why in (_KILLED, _HANGS) else loss.why,
        fix=_RUN_AGAIN,
        output_title=loss.output_title,
        output=loss.output,
    )


def damaged(name: str, why: str) -> DockerCIError:
    """Something came that the protocol does not allow."""
    return ProtocolError(
        f"{name}: the channel to the agent is damaged",
        why=why,
        fix="run again; if it happens again, report it with this text",
    )


def untold_loss(loss: DockerCIError | None, obituary: str, *, is_idle: bool) -> tuple[str, ...]:
    """What has to be told of an agent or worker that was replaced, as no test is blamed for it; nothing for most.

    Args:
        loss: How the agent itself was lost; None where it was its worker.
        obituary: Which one is gone, and how.
        is_idle: It had nothing to run.
    """
    if not is_idle and not isinstance(loss, ProtocolError):
        return ()
    return (obituary if loss is None else f"{loss.what}: {loss.why}",)


def no_verdict(name: str, died: wire.WorkerDied | None, output: str) -> DockerCIError:
    """A worker's session has ended, and a test that was asked for has no result.

    Args:
        name: How messages call the container.
        died: How the worker ended without an end frame; None when there was one.
        output: The end of what it printed.
    """
    left = "its pytest left early (pytest.exit, or an internal error)"
    return AgentLostError(
        f"{name} ended its session without a verdict on this test",
        why=left if died is None else f"{died.cause} ({died.when})",
        fix="see what it printed; with -p no:NAME for a plugin of the suite, see whether that one ends the session",
        output_title="what it printed",
        output=output.splitlines(),
    )


def no_good_end(name: str, died: wire.WorkerDied | None, seconds: float, output: str) -> DockerCIError:
    """A worker's session did not end as it was asked to.

    Args:
        name: How messages call the container.
        died: How the worker ended; None while it goes on.
        seconds: How long it was waited for.
        output: The end of what it printed.
    """
    return AgentLostError(
        f"{name} did not end its session in good order",
        why=f"no end frame in {seconds:g} s" if died is None else died.cause,
        fix="look at what runs last: fixtures of the session, atexit functions, threads that do not end",
        output_title="what it printed",
        output=output.splitlines(),
    )


def _lost(what: str, why: str, said: Sequence[str]) -> DockerCIError:
    return AgentLostError(
        what,
        why=why,
        fix=_FIXES.get(why, _RUN_AGAIN),
        output_title="what was printed before",
        output=[line for text in said for line in text.splitlines()],
    )
