"""A CI job's page: what is on it, and what cannot get out of its place there."""

from __future__ import annotations

from pytest_dockerci.job_summary import MAX_CHARACTERS, Failure, RunSummary, render_summary

GREEN = RunSummary(
    exit_status=0,
    image="shop-web:0123456789ab (sha256:aaaaaaaaaaaa)",
    counts={"passed": 7, "skipped": 1},
    phases={"build": 4.06, "tests": 6.3},
    pushed="registry.example.com/shop/web@sha256:aaaa",
    tags=("0123456789ab", "latest"),
)


def test_a_green_run() -> None:
    """All of it."""
    assert render_summary(GREEN) == (
        "### Tests inside the image: green\n"
        "\n"
        "| | |\n"
        "|---|---|\n"
        "| image | <code>shop-web:0123456789ab (sha256:aaaaaaaaaaaa)</code> |\n"
        "| tests | 7 passed, 1 skipped |\n"
        "| pushed | <code>registry.example.com/shop/web@sha256:aaaa</code> "
        "as <code>0123456789ab</code>, <code>latest</code> |\n"
        "| time | build 4.1 s, tests 6.3 s |\n"
    )


def test_a_red_run() -> None:
    """Each failure can be unfolded; colours and what came long before its end are left out."""
    text = "\n".join([*(f"line {number}" for number in range(100)), "\x1b[31mE  assert 1 == 2\x1b[0m"])
    run = RunSummary(
        exit_status=1,
        counts={"failed": 1},
        phases={},
        errors=["the push was refused\n  why: it is red"],
        failures=[Failure(name="tests/test_shop.py::test_one[<b>|x]", text=text)],
    )
    page = render_summary(run)
    assert page.startswith("### Tests inside the image: not green, exit code 1\n")
    assert "```text\nthe push was refused\n  why: it is red\n```\n" in page
    assert "<details><summary>tests/test_shop.py::test_one[&lt;b&gt;&#124;x]</summary>" in page
    assert "... 41 lines before\nline 41\n" in page
    assert page.count("\x1b") == 0
    assert page.endswith("E  assert 1 == 2\n```\n\n</details>\n")


def test_a_text_cannot_leave_its_block() -> None:
    """Whatever fences it has in it."""
    hostile = "````\n# not a heading\n</details>"
    page = render_summary(
        RunSummary(exit_status=1, counts={}, phases={}, failures=[Failure(name="a\n# b", text=hostile)])
    )
    assert "`````text\n````\n# not a heading\n</details>\n`````\n" in page
    assert "<summary>a # b</summary>" in page


def test_a_page_is_never_too_long() -> None:
    """The system would refuse all of it."""
    failures = [Failure(name=f"t{number}", text="x" * 50_000) for number in range(30)]
    page = render_summary(RunSummary(exit_status=1, counts={}, phases={}, failures=failures))
    assert len(page) < MAX_CHARACTERS + 20
    few = [Failure(name=f"t{number}", text="x") for number in range(30)]
    page = render_summary(RunSummary(exit_status=1, counts={}, phases={}, failures=few))
    assert page.endswith("and 10 more\n")
