"""Runs pytest as PyCharm's runner does: ``jb_pytest_runner.py TARGET... -- ADDITIONAL ARGUMENTS``.

Written after JetBrains/intellij-community, `python/helpers/pycharm/_jb_pytest_runner.py`; the plugin that
reports to the IDE is that of teamcity-messages, from which PyCharm's own copy comes.
"""

from __future__ import annotations

import sys

import _jb_runner_tools  # type: ignore[import-not-found] # noqa: F401 - what it sets
import pytest

if __name__ == "__main__":
    separator = sys.argv.index("--")
    targets, further = sys.argv[1:separator], sys.argv[separator + 1 :]
    sys.exit(pytest.main([*further, *targets, "--no-header", "--no-summary", "-q"]))
