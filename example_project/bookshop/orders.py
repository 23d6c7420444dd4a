"""Books and orders in PostgreSQL."""

from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from bookshop.payments import Payments
from bookshop.prices import total_cents
from bookshop.refusals import OrderRefused


def connect(database_url: str) -> psycopg.Connection[dict[str, Any]]:
    """A connection whose `with` block is one transaction."""
    return psycopg.connect(database_url, row_factory=dict_row, connect_timeout=3)


def list_books(database_url: str) -> list[dict[str, Any]]:
    with connect(database_url) as connection:
        return connection.execute(
            "SELECT isbn, title, price_cents, stock FROM books ORDER BY title"
        ).fetchall()


def place_order(
    database_url: str, payments: Payments, *, isbn: str, quantity: int, card: str
) -> dict[str, Any]:
    """Take copies from the stock, charge the card and write the order: all of it or nothing."""
    with connect(database_url) as connection:
        book = connection.execute(
            "UPDATE books SET stock = stock - %(quantity)s WHERE isbn = %(isbn)s AND stock >= %(quantity)s"
            " RETURNING price_cents",
            {"isbn": isbn, "quantity": quantity},
        ).fetchone()
        if book is None:
            if connection.execute("SELECT 1 FROM books WHERE isbn = %s", [isbn]).fetchone():
                raise OrderRefused(409, "there are not enough copies")
            raise OrderRefused(404, f"there is no book {isbn}")
        amount_cents = total_cents(book["price_cents"], quantity)
        payments.charge(card, amount_cents)
        return connection.execute(
            "INSERT INTO orders (isbn, quantity, amount_cents) VALUES (%s, %s, %s)"
            " RETURNING id, isbn, quantity, amount_cents",
            [isbn, quantity, amount_cents],
        ).fetchone()


def find_order(database_url: str, order_id: UUID) -> dict[str, Any] | None:
    with connect(database_url) as connection:
        return connection.execute(
            "SELECT id, isbn, quantity, amount_cents FROM orders WHERE id = %s", [order_id]
        ).fetchone()
