def test_one():
    pass


def test_two():
    assert True


class TestGroup:
    def test_three(self):
        pass

    class TestInner:
        def test_four(self):
            pass
