import pytest


def test_property(record_property):
    record_property("number", 1)
    record_property("text", "<&>\u00e4")


def test_property_fails(record_property):
    record_property("seen", [1, 2])
    assert 0


def test_xml_attribute(record_xml_attribute):
    record_xml_attribute("ticket", "T-1")


@pytest.fixture(scope="session", autouse=False)
def suite_property(record_testsuite_property):
    record_testsuite_property("arch", "any")
    record_testsuite_property("count", 3)


def test_suite_property(suite_property):
    pass


def test_skipped_with_property(record_property):
    record_property("why", "no")
    pytest.skip("recorded")


@pytest.mark.parametrize("value", ["any", "any", "other"])
def test_suite_property_again(value, record_testsuite_property):
    record_testsuite_property("arch", value)
    record_testsuite_property("arch", value)
