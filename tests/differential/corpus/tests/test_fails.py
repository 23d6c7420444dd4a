import pytest


def helper(number):
    local = number * 2
    raise ValueError(f"bad {local}")


def test_assert():
    left = {"a": 1, "b": [1, 2, 3]}
    assert left == {"a": 2, "b": [1, 3]}


def test_helper():
    word = "abc"
    helper(len(word))


def test_by_call():
    pytest.fail("on purpose")


def test_by_call_without_traceback():
    pytest.fail("on purpose", pytrace=False)


def test_raises_did_not_raise():
    with pytest.raises(KeyError):
        pass


def test_recursion():
    def down(n):
        return down(n + 1)

    down(0)


def test_hidden_frame():
    def inner():
        __tracebackhide__ = True
        raise OSError(2, "no such thing")

    inner()


def test_long_difference():
    assert "\n".join(map(str, range(60))) == "\n".join(map(str, range(1, 61)))


def test_with_strange_characters():
    assert "\x1b[31mred\x1b[0m \u2028 \x00" == "plain"


def test_exception_group():
    raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])


def test_notes():
    error = ValueError("has notes")
    error.add_note("a note")
    raise error


def test_syntax_error_at_run_time():
    compile("a b", "made_up.py", "exec")


def test_with_broken_repr():
    class Broken:
        def __repr__(self):
            raise RuntimeError("no repr")

    value = Broken()
    assert value == 1
