"""The images of the services: built and pulled at the same time, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.build import build_images, plan_build
from pytest_dockerci.engine.image_plan import plan_images
from pytest_dockerci.engine.images import image_facts, inspect_image, pull_missing, require_image
from pytest_dockerci.engine.labels import image_name

if TYPE_CHECKING:
    from pytest_dockerci.engine.background import Background
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.command import Commands
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.model_cache import ComposeModel
    from pytest_dockerci.engine.stack_model import ImageFacts
    from pytest_dockerci.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSummary:
    """How the images came about.

    Attributes:
        seconds: Duration of the build; 0 when nothing was built.
        is_cached: No step had to run.
    """

    seconds: float = 0.0
    is_cached: bool = True


class StackImages:
    """The images of one run's services.

    Args:
        engine: The engine.
        commands: Runs the builder.
        background: Pulls beside the build.
        model: The resolved model.
        plan: What the user asked for.
        folder: Takes the builder's files.
        progress: Told what happens.

    Attributes:
        built: Service to image id, for services that must run exactly that image.
        facts: Service to what its image says.
        references: Name of an image to its id, for images that are taken by name.
    """

    def __init__(
        self,
        engine: Engine,
        commands: Commands,
        background: Background,
        model: ComposeModel,
        *,
        plan: EnvironmentPlan,
        folder: Path,
        progress: Progress,
    ) -> None:
        self.built: dict[str, str] = {}
        self.facts: dict[str, ImageFacts] = {}
        self.references: dict[str, str] = {}
        self._engine = engine
        self._commands = commands
        self._background = background
        self._model = model
        self._service = plan.service
        self._plan = plan
        self._folder = folder
        self._progress = progress

    def use_given(self, reference: str) -> dict[str, Any]:
        """Test an image as it is.

        Raises:
            ImageUnusableError: It is neither on the engine nor can it be pulled.
        """
        data = require_image(self._engine, reference, self._progress)
        self.built[self._service] = self.references[reference] = str(data["Id"])
        return data

    def bring(
        self,
        names: Sequence[str],
        own_names: Sequence[str],
        tell_pulled: Callable[[Sequence[str]], object] = lambda _: None,
    ) -> BuildSummary:
        """Have the image under test, and those of services, on the engine.

        Args:
            names: Services; those whose image is there already cost nothing.
            own_names: Names of the image under test if it is built, ``repository:tag``.
            tell_pulled: Called beside the build with the services whose image is taken as named, when all are there.

        Raises:
            ImageBuildError: One cannot be built.
            ServiceNotReadyError: One cannot be pulled.
        """
        new = [name for name in names if name not in self.facts]
        is_given = self._service in self.built
        sources = plan_images(self._model, self._service, new, is_given=is_given)
        pulling = self._background.submit(self._pull, sources.pulls, tell_pulled)
        summary = BuildSummary()
        if sources.builds:
            tags: dict[str, Sequence[str]] = {
                name: (image_name(self._plan.rootdir, name),) for name in sources.builds
            }
            if self._service in tags:
                tags[self._service] = own_names
            outcome = build_images(
                self._engine,
                self._commands,
                plan_build(self._model, tags),
                sources.builds,
                rootdir=self._plan.rootdir,
                folder=self._folder,
                timeout_seconds=self._plan.build_timeout_seconds,
                progress=self._progress,
            )
            self.built |= outcome.image_ids
            summary = BuildSummary(seconds=outcome.seconds, is_cached=outcome.is_cached)
        pulling.result()
        if self._service in sources.pulls:
            self.built[self._service] = self.facts[self._service].image_id
        self.built |= {name: self.built[twin] for name, twin in sources.same.items()}
        for name, image_id in self.built.items():
            self._remember(name, image_id)
        return summary

    def _pull(self, names: Sequence[str], tell_pulled: Callable[[Sequence[str]], object]) -> None:
        definitions = {name: self._model.services[name] for name in names}
        pull_missing(self._engine, definitions, self._progress)
        for name, definition in definitions.items():
            reference = str(definition["image"]).replace("$$", "$")
            self._remember(name, reference)
            if name in self.facts:
                self.references[reference] = self.facts[name].image_id
        tell_pulled([name for name in names if name in self.facts])

    def _remember(self, name: str, reference: str) -> None:
        data = inspect_image(self._engine, reference)
        if data is not None:
            self.facts[name] = image_facts(data)

    def ids(self, names: Iterable[str], but: str) -> dict[str, str]:
        """Service to image id, for services whose image is here; `but` is left out."""
        return {name: self.facts[name].image_id for name in names if name in self.facts and name != but}
