"""Services that start while the image under test is still being built: they have nothing to do with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.run_stacks import model_of_early_services
from pytest_dockerci.engine.start_order import early_services

if TYPE_CHECKING:
    from pytest_dockerci.engine.background import Background
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.model_cache import ComposeModel
    from pytest_dockerci.engine.nets import Nets
    from pytest_dockerci.engine.seeding import Seeding
    from pytest_dockerci.engine.stack import Stack
    from pytest_dockerci.engine.stack_images import StackImages
    from pytest_dockerci.engine.stacks import Stacks


@dataclass(slots=True, kw_only=True)
class EarlyStart:
    """The early start of one run, in all its stacks.

    On an engine elsewhere nothing starts early: what services mount is copied there first.

    Attributes:
        plan: What the user asked for.
        nets: Must be spread before anything is created.
        background: Starts them beside the main thread.
        stacks: Starts them.
        by_project: Compose's project to its stack.
        images: The services' images.
        seeding: Finds their seeds.
        resolved: What Compose resolved.
        model: The same after the project's hooks.
        wanted: The services that are to be started at all, but those under test.
    """

    plan: EnvironmentPlan
    nets: Nets
    background: Background
    stacks: Stacks
    by_project: Mapping[str, Stack]
    images: StackImages
    seeding: Seeding
    resolved: Mapping[str, Any]
    model: ComposeModel
    wanted: Sequence[str]
    _starts: list[Future[None]] = field(default_factory=list)

    def begin(self, pulled: Sequence[str]) -> None:
        """Start those that may, as soon as the nets are there; returns at once.

        Args:
            pulled: Services whose image is there.
        """
        candidates = [name for name in early_services(self.model.data, self.wanted) if name in pulled]
        seeds = self.seeding.find(self.model.data, self.images.ids(candidates, self.plan.service))
        missing = {seed.service for seed in self.seeding.missing}
        names = [name for name in candidates if name not in missing]
        if names:
            self._starts = [
                self.background.submit(self._start, stack, names, seeds) for stack in self.by_project.values()
            ]

    def finish(self) -> None:
        """Block until they have been created: what comes next may be created while they start.

        Raises:
            ServiceNotReadyError: Compose or the engine refuses.
        """
        for start in self._starts:
            start.result()

    def _start(self, stack: Stack, names: Sequence[str], seeds: Mapping[str, str]) -> None:
        if not self.nets.are_spread(is_strict=self.plan.is_strict):
            return  # later, the main thread says why, and starts them after all or gives up
        model = model_of_early_services(
            self.plan,
            self.model,
            self.images.facts,
            seeds,
            self.seeding,
            project=stack.project,
            services=names,
        )
        stack.write(self.resolved, model)
        self.stacks.start_early(stack, names)
