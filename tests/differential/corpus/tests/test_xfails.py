import pytest


@pytest.mark.xfail
def test_bare():
    assert 0


@pytest.mark.xfail(reason="known")
def test_reason():
    assert 0


@pytest.mark.xfail(strict=True, reason="strict")
def test_strict_fails():
    assert 0


@pytest.mark.xfail(strict=True, reason="strict")
def test_strict_passes():
    pass


@pytest.mark.xfail(reason="not strict")
def test_passes():
    print("unexpected")


@pytest.mark.xfail(raises=ValueError, reason="of a kind")
def test_raises_right():
    raise ValueError("right")


@pytest.mark.xfail(raises=ValueError)
def test_raises_wrong():
    raise KeyError("wrong")


@pytest.mark.xfail(False, reason="condition is false")
def test_condition_false():
    assert 0


@pytest.mark.xfail(run=False, reason="must not run")
def test_not_run():
    raise SystemExit


def test_call():
    pytest.xfail("by call")


@pytest.fixture
def broken():
    raise OSError("broken")


@pytest.mark.xfail(reason="set-up")
def test_setup(broken):
    pass


def test_added_at_run_time(request):
    request.node.add_marker(pytest.mark.xfail(reason="added"))
    assert 0
