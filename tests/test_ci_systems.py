"""What CI systems set and what their logs take for orders, as tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_dockerci.ci_systems import (
    CiSystem,
    annotation,
    find_job_url,
    find_system,
    group_begin,
    group_end,
    output_file,
    summary_file,
)


@pytest.mark.parametrize(
    ("environ", "system"),
    [
        ({}, None),
        ({"CI": "true"}, None),
        ({"JENKINS_URL": "https://jenkins.example.com/", "BUILD_NUMBER": "812"}, None),
        ({"GITHUB_ACTIONS": "true", "CI": "true"}, CiSystem.GITHUB),
        ({"GITHUB_ACTIONS": ""}, None),
        ({"GITLAB_CI": "true"}, CiSystem.GITLAB),
        ({"TF_BUILD": "True"}, CiSystem.AZURE),
        ({"BUILDKITE": "true"}, CiSystem.BUILDKITE),
    ],
)
def test_systems_are_known_by_their_variables(environ: dict[str, str], system: CiSystem | None) -> None:
    """Jenkins has nothing that a log could use."""
    assert find_system(environ) is system


@pytest.mark.parametrize(
    ("system", "begin", "end"),
    [
        (None, "", ""),
        (CiSystem.GITHUB, "::group::build the image", "::endgroup::"),
        (
            CiSystem.GITLAB,
            "\x1b[0Ksection_start:1000:b[collapsed=true]\r\x1b[0Kbuild the image",
            "\x1b[0Ksection_end:1000:b\r\x1b[0K",
        ),
        (CiSystem.AZURE, "##[group]build the image", "##[endgroup]"),
        (CiSystem.BUILDKITE, "--- build the image", ""),
    ],
)
def test_groups(system: CiSystem | None, begin: str, end: str) -> None:
    """As each system's documentation has them."""
    assert group_begin(system, "b", "build the image", 1000.9) == begin
    assert group_end(system, "b", 1000.9) == end


def test_annotations_are_one_line_and_say_all() -> None:
    """What would end the line, or the title, is written as the system wants it."""
    assert (
        annotation(CiSystem.GITHUB, "a: b, 5%", "50 %\r\nnext")
        == "::error title=a%3A b%2C 5%25::50 %25%0D%0Anext"
    )
    assert annotation(CiSystem.AZURE, "title", "one\ntwo") == "##vso[task.logissue type=error]title: one two"
    assert [annotation(system, "t", "m") for system in (None, CiSystem.GITLAB, CiSystem.BUILDKITE)] == [
        "",
        "",
        "",
    ]


def test_files_for_later_steps() -> None:
    """Where GitHub wants them."""
    environ = {"GITHUB_STEP_SUMMARY": "/s", "GITHUB_OUTPUT": "/o"}
    assert (summary_file(environ), output_file(environ)) == (Path("/s"), Path("/o"))
    assert (summary_file({}), output_file({})) == (None, None)


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, ""),
        (
            {
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_REPOSITORY": "shop/web",
                "GITHUB_RUN_ID": "77",
            },
            "https://github.com/shop/web/actions/runs/77",
        ),
        ({"CI_JOB_URL": "https://gitlab.example.com/j/1"}, "https://gitlab.example.com/j/1"),
        ({"BUILD_URL": "https://jenkins.example.com/job/x/1/"}, "https://jenkins.example.com/job/x/1/"),
    ],
)
def test_job_addresses(environ: dict[str, str], url: str) -> None:
    """For the evidence, and the record of a release."""
    assert find_job_url(environ) == url
