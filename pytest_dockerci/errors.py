"""Every error that a user can cause or meet, and the layout of its text.

Line 1 says what failed and on which thing; then why, in the words of whoever
refused; then what to try; then the last lines of the output that explains it.
Data is held in attributes, the text is made in `__str__`.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from enum import IntEnum

MAX_TAIL_LINES = 20
_MAX_LINE_CHARACTERS = 400


class ExitStatus(IntEnum):
    """Exit codes beyond pytest's own 0 to 5 (`pytest.ExitCode`)."""

    ENVIRONMENT_FAILED = 6
    RUN_LOST = 7
    PUSH_FAILED = 8
    CLEANUP_INCOMPLETE = 9


class DockerCIError(Exception):
    """Anything that stops a run for a reason that a person can act on.

    Args:
        what: What failed, on which thing, with numbers and units; one line.
        why: What was last seen, in the words of whoever said it; one line or more.
        fix: What to try next; one line or more.
        output_title: What `output` is, for instance ``log of "db"``.
        output: Lines that explain it; the last `MAX_TAIL_LINES` are shown.
    """

    exit_status: int = ExitStatus.ENVIRONMENT_FAILED

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        fix: str = "",
        output_title: str = "output",
        output: Sequence[str] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix
        self.output_title = output_title
        self.output = tuple(output)

    def __str__(self) -> str:
        lines = [self.what]
        lines += _labelled("why", self.why)
        lines += _labelled("try", self.fix)
        if self.output:
            shown = self.output[-MAX_TAIL_LINES:]
            count = f"last {len(shown)} of {len(self.output)} lines" if len(shown) < len(self.output) else ""
            lines.append(f"  {self.output_title}{', ' + count if count else ''}:")
            lines += [f"    {line[:_MAX_LINE_CHARACTERS]}" for line in shown]
        return "\n".join(lines)


def _labelled(label: str, text: str) -> list[str]:
    first, *others = text.splitlines() or [""]
    if not first:
        return []
    return [f"  {label}: {first}", *(f"  {' ' * len(label)}  {line}" for line in others)]


class SettingsError(DockerCIError):
    """A setting, an option or a Compose file says something that cannot be meant (pytest's exit 4)."""

    exit_status = 4


def bad_value(setting: str, value: str, allowed: str) -> SettingsError:
    """The error for a value that a setting or an option cannot have."""
    return SettingsError(
        f"pytest-dockerci: {setting} = {shlex.quote(value)} cannot be used", fix=f"write {allowed}"
    )


class StateError(DockerCIError):
    """What a run has to write down on the host cannot be written."""


class EngineUnreachableError(DockerCIError):
    """No Docker Engine answers, or it is too old."""


class CommandError(DockerCIError):
    """A command-line program (docker, git, uv) failed or took too long."""


class ImageBuildError(DockerCIError):
    """The image under test could not be built."""


class ImageUnusableError(DockerCIError):
    """The image under test cannot run the suite (no Python, wrong platform)."""


class ToolkitError(DockerCIError):
    """pytest or the requirements could not be brought into the container."""


class ReaperError(DockerCIError):
    """The reaper, which would clean up after the host's death, cannot be had."""


class ServiceNotReadyError(DockerCIError):
    """A service died, never became healthy, or could not be started."""


class NotRunError(DockerCIError):
    """A test that was not run, and why."""


class ServiceLostError(DockerCIError):
    """A service that was ready has ended while tests ran."""

    exit_status = ExitStatus.RUN_LOST


class AgentLostError(DockerCIError):
    """The agent in the container ended, or its channel broke, before it said that it was done."""

    exit_status = ExitStatus.RUN_LOST


class CommandLostError(DockerCIError):
    """The container of a command was lost before its end was known."""

    exit_status = ExitStatus.RUN_LOST


class UnprovedError(DockerCIError):
    """pytest says green, and something that a green run has to show is missing."""

    exit_status = ExitStatus.RUN_LOST


class ProtocolError(DockerCIError):
    """The other end of the channel sent what the protocol does not allow."""

    exit_status = ExitStatus.RUN_LOST


class RegistryError(DockerCIError):
    """A registry does not answer, refuses, or says what cannot be.

    Attributes:
        status: Of its HTTP answer; 0 where there was none.
    """

    exit_status = ExitStatus.PUSH_FAILED
    status: int = 0


class PushError(DockerCIError):
    """The run is green, and its image was not pushed: refused, or the registry failed."""

    exit_status = ExitStatus.PUSH_FAILED


class CleanupError(DockerCIError):
    """Objects of this run are still there after it ended."""

    exit_status = ExitStatus.CLEANUP_INCOMPLETE
