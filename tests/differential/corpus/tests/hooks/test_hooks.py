import pytest


def test_generated(generated):
    assert generated == "one"


def test_goes_away():
    pass


def test_overruled():
    assert 0


def test_stopped_in_setup():
    pass


def test_amounts(amount):
    assert amount(1) == amount(2)


@pytest.mark.parametrize("named", [1, 2])
def test_named(named):
    pass
