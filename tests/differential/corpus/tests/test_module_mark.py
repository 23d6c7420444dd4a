import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(True, reason="module mark")]


def test_skipped():
    pass
