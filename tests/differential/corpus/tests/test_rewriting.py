import pytest


def test_conftest_helper(checker):
    checker(3)


def test_plugin_helper(odd_checker):
    odd_checker(4)


def test_operators():
    items = [1, 2]
    assert 3 in items and not items
