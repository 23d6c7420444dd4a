import unittest


class TestCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print("class up")

    def setUp(self):
        self.value = 1

    def tearDown(self):
        print("down")

    def test_pass(self):
        self.assertEqual(self.value, 1)

    def test_fail(self):
        self.assertDictEqual({"a": 1}, {"a": 2})

    def test_error(self):
        raise OSError("error")

    def test_skip(self):
        self.skipTest("by call")

    @unittest.skip("by decorator")
    def test_skip_decorator(self):
        pass

    @unittest.expectedFailure
    def test_expected(self):
        self.fail("expected")

    @unittest.expectedFailure
    def test_unexpected(self):
        pass

    def test_cleanup(self):
        self.addCleanup(self.fail, "in clean-up")


class TestBroken(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise ValueError("class up")

    def test_a(self):
        pass


@unittest.skip("class")
class TestSkipped(unittest.TestCase):
    def test_a(self):
        pass


class TestSkipInSetup(unittest.TestCase):
    def setUp(self):
        raise unittest.SkipTest("in set-up")

    def test_a(self):
        pass
