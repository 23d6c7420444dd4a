import pytest


@pytest.fixture
def plugin_value():
    return 7


def check_odd(number):
    left = number % 2
    assert left == 1, "from a plugin"


@pytest.fixture
def odd_checker():
    return check_odd
