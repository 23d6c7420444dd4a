"""The list of books, kept in Redis for half a minute. Without Redis the shop is slower, not closed."""

import json
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

KEY = "catalogue"
LIFETIME_SECONDS = 30
Books = list[dict[str, Any]]


class Catalogue:
    def __init__(self, cache_url: str, load: Callable[[], Books]) -> None:
        self._load = load
        self._redis = redis.Redis.from_url(
            cache_url, socket_connect_timeout=0.5, socket_timeout=0.5, retry=Retry(NoBackoff(), 0)
        )

    def books(self) -> tuple[Books, str]:
        """The books, and where they came from: `hit`, `miss` or `off`."""
        try:
            kept = self._redis.get(KEY)
            if kept is not None:
                return json.loads(kept), "hit"
            books = self._load()
            self._redis.set(KEY, json.dumps(books), ex=LIFETIME_SECONDS)
            return books, "miss"
        except redis.RedisError:
            return self._load(), "off"

    def forget(self) -> None:
        """Called after every order; what Redis misses while it is away is gone after half a minute."""
        try:
            self._redis.delete(KEY)
        except redis.RedisError:
            pass

    def is_up(self) -> bool:
        try:
            return bool(self._redis.ping())
        except redis.RedisError:
            return False
