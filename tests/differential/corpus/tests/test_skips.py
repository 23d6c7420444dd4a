import sys

import pytest


@pytest.mark.skip(reason="not today")
def test_mark():
    pass


@pytest.mark.skip
def test_bare_mark():
    pass


@pytest.mark.skipif(True, reason="a condition")
def test_skipif():
    pass


@pytest.mark.skipif("sys.platform != 'nothing'", reason="a text condition")
def test_skipif_text():
    pass


@pytest.mark.skipif("not_a_name", reason="broken")
def test_skipif_broken():
    pass


def test_call():
    pytest.skip("half way")


def helper():
    pytest.skip("in a helper")


def test_helper():
    helper()


@pytest.fixture
def skipping():
    pytest.skip("in a fixture")


def test_fixture(skipping):
    pass


@pytest.fixture
def skipping_at_the_end():
    yield
    pytest.skip("at the end")


def test_teardown(skipping_at_the_end):
    pass


def test_importorskip():
    pytest.importorskip("no_such_module_at_all")


@pytest.mark.skip(reason="whole class")
class TestClass:
    def test_a(self):
        pass

    def test_b(self):
        pass
