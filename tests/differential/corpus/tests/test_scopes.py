import pytest


@pytest.fixture(params=["low", "high"], scope="module")
def level(request):
    print("up", request.param)
    yield request.param
    print("down", request.param)


@pytest.fixture(scope="class")
def of_class(request):
    return request.cls.__name__ if request.cls else None


@pytest.fixture(scope="package")
def of_package():
    return []


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.skip(reason="two")), pytest.param(3, id="three")])
def number(request):
    return request.param


def test_first(level, session_value):
    session_value.append("first")


def test_second(level, session_value):
    assert "first" in session_value


class TestClass:
    def test_a(self, of_class, of_package):
        of_package.append(1)
        assert of_class == "TestClass"

    def test_b(self, of_class, of_package, number):
        assert of_package == [1]
        assert number == 1


def test_plugin_fixture(plugin_value):
    assert plugin_value == 7


@pytest.mark.usefixtures("level")
def test_uses():
    pass


@pytest.mark.parametrize("level", ["direct"], indirect=True)
def test_indirect(level):
    assert level == "direct"


def test_request(request):
    assert request.node.name == "test_request"
    assert request.getfixturevalue("plugin_value") == 7
