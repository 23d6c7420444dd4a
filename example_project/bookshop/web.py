"""The web API. Served by gunicorn: ``gunicorn 'bookshop.web:create_app()'``."""

import os
from http import HTTPStatus
from uuid import UUID

from flask import Flask, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from bookshop.catalogue import Catalogue
from bookshop.orders import connect, find_order, list_books, place_order
from bookshop.payments import payments_for
from bookshop.refusals import OrderRefused
from bookshop.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """The application; reads the process's environment when it is given no settings."""
    settings = settings or Settings.from_environ(os.environ)
    database_url = settings.database_url
    payments = payments_for(settings)
    catalogue = Catalogue(settings.cache_url, lambda: list_books(database_url))
    app = Flask(__name__)

    @app.get("/health")
    def health() -> dict[str, str]:
        with connect(database_url) as connection:
            connection.execute("SELECT 1")
        return {"environment": settings.environment, "cache": "up" if catalogue.is_up() else "down"}

    @app.get("/books")
    def books() -> Response:
        found, source = catalogue.books()
        response = jsonify(found)
        response.headers["X-Cache"] = source
        return response

    @app.post("/orders")
    def order() -> tuple[Response, int]:
        match request.get_json():
            case {"isbn": str(isbn), "quantity": int(quantity), "card": str(card)} if 1 <= quantity <= 100:
                placed = place_order(database_url, payments, isbn=isbn, quantity=quantity, card=card)
            case _:
                abort(HTTPStatus.BAD_REQUEST, "an order has isbn, quantity (1 to 100) and card")
        catalogue.forget()
        return jsonify(placed), HTTPStatus.CREATED

    @app.get("/orders/<uuid:order_id>")
    def show_order(order_id: UUID) -> Response:
        found = find_order(database_url, order_id)
        if found is None:
            abort(HTTPStatus.NOT_FOUND, f"there is no order {order_id}")
        return jsonify(found)

    @app.errorhandler(OrderRefused)
    def refused(error: OrderRefused) -> tuple[Response, int]:
        return jsonify(error=str(error)), error.status

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> tuple[Response, int]:
        return jsonify(error=error.description), error.code or HTTPStatus.INTERNAL_SERVER_ERROR

    return app
