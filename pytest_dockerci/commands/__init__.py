"""Suites that are not pytest: commands of the image whose verdicts and cases become pytest's."""
