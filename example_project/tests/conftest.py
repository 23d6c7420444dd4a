"""Fixtures inside the image: the application with a database and a cache of its own.

Belongs to the container; the host never imports it and needs neither Flask nor psycopg.
"""

import os
from dataclasses import replace

import psycopg
import pytest
import redis
from flask.testing import FlaskClient
from psycopg.conninfo import make_conninfo

from bookshop.migrate import migrate
from bookshop.orders import connect
from bookshop.settings import Settings
from bookshop.web import create_app


@pytest.fixture(scope="session")
def worker_settings() -> Settings:
    """What the container was told, with one database for each worker: `--dockerci-workers 2` just works."""
    told = Settings.from_environ(os.environ)
    worker = os.environ.get("DOCKERCI_WORKER", "0")
    name = f"bookshop_test_{worker}"
    with psycopg.connect(told.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    return replace(
        told,
        database_url=make_conninfo(told.database_url, dbname=name),
        cache_url=f"{told.cache_url}/{worker}",
    )


@pytest.fixture
def settings(worker_settings: Settings) -> Settings:
    """A shop on its first day: the sample books, no orders, an empty cache."""
    with connect(worker_settings.database_url) as connection:
        connection.execute("DROP TABLE IF EXISTS orders, books")
    migrate(worker_settings)
    with redis.Redis.from_url(worker_settings.cache_url) as cache:
        cache.flushdb()
    return worker_settings


@pytest.fixture
def client(settings: Settings) -> FlaskClient:
    """A customer."""
    return create_app(settings).test_client()
