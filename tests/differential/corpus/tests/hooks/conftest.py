import pytest


def pytest_generate_tests(metafunc):
    if "generated" in metafunc.fixturenames:
        metafunc.parametrize("generated", ["one", "two"])


def pytest_collection_modifyitems(config, items):
    mine = [item for item in items if "hooks" in item.nodeid]
    for item in mine:
        if "generated" in item.name:
            item.add_marker("slow")
            item.add_marker(pytest.mark.ticket(9))
        if "goes_away" in item.name:
            items.remove(item)
            config.hook.pytest_deselected(items=[item])
    order = [item for item in items if item not in mine] + [item for item in items if item in mine][::-1]
    items[:] = order


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if call.when == "call":
        report.sections.append(("Own section", f"about {item.name}"))
        report.user_properties.append(("seen", item.name))
        if "overruled" in item.name:
            report.outcome = "passed"
            report.longrepr = None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    item.user_properties.append(("wrapped", "yes"))
    yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if "stopped_in_setup" in item.name:
        pytest.skip("by a hook")


def pytest_assertrepr_compare(op, left, right):
    if isinstance(left, Amount) and isinstance(right, Amount) and op == "==":
        return ["amounts:", f"   {left.value} is not {right.value}"]


class Amount:
    def __init__(self, value):
        self.value = value


@pytest.fixture
def amount():
    return Amount


def pytest_make_parametrize_id(config, val, argname):
    return f"{argname}:{val}" if argname == "named" else None
