import pytest


@pytest.fixture
def broken_setup():
    print("setting up")
    raise OSError(2, "no such thing")


@pytest.fixture
def broken_teardown():
    print("in set-up")
    yield 1
    print("in tear-down")
    raise KeyError("gone")


@pytest.fixture(scope="module")
def broken_module():
    raise RuntimeError("module")


def test_setup(broken_setup):
    pass


def test_teardown(broken_teardown):
    print("in call")


def test_fails_and_teardown(broken_teardown):
    assert 0


def test_module_first(broken_module):
    pass


def test_module_second(broken_module):
    pass


def test_unknown_fixture(no_such_fixture):
    pass


@pytest.fixture
def asks_unknown(no_such_fixture):
    pass


def test_unknown_deeper(asks_unknown):
    pass


@pytest.fixture
def fails_by_call():
    pytest.fail("set-up failed by call")


def test_setup_fails_by_call(fails_by_call):
    pass


@pytest.fixture
def two(request):
    request.addfinalizer(lambda: 1 / 0)
    request.addfinalizer(lambda: {}["missing"])


def test_two_teardown_errors(two):
    pass


def teardown_module():
    raise ValueError("module tear-down")
