from . import checks


def test_relative_import():
    checks.check({"right": 1})


def test_not_rewritten():
    checks.check({"wrong": 1})
