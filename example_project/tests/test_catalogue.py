"""The catalogue, against the real Redis."""

from dataclasses import replace

import redis

from bookshop.catalogue import KEY, LIFETIME_SECONDS
from bookshop.web import create_app


def test_the_second_reader_is_served_from_the_cache(client):
    first, second = client.get("/books"), client.get("/books")
    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("miss", "hit")
    assert first.json == second.json
    assert [book["title"] for book in second.json] == [
        "A Tale of Two Cities",
        "Moby-Dick",
        "Pride and Prejudice",
    ]


def test_an_order_shows_in_the_catalogue_at_once(client):
    book = client.get("/books").json[0]
    client.post("/orders", json={"isbn": book["isbn"], "quantity": 1, "card": "card_1"})
    assert client.get("/books").json[0] == book | {"stock": book["stock"] - 1}


def test_what_is_cached_does_not_stay_for_ever(client, settings):
    client.get("/books")
    with redis.Redis.from_url(settings.cache_url) as cache:
        assert 0 < cache.ttl(KEY) <= LIFETIME_SECONDS


def test_without_a_cache_the_catalogue_comes_from_the_database(client, settings):
    without = create_app(replace(settings, cache_url="redis://127.0.0.1:1")).test_client()
    answer = without.get("/books")
    assert answer.headers["X-Cache"] == "off"
    assert answer.json == client.get("/books").json
    assert without.get("/health").json == {"environment": "testing", "cache": "down"}
