"""PYTEST_DONT_REWRITE"""


def test_plain_assert():
    left = 1
    assert left == 2
