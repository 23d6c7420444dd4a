"""A debugger of the suite's own, for ``--pdbcls``."""

from __future__ import annotations

import pdb  # noqa: T100 - to make one of our own


class PolitePdb(pdb.Pdb):
    """Greets."""

    def do_greet(self, arg: str) -> None:
        """Say good morning."""
        self.message(f"good morning {arg}")
