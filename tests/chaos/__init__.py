"""Faults at random instants, seeded and counted: `python -m chaos` (see docs/explanation/chaos.md)."""
