"""Why there is no collection: what the container's pytest said, or what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_dockerci.errors import AgentLostError, DockerCIError
from pytest_dockerci.worker_ledger import WorkerLedger

_USAGE_ERROR = 4
_USAGE_MARK = "ERROR: "


class ContainerPytestError(DockerCIError):
    """The container's pytest refused its command line or configuration, and says so itself.

    Attributes:
        container_exit_status: Its exit status.
    """

    def __init__(self, what: str, *, container_exit_status: int, **details: Any) -> None:
        super().__init__(what, **details)
        self.container_exit_status = container_exit_status
        self.exit_status = container_exit_status

    @property
    def usage_error(self) -> str:
        """What is wrong with the command line, in the words of the container's pytest; empty for anything else."""
        if self.container_exit_status != _USAGE_ERROR:
            return ""
        return "\n".join(self.output).partition(_USAGE_MARK)[2].strip()


def no_collection(name: str, ledger: WorkerLedger, output: Sequence[str]) -> DockerCIError:
    """The error for a worker that has ended before its collection was complete.

    Args:
        name: What messages call the container.
        ledger: The worker's.
        output: The end of what it printed, in lines.
    """
    died, finished = ledger.died, ledger.finished
    if died is not None:
        return AgentLostError(
            f"pytest in {name} died while it collected",
            why=died.cause,
            fix="see in what it printed which module was being imported, and import it by itself",
            output_title="what it printed",
            output=output or died.output.splitlines(),
        )
    status = finished.exit_status if finished is not None else -1
    return ContainerPytestError(
        f"pytest in {name} stopped before it had collected (exit status {status})",
        container_exit_status=status,
        fix="see what it printed; a plugin or a conftest.py of the suite may end it",
        output_title="what it printed",
        output=output,
    )
