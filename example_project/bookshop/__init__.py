"""A small bookshop: a web API with PostgreSQL for the orders and Redis for the catalogue."""
