import pytest

ODD = ["", " ", "a b", "a::b", "[x]", "a[b]", "]", "::", "/", "a/b.py::c", "\u00e4\u20ac", "\U0001f600", "a\nb",
       "\x00", "\ud800", "%s", "same", "same", "'", '"', "\\", "-k", "x" * 300, None, 1.5, b"\xff", object]


@pytest.mark.parametrize("value", ODD)
def test_odd(value):
    assert value != "[x]"


@pytest.mark.parametrize("first", [1, 2], ids=["eins", "zwei"])
@pytest.mark.parametrize("second", ["x", pytest.param("y", id="a-b"), pytest.param("z", marks=pytest.mark.slow)])
def test_product(first, second):
    pass


@pytest.mark.parametrize("value", [])
def test_none(value):
    pass


@pytest.mark.parametrize("value", [1, 1, 1], ids=["a", "a", "a0"])
def test_duplicate_ids(value):
    pass


@pytest.mark.parametrize("value", [1, 2], ids=lambda value: f"n={value}")
def test_ids_function(value):
    pass


class TestClass:
    @pytest.mark.parametrize("value", [1, 2])
    def test_method(self, value):
        assert value == 1
