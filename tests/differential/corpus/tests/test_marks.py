import pytest


@pytest.mark.slow
def test_slow():
    pass


@pytest.mark.fast
@pytest.mark.ticket(7)
def test_fast():
    pass


@pytest.mark.slow
class TestSlow:
    def test_a(self):
        pass

    @pytest.mark.ticket(number=8)
    def test_b(self):
        pass


@pytest.mark.not_registered
def test_not_registered():
    pass


def test_ümläut():
    pass
