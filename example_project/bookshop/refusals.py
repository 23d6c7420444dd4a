"""Why a customer does not get what was ordered; `status` is the HTTP status that says so."""


class OrderRefused(Exception):
    status = 409


class SoldOut(OrderRefused):
    status = 409


class UnknownBook(OrderRefused):
    status = 404


class PaymentDeclined(OrderRefused):
    status = 402
