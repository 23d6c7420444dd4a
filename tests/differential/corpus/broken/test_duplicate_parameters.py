import pytest


@pytest.mark.parametrize("a", [1])
def test_unknown_argument(b):
    pass


@pytest.mark.parametrize("a,b", [(1, 2), (3,)])
def test_wrong_number(a, b):
    pass
