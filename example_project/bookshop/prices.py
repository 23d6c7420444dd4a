"""What an order costs."""

BULK_QUANTITY = 10
BULK_DISCOUNT_PERCENT = 10


def total_cents(price_cents: int, quantity: int) -> int:
    """The price of an order: ten copies or more are 10 % cheaper, rounded in the customer's favour."""
    total = price_cents * quantity
    if quantity >= BULK_QUANTITY:
        total = total * (100 - BULK_DISCOUNT_PERCENT) // 100
    return total
