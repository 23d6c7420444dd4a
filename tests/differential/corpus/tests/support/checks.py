def check(value):
    assert value == {"right": 1}
