def lower(number):
    raise ValueError(f"lower {number}")


def test_cause():
    try:
        lower(1)
    except ValueError as error:
        raise RuntimeError("upper") from error


def test_context():
    try:
        lower(2)
    except ValueError:
        {}["missing"]


def test_suppressed():
    try:
        lower(3)
    except ValueError:
        raise RuntimeError("alone") from None


def test_three():
    try:
        try:
            lower(4)
        except ValueError as error:
            raise KeyError("middle") from error
    except KeyError as error:
        raise OSError("top") from error
