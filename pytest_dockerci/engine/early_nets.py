"""The nets under a run are spread while Docker's client is still being loaded: nothing is created before they are."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_dockerci.engine.endpoint import find_endpoint
from pytest_dockerci.engine.nets import Nets
from pytest_dockerci.engine.plain_engine import answering_engine
from pytest_dockerci.state import record_owner

if TYPE_CHECKING:
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.progress import Progress
    from pytest_dockerci.state import Lease


class EarlyNets:
    """Begins to spread them, beside the main thread; whatever goes wrong is found again, and told, without haste.

    Only on an engine of this machine, and under a run that has no kept stack: such a stack has its own.

    Args:
        plan: What the user asked for.
        environ: The host's environment; names the engine.
        progress: As for `Nets`.
    """

    def __init__(self, plan: EnvironmentPlan, environ: Mapping[str, str], progress: Progress) -> None:
        self._plan = plan
        self._environ = environ
        self._nets = Nets(plan.identity, progress)
        self._lease: Lease | None = None
        self._engine_id = ""
        self._end: Future[None] | None = None
        if plan.kept is None and plan.lease is None and find_endpoint(environ).scheme == "unix":
            self._end = self._nets.background.submit(self._spread)

    def _spread(self) -> None:
        plan = self._plan
        engine = answering_engine(self._environ)
        self._engine_id = str(engine.facts["engine_id"])
        # Before the first object.
        self._lease = record_owner(plan.state_dir, plan.run_id, plan.nonce, self._engine_id)
        self._nets.spread(engine, plan.run_folder, plan.reaper_image, pull=None)

    def take(self, plan: EnvironmentPlan, engine_id: str) -> tuple[Nets | None, EnvironmentPlan]:
        """The nets, and the plan with the lease of the run that they are under; no nets where they are not there yet.

        Args:
            plan: What the user asked for, as it is now.
            engine_id: What the engine calls itself by which the run goes on.
        """
        if self._end is None:
            return None, plan
        if self._end.exception() is not None or self._engine_id != engine_id or self._nets.has_to_pull:
            self.abandon()
            return None, plan
        self._end = None
        return self._nets, replace(plan, lease=self._lease)

    def abandon(self) -> None:
        """There is no run for them to be under. Safe to repeat, and where they have been taken."""
        if self._end is None:
            return
        self._end.exception()  # it has ended
        self._end = None
        if self._nets.abandon():  # else the next run has to know whose it is
            shutil.rmtree(self._plan.run_folder, ignore_errors=True)
        if self._lease is not None:
            self._lease.release()
