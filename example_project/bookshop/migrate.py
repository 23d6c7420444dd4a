"""Brings the database up to date; runs to its end before the shop opens: ``python -m bookshop.migrate``."""

import os

from bookshop.orders import connect
from bookshop.settings import Settings

SCHEMA = """
CREATE TABLE IF NOT EXISTS books (
    isbn text PRIMARY KEY,
    title text NOT NULL,
    price_cents integer NOT NULL CHECK (price_cents > 0),
    stock integer NOT NULL CHECK (stock >= 0)
);
CREATE TABLE IF NOT EXISTS orders (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    isbn text NOT NULL REFERENCES books,
    quantity integer NOT NULL CHECK (quantity > 0),
    amount_cents integer NOT NULL CHECK (amount_cents > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
"""
SAMPLE_BOOKS = """
INSERT INTO books (isbn, title, price_cents, stock) VALUES
    ('978-0-14-143951-8', 'Pride and Prejudice', 995, 40),
    ('978-0-14-143960-0', 'A Tale of Two Cities', 1250, 25),
    ('978-0-14-243717-9', 'Moby-Dick', 1499, 3)
ON CONFLICT DO NOTHING;
"""


def migrate(settings: Settings) -> None:
    """Create what is missing; the sample books never reach production."""
    with connect(settings.database_url) as connection:
        connection.execute(SCHEMA)
        if not settings.is_production:
            connection.execute(SAMPLE_BOOKS)


if __name__ == "__main__":
    migrate(Settings.from_environ(os.environ))
    print("the database is up to date")
