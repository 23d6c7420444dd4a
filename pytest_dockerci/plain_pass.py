"""A test that has passed in the container, and of which nothing else is to be said, is reported without detours.

pytest's protocol surrounds each phase of a test with captures of output and of log records, for code of the test that
runs on the host. None does here. Where nobody but pytest looks between the phases, three reports are all that is seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from _pytest.runner import CallInfo

from pytest_dockerci.decode_gate import PHASES
from pytest_dockerci.items import ContainerItem
from pytest_dockerci.report_gate import FROM_CONTAINER

if TYPE_CHECKING:
    from pytest_dockerci.host_run import HostRun
    from pytest_dockerci.remote_run import RemoteRun

# What pytest calls in between.
_BETWEEN = (
    "pytest_runtest_setup",
    "pytest_runtest_call",
    "pytest_runtest_teardown",
    "pytest_runtest_makereport",
)
_OURS = ("_pytest.", "pytest_dockerci.")


class _PassedReport(pytest.TestReport):
    """A phase that passed in the container. An attribute of each report would take as much memory as the report."""

    dockerci_from_container = True


_PassedReport.__name__ = pytest.TestReport.__name__  # pytest-xdist sends it, and makes pytest's class of it
assert hasattr(_PassedReport, FROM_CONTAINER)  # noqa: S101 - nobody else checks a name in a string


class PlainPassHooks:
    """Takes the place of pytest's protocol for the tests of a run that it suits."""

    def __init__(self, run: HostRun) -> None:
        self._run = run
        self._is_unseen: bool | None = None

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Report a test whose result is there, and which another one of the same file or class follows.

        So nothing has to be torn down that host tests may have set up.
        """
        if not isinstance(item, ContainerItem) or nextitem is None or nextitem.parent is not item.parent:
            return None
        if self._is_unseen is None:
            self._is_unseen = is_unseen(item.config)
        agent = self._agent_with_pass(item) if self._is_unseen else None
        if agent is None or item.index is None:
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        item.take_record()
        first: pytest.TestReport | None = None
        for when in PHASES:
            call: CallInfo[None] = CallInfo(
                None, None, start=0, stop=0, duration=0, when=when, _ispytest=True
            )
            report = _PassedReport.from_item_and_call(item, call)
            first = first or report
            # Once, for all three: a large part of what a test takes on the host.
            report.keywords, report.user_properties = first.keywords, first.user_properties
            item.report(report)
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        # Nobody asks for it again; a hundred thousand would take 30 MiB.
        item.forget_record()
        agent.forget(item.index)
        return True

    def _agent_with_pass(self, item: ContainerItem) -> RemoteRun | None:
        """The agent that has sent the test's plain pass, if one has."""
        containers, index = self._run.containers, item.index
        if containers is None or containers.failure is not None or index is None or index in containers.taken:
            return None
        agent = containers.agent_of(index)
        return agent if agent.has_plain_pass(index) else None


def is_unseen(config: pytest.Config) -> bool:
    """True when no plugin but pytest's own looks between the phases of a test, or has a protocol of its own."""
    between = [impl for name in _BETWEEN for impl in getattr(config.hook, name).get_hookimpls()]
    protocols = [
        impl
        for impl in config.hook.pytest_runtest_protocol.get_hookimpls()
        if not (impl.wrapper or impl.hookwrapper)
    ]
    return all(impl.function.__module__.startswith(_OURS) for impl in (*between, *protocols))
