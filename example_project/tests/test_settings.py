"""The switches: what the environment variables of the container do."""

import os

import pytest

from bookshop.payments import FakePayments, LivePayments, payments_for
from bookshop.settings import Settings, SettingsError


def test_the_container_under_test_is_told_that_it_is_testing():
    assert os.environ["ENVIRONMENT"] == "testing"
    assert Settings.from_environ(os.environ).environment == "testing"


def test_the_payment_key_is_the_one_made_for_this_run():
    """Set by the hook in the root conftest.py, over the one of compose.yaml."""
    assert os.environ["PAYMENT_KEY"].startswith("test_run_")


@pytest.mark.parametrize(
    ("environ", "payments"),
    [
        pytest.param({"ENVIRONMENT": "testing", "PAYMENT_KEY": "test_1"}, FakePayments, id="testing"),
        pytest.param({"ENVIRONMENT": "development", "PAYMENT_KEY": "test_1"}, FakePayments, id="development"),
        pytest.param({"ENVIRONMENT": "production", "PAYMENT_KEY": "live_1"}, LivePayments, id="production"),
        pytest.param({"PAYMENT_KEY": "live_1"}, LivePayments, id="nothing said means production"),
    ],
)
def test_only_production_takes_real_money(environ, payments):
    assert isinstance(payments_for(Settings.from_environ(environ)), payments)


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        pytest.param(
            {"ENVIRONMENT": "production", "PAYMENT_KEY": "test_1"}, "starts with live_", id="test key"
        ),
        pytest.param({"ENVIRONMENT": "testing", "PAYMENT_KEY": "live_1"}, "starts with test_", id="live key"),
        pytest.param({"ENVIRONMENT": "production"}, "needs a PAYMENT_KEY", id="no key"),
        pytest.param({"ENVIRONMENT": "prod"}, "not one of development, testing, production", id="misspelt"),
    ],
)
def test_a_dangerous_mixture_does_not_start(environ, complaint):
    with pytest.raises(SettingsError, match=complaint):
        Settings.from_environ(environ)
