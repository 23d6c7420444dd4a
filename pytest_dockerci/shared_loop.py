"""The run's loop when several containers share the suite.

pytest's own loop asks for one test after the other; here tests are reported in the order in
which they arrive, each through pytest's normal protocol. Host tests run in their place,
while no container test runs.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dockerci.agent import wire
from pytest_dockerci.container_run import ContainerRun
from pytest_dockerci.errors import DockerCIError
from pytest_dockerci.items import ContainerItem
from pytest_dockerci.schedule import MIN_AHEAD, Schedule, tests_ahead
from pytest_dockerci.segments import runs_of_a_kind


class SharedLoop:
    """Runs a session's tests over several workers.

    Args:
        session: pytest's session, collected.
        run: The container's side of it.
    """

    def __init__(self, session: pytest.Session, run: ContainerRun) -> None:
        self._session = session
        self._run = run
        # Stands for "some test" as the next item: session fixtures of the host stay, all others go.
        self._anchor = _Anchor.from_parent(session, name="dockerci")

    def run(self) -> None:
        """Run everything.

        Raises:
            pytest.Session.Failed: Enough tests have failed (``-x``, ``--maxfail``).
            pytest.Session.Interrupted: Something asked to stop.
        """
        runs = list(runs_of_a_kind(self._session.items))
        for position, items in enumerate(runs):
            is_last = position == len(runs) - 1
            if isinstance(items[0], ContainerItem):
                self._share(items, wire.THEN_END if is_last else wire.THEN_SESSION)
            else:
                self._run_host_tests(items, None if is_last else self._anchor)

    def _run_host_tests(self, items: list[pytest.Item], following: pytest.Item | None) -> None:
        for item, next_item in zip(items, [*items[1:], following], strict=True):
            self._report(item, next_item)
            self._stop_if_asked()

    def _share(self, items: list[Any], then: int) -> None:
        item_of = {item.index: item for item in items}
        schedule = Schedule([(item.index, item.path) for item in items], self._run.workers)
        paces = [_Pace() for _ in range(self._run.workers)]
        left = set(item_of)
        while left and self._run.failure is None:
            try:
                for worker, pace in enumerate(paces):
                    self._feed(worker, pace, schedule, then)
                index, worker = self._run.next_arrival()
            except DockerCIError as error:
                self._run.failure = error
                break
            is_new = index in left  # a test that was run once more arrives once more
            if is_new:
                left.discard(index)
                self._report(item_of[index], self._anchor)
                paces[worker].note(item_of[index].seconds)
            schedule.give_back(worker, [index for index in self._run.take_back(worker) if index in left])
            paces[worker].is_released = False
            if self._session.shouldfail or self._session.shouldstop:
                # Not released first: it would begin its next test before it is told to end.
                self._report_what_ran(item_of, left)
            if is_new:
                self._run.proceed(worker)
        for index in [index for index in item_of if index in left]:
            self._report(item_of[index], self._anchor)  # each says why it was not run
            self._stop_if_asked()

    def _feed(self, worker: int, pace: _Pace, schedule: Schedule, then: int) -> None:
        if not self._run.is_settled(worker):
            return
        held = len(self._run.outstanding(worker))
        indices = schedule.take(worker, pace.ahead - held)
        if indices:
            pace.is_released = False
            self._run.assign(worker, indices, wire.THEN_WAIT)
        if held + len(indices) == 1 and not pace.is_released:
            # It holds its last test back until it knows what follows.
            pace.is_released = True
            self._run.assign(worker, [], then if schedule.is_empty else wire.THEN_SESSION)

    def _report_what_ran(self, item_of: dict[int, Any], left: set[int]) -> None:
        """After ``-x``: every worker ends its present test, and what has run is reported."""
        self._run.finish(is_cut_short=True)
        for index in self._run.take_arrived():
            if index in left:
                self._report(item_of[index], self._anchor)
        self._stop_if_asked()

    def _report(self, item: Any, next_item: pytest.Item | None) -> None:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=next_item)

    def _stop_if_asked(self) -> None:
        if self._session.shouldfail:
            raise self._session.Failed(self._session.shouldfail)
        if self._session.shouldstop:
            raise self._session.Interrupted(self._session.shouldstop)


class _Pace:
    """How fast a worker is, and so how many tests it should hold."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._tests = 0
        self.is_released = False

    def note(self, seconds: float) -> None:
        self._seconds += seconds
        self._tests += 1

    @property
    def ahead(self) -> int:
        return tests_ahead(self._seconds, self._tests) if self._tests else MIN_AHEAD


class _Anchor(pytest.Item):
    """An item of which only the session is known."""

    def runtest(self) -> None:
        """Never run."""
