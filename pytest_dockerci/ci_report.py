"""Tells a CI system what happened, in the ways that it offers. Loaded only where one runs us."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dockerci.ci_systems import CiSystem, annotation, output_file, summary_file
from pytest_dockerci.job_summary import Failure, RunSummary, render_summary
from pytest_dockerci.masking import hide
from pytest_dockerci.terminal import printable

if TYPE_CHECKING:
    from pytest_dockerci.host_run import HostRun
    from pytest_dockerci.shipping import ShipHooks

_OUTCOMES = ("failed", "error", "passed", "skipped", "xfailed", "xpassed", "rerun")


class CiReport:
    """The end of a run as its CI system shows it.

    Args:
        run: The run.
        system: Which system.
        shipping: What it pushes; None where it does not.
    """

    def __init__(self, run: HostRun, system: CiSystem, shipping: ShipHooks | None) -> None:
        self._run = run
        self._system = system
        self._shipping = shipping

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Annotate what went wrong with the run itself; write the job's page and the step's outputs.

        Tests that failed are annotated by pytest-github-actions-annotate-failures, where it is installed.
        """
        errors = self._errors()
        for error in errors:
            first, _, rest = error.partition("\n")
            line = annotation(self._system, "dockerci", printable(f"{first}\n{rest}".strip()))
            if line:
                terminalreporter.ensure_newline()
                terminalreporter._tw.line(line)  # noqa: SLF001 - past the gate that keeps orders out of the log
        summary = summary_file(os.environ)
        if summary is not None:
            self._append(terminalreporter, summary, render_summary(self._summary(terminalreporter, errors)))
        release = self._shipping.release if self._shipping is not None else None
        outputs = output_file(os.environ)
        if outputs is not None and release is not None:
            from pytest_dockerci.release_files import github_outputs  # noqa: PLC0415 - only a run that pushed

            self._append(terminalreporter, outputs, github_outputs(release))

    def _errors(self) -> list[str]:
        push_error = self._shipping.error if self._shipping is not None else None
        found = [str(error) for error in (self._run.failure, push_error) if error is not None]
        if self._run.leftovers:
            found.append("this run leaves something on the engine\n" + "\n".join(self._run.leftovers))
        return [hide(error) for error in found]

    def _summary(self, reporter: Any, errors: list[str]) -> RunSummary:
        environment = self._run.started_environment
        image = getattr(environment, "image", None)
        release = self._shipping.release if self._shipping is not None else None
        counts = {name: len(reporter.stats.get(name, ())) for name in _OUTCOMES}
        return RunSummary(
            exit_status=int(reporter._session.exitstatus),  # noqa: SLF001 - with what our own hooks made of it
            image="" if image is None else f"{image.tags[0]} (sha256:{image.short_id})",
            counts={name: count for name, count in counts.items() if count},
            phases=self._run.progress.phases.totals(),
            pushed="" if release is None else release.image,
            tags=() if release is None else release.tags,
            errors=errors,
            failures=[
                Failure(name=hide(report.nodeid), text=hide(printable(report.longreprtext)))
                for name in ("error", "failed")
                for report in reporter.stats.get(name, ())
            ],
        )

    def _append(self, reporter: Any, file: Path, text: str) -> None:
        try:
            with file.open("a", encoding="utf-8", errors="backslashreplace") as out:
                out.write(text)
        except OSError as error:
            reporter.write_line(f"dockerci: {file} could not be written: {error.strerror}")
