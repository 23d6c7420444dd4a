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


def find_job_url(environ: Mapping[str, str]) -> str:
    """The address of the CI job that runs us; empty where there is none.

    Source: as for `find_build_number`.
    """
    if environ.get("GITHUB_RUN_ID"):
        server, repository = (environ.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY"))
        return f"{server}/{repository}/actions/runs/{environ['GITHUB_RUN_ID']}"
    names = ("CI_JOB_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL", "BUILD_URL")
    return next((environ[name] for name in names if environ.get(name)), "")
