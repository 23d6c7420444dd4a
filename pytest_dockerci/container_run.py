"""The suite's run in the containers: opens the agents, collects, and gets each test's result.

Knows no Docker (it is given a function that opens a stream) and no terminal. With one worker
the agent runs ahead of pytest's own loop; with several, `shared_loop` is the loop.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import pytest

from pytest_dockerci.agent import wire
from pytest_dockerci.errors import AgentLostError, DockerCIError
from pytest_dockerci.items import ContainerItem, ContainerTree
from pytest_dockerci.paths import PathMap
from pytest_dockerci.remote_run import ByteStream, RemoteRun
from pytest_dockerci.worker_ledger import Collection, TestRecord

_FINISH_TIMEOUT_SECONDS = 60.0
_MAX_UNEXPLAINED_DEATHS = 3


class NotRunError(DockerCIError):
    """A test that was not run, and why."""


class ContainerRun:
    """All agents of a run and the collection that they agree on.

    Args:
        workers: Number of containers.
        open_stream: Opens the channel to the agent in container N.
        start: What each worker is started with.
        paths: The map between container and host paths.
        show_output: Gets ``(stream name, text)`` of what passes pytest's capture by.
        record_warning: Gets each warning of the containers.
    """

    def __init__(
        self,
        *,
        workers: int,
        open_stream: Callable[[int], ByteStream],
        start: Callable[[int], wire.Start],
        paths: PathMap,
        show_output: Callable[[str, str], None],
        record_warning: Callable[[wire.Warned], None],
    ) -> None:
        self.paths = paths
        self.failure: DockerCIError | None = None
        self._open_stream = open_stream
        self._start = start
        self._show_output = show_output
        self._record_warning = record_warning
        self._changed = threading.Condition()
        self._arrived: deque[tuple[int, int]] = deque()
        self._agents: list[RemoteRun] = [self._new_agent(worker) for worker in range(workers)]
        self._collection: Collection | None = None
        self._segment_of: dict[int, Sequence[int]] = {}
        self._then_of: dict[int, int] = {}
        self._worker_of: dict[int, int] = {}
        self._taken: set[int] = set()
        self._orphans: list[list[int]] = [[] for _ in range(workers)]
        self._unexplained_deaths = 0
        self._reported_failure = False

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

    def collect(self) -> ContainerTree:
        """Wait for the collection of every worker; they must be the same.

        Raises:
            DockerCIError: One did not collect, or collected something else.
        """
        collections = [agent.collection() for agent in self._agents]
        for agent in self._agents:
            agent.deliver()
        for agent, collection in zip(self._agents[1:], collections[1:], strict=True):
            self._check_same(collections[0], collection, agent.name)
        self._collection = collections[0]
        return ContainerTree(collections[0], self)

    def _check_same(self, first: Collection, other: Collection, name: str) -> None:
        if first.digest == other.digest:
            return
        mine, theirs = (
            [str(collection.rows[number]["nodeid"]) for number in collection.items]
            for collection in (first, other)
        )
        only_first = [f"- {nodeid}" for nodeid in mine if nodeid not in set(theirs)]
        only_other = [f"+ {nodeid}" for nodeid in theirs if nodeid not in set(mine)]
        raise AgentLostError(
            f"{name} collected other tests than the first time ({len(theirs)} and {len(mine)})",
            why="ids that change from one collection to the next, or another order, cannot be shared or resumed",
            fix="make parameters and their order the same each time (no sets, times or random numbers in ids)",
            output_title="what differs",
            output=(only_first + only_other)[:20] or ["only the order"],
        )

    @property
    def pytest_version(self) -> str:
        """Version of pytest in the container, once it has collected."""
        return "" if self._collection is None else self._collection.configured.pytest

    # One worker: pytest's own loop, the agent runs ahead

    def plan(self, items: Sequence[pytest.Item]) -> None:
        """Note the final order of the run: the agent runs ahead up to the next host test, never past it."""
        for segment, then in split_at_host_tests(items):
            for position, index in enumerate(segment):
                self._segment_of[index] = segment[position:]
                self._then_of[index] = then

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
        self._taken.add(index)
        self._agent_of(index).deliver()
        self._obey(item.session, record.stop_request)
        return record

    def _agent_of(self, index: int) -> RemoteRun:
        return self._agents[self._worker_of.get(index, 0)]

    def _record(self, index: int) -> TestRecord:
        agent = self._agent_of(index)
        if index in self._taken and agent.waiting_after == index:
            agent.run_again(index)
        else:
            if agent.waiting_after in self._taken:
                agent.proceed()
            is_gone = agent.has_died and not agent.has_record(index)
            if is_gone or index in self._taken or not agent.is_asked_for(index):
                self._dispatch_from(index)
                agent = self._agent_of(index)
        try:
            return agent.record(index)
        except DockerCIError as error:
            return self._explain_loss(agent, index, error)

    def _dispatch_from(self, index: int) -> None:
        """Ask for a test and, with one worker, for all that follow it up to the next host test."""
        worker = self._worker_of.get(index, 0)
        agent = self._agents[worker]
        if agent.has_died:
            agent = self._revive(worker)
        if index in self._taken or self.workers > 1:
            agent.forget(index)
            agent.dispatch([index], wire.THEN_SESSION)
        else:
            agent.dispatch(self._segment_of.get(index, [index]), self._then_of.get(index, wire.THEN_SESSION))

    def _explain_loss(self, agent: RemoteRun, index: int, error: DockerCIError) -> TestRecord:
        """The record of a test whose agent or worker went away without naming it."""
        if agent.running != index or self._unexplained_deaths >= _MAX_UNEXPLAINED_DEATHS:
            raise error
        self._unexplained_deaths += 1
        died = wire.WorkerDied(
            index=index, when="call", cause=f"{error.what}: {error.why}", output="\n".join(error.output)
        )
        return TestRecord(died=died)

    def _revive(self, worker: int) -> RemoteRun:
        """A fresh worker, and a fresh agent where that is gone as well; it must collect the same tests."""
        if self.workers > 1:
            self._orphans[worker] += self._agents[worker].take_back()
        if self._agents[worker].is_lost:
            self._agents[worker].close()
            self._agents[worker] = self._new_agent(worker)
            self._agents[worker].open()
        agent = self._agents[worker]
        agent.start(self._start(worker))
        collection = agent.collection()
        if self._collection is not None:
            self._check_same(self._collection, collection, agent.name)
        return agent

    def _new_agent(self, worker: int) -> RemoteRun:
        return RemoteRun(
            _LazyStream(self._open_stream, worker),
            name=f"container {worker}",
            show_output=self._show_output,
            record_warning=self._record_warning,
            changed=self._changed,
            arrived=lambda index: self._arrived.append((index, worker)),
        )

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
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._arrived) or self._lost_worker() is not None, 1.0)
                if self._arrived:
                    return self._arrived.popleft()
                lost = self._lost_worker()
                if lost is not None:
                    return lost
            for agent in self._agents:
                agent.deliver()

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
            arrived = [index for index, _ in self._arrived]
            self._arrived.clear()
        return arrived

    # End

    def finish(self) -> None:
        """End every worker's session in good order.

        Raises:
            AgentLostError: A worker did not send its end frame, or counted other tests than we.
        """
        living = [agent for agent in self._agents if not agent.has_died]
        for agent in living:
            agent.finish()
        for agent in living:
            agent.wait_finished(_FINISH_TIMEOUT_SECONDS)
            agent.deliver()

    def close(self) -> None:
        """Hang up on every agent; safe to repeat."""
        for agent in self._agents:
            agent.close()


class _LazyStream:
    """Opens its channel when the agent is first spoken to, so that a dead one can be replaced."""

    def __init__(self, open_stream: Callable[[int], ByteStream], worker: int) -> None:
        self._open_stream = open_stream
        self._worker = worker
        self._stream: ByteStream | None = None

    def read(self) -> bytes:
        return b"" if self._stream is None else self._stream.read()

    def write(self, data: bytes, /) -> None:
        if self._stream is None:
            self._stream = self._open_stream(self._worker)
        self._stream.write(data)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def stderr_tail(self) -> str:
        return "" if self._stream is None else self._stream.stderr_tail()


def split_at_host_tests(items: Sequence[pytest.Item]) -> Iterator[tuple[list[int], int]]:
    """The container's tests in runs between host tests: ``(indices, what follows as in `wire.Run`)``."""
    runs = [
        [item.index for item in run if isinstance(item, ContainerItem) and item.index is not None]
        for run in runs_of_a_kind(items)
        if isinstance(run[0], ContainerItem)
    ]
    for position, indices in enumerate(runs):
        yield indices, runs[position + 1][0] if position + 1 < len(runs) else wire.THEN_END


def runs_of_a_kind(items: Sequence[pytest.Item]) -> Iterator[list[pytest.Item]]:
    """The items in runs that are all the container's or all the host's."""
    run: list[pytest.Item] = []
    for item in items:
        if run and isinstance(item, ContainerItem) != isinstance(run[0], ContainerItem):
            yield run
            run = []
        run.append(item)
    if run:
        yield run
