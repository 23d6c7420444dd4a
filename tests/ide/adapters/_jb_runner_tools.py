"""Marks a process as PyCharm's test runner, whose module of this name every run of it imports."""

from __future__ import annotations

import os

# Source: JetBrains/intellij-community, python/helpers/pycharm/_jb_runner_tools.py.
os.environ.setdefault("TEAMCITY_VERSION", "LOCAL")
