"""The end of a run that was asked to push: gate, push, and what is said about it.

Loaded only in such a run. Registered after `run_hooks.RunHooks`, whose wrappers are around these: what is
proved comes first, clean-up comes after.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dockerci.command_scope import narrowings_of
from pytest_dockerci.errors import DockerCIError, ExitStatus, PushError
from pytest_dockerci.evidence import statement_of
from pytest_dockerci.handoff import (
    make_evidence,
    make_release,
    release_folder,
    require_writable,
    write_release,
)
from pytest_dockerci.push_gate import PushFacts, Refusal, refusals
from pytest_dockerci.push_tags import PushTag, TagFacts, clean_tag, expand_tags, is_release
from pytest_dockerci.run_outcomes import RunOutcomes
from pytest_dockerci.terminal import printable
from pytest_dockerci.verdict import exit_status

if TYPE_CHECKING:
    from pytest_dockerci.engine.environment import Environment
    from pytest_dockerci.engine.shipper import Pushed
    from pytest_dockerci.host_run import HostRun
    from pytest_dockerci.push_settings import PushSettings
    from pytest_dockerci.release import Release


def is_question(config: pytest.Config) -> bool:
    """True for a run that only answers something: nobody expects it to push."""
    from pytest_dockerci.discovery import is_asked_by_ide  # noqa: PLC0415 - heavy

    asked = ("showfixtures", "show_fixtures_per_test", "cacheshow", "markers")
    return any(getattr(config.option, name, None) for name in asked) or is_asked_by_ide(config)


class ShipHooks:
    """Collects verdicts, and ships what is green.

    Args:
        run: The run.
        settings: What is to be pushed.

    Attributes:
        outcomes: The verdicts so far.
        pushed: What has been pushed; None before, and where nothing was.
        error: Why nothing was, though the run is green.
        release: The record of what was pushed.
    """

    def __init__(self, run: HostRun, settings: PushSettings) -> None:
        self.outcomes = RunOutcomes()
        self.pushed: Pushed | None = None
        self.error: PushError | None = None
        self.release: Release | None = None
        self._remark = ""
        self._folder: Path | None = None
        self._run = run
        self._settings = settings

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note a verdict."""
        self.outcomes.note(report)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """When everything has been judged, and while the image is still known: ship it, or say why not."""
        result = yield
        status = self._exit_status(session)
        try:
            self._ship(session, status)
        except KeyboardInterrupt:
            self.error = self._error([Refusal("the push was interrupted", "run again; to repeat is safe")])
            session.exitstatus = pytest.ExitCode.INTERRUPTED
            self._run.close(fast=True)
        except DockerCIError as error:
            self.error = error if isinstance(error, PushError) else self._error([_as_refusal(error)])
        if self.error is not None and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = ExitStatus.PUSH_FAILED
        return result

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """What was pushed, or why it was not."""
        if self.pushed is not None:
            for line in describe_pushed(self.pushed, self._folder):
                terminalreporter.write_line(printable(line))
        if self.error is not None:
            terminalreporter.section("dockerci: not pushed", sep="=", red=True)
            for line in str(self.error).splitlines():
                terminalreporter.write_line(printable(line))
        elif self._remark:
            terminalreporter.write_line(printable(self._remark))

    def _exit_status(self, session: pytest.Session) -> int:
        """What the run comes to without the push."""
        run = self._run
        return exit_status(
            int(session.exitstatus),
            ended_by=run.interruption.ended_by,
            failure=None if run.failure is None else int(run.failure.exit_status),
            has_leftovers=False,
        )

    def _ship(self, session: pytest.Session, status: int) -> None:
        if status != pytest.ExitCode.OK:
            [refusal] = refusals(PushFacts(exit_status=status))
            self._remark = f"dockerci: not pushed to {self._settings.repository}: {refusal.why}"
            return
        environment = self._run.started_environment
        if environment is None:  # nothing that was asked for needs the image
            self._require(
                refusals(
                    PushFacts(
                        narrowings=narrowings_of(session.config, os.environ),
                        due=session.testscollected,
                        reported=self.outcomes.reported,
                        passed_in_container=0,
                    )
                )
            )
            return
        tags = self._choose_tags(environment, session.config)
        self._require(refusals(self._facts(session, environment, tags)))
        with self._run.progress.phase("push"):
            self._push(session.config, environment, tags)

    def _facts(self, session: pytest.Session, environment: Environment, tags: list[PushTag]) -> PushFacts:
        image, git = environment.image, environment.shipper.git
        # Each command has proved its own container (`commands.verdict`).
        workers = range(self._run.workers if self._run.settings.suite else 0)
        return PushFacts(
            narrowings=narrowings_of(session.config, os.environ),
            is_built=bool(image.built_seconds),
            is_dirty=image.is_dirty,
            git_problem=git.problem,
            allows_dirty=self._settings.allows_dirty,
            due=session.testscollected,
            reported=self.outcomes.reported,
            passed_in_container=self.outcomes.passed_in_container,
            images=[environment.container(worker).image_id() for worker in workers],
            workers=len(workers),
            built=image.id,
            tags=[tag.name for tag in tags],
        )

    def _choose_tags(self, environment: Environment, config: pytest.Config) -> list[PushTag]:
        """The tags of the settings, as the project's hook has changed them."""
        shipper = environment.shipper
        facts = TagFacts(
            commit=environment.image.commit,
            is_dirty=environment.image.is_dirty,
            build=self._run.settings.build_number,
            git_tags=shipper.git_tags(),
        )
        expanded = expand_tags(self._settings.templates, facts)
        names = [tag.name for tag in expanded]
        try:
            config.hook.pytest_dockerci_before_push(config=config, image=environment.image, tags=names)
        except DockerCIError:
            raise
        except Exception as error:
            raise self._error(
                [
                    Refusal(
                        f"pytest_dockerci_before_push refused: {type(error).__name__}: {error}",
                        "correct what it objects to, or the hook in conftest.py",
                    )
                ]
            ) from error
        versions = {tag.name for tag in expanded if tag.is_version}
        invalid = [name for name in names if clean_tag(name) != name]
        if invalid:
            raise self._error(
                [
                    Refusal(
                        f"pytest_dockerci_before_push made the tag {invalid[0]!r}, which no registry takes",
                        "a tag has up to 128 of A-Z a-z 0-9 _ . - and does not begin with . or -",
                    )
                ]
            )
        return [
            PushTag(name, is_version=name in versions or is_release(name)) for name in dict.fromkeys(names)
        ]

    def _push(self, config: pytest.Config, environment: Environment, tags: list[PushTag]) -> None:
        from pytest_dockerci.engine.shipper import PushPlan  # noqa: PLC0415 - loads Docker's client

        run, repository = self._run, self._settings.repository
        folder = release_folder(config, run.settings.rootdir, run.run_id)
        require_writable(folder)
        evidence = make_evidence(run.settings, environment.image, self.outcomes)
        self.pushed = environment.shipper.push(
            PushPlan(
                image_id=environment.image.id,
                repository=repository,
                tags=tuple(tags),
                run_id=run.run_id,
                environ=os.environ,
                signer=self._settings.signer,
                make_statement=lambda digest: statement_of(evidence, name=str(repository), digest=digest),
            )
        )
        self.release = make_release(
            run.settings,
            environment.image,
            self.pushed,
            self.outcomes,
            git_tags=environment.shipper.git_tags(),
            run_id=run.run_id,
        )
        write_release(folder, self.release, self.pushed.statement, self.pushed.envelope)
        self._folder = folder

    def _require(self, found: tuple[Refusal, ...]) -> None:
        if found:
            raise self._error(found)

    def _error(self, found: list[Refusal] | tuple[Refusal, ...]) -> PushError:
        return PushError(
            f"the image was not pushed to {self._settings.repository}",
            why="\n".join(refusal.why for refusal in found),
            fix="\n".join(dict.fromkeys(refusal.fix for refusal in found if refusal.fix)),
        )


def describe_pushed(pushed: Pushed, folder: Path | None) -> list[str]:
    """The closing lines of a run that has pushed."""
    tags = f" as {', '.join(pushed.tags)}" if pushed.tags else ""
    lines = [f"dockerci: pushed {pushed.reference}{tags}"]
    if pushed.overtaken:
        lines.append(f"dockerci: another run has moved {', '.join(pushed.overtaken)} on meanwhile")
    if not pushed.evidence:
        lines.append(f"dockerci: {pushed.repository.registry} takes no evidence beside an image")
    if pushed.run_tag:
        lines.append(f"dockerci: the run's own tag {pushed.run_tag} stays: this registry cannot drop tags")
    if folder is not None:
        lines.append(f"dockerci: release.json, evidence and files to deploy it: {folder}")
    return lines


def _as_refusal(error: DockerCIError) -> Refusal:
    return Refusal("\n".join(line for line in (error.what, error.why) if line), error.fix)
