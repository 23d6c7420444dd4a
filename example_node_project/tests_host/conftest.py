"""Runs on the host: talks to the image in its normal form."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest


class Ferry:
    """The application as its users know it: an address that answers HTTP."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.url = "http://{}:{}".format(*address)

    def get(self, path: str) -> tuple[int, str, Any]:
        """Status, who says so, and the answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as response:
                return response.status, response.headers["Server"], json.load(response)
        except urllib.error.HTTPError as error:
            is_json = "json" in error.headers["Content-Type"]
            return error.code, error.headers["Server"], json.load(error) if is_json else error.read().decode()


@pytest.fixture
def ferry(dockerci_services) -> Ferry:
    """The service under test, started as it is in production: supervisor, nginx, Node."""
    return Ferry(dockerci_services["web"].address(8080))
