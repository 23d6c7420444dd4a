"""What an order costs: needs neither database nor cache."""

import pytest

from bookshop.prices import total_cents


@pytest.mark.parametrize(
    ("price_cents", "quantity", "expected_cents"),
    [(995, 1, 995), (995, 9, 8955), (995, 10, 8955), (1, 11, 9)],
)
def test_ten_copies_or_more_are_ten_percent_cheaper(price_cents, quantity, expected_cents):
    assert total_cents(price_cents, quantity) == expected_cents
