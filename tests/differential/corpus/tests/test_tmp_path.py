def test_write(tmp_path):
    (tmp_path / "file").write_text("x")
    assert (tmp_path / "file").read_text() == "x"
    assert tmp_path.name == "test_write0"


def test_factory(tmp_path_factory):
    assert tmp_path_factory.mktemp("a", numbered=False).is_dir()


def test_fails_with_path(tmp_path):
    assert (tmp_path / "missing").exists(), tmp_path.name


def test_py_path(tmpdir):
    assert tmpdir.check()
