def setup_module():
    print("module up")


def setup_function(function):
    print("function up", function.__name__)


def teardown_function(function):
    print("function down")


def test_function():
    assert 0


class TestMethods:
    @classmethod
    def setup_class(cls):
        cls.value = 1

    def setup_method(self, method):
        assert self.value == 1

    def test_method(self):
        self.value = 2

    def test_other(self):
        assert self.value == 1


class TestBrokenClass:
    @classmethod
    def setup_class(cls):
        raise ValueError("class up")

    def test_a(self):
        pass

    def test_b(self):
        pass
