"""Mutants of what decides, killed by fast tests: `python -m mutation` (see docs/explanation/mutation.md)."""
