import unittest


class TestCase(unittest.TestCase):
    def test_subtests(self):
        for number in range(3):
            with self.subTest("number", n=number):
                self.assertEqual(number % 2, 0)

    def test_subtest_skips(self):
        with self.subTest("skip"):
            self.skipTest("inner")

    def test_after(self):
        with self.subTest(a=1):
            self.fail("in subtest")
        self.fail("after it")

    def test_all_pass(self):
        for number in range(3):
            with self.subTest("number", n=number):
                self.assertLess(number, 3)
