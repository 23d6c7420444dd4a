def double(number):
    """Twice.

    >>> double(2)
    4
    >>> double(3)
    7
    """
    return 2 * number


def raises():
    """
    >>> raises()
    """
    raise ValueError("in a doctest")


def skipped():
    """
    >>> import pytest; pytest.skip("in a doctest")
    """


def test_beside():
    pass
