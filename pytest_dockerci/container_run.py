"""The suite's run in the containers: opens the agents, collects, and gets each test's result.

No Docker, no terminal. With one worker the agent runs ahead of pytest's loop; with several, it is `shared_loop`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest

from pytest_dockerci.agent import wire
from pytest_dockerci.byte_stream import ByteStream
from pytest_dockerci.channel_failure import BeyondReplacementError, beyond_replacement, untold_loss
from pytest_dockerci.collection_difference import CollectedIds, ids_of, require_same
from pytest_dockerci.errors import AgentLostError, DockerCIError, NotRunError
from pytest_dockerci.interruption import interrupts_raised
from pytest_dockerci.items import ContainerItem
from pytest_dockerci.lazy_stream import LazyStream
from pytest_dockerci.listener import Listener
from pytest_dockerci.paths import PathMap
from pytest_dockerci.remote_run import RemoteRun
from pytest_dockerci.segments import PlannedTest, planned_tests
from pytest_dockerci.verdict import Proof
from pytest_dockerci.worker_death import lost_in
from pytest_dockerci.worker_ledger import Collection, TestRecord

_FINISH_TIMEOUT_SECONDS = 60.0
_MAX_UNEXPLAINED_DEATHS = 3
# As many results as an agent may hold back, which are lost with it.
_CAREFUL_TESTS = 256


class ContainerRun:
    """All agents of a run and the collection that they agree on.

    Args:
        names: What messages call each container; one worker for each.
        open_stream: Opens the channel to the agent in container N.
        start: What each worker is started with.
        paths: The map between container and host paths.
        listener: Hears what the workers say beside their results.
    """

    def __init__(
        self,
        *,
        names: Sequence[str],
        open_stream: Callable[[int], ByteStream],
        start: Callable[[int], wire.Start],
        paths: PathMap,
        listener: Listener,
    ) -> None:
        self.paths = paths
        self.failure: DockerCIError | None = None
        self._broken_off: DockerCIError | None = None
        self._open_stream = open_stream
        self._start = start
        self._names = tuple(names)
        self._listener = listener
        self._changed = threading.Condition()
        self._arrived: deque[tuple[int, int]] = deque()
        self.limits: dict[int, tuple[float, bool]] = {}  # seconds, and whether for the call alone, by index
        self._agents: list[RemoteRun] = [self._new_agent(worker) for worker in range(len(names))]
        self.pytest_version = ""
        self._ids: CollectedIds | None = None
        self._planned: dict[int, PlannedTest] = {}
        self._worker_of: dict[int, int] = {}
        self.taken: set[int] = set()
        self._orphans: list[list[int]] = [[] for _ in names]
        self._unexplained_deaths = self._careful_tests = 0
        self._reported_failure = False
        self._deaths: list[str] = []
        self._untold: list[str] = []
        self._ended: set[str] = set()

    @property
    def workers(self) -> int:
        """Number of containers that share the suite."""
        return len(self._agents)

    # Collection

    def open(self) -> None:
        """Open every agent and let it collect, all at the same time."""
        for worker, agent in enumerate(self._agents):
            agent.open()
            agent.start(self._start(worker))

    def collect(self) -> Collection:
        """Wait for the collection of every worker; they must be the same.

        Raises:
            DockerCIError: One did not collect, or collected something else.
        """
        collections = [agent.collection() for agent in self._agents]
        for agent in self._agents:
            agent.deliver()
        first = collections[0]
        self._ids = ids_of(first)
        for agent, collection in zip(self._agents[1:], collections[1:], strict=True):
            require_same(self._ids, ids_of(collection), agent.name)
        self.pytest_version = first.configured.pytest
        return first

    # One worker: pytest's own loop, the agent runs ahead

    def plan(self, items: Sequence[pytest.Item]) -> None:
        """Note the final order of the run: the agent runs ahead up to the next host test, never past it."""
        self._planned.update(planned_tests(items))

    def plan_next(self, item: ContainerItem, following: pytest.Item | None) -> None:
        """Note what somebody else's loop runs after a test: the agent is asked for this test, and no more."""
        if item.index is None:
            return
        then = wire.THEN_END if following is None else wire.THEN_SESSION
        if isinstance(following, ContainerItem) and following.index is not None:
            then = following.index
        self._planned[item.index] = PlannedTest([item.index], 0, then)

    def record(self, item: ContainerItem) -> TestRecord:
        """Wait for what comes of a test; asked again for the same test, it is run once more.

        Raises:
            NotRunError: The environment failed, or the run was lost.
        """
        if self.failure is not None:
            raise self._not_run(self.failure)
        index = item.index
        if index is None:
            raise NotRunError("not run: the container deselected it")
        try:
            record = self._record(index)
        except DockerCIError as error:
            self.failure = error
            raise self._not_run(error) from error
        self.taken.add(index)
        self.agent_of(index).deliver(record)
        self._obey(item.session, record.stop_request)
        return record

    def agent_of(self, index: int) -> RemoteRun:
        """The agent that a test was given to; the first one before that."""
        return self._agents[self._worker_of.get(index, 0)]

    def _record(self, index: int) -> TestRecord:
        agent = self.agent_of(index)
        if self._broken_off is not None and not agent.has_record(index):
            return self._explain_loss(agent, index, self._broken_off)
        if index in self.taken and agent.waiting_after == index:
            agent.run_again(index)
        else:
            if agent.waiting_after in self.taken:
                agent.proceed()
            is_gone = agent.has_died and not agent.has_record(index)
            if is_gone and agent.loss is not None and agent.running == index:
                return self._explain_loss(agent, index, agent.loss)
            if is_gone or index in self.taken or not agent.is_asked_for(index):
                self._dispatch_from(index)
        return self._record_of(index)

    def _record_of(self, index: int) -> TestRecord:
        agent = self.agent_of(index)
        try:
            return agent.record(index)
        except DockerCIError as error:
            return self._explain_loss(agent, index, error)

    def _dispatch_from(self, index: int) -> None:
        """Ask for a test and, with one worker, for all that follow it up to the next host test."""
        worker = self._worker_of.get(index, 0)
        agent = self._agents[worker]
        planned = self._planned.get(index, PlannedTest([index], 0, wire.THEN_SESSION))
        if agent.has_died:
            agent = self._revive(worker)
        if index in self.taken or self.workers > 1:
            agent.forget(index)
            agent.dispatch([index], wire.THEN_SESSION)
        elif self._careful_tests:
            self._careful_tests -= 1
            agent.dispatch([index], planned.following)
        else:
            agent.dispatch(planned.rest, planned.then)

    def _explain_loss(self, agent: RemoteRun, index: int, error: DockerCIError) -> TestRecord:
        """The record of a test whose agent went away without naming it.

        What the agent had not sent went with it, so it can have been any of several tests: they run again, one by one.
        """
        if self._broken_off is not None:
            self.failure = self._broken_off
            if agent.running != index:
                raise error
            return lost_in(index, error)
        if agent.running != index or self._unexplained_deaths >= _MAX_UNEXPLAINED_DEATHS:
            raise error
        if agent.loss is not None and len(agent.outstanding) > 1:
            self._careful_tests = _CAREFUL_TESTS
            try:
                self._dispatch_from(index)
            except BeyondReplacementError as beyond:
                self.failure = beyond
                return lost_in(index, error)
            return self._record_of(index)
        self._unexplained_deaths += 1
        return lost_in(index, error)

    def break_off(self, error: DockerCIError) -> None:
        """What all tests need is gone: those that run fail with it, no other is run. From any thread."""
        self._broken_off = error
        for agent in self._agents:
            agent.give_up(error)

    def _revive(self, worker: int) -> RemoteRun:
        """A fresh worker, and a fresh agent where that is gone as well; it must collect the same tests."""
        agent = self._agents[worker]
        if self.workers > 1:
            self._orphans[worker] += agent.take_back()
        self._deaths.append(agent.obituary)
        self._untold += untold_loss(agent.loss, agent.obituary, is_idle=agent.running is None)
        if agent.loss is not None:
            agent.close()
            agent = self._replacement(worker, agent.loss)
        self._agents[worker] = agent
        agent.start(self._start(worker))
        collection = agent.collection()
        if self._ids is not None:
            require_same(self._ids, ids_of(collection), agent.name)
        return agent

    def _replacement(self, worker: int, loss: DockerCIError) -> RemoteRun:
        agent = self._new_agent(worker)
        try:
            agent.open()
        except DockerCIError as error:
            raise beyond_replacement(loss, error) from error
        return agent

    def _new_agent(self, worker: int) -> RemoteRun:
        return RemoteRun(
            LazyStream(self._open_stream, worker),
            name=self._names[worker],
            listener=self._listener,
            changed=self._changed,
            arrived=lambda index: self._note_arrival(index, worker),
            limits=self.limits,
        )

    def _note_arrival(self, index: int, worker: int) -> None:
        if len(self._names) > 1:  # nobody asks where there is but one
            self._arrived.append((index, worker))

    def _not_run(self, error: DockerCIError) -> NotRunError:
        if self._reported_failure:
            return NotRunError(f"not run: {error.what} (the first such error tells more)")
        self._reported_failure = True
        return NotRunError(f"not run: {error}")

    def _obey(self, session: pytest.Session, request: wire.Stopped | None) -> None:
        if request is not None and request.kind == "shouldfail":
            session.shouldfail = request.reason
        elif request is not None:
            session.shouldstop = request.reason

    # Several workers: `SharedLoop` decides who runs what

    def assign(self, worker: int, indices: Sequence[int], then: int) -> None:
        """Give tests to a worker; with none, `then` releases the last one that it holds back."""
        agent = self._agents[worker]
        if agent.has_died and self.is_settled(worker):
            agent = self._revive(worker)
        for index in indices:
            self._worker_of[index] = worker
        agent.dispatch(indices, then)

    def is_settled(self, worker: int) -> bool:
        """False while a worker has died and not everything that it had done or held has been seen to.

        Replaced before that, it would take its results and its tests with it.
        """
        with self._changed:
            agent = self._agents[worker]
            has_more = agent.running is not None or any(by == worker for _, by in self._arrived)
            return not (agent.has_died and has_more)

    def outstanding(self, worker: int) -> tuple[int, ...]:
        """The tests that a worker was given and has not reported."""
        return self._agents[worker].outstanding

    def next_arrival(self) -> tuple[int, int]:
        """Wait for the next test that has come: ``(index, worker)``. The test in which a worker died counts."""
        with ExitStack() as shown:
            for agent in self._agents:
                shown.enter_context(agent.printed.showing())
            return self._next_arrival()

    def _next_arrival(self) -> tuple[int, int]:
        interrupts = interrupts_raised()
        while interrupts_raised() == interrupts:
            with self._changed:
                self._changed.wait_for(self._has_news, 1.0)
                if self._arrived:
                    return self._arrived.popleft()
                if (lost := self._lost_worker()) is not None:
                    return lost
            for agent in self._agents:
                agent.deliver()
                agent.serve_debugger(lambda: False)
        raise KeyboardInterrupt

    def _has_news(self) -> bool:
        is_full = any(agent.printed.is_full for agent in self._agents)
        return bool(self._arrived) or is_full or self._lost_worker() is not None

    def _lost_worker(self) -> tuple[int, int] | None:
        for worker, agent in enumerate(self._agents):
            if agent.has_died and agent.running is not None:
                return agent.running, worker
        return None

    def proceed(self, worker: int) -> None:
        """Let a worker go on after its test has been reported on the host."""
        self._agents[worker].proceed()

    def take_back(self, worker: int) -> tuple[int, ...]:
        """The tests that a dead worker never ran; somebody else must."""
        agent = self._agents[worker]
        orphans, self._orphans[worker] = self._orphans[worker], []
        return (*orphans, *(agent.take_back() if agent.has_died else ()))

    def take_arrived(self) -> list[int]:
        """The tests that have come and were not asked for by `next_arrival`."""
        with self._changed:
            return [self._arrived.popleft()[0] for _ in range(len(self._arrived))]

    # End

    def finish(self, *, is_cut_short: bool = False) -> None:
        """End every worker's session in good order.

        Args:
            is_cut_short: The host stopped before the end; what it had asked for by then may fail to end well.

        Raises:
            AgentLostError: A worker did not send its end frame, or counted other tests than we.
        """
        self.failure = self.failure or self._broken_off
        living = [agent for agent in self._agents if not agent.has_died]
        for agent in living:
            agent.finish()
        for agent in living:
            with suppress(*([AgentLostError] if is_cut_short and agent.outstanding else [])):
                agent.wait_finished(_FINISH_TIMEOUT_SECONDS)
                self._ended.add(agent.name)
            agent.deliver()

    def proof(self, images: Sequence[str], built: str) -> Proof:
        """What speaks for a green run, when every session has been ended.

        Args:
            images: Image ids of the containers, as the engine says.
            built: Id of the image under test.
        """
        return Proof(
            due=self._planned,
            reported=self.taken,
            ended=frozenset(self._ended),
            untold=self._untold,
            containers=self._names,
            images=images,
            built=built,
        )

    def gather_coverage(self) -> list[str]:
        """Have a new worker send what a dead one has measured, in every container whose agent is still there.

        Returns:
            For each worker that died, in words: which one, and how.
        """
        for worker, agent in enumerate(self._agents):
            if not agent.has_died:
                continue
            self._deaths.append(agent.obituary)
            if agent.loss is None:
                start = self._start(worker)
                agent.start(replace(start, coverage={**start.coverage, "left_behind": True}))
                with suppress(AgentLostError):
                    agent.wait_finished(_FINISH_TIMEOUT_SECONDS)
        return self._deaths

    def close(self) -> None:
        """Hang up on every agent; safe to repeat."""
        for agent in self._agents:
            agent.close()
