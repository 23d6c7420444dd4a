import warnings

import pytest

warnings.warn("while it is imported", UserWarning)


def test_warns():
    warnings.warn("a user warning", UserWarning)


@pytest.mark.parametrize("value", [1, 2])
def test_warns_twice(value):
    warnings.warn("a deprecation", DeprecationWarning)


def test_warns_and_fails():
    warnings.warn("before it fails", RuntimeWarning)
    assert 0


class OwnWarning(UserWarning):
    pass


def test_own_class():
    warnings.warn("own", OwnWarning)


@pytest.mark.filterwarnings("error")
def test_made_an_error():
    warnings.warn("an error", UserWarning)


@pytest.mark.filterwarnings("ignore:quiet")
def test_ignored():
    warnings.warn("quiet", UserWarning)


def test_pytest_warns():
    with pytest.warns(UserWarning, match="expected"):
        warnings.warn("expected", UserWarning)


def test_pytest_warns_fails():
    with pytest.warns(UserWarning, match="other"):
        warnings.warn("this", UserWarning)


def test_recwarn(recwarn):
    warnings.warn("recorded", UserWarning)
    assert len(recwarn) == 1


def test_returns_a_value():
    return 1


class TestWithInit:
    def __init__(self):
        pass

    def test_never(self):
        pass


def test_unraisable():
    class Broken:
        def __del__(self):
            raise ValueError("in __del__")

    value = Broken()
    del value


def test_in_thread():
    import threading

    def fail():
        raise OSError("in a thread")

    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()


@pytest.fixture
def warning_fixture():
    warnings.warn("in set-up", UserWarning)
    yield
    warnings.warn("in tear-down", UserWarning)


def test_fixture(warning_fixture):
    pass


def test_several_lines():
    warnings.warn("first line\nsecond line", UserWarning)
