def test_some_fail(subtests):
    for number in range(4):
        with subtests.test("number", number=number):
            print("subtest", number)
            assert number % 2 == 0


def test_all_pass(subtests):
    with subtests.test(msg="one"):
        pass
    with subtests.test("two"):
        pass


def test_skip_in_subtest(subtests):
    import pytest

    with subtests.test("skips"):
        pytest.skip("in a subtest")
    with subtests.test("xfails"):
        pytest.xfail("in a subtest")


def test_subtest_and_test_fail(subtests):
    with subtests.test("inner"):
        raise ValueError("inner")
    raise KeyError("outer")
