"""Which image is put under test: one that is given, that of the last run, or one that is built now."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import docker.errors

from pytest_dockerci.build_inputs import BuildInputs
from pytest_dockerci.engine.git_facts import GitFacts, choose_tags, repository_of, run_tags
from pytest_dockerci.engine.image import ImageUnderTest
from pytest_dockerci.engine.image_plan import build_inputs
from pytest_dockerci.engine.images import inspect_image
from pytest_dockerci.last_image import LastImage

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.environment_plan import EnvironmentPlan
    from pytest_dockerci.engine.model_cache import ComposeModel
    from pytest_dockerci.engine.python_suite import PythonSuite
    from pytest_dockerci.engine.stack_images import BuildSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """Where the image under test comes from.

    Attributes:
        names: Its names, ``repository:tag``.
        git: The commit that it is built from.
        reference: The image to take as it is; None to build it or take what the Compose file names.
        inputs: Where the things lie that it is built from.
        known: The last run's record, where it is that one.
    """

    names: tuple[str, ...]
    git: GitFacts
    reference: str | None
    inputs: BuildInputs
    known: LastImage | None

    def untag_last(self, engine: Engine, last: LastImage | None) -> None:
        """Take the run's tag from the image of the run before; an image without any other name goes.

        Args:
            engine: The engine.
            last: That image; one that this run has not built, it still needs.
        """
        if last is None or self.reference is not None:
            return
        for name in run_tags(last.tags):
            if name not in self.names:
                with suppress(docker.errors.APIError):  # gone already, or in use by another run
                    engine.client.api.remove_image(name)

    def under_test(
        self,
        data: Mapping[str, Any],
        build: BuildSummary,
        suite: PythonSuite | None,
        container_root: PurePosixPath,
    ) -> ImageUnderTest:
        """The image, now that it is there.

        Args:
            data: What the engine says of it.
            build: How it was built.
            suite: The suite of pytest in it; None for none.
            container_root: The folder in it that stands for rootdir.
        """
        toolkit = None if suite is None else suite.toolkit
        return ImageUnderTest(
            id=str(data["Id"]),
            tags=self.names,
            commit=self.git.commit,
            is_dirty=self.git.is_dirty,
            digests=tuple(data.get("RepoDigests") or ()),
            python=None if suite is None else suite.python,
            container_root=container_root,
            toolkit_path=toolkit.path if toolkit is not None else "",
            toolkit=toolkit.pins if toolkit is not None else (),
            built_seconds=build.seconds,
            is_cached=build.is_cached,
        )

    def record(self, image: ImageUnderTest, service: str, fingerprint: str) -> LastImage:
        """The image as the next listing will want to know it.

        Args:
            image: The image, now that it is there.
            service: Whose image it is.
            fingerprint: Of `inputs`, before the build.
        """
        return self.known or LastImage(
            service=service,
            id=image.id,
            tags=image.tags,
            commit=image.commit,
            is_dirty=image.is_dirty,
            made_at=time.time(),
            inputs=self.inputs,
            fingerprint=fingerprint,
        )


def choose_source(
    engine: Engine,
    model: ComposeModel,
    plan: EnvironmentPlan,
    compose_files: Sequence[Path],
    read_git: Callable[[], GitFacts],
) -> ImageSource:
    """Decide where the image comes from.

    Args:
        engine: Asked whether the last image is still there.
        model: The resolved model.
        plan: What the user asked for.
        compose_files: The files that the model comes from.
        read_git: Tells the commit; only called for an image that is built.
    """
    known = _known_image(engine, plan)
    is_built = not (plan.image_ref or known) and bool(model.services[plan.service].get("build"))
    git = read_git() if is_built else GitFacts(commit=None, is_dirty=False)
    reference = plan.image_ref
    if plan.image_ref is not None:
        names: tuple[str, ...] = (plan.image_ref,)
    elif known is not None:
        names, reference = known.tags, known.id
        git = GitFacts(commit=known.commit, is_dirty=known.is_dirty)
    elif is_built:
        names = _choose_names(model, plan, git)
    else:
        names = (str(model.services[plan.service]["image"]).replace("$$", "$"),)
    inputs = build_inputs(model, plan, compose_files, is_built=is_built)
    return ImageSource(names=names, git=git, reference=reference, inputs=inputs, known=known)


def _known_image(engine: Engine, plan: EnvironmentPlan) -> LastImage | None:
    known = plan.known_image
    if known is None or plan.image_ref or inspect_image(engine, known.id) is None:
        return None
    return known


def _choose_names(model: ComposeModel, plan: EnvironmentPlan, git: GitFacts) -> tuple[str, ...]:
    tags = choose_tags(git, plan.build_number, plan.run_id)
    plan.edit_tags(tags)
    named = model.services[plan.service].get("image")
    repository = repository_of(named or f"{model.project}-{plan.service}")
    return tuple(f"{repository}:{tag}" for tag in dict.fromkeys(tags))
