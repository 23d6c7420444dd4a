"""What to say when the channel to an agent has ended or is damaged. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_dockerci.errors import AgentLostError, DockerCIError, ProtocolError


def hung_up(name: str, error: Exception, said: Sequence[str]) -> DockerCIError:
    """The channel has ended before the agent's end frame.

    Args:
        name: How messages call the container.
        error: What reading met.
        said: What was printed there before, in parts.
    """
    return AgentLostError(
        f"{name}: the connection to the agent ended",
        why=str(error) or "the container's side hung up: the agent or the whole container was killed",
        output_title="what was printed before",
        output="\n".join(text for text in said if text).splitlines(),
    )


def damaged(name: str, why: str) -> DockerCIError:
    """Something came that the protocol does not allow."""
    return ProtocolError(
        f"{name}: the channel to the agent is damaged",
        why=why,
        fix="run again; if it happens again, report it with this text",
    )
