"""The host's side of the tests: this file is never imported inside the image."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import requests


@pytest.hookimpl(optionalhook=True)
def pytest_dockerci_env(env: dict[str, str]) -> None:
    """Give the container under test a payment key that no one has seen before."""
    env["PAYMENT_KEY"] = f"test_run_{secrets.token_hex(8)}"


class Shop:
    """The shop as its customers know it: an address that answers HTTP."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.url = "http://{}:{}".format(*address)

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=10)

    def order(self, **order: Any) -> requests.Response:
        return requests.post(f"{self.url}/orders", json=order, timeout=10)


@pytest.fixture
def shop(dockerci_services) -> Shop:
    """The service under test in its normal form, served by gunicorn."""
    return Shop(dockerci_services["web"].address(8000))


@pytest.fixture
def stopped_cache(dockerci_services) -> Iterator[Any]:
    """Redis is away during the test and back after it."""
    cache = dockerci_services["cache"]
    cache.stop()
    yield cache
    cache.start()
