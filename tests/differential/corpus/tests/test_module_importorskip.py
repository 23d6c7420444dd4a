import pytest

missing = pytest.importorskip("no_such_module_at_all", reason="it is not there")


def test_never():
    pass
