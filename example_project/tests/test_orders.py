"""Orders, against the real PostgreSQL."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from dirty_equals import IsUUID

from bookshop.migrate import migrate
from bookshop.orders import connect, list_books, place_order
from bookshop.payments import FakePayments
from bookshop.refusals import OrderRefused

MOBY_DICK = "978-0-14-243717-9"  # three copies at 14.99


def stock(settings):
    return next(book["stock"] for book in list_books(settings.database_url) if book["isbn"] == MOBY_DICK)


def test_an_order_is_written_and_found_again(client, settings):
    placed = client.post("/orders", json={"isbn": MOBY_DICK, "quantity": 2, "card": "card_1"})
    assert placed.status_code == 201
    assert placed.json == {"id": IsUUID(4), "isbn": MOBY_DICK, "quantity": 2, "amount_cents": 2998}
    assert client.get(f"/orders/{placed.json['id']}").json == placed.json
    assert stock(settings) == 1


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        pytest.param({"quantity": 4}, 409, "there are not enough copies", id="sold out"),
        pytest.param({"isbn": "978-0"}, 404, "there is no book 978-0", id="unknown book"),
        pytest.param({"card": "card_declined"}, 402, "the card was declined", id="card declined"),
        pytest.param({"quantity": 0}, 400, "an order has isbn, quantity (1 to 100) and card", id="no copies"),
        pytest.param({"card": None}, 400, "an order has isbn, quantity (1 to 100) and card", id="no card"),
    ],
)
def test_a_refused_order_leaves_the_stock_alone(client, settings, change, status, error):
    refused = client.post("/orders", json={"isbn": MOBY_DICK, "quantity": 1, "card": "card_1"} | change)
    assert (refused.status_code, refused.json) == (status, {"error": error})
    assert stock(settings) == 3


def test_of_eight_buyers_at_once_three_get_the_three_copies(settings):
    def buy(_):
        try:
            place_order(settings.database_url, FakePayments(), isbn=MOBY_DICK, quantity=1, card="card_1")
        except OrderRefused as refused:
            return str(refused)
        return "bought"

    with ThreadPoolExecutor(max_workers=8) as buyers:
        outcomes = Counter(buyers.map(buy, range(8)))
    assert outcomes == {"bought": 3, "there are not enough copies": 5}
    assert stock(settings) == 0


def test_the_database_itself_refuses_a_negative_stock(settings):
    with pytest.raises(psycopg.errors.CheckViolation), connect(settings.database_url) as connection:
        connection.execute("UPDATE books SET stock = -1")


def test_migrating_again_keeps_what_was_sold(settings):
    place_order(settings.database_url, FakePayments(), isbn=MOBY_DICK, quantity=1, card="card_1")
    migrate(settings)
    assert stock(settings) == 2
