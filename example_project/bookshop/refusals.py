"""Why a customer does not get what was ordered."""


class OrderRefused(Exception):
    """`status` is the HTTP status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
