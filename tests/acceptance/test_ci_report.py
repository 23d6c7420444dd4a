"""What a CI system is told of a run, on the suite's side: the real agent as a local process."""

from __future__ import annotations

from acceptance.project import Project


def test_github_gets_a_page_and_an_annotation(project: Project) -> None:
    """The page says what failed; the log's order is for what is wrong with the run, and is ours alone."""
    project.settings("dockerci_push = registry.invalid/shop/web")
    project.write(
        "tests/test_shop.py",
        """
        import sys
        def test_one():
            sys.__stdout__.write("::error::from a test\\n")
        """,
    )
    page = project.host.parent / "page.md"
    run = project.run("-v", "-s", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(page))
    assert run.exit_code == 8
    # The command line of these tests loads plugins, so that this run may not push.
    [order] = [line for line in run.text.splitlines() if line.startswith("::error")]
    assert order.startswith(
        "::error title=dockerci::the image was not pushed to registry.invalid/shop/web%0A"
    )
    text = page.read_text()
    assert "### Tests inside the image: not green, exit code 8\n" in text
    assert "| tests | 1 passed |\n" in text
    assert "the image was not pushed to registry.invalid/shop/web\n  why: " in text


def test_failures_are_on_the_page(project: Project) -> None:
    """With what pytest shows of them, secrets hidden."""
    project.settings("dockerci_secrets =", "    API_KEY")
    project.write(
        "tests/test_shop.py",
        """
        import os
        def test_one():
            assert os.environ["API_KEY"] == ""
        """,
    )
    page = project.host.parent / "page.md"
    run = project.run(GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(page), API_KEY="zebra-forty-two")
    assert run.exit_code == 1
    text = page.read_text()
    assert "<summary>tests/test_shop.py::test_one</summary>" in text
    assert "assert '***' == ''" in text
    assert "zebra" not in text
    assert "::error" not in run.text


def test_at_a_desk_nothing_is_written(project: Project) -> None:
    """Not even where the variable is left over."""
    project.write("tests/test_shop.py", "def test_one(): pass\n")
    page = project.host.parent / "page.md"
    assert project.run(GITHUB_STEP_SUMMARY=str(page)).exit_code == 0
    assert not page.exists()
