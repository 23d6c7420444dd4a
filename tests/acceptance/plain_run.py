"""Runs one suite through the plugin and by hand in the image, and compares what pytest says of both."""

from __future__ import annotations

from acceptance.project import Project, Run
from differential.comparison import differences


def run_both(project: Project, *args: str, has_same_texts: bool = True) -> Run:
    """Run the project both ways, expect the same, return our run.

    Args:
        project: The project; its suite is laid over the image by our run, which comes first.
        args: The command line.
        has_same_texts: False where the texts of failures name things that differ by nature.
    """
    ours = project.run(*args)
    plain = project.run_plainly(*args)
    places = [str(project.host), str(project.image)]
    assert differences(ours, plain, places=places, has_same_texts=has_same_texts) == []
    return ours
