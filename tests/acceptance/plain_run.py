"""Runs one suite through the plugin and by hand in the image, and compares what pytest says of both."""

from __future__ import annotations

import re
from typing import Any

from acceptance.project import Project, Run

_ADDRESS = re.compile("0x[0-9a-f]+")
# Not compared: times, and where the two trees lie.
_COMPARED = (
    "type",
    "nodeid",
    "when",
    "outcome",
    "wasxfail",
    "location",
    "sections",
    "text",
    "properties",
    "keywords",
)


def run_both(project: Project, *args: str, has_same_texts: bool = True) -> Run:
    """Run the project both ways, expect the same, return our run.

    Args:
        project: The project; its suite is laid over the image by our run, which comes first.
        args: The command line.
        has_same_texts: False where the texts of failures name things that differ by nature.
    """
    ours = project.run(*args)
    plain = project.run_plainly(*args)
    assert ours.ids() == plain.ids()
    for kind in ("test", "collect"):
        mine = [_comparable(project, event, has_same_texts=has_same_texts) for event in ours.of_kind(kind)]
        theirs = [_comparable(project, event, has_same_texts=has_same_texts) for event in plain.of_kind(kind)]
        assert len(mine) == len(theirs)
        differences = [
            {
                "where": (left["nodeid"], left.get("when")),
                **{name: (left[name], right[name]) for name in left if left[name] != right[name]},
            }
            for left, right in zip(mine, theirs, strict=True)
            if left != right
        ]
        assert differences == []
    assert sorted(_deselected(ours)) == sorted(_deselected(plain))
    assert ours.of_kind("warning") == plain.of_kind("warning")
    assert ours.exit_code == plain.exit_code
    return ours


def _comparable(project: Project, event: dict[str, Any], *, has_same_texts: bool) -> dict[str, Any]:
    result = {name: event[name] for name in _COMPARED if name in event}
    result["skip"] = event.get("skip")
    if "keywords" in result:
        result["keywords"] = [keyword for keyword in result["keywords"] if keyword != "dockerci"]
    if has_same_texts:
        result["text"] = _ADDRESS.sub("0x...", result["text"]).replace(str(project.image), str(project.host))
    else:
        del result["text"]
    return result


def _deselected(run: Run) -> list[str]:
    return [nodeid for event in run.of_kind("deselected") for nodeid in event["nodeids"]]
