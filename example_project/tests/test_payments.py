"""Real payments, against a payment company that answers on this container's own loopback."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from bookshop.payments import LivePayments
from bookshop.refusals import OrderRefused


class PaymentCompany(BaseHTTPRequestHandler):
    def do_POST(self):
        charge = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        is_customer = self.headers["Authorization"] == "Bearer live_1"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"accepted": is_customer and charge["amount_cents"] < 5000}).encode())


@pytest.fixture
def company_url():
    with HTTPServer(("127.0.0.1", 0), PaymentCompany) as server:
        Thread(target=server.serve_forever, args=[0.01]).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_company_takes_the_money(company_url):
    LivePayments(company_url, "live_1").charge("card_1", 4999)


@pytest.mark.parametrize(("key", "amount_cents"), [("live_1", 5000), ("live_2", 4999)])
def test_what_the_company_refuses_is_declined(company_url, key, amount_cents):
    with pytest.raises(OrderRefused, match="the card was declined"):
        LivePayments(company_url, key).charge("card_1", amount_cents)
