"""Taking money: for real in production, pretended everywhere else."""

import json
import urllib.request

from bookshop.refusals import OrderRefused
from bookshop.settings import Settings


class FakePayments:
    """Accepts every card but one."""

    def charge(self, card: str, amount_cents: int) -> None:
        if card == "card_declined":
            raise OrderRefused(402, "the card was declined")


class LivePayments:
    """Asks the payment company."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def charge(self, card: str, amount_cents: int) -> None:
        body = json.dumps({"card": card, "amount_cents": amount_cents}).encode()
        request = urllib.request.Request(self.url, body, self.headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            if not json.load(answer)["accepted"]:
                raise OrderRefused(402, "the card was declined")


Payments = FakePayments | LivePayments


def payments_for(settings: Settings) -> Payments:
    """The switch: only production can reach the payment company."""
    if settings.is_production:
        return LivePayments(settings.payment_url, settings.payment_key)
    return FakePayments()
