"""The report of one run: opened before the run's first object exists, completed when all has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_dockerci.report_folder import open_report, write_phases

if TYPE_CHECKING:
    from pytest_dockerci.report_folder import ReportSettings
    from pytest_dockerci.terminal import TerminalProgress


class RunReport:
    """Writes what the host knows; what the engine has is brought by `engine.report_files`.

    Args:
        settings: What is wanted.
        progress: Has measured the phases; told where the report is.
    """

    def __init__(self, settings: ReportSettings, progress: TerminalProgress) -> None:
        self._folder = settings.folder
        self._progress = progress
        self._is_open = False

    def open(self) -> None:
        """Make the folder ready.

        Raises:
            SettingsError: It cannot be written to.
        """
        if self._folder is not None:
            open_report(self._folder)
            self._is_open = True

    def close(self, run_id: str) -> None:
        """Write ``phases.json``, and say where the report is. A run does not fail for it."""
        if self._folder is None or not self._is_open:
            return
        try:
            write_phases(self._folder, self._progress.phases.document(run_id))
        except OSError as error:
            self._progress.notice(f"dockerci: report: {self._folder} cannot be written to: {error.strerror}")
        else:
            self._progress.line(f"dockerci: report in {self._folder}")
