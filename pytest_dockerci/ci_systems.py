"""The one place that knows CI systems: their variables, and what their logs take for orders. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path

_MAX_ANNOTATION_CHARACTERS = 3000


class CiSystem(Enum):
    """A CI system that offers more than a plain log."""

    GITHUB = "GitHub Actions"
    GITLAB = "GitLab CI"
    AZURE = "Azure Pipelines"
    BUILDKITE = "Buildkite"


_VARIABLES = {
    CiSystem.GITHUB: "GITHUB_ACTIONS",
    CiSystem.GITLAB: "GITLAB_CI",
    CiSystem.AZURE: "TF_BUILD",
    CiSystem.BUILDKITE: "BUILDKITE",
}


def find_system(environ: Mapping[str, str]) -> CiSystem | None:
    """The one that runs us; None at a desk, and where there is nothing to know of it (Jenkins)."""
    return next((system for system, name in _VARIABLES.items() if environ.get(name)), None)


def group_begin(system: CiSystem | None, name: str, title: str, now_seconds: float) -> str:
    """The line that begins a part of the log that can be folded; empty where there is no such thing.

    Source: GitHub "Workflow commands", GitLab "Job logs", Azure "Logging commands", Buildkite "Managing log output".
    """
    match system:
        case CiSystem.GITHUB:
            return f"::group::{title}"
        case CiSystem.GITLAB:
            return f"\x1b[0Ksection_start:{int(now_seconds)}:{name}[collapsed=true]\r\x1b[0K{title}"
        case CiSystem.AZURE:
            return f"##[group]{title}"
        case CiSystem.BUILDKITE:
            return f"--- {title}"
        case None:
            return ""


def group_end(system: CiSystem | None, name: str, now_seconds: float) -> str:
    """The line that ends it."""
    match system:
        case CiSystem.GITHUB:
            return "::endgroup::"
        case CiSystem.GITLAB:
            return f"\x1b[0Ksection_end:{int(now_seconds)}:{name}\r\x1b[0K"
        case CiSystem.AZURE:
            return "##[endgroup]"
        case CiSystem.BUILDKITE | None:
            return ""


def annotation(system: CiSystem | None, title: str, message: str) -> str:
    """The line that makes the system show an error beside its log; empty where there is no such thing."""
    message = message[:_MAX_ANNOTATION_CHARACTERS]
    match system:
        case CiSystem.GITHUB:
            data = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
            shown = title.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
            return f"::error title={shown}::{data}"
        case CiSystem.AZURE:
            return f"##vso[task.logissue type=error]{title}: {' '.join(message.split())}"
        case CiSystem.GITLAB | CiSystem.BUILDKITE | None:
            return ""


def summary_file(environ: Mapping[str, str]) -> Path | None:
    """Where Markdown for the job's page goes; None where there is no such thing. Source: GitHub, as above."""
    return Path(environ["GITHUB_STEP_SUMMARY"]) if environ.get("GITHUB_STEP_SUMMARY") else None


def output_file(environ: Mapping[str, str]) -> Path | None:
    """Where ``name=value`` lines for later steps go; None where there is no such thing. Source: GitHub, as above."""
    return Path(environ["GITHUB_OUTPUT"]) if environ.get("GITHUB_OUTPUT") else None


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
