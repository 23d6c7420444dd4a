"""Real payments, against a payment company that answers on this container's own loopback."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from bookshop.payments import LivePayments
from bookshop.refusals import PaymentDeclined


class PaymentCompany(BaseHTTPRequestHandler):
    def do_POST(self):
        charge = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        is_customer = self.headers["Authorization"] == "Bearer live_1"
        self.send_response(200 if is_customer and charge["amount_cents"] < 5000 else 402)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def company_url():
    with HTTPServer(("127.0.0.1", 0), PaymentCompany) as server:
        Thread(target=server.serve_forever, args=[0.01]).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_company_is_asked_with_our_key(company_url):
    LivePayments(company_url, "live_1").charge("card_1", 4999)
    with pytest.raises(PaymentDeclined):
        LivePayments(company_url, "live_2").charge("card_1", 4999)


def test_a_refusal_of_the_company_is_a_declined_payment(company_url):
    with pytest.raises(PaymentDeclined, match="the card was declined"):
        LivePayments(company_url, "live_1").charge("card_1", 5000)
