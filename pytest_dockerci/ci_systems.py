"""The one place that knows CI systems. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def find_build_number(environ: Mapping[str, str]) -> str | None:
    """The build number of the CI system that runs us, if one does.

    Source: the systems' own documentation of predefined variables (Jenkins ``BUILD_NUMBER``,
    GitHub Actions ``GITHUB_RUN_NUMBER``, GitLab CI ``CI_PIPELINE_IID``, Buildkite
    ``BUILDKITE_BUILD_NUMBER``, CircleCI ``CIRCLE_BUILD_NUM``, Azure ``BUILD_BUILDID``).
    """
    names = (
        "GITHUB_RUN_NUMBER",
        "CI_PIPELINE_IID",
        "BUILDKITE_BUILD_NUMBER",
        "CIRCLE_BUILD_NUM",
        "BUILD_BUILDID",
        "BUILD_NUMBER",
    )
    return next((environ[name] for name in names if environ.get(name)), None)
