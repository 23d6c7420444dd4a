"""Where the tests run: in the image that will be shipped, as it will be shipped."""

import os
import sys
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

import bookshop


def test_runs_in_a_container():
    assert Path("/.dockerenv").exists()
    assert Path(bookshop.__file__) == Path("/app/bookshop/__init__.py")


def test_runs_on_the_python_of_the_image():
    assert sys.version_info[:2] == (3, 13)


def test_runs_as_the_user_of_the_image_who_cannot_change_the_application():
    assert os.getuid() != 0
    assert not os.access("/app/bookshop", os.W_OK)


def test_no_test_package_is_baked_in():
    baked_in = {found.name.lower() for found in distributions(path=[sysconfig.get_path("purelib")])}
    assert {"flask", "gunicorn", "psycopg", "redis"} <= baked_in
    assert baked_in.isdisjoint({"pytest", "pluggy", "dirty-equals"})
