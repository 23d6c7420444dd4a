import pytest

pytest_plugins = ["suite_plugin"]


@pytest.fixture(scope="session")
def session_value():
    return ["session"]


@pytest.fixture(scope="module", autouse=True)
def module_autouse(request):
    yield request.module.__name__


def check_even(number):
    assert number % 2 == 0


@pytest.fixture
def checker():
    return check_even
