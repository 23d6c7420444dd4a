"""Taking money: for real in production, pretended everywhere else."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from bookshop.refusals import PaymentDeclined
from bookshop.settings import Settings


class FakePayments:
    """Accepts every card but one."""

    def charge(self, card: str, amount_cents: int) -> None:
        if card == "card_declined":
            raise PaymentDeclined("the card was declined")


class LivePayments:
    """Asks the payment company."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key

    def charge(self, card: str, amount_cents: int) -> None:
        request = urllib.request.Request(
            self.url,
            data=json.dumps({"card": card, "amount_cents": amount_cents}).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        try:
            urllib.request.urlopen(request, timeout=5).close()
        except urllib.error.HTTPError as error:
            if error.code != PaymentDeclined.status:
                raise
            raise PaymentDeclined("the card was declined") from error


Payments = FakePayments | LivePayments


def payments_for(settings: Settings) -> Payments:
    """The switch: only production can reach the payment company."""
    if settings.is_production:
        return LivePayments(settings.payment_url, settings.payment_key)
    return FakePayments()
